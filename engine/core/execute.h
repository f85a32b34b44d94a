/* execute.h: carries out one attempt inside a batch: decide, apply, record, follow. Used by
 * engine/core only. */
#ifndef STATUTE_EXECUTE_H
#define STATUTE_EXECUTE_H

#include "core/work.h"

#define EXECUTE_DEPTH_MOST   16   /* follow of a follow of a follow... */
#define EXECUTE_EFFECTS_MOST 1000 /* follow and create of one request */

/* Runs a request's attempt: on success everything it caused is in `work`; a refusal leaves only its
 * audit record. False only for a fault of the store. */
bool execute_attempt(struct work *work, const struct attempt *attempt, struct outcome *out,
                     struct fault *fault) MUST_CHECK;

/* Records an attempt that was refused before any policy was asked (lock_timeout, say). */
bool execute_refuse(struct work *work, const struct attempt *attempt, enum fault_code code,
                    const char *message, struct outcome *out, struct fault *fault) MUST_CHECK;

/* Marks the outcome as skipped when the entity does not fit `where` (NULL: it does). */
bool execute_fits(struct work *work, const struct attempt *attempt, const struct store_where *where,
                  struct outcome *out, struct fault *fault) MUST_CHECK;

/* Runs all attempts of the member that fit its `where`, or none: after the first refusal everything
 * is undone, and each of them is recorded as refused, the innocent ones as batch_aborted. */
bool execute_all(struct work *work, struct member *member, struct fault *fault) MUST_CHECK;

#endif
