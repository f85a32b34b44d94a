/* The store that fails on purpose keeps the promises of store_faulty.h, whatever is behind it. */
#include "support/store_fixture.h"

#include "support/store_faulty.h"

static struct faulty plan;

static int open_faulty(void **state) {
    int code = open_fixture(state);
    struct fixture *fixture = *state;
    plan = (struct faulty){0};
    fixture->store = store_faulty_new(fixture->store, &plan);
    return code;
}

/* One transition as the core does it: false with the fault, rolled back. */
static bool transition(struct fixture *fixture, struct changed *changed, struct fault *fault) {
    struct store_key key = {TASK, TEXT("T-1")};
    struct entity before;
    if (!store_begin(fixture->store, STORE_WRITE, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    if (store_read(fixture->store, &fixture->arena, &key, 1, &before, fault)) {
        prepare(fixture, &before, (struct change){.id = TEXT("T-1")}, changed);
        if (try_write(fixture, changed, fault) && store_commit(fixture->store, fault)) {
            return true;
        }
    }
    store_rollback(fixture->store);
    return false;
}

static void without_a_plan_nothing_fails(void **state) {
    struct fixture *fixture = *state;
    struct changed changed;
    FINE(transition(fixture, &changed, &fault));
    assert_int_equal(plan.calls, 4);
    assert_null(plan.failed);
    assert_int_equal(plan.misuses, 0);
}

static void each_call_fails_in_its_turn_and_leaves_nothing(void **state) {
    struct fixture *fixture = *state;
    static const char *const calls[] = {"begin", "read", "write", "commit"};
    static const enum faulty_way ways[] = {FAULTY_UNAVAILABLE, FAULTY_CONFLICT};
    static const enum fault_code codes[] = {FAULT_STORE_UNAVAILABLE, FAULT_STORE_CONFLICT};
    struct changed changed;
    for (size_t way = 0; way < COUNT_OF(ways); way++) {
        for (size_t i = 0; i < COUNT_OF(calls); i++) {
            plan = (struct faulty){.fail_at = (long)i + 1, .way = ways[way]};
            FAILS(codes[way], transition(fixture, &changed, &fault));
            assert_string_equal(plan.failed, calls[i]);
            assert_int_equal(plan.misuses, 0);
            assert_false(read_task(fixture, "T-1").exists);
        }
    }
    FINE(transition(fixture, &changed, &fault));
    assert_true(read_task(fixture, "T-1").exists);
}

static void a_lost_answer_hides_a_commit(void **state) {
    struct fixture *fixture = *state;
    struct changed changed;
    bool committed = false;
    plan = (struct faulty){.fail_at = 4, .way = FAULTY_LOST};
    FAILS(FAULT_OUTCOME_UNKNOWN, transition(fixture, &changed, &fault));
    FINE(store_settle(fixture->store, (struct text){changed.record.uuid, ID_LENGTH}, &committed,
                      &fault));
    assert_true(committed);
    assert_true(read_task(fixture, "T-1").exists);
}

static void a_commit_that_was_never_sent_is_unknown_too(void **state) {
    struct fixture *fixture = *state;
    struct changed changed;
    bool committed = true;
    plan = (struct faulty){.fail_at = 4, .way = FAULTY_NEVER_SENT};
    FAILS(FAULT_OUTCOME_UNKNOWN, transition(fixture, &changed, &fault));
    FINE(store_settle(fixture->store, (struct text){changed.record.uuid, ID_LENGTH}, &committed,
                      &fault));
    assert_false(committed);
    assert_false(read_task(fixture, "T-1").exists);
}

static void going_on_after_a_fault_is_noticed(void **state) {
    struct fixture *fixture = *state;
    struct entity entity;
    struct store_key key = {TASK, TEXT("T-1")};
    plan = (struct faulty){.fail_at = 2};
    begin(fixture->store, STORE_WRITE);
    FAILS(FAULT_STORE_UNAVAILABLE,
          store_read(fixture->store, &fixture->arena, &key, 1, &entity, &fault));
    assert_int_equal(plan.misuses, 0);
    FINE(store_read(fixture->store, &fixture->arena, &key, 1, &entity, &fault));
    assert_int_equal(plan.misuses, 1);
    store_rollback(fixture->store);
    begin(fixture->store, STORE_WRITE);
    assert_int_equal(plan.misuses, 1);
    store_rollback(fixture->store);
}

#define FAULTY(test) cmocka_unit_test_setup_teardown(test, open_faulty, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        FAULTY(without_a_plan_nothing_fails),
        FAULTY(each_call_fails_in_its_turn_and_leaves_nothing),
        FAULTY(a_lost_answer_hides_a_commit),
        FAULTY(a_commit_that_was_never_sent_is_unknown_too),
        FAULTY(going_on_after_a_fault_is_noticed),
    };
    RUN_FOR_ALL_STORES(tests);
}
