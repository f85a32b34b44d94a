/* What every store promises about transactions, entities, chains and opening. */
#include "support/store_fixture.h"

#include "store/timers.h"

#include <sys/wait.h>

/* --- entities --- */

static void an_entity_is_read_back_as_it_was_written(void **state) {
    struct fixture *fixture = *state;
    struct entity made =
        make(fixture, (struct change){.id = TEXT("T-1"),
                                      .to = TEXT("ASSIGNED"),
                                      .data = "{\"b\":[1,2.5,null,true],\"a\":{\"é\":\"€\"}}",
                                      .at_us = DAY + 7});
    struct entity read = read_task(fixture, "T-1");
    assert_true(read.exists);
    check_text(read.machine, "task");
    check_text(read.id, "T-1");
    check_text(read.state, "ASSIGNED");
    check_text(js_print(&fixture->arena, read.data),
               "{\"a\":{\"é\":\"€\"},\"b\":[1,2.5,null,true]}");
    assert_int_equal(read.version, 1);
    assert_int_equal(read.created_us, DAY + 7);
    assert_int_equal(read.updated_us, DAY + 7);
    assert_int_equal(read.audit_sequence, 1);
    assert_memory_equal(read.audit_hash, made.audit_hash, DIGEST_BYTES);
}

static void an_absent_entity_does_not_exist(void **state) {
    struct entity read = read_task(*state, "nobody");
    assert_false(read.exists);
    check_text(read.machine, "task");
    check_text(read.id, "nobody");
    assert_int_equal(read.version, 0);
    assert_int_equal(read.audit_sequence, 0);
}

static void every_field_of_a_change_is_kept(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    struct entity entity = read_task(fixture, "T-1");
    entity.fence = 42;
    entity.version = 2;
    entity.state = TEXT("CLOSED");
    entity.updated_us = DAY + 5;
    entity.data = json(fixture, "{\"x\":1}");
    entity.data_json = TEXT_NONE;
    struct store_entity_write write = {&entity, 1, true};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
    struct entity read = read_task(fixture, "T-1");
    assert_int_equal(read.fence, 42);
    assert_int_equal(read.version, 2);
    assert_int_equal(read.created_us, DAY);
    assert_int_equal(read.updated_us, DAY + 5);
    check_text(read.state, "CLOSED");
    check_text(js_print(&fixture->arena, read.data), "{\"x\":1}");
}

static void many_entities_are_read_in_one_call(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "a");
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("a"), .to = TEXT("DRAFT")});
    struct store_key keys[] = {{ORDER, TEXT("a")}, {TASK, TEXT("a")}, {TASK, TEXT("z")}};
    struct entity out[3];
    FINE(store_read(fixture->store, &fixture->arena, keys, 3, out, &fault));
    check_text(out[0].state, "DRAFT");
    check_text(out[1].state, "OPEN");
    assert_false(out[2].exists);
}

static void the_same_id_in_two_machines_is_two_entities(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "1");
    make_task(fixture, "2");
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("1"), .to = TEXT("DRAFT")});
    check_text(read_task(fixture, "1").state, "OPEN");
    check_text(read_by(fixture, fixture->store, ORDER, TEXT("1")).state, "DRAFT");
    assert_false(read_by(fixture, fixture->store, ORDER, TEXT("2")).exists);
}

static void ids_with_quotes_and_unicode_are_kept(void **state) {
    struct fixture *fixture = *state;
    static const char *const ids[] = {
        "it's", "\"x\"", "a;DROP TABLE entity;--", "%", "東京", "\xc3\xa9", "e\xcc\x81", "🙂",
        "A",    "a"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        make(fixture, (struct change){.id = text_of(ids[i]), .to = print(fixture, "S", (int)i)});
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct entity entity = read_task(fixture, ids[i]);
        check_text(entity.id, ids[i]);
        assert_true(text_equal(entity.state, print(fixture, "S", (int)i)));
    }
}

static void data_of_a_megabyte_is_kept(void **state) {
    struct fixture *fixture = *state;
    size_t length = 1 << 20;
    char *big = malloc(length);
    memset(big, 'x', length);
    const struct js *data = js_with(&fixture->arena, NULL, TEXT("big"),
                                    js_string(&fixture->arena, (struct text){big, length}));
    const char *text = text_cstring(&fixture->arena, js_print(&fixture->arena, data));
    make(fixture, (struct change){.id = TEXT("T-1"), .data = text});
    assert_true(js_equal(read_task(fixture, "T-1").data, data));
    make(fixture, (struct change){.id = TEXT("T-1"), .data = "{}"});
    assert_true(js_equal(read_task(fixture, "T-1").data, &js_empty_object));
    free(big);
}

/* --- conditional writes --- */

static void a_write_after_another_version_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct entity old = make_task(fixture, "T-1");
    make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    struct store_entity_write write = {&old, old.version, true};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    old.version = 9;
    FAILS(FAULT_STORE_CONFLICT, store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
    assert_int_equal(read_task(fixture, "T-1").version, 2);
}

static void moving_only_the_head_is_conditional_too(void **state) {
    struct fixture *fixture = *state;
    struct entity entity = make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    struct store_entity_write write = {&entity, entity.version + 1, false};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    FAILS(FAULT_STORE_CONFLICT, store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
}

static void inserting_what_exists_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct entity entity = make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    struct store_entity_write write = {&entity, 0, true};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    FAILS(FAULT_STORE_CONFLICT, store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
}

static void updating_what_does_not_exist_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct entity entity = make_task(fixture, "T-1");
    entity.id = TEXT("T-2");
    begin(fixture->store, STORE_WRITE);
    struct store_entity_write write = {&entity, 1, true};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    FAILS(FAULT_STORE_CONFLICT, store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
    assert_false(read_task(fixture, "T-2").exists);
}

static void a_refusal_moves_only_the_head(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.id = TEXT("T-1"), .data = "{\"a\":1}"});
    struct entity after = make(
        fixture, (struct change){
                     .id = TEXT("T-1"), .to = TEXT("CLOSED"), .refused = true, .at_us = DAY + 9});
    struct entity read = read_task(fixture, "T-1");
    check_text(read.state, "OPEN");
    assert_int_equal(read.version, 1);
    assert_int_equal(read.updated_us, DAY);
    assert_int_equal(read.audit_sequence, 2);
    assert_memory_equal(read.audit_hash, after.audit_hash, DIGEST_BYTES);
}

/* --- chains --- */

static void a_record_that_does_not_continue_its_chain_conflicts(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    struct entity before = read_task(fixture, "T-1");
    struct changed changed;
    for (int64_t skip = -1; skip <= 1; skip += 2) {
        prepare(fixture, &before, (struct change){.id = TEXT("T-1")}, &changed);
        changed.record.sequence += skip;
        begin(fixture->store, STORE_WRITE);
        FAILS(FAULT_STORE_CONFLICT, try_write(fixture, &changed, &fault));
        store_rollback(fixture->store);
    }
    prepare(fixture, &before, (struct change){.id = TEXT("T-1")}, &changed);
    changed.record.previous_hash[5] ^= 1;
    begin(fixture->store, STORE_WRITE);
    FAILS(FAULT_STORE_CONFLICT, try_write(fixture, &changed, &fault));
    store_rollback(fixture->store);
    assert_int_equal(search(fixture, (struct store_search){ANY}).count, 1);
}

static void absent_entities_keep_their_chain(void **state) {
    struct fixture *fixture = *state;
    for (int64_t i = 1; i <= 3; i++) {
        struct entity after = make(fixture, (struct change){.id = TEXT("ghost"), .refused = true});
        struct entity read = read_task(fixture, "ghost");
        assert_false(read.exists);
        assert_int_equal(read.version, 0);
        assert_int_equal(read.audit_sequence, i);
        assert_memory_equal(read.audit_hash, after.audit_hash, DIGEST_BYTES);
    }
    int64_t count;
    FINE(store_count(fixture->store, TASK, NULL, &count, &fault));
    assert_int_equal(count, 0);
}

static void an_entity_made_late_goes_on_with_its_chain(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.id = TEXT("T-1"), .refused = true});
    make(fixture, (struct change){.id = TEXT("T-1"), .data = "{\"a\":1}"});
    struct entity read = read_task(fixture, "T-1");
    assert_true(read.exists);
    assert_int_equal(read.version, 1);
    assert_int_equal(read.audit_sequence, 2);
    struct found found =
        search(fixture, (struct store_search){.machine = TASK, .entity_id = TEXT("T-1"), ANY});
    assert_int_equal(found.count, 2);
    assert_memory_equal(found.items[1].previous_hash, found.items[0].hash, DIGEST_BYTES);
}

static void one_batch_may_hold_several_records_of_an_entity(void **state) {
    struct fixture *fixture = *state;
    struct entity before = read_task(fixture, "T-1");
    struct changed first, second;
    prepare(fixture, &before, (struct change){.id = TEXT("T-1")}, &first);
    prepare(fixture, &first.entity, (struct change){.id = TEXT("T-1"), .to = TEXT("DONE")},
            &second);
    struct store_entity_write write = {&second.entity, 0, true};
    struct store_record records[] = {first.record, second.record};
    struct store_batch batch = {
        .entities = &write, .entity_count = 1, .records = records, .record_count = 2};
    begin(fixture->store, STORE_WRITE);
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
    assert_int_equal(read_task(fixture, "T-1").audit_sequence, 2);
    assert_int_equal(read_task(fixture, "T-1").version, 2);
}

static void an_entity_that_does_not_exist_is_not_written(void **state) {
    struct fixture *fixture = *state;
    struct entity absent = read_task(fixture, "T-1");
    struct store_entity_write write = {&absent, 0, false};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    begin(fixture->store, STORE_WRITE);
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
    assert_false(read_task(fixture, "T-1").exists);
}

/* --- transactions --- */

static void rollback_leaves_nothing(void **state) {
    struct fixture *fixture = *state;
    int64_t count = -1;
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.machine = TEXT("fresh"), .id = TEXT("x"), .to = TEXT("NEW")});
    struct store_deadline deadline = {
        .machine = TEXT("fresh"), .entity_id = TEXT("x"), .due_us = DAY, .to_state = TEXT("OLD")};
    struct store_answer answer = {.scope = TEXT("s"), .key = TEXT("k"), .created_us = DAY};
    struct store_batch batch = {
        .deadlines = &deadline, .deadline_count = 1, .answers = &answer, .answer_count = 1};
    FINE(store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
    assert_false(read_by(fixture, fixture->store, TEXT("fresh"), TEXT("x")).exists);
    FINE(store_count(fixture->store, TEXT("fresh"), NULL, &count, &fault));
    assert_int_equal(count, 0);
    assert_int_equal(search(fixture, (struct store_search){ANY}).count, 0);
    FINE(store_next_due(fixture->store, &count, &fault));
    assert_true(count == INT64_MAX);
    const struct store_answer *found = &answer;
    FINE(store_find_answers(fixture->store, &fixture->arena,
                            &(struct store_answer_key){TEXT("s"), TEXT("k")}, 1, 0, &found,
                            &fault));
    assert_null(found);
}

static void names_that_were_rolled_back_can_be_made_again(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.machine = TEXT("one"), .id = TEXT("x"), .to = TEXT("A")});
    store_rollback(fixture->store);
    make(fixture, (struct change){.machine = TEXT("two"), .id = TEXT("y"), .to = TEXT("B")});
    make(fixture, (struct change){.machine = TEXT("one"), .id = TEXT("x"), .to = TEXT("C")});
    check_text(read_by(fixture, fixture->store, TEXT("two"), TEXT("y")).state, "B");
    check_text(read_by(fixture, fixture->store, TEXT("one"), TEXT("x")).state, "C");
    reopen(fixture);
    check_text(read_by(fixture, fixture->store, TEXT("two"), TEXT("y")).state, "B");
    check_text(read_by(fixture, fixture->store, TEXT("one"), TEXT("x")).state, "C");
    assert_false(read_by(fixture, fixture->store, TEXT("two"), TEXT("x")).exists);
}

static void after_a_conflict_the_rest_of_the_batch_is_gone_too(void **state) {
    struct fixture *fixture = *state;
    struct entity old = make_task(fixture, "T-1");
    make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.id = TEXT("T-2")});
    struct store_entity_write write = {&old, 1, true};
    struct store_batch batch = {.entities = &write, .entity_count = 1};
    FAILS(FAULT_STORE_CONFLICT, store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
    assert_false(read_task(fixture, "T-2").exists);
    make_task(fixture, "T-2");
    assert_true(read_task(fixture, "T-2").exists);
}

static void readers_see_only_committed_data(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    struct store *reader = open_store(fixture, STORE_READER);
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.id = TEXT("T-1"), .to = TEXT("CLOSED")});
    apply(fixture, (struct change){.id = TEXT("T-2")});
    check_text(read_by(fixture, reader, TASK, TEXT("T-1")).state, "OPEN");
    assert_false(read_by(fixture, reader, TASK, TEXT("T-2")).exists);
    commit(fixture->store);
    check_text(read_by(fixture, reader, TASK, TEXT("T-1")).state, "CLOSED");
    assert_true(read_by(fixture, reader, TASK, TEXT("T-2")).exists);
    store_close(reader);
}

static void a_reading_transaction_sees_one_moment(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    struct store *reader = open_store(fixture, STORE_READER);
    begin(reader, STORE_READ);
    check_text(read_by(fixture, reader, TASK, TEXT("T-1")).state, "OPEN");
    make(fixture, (struct change){.id = TEXT("T-1"), .to = TEXT("CLOSED")});
    check_text(read_by(fixture, reader, TASK, TEXT("T-1")).state, "OPEN");
    store_rollback(reader);
    check_text(read_by(fixture, reader, TASK, TEXT("T-1")).state, "CLOSED");
    store_close(reader);
}

static void a_writer_sees_its_own_changes(void **state) {
    struct fixture *fixture = *state;
    int64_t count;
    begin(fixture->store, STORE_WRITE);
    apply(fixture, (struct change){.id = TEXT("T-1")});
    assert_true(read_task(fixture, "T-1").exists);
    FINE(store_count(fixture->store, TASK, NULL, &count, &fault));
    assert_int_equal(count, 1);
    store_rollback(fixture->store);
}

static void a_reader_may_not_write(void **state) {
    struct fixture *fixture = *state;
    struct store *reader = open_store(fixture, STORE_READER);
    FAILS(FAULT_INTERNAL, store_begin(reader, STORE_WRITE, ISOLATION_DEFAULT, &fault));
    struct store_batch batch = {0};
    begin(reader, STORE_READ);
    FAILS(FAULT_INTERNAL, store_write(reader, &batch, &fault));
    store_close(reader);
}

static void transactions_do_not_nest(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store, STORE_WRITE);
    FAILS(FAULT_INTERNAL, store_begin(fixture->store, STORE_READ, ISOLATION_DEFAULT, &fault));
    store_rollback(fixture->store);
    begin(fixture->store, STORE_READ);
    commit(fixture->store);
}

static void rollback_outside_a_transaction_is_harmless(void **state) {
    struct fixture *fixture = *state;
    store_rollback(fixture->store);
    make_task(fixture, "T-1");
    store_rollback(fixture->store);
    assert_true(read_task(fixture, "T-1").exists);
    FINE(store_ping(fixture->store, &fault));
}

static void settling_tells_whether_a_record_is_there(void **state) {
    struct fixture *fixture = *state;
    struct entity before = read_task(fixture, "T-1");
    struct changed changed;
    bool committed = false;
    prepare(fixture, &before, (struct change){.id = TEXT("T-1")}, &changed);
    struct text uuid = {changed.record.uuid, ID_LENGTH};
    begin(fixture->store, STORE_WRITE);
    FINE(try_write(fixture, &changed, &fault));
    store_rollback(fixture->store);
    FINE(store_settle(fixture->store, uuid, &committed, &fault));
    assert_false(committed);
    begin(fixture->store, STORE_WRITE);
    FINE(try_write(fixture, &changed, &fault));
    commit(fixture->store);
    FINE(store_settle(fixture->store, uuid, &committed, &fault));
    assert_true(committed);
    reopen(fixture);
    begin(fixture->store, STORE_READ);
    FINE(store_settle(fixture->store, uuid, &committed, &fault));
    assert_true(committed);
    store_rollback(fixture->store);
}

/* --- opening --- */

static void a_store_is_the_same_after_it_was_closed(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.id = TEXT("T-1"), .data = "{\"a\":1}"});
    reopen(fixture);
    check_text(js_print(&fixture->arena, read_task(fixture, "T-1").data), "{\"a\":1}");
    make(fixture, (struct change){.id = TEXT("T-1"), .to = TEXT("CLOSED")});
    assert_int_equal(read_task(fixture, "T-1").audit_sequence, 2);
    assert_string_equal(store_kind(fixture->store), subject_at_hand->name);
}

static void a_second_writer_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    if (store_writers_most(fixture->url) > 1) {
        skip();
    }
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_WRITER, &store, &fault));
    make_task(fixture, "T-1");
}

/* In a child process: 0 if the store could not be opened for writing, as it should be. */
static int try_second_writer(const struct fixture *fixture) {
    struct store *store;
    struct fault fault = FAULT_INIT;
    bool opened = store_open(fixture->url, STORE_WRITER, &store, &fault);
    bool names_us = strstr(fault.message, "process") != NULL;
    return opened || fault.code != FAULT_ENVIRONMENT || !names_us;
}

static void a_second_writer_process_is_refused(void **state) {
    struct fixture *fixture = *state;
    int status = -1;
    if (store_writers_most(fixture->url) > 1) {
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(try_second_writer(fixture));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_writer_may_open_after_another_closed(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        reopen(fixture);
    }
    make_task(fixture, "T-1");
}

static void a_reader_of_what_is_not_there_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct text url =
        text_print(&fixture->arena, "%snone%s/", subject_at_hand->before, subject_at_hand->after);
    struct store *store;
    FAILS(FAULT_ENVIRONMENT, store_open(url, STORE_READER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(url, STORE_WRITER, &store, &fault));
}

static void a_url_of_no_store_is_refused(void **state) {
    (void)state;
    struct store *store;
    static const char *const urls[] = {"", "x", "sqlite", "sqlite:", "mysql:x", ":x"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        FAILS(FAULT_USAGE, store_open(text_of(urls[i]), STORE_WRITER, &store, &fault));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_entity_is_read_back_as_it_was_written),
        TEST(an_absent_entity_does_not_exist),
        TEST(every_field_of_a_change_is_kept),
        TEST(many_entities_are_read_in_one_call),
        TEST(the_same_id_in_two_machines_is_two_entities),
        TEST(ids_with_quotes_and_unicode_are_kept),
        TEST(data_of_a_megabyte_is_kept),
        TEST(a_write_after_another_version_conflicts),
        TEST(moving_only_the_head_is_conditional_too),
        TEST(inserting_what_exists_conflicts),
        TEST(updating_what_does_not_exist_conflicts),
        TEST(a_refusal_moves_only_the_head),
        TEST(a_record_that_does_not_continue_its_chain_conflicts),
        TEST(absent_entities_keep_their_chain),
        TEST(an_entity_made_late_goes_on_with_its_chain),
        TEST(one_batch_may_hold_several_records_of_an_entity),
        TEST(an_entity_that_does_not_exist_is_not_written),
        TEST(rollback_leaves_nothing),
        TEST(names_that_were_rolled_back_can_be_made_again),
        TEST(after_a_conflict_the_rest_of_the_batch_is_gone_too),
        TEST(readers_see_only_committed_data),
        TEST(a_reading_transaction_sees_one_moment),
        TEST(a_writer_sees_its_own_changes),
        TEST(a_reader_may_not_write),
        TEST(transactions_do_not_nest),
        TEST(rollback_outside_a_transaction_is_harmless),
        TEST(settling_tells_whether_a_record_is_there),
        TEST(a_store_is_the_same_after_it_was_closed),
        TEST(a_second_writer_is_refused),
        TEST(a_second_writer_process_is_refused),
        TEST(a_writer_may_open_after_another_closed),
        TEST(a_reader_of_what_is_not_there_is_refused),
        TEST(a_url_of_no_store_is_refused),
    };
    RUN_FOR_ALL_STORES(tests);
}
