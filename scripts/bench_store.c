/* bench_store.c: how many transitions a second the store commits, one by one and in batches.
 * Usage: bench_store [DIRECTORY|URL [ENTITIES [SECONDS]]]
 *        bench_store compare URL ENTITIES URL ENTITIES SECONDS [BATCH]
 *        bench_store chains URL ENTITIES RECORDS
 * Without a URL it measures a new SQLite file in DIRECTORY, and removes it; with one the store of
 * that URL, in which it leaves its entities.
 * With SECONDS it only commits one by one for so long, and prints how many a second.
 * `compare` goes from one store to the other for so long each, with entities chosen at random, 64
 * in a transaction, and prints both rates and what the first is of the second, by the median of the
 * rounds. It fills what is empty, and leaves it there.
 * `chains` makes a store of sound audit chains: a record of each entity, then moves of entities
 * chosen at random, every third batch always of the same 64, until there are RECORDS.
 * A transition is what a worker does with the store: read the entity, write it in its next state,
 * take back its timers, add its audit record and its event. Sizes are measured in turns, so that a
 * slow moment of the machine hits them all, and the median of the rounds is shown. Links
 * statute_store. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model/chain.h"
#include "store/store.h"

#define ROUNDS    41
#define ROUND_US  (NOW_SECOND / 20)
#define MOST      256
#define FIRST_DAY INT64_C(1759289400000000)

static const size_t sizes[] = {1, 8, 32, 64, 256};
#define SIZES (sizeof sizes / sizeof sizes[0])

static const struct text states[] = {TEXT("DRAFT"),       TEXT("SUBMITTED"), TEXT("APPROVED"),
                                     TEXT("IN_PROGRESS"), TEXT("COMPLETED"), TEXT("CLOSED")};
#define STATES (sizeof states / sizeof states[0])

/* 300 bytes of data, as a work order has them. */
static const struct text data_json = TEXT(
    "{\"address\":{\"city\":\"Pune\",\"street\":\"12 MG Road\",\"zip\":\"411001\"},"
    "\"assignee\":\"user-4711\",\"ctzoffset\":330,\"description\":\"Replace the compressor of "
    "the rooftop unit, check the pressure\",\"due\":\"2025-10-01T03:30:00Z\",\"estimate\":12.5,"
    "\"priority\":\"HIGH\",\"tags\":[\"hvac\",\"rooftop\",\"urgent\"],\"vendor_id\":\"v-12\"}");
static const struct text event_json =
    TEXT("{\"actor\":\"user-4711\",\"from\":\"APPROVED\",\"to\":\"IN_PROGRESS\",\"version\":7,"
         "\"audit_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"comments\":null}");

struct bench {
    struct store *store;
    struct arena arena; /* of one batch */
    struct arena kept;
    const struct js *data;
    struct actor actor;
    struct text data_hash;
    size_t entities;
    bool events;
    uint64_t random;
    int64_t now_us;
    int64_t transitions;
};

struct figures {
    double per_second[ROUNDS];
    double times[ROUNDS]; /* the rate of one by one, in the same round */
    double cpu_us[ROUNDS];
};

static int64_t clock_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NOW_SECOND + now.tv_nsec / 1000;
}

static _Noreturn void give_up(const struct fault *fault) {
    fprintf(stderr, "bench_store: %s\n", fault->message);
    exit(3);
}

static void check(bool fine, const struct fault *fault) {
    if (!fine) {
        give_up(fault);
    }
}

static uint64_t next_random(struct bench *bench) {
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random;
}

/* Identifiers look random, so that neighbours in the index are no neighbours in the table. */
static struct text entity_id(struct arena *arena, size_t number) {
    uint64_t mixed = (uint64_t)number * UINT64_C(0x9E3779B97F4A7C15);
    return text_print(arena, "%08x-%04x-7000-8000-%012zx", (unsigned)(mixed >> 32),
                      (unsigned)(mixed >> 16) & 0xFFFF, number);
}

/* --- one transition --- */

static struct text next_state(struct text state) {
    for (size_t i = 0; i < STATES; i++) {
        if (text_equal(states[i], state)) {
            return states[(i + 1) % STATES];
        }
    }
    return states[0];
}

static struct record record_of(struct bench *bench, const struct entity *entity, struct text to) {
    struct record record = {
        .sequence = entity->audit_sequence + 1,
        .machine = entity->machine,
        .entity_id = entity->id,
        .from_state = entity->state,
        .to_state = to,
        .actor = &bench->actor,
        .action = TEXT("transition"),
        .reason = TEXT("user_action"),
        .comments = TEXT("Pressure checked"),
        .version = entity->version + 1,
        .data_hash = bench->data_hash,
        .timestamp_us = bench->now_us,
        .success = true,
        .execution_us = 41,
        .isolation = TEXT("read committed"),
        .policy = TEXT("4431a9f0a24445ce2aae7a2857ca9fdf32b8fc214658366f3337b2f9bd6a9780"),
        .request_id = TEXT("01890a5d-ac96-774b-bcce-b302099a8057"),
    };
    struct id_source ids = id_system();
    id_uuid7(&ids, bench->now_us, record.uuid);
    return record;
}

static void add_record(struct bench *bench, struct entity *entity, struct text to,
                       struct store_record *out) {
    struct record record = record_of(bench, entity, to);
    *out = (struct store_record){
        .machine = entity->machine,
        .entity_id = entity->id,
        .from_state = entity->state,
        .to_state = to,
        .actor_id = bench->actor.id,
        .reason = record.reason,
        .sequence = record.sequence,
        .timestamp_us = record.timestamp_us,
        .success = true,
        .json = chain_record(&bench->arena, &record),
    };
    memcpy(out->uuid, record.uuid, ID_LENGTH);
    memcpy(out->previous_hash, entity->audit_hash, DIGEST_BYTES);
    chain_hash(out->previous_hash, out->json, out->hash);
    entity->audit_sequence = record.sequence;
    memcpy(entity->audit_hash, out->hash, DIGEST_BYTES);
}

/* What a transition changes of an entity and adds to the batch. */
static void move(struct bench *bench, struct entity *entity, struct store_entity_write *write,
                 struct store_record *record, struct store_outbox *event) {
    struct text to = next_state(entity->state);
    bench->now_us += 50;
    bool absent = !entity->exists;
    *write = (struct store_entity_write){entity, absent ? 0 : entity->version, true};
    add_record(bench, entity, to, record);
    entity->exists = true;
    entity->state = to;
    entity->version++;
    entity->data = absent ? bench->data : entity->data;
    entity->updated_us = bench->now_us;
    *event = (struct store_outbox){.id = (struct text){record->uuid, ID_LENGTH},
                                   .type = TEXT("transition.succeeded"),
                                   .machine = entity->machine,
                                   .entity_id = entity->id,
                                   .timestamp_us = bench->now_us,
                                   .json = event_json};
}

/* --- one batch --- */

static void run(struct bench *bench, const struct store_key *keys, size_t count) {
    struct fault fault = FAULT_INIT;
    struct entity entities[MOST];
    struct store_entity_write writes[MOST];
    struct store_record records[MOST];
    struct store_outbox events[MOST];
    check(store_begin(bench->store, STORE_WRITE, ISOLATION_DEFAULT, &fault), &fault);
    check(store_read(bench->store, &bench->arena, keys, count, entities, &fault), &fault);
    for (size_t i = 0; i < count; i++) {
        move(bench, &entities[i], &writes[i], &records[i], &events[i]);
    }
    struct store_batch batch = {.entities = writes,
                                .entity_count = count,
                                .records = records,
                                .record_count = count,
                                .disarmed = keys,
                                .disarmed_count = count,
                                .outbox = events,
                                .outbox_count = bench->events ? count : 0};
    check(store_write(bench->store, &batch, &fault), &fault);
    check(store_commit(bench->store, &fault), &fault);
    bench->transitions += (int64_t)count;
}

static bool is_among(const struct store_key *keys, size_t count, struct text id) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(keys[i].id, id)) {
            return true;
        }
    }
    return false;
}

static void run_random(struct bench *bench, size_t count) {
    struct store_key keys[MOST];
    arena_reset(&bench->arena);
    for (size_t i = 0; i < count;) {
        struct text id = entity_id(&bench->arena, (size_t)(next_random(bench) % bench->entities));
        if (!is_among(keys, i, id)) {
            keys[i++] = (struct store_key){TEXT("work_order"), id};
        }
    }
    run(bench, keys, count);
}

static void fill(struct bench *bench) {
    struct store_key keys[MOST];
    for (size_t made = 0; made < bench->entities;) {
        size_t count = 0;
        arena_reset(&bench->arena);
        for (; count < MOST && made < bench->entities; made++) {
            keys[count++] = (struct store_key){TEXT("work_order"), entity_id(&bench->arena, made)};
        }
        run(bench, keys, count);
    }
}

static void run_same(struct bench *bench, size_t count) {
    struct store_key keys[MOST];
    arena_reset(&bench->arena);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct store_key){TEXT("work_order"), entity_id(&bench->arena, i)};
    }
    run(bench, keys, count);
}

/* --- measuring --- */

static void measure(struct bench *bench, size_t size, struct figures *figures, int round) {
    int64_t before = bench->transitions;
    int64_t start = clock_us(CLOCK_MONOTONIC), cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID), now;
    do {
        run_random(bench, size);
        now = clock_us(CLOCK_MONOTONIC);
    } while (now - start < ROUND_US);
    double done = (double)(bench->transitions - before);
    figures->per_second[round] = done * (double)NOW_SECOND / (double)(now - start);
    figures->cpu_us[round] = (double)(clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / done;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static void compare(struct bench *bench, bool events) {
    static struct figures figures[SIZES];
    bench->events = events;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            measure(bench, sizes[i], &figures[i], round);
        }
    }
    for (size_t i = 0; i < SIZES; i++) {
        for (int round = 0; round < ROUNDS; round++) {
            figures[i].times[round] = figures[i].per_second[round] / figures[0].per_second[round];
        }
    }
    for (size_t i = 0; i < SIZES; i++) {
        double times = median(figures[i].times);
        printf("%7zu %14.0f %8.1f %14.1f\n", sizes[i], median(figures[i].per_second), times,
               median(figures[i].cpu_us));
    }
}

static void one_by_one(struct bench *bench, int64_t span_us) {
    int64_t before = bench->transitions;
    int64_t start = clock_us(CLOCK_MONOTONIC), now;
    do {
        run_random(bench, 1);
        now = clock_us(CLOCK_MONOTONIC);
    } while (now - start < span_us);
    printf("%.1f\n",
           (double)(bench->transitions - before) * (double)NOW_SECOND / (double)(now - start));
}

/* --- many entities against few --- */

#define TURNS_MOST 1000

static void open_side(struct bench *bench, const char *url, size_t entities) {
    static const struct text machine = TEXT("work_order");
    struct fault fault = FAULT_INIT;
    int64_t count = 0;
    *bench = (struct bench){.entities = entities,
                            .events = true,
                            .random = UINT64_C(88172645463325252),
                            .now_us = FIRST_DAY,
                            .actor = {.id = TEXT("user-4711")}};
    arena_init(&bench->arena, 0);
    arena_init(&bench->kept, 0);
    check(store_open(text_of(url), STORE_WRITER, &bench->store, &fault), &fault);
    check(js_parse(&bench->kept, data_json, &bench->data, &fault), &fault);
    bench->data_hash = chain_data_hash(&bench->kept, data_json);
    check(store_count(bench->store, machine, NULL, &count, &fault), &fault);
    if (count == 0) {
        fill(bench);
    }
}

static int make_chains(char **argv) {
    struct bench bench;
    int64_t records = strtol(argv[4], NULL, 10);
    open_side(&bench, argv[2], strtoul(argv[3], NULL, 10));
    for (int batch = 0; bench.transitions < records; batch++) {
        (batch % 3 == 0 ? run_same : run_random)(&bench, 64);
    }
    store_close(bench.store);
    return 0;
}

static double turn(struct bench *bench, size_t batch) {
    int64_t before = bench->transitions;
    int64_t start = clock_us(CLOCK_MONOTONIC), now;
    do {
        run_random(bench, batch);
        now = clock_us(CLOCK_MONOTONIC);
    } while (now - start < NOW_SECOND);
    return (double)(bench->transitions - before) * (double)NOW_SECOND / (double)(now - start);
}

static double median_of(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static int compare_sizes(char **argv, size_t batch) {
    static double many[TURNS_MOST], few[TURNS_MOST], ratios[TURNS_MOST];
    struct bench sides[2];
    int turns = atoi(argv[6]) < TURNS_MOST ? atoi(argv[6]) : TURNS_MOST;
    for (int i = 0; i < 2; i++) {
        open_side(&sides[i], argv[2 + 2 * i], strtoul(argv[3 + 2 * i], NULL, 10));
        turn(&sides[i], batch);
    }
    for (int i = 0; i < turns; i++) {
        many[i] = turn(&sides[0], batch);
        few[i] = turn(&sides[1], batch);
        ratios[i] = many[i] / few[i];
    }
    printf("%.0f %.0f %.2f\n", median_of(many, turns), median_of(few, turns),
           median_of(ratios, turns));
    store_close(sides[0].store);
    store_close(sides[1].store);
    return 0;
}

static void compare_all(struct bench *bench) {
    printf("%zu entities\n", bench->entities);
    printf("  batch     per second    times   cpu us each\n");
    compare(bench, false);
    printf("with an event in the outbox each:\n");
    compare(bench, true);
}

static void remove_store(const char *path) {
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    char name[512];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

int main(int argc, char **argv) {
    if (argc > 6 && strcmp(argv[1], "compare") == 0) {
        return compare_sizes(argv, argc > 7 ? strtoul(argv[7], NULL, 10) : 64);
    }
    if (argc == 5 && strcmp(argv[1], "chains") == 0) {
        return make_chains(argv);
    }
    struct bench bench = {.entities = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000,
                          .random = UINT64_C(88172645463325252),
                          .now_us = FIRST_DAY};
    struct fault fault = FAULT_INIT;
    struct arena arena;
    char path[400] = "", url[512];
    if (argc > 1 && strchr(argv[1], ':') != NULL) {
        snprintf(url, sizeof url, "%s", argv[1]);
    } else {
        snprintf(path, sizeof path, "%s/bench_store.%ld.db", argc > 1 ? argv[1] : "/tmp",
                 (long)getpid());
        snprintf(url, sizeof url, "sqlite:%s", path);
    }
    arena_init(&arena, 0);
    arena_init(&bench.arena, 0);
    check(store_open(text_of(url), STORE_WRITER, &bench.store, &fault), &fault);
    check(js_parse(&arena, data_json, &bench.data, &fault), &fault);
    bench.actor = (struct actor){.id = TEXT("user-4711")};
    fill(&bench);
    if (argc > 3) {
        one_by_one(&bench, strtol(argv[3], NULL, 10) * NOW_SECOND);
    } else {
        compare_all(&bench);
    }
    store_close(bench.store);
    if (path[0] != '\0') {
        remove_store(path);
    }
    arena_deinit(&bench.arena);
    arena_deinit(&arena);
    return 0;
}
