/* tz_cache.c: publishes what was read of the tz database.
 *
 * Invariants:
 *  1. The catalog in force, and the zone of each of its entries, are atomic pointers to what no
 *     longer changes: who has one reads it without a lock.
 *  2. Nothing that was published is freed before the cache. A database changes a few times a year,
 *     and a file whose bytes stayed the same keeps its zone, so this does not add up.
 *  3. The mutex is held by who reads files. Others wait for it only when they want a zone, or a
 *     catalog, that nobody has read yet; to look for changes they try, and go on without. */
#include "timezone/tz_cache.h"

#include "timezone/tz_catalog.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_US NOW_SECOND

/* A zone that was published once. */
struct kept {
    struct tz *zone;
    struct kept *older;
};

struct tz_cache {
    char *directory;
    struct now now;
    pthread_mutex_t mutex;
    _Atomic(struct tz_catalog *) catalog; /* written under the mutex */
    _Atomic int64_t checked_us;           /* the catalog */
    struct kept *kept;                    /* under the mutex */
};

/* --- life --- */

static void *must_have(void *memory) {
    if (memory == NULL) {
        fprintf(stderr, "statute: out of memory for the tz database\n");
        abort();
    }
    return memory;
}

struct tz_cache *tz_cache_new(const char *directory, struct now now) {
    struct tz_cache *cache = must_have(calloc(1, sizeof *cache));
    cache->directory = must_have(strdup(directory));
    cache->now = now;
    pthread_mutex_init(&cache->mutex, NULL);
    return cache;
}

static void free_catalogs(struct tz_catalog *catalog) {
    while (catalog != NULL) {
        struct tz_catalog *older = catalog->older;
        tz_catalog_free(catalog);
        catalog = older;
    }
}

void tz_cache_free(struct tz_cache *cache) {
    if (cache == NULL) {
        return;
    }
    while (cache->kept != NULL) {
        struct kept *kept = cache->kept;
        cache->kept = kept->older;
        tz_free(kept->zone);
        free(kept);
    }
    free_catalogs(atomic_load(&cache->catalog));
    pthread_mutex_destroy(&cache->mutex);
    free(cache->directory);
    free(cache);
}

static pthread_once_t system_once = PTHREAD_ONCE_INIT;
static struct tz_cache *system_cache; /* written once, under system_once */

static void make_system_cache(void) {
    const char *directory = getenv("TZDIR");
    bool given = directory != NULL && directory[0] != '\0';
    system_cache = tz_cache_new(given ? directory : "/usr/share/zoneinfo", now_system());
}

struct tz_cache *tz_cache_system(void) {
    pthread_once(&system_once, make_system_cache);
    return system_cache;
}

/* --- when to look --- */

/* Says yes to one thread, at most once a second. */
static bool is_due(struct tz_cache *cache, _Atomic int64_t *checked_us) {
    int64_t now_us = now_monotonic_us(&cache->now);
    int64_t before_us = atomic_load_explicit(checked_us, memory_order_relaxed);
    return now_us - before_us >= CHECK_US &&
           atomic_compare_exchange_strong(checked_us, &before_us, now_us);
}

/* --- the catalog --- */

/* What was read stays read. Under the mutex. */
static void inherit(struct tz_catalog *catalog, const struct tz_catalog *older) {
    for (size_t i = 0; i < older->count; i++) {
        const struct tz_entry *from = map_find(&older->entries, older->names[i]);
        struct tz_entry *to = map_find(&catalog->entries, older->names[i]);
        if (to != NULL) {
            to->identity = from->identity;
            atomic_store(&to->zone, atomic_load(&from->zone));
        }
    }
    catalog->older = (struct tz_catalog *)older;
}

/* Under the mutex. A database without any zone takes the place of none that has some. */
static struct tz_catalog *renew(struct tz_cache *cache, struct tz_catalog *older) {
    struct tz_catalog *catalog = tz_catalog_new(cache->directory);
    if (older != NULL && catalog->count == 0) {
        tz_catalog_free(catalog);
        return older;
    }
    if (older != NULL) {
        inherit(catalog, older);
    }
    atomic_store_explicit(&cache->catalog, catalog, memory_order_release);
    return catalog;
}

static struct tz_catalog *first_catalog(struct tz_cache *cache) {
    pthread_mutex_lock(&cache->mutex);
    struct tz_catalog *catalog = atomic_load(&cache->catalog);
    if (catalog == NULL) {
        atomic_store(&cache->checked_us, now_monotonic_us(&cache->now));
        catalog = renew(cache, NULL);
    }
    pthread_mutex_unlock(&cache->mutex);
    return catalog;
}

static struct tz_catalog *current_catalog(struct tz_cache *cache) {
    struct tz_catalog *catalog = atomic_load_explicit(&cache->catalog, memory_order_acquire);
    if (catalog == NULL) {
        return first_catalog(cache);
    }
    if (is_due(cache, &cache->checked_us) && !tz_catalog_is_current(catalog) &&
        pthread_mutex_trylock(&cache->mutex) == 0) {
        catalog = renew(cache, atomic_load(&cache->catalog));
        pthread_mutex_unlock(&cache->mutex);
    }
    return catalog;
}

/* --- zones --- */

static bool decode(struct arena *arena, const char *path, struct tz **out, struct fault *fault) {
    struct text bytes;
    if (!tz_file_read(arena, path, TZ_FILE_MOST, &bytes, fault)) {
        return false;
    }
    if (!tz_decode(bytes, out, fault)) {
        fault->code = FAULT_ENVIRONMENT;
        return fault_within(fault, "%s", path);
    }
    return true;
}

static void publish(struct tz_cache *cache, struct tz_entry *entry, struct tz *zone) {
    const struct tz *old = atomic_load(&entry->zone);
    if (old != NULL && text_equal(tz_bytes(old), tz_bytes(zone))) {
        tz_free(zone);
        return;
    }
    struct kept *kept = must_have(malloc(sizeof *kept));
    *kept = (struct kept){zone, cache->kept};
    cache->kept = kept;
    atomic_store_explicit(&entry->zone, zone, memory_order_release);
}

/* Under the mutex. */
static bool read_zone(struct tz_cache *cache, struct tz_entry *entry, struct fault *fault) {
    struct arena arena;
    struct tz_identity identity;
    struct tz *zone;
    arena_init(&arena, 0);
    const char *path = text_cstring(
        &arena, text_print(&arena, "%s/%.*s", cache->directory, TEXT_ARGS(entry->name)));
    bool there = tz_identity_of(path, &identity);
    bool unchanged = there && atomic_load(&entry->zone) != NULL &&
                     tz_identity_equal(&identity, &entry->identity);
    bool fine = unchanged || decode(&arena, path, &zone, fault);
    if (fine && !unchanged) {
        entry->identity = identity;
        publish(cache, entry, zone);
    }
    arena_deinit(&arena);
    return fine;
}

static bool first_zone(struct tz_cache *cache, struct tz_entry *entry, struct fault *fault) {
    pthread_mutex_lock(&cache->mutex);
    atomic_store(&entry->checked_us, now_monotonic_us(&cache->now));
    bool fine = atomic_load(&entry->zone) != NULL || read_zone(cache, entry, fault);
    pthread_mutex_unlock(&cache->mutex);
    return fine;
}

/* A file that cannot be read now leaves the zone as it was. */
static void look_again(struct tz_cache *cache, struct tz_entry *entry) {
    struct fault ignored;
    if (pthread_mutex_trylock(&cache->mutex) == 0) {
        (void)read_zone(cache, entry, &ignored);
        pthread_mutex_unlock(&cache->mutex);
    }
}

static bool refuse(const struct tz_cache *cache, const struct tz_catalog *catalog, struct text name,
                   struct fault *fault) {
    if (catalog->count == 0) {
        return fault_set(fault, FAULT_ENVIRONMENT,
                         "there is no tz database in %s (package tzdata), so zones are not known",
                         cache->directory);
    }
    struct text shown = {name.bytes, name.length < 60 ? name.length : 60};
    struct text meant = tz_catalog_nearest(catalog, name);
    fault_set(fault, FAULT_VALIDATION_FAILED,
              "\"%.*s\" is not a zone: expected an IANA name such as Europe/Berlin",
              TEXT_ARGS(shown));
    if (text_given(meant)) {
        size_t length = strlen(fault->message);
        snprintf(fault->message + length, sizeof fault->message - length, "; did you mean '%.*s'?",
                 TEXT_ARGS(meant));
    }
    return false;
}

bool tz_cache_find(struct tz_cache *cache, struct text name, const struct tz **out,
                   struct fault *fault) {
    struct tz_catalog *catalog = current_catalog(cache);
    struct tz_entry *entry = map_find(&catalog->entries, name);
    if (entry == NULL) {
        return refuse(cache, catalog, name, fault);
    }
    if (atomic_load_explicit(&entry->zone, memory_order_acquire) == NULL) {
        if (!first_zone(cache, entry, fault)) {
            return false;
        }
    } else if (is_due(cache, &entry->checked_us)) {
        look_again(cache, entry);
    }
    *out = atomic_load_explicit(&entry->zone, memory_order_acquire);
    return true;
}

const struct text *tz_cache_names(struct tz_cache *cache, size_t *count) {
    const struct tz_catalog *catalog = current_catalog(cache);
    *count = catalog->count;
    return catalog->names;
}

struct text tz_cache_version(struct tz_cache *cache) {
    return current_catalog(cache)->version;
}
