/* inspect.h: looks at a store from outside, on a read-only connection of its own: what is in it
 * that no query of store.h would notice. For `statute verify`, `audit verify`, `export` and
 * `version`. `url` is as for store_open; FAULT_USAGE when it names no store. */
#ifndef STATUTE_INSPECT_H
#define STATUTE_INSPECT_H

#include "base/arena.h"
#include "base/fault.h"

typedef void inspect_report(void *context, struct text message);

/* What is wrong with the store as such: tables that contradict each other; of a SQLite file also
 * pages, indexes, and rows that are missing from a table. PostgreSQL cannot tell those: its numbers
 * have gaps by nature, so that an entity that was deleted with all its records leaves no trace.
 * Nothing is reported of a sound store. */
bool inspect_file(struct text url, inspect_report *report, void *context,
                  struct fault *fault) MUST_CHECK;

/* The version of the schema, also one that this program does not know. */
bool inspect_schema(struct text url, int64_t *version, struct fault *fault) MUST_CHECK;

/* The machines that the store knows, in name order. */
bool inspect_machines(struct text url, struct arena *arena, struct text **names, size_t *count,
                      struct fault *fault) MUST_CHECK;

struct text inspect_libraries(struct arena *arena); /* "SQLite 3.40.1, libpq 15.14" */

/* Whether the store has the schema that this program writes. */
bool inspect_is_current(struct text url, bool *current, struct fault *fault) MUST_CHECK;

#endif
