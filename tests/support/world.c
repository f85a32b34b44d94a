/* world.c: see world.h. */
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/chain.h"

static int64_t wall(void *context) {
    return ((struct world *)context)->wall_us;
}

static void counting(void *context, unsigned char *out, size_t length) {
    struct world *world = context;
    uint64_t number = ++world->next_random;
    for (size_t i = 0; i < length; i++) {
        out[length - 1 - i] = (unsigned char)(number >> (8 * (i % 8)));
    }
}

static struct text store_url(struct world *world) {
    return text_print(&world->core.arena, "sqlite:%s/store.db", world->directory);
}

static void open_store(struct world *world) {
    struct fault fault = FAULT_INIT;
    if (!store_open(store_url(world), STORE_WRITER, &world->core.store, &fault)) {
        fail_msg("store: %s", fault.message);
    }
}

static void write_policy(struct world *world, const char *policy) {
    char path[128];
    snprintf(path, sizeof path, "%s/policies", world->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/policies/test.lua", world->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(policy, file);
    fclose(file);
}

static void load_policy(struct world *world) {
    struct fault fault = FAULT_INIT;
    struct problem_list problems = {.arena = &world->core.arena};
    struct generation_options options = {
        .directory = text_print(&world->core.arena, "%s/policies", world->directory),
        .limits = vm_limits_default(),
        .vm_count = 1,
        .now = world->core.now,
    };
    if (!generation_load(&options, &world->generation, &problems, &fault)) {
        fail_msg("policy: %s; %s:%d %.*s", fault.message, "test.lua",
                 problems.count > 0 ? problems.items[0].line : 0,
                 problems.count > 0 ? (int)problems.items[0].message.length : 0,
                 problems.count > 0 ? problems.items[0].message.bytes : "");
    }
    world->core.policy = (struct policy){world->generation, 0};
}

void world_open(struct world *world, const char *policy) {
    struct fault fault = FAULT_INIT;
    *world = (struct world){.wall_us = INT64_C(1764000000000000)};
    snprintf(world->directory, sizeof world->directory, "/tmp/statute-test-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    arena_init(&world->core.arena, 0);
    world->core.now =
        (struct now){.wall_us = wall, .monotonic_us = now_system().monotonic_us, .context = world};
    world->core.ids = (struct id_source){counting, world};
    world->locks = lock_registry_new(now_system(), TEXT_NONE);
    assert_true(lock_open(TEXT("local"), world->locks, &world->core.lock, &fault));
    write_policy(world, policy);
    load_policy(world);
    open_store(world);
}

void world_reopen_store(struct world *world) {
    store_close(world->core.store);
    open_store(world);
}

void world_close(struct world *world) {
    char command[128];
    store_close(world->core.store);
    lock_close(world->core.lock);
    lock_registry_free(world->locks);
    generation_unref(world->generation);
    arena_deinit(&world->core.arena);
    snprintf(command, sizeof command, "rm -r '%s'", world->directory);
    assert_int_equal(system(command), 0);
}

static struct attempt attempt(enum attempt_kind kind, const char *machine, const char *id) {
    return (struct attempt){.kind = kind,
                            .machine = text_of(machine),
                            .id = text_of(id),
                            .reason = TEXT("user_action"),
                            .skip_permissions = true,
                            .lock = true,
                            .blocking_timeout_ms = 0,
                            .max_retries = 0};
}

struct attempt world_move(const char *machine, const char *id, const char *to) {
    struct attempt move = attempt(ATTEMPT_TRANSITION, machine, id);
    move.to = text_of(to);
    return move;
}

struct attempt world_create(const char *machine, const char *id, const struct js *data) {
    struct attempt create = attempt(ATTEMPT_CREATE, machine, id);
    create.patch = data;
    return create;
}

const struct outcome *world_run(struct world *world, const struct attempt *wanted) {
    struct member *member = ARENA_NEW(&world->core.arena, struct member);
    member->attempts = wanted;
    member->attempt_count = 1;
    batch_run(&world->core, &member, 1);
    if (member->fault != FAULT_NONE && member->fault != FAULT_LOCK_TIMEOUT) {
        fail_msg("batch: %.*s", TEXT_ARGS(member->fault_message));
    }
    return &member->outcomes[0];
}

struct entity world_read(struct world *world, const char *machine, const char *id) {
    struct fault fault = FAULT_INIT;
    struct entity entity;
    struct store_key key = {text_of(machine), text_of(id)};
    struct store *store = world->core.store;
    assert_true(store_begin(store, STORE_READ, ISOLATION_DEFAULT, &fault));
    assert_true(store_read(store, &world->core.arena, &key, 1, &entity, &fault));
    store_rollback(store);
    return entity;
}

static struct store_record *history(struct world *world, const char *machine, const char *id,
                                    size_t *count) {
    struct fault fault = FAULT_INIT;
    struct store_record *items;
    struct text next;
    struct store_search search = {
        .machine = text_of(machine), .entity_id = text_of(id), .success = -1};
    struct store_page page = {.limit = 1000};
    struct store *store = world->core.store;
    assert_true(store_begin(store, STORE_READ, ISOLATION_DEFAULT, &fault));
    assert_true(store_search_records(store, &world->core.arena, &search, &page, &items, count,
                                     &next, &fault));
    store_rollback(store);
    return items;
}

int64_t world_verify(struct world *world, const char *machine, const char *id) {
    unsigned char previous[DIGEST_BYTES] = {0};
    unsigned char hash[DIGEST_BYTES];
    size_t count;
    struct store_record *records = history(world, machine, id, &count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(records[i].sequence, i + 1);
        assert_memory_equal(records[i].previous_hash, previous, DIGEST_BYTES);
        chain_hash(previous, records[i].json, hash);
        assert_memory_equal(records[i].hash, hash, DIGEST_BYTES);
        memcpy(previous, hash, DIGEST_BYTES);
    }
    struct entity entity = world_read(world, machine, id);
    assert_int_equal(entity.audit_sequence, count);
    assert_memory_equal(entity.audit_hash, previous, DIGEST_BYTES);
    return (int64_t)count;
}

const struct js *world_json(struct world *world, const char *json) {
    struct fault fault = FAULT_INIT;
    const struct js *value;
    if (!js_parse(&world->core.arena, text_of(json), &value, &fault)) {
        fail_msg("%s", fault.message);
    }
    return value;
}
