/* bench_pages.c: how long the store takes for one page of a list, and for a count, when there is a
 * lot. Usage: bench_pages [URL|PATH [ENTITIES]]
 * The store of the URL (a new SQLite file, without one) is filled with ENTITIES (2000000) when it
 * has none, and keeps them; 1000 of them, chosen at random, are then moved to another state. Prints
 * a row of Markdown for each question: median and worst of ROUNDS, with what was read in memory.
 * Links statute_store. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model/chain.h"
#include "store/cursor.h"
#include "store/store.h"

#define ROUNDS    31
#define BATCH     500
#define TOUCHED   1000
#define CUSTOMERS 10000
#define LOOK_MOST 5000 /* as GET /v1/entities has it */
#define PAGE      50
#define FIRST_DAY INT64_C(1759289400000000)

static const struct text machine = TEXT("work_order"), draft = TEXT("DRAFT"),
                         submitted = TEXT("SUBMITTED");
/* With what each of them adds, 300 bytes, as a work order has them. */
static const struct text data_json = TEXT(
    "{\"address\":{\"city\":\"Pune\",\"street\":\"12 MG Road\",\"zip\":\"411001\"},"
    "\"assignee\":\"user-4711\",\"description\":\"Replace the compressor of the rooftop unit\","
    "\"due\":\"2025-10-01T03:30:00Z\",\"estimate\":12.5,\"priority\":\"HIGH\","
    "\"tags\":[\"hvac\",\"rooftop\",\"urgent\"],\"vendor_id\":\"v-12\"}");

struct bench {
    struct store *store;
    struct arena arena; /* of one batch, or of one question */
    struct arena kept;
    const struct js *data;
    struct actor actor;
    int64_t entities;
    int64_t changed_us; /* of all that is written */
    uint64_t random;
};

static int64_t now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NOW_SECOND + now.tv_nsec / 1000;
}

static void check(bool fine, const struct fault *fault) {
    if (!fine) {
        fprintf(stderr, "bench_pages: %s\n", fault->message);
        exit(3);
    }
}

/* Identifiers look random, so that neighbours in the index are no neighbours in the table. */
static struct text entity_id(struct arena *arena, uint64_t number) {
    uint64_t mixed = number * UINT64_C(0x9E3779B97F4A7C15);
    return text_print(arena, "%08x-%04x-7000-8000-%012llx", (unsigned)(mixed >> 32),
                      (unsigned)(mixed >> 16) & 0xFFFF, (unsigned long long)number);
}

/* --- filling --- */

static void add_record(struct bench *bench, struct entity *entity, struct text to,
                       struct store_record *out) {
    struct id_source ids = id_system();
    struct record record = {.sequence = entity->audit_sequence + 1,
                            .machine = machine,
                            .entity_id = entity->id,
                            .from_state = entity->state,
                            .to_state = to,
                            .actor = &bench->actor,
                            .action = TEXT("transition"),
                            .reason = TEXT("user_action"),
                            .version = entity->version + 1,
                            .timestamp_us = bench->changed_us,
                            .success = true,
                            .isolation = TEXT("read committed"),
                            .policy = TEXT("4431a9f0"),
                            .request_id = TEXT("r")};
    id_uuid7(&ids, bench->changed_us, record.uuid);
    *out = (struct store_record){.machine = machine,
                                 .entity_id = entity->id,
                                 .from_state = entity->state,
                                 .to_state = to,
                                 .actor_id = bench->actor.id,
                                 .reason = record.reason,
                                 .sequence = record.sequence,
                                 .timestamp_us = record.timestamp_us,
                                 .success = true,
                                 .json = chain_record(&bench->arena, &record)};
    memcpy(out->uuid, record.uuid, ID_LENGTH);
    memcpy(out->previous_hash, entity->audit_hash, DIGEST_BYTES);
    chain_hash(out->previous_hash, out->json, out->hash);
    entity->audit_sequence = record.sequence;
    memcpy(entity->audit_hash, out->hash, DIGEST_BYTES);
}

static const struct js *data_of(struct bench *bench, uint64_t number) {
    struct text customer =
        text_print(&bench->arena, "c-%llu", (unsigned long long)(number * 7919 % CUSTOMERS));
    return js_with(&bench->arena, bench->data, TEXT("customer"),
                   js_string(&bench->arena, customer));
}

/* Moves these to `to`, and creates what is not there. */
static void move(struct bench *bench, const uint64_t *numbers, size_t count, struct text to) {
    static struct entity entities[BATCH];
    static struct store_entity_write writes[BATCH];
    static struct store_record records[BATCH];
    struct store_key keys[BATCH];
    struct fault fault = FAULT_INIT;
    arena_reset(&bench->arena);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct store_key){machine, entity_id(&bench->arena, numbers[i])};
    }
    check(store_begin(bench->store, STORE_WRITE, ISOLATION_DEFAULT, &fault), &fault);
    check(store_read(bench->store, &bench->arena, keys, count, entities, &fault), &fault);
    for (size_t i = 0; i < count; i++) {
        struct entity *entity = &entities[i];
        bool is_new = !entity->exists;
        bench->changed_us += 50;
        writes[i] = (struct store_entity_write){entity, is_new ? 0 : entity->version, true};
        add_record(bench, entity, to, &records[i]);
        entity->exists = true;
        entity->state = to;
        entity->version++;
        entity->data = is_new ? data_of(bench, numbers[i]) : entity->data;
        entity->created_us = is_new ? bench->changed_us : entity->created_us;
        entity->updated_us = bench->changed_us;
    }
    struct store_batch batch = {
        .entities = writes, .entity_count = count, .records = records, .record_count = count};
    check(store_write(bench->store, &batch, &fault) && store_commit(bench->store, &fault), &fault);
}

static void fill(struct bench *bench) {
    uint64_t numbers[BATCH];
    bench->changed_us = FIRST_DAY;
    for (int64_t made = 0; made < bench->entities;) {
        size_t count = 0;
        for (; count < BATCH && made < bench->entities; made++) {
            numbers[count++] = (uint64_t)made;
        }
        move(bench, numbers, count, draft);
    }
}

static void touch(struct bench *bench) {
    for (int i = 0; i < TOUCHED; i++) {
        bench->random ^= bench->random << 13;
        bench->random ^= bench->random >> 7;
        bench->random ^= bench->random << 17;
        uint64_t number = bench->random % (uint64_t)bench->entities;
        move(bench, &number, 1, submitted);
    }
}

static void build_index(struct bench *bench) {
    static const struct text field = TEXT("customer");
    struct fault fault = FAULT_INIT;
    bool more;
    do {
        more = false;
        check(store_index_fields(bench->store, machine, &field, 1, 10000, &more, &fault), &fault);
    } while (more);
}

/* --- questions --- */

struct question {
    const char *what;
    bool newest, is_deep, counts;
    struct text state;
    const char *data; /* JSON, or NULL */
    bool changed_lately, changed_ever;
    int pages; /* of the store's: what the API gathers for one page at the most; 0: one */
};

static const struct question questions[] = {
    {.what = "first page"},
    {.what = "first page, `order=newest`", .newest = true},
    {.what = "deep page (a cursor in the middle)", .is_deep = true},
    {.what = "deep page, `order=newest`", .is_deep = true, .newest = true},
    {.what = "`state` that nearly all have", .state = TEXT("DRAFT")},
    {.what = "rare `state`, one step", .state = TEXT("SUBMITTED")},
    {.what = "rare `state`, a whole page", .state = TEXT("SUBMITTED"), .pages = 20},
    {.what = "indexed field", .data = "{\"customer\":\"c-17\"}"},
    {.what = "indexed field, deep page", .data = "{\"customer\":\"c-17\"}", .is_deep = true},
    {.what = "indexed field and `state`",
     .data = "{\"customer\":\"c-17\"}",
     .state = TEXT("DRAFT")},
    {.what = "`updated_since`, all changed since", .changed_ever = true},
    {.what = "`updated_since`, 1000 changed since, one step", .changed_lately = true},
    {.what = "`updated_since`, 1000 changed since, a whole page",
     .changed_lately = true,
     .pages = 20},
    {.what = "`updated_since` and indexed field",
     .data = "{\"customer\":\"c-17\"}",
     .changed_lately = true},
    {.what = "`count`", .counts = true},
    {.what = "`count` of a state", .counts = true, .state = TEXT("DRAFT")},
    {.what = "`count` of an indexed field", .counts = true, .data = "{\"customer\":\"c-17\"}"},
};

static struct store_where where_of_question(struct bench *bench, const struct question *question,
                                            int64_t lately_us) {
    struct store_where where = {.states = &question->state,
                                .state_count = text_given(question->state) ? 1 : 0};
    struct fault fault = FAULT_INIT;
    where.updated_since_us = question->changed_lately ? lately_us : question->changed_ever ? 1 : 0;
    if (question->data != NULL) {
        check(js_parse(&bench->arena, text_of(question->data), &where.data, &fault), &fault);
    }
    return where;
}

/* How many entities, or how many it counts. */
static int64_t ask(struct bench *bench, const struct question *question, int64_t lately_us) {
    struct fault fault = FAULT_INIT;
    arena_reset(&bench->arena);
    struct store_where where = where_of_question(bench, question, lately_us);
    bool is_sifted = where.updated_since_us != 0 || where.state_count > 0;
    char of = cursor_of(CURSOR_ENTITIES, question->newest);
    int64_t found = 0;
    struct store_page page = {
        .limit = PAGE, .newest = question->newest, .look_most = is_sifted ? LOOK_MOST : 0};
    if (question->counts) {
        check(store_count(bench->store, machine, &where, &found, &fault), &fault);
        return found;
    }
    page.cursor =
        question->is_deep ? cursor_print(&bench->arena, of, bench->entities / 2) : TEXT_NONE;
    int pages = 0;
    do {
        struct entity *items;
        size_t count;
        check(store_list(bench->store, &bench->arena, machine, &where, &page, &items, &count,
                         &page.cursor, &fault),
              &fault);
        found += (int64_t)count;
        page.limit = PAGE - found;
    } while (++pages < question->pages && page.limit > 0 && text_given(page.cursor));
    return found;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void measure(struct bench *bench, const struct question *question, int64_t lately_us) {
    struct fault fault = FAULT_INIT;
    double times[ROUNDS];
    int64_t found = 0;
    check(store_begin(bench->store, STORE_READ, ISOLATION_DEFAULT, &fault), &fault);
    found = ask(bench, question, lately_us);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = now_us(CLOCK_MONOTONIC);
        found = ask(bench, question, lately_us);
        times[i] = (double)(now_us(CLOCK_MONOTONIC) - start) / NOW_MILLISECOND;
    }
    store_rollback(bench->store);
    qsort(times, ROUNDS, sizeof *times, by_value);
    printf("| %s | %lld | %.2f | %.2f |\n", question->what, (long long)found, times[ROUNDS / 2],
           times[ROUNDS - 1]);
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct bench bench = {.entities = argc > 2 ? strtoll(argv[2], NULL, 10) : 2000000,
                          .random = UINT64_C(88172645463325252),
                          .actor = {.id = TEXT("user-4711")}};
    struct fault fault = FAULT_INIT;
    char url[512];
    const char *place = argc > 1 ? argv[1] : "/tmp/bench_pages.db";
    snprintf(url, sizeof url, "%s%s", strchr(place, ':') != NULL ? "" : "sqlite:", place);
    arena_init(&bench.arena, 0);
    arena_init(&bench.kept, 0);
    check(store_open(text_of(url), STORE_WRITER, &bench.store, &fault), &fault);
    check(js_parse(&bench.kept, data_json, &bench.data, &fault), &fault);
    int64_t count;
    check(store_count(bench.store, machine, NULL, &count, &fault), &fault);
    if (count == 0) {
        fill(&bench);
    }
    build_index(&bench);
    int64_t lately_us = bench.changed_us = now_us(CLOCK_REALTIME);
    touch(&bench);
    printf("%s, %lld entities\n\n| question | found | median ms | worst ms |\n| --- | --- | --- | "
           "--- |\n",
           store_kind(bench.store), (long long)(count == 0 ? bench.entities : count));
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        measure(&bench, &questions[i], lately_us);
    }
    store_close(bench.store);
    arena_deinit(&bench.arena);
    arena_deinit(&bench.kept);
    return 0;
}
