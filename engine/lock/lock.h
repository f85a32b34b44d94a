/* lock.h: mutual exclusion by key, between workers and (later) between nodes.
 * A lock only saves wasted work: every write is conditional on the version that was read, so losing
 * a lock costs a retry, never an update. How to use: one lock_registry a process, one lock a
 * worker; lock_take asks for many keys at once and never waits: who was not granted asks again
 * later. */
#ifndef STATUTE_LOCK_H
#define STATUTE_LOCK_H

#include "base/fault.h"
#include "base/now.h"
#include "base/text.h"

struct lock_registry; /* what the locks of one process share; thread-safe */
struct lock;          /* owned by one thread */

struct lock_claim {
    struct text key; /* in: unique within a call, sorted by the caller */
    int64_t ttl_us;  /* in: the hold ends by itself after this long */
    bool granted;    /* out */
    uint64_t token;  /* out: proves the hold when it is dropped */
};

struct lock_registry *lock_registry_new(struct now now);
void lock_registry_free(struct lock_registry *registry);

/* `url` is "local". FAULT_USAGE for any other. */
bool lock_open(struct text url, struct lock_registry *registry, struct lock **out,
               struct fault *fault) MUST_CHECK;
void lock_close(struct lock *lock);

/* Sets `granted` and `token` of each claim. FAULT_LOCK_UNAVAILABLE: nothing is held. */
bool lock_take(struct lock *lock, struct lock_claim *claims, size_t count,
               struct fault *fault) MUST_CHECK;

/* Lets go of the granted ones, if they are still ours; never fails: what cannot be dropped ends by
 * itself. */
void lock_drop(struct lock *lock, const struct lock_claim *claims, size_t count);

#endif
