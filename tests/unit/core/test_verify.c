/* Verify: a sound store is sound, and each kind of damage is found and named. */
#include "unit/base/check.h"

#include <sqlite3.h>

#include "core/verify.h"
#include "store/inspect.h"
#include "support/world.h"

static const char POLICY[] =
    "local function never() return false, 'never' end\n"
    "return { machine 'job' { initial = 'NEW',\n"
    "  states = { NEW = { to = { DONE = true, LOST = { guard = never } } },\n"
    "             DONE = { to = { NEW = true } }, LOST = { final = true } } },\n"
    "machine 'part' { initial = 'NEW', states = { NEW = {} } } }\n";

struct fixture {
    struct world world;
    struct verify_counts counts;
    struct buffer said; /* every problem, a line each */
};

static void run(struct fixture *fixture, enum attempt_kind kind, const char *id, const char *to) {
    struct attempt *attempt = ARENA_NEW(&fixture->world.core.arena, struct attempt);
    *attempt = kind == ATTEMPT_CREATE ? world_create("job", id, NULL) : world_move("job", id, to);
    world_run(&fixture->world, attempt);
    fixture->world.wall_us += NOW_SECOND;
}

/* a: created, DONE, refused LOST, NEW again. b: created. ghost: refused, was never created. */
static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    world_open(&fixture->world, POLICY);
    run(fixture, ATTEMPT_CREATE, "a", NULL);
    run(fixture, ATTEMPT_TRANSITION, "a", "DONE");
    run(fixture, ATTEMPT_CREATE, "b", NULL);
    run(fixture, ATTEMPT_TRANSITION, "a", "NEW");
    run(fixture, ATTEMPT_TRANSITION, "a", "LOST");
    run(fixture, ATTEMPT_TRANSITION, "ghost", "DONE");
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    world_close(&fixture->world);
    free(fixture);
    return 0;
}

static void note(void *context, const struct verify_problem *problem) {
    struct fixture *fixture = context;
    buffer_print(&fixture->said, "%.*s/%.*s/%lld: %.*s\n", TEXT_ARGS(problem->machine),
                 TEXT_ARGS(problem->entity_id), (long long)problem->sequence,
                 TEXT_ARGS(problem->message));
}

static void ignore(void *context, const struct verify_counts *counts) {
    (void)context;
    (void)counts;
}

static const char *verify(struct fixture *fixture, const char *machine, const char *id,
                          const struct generation *policies) {
    struct text machines[] = {TEXT("job"), TEXT("part")};
    struct verify_options options = {
        .machine = text_of(machine),
        .entity_id = text_of(id),
        .machines = machines,
        .machine_count = COUNT_OF(machines),
        .policies = policies,
        .now = fixture->world.core.now,
        .report = note,
        .advance = ignore,
        .context = fixture,
    };
    struct fault fault = FAULT_INIT;
    buffer_init(&fixture->said, &fixture->world.core.arena);
    if (!verify_audit(fixture->world.core.store, &options, &fixture->counts, &fault)) {
        fail_msg("%s", fault.message);
    }
    return text_cstring(&fixture->world.core.arena, buffer_view(&fixture->said));
}

static const char *verify_all(struct fixture *fixture) {
    return verify(fixture, NULL, NULL, NULL);
}

/* Behind the store's back; it is opened again, as the tables may have been in its memory. */
static void tamper(struct fixture *fixture, const char *sql) {
    sqlite3 *database;
    char path[128];
    char *message = NULL;
    store_close(fixture->world.core.store);
    snprintf(path, sizeof path, "%s/store.db", fixture->world.directory);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s", message);
    }
    assert_true(sqlite3_total_changes(database) > 0);
    sqlite3_close(database);
    fixture->world.core.store = NULL;
    world_reopen_store(&fixture->world);
}

#define OF_ENTITY(id) "entity = (SELECT number FROM entity WHERE id = '" id "')"

static void nobody_touched_anything(void **state) {
    struct fixture *fixture = *state;
    assert_string_equal(verify_all(fixture), "");
    assert_int_equal(fixture->counts.records, 6);
    assert_int_equal(fixture->counts.chains, 3);
    assert_int_equal(fixture->counts.problems, 0);
}

static void only_one_machine_or_entity_may_be_asked_for(void **state) {
    struct fixture *fixture = *state;
    assert_string_equal(verify(fixture, "part", NULL, NULL), "");
    assert_int_equal(fixture->counts.records, 0);
    assert_string_equal(verify(fixture, "job", "a", NULL), "");
    assert_int_equal(fixture->counts.records, 4);
}

static void a_record_that_was_changed_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE audit SET json = replace(json, '\"retries\":0', '\"retries\":9') "
                    "WHERE sequence = 2");
    check_contains(verify_all(fixture), "job/a/2: the hash does not match the record");
    assert_int_equal(fixture->counts.problems, 1);
}

static void a_record_and_its_hash_that_were_changed_are_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE audit SET hash = zeroblob(32) WHERE sequence = 2");
    const char *said = verify_all(fixture);
    check_contains(said, "job/a/2: the hash does not match the record");
    check_contains(said, "job/a/3: previous_hash is not the hash of the record before");
}

static void columns_that_disagree_are_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE audit SET success = 0, to_state = 'LOST', actor = 'eve', "
                    "reason = 'batch', timestamp_us = timestamp_us + 1 WHERE sequence = 2");
    const char *said = verify_all(fixture);
    check_contains(said, "the column success differs");
    check_contains(said, "the column to_state says 'LOST', but the record says 'DONE'");
    check_contains(said, "the column actor_id says 'eve'");
    check_contains(said, "the column reason says 'batch', but the record says 'user_action'");
    check_contains(said, "the column timestamp says");
}

static void a_record_dated_to_come_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE audit SET timestamp_us = timestamp_us * 2 WHERE " OF_ENTITY("b"));
    check_contains(verify_all(fixture), "job/b/1: the column timestamp says");
}

static void a_record_taken_out_of_the_middle_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "DELETE FROM audit WHERE sequence = 2");
    verify_all(fixture);
    assert_true(fixture->counts.problems > 0);
}

static void gaps_in_a_long_chain_are_found(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 300; i++) {
        run(fixture, ATTEMPT_TRANSITION, "b", "DONE");
        run(fixture, ATTEMPT_TRANSITION, "b", "NEW");
    }
    assert_string_equal(verify_all(fixture), "");
    assert_int_equal(fixture->counts.records, 606);
    tamper(fixture, "DELETE FROM audit WHERE sequence IN (10, 300)");
    assert_string_equal(verify_all(fixture),
                        "job/b/11: the record before it is 9: records are missing\n"
                        "job/b/301: the record before it is 299: records are missing\n");
    assert_int_equal(fixture->counts.records, 604);
    assert_int_equal(fixture->counts.chains, 3);
}

static void a_record_that_no_chain_leads_to_is_found(void **state) {
    struct fixture *fixture = *state;
    fixture->world.wall_us += 600 * NOW_SECOND;
    tamper(fixture, "UPDATE entity SET audit_sequence = 3, audit_position = "
                    "(SELECT position FROM audit WHERE sequence = 3) WHERE id = 'a'");
    const char *said = verify_all(fixture);
    check_contains(said, "job/a/0: the entity does not have the hash of its newest record");
    check_contains(said, "there are 6 records, but the chains hold 5");
}

static void a_chain_that_should_be_endless_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET audit_sequence = 1000000000000 WHERE id = 'a'");
    check_contains(verify_all(fixture), "job/a/0: the entity's newest record should be "
                                        "1000000000000, but the chain ends with 4");
    assert_int_equal(fixture->counts.records, 6);
}

static void a_first_record_that_is_gone_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "DELETE FROM audit WHERE sequence = 1 AND " OF_ENTITY("a"));
    verify_all(fixture);
    assert_true(fixture->counts.problems > 0);
}

static void a_tail_that_was_cut_off_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "DELETE FROM audit WHERE sequence = 4");
    verify_all(fixture);
    assert_true(fixture->counts.problems > 0);
}

static void a_chain_that_is_gone_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "DELETE FROM audit WHERE " OF_ENTITY("b"));
    check_contains(verify_all(fixture), "job/b/0: ");
}

static void an_entity_that_is_not_as_it_was_left_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET version = 9 WHERE id = 'a'");
    check_contains(verify_all(fixture), "job/a/0: the entity has version 9, but its newest record");
}

static void an_entity_in_another_state_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET kind = (SELECT id FROM kind WHERE state = 'DONE') "
                    "WHERE id = 'a'");
    check_contains(verify_all(fixture),
                   "job/a/0: the entity is in state 'DONE', but its newest record says 'NEW'");
}

static void data_that_was_changed_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET data = '{\"sum\":1}' WHERE id = 'a'");
    check_contains(verify_all(fixture), "job/a/0: the entity's data does not match the hash");
    assert_int_equal(fixture->counts.problems, 1);
    verify(fixture, "job", "a", NULL);
    assert_int_equal(fixture->counts.problems, 1);
}

static void data_that_was_only_written_otherwise_is_the_same(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET data = '{ }' WHERE id = 'a'");
    assert_string_equal(verify_all(fixture), "");
}

static void everything_that_was_changed_of_an_entity_is_said(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET version = 9, data = '{\"sum\":1}', "
                    "kind = (SELECT id FROM kind WHERE state = 'DONE') WHERE id = 'a'");
    verify_all(fixture);
    assert_int_equal(fixture->counts.problems, 3);
}

static void an_entity_that_never_had_a_record_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture,
           "INSERT INTO entity (number, machine, id, kind, version, fence, audit_sequence, "
           "audit_position, audit_hash, created_us, updated_us, data) "
           "SELECT 99, machine, 'smuggled', kind, 1, 0, 0, 0, "
           "zeroblob(32), created_us * 2, updated_us * 2, '{}' FROM entity WHERE id = 'a';"
           "UPDATE entity_block SET kinds = CAST(substr(kinds, 1, 198) || "
           "substr(kinds, 5, 2) || substr(kinds, 201) AS BLOB)");
    check_contains(verify(fixture, "job", "smuggled", NULL),
                   "job/smuggled/0: the entity has no audit record at all");
    assert_int_equal(fixture->counts.problems, 1);
    check_contains(verify_all(fixture), "job/smuggled/0: the entity has no audit record at all");
}

static void an_entity_that_nobody_has_heard_of_is_no_sound_one(void **state) {
    check_contains(verify(*state, "job", "nobody", NULL), "job/nobody/0: there is no such entity");
    assert_string_equal(verify(*state, "job", "ghost", NULL), "");
}

static void an_entity_that_vanished_is_found(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE entity SET kind = 0 WHERE id = 'a'");
    check_contains(verify_all(fixture),
                   "job/a/0: the entity is gone, but its newest record says that it is in state "
                   "'NEW'");
}

static void a_state_that_the_policies_do_not_have_is_found(void **state) {
    struct fixture *fixture = *state;
    assert_string_equal(verify(fixture, NULL, NULL, fixture->world.generation), "");
    tamper(fixture, "UPDATE kind SET state = 'OLD' WHERE state = 'NEW'");
    check_contains(verify(fixture, NULL, NULL, fixture->world.generation),
                   "job/b/0: the entity is in state 'OLD', which the machine does not have");
}

static void a_machine_is_proven_without_the_index_of_the_audit(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "UPDATE audit_block SET facts = zeroblob(length(facts))");
    assert_string_equal(verify(fixture, "job", NULL, NULL), "");
    assert_int_equal(fixture->counts.records, 6);
    tamper(fixture, "UPDATE audit SET hash = zeroblob(32) WHERE sequence = 2");
    verify(fixture, "job", NULL, NULL);
    assert_true(fixture->counts.problems > 0);
}

/* --- the file --- */

static void keep(void *context, struct text message) {
    struct fixture *fixture = context;
    buffer_print(&fixture->said, "%.*s\n", TEXT_ARGS(message));
}

static const char *inspect(struct fixture *fixture) {
    struct fault fault = FAULT_INIT;
    struct arena *arena = &fixture->world.core.arena;
    struct text url = text_print(arena, "sqlite:%s/store.db", fixture->world.directory);
    buffer_init(&fixture->said, arena);
    if (!inspect_file(url, keep, fixture, &fault)) {
        fail_msg("%s", fault.message);
    }
    return text_cstring(arena, buffer_view(&fixture->said));
}

static void a_sound_file_is_sound(void **state) {
    assert_string_equal(inspect(*state), "");
}

static void what_no_query_would_notice_is_found_in_the_file(void **state) {
    struct fixture *fixture = *state;
    tamper(fixture, "DELETE FROM audit WHERE sequence = 2");
    check_contains(inspect(fixture), "records are missing from the audit: 1 of 6");
    tamper(fixture, "UPDATE entity SET kind = 0 WHERE id = 'b'");
    check_contains(inspect(fixture), "job 'b': the index of states says otherwise");
    tamper(fixture, "DELETE FROM entity WHERE id = 'a'");
    check_contains(inspect(fixture), "is of an entity whose row is gone");
}

static void the_machines_and_the_schema_are_known(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->world.core.arena;
    struct text url = text_print(arena, "sqlite:%s/store.db", fixture->world.directory);
    struct fault fault = FAULT_INIT;
    struct text *names;
    size_t count;
    int64_t version;
    assert_true(inspect_machines(url, arena, &names, &count, &fault));
    assert_int_equal(count, 1);
    check_text(names[0], "job");
    assert_true(inspect_schema(url, &version, &fault));
    assert_true(version >= 1);
    assert_false(inspect_schema(TEXT("sqlite:/nonexistent/x.db"), &version, &fault));
    assert_false(inspect_schema(TEXT("redis:x"), &version, &fault));
    assert_int_equal(fault.code, FAULT_USAGE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(nobody_touched_anything),
        CASE(only_one_machine_or_entity_may_be_asked_for),
        CASE(a_record_that_was_changed_is_found),
        CASE(a_record_and_its_hash_that_were_changed_are_found),
        CASE(columns_that_disagree_are_found),
        CASE(a_record_dated_to_come_is_found),
        CASE(a_record_taken_out_of_the_middle_is_found),
        CASE(gaps_in_a_long_chain_are_found),
        CASE(a_record_that_no_chain_leads_to_is_found),
        CASE(a_chain_that_should_be_endless_is_found),
        CASE(a_first_record_that_is_gone_is_found),
        CASE(a_tail_that_was_cut_off_is_found),
        CASE(a_chain_that_is_gone_is_found),
        CASE(an_entity_that_is_not_as_it_was_left_is_found),
        CASE(an_entity_in_another_state_is_found),
        CASE(data_that_was_changed_is_found),
        CASE(data_that_was_only_written_otherwise_is_the_same),
        CASE(everything_that_was_changed_of_an_entity_is_said),
        CASE(an_entity_that_never_had_a_record_is_found),
        CASE(an_entity_that_nobody_has_heard_of_is_no_sound_one),
        CASE(an_entity_that_vanished_is_found),
        CASE(a_state_that_the_policies_do_not_have_is_found),
        CASE(a_machine_is_proven_without_the_index_of_the_audit),
        CASE(a_sound_file_is_sound),
        CASE(what_no_query_would_notice_is_found_in_the_file),
        CASE(the_machines_and_the_schema_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
