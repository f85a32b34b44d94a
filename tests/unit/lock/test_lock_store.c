/* What can happen to a lock that is in a PostgreSQL store. */
#include "support/store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock/lock.h"

#define LONG_US    (60 * NOW_SECOND)
#define PATIENT_US (10 * NOW_SECOND)

static struct lock_registry *registry;
static struct lock *one, *two;

static int set_up(void **state) {
    struct fault fault = FAULT_INIT;
    subject_at_hand = subject_postgres;
    open_fixture(state);
    struct fixture *fixture = *state;
    registry = lock_registry_new(now_system(), fixture->url);
    assert_true(lock_open(TEXT("store"), registry, &one, &fault));
    assert_true(lock_open(TEXT("store"), registry, &two, &fault));
    return 0;
}

static int tear_down(void **state) {
    lock_close(one);
    lock_close(two);
    lock_registry_free(registry);
    return close_fixture(state);
}

static struct lock_claim claim_of(const char *key) {
    return (struct lock_claim){.key = text_of(key), .ttl_us = LONG_US};
}

static bool takes(struct lock *lock, struct lock_claim *claim) {
    struct fault fault = FAULT_INIT;
    return lock_take(lock, claim, 1, &fault) && claim->granted;
}

static void kill_connections(struct fixture *fixture) {
    run_on_server(fixture->database,
                  "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                  "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

/* A division by zero unless `condition` holds of the database. */
static void check_database(struct fixture *fixture, const char *condition) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT 1 / (CASE WHEN %s THEN 1 ELSE 0 END)", condition);
    run_on_server(fixture->database, sql);
}

static void a_dropped_lease_leaves_no_row(void **state) {
    struct fixture *fixture = *state;
    struct lock_claim claim = claim_of("a");
    assert_true(takes(one, &claim));
    check_database(fixture, "(SELECT count(*) FROM lease) = 1");
    lock_drop(one, &claim, 1);
    check_database(fixture, "(SELECT count(*) FROM lease) = 0");
    check_database(fixture, "(SELECT count(*) FROM lock) = 0");
}

static void a_connection_that_was_closed_while_idle_goes_unnoticed(void **state) {
    struct fixture *fixture = *state;
    struct lock_claim a = claim_of("a"), b = claim_of("b");
    assert_true(takes(one, &a));
    kill_connections(fixture);
    assert_true(lock_renew(one, &a, 1));
    kill_connections(fixture);
    assert_true(takes(one, &b));
    kill_connections(fixture);
    lock_drop(one, &a, 1);
    assert_true(takes(two, &a));
    assert_false(lock_registry_is_down(registry));
}

static void a_store_that_is_gone_is_unavailable_until_it_is_back(void **state) {
    struct fixture *fixture = *state;
    struct now now = now_system();
    struct lock_claim claim = claim_of("a");
    struct fault told = FAULT_INIT;
    char sql[128];
    assert_true(takes(one, &claim));
    snprintf(sql, sizeof sql, "ALTER DATABASE \"%s\" ALLOW_CONNECTIONS false", fixture->database);
    run_on_server(NULL, sql);
    snprintf(sql, sizeof sql,
             "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '%s'",
             fixture->database);
    run_on_server(NULL, sql);
    assert_false(lock_renew(one, &claim, 1));
    assert_false(lock_ping(one, &told));
    assert_int_equal(told.code, FAULT_LOCK_UNAVAILABLE);
    assert_false(lock_take(one, &claim, 1, &told));
    assert_int_equal(told.code, FAULT_LOCK_UNAVAILABLE);
    assert_false(claim.granted);
    assert_true(lock_registry_is_down(registry));
    snprintf(sql, sizeof sql, "ALTER DATABASE \"%s\" ALLOW_CONNECTIONS true", fixture->database);
    run_on_server(NULL, sql);
    int64_t deadline_us = now_monotonic_us(&now) + PATIENT_US;
    claim = claim_of("b");
    while (!takes(one, &claim)) {
        assert_true(now_monotonic_us(&now) < deadline_us);
        usleep(20000);
    }
    assert_false(lock_registry_is_down(registry));
}

static void a_row_that_is_locked_for_long_makes_it_unavailable_and_holds_nothing(void **state) {
    struct fixture *fixture = *state;
    struct lock_claim claims[] = {claim_of("a"), claim_of("b")};
    struct fault told = FAULT_INIT;
    /* The run-out lease of "b" is passed over by nobody, and its row is locked for two seconds. */
    run_on_server(fixture->database, "INSERT INTO lease VALUES ('b', 1, 0)");
    pid_t child = fork();
    if (child == 0) {
        run_on_server(fixture->database,
                      "BEGIN; SELECT FROM lease WHERE key = 'b' FOR UPDATE; SELECT pg_sleep(2)");
        _exit(0);
    }
    usleep(500000);
    assert_false(lock_take(one, claims, 2, &told));
    assert_int_equal(told.code, FAULT_LOCK_UNAVAILABLE);
    check_database(fixture, "(SELECT count(*) FROM lease) = 1");
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(takes(two, &claims[0]) && takes(two, &claims[1]));
}

static void leases_that_ended_long_ago_are_deleted(void **state) {
    struct fixture *fixture = *state;
    struct lock_claim claim = claim_of("a");
    run_on_server(fixture->database,
                  "INSERT INTO lease SELECT n::text::bytea, 1, 5 FROM generate_series(1, 600) n");
    assert_true(takes(one, &claim));
    lock_drop(one, &claim, 1);
    check_database(fixture, "(SELECT count(*) FROM lease) = 0");
}

static void nothing_is_left_in_the_session(void **state) {
    struct fixture *fixture = *state;
    struct lock_claim claim = claim_of("a");
    assert_true(takes(one, &claim));
    check_database(fixture, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = "
                            "current_database() AND state LIKE 'idle in%')");
    check_database(fixture,
                   "NOT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database "
                   "WHERE datname = current_database() AND locktype = 'advisory')");
    check_database(fixture, "NOT EXISTS (SELECT FROM pg_prepared_statements)");
}

/* --- many at once --- */

#define WORKERS  6
#define TOGETHER 5
#define ROUNDS   150

struct worker {

    struct lock_registry *registry;
    bool failed;
};

static _Atomic int holders[TOGETHER];

static void use(const struct lock_claim *claims, struct worker *worker) {
    for (int i = 0; i < TOGETHER; i++) {
        if (claims[i].granted && holders[i]++ != 0) {
            worker->failed = true;
        }
    }
    for (int i = 0; i < TOGETHER; i++) {
        holders[i] -= claims[i].granted;
    }
}

static void *take_all_and_drop(void *context) {
    static const char *const keys[TOGETHER] = {"a", "b", "c", "d", "e"};
    struct worker *worker = context;
    struct fault fault = FAULT_INIT;
    struct lock *lock;
    if (!lock_open(TEXT("store"), worker->registry, &lock, &fault)) {
        worker->failed = true;
        return NULL;
    }
    for (int round = 0; round < ROUNDS && !worker->failed; round++) {
        struct lock_claim claims[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) {
            claims[i] = claim_of(keys[i]);
        }
        if (!lock_take(lock, claims, TOGETHER, &fault)) {
            print_error("%s\n", fault.message);
            worker->failed = true;
            break;
        }
        use(claims, worker);
        worker->failed = worker->failed || !lock_renew(lock, claims, TOGETHER);
        lock_drop(lock, claims, TOGETHER);
    }
    lock_close(lock);
    return NULL;
}

static void many_nodes_exclude_each_other_and_never_deadlock(void **state) {
    struct fixture *fixture = *state;
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.registry = registry};
        assert_int_equal(pthread_create(&threads[i], NULL, take_all_and_drop, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_false(workers[i].failed);
    }
    check_database(fixture, "(SELECT count(*) FROM lease) = 0");
    check_database(fixture, "(SELECT deadlocks FROM pg_stat_database "
                            "WHERE datname = current_database()) = 0");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(a_dropped_lease_leaves_no_row),
        CASE(a_connection_that_was_closed_while_idle_goes_unnoticed),
        CASE(a_store_that_is_gone_is_unavailable_until_it_is_back),
        CASE(a_row_that_is_locked_for_long_makes_it_unavailable_and_holds_nothing),
        CASE(leases_that_ended_long_ago_are_deleted),
        CASE(nothing_is_left_in_the_session),
        CASE(many_nodes_exclude_each_other_and_never_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
