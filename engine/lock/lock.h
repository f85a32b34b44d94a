/* lock.h: mutual exclusion by key, between workers and between nodes.
 * Room lock/: in-process, Redis and store-held locks behind one interface; sole user of hiredis. It
 * uses store/ for leases. A lock only saves wasted work: every write is conditional on the version
 * that was read, so losing a lock costs a retry, never an update. How to use: one lock_registry a
 * process, one lock a worker; lock_take asks for many keys at once and never waits for one that is
 * held: who was not granted asks again later. */
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
    uint64_t token;  /* out: proves the hold when it is renewed or dropped */
};

/* `store` is the URL of the store, for locks that are in it; lent. TEXT_NONE: there is none. */
struct lock_registry *lock_registry_new(struct now now, struct text store);
void lock_registry_free(struct lock_registry *registry);

/* Whether the last call that asked the lock's server got no answer; of any lock of the process. */
bool lock_registry_is_down(const struct lock_registry *registry);

/* `url` is "local", "store", or "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]"; FAULT_USAGE for
 * any other. Nothing is asked yet: a server that is not there shows in the calls below. */
bool lock_open(struct text url, struct lock_registry *registry, struct lock **out,
               struct fault *fault) MUST_CHECK;
void lock_close(struct lock *lock);

/* Sets `granted` and `token` of each claim. FAULT_LOCK_UNAVAILABLE: nothing is held. */
bool lock_take(struct lock *lock, struct lock_claim *claims, size_t count,
               struct fault *fault) MUST_CHECK;

/* Lets the granted ones last for their ttl from now. False: at least one is lost, or nobody knows:
 * then lock_ping fails too, right after. */
bool lock_renew(struct lock *lock, const struct lock_claim *claims, size_t count) MUST_CHECK;

/* Lets go of the granted ones, if they are still ours; never fails: what cannot be dropped ends by
 * itself. */
void lock_drop(struct lock *lock, const struct lock_claim *claims, size_t count);

/* Whether lock_take could work now. Takes a quarter of a second at the most, but for a name that
 * has to be looked up, and a connection that has to be made to the store: three seconds. */
bool lock_ping(struct lock *lock, struct fault *fault) MUST_CHECK;

#endif
