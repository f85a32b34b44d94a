/* Readers in other threads beside a busy writer: whatever moment they see is whole. Every batch
 * takes some entities out of a state and as many into it, so that sums and chains hold at every
 * moment. */
#include "support/store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define ENTITIES 40
#define OPEN     10 /* always as many in this state */
#define BATCHES  150
#define PER_MOVE 4
#define READERS  3

struct watcher {
    struct text url;
    atomic_bool *stop;
    size_t looks;
    const char *problem; /* NULL: none; threads may not fail a test */
    struct fault fault;
};

/* --- what a reader looks at --- */

static bool look_at_counts(struct watcher *watcher, struct store *store) {
    struct text open = TEXT("OPEN");
    struct store_where where = {.states = &open, .state_count = 1};
    int64_t all, some;
    if (!store_count(store, TASK, NULL, &all, &watcher->fault) ||
        !store_count(store, TASK, &where, &some, &watcher->fault)) {
        return false;
    }
    watcher->problem = all != ENTITIES ? "entities are missing"
                       : some != OPEN  ? "a batch was seen in part"
                                       : NULL;
    return watcher->problem == NULL;
}

static bool look_at_chain(struct watcher *watcher, const struct entity *entity,
                          const struct store_record *records, size_t count) {
    unsigned char previous[DIGEST_BYTES] = {0};
    for (size_t i = 0; i < count; i++) {
        bool links = memcmp(records[i].previous_hash, previous, DIGEST_BYTES) == 0;
        bool follows = records[i].sequence == (int64_t)i + 1;
        chain_hash(previous, records[i].json, previous);
        if (!links || !follows || memcmp(records[i].hash, previous, DIGEST_BYTES) != 0) {
            watcher->problem = "a chain was seen broken";
            return false;
        }
    }
    bool ends = entity->audit_sequence == (int64_t)count &&
                memcmp(entity->audit_hash, previous, DIGEST_BYTES) == 0;
    watcher->problem = ends ? NULL : "a chain was seen without its end";
    return ends;
}

static bool look_at_one(struct watcher *watcher, struct store *store, struct arena *arena) {
    struct text id = text_print(arena, "T-%05zu", watcher->looks % ENTITIES);
    struct store_search wanted = {.machine = TASK, .entity_id = id, ANY};
    struct store_page page = {.limit = 1000};
    struct store_key key = {TASK, id};
    struct store_record *records;
    struct entity entity;
    struct text next;
    size_t count;
    return store_read(store, arena, &key, 1, &entity, &watcher->fault) &&
           store_search_records(store, arena, &wanted, &page, &records, &count, &next,
                                &watcher->fault) &&
           look_at_chain(watcher, &entity, records, count);
}

static bool look(struct watcher *watcher, struct store *store, struct arena *arena) {
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, &watcher->fault)) {
        return false;
    }
    bool fine = look_at_counts(watcher, store) && look_at_one(watcher, store, arena);
    store_rollback(store);
    arena_reset(arena);
    watcher->looks++;
    return fine;
}

static void *watch(void *context) {
    struct watcher *watcher = context;
    struct store *store = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    bool fine = store_open(watcher->url, STORE_READER, &store, &watcher->fault);
    while (fine && !atomic_load(watcher->stop)) {
        fine = look(watcher, store, &arena);
    }
    if (!fine && watcher->problem == NULL) {
        watcher->problem = watcher->fault.message;
    }
    store_close(store);
    arena_deinit(&arena);
    return NULL;
}

/* --- what the writer does --- */

static void fill(struct fixture *fixture) {
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < ENTITIES; i++) {
        apply(fixture, (struct change){.id = print(fixture, "T-", i),
                                       .to = i < OPEN ? TEXT("OPEN") : TEXT("CLOSED")});
    }
    commit(fixture->store);
}

/* Closes some open ones and opens as many closed ones. */
static void swap(struct fixture *fixture, int round) {
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < PER_MOVE; i++) {
        int out = (round * PER_MOVE + i) % ENTITIES;
        apply(fixture, (struct change){.id = print(fixture, "T-", out), .to = TEXT("CLOSED")});
        apply(fixture, (struct change){.id = print(fixture, "T-", (out + OPEN) % ENTITIES),
                                       .to = TEXT("OPEN")});
    }
    commit(fixture->store);
}

static void readers_beside_a_busy_writer_see_whole_batches(void **state) {
    struct fixture *fixture = *state;
    struct watcher watchers[READERS];
    pthread_t threads[READERS];
    atomic_bool stop = false;
    fill(fixture);
    for (size_t i = 0; i < READERS; i++) {
        watchers[i] = (struct watcher){.url = fixture->url, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, watch, &watchers[i]), 0);
    }
    for (int round = 0; round < BATCHES; round++) {
        swap(fixture, round);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        if (watchers[i].problem != NULL) {
            fail_msg("%s", watchers[i].problem);
        }
        assert_true(watchers[i].looks > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(readers_beside_a_busy_writer_see_whole_batches),
    };
    RUN_FOR_ALL_STORES(tests);
}
