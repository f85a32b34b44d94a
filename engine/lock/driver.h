/* driver.h: what a kind of lock implements. Used by engine/lock only.
 * Every slot does what the function of lock.h that bears its name says; all slots are set. */
#ifndef STATUTE_LOCK_DRIVER_H
#define STATUTE_LOCK_DRIVER_H

#include <stdatomic.h>

#include "lock/lock.h"

struct lock_driver {
    /* `place` is what follows "kind:" in the URL; TEXT_NONE: there is no colon. *out has its
     * `driver` set. */
    bool (*open)(struct text place, struct lock_registry *registry, struct lock **out,
                 struct fault *fault) MUST_CHECK;
    void (*close)(struct lock *lock);
    bool (*take)(struct lock *lock, struct lock_claim *claims, size_t count,
                 struct fault *fault) MUST_CHECK;
    bool (*renew)(struct lock *lock, const struct lock_claim *claims, size_t count) MUST_CHECK;
    void (*drop)(struct lock *lock, const struct lock_claim *claims, size_t count);
    bool (*ping)(struct lock *lock, struct fault *fault) MUST_CHECK;
};

/* The first member of every driver's own struct. */
struct lock {
    const struct lock_driver *driver;
    struct lock_registry *registry;
};

struct lock_registry {
    struct now now;
    struct text store;        /* its URL, for store.c */
    struct lock_table *table; /* of local.c; guards itself */
    _Atomic bool down;        /* the server of redis.c or store.c did not answer */
};

extern const struct lock_driver lock_local;
extern const struct lock_driver lock_redis;
extern const struct lock_driver lock_store;

struct lock_table *lock_table_new(void);
void lock_table_free(struct lock_table *table);

#endif
