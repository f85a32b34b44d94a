/* The batch: what its members may rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "store/timers.h"
#include "support/world.h"

static const char POLICY[] =
    "local function ready(data) return data.ready == true, 'not ready' end\n"
    "local function spawn(data) return { set = { spawned = true }, emit = { { type = 'made', data "
    "= { a = 1 } } },\n"
    "  create = { { machine = 'part', id = data.part or 'p1', data = { of = 'x' } } },\n"
    "  follow = data.push and { { machine = 'part', id = data.push, to = 'DONE' } } or nil } end\n"
    "local function count_open(_, ctx)\n"
    "  local n = ctx:count { machine = 'part', state = 'OPEN', where = { of = 'x' } }\n"
    "  return n == 0, n .. ' parts are open' end\n"
    "local function forever() while true do end end\n"
    "return { machine 'job' { initial = 'NEW', states = {\n"
    "  NEW = { to = { READY = { guard = ready }, MADE = { effect = spawn }, HUNG = { guard = "
    "forever }, LATER = true } },\n"
    "  READY = { to = { NEW = true, CLOSED = { guard = count_open } } },\n"
    "  MADE = { to = { CLOSED = { guard = count_open }, NEW = true } },\n"
    "  LATER = { after = { delay = '1h', to = 'NEW' }, to = { NEW = true, CLOSED = true } },\n"
    "  HUNG = { final = true }, CLOSED = { final = true } } },\n"
    "machine 'part' { initial = 'OPEN', states = { OPEN = { to = { DONE = true, HALF = true } }, "
    "HALF = { to = { DONE = { guard = ready } } }, DONE = { final = true } } } }\n";

static int set_up(void **state) {
    static struct world world;
    world_open(&world, POLICY);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    world_close(*state);
    return 0;
}

static const struct outcome *create(struct world *world, const char *machine, const char *id,
                                    const char *data) {
    struct attempt *attempt = ARENA_NEW(&world->core.arena, struct attempt);
    *attempt = world_create(machine, id, world_json(world, data));
    return world_run(world, attempt);
}

static const struct outcome *move(struct world *world, const char *machine, const char *id,
                                  const char *to) {
    struct attempt *attempt = ARENA_NEW(&world->core.arena, struct attempt);
    *attempt = world_move(machine, id, to);
    return world_run(world, attempt);
}

static void assert_state(struct world *world, const char *machine, const char *id,
                         const char *state, int64_t version) {
    struct entity entity = world_read(world, machine, id);
    assert_true(entity.exists);
    assert_true(text_equal(entity.state, text_of(state)));
    assert_int_equal(entity.version, version);
}

/* Runs many attempts as one batch, a member each. */
static struct member *run_batch(struct world *world, const struct attempt *attempts, size_t count) {
    struct member *members = ARENA_ARRAY(&world->core.arena, struct member, count);
    struct member **pointers = ARENA_ARRAY(&world->core.arena, struct member *, count);
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct member){.attempts = &attempts[i], .attempt_count = 1};
        pointers[i] = &members[i];
    }
    batch_run(&world->core, pointers, count);
    return members;
}

static void a_created_entity_has_version_one_and_a_record(void **state) {
    struct world *world = *state;
    const struct outcome *outcome = create(world, "job", "j1", "{\"ready\":true}");
    assert_int_equal(outcome->code, FAULT_NONE);
    assert_int_equal(outcome->version, 1);
    assert_state(world, "job", "j1", "NEW", 1);
    assert_int_equal(world_verify(world, "job", "j1"), 1);
}

static void a_transition_moves_once_and_is_recorded(void **state) {
    struct world *world = *state;
    create(world, "job", "j1", "{\"ready\":true}");
    const struct outcome *outcome = move(world, "job", "j1", "READY");
    assert_int_equal(outcome->code, FAULT_NONE);
    assert_true(outcome->changed);
    assert_int_equal(outcome->audit_sequence, 2);
    assert_state(world, "job", "j1", "READY", 2);
    assert_int_equal(world_verify(world, "job", "j1"), 2);
}

static void a_refusal_is_recorded_and_changes_nothing(void **state) {
    struct world *world = *state;
    create(world, "job", "j1", "{}");
    const struct outcome *outcome = move(world, "job", "j1", "READY");
    assert_int_equal(outcome->code, FAULT_GUARD_REJECTED);
    assert_int_equal(outcome->version, 1);
    assert_state(world, "job", "j1", "NEW", 1);
    assert_int_equal(world_verify(world, "job", "j1"), 2);
}

static void an_attempt_on_a_missing_entity_is_recorded(void **state) {
    struct world *world = *state;
    assert_int_equal(move(world, "job", "ghost", "READY")->code, FAULT_ENTITY_NOT_FOUND);
    assert_int_equal(world_verify(world, "job", "ghost"), 1);
    create(world, "job", "ghost", "{}");
    assert_int_equal(world_verify(world, "job", "ghost"), 2);
}

static void an_unknown_machine_is_refused_without_a_record(void **state) {
    struct world *world = *state;
    const struct outcome *outcome = move(world, "jab", "j1", "READY");
    assert_int_equal(outcome->code, FAULT_UNKNOWN_MACHINE);
    assert_string_equal(outcome->audit_uuid, "");
}

static void a_refused_transition_leaves_its_neighbours_committed(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    create(world, "job", "b", "{}");
    create(world, "job", "c", "{\"ready\":true}");
    struct attempt attempts[] = {world_move("job", "a", "READY"), world_move("job", "b", "READY"),
                                 world_move("job", "c", "READY")};
    struct member *members = run_batch(world, attempts, 3);
    assert_int_equal(members[0].outcomes[0].code, FAULT_NONE);
    assert_int_equal(members[1].outcomes[0].code, FAULT_GUARD_REJECTED);
    assert_int_equal(members[2].outcomes[0].code, FAULT_NONE);
    assert_state(world, "job", "a", "READY", 2);
    assert_state(world, "job", "b", "NEW", 1);
    assert_state(world, "job", "c", "READY", 2);
}

static void five_attempts_on_one_entity_in_one_batch_change_it_once(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    struct attempt attempts[5];
    for (size_t i = 0; i < 5; i++) {
        attempts[i] = world_move("job", "a", "READY");
    }
    struct member *members = run_batch(world, attempts, 5);
    size_t succeeded = 0;
    for (size_t i = 0; i < 5; i++) {
        succeeded += members[i].outcomes[0].code == FAULT_NONE;
    }
    assert_int_equal(succeeded, 1);
    assert_state(world, "job", "a", "READY", 2);
    assert_int_equal(world_verify(world, "job", "a"), 6);
}

static void a_policy_that_hangs_fails_alone_and_is_recorded(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{}");
    create(world, "job", "b", "{\"ready\":true}");
    struct attempt attempts[] = {world_move("job", "b", "READY"), world_move("job", "a", "HUNG")};
    struct member *members = run_batch(world, attempts, 2);
    assert_int_equal(members[0].outcomes[0].code, FAULT_NONE);
    assert_int_equal(members[1].outcomes[0].code, FAULT_POLICY_ERROR);
    assert_state(world, "job", "a", "NEW", 1);
    assert_int_equal(world_verify(world, "job", "a"), 2);
    assert_state(world, "job", "b", "READY", 2);
}

static void effects_create_and_follow_in_the_same_transaction(void **state) {
    struct world *world = *state;
    create(world, "part", "p0", "{\"of\":\"x\"}");
    create(world, "job", "j1", "{\"push\":\"p0\"}");
    assert_int_equal(move(world, "job", "j1", "MADE")->code, FAULT_NONE);
    assert_state(world, "part", "p1", "OPEN", 1);
    assert_state(world, "part", "p0", "DONE", 2);
    struct entity job = world_read(world, "job", "j1");
    assert_true(js_is(js_find(job.data, TEXT("spawned")), JS_TRUE));
    assert_int_equal(world_verify(world, "part", "p0"), 2);
}

static void a_refused_effect_undoes_everything_but_its_record(void **state) {
    struct world *world = *state;
    create(world, "job", "j1", "{\"push\":\"nobody\"}");
    const struct outcome *outcome = move(world, "job", "j1", "MADE");
    assert_int_equal(outcome->code, FAULT_GUARD_REJECTED);
    assert_state(world, "job", "j1", "NEW", 1);
    assert_false(world_read(world, "part", "p1").exists);
    assert_int_equal(world_verify(world, "job", "j1"), 2);
    assert_int_equal(world_read(world, "part", "p1").audit_sequence, 0);
}

static void counts_see_what_the_batch_changed(void **state) {
    struct world *world = *state;
    create(world, "part", "p0", "{\"of\":\"x\"}");
    create(world, "job", "j1", "{\"ready\":true}");
    move(world, "job", "j1", "READY");
    struct attempt attempts[] = {world_move("job", "j1", "CLOSED"),
                                 world_move("part", "p0", "DONE"),
                                 world_move("job", "j1", "CLOSED")};
    struct member *members = run_batch(world, attempts, 3);
    assert_int_equal(members[0].outcomes[0].code, FAULT_GUARD_REJECTED);
    assert_int_equal(members[1].outcomes[0].code, FAULT_NONE);
    assert_int_equal(members[2].outcomes[0].code, FAULT_NONE);
}

static void an_atomic_member_is_all_or_nothing(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    create(world, "job", "b", "{}");
    struct attempt attempts[] = {world_move("job", "a", "READY"), world_move("job", "b", "READY")};
    struct member member = {.attempts = attempts, .attempt_count = 2, .mode = MEMBER_ALL};
    struct member *members[] = {&member};
    batch_run(&world->core, members, 1);
    assert_int_equal(member.outcomes[0].code, FAULT_BATCH_ABORTED);
    assert_int_equal(member.outcomes[1].code, FAULT_GUARD_REJECTED);
    assert_state(world, "job", "a", "NEW", 1);
    assert_int_equal(world_verify(world, "job", "a"), 2);
    assert_int_equal(world_verify(world, "job", "b"), 2);
}

static void an_attempt_with_another_version_is_refused(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    struct attempt attempt = world_move("job", "a", "READY");
    attempt.if_versions = &(const int64_t){7};
    attempt.if_version_count = 1;
    const struct outcome *outcome = world_run(world, &attempt);
    assert_int_equal(outcome->code, FAULT_VERSION_CONFLICT);
    assert_int_equal(outcome->version, 1);
}

static void a_dry_run_leaves_no_trace(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    struct attempt attempt = world_move("job", "a", "READY");
    attempt.dry_run = true;
    const struct outcome *outcome = world_run(world, &attempt);
    assert_int_equal(outcome->code, FAULT_NONE);
    assert_string_equal(outcome->audit_uuid, "");
    assert_state(world, "job", "a", "NEW", 1);
    assert_int_equal(world_verify(world, "job", "a"), 1);
}

static void render(struct member *member, struct core *core) {
    (void)core;
    member->answer.status = 200;
    member->answer.headers = TEXT("{}");
    member->answer.body = TEXT("{\"first\":true}");
}

static struct member keyed(const struct attempt *attempt, unsigned char body) {
    struct member member = {.attempts = attempt,
                            .attempt_count = 1,
                            .render = render,
                            .idempotency_scope = TEXT("anonymous POST /x"),
                            .idempotency_key = TEXT("k1")};
    member.body_hash[0] = body;
    return member;
}

static void a_repeated_key_is_answered_not_repeated(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    struct attempt attempt = world_move("job", "a", "READY");
    struct member first = keyed(&attempt, 1), again = keyed(&attempt, 1),
                  other = keyed(&attempt, 2);
    struct member *both[] = {&first, &again};
    batch_run(&world->core, both, 2);
    assert_false(first.replayed);
    assert_true(again.replayed);
    assert_true(text_equal(again.answer.body, TEXT("{\"first\":true}")));
    struct member *late[] = {&other};
    batch_run(&world->core, late, 1);
    assert_int_equal(other.fault, FAULT_IDEMPOTENCY_REUSED);
    assert_int_equal(world_verify(world, "job", "a"), 2);
}

static void a_held_lock_blocks_and_then_times_out_on_record(void **state) {
    struct world *world = *state;
    struct fault fault = FAULT_INIT;
    create(world, "job", "a", "{\"ready\":true}");
    struct lock_claim claim = {.key = TEXT("state_transition:job:a"), .ttl_us = 10 * NOW_SECOND};
    assert_true(lock_take(world->core.lock, &claim, 1, &fault));
    struct attempt attempt = world_move("job", "a", "READY");
    attempt.blocking_timeout_ms = 1000;
    struct member member = {.attempts = &attempt, .attempt_count = 1};
    struct member *members[] = {&member};
    batch_run(&world->core, members, 1);
    assert_true(member.blocked);
    member.waiting_since_us = 1;
    batch_run(&world->core, members, 1);
    assert_false(member.blocked);
    assert_int_equal(member.outcomes[0].code, FAULT_LOCK_TIMEOUT);
    assert_int_equal(world_verify(world, "job", "a"), 2);
    lock_drop(world->core.lock, &claim, 1);
    assert_int_equal(move(world, "job", "a", "READY")->code, FAULT_NONE);
}

static void sleep_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = 500 * 1000 * 1000}, NULL);
}

static bool slowly_wanted(struct member *member, struct core *core, bool *wanted,
                          struct fault *fault) {
    (void)member, (void)core, (void)fault;
    sleep_a_little();
    *wanted = true;
    return true;
}

/* By now the hold would have ended, had nobody renewed it. */
static bool still_held(struct member *member, struct core *core, struct fault *fault) {
    struct lock_claim claim = {.key = TEXT("state_transition:job:a"), .ttl_us = NOW_SECOND};
    sleep_a_little();
    *(bool *)member->context = lock_take(core->lock, &claim, 1, fault) && !claim.granted;
    return true;
}

static void a_long_transaction_keeps_its_lock(void **state) {
    struct world *world = *state;
    bool held = false;
    create(world, "job", "a", "{\"ready\":true}");
    struct attempt attempt = world_move("job", "a", "READY");
    attempt.lock_timeout_ms = 900;
    struct member member = {.attempts = &attempt,
                            .attempt_count = 1,
                            .wanted = slowly_wanted,
                            .extra = still_held,
                            .context = &held};
    struct member *members[] = {&member};
    batch_run(&world->core, members, 1);
    assert_int_equal(member.outcomes[0].code, FAULT_NONE);
    assert_true(held);
}

/* Nothing listens on port 1. */
static void use_a_lock_that_is_gone(struct world *world) {
    struct fault fault = FAULT_INIT;
    lock_close(world->core.lock);
    assert_true(lock_open(TEXT("redis://127.0.0.1:1"), world->locks, &world->core.lock, &fault));
}

static void without_its_lock_a_batch_refuses_who_wants_it(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    use_a_lock_that_is_gone(world);
    struct attempt attempts[] = {world_move("job", "a", "READY"), world_move("job", "a", "READY")};
    attempts[1].lock = false;
    struct member wants = {.attempts = &attempts[0], .attempt_count = 1};
    struct member does_not = {.attempts = &attempts[1], .attempt_count = 1};
    struct member *members[] = {&wants, &does_not};
    batch_run(&world->core, members, 2);
    assert_int_equal(wants.fault, FAULT_LOCK_UNAVAILABLE);
    assert_int_equal(does_not.fault, FAULT_NONE);
    assert_int_equal(does_not.outcomes[0].code, FAULT_NONE);
    assert_int_equal(world_verify(world, "job", "a"), 2);
}

static void without_an_optional_lock_a_batch_goes_on(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    use_a_lock_that_is_gone(world);
    world->core.lock_optional = true;
    assert_int_equal(move(world, "job", "a", "READY")->code, FAULT_NONE);
    assert_int_equal(move(world, "job", "a", "NEW")->code, FAULT_NONE);
    assert_int_equal(world_verify(world, "job", "a"), 3);
}

static size_t due(struct world *world, int64_t at_us) {
    struct fault fault = FAULT_INIT;
    struct store_deadline *items;
    size_t count;
    assert_true(store_begin(world->core.store, STORE_READ, ISOLATION_DEFAULT, &fault));
    assert_true(store_due(world->core.store, &world->core.arena, NULL, 0, at_us, 10, &items, &count,
                          &fault));
    store_rollback(world->core.store);
    return count;
}

static void a_timer_is_armed_by_entering_and_cancelled_by_leaving(void **state) {
    struct world *world = *state;
    int64_t hour_us = 3600 * NOW_SECOND;
    create(world, "job", "a", "{}");
    move(world, "job", "a", "LATER");
    assert_int_equal(due(world, world->wall_us + hour_us - 1), 0);
    assert_int_equal(due(world, world->wall_us + hour_us), 1);
    move(world, "job", "a", "NEW");
    assert_int_equal(due(world, world->wall_us + hour_us), 0);
    struct attempt both[] = {world_move("job", "a", "LATER"), world_move("job", "a", "NEW")};
    run_batch(world, both, 2);
    assert_int_equal(due(world, world->wall_us + hour_us), 0);
}

static void what_was_answered_is_there_after_a_restart(void **state) {
    struct world *world = *state;
    create(world, "job", "a", "{\"ready\":true}");
    move(world, "job", "a", "READY");
    world_reopen_store(world);
    assert_state(world, "job", "a", "READY", 2);
    assert_int_equal(world_verify(world, "job", "a"), 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_created_entity_has_version_one_and_a_record),
        CASE(a_transition_moves_once_and_is_recorded),
        CASE(a_refusal_is_recorded_and_changes_nothing),
        CASE(an_attempt_on_a_missing_entity_is_recorded),
        CASE(an_unknown_machine_is_refused_without_a_record),
        CASE(a_refused_transition_leaves_its_neighbours_committed),
        CASE(five_attempts_on_one_entity_in_one_batch_change_it_once),
        CASE(a_policy_that_hangs_fails_alone_and_is_recorded),
        CASE(effects_create_and_follow_in_the_same_transaction),
        CASE(a_refused_effect_undoes_everything_but_its_record),
        CASE(counts_see_what_the_batch_changed),
        CASE(an_atomic_member_is_all_or_nothing),
        CASE(an_attempt_with_another_version_is_refused),
        CASE(a_dry_run_leaves_no_trace),
        CASE(a_repeated_key_is_answered_not_repeated),
        CASE(a_held_lock_blocks_and_then_times_out_on_record),
        CASE(a_long_transaction_keeps_its_lock),
        CASE(without_its_lock_a_batch_refuses_who_wants_it),
        CASE(without_an_optional_lock_a_batch_goes_on),
        CASE(a_timer_is_armed_by_entering_and_cancelled_by_leaving),
        CASE(what_was_answered_is_there_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
