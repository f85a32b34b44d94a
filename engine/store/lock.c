/* lock.c: passes on to the driver, and says the two refusals that all drivers share. */
#include "store/lock.h"

#include "store/driver.h"

bool store_grant_lock(struct store *store, struct text key, uint64_t proof, int64_t ttl_us,
                      struct store_lock *out, struct fault *fault) {
    *out = (struct store_lock){.proof = proof};
    if (!store->driver->locks->grant(store, key, ttl_us, out, fault)) {
        return false;
    }
    return out->held || fault_set(fault, FAULT_LOCK_TIMEOUT,
                                  "another caller holds '%.*s'; try again later", TEXT_ARGS(key));
}

bool store_find_lock(struct store *store, struct text key, struct store_lock *out,
                     struct fault *fault) {
    *out = (struct store_lock){0};
    return store->driver->locks->find(store, key, out, fault);
}

static bool lost(struct text key, int64_t fencing_token, struct fault *fault) {
    return fault_set(
        fault, FAULT_LOCK_LOST,
        "fencing token %lld does not hold '%.*s' any more: it expired, or was released",
        (long long)fencing_token, TEXT_ARGS(key));
}

bool store_renew_lock(struct store *store, struct text key, int64_t fencing_token, uint64_t proof,
                      int64_t ttl_us, struct store_lock *out, struct fault *fault) {
    *out = (struct store_lock){.fencing_token = fencing_token, .proof = proof};
    return store->driver->locks->renew(store, key, ttl_us, out, fault) &&
           (out->held || lost(key, fencing_token, fault));
}

bool store_release_lock(struct store *store, struct text key, int64_t fencing_token,
                        struct fault *fault) {
    struct store_lock lock = {.fencing_token = fencing_token};
    return store->driver->locks->release(store, key, &lock, fault) &&
           (lock.held || lost(key, fencing_token, fault));
}
