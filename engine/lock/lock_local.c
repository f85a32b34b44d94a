/* lock_local.c: locks inside one process: a table of held keys under one mutex.
 * An open hash table with chains on the heap: entries are few (what is in work right now), so it
 * starts small and never shrinks. A hold that expired is free for whoever asks next. */
#include "lock/lock.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"

#define BUCKET_COUNT 1024

struct hold {
    struct hold *next;
    uint64_t token;
    int64_t expires_us; /* monotonic */
    size_t key_length;
    char key[];
};

struct lock_registry {
    struct now now;
    pthread_mutex_t mutex;              /* guards all below */
    struct hold *buckets[BUCKET_COUNT]; /* by map_hash of the key */
    uint64_t last_token;
};

struct lock {
    struct lock_registry *registry;
};

struct lock_registry *lock_registry_new(struct now now) {
    struct lock_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        abort();
    }
    registry->now = now;
    pthread_mutex_init(&registry->mutex, NULL);
    return registry;
}

void lock_registry_free(struct lock_registry *registry) {
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        while (registry->buckets[i] != NULL) {
            struct hold *hold = registry->buckets[i];
            registry->buckets[i] = hold->next;
            free(hold);
        }
    }
    pthread_mutex_destroy(&registry->mutex);
    free(registry);
}

bool lock_open(struct text url, struct lock_registry *registry, struct lock **out,
               struct fault *fault) {
    if (!text_equal(url, TEXT("local"))) {
        return fault_set(fault, FAULT_USAGE, "lock '%.*s' is not known; this build has: local",
                         TEXT_ARGS(url));
    }
    struct lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL) {
        abort();
    }
    lock->registry = registry;
    *out = lock;
    return true;
}

void lock_close(struct lock *lock) {
    free(lock);
}

/* The place that points to the key's hold, or to the NULL at the end of its chain. */
static struct hold **place_of(struct lock_registry *registry, struct text key) {
    struct hold **place = &registry->buckets[map_hash(key) % BUCKET_COUNT];
    while (*place != NULL && !text_equal(key, (struct text){(*place)->key, (*place)->key_length})) {
        place = &(*place)->next;
    }
    return place;
}

static struct hold *hold_new(struct text key) {
    struct hold *hold = calloc(1, sizeof *hold + key.length);
    if (hold == NULL) {
        abort();
    }
    hold->key_length = key.length;
    memcpy(hold->key, key.bytes, key.length);
    return hold;
}

static void take_one(struct lock_registry *registry, struct lock_claim *claim, int64_t now_us) {
    struct hold **place = place_of(registry, claim->key);
    claim->granted = *place == NULL || (*place)->expires_us <= now_us;
    if (!claim->granted) {
        return;
    }
    if (*place == NULL) {
        *place = hold_new(claim->key);
    }
    claim->token = ++registry->last_token;
    (*place)->token = claim->token;
    (*place)->expires_us = now_us + claim->ttl_us;
}

bool lock_take(struct lock *lock, struct lock_claim *claims, size_t count, struct fault *fault) {
    (void)fault;
    struct lock_registry *registry = lock->registry;
    int64_t now_us = now_monotonic_us(&registry->now);
    pthread_mutex_lock(&registry->mutex);
    for (size_t i = 0; i < count; i++) {
        take_one(registry, &claims[i], now_us);
    }
    pthread_mutex_unlock(&registry->mutex);
    return true;
}

static void drop_one(struct lock_registry *registry, const struct lock_claim *claim) {
    struct hold **place = place_of(registry, claim->key);
    struct hold *hold = *place;
    if (hold != NULL && hold->token == claim->token) {
        *place = hold->next;
        free(hold);
    }
}

void lock_drop(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct lock_registry *registry = lock->registry;
    pthread_mutex_lock(&registry->mutex);
    for (size_t i = 0; i < count; i++) {
        if (claims[i].granted) {
            drop_one(registry, &claims[i]);
        }
    }
    pthread_mutex_unlock(&registry->mutex);
}
