/* claims.h: the distributed locks of one batch: who may go on, who waits, who gives up. Used by
 * engine/core only. */
#ifndef STATUTE_CLAIMS_H
#define STATUTE_CLAIMS_H

#include "core/batch.h"

struct claims {
    struct lock_claim *items; /* sorted by key, unique */
    size_t count;
    struct text *keys;   /* of every attempt, in the members' order; TEXT_NONE: wants no lock */
    int64_t taken_us;    /* how long it took to ask */
    int64_t held_us;     /* monotonic: when the holds were taken, or last renewed */
    int64_t shortest_us; /* the shortest ttl among them; INT64_MAX: nothing is held */
    bool unlocked;       /* the lock could not be asked, and everybody goes on without it */
    struct fault fault;  /* the lock could not be asked, and who wants it is refused */
};

/* Asks for all the locks that the members want, once each. */
struct claims claims_take(struct core *core, struct member *const *members, size_t count);

/* Fills `ready` with the members that go on. The others are `blocked`, or have the fault. A member
 * whose patience is at its end goes on too, with the fault FAULT_LOCK_TIMEOUT, to have its refusal
 * recorded. */
size_t claims_ready(struct core *core, const struct claims *claims, struct member *const *members,
                    size_t count, struct member **ready);

/* Renews the holds if more than a third of the shortest ttl has passed. A hold that is lost is
 * logged, and no reason to stop: the versions decide. */
void claims_renew(struct core *core, struct claims *claims);

/* How often a member asks for more than one try: its own max_retries, or its machine's. */
int64_t claims_retries(const struct core *core, const struct member *member);

/* Blocks the member until it may try for the `attempt`-th time again: 100, 200, 300 ms... with up
 * to a quarter of jitter. */
void claims_back_off(struct core *core, struct member *member, int64_t attempt);

void claims_drop(struct core *core, const struct claims *claims);

#endif
