/* What can be seen of a store from outside. What is wrong with a SQLite file is found in
 * unit/core/test_verify.c. */
#include "store/inspect.h"

#include "support/store_fixture.h"

static void keep(void *context, struct text message) {
    buffer_print(context, "%.*s\n", TEXT_ARGS(message));
}

/* All that is reported, a line each. */
static const char *inspect(struct fixture *fixture) {
    struct buffer said;
    buffer_init(&said, &fixture->arena);
    FINE(inspect_file(fixture->url, keep, &said, &fault));
    return text_cstring(&fixture->arena, buffer_view(&said));
}

/* An entity, another's chain without an entity, and a third in another machine. */
static void fill(struct fixture *fixture) {
    make_task(fixture, "T-1");
    make(fixture, (struct change){.id = TEXT("T-2"), .refused = true});
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("W-1")});
}

/* --- any store --- */

static void a_sound_store_is_sound(void **state) {
    struct fixture *fixture = *state;
    assert_string_equal(inspect(fixture), "");
    fill(fixture);
    assert_string_equal(inspect(fixture), "");
}

static void the_machines_are_known_in_name_order(void **state) {
    struct fixture *fixture = *state;
    struct text *names;
    size_t count;
    FINE(inspect_machines(fixture->url, &fixture->arena, &names, &count, &fault));
    assert_int_equal(count, 0);
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("W-1")});
    make_task(fixture, "T-1");
    make_task(fixture, "T-2");
    FINE(inspect_machines(fixture->url, &fixture->arena, &names, &count, &fault));
    assert_int_equal(count, 2);
    check_text(names[0], "task");
    check_text(names[1], "work_order");
}

static void the_schema_is_known(void **state) {
    struct fixture *fixture = *state;
    int64_t version = 0;
    FINE(inspect_schema(fixture->url, &version, &fault));
    assert_true(version >= 1);
}

static void a_url_of_no_store_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct text *names, url = TEXT("mysql:x");
    size_t count;
    int64_t version;
    FAILS(FAULT_USAGE, inspect_file(url, keep, NULL, &fault));
    FAILS(FAULT_USAGE, inspect_schema(url, &version, &fault));
    FAILS(FAULT_USAGE, inspect_machines(url, &fixture->arena, &names, &count, &fault));
}

/* --- PostgreSQL --- */

static const char *inspect_after(struct fixture *fixture, const char *sql) {
    run_on_server(fixture->database, sql);
    return inspect(fixture);
}

static void what_chains_do_not_show_is_found(void **state) {
    struct fixture *fixture = *state;
    fill(fixture);
    check_contains(
        inspect_after(fixture, "DELETE FROM audit WHERE entity = 2"),
        "task 'T-2': was never created, and its newest record should be 1, but the chain ends "
        "with 0");
    check_contains(inspect_after(fixture, "DELETE FROM entity WHERE id = 'T-1'"),
                   "is of an entity whose row is gone");
    check_contains(inspect_after(fixture, "INSERT INTO deadline VALUES (99, 1, 'DONE', NULL, "
                                          "NULL, 1)"),
                   "a deadline to 'DONE' is of an entity whose row is gone");
}

static void a_newer_schema_can_be_told_but_an_empty_database_has_none(void **state) {
    struct fixture *fixture = *state;
    int64_t version = 0;
    run_on_server(fixture->database, "INSERT INTO schema_version VALUES (1000, 0)");
    FINE(inspect_schema(fixture->url, &version, &fault));
    assert_int_equal(version, 1000);
    run_on_server(fixture->database, "DROP TABLE schema_version");
    FAILS(FAULT_STORE_UNAVAILABLE, inspect_schema(fixture->url, &version, &fault));
}

static void a_server_that_is_not_there_is_a_fault(void **state) {
    struct fixture *fixture = *state;
    struct text *names, url = TEXT("postgresql://ann:secret@127.0.0.1:1/db");
    struct fault told = FAULT_INIT;
    size_t count;
    assert_false(inspect_machines(url, &fixture->arena, &names, &count, &told));
    assert_int_equal(told.code, FAULT_STORE_UNAVAILABLE);
    assert_null(strstr(told.message, "secret"));
}

static int run_for_all_stores(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_sound_store_is_sound),
        TEST(the_machines_are_known_in_name_order),
        TEST(the_schema_is_known),
        TEST(a_url_of_no_store_is_refused),
    };
    RUN_FOR_ALL_STORES(tests);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_chains_do_not_show_is_found),
        TEST(a_newer_schema_can_be_told_but_an_empty_database_has_none),
        TEST(a_server_that_is_not_there_is_a_fault),
    };
    int failures = run_for_all_stores();
    subject_at_hand = subject_postgres;
    return failures + cmocka_run_group_tests(tests, NULL, NULL);
}
