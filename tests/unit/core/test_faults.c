/* The Nth failure of the store: call 1, 2, 3... fails until the batch gets through. After each
 * failure nothing is held, nothing is open, nothing is half-written, and every chain verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/store_faulty.h"
#include "support/world.h"

#define CALLS_MOST 200

static const char POLICY[] =
    "local function spawn(data) return { set = { made = true }, emit = { { type = 'made', data = "
    "{} } },\n"
    "  create = { { machine = 'part', id = data.part, data = {} } } } end\n"
    "local function none_open(_, ctx) return ctx:count { machine = 'part', state = 'DONE' } == 0, "
    "'x' end\n"
    "return { machine 'job' { initial = 'NEW', states = {\n"
    "  NEW = { to = { MADE = { guard = none_open, effect = spawn }, STUCK = { guard = function() "
    "return false, 'no' end } } },\n"
    "  MADE = { after = { delay = '1h', to = 'NEW' }, to = { NEW = true } }, STUCK = { final = "
    "true } } },\n"
    "machine 'part' { initial = 'OPEN', states = { OPEN = { to = { DONE = true } }, DONE = { final "
    "= true } } } }\n";

struct trial {
    struct world world;
    struct faulty plan;
};

static void open_trial(struct trial *trial) {
    struct world *world = &trial->world;
    world_open(world, POLICY);
    struct attempt a = world_create("job", "a", world_json(world, "{\"part\":\"pa\"}"));
    struct attempt b = world_create("job", "b", world_json(world, "{\"part\":\"pb\"}"));
    assert_int_equal(world_run(world, &a)->code, FAULT_NONE);
    assert_int_equal(world_run(world, &b)->code, FAULT_NONE);
    trial->plan = (struct faulty){0};
    world->core.store = store_faulty_new(world->core.store, &trial->plan);
}

static void assert_nothing_is_held(struct trial *trial, const char *id) {
    struct fault fault = FAULT_INIT;
    struct lock_claim claim = {
        .key = text_print(&trial->world.core.arena, "state_transition:job:%s", id),
        .ttl_us = NOW_SECOND};
    assert_true(lock_take(trial->world.core.lock, &claim, 1, &fault));
    assert_true(claim.granted);
    lock_drop(trial->world.core.lock, &claim, 1);
}

/* Either all of the move happened, or none of it. */
static bool is_moved(struct trial *trial, const char *id, const char *part) {
    struct entity job = world_read(&trial->world, "job", id);
    bool moved = text_equal(job.state, TEXT("MADE"));
    assert_int_equal(job.version, moved ? 2 : 1);
    assert_int_equal(world_read(&trial->world, "part", part).exists, moved);
    assert_int_equal(js_find(job.data, TEXT("made")) != NULL, moved);
    world_verify(&trial->world, "job", id);
    world_verify(&trial->world, "part", part);
    return moved;
}

static void assert_answer_is_true(struct trial *trial, const struct member *member, const char *id,
                                  const char *part) {
    bool moved = is_moved(trial, id, part);
    if (member->fault == FAULT_NONE) {
        assert_int_equal(member->outcomes[0].code, FAULT_NONE);
        assert_true(moved);
    } else if (member->fault != FAULT_OUTCOME_UNKNOWN) {
        assert_false(moved);
    }
    assert_nothing_is_held(trial, id);
}

/* Two moves and a refusal in one batch, with the Nth call failing. True when it was past the last.
 */
static bool run_trial(long fail_at, enum faulty_way way) {
    struct trial trial;
    open_trial(&trial);
    struct attempt attempts[] = {world_move("job", "a", "MADE"), world_move("job", "b", "MADE"),
                                 world_move("job", "b", "STUCK")};
    struct member members[3] = {{0}};
    struct member *pointers[3];
    for (size_t i = 0; i < 3; i++) {
        members[i] = (struct member){.attempts = &attempts[i], .attempt_count = 1};
        pointers[i] = &members[i];
    }
    trial.plan.fail_at = fail_at;
    trial.plan.way = way;
    batch_run(&trial.world.core, pointers, 3);
    bool past = trial.plan.failed == NULL;
    trial.plan.fail_at = 0;
    assert_int_equal(trial.plan.misuses, 0);
    assert_false(trial.plan.open);
    assert_answer_is_true(&trial, &members[0], "a", "pa");
    assert_answer_is_true(&trial, &members[1], "b", "pb");
    world_close(&trial.world);
    return past;
}

static void fail_each_call(enum faulty_way way) {
    long fail_at = 1;
    while (!run_trial(fail_at, way)) {
        assert_true(++fail_at < CALLS_MOST);
    }
    assert_true(fail_at > 4);
}

static void an_unavailable_store_fails_without_a_trace(void **state) {
    (void)state;
    fail_each_call(FAULTY_UNAVAILABLE);
}

static void a_conflict_is_run_again(void **state) {
    (void)state;
    fail_each_call(FAULTY_CONFLICT);
}

static void a_commit_whose_answer_was_lost_is_settled_by_looking(void **state) {
    (void)state;
    fail_each_call(FAULTY_LOST);
}

static void a_commit_that_was_never_sent_is_done_once(void **state) {
    (void)state;
    fail_each_call(FAULTY_NEVER_SENT);
}

/* One failing call costs nobody their answer: the batch is run again, one member at a time. */
static void one_failure_is_survived_by_every_member(void **state) {
    struct trial trial;
    (void)state;
    open_trial(&trial);
    struct attempt attempts[] = {world_move("job", "a", "MADE"), world_move("job", "b", "MADE")};
    struct member members[2] = {{.attempts = &attempts[0], .attempt_count = 1},
                                {.attempts = &attempts[1], .attempt_count = 1}};
    struct member *pointers[] = {&members[0], &members[1]};
    trial.plan = (struct faulty){.fail_at = 2, .way = FAULTY_UNAVAILABLE};
    batch_run(&trial.world.core, pointers, 2);
    assert_int_equal(members[0].fault, FAULT_NONE);
    assert_int_equal(members[1].fault, FAULT_NONE);
    assert_true(is_moved(&trial, "a", "pa") && is_moved(&trial, "b", "pb"));
    world_close(&trial.world);
}

/* Where somebody runs blocked members again, a store that is not there is waited for: 100, 200, 300
 * ms and up to a quarter more. */
static void a_passing_fault_is_waited_out_with_growing_pauses(void **state) {
    struct trial trial;
    (void)state;
    open_trial(&trial);
    struct core *core = &trial.world.core;
    struct attempt attempt = world_move("job", "a", "MADE");
    attempt.max_retries = -1;
    struct member member = {.attempts = &attempt, .attempt_count = 1};
    struct member *pointers[] = {&member};
    core->runs_again = true;
    for (int64_t i = 1; i <= 3; i++) {
        trial.plan = (struct faulty){.fail_at = 1, .way = FAULTY_UNAVAILABLE};
        int64_t before_us = now_monotonic_us(&core->now);
        batch_run(core, pointers, 1);
        int64_t pause_us = member.retry_at_us - before_us;
        assert_true(member.blocked);
        assert_int_equal(member.fault, FAULT_NONE);
        assert_in_range(pause_us, i * 100 * NOW_MILLISECOND,
                        i * 125 * NOW_MILLISECOND + NOW_SECOND / 10);
        assert_nothing_is_held(&trial, "a");
    }
    struct member last = member;
    pointers[0] = &last;
    trial.plan = (struct faulty){.fail_at = 1, .way = FAULTY_UNAVAILABLE};
    batch_run(core, pointers, 1);
    assert_false(last.blocked);
    assert_int_equal(last.fault, FAULT_STORE_UNAVAILABLE);
    assert_false(is_moved(&trial, "a", "pa"));

    pointers[0] = &member;
    trial.plan = (struct faulty){0};
    batch_run(core, pointers, 1);
    assert_int_equal(member.outcomes[0].code, FAULT_NONE);
    assert_int_equal(member.outcomes[0].retries, 3);
    assert_true(is_moved(&trial, "a", "pa"));
    world_close(&trial.world);
}

static void keep(struct member *member, struct core *core) {
    (void)core;
    member->answer.status = 200;
    member->answer.body = TEXT("{\"first\":true}");
}

/* The answer that it found lay in the arena of the run that failed. */
static void a_member_that_waits_remembers_nothing_of_the_run_that_failed(void **state) {
    struct trial trial;
    (void)state;
    open_trial(&trial);
    struct core *core = &trial.world.core;
    struct attempt attempt = world_move("job", "a", "MADE");
    attempt.max_retries = 3;
    struct member first = {.attempts = &attempt,
                           .attempt_count = 1,
                           .render = keep,
                           .idempotency_scope = TEXT("s"),
                           .idempotency_key = TEXT("k")};
    struct member again = first;
    struct member *pointers[] = {&first};
    batch_run(core, pointers, 1);
    assert_int_equal(first.fault, FAULT_NONE);

    pointers[0] = &again;
    core->runs_again = true;
    trial.plan = (struct faulty){0};
    batch_run(core, pointers, 1);
    assert_true(again.replayed);
    trial.plan = (struct faulty){.fail_at = trial.plan.calls, .way = FAULTY_UNAVAILABLE};
    batch_run(core, pointers, 1);
    assert_string_equal(trial.plan.failed, "commit");
    assert_true(again.blocked);
    assert_false(again.replayed);

    trial.plan = (struct faulty){.fail_at = 1, .way = FAULTY_UNAVAILABLE};
    batch_run(core, pointers, 1);
    assert_false(again.replayed);
    trial.plan = (struct faulty){0};
    batch_run(core, pointers, 1);
    assert_true(again.replayed);
    assert_true(text_equal(again.answer.body, TEXT("{\"first\":true}")));
    world_close(&trial.world);
}

/* max_retries = 0 asks for one try only. */
static void who_wants_no_retries_is_answered_at_once(void **state) {
    struct trial trial;
    (void)state;
    open_trial(&trial);
    struct attempt attempt = world_move("job", "a", "MADE");
    attempt.max_retries = 0;
    struct member member = {.attempts = &attempt, .attempt_count = 1};
    struct member *pointers[] = {&member};
    trial.world.core.runs_again = true;
    trial.plan = (struct faulty){.fail_at = 1, .way = FAULTY_UNAVAILABLE};
    batch_run(&trial.world.core, pointers, 1);
    assert_false(member.blocked);
    assert_int_equal(member.fault, FAULT_STORE_UNAVAILABLE);
    world_close(&trial.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unavailable_store_fails_without_a_trace),
        cmocka_unit_test(a_conflict_is_run_again),
        cmocka_unit_test(a_commit_whose_answer_was_lost_is_settled_by_looking),
        cmocka_unit_test(a_commit_that_was_never_sent_is_done_once),
        cmocka_unit_test(one_failure_is_survived_by_every_member),
        cmocka_unit_test(a_passing_fault_is_waited_out_with_growing_pauses),
        cmocka_unit_test(a_member_that_waits_remembers_nothing_of_the_run_that_failed),
        cmocka_unit_test(who_wants_no_retries_is_answered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
