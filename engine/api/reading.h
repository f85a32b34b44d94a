/* reading.h: whose reading a GET is, and whether the machine's `read` allows it. Used by the calls
 * that show entities: one, a list, a history, transitions. */
#ifndef STATUTE_API_READING_H
#define STATUTE_API_READING_H

#include "api/route.h"

/* The actor of a GET: the caller's own; or, for who may act as others, `actor` (a name or a JSON
 * object), `roles` and `permissions` (comma-separated) in the query. */
bool reading_actor(struct call *call, const struct actor **out, struct fault *fault) MUST_CHECK;
extern const char *const reading_queries[]; /* these three, NULL-terminated */

/* Inside a read transaction. False with the fault of the refusal, whose members of the problem are
 * in *extra; nothing of the entity is in either. */
bool reading_allowed(struct worker *worker, struct call *call, const struct actor *actor,
                     const struct entity *entity, struct text *extra,
                     struct fault *fault) MUST_CHECK;

/* The same for one of many: what may not be read, or whose policy fails, is not shown. */
bool reading_shows(struct worker *worker, struct arena *arena, const struct actor *actor,
                   const struct entity *entity, bool *shows, struct fault *fault) MUST_CHECK;

#endif
