/* What every store promises about answers, deadlines, policies, API keys and bulk work. */
#include "store/bulk.h"
#include "support/store_fixture.h"

#include "store/timers.h"

/* --- answers --- */

static struct store_answer answer_for(const char *key, int64_t created_us) {
    return (struct store_answer){
        .scope = TEXT("ann POST /v1/entities/task"),
        .key = text_of(key),
        .body_hash = {1, 2, 3, [DIGEST_BYTES - 1] = 9},
        .status = 201,
        .headers = TEXT("{\"Location\":\"/v1/entities/task/it's\"}"),
        .body = TEXT("{\"id\":\"é\"}"),
        .created_us = created_us,
    };
}

static void keep(struct fixture *fixture, struct store_answer answer) {
    struct store_batch batch = {.answers = &answer, .answer_count = 1};
    begin(fixture->store, STORE_WRITE);
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
}

static const struct store_answer *find(struct fixture *fixture, const char *key, int64_t oldest) {
    const struct store_answer *found = NULL;
    struct store_answer_key wanted = {answer_for(key, 0).scope, text_of(key)};
    FINE(store_find_answers(fixture->store, &fixture->arena, &wanted, 1, oldest, &found, &fault));
    return found;
}

static void an_answer_is_found_by_scope_and_key(void **state) {
    struct fixture *fixture = *state;
    struct store_answer kept = answer_for("k1", DAY);
    const struct store_answer *found;
    keep(fixture, kept);
    found = find(fixture, "k1", DAY);
    assert_non_null(found);
    assert_true(text_equal(found->scope, kept.scope));
    assert_true(text_equal(found->key, kept.key));
    assert_memory_equal(found->body_hash, kept.body_hash, DIGEST_BYTES);
    assert_int_equal(found->status, 201);
    assert_true(text_equal(found->headers, kept.headers));
    assert_true(text_equal(found->body, kept.body));
    assert_int_equal(found->created_us, DAY);
    assert_null(find(fixture, "k2", 0));
    struct store_answer_key of_bob = {TEXT("bob"), TEXT("k1")};
    FINE(store_find_answers(fixture->store, &fixture->arena, &of_bob, 1, 0, &found, &fault));
    assert_null(found);
}

static void many_answers_are_found_in_one_call(void **state) {
    struct fixture *fixture = *state;
    struct text scope = answer_for("", 0).scope;
    struct store_answer_key keys[] = {{scope, TEXT("c")}, {scope, TEXT("none")},
                                      {scope, TEXT("a")}, {TEXT("bob"), TEXT("a")},
                                      {scope, TEXT("c")}, {scope, TEXT("old")}};
    const struct store_answer *found[COUNT_OF(keys)];
    keep(fixture, answer_for("a", DAY));
    keep(fixture, answer_for("c", DAY));
    keep(fixture, answer_for("old", DAY - 1));
    FINE(store_find_answers(fixture->store, &fixture->arena, keys, COUNT_OF(keys), DAY, found,
                            &fault));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        bool there = i == 0 || i == 2 || i == 4;
        assert_int_equal(found[i] != NULL, there);
        assert_true(!there || text_equal(found[i]->key, keys[i].key));
    }
}

static void an_answer_without_headers_or_body_is_kept(void **state) {
    struct fixture *fixture = *state;
    struct store_answer bare = answer_for("k1", DAY);
    bare.headers = bare.body = TEXT_NONE;
    keep(fixture, bare);
    assert_int_equal(find(fixture, "k1", 0)->body.length, 0);
}

static void answers_expire(void **state) {
    struct fixture *fixture = *state;
    keep(fixture, answer_for("new", DAY + 9));
    keep(fixture, answer_for("old", DAY));
    assert_null(find(fixture, "old", DAY + 1));
    assert_non_null(find(fixture, "new", DAY + 1));
    begin(fixture->store, STORE_WRITE);
    FINE(store_expire_answers(fixture->store, DAY + 9, 100, &fault));
    commit(fixture->store);
    assert_null(find(fixture, "old", 0));
    assert_non_null(find(fixture, "new", 0));
}

static void only_so_many_answers_expire_at_once(void **state) {
    struct fixture *fixture = *state;
    keep(fixture, answer_for("a", DAY));
    keep(fixture, answer_for("c", DAY + 2));
    keep(fixture, answer_for("b", DAY + 1));
    begin(fixture->store, STORE_WRITE);
    FINE(store_expire_answers(fixture->store, DAY + 99, 2, &fault));
    commit(fixture->store);
    assert_null(find(fixture, "a", 0));
    assert_null(find(fixture, "b", 0));
    assert_non_null(find(fixture, "c", 0));
}

static void an_expired_answer_gives_way_to_a_new_one(void **state) {
    struct fixture *fixture = *state;
    struct store_answer next = answer_for("k1", DAY + 9);
    keep(fixture, answer_for("k1", DAY));
    next.status = 409;
    keep(fixture, next);
    assert_int_equal(find(fixture, "k1", 0)->status, 409);
    assert_int_equal(find(fixture, "k1", 0)->created_us, DAY + 9);
}

/* --- deadlines --- */

static struct store_deadline deadline_of(const char *id, int64_t due_us) {
    return (struct store_deadline){.machine = TASK,
                                   .entity_id = text_of(id),
                                   .due_us = due_us,
                                   .to_state = TEXT("CLOSED"),
                                   .reason = TEXT("system_auto"),
                                   .comments = TEXT("lapsed"),
                                   .entity_version = 1};
}

static void write_batch(struct fixture *fixture, struct store_batch batch) {
    begin(fixture->store, STORE_WRITE);
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
}

static void arm(struct fixture *fixture, struct store_deadline deadline) {
    write_batch(fixture, (struct store_batch){.deadlines = &deadline, .deadline_count = 1});
}

static void disarm(struct fixture *fixture, const char *id) {
    struct store_key key = {TASK, text_of(id)};
    write_batch(fixture, (struct store_batch){.disarmed = &key, .disarmed_count = 1});
}

/* The due ones as "id+microseconds", joined by blanks. */
static const char *due(struct fixture *fixture, int64_t now_us, int64_t limit) {
    struct store_deadline *items;
    size_t count;
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    FINE(
        store_due(fixture->store, &fixture->arena, NULL, 0, now_us, limit, &items, &count, &fault));
    for (size_t i = 0; i < count; i++) {
        buffer_print(&buffer, i > 0 ? " %.*s+%lld" : "%.*s+%lld", TEXT_ARGS(items[i].entity_id),
                     (long long)(items[i].due_us - DAY));
    }
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static int64_t next_due(struct fixture *fixture) {
    int64_t due_us;
    FINE(store_next_due(fixture->store, &due_us, &fault));
    return due_us;
}

static void deadlines_come_in_the_order_of_time(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "a");
    make_task(fixture, "b");
    assert_true(next_due(fixture) == INT64_MAX);
    assert_string_equal(due(fixture, INT64_MAX, 10), "");
    arm(fixture, deadline_of("a", DAY + 30));
    arm(fixture, deadline_of("b", DAY + 10));
    arm(fixture, deadline_of("a", DAY + 20));
    assert_int_equal(next_due(fixture), DAY + 10);
    assert_string_equal(due(fixture, DAY + 9, 10), "");
    assert_string_equal(due(fixture, DAY + 20, 10), "b+10 a+20");
    assert_string_equal(due(fixture, DAY + 99, 10), "b+10 a+20 a+30");
    assert_string_equal(due(fixture, DAY + 99, 1), "b+10");
}

static void a_deadline_is_read_back_as_it_was_armed(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline *items, bare = deadline_of("a", DAY + 1);
    size_t count;
    make_task(fixture, "a");
    arm(fixture, deadline_of("a", DAY));
    bare.comments = TEXT_NONE;
    bare.entity_version = 7;
    arm(fixture, bare);
    FINE(store_due(fixture->store, &fixture->arena, NULL, 0, DAY + 9, 10, &items, &count, &fault));
    assert_int_equal(count, 2);
    check_text(items[0].machine, "task");
    check_text(items[0].to_state, "CLOSED");
    check_text(items[0].reason, "system_auto");
    check_text(items[0].comments, "lapsed");
    assert_int_equal(items[0].entity_version, 1);
    assert_false(text_given(items[1].comments));
    assert_int_equal(items[1].entity_version, 7);
}

static void disarming_takes_all_deadlines_of_an_entity(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "a");
    make_task(fixture, "b");
    arm(fixture, deadline_of("a", DAY + 10));
    arm(fixture, deadline_of("a", DAY + 20));
    arm(fixture, deadline_of("b", DAY + 30));
    disarm(fixture, "a");
    disarm(fixture, "nobody");
    assert_string_equal(due(fixture, DAY + 99, 10), "b+30");
    assert_int_equal(next_due(fixture), DAY + 30);
}

static void disarming_spares_what_the_same_batch_arms(void **state) {
    struct fixture *fixture = *state;
    struct store_key key = {TASK, TEXT("a")};
    struct store_deadline next = deadline_of("a", DAY + 50);
    make_task(fixture, "a");
    arm(fixture, deadline_of("a", DAY + 10));
    write_batch(fixture, (struct store_batch){.disarmed = &key,
                                              .disarmed_count = 1,
                                              .deadlines = &next,
                                              .deadline_count = 1});
    assert_string_equal(due(fixture, DAY + 99, 10), "a+50");
}

static void a_fired_deadline_goes_alone(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline fired = deadline_of("a", DAY + 10);
    make_task(fixture, "a");
    arm(fixture, fired);
    arm(fixture, deadline_of("a", DAY + 20));
    write_batch(fixture, (struct store_batch){.fired = &fired, .fired_count = 1});
    assert_string_equal(due(fixture, DAY + 99, 10), "a+20");
    write_batch(fixture, (struct store_batch){.fired = &fired, .fired_count = 1});
    assert_string_equal(due(fixture, DAY + 99, 10), "a+20");
}

static void a_deadline_of_an_absent_entity_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline deadline = deadline_of("nobody", DAY);
    struct store_batch batch = {.deadlines = &deadline, .deadline_count = 1};
    begin(fixture->store, STORE_WRITE);
    FAILS(FAULT_INTERNAL, store_write(fixture->store, &batch, &fault));
    store_rollback(fixture->store);
}

/* --- the outbox: there is no way to read it yet, but that it takes what it must --- */

static void events_are_taken_in_any_order_of_time(void **state) {
    struct fixture *fixture = *state;
    struct store_outbox events[3];
    for (int i = 0; i < 3; i++) {
        events[i] = (struct store_outbox){.id = TEXT("00000000-0000-7000-8000-000000000000"),
                                          .type = TEXT("transition.succeeded"),
                                          .machine = TASK,
                                          .entity_id = TEXT("a"),
                                          .timestamp_us = DAY - i,
                                          .json = TEXT("{}")};
    }
    write_batch(fixture, (struct store_batch){.outbox = events, .outbox_count = 3});
    write_batch(fixture, (struct store_batch){.outbox = events, .outbox_count = 3});
}

/* --- policies --- */

static void keeping_a_policy_again_is_harmless(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        begin(fixture->store, STORE_WRITE);
        FINE(store_keep_policy(fixture->store, TEXT("g1"), TEXT("{\"a.lua\":\"return\"}"), DAY,
                               &fault));
        commit(fixture->store);
    }
    FINE(store_keep_policy(fixture->store, TEXT("g2"), TEXT("{}"), DAY, &fault));
}

/* --- API keys --- */

static struct store_api_key api_key(const char *id, const char *name) {
    return (struct store_api_key){.id = text_of(id),
                                  .name = text_of(name),
                                  .hash = {7, [DIGEST_BYTES - 1] = 8},
                                  .scopes = TEXT("[\"read\",\"admin\"]"),
                                  .roles = TEXT("[]"),
                                  .permissions = TEXT("[\"task.close\"]"),
                                  .created_us = DAY,
                                  .expires_us = DAY + 5};
}

static struct store_api_key only_key(struct fixture *fixture) {
    struct store_api_key *items;
    size_t count;
    FINE(store_list_api_keys(fixture->store, &fixture->arena, &items, &count, &fault));
    assert_int_equal(count, 1);
    return items[0];
}

static void an_api_key_is_listed_as_it_was_added(void **state) {
    struct fixture *fixture = *state;
    struct store_api_key added = api_key("k1", "the robot's");
    FINE(store_add_api_key(fixture->store, &added, &fault));
    struct store_api_key listed = only_key(fixture);
    check_text(listed.id, "k1");
    check_text(listed.name, "the robot's");
    assert_memory_equal(listed.hash, added.hash, DIGEST_BYTES);
    check_text(listed.scopes, "[\"read\",\"admin\"]");
    check_text(listed.roles, "[]");
    check_text(listed.permissions, "[\"task.close\"]");
    assert_int_equal(listed.created_us, DAY);
    assert_int_equal(listed.expires_us, DAY + 5);
    assert_int_equal(listed.revoked_us, 0);
}

static void a_name_is_given_to_one_api_key(void **state) {
    struct fixture *fixture = *state;
    struct store_api_key first = api_key("k1", "robot"), second = api_key("k2", "robot");
    FINE(store_add_api_key(fixture->store, &first, &fault));
    FAILS(FAULT_ALREADY_EXISTS, store_add_api_key(fixture->store, &second, &fault));
    check_text(only_key(fixture).id, "k1");
}

static void an_api_key_is_revoked_once_by_id_or_name(void **state) {
    struct fixture *fixture = *state;
    struct store_api_key key = api_key("k1", "robot");
    FAILS(FAULT_NOT_FOUND, store_revoke_api_key(fixture->store, TEXT("k1"), DAY + 1, &fault));
    FINE(store_add_api_key(fixture->store, &key, &fault));
    FINE(store_revoke_api_key(fixture->store, TEXT("robot"), DAY + 1, &fault));
    assert_int_equal(only_key(fixture).revoked_us, DAY + 1);
    FINE(store_revoke_api_key(fixture->store, TEXT("k1"), DAY + 2, &fault));
    assert_int_equal(only_key(fixture).revoked_us, DAY + 1);
}

/* --- bulk --- */

static struct store_bulk bulk_of(const char *id) {
    return (struct store_bulk){.id = text_of(id),
                               .request = TEXT("{\"to\":\"CLOSED\"}"),
                               .status = BULK_RUNNING,
                               .total = 3,
                               .created_us = DAY,
                               .updated_us = DAY};
}

static void add_bulk(struct fixture *fixture, const char *id) {
    struct store_bulk bulk = bulk_of(id);
    struct text ids[] = {TEXT("z"), TEXT("it's"), TEXT("a")};
    FINE(store_add_bulk(fixture->store, &bulk, ids, 3, &fault));
}

static struct store_bulk *find_bulk(struct fixture *fixture, const char *id) {
    struct store_bulk *bulk = NULL;
    FINE(store_find_bulk(fixture->store, &fixture->arena, text_of(id), &bulk, &fault));
    return bulk;
}

static void a_bulk_and_its_members_are_read_back(void **state) {
    struct fixture *fixture = *state;
    struct text *ids;
    size_t count;
    add_bulk(fixture, "b0");
    add_bulk(fixture, "b1");
    struct store_bulk *bulk = find_bulk(fixture, "b1");
    assert_non_null(bulk);
    check_text(bulk->id, "b1");
    check_text(bulk->request, "{\"to\":\"CLOSED\"}");
    assert_int_equal(bulk->status, BULK_RUNNING);
    assert_int_equal(bulk->total, 3);
    assert_int_equal(bulk->created_us, DAY);
    assert_null(find_bulk(fixture, "b2"));
    FINE(store_bulk_members(fixture->store, &fixture->arena, TEXT("b1"), 1, 10, &ids, &count,
                            &fault));
    assert_int_equal(count, 2);
    check_text(ids[0], "it's");
    check_text(ids[1], "a");
    FINE(store_bulk_members(fixture->store, &fixture->arena, TEXT("b1"), 0, 1, &ids, &count,
                            &fault));
    assert_int_equal(count, 1);
    check_text(ids[0], "z");
}

static void progress_and_errors_of_a_bulk_are_saved(void **state) {
    struct fixture *fixture = *state;
    struct store_bulk_error error = {TEXT("z"), TEXT("guard_rejected"), TEXT("no vendor")}, *errors;
    size_t count;
    add_bulk(fixture, "b1");
    struct store_bulk bulk = *find_bulk(fixture, "b1");
    bulk.status = BULK_PAUSED;
    bulk.position = 2;
    bulk.succeeded = bulk.failed = 1;
    bulk.updated_us = DAY + 3;
    bulk.execution_us = 99;
    begin(fixture->store, STORE_WRITE);
    FINE(store_save_bulk(fixture->store, &bulk, &error, 1, &fault));
    commit(fixture->store);
    FINE(store_save_bulk(fixture->store, &bulk, NULL, 0, &fault));
    struct store_bulk *saved = find_bulk(fixture, "b1");
    assert_int_equal(saved->status, BULK_PAUSED);
    assert_int_equal(saved->position, 2);
    assert_int_equal(saved->succeeded, 1);
    assert_int_equal(saved->failed, 1);
    assert_int_equal(saved->updated_us, DAY + 3);
    assert_int_equal(saved->execution_us, 99);
    FINE(store_bulk_errors(fixture->store, &fixture->arena, TEXT("b1"), 10, &errors, &count,
                           &fault));
    assert_int_equal(count, 1);
    check_text(errors[0].entity_id, "z");
    check_text(errors[0].code, "guard_rejected");
    check_text(errors[0].message, "no vendor");
}

static void progress_that_is_rolled_back_is_not_saved(void **state) {
    struct fixture *fixture = *state;
    add_bulk(fixture, "b1");
    struct store_bulk bulk = *find_bulk(fixture, "b1");
    bulk.position = 2;
    begin(fixture->store, STORE_WRITE);
    FINE(store_save_bulk(fixture->store, &bulk, NULL, 0, &fault));
    store_rollback(fixture->store);
    assert_int_equal(find_bulk(fixture, "b1")->position, 0);
    bulk.id = TEXT("b9");
    FAILS(FAULT_NOT_FOUND, store_save_bulk(fixture->store, &bulk, NULL, 0, &fault));
    FINE(store_ping(fixture->store, &fault));
    make_task(fixture, "still works");
}

static void a_bulk_is_added_whole_or_not_at_all(void **state) {
    struct fixture *fixture = *state;
    struct store_bulk bulk = bulk_of("b1");
    struct text ids[] = {TEXT("a"), TEXT("b"), TEXT("c")};
    struct text *members;
    size_t count;
    add_bulk(fixture, "b1");
    FAILS(FAULT_STORE_CONFLICT, store_add_bulk(fixture->store, &bulk, ids, 3, &fault));
    FINE(store_bulk_members(fixture->store, &fixture->arena, TEXT("b1"), 0, 10, &members, &count,
                            &fault));
    assert_int_equal(count, 3);
    check_text(members[0], "z");
}

static void bulks_are_listed_by_status(void **state) {
    struct fixture *fixture = *state;
    struct store_bulk *items;
    size_t count;
    add_bulk(fixture, "b2");
    add_bulk(fixture, "b1");
    FINE(store_list_bulks(fixture->store, &fixture->arena, BULK_RUNNING, &items, &count, &fault));
    assert_int_equal(count, 2);
    check_text(items[0].id, "b2");
    check_text(items[1].id, "b1");
    FINE(store_list_bulks(fixture->store, &fixture->arena, BULK_FAILED, &items, &count, &fault));
    assert_int_equal(count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_found_by_scope_and_key),
        TEST(many_answers_are_found_in_one_call),
        TEST(an_answer_without_headers_or_body_is_kept),
        TEST(answers_expire),
        TEST(only_so_many_answers_expire_at_once),
        TEST(an_expired_answer_gives_way_to_a_new_one),
        TEST(deadlines_come_in_the_order_of_time),
        TEST(a_deadline_is_read_back_as_it_was_armed),
        TEST(disarming_takes_all_deadlines_of_an_entity),
        TEST(disarming_spares_what_the_same_batch_arms),
        TEST(a_fired_deadline_goes_alone),
        TEST(a_deadline_of_an_absent_entity_is_refused),
        TEST(events_are_taken_in_any_order_of_time),
        TEST(keeping_a_policy_again_is_harmless),
        TEST(an_api_key_is_listed_as_it_was_added),
        TEST(a_name_is_given_to_one_api_key),
        TEST(an_api_key_is_revoked_once_by_id_or_name),
        TEST(a_bulk_and_its_members_are_read_back),
        TEST(progress_and_errors_of_a_bulk_are_saved),
        TEST(progress_that_is_rolled_back_is_not_saved),
        TEST(a_bulk_is_added_whole_or_not_at_all),
        TEST(bulks_are_listed_by_status),
    };
    RUN_FOR_ALL_STORES(tests);
}
