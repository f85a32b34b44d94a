/* lock.h: the fencing tokens of locks that applications hold. The lock itself (lock/lock.h)
 * keeps others out; the store counts who had it. A key's tokens start at 1 and grow by one with
 * every grant, also after a release, a restart, or on another node, so that a resource which has
 * seen a token can refuse all that are smaller.
 * How to use: take the key in the lock, then store_grant_lock with the token that the lock gave,
 * here `proof`: with it any node can renew or drop the hold in the lock.
 * Time is the store's: the PostgreSQL server's clock, or of SQLite this machine's. The three that
 * change something are of a writer, and join the open transaction or are one. Faults are those of
 * store.h, and what each says. */
#ifndef STATUTE_STORE_LOCK_H
#define STATUTE_STORE_LOCK_H

#include "store/store.h"

struct store_lock {
    int64_t fencing_token; /* the latest; 0: the key was never granted */
    uint64_t proof;        /* 0: released */
    int64_t expires_us;    /* wall clock; 0: released */
    bool held;             /* neither released nor expired, at the time of asking */
};

/* The next token of the key, for ttl_us from now. FAULT_LOCK_TIMEOUT: the latest holder's time is
 * not over, even if the lock has forgotten him. `proof` is not 0. */
bool store_grant_lock(struct store *store, struct text key, uint64_t proof, int64_t ttl_us,
                      struct store_lock *out, struct fault *fault) MUST_CHECK;

/* Of a key that was never granted: all zeros. */
bool store_find_lock(struct store *store, struct text key, struct store_lock *out,
                     struct fault *fault) MUST_CHECK;

/* Lets the hold last for ttl_us from now, with a proof that may be new. FAULT_LOCK_LOST: that token
 * is not the one that holds the key. */
bool store_renew_lock(struct store *store, struct text key, int64_t fencing_token, uint64_t proof,
                      int64_t ttl_us, struct store_lock *out, struct fault *fault) MUST_CHECK;

/* Ends the hold. FAULT_LOCK_LOST: as above. */
bool store_release_lock(struct store *store, struct text key, int64_t fencing_token,
                        struct fault *fault) MUST_CHECK;

#endif
