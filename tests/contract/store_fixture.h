/* store_fixture.h: what the tests of the store share: the table of stores, one of them open in a
 * directory of its own, and short ways to write entities with their records. */
#ifndef STATUTE_TEST_STORE_FIXTURE_H
#define STATUTE_TEST_STORE_FIXTURE_H

#include "unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/chain.h"
#include "store/store.h"

#define DAY   INT64_C(1759276800000000) /* 2025-10-01T00:00:00Z */
#define TASK  TEXT("task")
#define ORDER TEXT("work_order")

/* A kind of store under test; a new driver adds a line to `subjects`. */
struct subject {
    const char *name;
    const char *before, *after; /* its URL around a directory of the test's own */
};

static const struct subject subjects[] = {{"sqlite", "sqlite:", "/store.db"}};

struct fixture {
    char directory[64];
    struct text url;
    struct store *store; /* a writer */
    struct arena arena;
};

static const struct subject *subject_at_hand; /* the one that main has got to */

static inline void check_fine(bool fine, const struct fault *fault, const char *file, int line) {
    if (!fine) {
        print_error("%s: %s\n", fault_name(fault->code), fault->message);
    }
    _assert_true(fine, "no fault", file, line);
}

/* Calls with a `fault` at hand that must go well, or must fail with this code. */
#define FINE(call)                                                                                 \
    do {                                                                                           \
        struct fault fault = FAULT_INIT;                                                           \
        check_fine((call), &fault, __FILE__, __LINE__);                                            \
    } while (0)
#define FAILS(expected, call)                                                                      \
    do {                                                                                           \
        struct fault fault = FAULT_INIT;                                                           \
        assert_false(call);                                                                        \
        assert_string_equal(fault_name(fault.code), fault_name(expected));                         \
        assert_int_equal(fault.code, expected);                                                    \
        assert_true(fault.message[0] != '\0');                                                     \
    } while (0)

static inline struct store *open_store(struct fixture *fixture, enum store_role role) {
    struct store *store = NULL;
    FINE(store_open(fixture->url, role, &store, &fault));
    return store;
}

static inline int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    arena_init(&fixture->arena, 0);
    fixture->url = text_print(&fixture->arena, "%s%s%s", subject_at_hand->before,
                              fixture->directory, subject_at_hand->after);
    fixture->store = open_store(fixture, STORE_WRITER);
    *state = fixture;
    return 0;
}

static inline int close_fixture(void **state) {
    struct fixture *fixture = *state;
    char command[96];
    store_close(fixture->store);
    arena_deinit(&fixture->arena);
    snprintf(command, sizeof command, "rm -rf %s", fixture->directory);
    int code = system(command);
    free(fixture);
    return code;
}

static inline void reopen(struct fixture *fixture) {
    store_close(fixture->store);
    fixture->store = open_store(fixture, STORE_WRITER);
}

static inline const struct js *json(struct fixture *fixture, const char *text) {
    const struct js *value = NULL;
    FINE(js_parse(&fixture->arena, text_of(text), &value, &fault));
    return value;
}

static inline struct text print(struct fixture *fixture, const char *format, int number) {
    char digits[16];
    snprintf(digits, sizeof digits, "%05d", number);
    return text_print(&fixture->arena, "%s%s", format, digits);
}

static inline void begin(struct store *store, enum store_access access) {
    FINE(store_begin(store, access, ISOLATION_DEFAULT, &fault));
}

static inline void commit(struct store *store) {
    FINE(store_commit(store, &fault));
}

/* In whatever transaction is open, or in none. */
static inline struct entity read_by(struct fixture *fixture, struct store *store,
                                    struct text machine, struct text id) {
    struct store_key key = {machine, id};
    struct entity entity;
    FINE(store_read(store, &fixture->arena, &key, 1, &entity, &fault));
    return entity;
}

static inline struct entity read_task(struct fixture *fixture, const char *id) {
    return read_by(fixture, fixture->store, TASK, text_of(id));
}

/* --- changes --- */

/* What happens to an entity; what is zero is filled in: machine task, now DAY, success. */
struct change {
    struct text machine, id, to, actor, reason;
    const char *data; /* NULL: as it is, or {} */
    bool refused;
    int64_t at_us;
};

/* An entity, as it is to be, with its record. */
struct changed {
    struct entity entity;
    struct store_entity_write write;
    struct store_record record;
};

static inline struct store_record record_of(struct fixture *fixture, const struct entity *before,
                                            const struct change *change) {
    static unsigned serial;
    struct actor actor = {.id = change->actor};
    struct record record = {
        .sequence = before->audit_sequence + 1,
        .machine = before->machine,
        .entity_id = before->id,
        .from_state = before->exists ? before->state : TEXT_NONE,
        .to_state = change->to,
        .actor = text_given(change->actor) ? &actor : NULL,
        .action = TEXT("transition"),
        .reason = change->reason,
        .timestamp_us = change->at_us,
        .success = !change->refused,
    };
    char uuid[ID_LENGTH + 1];
    snprintf(uuid, sizeof uuid, "00000000-0000-7000-8000-%012x", ++serial);
    memcpy(record.uuid, uuid, ID_LENGTH);
    struct store_record row = {.machine = record.machine,
                               .entity_id = record.entity_id,
                               .from_state = record.from_state,
                               .to_state = record.to_state,
                               .actor_id = change->actor,
                               .reason = record.reason,
                               .sequence = record.sequence,
                               .timestamp_us = record.timestamp_us,
                               .success = record.success,
                               .json = chain_record(&fixture->arena, &record)};
    memcpy(row.uuid, record.uuid, ID_LENGTH);
    memcpy(row.previous_hash, before->audit_hash, DIGEST_BYTES);
    chain_hash(row.previous_hash, row.json, row.hash);
    return row;
}

static inline struct change filled(struct change change) {
    change.machine = text_given(change.machine) ? change.machine : TASK;
    change.to = text_given(change.to) ? change.to : TEXT("OPEN");
    change.reason = text_given(change.reason) ? change.reason : TEXT("user_action");
    change.at_us = change.at_us != 0 ? change.at_us : DAY;
    return change;
}

static inline void move(struct fixture *fixture, struct entity *entity,
                        const struct change *change) {
    entity->data = change->data != NULL ? json(fixture, change->data)
                   : entity->exists     ? entity->data
                                        : &js_empty_object;
    entity->state = change->to;
    entity->created_us = entity->exists ? entity->created_us : change->at_us;
    entity->updated_us = change->at_us;
    entity->version++;
    entity->exists = true;
}

/* `out` must stay where it is until it is written. */
static inline void prepare(struct fixture *fixture, const struct entity *before,
                           struct change change, struct changed *out) {
    change = filled(change);
    out->entity = *before;
    out->record = record_of(fixture, before, &change);
    out->entity.audit_sequence = out->record.sequence;
    memcpy(out->entity.audit_hash, out->record.hash, DIGEST_BYTES);
    if (!change.refused) {
        move(fixture, &out->entity, &change);
    }
    out->write = (struct store_entity_write){&out->entity, before->exists ? before->version : 0,
                                             !change.refused};
}

static inline bool try_write(struct fixture *fixture, const struct changed *changed,
                             struct fault *fault) {
    struct store_batch batch = {.entities = &changed->write,
                                .entity_count = 1,
                                .records = &changed->record,
                                .record_count = 1};
    return store_write(fixture->store, &batch, fault);
}

/* Reads, changes and writes an entity inside the open transaction. */
static inline struct entity apply(struct fixture *fixture, struct change change) {
    struct changed changed;
    change = filled(change);
    struct entity before = read_by(fixture, fixture->store, change.machine, change.id);
    prepare(fixture, &before, change, &changed);
    FINE(try_write(fixture, &changed, &fault));
    return changed.entity;
}

/* The same in a transaction of its own. */
static inline struct entity make(struct fixture *fixture, struct change change) {
    begin(fixture->store, STORE_WRITE);
    struct entity entity = apply(fixture, change);
    commit(fixture->store);
    return entity;
}

static inline struct entity make_task(struct fixture *fixture, const char *id) {
    return make(fixture, (struct change){.id = text_of(id)});
}

/* --- queries --- */

struct found {
    struct store_record *items;
    size_t count;
    struct text next;
};

static inline struct found search_page(struct fixture *fixture, struct store_search search,
                                       int64_t limit, struct text cursor) {
    struct found found = {0};
    struct store_page page = {limit, cursor};
    FINE(store_search_records(fixture->store, &fixture->arena, &search, &page, &found.items,
                              &found.count, &found.next, &fault));
    return found;
}

#define ANY .success = -1

static inline struct found search(struct fixture *fixture, struct store_search search) {
    return search_page(fixture, search, 1000, TEXT_NONE);
}

/* --- running --- */

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

/* Runs a group against every store. */
#define RUN_FOR_ALL_STORES(tests)                                                                  \
    int failures = 0;                                                                              \
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {                                              \
        subject_at_hand = &subjects[i];                                                            \
        failures += cmocka_run_group_tests_name(subjects[i].name, tests, NULL, NULL);              \
    }                                                                                              \
    return failures

#endif
