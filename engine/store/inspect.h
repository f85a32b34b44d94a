/* inspect.h: looks at a store from outside, on a read-only connection of its own: what is in the
 * file that no query of store.h would notice. For `statute verify`, `export` and `version`. */
#ifndef STATUTE_INSPECT_H
#define STATUTE_INSPECT_H

#include "base/arena.h"
#include "base/fault.h"

/* What is wrong with the file as such: pages, indexes, tables that contradict each other. Nothing
 * is reported of a sound one. */
bool inspect_file(struct text url, void (*report)(void *context, struct text message),
                  void *context, struct fault *fault) MUST_CHECK;

/* The version of the schema. */
bool inspect_schema(struct text url, int64_t *version, struct fault *fault) MUST_CHECK;

/* The machines that the store knows, in name order. */
bool inspect_machines(struct text url, struct arena *arena, struct text **names, size_t *count,
                      struct fault *fault) MUST_CHECK;

const char *inspect_library(void); /* "SQLite 3.40.1" */

#endif
