/* The schema as it ages: an old store is migrated, a newer one is used or refused by what it says
 * of old programs, and several may migrate at once. */
#include "support/store_fixture.h"

#include <pthread.h>
#include <sqlite3.h>

#include "store/postgres/driver.h"

extern const struct text schema_sqlite_001, schema_postgres_001;

/* Runs SQL on the store that `url` names, from outside. */
static void run_sql(struct fixture *fixture, struct text url, const char *sql) {
    sqlite3 *database;
    char *message = NULL;
    if (subject_at_hand->has_server) {
        run_on_server(fixture->database, sql);
        return;
    }
    const char *path = text_cstring(&fixture->arena, url) + strlen("sqlite:");
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(database);
}

/* The URL of a store as version 1 of the schema was. */
static struct text make_first(struct fixture *fixture) {
    static const char row[] = "INSERT INTO schema_version (version, applied_us) VALUES (1, 1);";
    struct text url = fixture->url;
    store_close(fixture->store);
    fixture->store = NULL;
    if (subject_at_hand->has_server) {
        run_sql(fixture, url,
                "SET client_min_messages = warning; DROP SCHEMA public CASCADE; "
                "CREATE SCHEMA public");
        run_sql(fixture, url, schema_postgres_001.bytes);
    } else {
        url = text_print(&fixture->arena, "sqlite:%s/first.db", fixture->directory);
        run_sql(fixture, url, schema_sqlite_001.bytes);
    }
    run_sql(fixture, url, row);
    return url;
}

static struct migrate_status look(struct fixture *fixture, struct text url) {
    struct migrate_status status;
    FINE(migrate_look(url, &fixture->arena, &status, &fault));
    return status;
}

/* Counts how often each version was reported. */
static void count_version(void *context, int64_t version) {
    int *counts = context;
    assert_in_range(version, 1, 63);
    counts[version]++;
}

static void check_opens(struct text url, enum store_role role) {
    struct store *store;
    FINE(store_open(url, role, &store, &fault));
    FINE(store_ping(store, &fault));
    store_close(store);
}

/* --- old stores --- */

static void a_store_of_the_first_version_can_be_looked_at_and_read(void **state) {
    struct fixture *fixture = *state;
    struct text url = make_first(fixture);
    struct migrate_status status = look(fixture, url);
    assert_int_equal(status.version, 1);
    assert_int_equal(status.oldest_program, 1);
    assert_int_equal(status.pending, status.known - 1);
    assert_true(status.steps[0].applied);
    assert_int_equal(status.steps[0].applied_us, 1);
    assert_false(status.steps[1].applied);
    check_opens(url, STORE_READER);
    assert_int_equal(look(fixture, url).version, 1);
}

static void an_old_store_is_migrated_once(void **state) {
    struct fixture *fixture = *state;
    struct text url = make_first(fixture);
    int counts[64] = {0};
    FINE(migrate_up(url, count_version, counts, &fault));
    FINE(migrate_up(url, count_version, counts, &fault));
    struct migrate_status status = look(fixture, url);
    assert_int_equal(status.pending, 0);
    assert_int_equal(status.version, status.known);
    assert_int_equal(counts[1], 0);
    for (int64_t version = 2; version <= status.known; version++) {
        assert_int_equal(counts[version], 1);
    }
    check_opens(url, STORE_READER);
}

static void opening_a_writer_migrates_too(void **state) {
    struct fixture *fixture = *state;
    struct text url = make_first(fixture);
    check_opens(url, STORE_WRITER);
    assert_int_equal(look(fixture, url).pending, 0);
}

static void every_version_says_how_old_a_program_may_be(void **state) {
    struct fixture *fixture = *state;
    struct migrate_status status = look(fixture, fixture->url);
    assert_int_equal(status.count, status.known);
    for (size_t i = 0; i < status.count; i++) {
        assert_in_range(status.steps[i].oldest_program, 1, status.steps[i].version);
        assert_true(i == 0 || status.steps[i].oldest_program >= status.steps[i - 1].oldest_program);
        assert_non_null(status.steps[i].summary);
    }
    assert_int_equal(status.oldest_program, status.steps[status.count - 1].oldest_program);
}

/* --- newer stores --- */

static void a_newer_schema_that_allows_it_is_used(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    fixture->store = NULL;
    run_sql(fixture, fixture->url, "INSERT INTO schema_version VALUES (60, 1, 2)");
    run_sql(fixture, fixture->url, "ALTER TABLE entity ADD COLUMN unheard_of TEXT");
    check_opens(fixture->url, STORE_READER);
    fixture->store = open_store(fixture, STORE_WRITER);
    make_task(fixture, "T-1");
    assert_true(read_task(fixture, "T-1").exists);
    struct migrate_status status = look(fixture, fixture->url);
    assert_int_equal(status.version, 60);
    assert_int_equal(status.pending, 0);
    FINE(migrate_check(&status, "x", &fault));
    assert_null(status.steps[status.count - 1].summary);
}

static void a_newer_schema_that_does_not_is_refused(void **state) {
    struct fixture *fixture = *state;
    static const char *const rows[] = {
        "INSERT INTO schema_version VALUES (60, 1, 60)",
        "INSERT INTO schema_version (version, applied_us) VALUES (61, 1)",
        "INSERT INTO schema_version VALUES (62, 1, 2)"};
    int counts[64] = {0};
    store_close(fixture->store);
    fixture->store = NULL;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct store *store;
        struct fault told = FAULT_INIT;
        run_sql(fixture, fixture->url, rows[i]);
        FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_WRITER, &store, &fault));
        FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_READER, &store, &fault));
        FAILS(FAULT_ENVIRONMENT, migrate_up(fixture->url, count_version, counts, &fault));
        struct migrate_status status = look(fixture, fixture->url);
        assert_false(migrate_check(&status, "x", &told));
        check_contains(told.message, i == 0 ? "knows schema 60;" : "knows schema 61;");
    }
}

/* --- looking --- */

static void looking_makes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct migrate_status status;
    if (subject_at_hand->has_server) {
        run_sql(fixture, fixture->url,
                "SET client_min_messages = warning; DROP SCHEMA public "
                "CASCADE; CREATE SCHEMA public");
        assert_int_equal(look(fixture, fixture->url).version, 0);
        assert_int_equal(look(fixture, fixture->url).pending, look(fixture, fixture->url).known);
        return;
    }
    struct text url = text_print(&fixture->arena, "sqlite:%s/none.db", fixture->directory);
    assert_false(migrate_look(url, &fixture->arena, &status, &(struct fault)FAULT_INIT));
    assert_int_equal(access(text_cstring(&fixture->arena, url) + strlen("sqlite:"), F_OK), -1);
}

static void a_url_of_no_store_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct migrate_status status;
    FAILS(FAULT_USAGE, migrate_look(TEXT("x:y"), &fixture->arena, &status, &fault));
    FAILS(FAULT_USAGE, migrate_up(TEXT("x:y"), count_version, NULL, &fault));
}

/* --- PostgreSQL --- */

struct migrator {
    struct text url;
    int counts[64];
    struct fault fault;
};

static void *migrate(void *context) {
    struct migrator *migrator = context;
    bool fine = migrate_up(migrator->url, count_version, migrator->counts, &migrator->fault);
    assert_true(fine || migrator->fault.message[0] != '\0');
    return NULL;
}

static void of_many_that_migrate_at_once_each_version_is_applied_by_one(void **state) {
    struct fixture *fixture = *state;
    struct migrator migrators[6] = {0};
    pthread_t threads[COUNT_OF(migrators)];
    struct text url = make_first(fixture);
    int64_t known = look(fixture, url).known;
    for (size_t i = 0; i < COUNT_OF(migrators); i++) {
        migrators[i].url = url;
        assert_int_equal(pthread_create(&threads[i], NULL, migrate, &migrators[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(migrators); i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(migrators[i].fault.message, "");
    }
    for (int64_t version = 2; version <= known; version++) {
        int count = 0;
        for (size_t i = 0; i < COUNT_OF(migrators); i++) {
            count += migrators[i].counts[version];
        }
        assert_int_equal(count, 1);
    }
}

/* Whoever waits for a table holds up all who come after, so it gives up soon, and nothing is half
 * done. */
static void a_table_in_use_is_not_waited_for(void **state) {
    struct fixture *fixture = *state;
    struct text url = make_first(fixture);
    int counts[64] = {0};
    struct store *user;
    FINE(store_open(url, STORE_READER, &user, &fault));
    begin(user, STORE_READ);
    FINE(postgres_run(postgres_of(user), "SELECT version FROM schema_version", NULL, &fault));
    FAILS(FAULT_ENVIRONMENT, migrate_up(url, count_version, counts, &fault));
    store_close(user);
    assert_int_equal(look(fixture, url).version, 1);
    FINE(migrate_up(url, count_version, counts, &fault));
    assert_int_equal(counts[2], 1);
}

static int run_for_all_stores(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_store_of_the_first_version_can_be_looked_at_and_read),
        TEST(an_old_store_is_migrated_once),
        TEST(opening_a_writer_migrates_too),
        TEST(every_version_says_how_old_a_program_may_be),
        TEST(a_newer_schema_that_allows_it_is_used),
        TEST(a_newer_schema_that_does_not_is_refused),
        TEST(looking_makes_nothing),
        TEST(a_url_of_no_store_is_refused),
    };
    RUN_FOR_ALL_STORES(tests);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(of_many_that_migrate_at_once_each_version_is_applied_by_one),
        TEST(a_table_in_use_is_not_waited_for),
    };
    int failures = run_for_all_stores();
    subject_at_hand = subject_postgres;
    return failures + cmocka_run_group_tests_name("postgresql only", tests, NULL, NULL);
}
