/* Import: lines become entities, refusals name their line, and an import can be run again. */
#include "store/timers.h"
#include "unit/base/check.h"

#include "core/import.h"
#include "support/world.h"

static const char POLICY[] =
    "return machine 'job' { initial = 'NEW', fields = { size = 'integer' },\n"
    "  prepare = function(data) data.seen = true return data end,\n"
    "  states = { NEW = { to = { DONE = true } }, DONE = { final = true } } }\n";

struct fixture {
    struct world world;
    struct import import;
    struct actor actor;
    struct fault fault;
    int64_t refused_lines[16];
    enum fault_code refused_codes[16];
    size_t refused_count;
    bool as_new;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    world_open(&fixture->world, POLICY);
    fixture->actor.id = TEXT("importer");
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    world_close(&fixture->world);
    free(fixture);
    return 0;
}

static void note(void *context, int64_t line, enum fault_code code, struct text message) {
    struct fixture *fixture = context;
    assert_true(fixture->refused_count < COUNT_OF(fixture->refused_lines));
    assert_true(message.length > 0);
    fixture->refused_lines[fixture->refused_count] = line;
    fixture->refused_codes[fixture->refused_count++] = code;
}

static void begin(struct fixture *fixture, bool stop, bool skip_existing) {
    struct import_options options = {
        .actor = &fixture->actor,
        .as_new = fixture->as_new,
        .stop = stop,
        .skip_existing = skip_existing,
        .refused = note,
        .context = fixture,
    };
    import_init(&fixture->import, &fixture->world.core, &options);
}

static void add(struct fixture *fixture, int64_t number, const char *line) {
    if (!fixture->import.stopped &&
        !import_add(&fixture->import, text_of(line), number, &fixture->fault)) {
        fail_msg("%s", fixture->fault.message);
    }
}

static struct import_counts end(struct fixture *fixture) {
    if (!fixture->import.stopped && !import_flush(&fixture->import, &fixture->fault)) {
        fail_msg("%s", fixture->fault.message);
    }
    struct import_counts counts = fixture->import.counts;
    import_deinit(&fixture->import);
    return counts;
}

static bool exists(struct fixture *fixture, const char *id) {
    return world_read(&fixture->world, "job", id).exists;
}

static void a_line_becomes_an_entity_in_its_state(void **state) {
    struct fixture *fixture = *state;
    fixture->as_new = true;
    begin(fixture, true, false);
    add(fixture, 1, "{\"machine\":\"job\",\"id\":\"a\",\"state\":\"DONE\",\"data\":{\"size\":3}}");
    add(fixture, 2, "{\"machine\":\"job\",\"id\":\"b\"}");
    assert_int_equal(end(fixture).imported, 2);
    struct entity entity = world_read(&fixture->world, "job", "a");
    check_text(entity.state, "DONE");
    check_text(js_print(&fixture->world.core.arena, entity.data), "{\"seen\":true,\"size\":3}");
    check_text(world_read(&fixture->world, "job", "b").state, "NEW");
    assert_int_equal(world_verify(&fixture->world, "job", "a"), 1);
}

#define EXPORTED                                                                                   \
    "{\"machine\":\"job\",\"id\":\"%s\",\"state\":\"%s\",\"version\":41,\"data\":%s,"              \
    "\"created_at\":\"2020-01-01T00:00:00Z\",\"updated_at\":\"2021-01-01T00:00:00Z\","             \
    "\"timers\":[{\"to\":\"DONE\",\"due_at\":\"2031-01-01T00:00:00Z\",\"reason\":\"timer\"}]}"

static void add_exported(struct fixture *fixture, int64_t number, const char *id,
                         const char *in_state, const char *data) {
    char line[500];
    snprintf(line, sizeof line, EXPORTED, id, in_state, data);
    add(fixture, number, line);
}

static void what_was_exported_is_what_is_restored(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline *due;
    size_t count;
    begin(fixture, true, false);
    add_exported(fixture, 1, "z", "DONE", "{\"size\":3}");
    add_exported(fixture, 2, "a", "NEW", "{\"size\":\"of before\"}");
    assert_int_equal(end(fixture).imported, 2);
    struct entity entity = world_read(&fixture->world, "job", "z");
    check_text(entity.state, "DONE");
    check_text(js_print(&fixture->world.core.arena, entity.data), "{\"size\":3}");
    assert_int_equal(entity.version, 41);
    assert_int_equal(entity.created_us, INT64_C(1577836800000000));
    assert_int_equal(entity.updated_us, INT64_C(1609459200000000));
    struct store *store = fixture->world.core.store;
    struct store_key keys[] = {{TEXT("job"), TEXT("z")}, {TEXT("job"), TEXT("a")}};
    assert_true(store_begin(store, STORE_READ, ISOLATION_DEFAULT, &fixture->fault));
    assert_true(
        store_timers(store, &fixture->world.core.arena, keys, 2, &due, &count, &fixture->fault));
    store_rollback(store);
    assert_int_equal(count, 2);
    check_text(due[0].entity_id, "z");
    assert_int_equal(due[1].due_us, INT64_C(1924992000000000));
    assert_int_equal(world_verify(&fixture->world, "job", "z"), 1);
}

static void what_no_rule_knows_any_more_is_restored_and_counted(void **state) {
    struct fixture *fixture = *state;
    begin(fixture, true, false);
    add_exported(fixture, 1, "a", "MELTED", "{}");
    add_exported(fixture, 2, "b", "MELTED", "{}");
    assert_true(import_flush(&fixture->import, &fixture->fault));
    assert_int_equal(fixture->import.strangers.count, 1);
    check_text(fixture->import.strangers.entries[0].key, "job MELTED");
    assert_int_equal(*(int64_t *)fixture->import.strangers.entries[0].value, 2);
    assert_int_equal(end(fixture).imported, 2);
    check_text(world_read(&fixture->world, "job", "b").state, "MELTED");
}

static struct text only_record(struct fixture *fixture, const char *id) {
    struct store *store = fixture->world.core.store;
    struct store_search search = {.machine = TEXT("job"), .entity_id = text_of(id), .success = -1};
    struct store_page page = {.limit = 10};
    struct store_record *items;
    struct text next;
    size_t count;
    assert_true(store_begin(store, STORE_READ, ISOLATION_DEFAULT, &fixture->fault));
    assert_true(store_search_records(store, &fixture->world.core.arena, &search, &page, &items,
                                     &count, &next, &fixture->fault));
    store_rollback(store);
    assert_int_equal(count, 1);
    return items[0].json;
}

static void the_audit_says_who_why_and_what_it_was(void **state) {
    struct fixture *fixture = *state;
    begin(fixture, true, false);
    add(fixture, 1,
        "{\"machine\":\"job\",\"id\":\"a\",\"version\":7,"
        "\"created_at\":\"2020-01-01T00:00:00Z\"}");
    end(fixture);
    struct text json = only_record(fixture, "a");
    const char *record = text_cstring(&fixture->world.core.arena, json);
    check_contains(record, "\"reason\":\"migration\"");
    check_contains(record, "\"id\":\"importer\"");
    check_contains(record, "\"metadata\":{\"imported\":{\"created_at\":\"2020-01-01T00:00:00Z\","
                           "\"version\":7}}");
}

static struct entity imported_with(struct fixture *fixture, const char *id, const char *times) {
    char line[200];
    snprintf(line, sizeof line, "{\"machine\":\"job\",\"id\":\"%s\"%s}", id, times);
    begin(fixture, true, false);
    add(fixture, 1, line);
    assert_int_equal(end(fixture).imported, 1);
    return world_read(&fixture->world, "job", id);
}

static void the_times_of_a_line_are_those_of_the_entity(void **state) {
    struct fixture *fixture = *state;
    int64_t now_us = fixture->world.wall_us;
    struct entity both = imported_with(fixture, "a",
                                       ",\"created_at\":\"2020-01-01T00:00:00Z\","
                                       "\"updated_at\":\"2020-01-01T05:30:00.000001+05:30\"");
    assert_int_equal(both.created_us, INT64_C(1577836800000000));
    assert_int_equal(both.updated_us, INT64_C(1577836800000001));
    assert_int_equal(both.version, 1);
    struct entity created = imported_with(fixture, "b", ",\"created_at\":\"2020-01-01T00:00:00Z\"");
    assert_int_equal(created.created_us, INT64_C(1577836800000000));
    assert_int_equal(created.updated_us, now_us);
    struct entity updated = imported_with(fixture, "c", ",\"updated_at\":\"2020-01-01T00:00:00Z\"");
    assert_int_equal(updated.created_us, INT64_C(1577836800000000));
    assert_int_equal(updated.updated_us, INT64_C(1577836800000000));
    struct entity neither = imported_with(fixture, "d", ",\"created_at\":null");
    assert_int_equal(neither.created_us, now_us);
    assert_int_equal(neither.updated_us, now_us);
    assert_int_equal(world_verify(&fixture->world, "job", "a"), 1);
}

/* The world's clock stands at 2025-11-24T16:00:00Z. */
static void a_clock_that_is_a_little_fast_is_forgiven(void **state) {
    struct entity entity = imported_with(*state, "a", ",\"created_at\":\"2025-11-24T16:04:59Z\"");
    assert_int_equal(entity.created_us, entity.updated_us);
    imported_with(*state, "b", ",\"updated_at\":\"2025-11-24T16:05:00Z\"");
}

static void add_seven(struct fixture *fixture) {
    add(fixture, 1, "{\"machine\":\"job\",\"id\":\"a\"}");
    add(fixture, 2, "{");
    add(fixture, 3, "{\"machine\":\"job\",\"id\":\"b\",\"state\":\"MELTED\"}");
    add(fixture, 4, "{\"machine\":\"job\",\"id\":\"c\",\"data\":{\"size\":\"tall\"}}");
    add(fixture, 5, "{\"machine\":\"job\",\"id\":\"a\"}");
    add(fixture, 6, "{\"machine\":\"gate\",\"id\":\"d\"}");
    add(fixture, 7, "{\"machine\":\"job\",\"id\":\"e\"}");
}

static void refused_lines_are_named_and_the_others_taken(void **state) {
    struct fixture *fixture = *state;
    begin(fixture, false, false);
    add_seven(fixture);
    struct import_counts counts = end(fixture);
    assert_int_equal(counts.imported, 2);
    assert_int_equal(counts.refused, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fixture->refused_lines[i], i + 2);
    }
    assert_int_equal(fixture->refused_codes[0], FAULT_BAD_REQUEST);
    assert_int_equal(fixture->refused_codes[2], FAULT_VALIDATION_FAILED);
    assert_int_equal(fixture->refused_codes[3], FAULT_ALREADY_EXISTS);
    assert_int_equal(fixture->refused_codes[4], FAULT_UNKNOWN_MACHINE);
    assert_true(exists(fixture, "e"));
}

static void when_it_is_to_stop_nothing_after_the_refused_line_is_there(void **state) {
    struct fixture *fixture = *state;
    fixture->as_new = true;
    begin(fixture, true, false);
    add(fixture, 1, "{\"machine\":\"job\",\"id\":\"a\"}");
    add(fixture, 2, "{\"machine\":\"job\",\"id\":\"b\"}");
    add(fixture, 3, "{\"machine\":\"job\",\"id\":\"c\",\"data\":{\"size\":\"tall\"}}");
    add(fixture, 4, "{\"machine\":\"job\",\"id\":\"d\"}");
    struct import_counts counts = end(fixture);
    assert_int_equal(counts.imported, 2);
    assert_int_equal(counts.refused, 1);
    assert_int_equal(fixture->refused_lines[0], 3);
    assert_true(exists(fixture, "a") && exists(fixture, "b"));
    assert_false(exists(fixture, "c") || exists(fixture, "d"));
    assert_int_equal(world_verify(&fixture->world, "job", "c"), 1);
    assert_int_equal(world_verify(&fixture->world, "job", "d"), 0);
}

static void a_line_that_cannot_be_read_stops_it_after_those_before(void **state) {
    struct fixture *fixture = *state;
    begin(fixture, true, false);
    add_seven(fixture);
    struct import_counts counts = end(fixture);
    assert_int_equal(counts.imported, 1);
    assert_int_equal(fixture->refused_count, 1);
    assert_int_equal(fixture->refused_lines[0], 2);
}

static void what_is_there_is_skipped_without_a_record(void **state) {
    struct fixture *fixture = *state;
    begin(fixture, true, false);
    add(fixture, 1, "{\"machine\":\"job\",\"id\":\"a\"}");
    end(fixture);
    begin(fixture, true, true);
    add(fixture, 1, "{\"machine\":\"job\",\"id\":\"a\"}");
    add(fixture, 2, "{\"machine\":\"job\",\"id\":\"b\"}");
    add(fixture, 3, "{\"machine\":\"job\",\"id\":\"b\"}");
    struct import_counts counts = end(fixture);
    assert_int_equal(counts.imported, 1);
    assert_int_equal(counts.skipped, 2);
    assert_int_equal(counts.refused, 0);
    assert_int_equal(world_verify(&fixture->world, "job", "a"), 1);
}

static void many_lines_go_in_many_batches(void **state) {
    struct fixture *fixture = *state;
    char line[80];
    begin(fixture, true, false);
    for (int i = 1; i <= 1203; i++) {
        snprintf(line, sizeof line, "{\"machine\":\"job\",\"id\":\"j%d\",\"data\":{\"size\":%d}}",
                 i, i);
        add(fixture, i, line);
    }
    assert_int_equal(end(fixture).imported, 1203);
    assert_true(exists(fixture, "j1") && exists(fixture, "j501") && exists(fixture, "j1203"));
}

static void a_refusal_far_in_is_found_in_its_batch(void **state) {
    struct fixture *fixture = *state;
    char line[80];
    begin(fixture, true, false);
    for (int i = 1; i <= 900; i++) {
        snprintf(line, sizeof line, "{\"machine\":\"job\",\"id\":\"j%d\",\"data\":{\"size\":%s}}",
                 i, i == 777 ? "\"x\"" : "1");
        add(fixture, i, line);
    }
    assert_int_equal(end(fixture).imported, 776);
    assert_int_equal(fixture->refused_lines[0], 777);
    assert_true(exists(fixture, "j776"));
    assert_false(exists(fixture, "j778"));
}

static void strange_lines_are_refused(void **state) {
    static const char *const lines[] = {
        "[]",
        "1",
        "{\"machine\":\"job\"}",
        "{\"id\":\"a\"}",
        "{\"machine\":\"job\",\"id\":1}",
        "{\"machine\":\"job\",\"id\":\"\"}",
        "{\"machine\":\"job\",\"id\":\"a\",\"data\":[]}",
        "{\"machine\":\"job\",\"id\":\"a\",\"colour\":1}",
        "{\"machine\":\"job\",\"id\":\"a\",\"created_at\":1}",
        "{\"machine\":\"job\",\"id\":\"a\",\"created_at\":\"yesterday\"}",
        "{\"machine\":\"job\",\"id\":\"a\",\"created_at\":\"2020-01-01T00:00:00\"}",
        "{\"machine\":\"job\",\"id\":\"a\",\"created_at\":\"1970-01-01T00:00:00Z\"}",
        "{\"machine\":\"job\",\"id\":\"a\",\"updated_at\":\"2025-11-24T16:05:01Z\"}",
        "{\"machine\":\"job\",\"id\":\"a\",\"created_at\":\"2020-01-02T00:00:00Z\","
        "\"updated_at\":\"2020-01-01T00:00:00Z\"}",
    };
    struct fixture *fixture = *state;
    begin(fixture, false, false);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        add(fixture, (int64_t)i, lines[i]);
    }
    assert_int_equal(end(fixture).refused, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_equal(fixture->refused_codes[i], FAULT_BAD_REQUEST);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_line_becomes_an_entity_in_its_state),
        CASE(what_was_exported_is_what_is_restored),
        CASE(what_no_rule_knows_any_more_is_restored_and_counted),
        CASE(the_audit_says_who_why_and_what_it_was),
        CASE(the_times_of_a_line_are_those_of_the_entity),
        CASE(a_clock_that_is_a_little_fast_is_forgiven),
        CASE(refused_lines_are_named_and_the_others_taken),
        CASE(when_it_is_to_stop_nothing_after_the_refused_line_is_there),
        CASE(a_line_that_cannot_be_read_stops_it_after_those_before),
        CASE(what_is_there_is_skipped_without_a_record),
        CASE(many_lines_go_in_many_batches),
        CASE(a_refusal_far_in_is_found_in_its_batch),
        CASE(strange_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
