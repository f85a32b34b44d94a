/* import.h: entities from elsewhere, one JSON object a line, created in batches: validated,
 * prepared and audited (reason "migration") like any other. How to use: import_init, import_add
 * each line, import_flush at the end, import_deinit. */
#ifndef STATUTE_IMPORT_H
#define STATUTE_IMPORT_H

#include "core/batch.h"

#define IMPORT_BATCH_MOST 500

struct import_counts {
    int64_t imported;
    int64_t skipped; /* were there already */
    int64_t refused;
};

/* One line that did not become an entity. */
typedef void import_refused(void *context, int64_t line, enum fault_code code, struct text message);

struct import_options {
    const struct actor *actor; /* whose import this is; NULL: nobody's */
    bool skip_existing;        /* an entity that is there already is no refusal */
    bool stop;                 /* nothing after the first refused line is imported */
    import_refused *refused;
    void *context;
};

struct import {
    struct core *core;
    struct import_options options;
    struct import_counts counts;
    bool stopped;       /* a line was refused and options.stop is set: add no more */
    struct arena arena; /* of the lines that wait */
    struct attempt *attempts;
    int64_t *lines; /* their numbers */
    size_t count;
    size_t tripped_at; /* private to import.c */
};

/* The core is the caller's, and must outlive the import; its arena is reset between batches. */
void import_init(struct import *import, struct core *core, const struct import_options *options);
void import_deinit(struct import *import);

/* Takes `{machine, id, state?, data?, version?, created_at?, updated_at?}`, as an export has it;
 * the last three are kept as metadata of the audit record. The times (RFC 3339, in order, not to
 * come) become the entity's own; its version starts at 1 again. Runs a batch whenever enough lines
 * wait. False only for a fault of the store. */
bool import_add(struct import *import, struct text line, int64_t number,
                struct fault *fault) MUST_CHECK;
bool import_flush(struct import *import, struct fault *fault) MUST_CHECK;

#endif
