/* local.c: locks inside one process: a table of held keys under one mutex.
 * An open hash table with chains on the heap: entries are few (what is in work right now), so it
 * starts small and never shrinks. A hold that expired is free for whoever asks next. */
#include <pthread.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/map.h"
#include "lock/driver.h"

#define BUCKET_COUNT 1024

struct hold {
    struct hold *next;
    uint64_t token;
    int64_t expires_us; /* monotonic */
    size_t key_length;
    char key[];
};

struct lock_table {
    pthread_mutex_t mutex;              /* guards all below */
    struct hold *buckets[BUCKET_COUNT]; /* by map_hash of the key */
    uint64_t last_token; /* begins anywhere: what is written down outlives the process */
};

struct lock_table *lock_table_new(void) {
    struct lock_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        abort();
    }
    pthread_mutex_init(&table->mutex, NULL);
    digest_random((unsigned char *)&table->last_token, sizeof table->last_token);
    return table;
}

void lock_table_free(struct lock_table *table) {
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        while (table->buckets[i] != NULL) {
            struct hold *hold = table->buckets[i];
            table->buckets[i] = hold->next;
            free(hold);
        }
    }
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

static bool open_local(struct text place, struct lock_registry *registry, struct lock **out,
                       struct fault *fault) {
    if (text_given(place)) {
        return fault_set(fault, FAULT_USAGE, "the lock \"local\" takes nothing after its name");
    }
    struct lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL) {
        abort();
    }
    *lock = (struct lock){&lock_local, registry};
    *out = lock;
    return true;
}

static void close_local(struct lock *lock) {
    free(lock);
}

/* The place that points to the key's hold, or to the NULL at the end of its chain. */
static struct hold **place_of(struct lock_table *table, struct text key) {
    struct hold **place = &table->buckets[map_hash(key) % BUCKET_COUNT];
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

static void take_one(struct lock_table *table, struct lock_claim *claim, int64_t now_us) {
    struct hold **place = place_of(table, claim->key);
    claim->granted = *place == NULL || (*place)->expires_us <= now_us;
    if (!claim->granted) {
        return;
    }
    if (*place == NULL) {
        *place = hold_new(claim->key);
    }
    if (++table->last_token == 0) {
        table->last_token++;
    }
    claim->token = table->last_token;
    (*place)->token = claim->token;
    (*place)->expires_us = now_us + claim->ttl_us;
}

static bool take(struct lock *lock, struct lock_claim *claims, size_t count, struct fault *fault) {
    (void)fault;
    struct lock_table *table = lock->registry->table;
    int64_t now_us = now_monotonic_us(&lock->registry->now);
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < count; i++) {
        take_one(table, &claims[i], now_us);
    }
    pthread_mutex_unlock(&table->mutex);
    return true;
}

static bool renew_one(struct lock_table *table, const struct lock_claim *claim, int64_t now_us) {
    struct hold *hold = *place_of(table, claim->key);
    bool ours = hold != NULL && hold->token == claim->token && hold->expires_us > now_us;
    if (ours) {
        hold->expires_us = now_us + claim->ttl_us;
    }
    return ours;
}

static bool renew(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct lock_table *table = lock->registry->table;
    int64_t now_us = now_monotonic_us(&lock->registry->now);
    bool kept = true;
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < count; i++) {
        kept = (!claims[i].granted || renew_one(table, &claims[i], now_us)) && kept;
    }
    pthread_mutex_unlock(&table->mutex);
    return kept;
}

static void drop_one(struct lock_table *table, const struct lock_claim *claim) {
    struct hold **place = place_of(table, claim->key);
    struct hold *hold = *place;
    if (hold != NULL && hold->token == claim->token) {
        *place = hold->next;
        free(hold);
    }
}

static void drop(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct lock_table *table = lock->registry->table;
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < count; i++) {
        if (claims[i].granted) {
            drop_one(table, &claims[i]);
        }
    }
    pthread_mutex_unlock(&table->mutex);
}

/* Memory of this process is there whenever we are. */
static bool ping(struct lock *lock, struct fault *fault) {
    (void)lock, (void)fault;
    return true;
}

const struct lock_driver lock_local = {open_local, close_local, take, renew, drop, ping};
