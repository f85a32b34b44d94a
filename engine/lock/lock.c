/* lock.c: finds the driver of a URL and passes on. */
#include <stdlib.h>

#include "lock/driver.h"

static const struct {
    const char *kind;
    const struct lock_driver *driver;
} drivers[] = {
    {"local", &lock_local},
    {"redis", &lock_redis},
    {"store", &lock_store},
};

struct lock_registry *lock_registry_new(struct now now, struct text store) {
    struct lock_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        abort();
    }
    registry->now = now;
    registry->store = store;
    registry->table = lock_table_new();
    return registry;
}

void lock_registry_free(struct lock_registry *registry) {
    lock_table_free(registry->table);
    free(registry);
}

bool lock_registry_is_down(const struct lock_registry *registry) {
    return atomic_load(&registry->down);
}

/* What stands before the colon; all of it when there is none. A URL may hold a password, so this is
 * all of it that is ever shown. */
static struct text kind_of(struct text url) {
    const char *colon = url.length > 0 ? memchr(url.bytes, ':', url.length) : NULL;
    return colon != NULL ? (struct text){url.bytes, (size_t)(colon - url.bytes)} : url;
}

bool lock_open(struct text url, struct lock_registry *registry, struct lock **out,
               struct fault *fault) {
    struct text kind = kind_of(url);
    struct text place = TEXT_NONE;
    if (kind.length < url.length) {
        place = (struct text){url.bytes + kind.length + 1, url.length - kind.length - 1};
    }
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        if (text_equal(kind, text_of(drivers[i].kind))) {
            return drivers[i].driver->open(place, registry, out, fault);
        }
    }
    return fault_set(fault, FAULT_USAGE,
                     "\"%.*s\" names no lock; \"local\", \"store\" and "
                     "\"redis://:PASSWORD@HOST:PORT/DATABASE\" do",
                     TEXT_ARGS(kind));
}

void lock_close(struct lock *lock) {
    lock->driver->close(lock);
}

bool lock_take(struct lock *lock, struct lock_claim *claims, size_t count, struct fault *fault) {
    return lock->driver->take(lock, claims, count, fault);
}

bool lock_renew(struct lock *lock, const struct lock_claim *claims, size_t count) {
    return lock->driver->renew(lock, claims, count);
}

void lock_drop(struct lock *lock, const struct lock_claim *claims, size_t count) {
    lock->driver->drop(lock, claims, count);
}

bool lock_ping(struct lock *lock, struct fault *fault) {
    return lock->driver->ping(lock, fault);
}
