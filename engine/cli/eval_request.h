/* eval_request.h: what `statute eval` is asked: an attempt, the entity it is on, and the other
 * entities that the policy may read. */
#ifndef STATUTE_EVAL_REQUEST_H
#define STATUTE_EVAL_REQUEST_H

#include "policy/policy.h"

struct eval_request {
    struct text timer; /* in: fires the timer to this state, unless the request names one itself */
    struct attempt attempt;
    struct entity entity; /* exists == false for a creation */
    int64_t now_us;
    struct entity *others; /* of `entities` */
    size_t other_count;
};

/* Reads one request strictly. FAULT_BAD_REQUEST names the place, FAULT_UNKNOWN_MACHINE the machine.
 */
bool eval_request_read(const struct generation *generation, struct arena *arena, struct text json,
                       struct now now, struct eval_request *out, struct fault *fault) MUST_CHECK;

/* ctx:find and ctx:count over the request's entities, the one asked about among them. The request
 * must outlive the reads. */
struct policy_reads eval_request_reads(struct eval_request *request);

#endif
