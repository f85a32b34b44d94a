/* attempts.h: what the calls that attempt something share: making the job, the actor, the
 * options and headers that they have in common. */
#ifndef STATUTE_API_ATTEMPTS_H
#define STATUTE_API_ATTEMPTS_H

#include "api/answer.h"
#include "api/form.h"

/* A job for the call's machine (first parameter), with defaults. FAULT_UNKNOWN_MACHINE when no such
 * machine is loaded, FAULT_BAD_REQUEST for a malformed id. `id` may be TEXT_NONE: a fresh UUIDv7.
 */
bool attempt_job_new(struct call *call, enum attempt_kind kind, struct text id,
                     struct attempt_job **out, struct fault *fault) MUST_CHECK;

/* actor, reason, comments and metadata of the body, checked against the caller's scopes. */
bool attempt_read_context(struct call *call, const struct form *form, struct attempt *attempt,
                          struct fault *fault) MUST_CHECK;

/* If-Match and Idempotency-Key. */
bool attempt_read_headers(struct call *call, struct attempt_job *job,
                          struct fault *fault) MUST_CHECK;

/* Scope, key and the body's hash, in the exchange's arena; no key: there is none. */
bool attempt_read_key(struct call *call, struct store_answer *out, struct fault *fault) MUST_CHECK;

/* Posts to the entity's home, or to a decider when it is a dry run. */
void attempt_post(struct call *call, struct attempt_job *job);

/* An entity must be of a loaded machine: FAULT_UNKNOWN_MACHINE, with "did you mean". */
bool call_machine(struct call *call, struct text name, struct fault *fault) MUST_CHECK;

#endif
