/* lock_driver.h: what a kind of store implements for lock.h. Used by engine/store and
 * by test stores only. */
#ifndef STATUTE_STORE_LOCK_DRIVER_H
#define STATUTE_STORE_LOCK_DRIVER_H

#include "store/lock.h"

/* The locks of lock.h; *lock has what is given set. A change that finds nothing to change is
 * no fault: it leaves `held` false. */
struct store_lock_driver {
    /* Given: proof. On success: the token, expires_us and held. */
    bool (*grant)(struct store *store, struct text key, int64_t ttl_us, struct store_lock *lock,
                  struct fault *fault) MUST_CHECK;
    bool (*find)(struct store *store, struct text key, struct store_lock *lock,
                 struct fault *fault) MUST_CHECK;
    /* Given: token and proof. On success: expires_us and held. */
    bool (*renew)(struct store *store, struct text key, int64_t ttl_us, struct store_lock *lock,
                  struct fault *fault) MUST_CHECK;
    /* Given: the token. On success: held, as it was before. */
    bool (*release)(struct store *store, struct text key, struct store_lock *lock,
                    struct fault *fault) MUST_CHECK;
};

#endif
