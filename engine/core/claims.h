/* claims.h: the distributed locks of one batch: who may go on, who waits, who gives up. Used by
 * engine/core only. */
#ifndef STATUTE_CLAIMS_H
#define STATUTE_CLAIMS_H

#include "core/batch.h"

struct claims {
    struct lock_claim *items; /* sorted by key, unique */
    size_t count;
    struct text *keys;  /* of every attempt, in the members' order; TEXT_NONE: wants no lock */
    int64_t taken_us;   /* how long it took to ask */
    struct fault fault; /* the lock could not be asked */
};

/* Asks for all the locks that the members want, once each. */
struct claims claims_take(struct core *core, struct member *const *members, size_t count);

/* Fills `ready` with the members that go on. The others are `blocked`, or have the fault. A member
 * whose patience is at its end goes on too, with the fault FAULT_LOCK_TIMEOUT, to have its refusal
 * recorded. */
size_t claims_ready(struct core *core, const struct claims *claims, struct member *const *members,
                    size_t count, struct member **ready);

void claims_drop(struct core *core, const struct claims *claims);

#endif
