/* migrate.h: the versions of a store's schema: which ones this program knows, which are applied and
 * when, and what is pending. For `statute migrate`. Opening a writer applies what is pending too.
 *
 * A program is as new as the newest version that it knows. Each version also says how old a program
 * may be and still use a store that has it (`oldest_program`), so that nodes of one store can be
 * upgraded one after another: what a new version adds, the older program does not see. */
#ifndef STATUTE_MIGRATE_H
#define STATUTE_MIGRATE_H

#include "base/arena.h"
#include "base/fault.h"

struct migrate_step {
    int64_t version;
    int64_t oldest_program;
    const char *summary; /* NULL: this program does not know the version */
    bool applied;
    int64_t applied_us; /* 0: not known */
};

struct migrate_status {
    struct migrate_step *steps; /* by version */
    size_t count;
    size_t pending;         /* of those that this program knows */
    int64_t version;        /* the newest that is applied; 0: none */
    int64_t known;          /* the newest that this program knows */
    int64_t oldest_program; /* the largest of those applied; 0: none is */
};

/* Looks at the store on a read-only connection, and makes nothing. FAULT_USAGE: `url` names no
 * store; FAULT_ENVIRONMENT or FAULT_STORE_UNAVAILABLE: it cannot be reached, or is no store. */
bool migrate_look(struct text url, struct arena *arena, struct migrate_status *out,
                  struct fault *fault) MUST_CHECK;

/* FAULT_ENVIRONMENT, with what to do, when the schema is too new for this program. `name` is the
 * store's, for the message. */
bool migrate_check(const struct migrate_status *status, const char *name,
                   struct fault *fault) MUST_CHECK;

/* Called for each version that was applied, when it is committed. */
typedef void migrate_report(void *context, int64_t version);

/* Makes the store if need be and applies what is pending. Harmless when nothing is; also beside
 * running servers on PostgreSQL, and beside others that do the same. Faults are store_open's. */
bool migrate_up(struct text url, migrate_report *report, void *context,
                struct fault *fault) MUST_CHECK;

#endif
