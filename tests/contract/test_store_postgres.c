/* What only the PostgreSQL store promises: isolation and time-outs that are in force, connections
 * that go and come back, commits whose answers are lost, and many writers at once. */
#include "support/store_fixture.h"

#include <pthread.h>

#include "store/postgres/driver.h"
#include "support/lossy_proxy.h"

/* The one value that SQL answers inside the store's open transaction. */
static struct text ask(struct fixture *fixture, struct store *store, const char *sql) {
    struct postgres_store *self = postgres_of(store);
    FINE(postgres_run(self, sql, NULL, &fault));
    return cell_text(&fixture->arena, wire_result(&self->wire, 0), 0, 0);
}

/* Ends every connection to the fixture's database, and waits until it has. */
static void kill_connections(struct fixture *fixture) {
    run_on_server(fixture->database,
                  "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                  "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

static void empty_database(struct fixture *fixture) {
    run_on_server(fixture->database, "SET client_min_messages = warning; "
                                     "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

/* --- isolation and time-outs --- */

static void the_isolation_asked_for_is_in_force(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        enum isolation asked;
        const char *shown;
    } levels[] = {{ISOLATION_DEFAULT, "read committed"},
                  {ISOLATION_READ_COMMITTED, "read committed"},
                  {ISOLATION_REPEATABLE_READ, "repeatable read"},
                  {ISOLATION_SERIALIZABLE, "serializable"}};
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        FINE(store_begin(fixture->store, STORE_WRITE, levels[i].asked, &fault));
        check_text(ask(fixture, fixture->store, "SHOW transaction_isolation"), levels[i].shown);
        check_text(ask(fixture, fixture->store, "SHOW transaction_read_only"), "off");
        store_rollback(fixture->store);
    }
    begin(fixture->store, STORE_READ);
    check_text(ask(fixture, fixture->store, "SHOW transaction_isolation"), "repeatable read");
    check_text(ask(fixture, fixture->store, "SHOW transaction_read_only"), "on");
    store_rollback(fixture->store);
}

static void all_time_outs_are_in_force_and_go_with_the_transaction(void **state) {
    struct fixture *fixture = *state;
    static const char *const time_outs[][2] = {{"SHOW lock_timeout", "5s"},
                                               {"SHOW statement_timeout", "20s"},
                                               {"SHOW idle_in_transaction_session_timeout", "10s"},
                                               {"SHOW tcp_user_timeout", "10000"},
                                               {"SHOW client_connection_check_interval", "2s"}};
    for (size_t i = 0; i < COUNT_OF(time_outs); i++) {
        begin(fixture->store, i % 2 == 0 ? STORE_WRITE : STORE_READ);
        check_text(ask(fixture, fixture->store, time_outs[i][0]), time_outs[i][1]);
        commit(fixture->store);
        struct wire *wire = &postgres_of(fixture->store)->wire;
        wire_queue(wire, time_outs[i][0], NULL);
        FINE(wire_run(wire, &fault));
        check_text(cell_lent(wire_result(wire, 0), 0, 0), "0");
    }
}

static void a_row_that_is_locked_for_long_makes_it_unavailable(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    struct store_key key = {TASK, TEXT("T-1")};
    struct entity entity;
    make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    read_task(fixture, "T-1");
    begin(other, STORE_WRITE);
    FAILS(FAULT_STORE_UNAVAILABLE, store_read(other, &fixture->arena, &key, 1, &entity, &fault));
    store_rollback(other);
    store_rollback(fixture->store);
    begin(other, STORE_WRITE);
    assert_true(read_by(fixture, other, TASK, TEXT("T-1")).exists);
    store_close(other);
}

/* --- conflicts --- */

static void a_row_that_changed_after_the_snapshot_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    struct store_key key = {TASK, TEXT("T-1")};
    struct entity entity;
    make_task(fixture, "T-1");
    FINE(store_begin(other, STORE_WRITE, ISOLATION_REPEATABLE_READ, &fault));
    assert_false(read_by(fixture, other, TASK, TEXT("T-2")).exists);
    make_task(fixture, "T-1");
    FAILS(FAULT_STORE_CONFLICT, store_read(other, &fixture->arena, &key, 1, &entity, &fault));
    store_close(other);
}

/* Each lists what the other is about to add to: no order of the two would give both lists. */
static bool list_and_make(struct fixture *fixture, struct store *store, const char *id,
                          struct fault *told) {
    struct store *own = fixture->store;
    struct changed changed;
    struct text *ids;
    size_t count;
    FINE(store_begin(store, STORE_WRITE, ISOLATION_SERIALIZABLE, &fault));
    FINE(store_list_ids(store, &fixture->arena, TASK, NULL, TEXT_NONE, 10, &ids, &count, &fault));
    assert_int_equal(count, 0);
    struct entity before = read_by(fixture, store, TASK, text_of(id));
    prepare(fixture, &before, (struct change){.id = text_of(id)}, &changed);
    fixture->store = store;
    bool written = try_write(fixture, &changed, told);
    fixture->store = own;
    return written;
}

static void serializable_transactions_that_have_no_order_conflict(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    struct fault told = FAULT_INIT;
    assert_true(list_and_make(fixture, fixture->store, "a", &told));
    bool fine = list_and_make(fixture, other, "b", &told);
    commit(fixture->store);
    assert_false(fine && store_commit(other, &told));
    assert_int_equal(told.code, FAULT_STORE_CONFLICT);
    store_close(other);
    assert_false(read_task(fixture, "b").exists);
}

static void of_two_that_make_the_same_entity_one_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct store *first = fixture->store, *second = open_store(fixture, STORE_WRITER);
    struct changed changed;
    begin(first, STORE_WRITE);
    begin(second, STORE_WRITE);
    struct entity absent = read_by(fixture, second, TASK, TEXT("T-1"));
    assert_false(absent.exists);
    apply(fixture, (struct change){.id = TEXT("T-1")});
    commit(first);
    prepare(fixture, &absent, (struct change){.id = TEXT("T-1")}, &changed);
    fixture->store = second;
    FAILS(FAULT_STORE_CONFLICT, try_write(fixture, &changed, &fault));
    store_rollback(second);
    assert_int_equal(read_task(fixture, "T-1").version, 1);
    fixture->store = first;
    store_close(second);
}

static void an_answer_that_another_gave_meanwhile_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    struct store_answer answer = {.scope = TEXT("s"), .key = TEXT("k"), .created_us = DAY};
    struct store_batch batch = {.answers = &answer, .answer_count = 1};
    const struct store_answer *found;
    begin(other, STORE_WRITE);
    FINE(store_find_answers(other, &fixture->arena,
                            &(struct store_answer_key){TEXT("s"), TEXT("k")}, 1, DAY - 9, &found,
                            &fault));
    assert_null(found);
    begin(fixture->store, STORE_WRITE);
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
    FAILS(FAULT_STORE_CONFLICT, store_write(other, &batch, &fault));
    store_close(other);
}

static void texts_that_are_not_utf8_are_the_callers_fault(void **state) {
    struct fixture *fixture = *state;
    static const struct text texts[] = {TEXT("\xff"), TEXT("a\0b")};
    int64_t count;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        FAILS(FAULT_BAD_REQUEST, store_count(fixture->store, texts[i], NULL, &count, &fault));
        FINE(store_count(fixture->store, TASK, NULL, &count, &fault));
    }
}

/* --- many writers --- */

#define ROUNDS   40
#define TOGETHER 6

struct worker {
    struct text url;
    bool backwards;
    struct fault fault;
};

/* One batch: every entity once more in the same state. */
static bool touch_all(struct worker *worker, struct store *store, struct arena *arena) {
    struct store_key keys[TOGETHER];
    struct entity entities[TOGETHER];
    struct store_entity_write writes[TOGETHER];
    for (size_t i = 0; i < TOGETHER; i++) {
        size_t number = worker->backwards ? TOGETHER - 1 - i : i;
        keys[i] = (struct store_key){TASK, text_print(arena, "T-%zu", number)};
    }
    if (!store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, &worker->fault) ||
        !store_read(store, arena, keys, TOGETHER, entities, &worker->fault)) {
        return false;
    }
    for (size_t i = 0; i < TOGETHER; i++) {
        writes[i] = (struct store_entity_write){&entities[i], entities[i].version, true};
        entities[i].version++;
    }
    struct store_batch batch = {.entities = writes, .entity_count = TOGETHER};
    return store_write(store, &batch, &worker->fault) && store_commit(store, &worker->fault);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct store *store = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    bool fine = store_open(worker->url, STORE_WRITER, &store, &worker->fault);
    for (int round = 0; fine && round < ROUNDS; round++) {
        fine = touch_all(worker, store, &arena);
        arena_reset(&arena);
    }
    store_close(store);
    arena_deinit(&arena);
    return NULL;
}

static void *open_and_close(void *context) {
    struct worker *worker = context;
    struct store *store = NULL;
    if (store_open(worker->url, STORE_WRITER, &store, &worker->fault)) {
        store_close(store);
    }
    return NULL;
}

static void run_workers(struct fixture *fixture, void *(*run)(void *), size_t count) {
    struct worker workers[8];
    pthread_t threads[8];
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct worker){.url = fixture->url, .backwards = i % 2 == 1};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &workers[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(workers[i].fault.message, "");
    }
}

static void writers_that_lock_in_opposite_order_never_deadlock(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < TOGETHER; i++) {
        make(fixture, (struct change){.id = text_print(&fixture->arena, "T-%d", i)});
    }
    run_workers(fixture, work, 4);
    assert_int_equal(read_task(fixture, "T-0").version, 1 + 4 * ROUNDS);
}

static void eight_writers_may_migrate_at_once(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    fixture->store = NULL;
    empty_database(fixture);
    run_workers(fixture, open_and_close, 8);
    fixture->store = open_store(fixture, STORE_WRITER);
    begin(fixture->store, STORE_READ);
    check_text(
        ask(fixture, fixture->store, "SELECT (count(*) = max(version))::text FROM schema_version"),
        "true");
    store_rollback(fixture->store);
}

/* --- opening --- */

static void a_schema_newer_than_the_program_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    run_on_server(fixture->database, "INSERT INTO schema_version VALUES (99, 0)");
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_WRITER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_READER, &store, &fault));
}

static void a_reader_of_an_empty_database_is_told_to_migrate(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    empty_database(fixture);
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_READER, &store, &fault));
}

static void tables_of_another_program_are_left_alone(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    empty_database(fixture);
    run_on_server(fixture->database, "CREATE TABLE entity (x int)");
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_WRITER, &store, &fault));
}

static void urls_may_name_several_hosts_and_either_scheme(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    struct wire *wire = &postgres_of(fixture->store)->wire;
    const char *port = PQport(wire->connection), *user = PQuser(wire->connection);
    const char *password = PQpass(wire->connection);
    struct text url = text_print(&fixture->arena, "postgres://%s:%s@127.0.0.1:1,127.0.0.1:%s/%s",
                                 user, password, port, PQdb(wire->connection));
    FINE(store_open(url, STORE_WRITER, &store, &fault));
    FINE(store_ping(store, &fault));
    assert_string_equal(store_kind(store), "postgresql");
    store_close(store);
    assert_true(store_writers_most(url) > 1);
}

static void a_password_is_never_told(void **state) {
    (void)state;
    static const char *const urls[] = {
        "postgresql://ann:secret@127.0.0.1:1/db", "postgresql://ann:secret@127.0.0.1:x/db",
        "postgresql://ann:secret@[127.0.0.1/db", "postgresql://ann:secret@127.0.0.1/db?x=y",
        "postgresql://ann:secret/x@127.0.0.1/db"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct store *store;
        struct fault told = FAULT_INIT;
        assert_false(store_open(text_of(urls[i]), STORE_WRITER, &store, &told));
        assert_null(strstr(told.message, "secret"));
    }
}

/* --- connections that are lost --- */

static void a_connection_that_was_closed_between_transactions_is_made_anew(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    kill_connections(fixture);
    make_task(fixture, "T-2");
    kill_connections(fixture);
    FINE(store_ping(fixture->store, &fault));
    kill_connections(fixture);
    assert_true(read_task(fixture, "T-2").exists);
}

static void a_connection_that_was_closed_in_a_transaction_is_its_fault(void **state) {
    struct fixture *fixture = *state;
    struct store_key key = {TASK, TEXT("T-1")};
    struct entity entity;
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.id = TEXT("T-1")});
    kill_connections(fixture);
    FAILS(FAULT_STORE_UNAVAILABLE,
          store_read(fixture->store, &fixture->arena, &key, 1, &entity, &fault));
    FAILS(FAULT_STORE_UNAVAILABLE, store_commit(fixture->store, &fault));
    store_rollback(fixture->store);
    assert_false(read_task(fixture, "T-1").exists);
    make_task(fixture, "T-1");
}

static void a_connection_that_was_closed_before_commit_is_no_riddle(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.id = TEXT("T-1")});
    kill_connections(fixture);
    FAILS(FAULT_STORE_UNAVAILABLE, store_commit(fixture->store, &fault));
    store_rollback(fixture->store);
    make_task(fixture, "T-1");
}

/* A transition whose COMMIT the proxy treats so: unknown; and then what settling says. */
static bool commit_through(struct fixture *fixture, enum lossy_way way) {
    struct wire *wire = &postgres_of(fixture->store)->wire;
    struct lossy_proxy *proxy =
        lossy_proxy_start(PQhost(wire->connection), PQport(wire->connection));
    struct text url =
        text_print(&fixture->arena, "postgresql://%s:%s@127.0.0.1:%d/%s", PQuser(wire->connection),
                   PQpass(wire->connection), lossy_proxy_port(proxy), fixture->database);
    struct store *direct = fixture->store;
    struct changed changed;
    bool committed = false;
    FINE(store_open(url, STORE_WRITER, &fixture->store, &fault));
    begin(fixture->store, STORE_WRITE);
    struct entity before = read_task(fixture, "T-1");
    prepare(fixture, &before, (struct change){.id = TEXT("T-1")}, &changed);
    FINE(try_write(fixture, &changed, &fault));
    lossy_proxy_arm(proxy, way);
    FAILS(FAULT_OUTCOME_UNKNOWN, store_commit(fixture->store, &fault));
    store_rollback(fixture->store);
    FINE(store_settle(fixture->store, (struct text){changed.record.uuid, ID_LENGTH}, &committed,
                      &fault));
    assert_int_equal(read_task(fixture, "T-1").exists, committed);
    store_close(fixture->store);
    fixture->store = direct;
    lossy_proxy_stop(proxy);
    assert_int_equal(read_task(fixture, "T-1").exists, committed);
    return committed;
}

static void a_commit_whose_answer_was_lost_has_happened(void **state) {
    assert_true(commit_through(*state, LOSSY_SWALLOW_ANSWER));
}

static void a_commit_that_never_arrived_has_not_happened(void **state) {
    assert_false(commit_through(*state, LOSSY_SWALLOW_COMMIT));
}

static void a_commit_that_is_still_under_way_is_waited_for(void **state) {
    assert_true(commit_through(*state, LOSSY_DELAY_COMMIT));
}

/* After a fail-over the server may not have given the transaction's id to anybody yet. */
static void the_record_tells_when_the_server_never_heard_of_the_transaction(void **state) {
    struct fixture *fixture = *state;
    struct postgres_store *self = postgres_of(fixture->store);
    struct text uuid = TEXT("00000000-0000-7000-8000-00000000ffff");
    bool committed = true;
    snprintf(self->xid, sizeof self->xid, "99999999999");
    FINE(store_settle(fixture->store, uuid, &committed, &fault));
    assert_false(committed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_isolation_asked_for_is_in_force),
        TEST(all_time_outs_are_in_force_and_go_with_the_transaction),
        TEST(a_row_that_is_locked_for_long_makes_it_unavailable),
        TEST(a_row_that_changed_after_the_snapshot_conflicts),
        TEST(serializable_transactions_that_have_no_order_conflict),
        TEST(of_two_that_make_the_same_entity_one_conflicts),
        TEST(an_answer_that_another_gave_meanwhile_conflicts),
        TEST(texts_that_are_not_utf8_are_the_callers_fault),
        TEST(writers_that_lock_in_opposite_order_never_deadlock),
        TEST(eight_writers_may_migrate_at_once),
        TEST(a_schema_newer_than_the_program_is_refused),
        TEST(a_reader_of_an_empty_database_is_told_to_migrate),
        TEST(tables_of_another_program_are_left_alone),
        TEST(urls_may_name_several_hosts_and_either_scheme),
        TEST(a_password_is_never_told),
        TEST(a_connection_that_was_closed_between_transactions_is_made_anew),
        TEST(a_connection_that_was_closed_in_a_transaction_is_its_fault),
        TEST(a_connection_that_was_closed_before_commit_is_no_riddle),
        TEST(a_commit_whose_answer_was_lost_has_happened),
        TEST(a_commit_that_never_arrived_has_not_happened),
        TEST(a_commit_that_is_still_under_way_is_waited_for),
        TEST(the_record_tells_when_the_server_never_heard_of_the_transaction),
    };
    subject_at_hand = subject_postgres;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
