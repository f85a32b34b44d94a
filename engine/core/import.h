/* import.h: entities as lines of JSON, one object a line, in batches. Two meanings:
 *   restore (the usual one)  each becomes what its line says: state, data, version, times, timers.
 *                            No rule is asked, no effect runs, nobody is told.
 *   as new                   each is created: validated, prepared, with effects and timers.
 * Either is audited, with the reason "migration". How to use: import_init, import_add each line,
 * import_flush at the end, import_deinit. */
#ifndef STATUTE_IMPORT_H
#define STATUTE_IMPORT_H

#include "base/map.h"
#include "core/batch.h"

#define IMPORT_BATCH_MOST 500

struct import_counts {
    int64_t imported;
    int64_t skipped; /* were there already */
    int64_t refused;
    int64_t
        untimed; /* restored without timers, in states that have some, since the line has none */
};

/* One line that did not become an entity. */
typedef void import_refused(void *context, int64_t line, enum fault_code code, struct text message);

struct import_options {
    const struct actor *actor; /* whose import this is; NULL: nobody's */
    bool as_new;               /* create, and do not restore */
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
    size_t tripped_at;    /* private to import.c */
    struct arena kept;    /* of `strangers` */
    struct map strangers; /* "machine STATE" -> int64_t: restored though no machine has it */
};

/* The core is the caller's, and must outlive the import; its arena is reset between batches. */
void import_init(struct import *import, struct core *core, const struct import_options *options);
void import_deinit(struct import *import);

/* Takes `{machine, id, state?, data?, version?, created_at?, updated_at?, timers?}`. A restore of a
 * line with a version, as an export has it, takes what it says, also where the rules in force do
 * not know the machine or the state (`strangers`). A line without a version is no export's: what it
 * leaves out is as of a new entity, and machine, state and fields are checked. Times (RFC 3339) are
 * in order and not to come. Runs a batch whenever enough lines wait. False only for a fault of the
 * store. */
bool import_add(struct import *import, struct text line, int64_t number,
                struct fault *fault) MUST_CHECK;
bool import_flush(struct import *import, struct fault *fault) MUST_CHECK;

#endif
