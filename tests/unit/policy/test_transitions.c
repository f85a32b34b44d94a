/* Which transition an attempt takes: ["*"], several verbs to one state, `choose`, `internal`; and
 * how transitions are shown. */
#include "unit/policy/fixture.h"

static struct decision take(struct fixture *fixture, const char *from, const char *verb,
                            const char *data, const struct actor *actor) {
    struct attempt attempt = fixture_attempt(NULL);
    struct entity entity = fixture_entity(fixture, from, data);
    attempt.verb = text_of(verb);
    attempt.actor = actor;
    return fixture_decide(fixture, &attempt, &entity);
}

static struct decision go(struct fixture *fixture, const char *from, const char *to,
                          const struct actor *actor) {
    struct attempt attempt = fixture_attempt(to);
    struct entity entity = fixture_entity(fixture, from, "{}");
    attempt.actor = actor;
    return fixture_decide(fixture, &attempt, &entity);
}

static struct actor holder(struct fixture *fixture, const char *permissions) {
    return (struct actor){.id = TEXT("ann"), .permissions = fixture_json(fixture, permissions)};
}

/* --- ["*"] --- */

static const char any[] =
    "return machine 'm' { initial = 'NEW', states = {\n"
    "  ['*'] = { to = { CANCELLED = { name = 'cancel', permit = 'm.cancel',\n"
    "                                 guard = function(d) return d.free ~= true, 'free' end,\n"
    "                                 effect = function(d, c) return { set = { was = c.from } } "
    "end },\n"
    "                   NEW = { name = 'restart' } } },\n"
    "  NEW = { to = { OPEN = true } },\n"
    "  OPEN = { to = { CANCELLED = { name = 'drop' }, DONE = true } },\n"
    "  CANCELLED = { to = { OPEN = true } },\n"
    "  DONE = { final = true } } }\n";

static void a_transition_of_any_state_is_one_of_each(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = holder(fixture, "[\"m.cancel\"]");
    fixture_load_source(fixture, any);
    struct decision decision = take(fixture, "NEW", "cancel", "{}", &actor);
    check_allowed(decision);
    check_text(decision.to, "CANCELLED");
    check_text(decision.transition, "cancel");
    check_json(fixture, decision.data, "{\"was\":\"NEW\"}");
    check_refused(take(fixture, "NEW", "cancel", "{\"free\":true}", &actor), FAULT_GUARD_REJECTED);
    check_refused(go(fixture, "NEW", "CANCELLED", NULL), FAULT_PERMISSION_DENIED);
    check_allowed(go(fixture, "OPEN", "NEW", NULL));
}

static void
a_transition_of_any_state_is_none_of_the_target_the_final_and_those_with_their_own(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = holder(fixture, "[\"*\"]");
    fixture_load_source(fixture, any);
    check_refused(take(fixture, "CANCELLED", "cancel", "{}", &actor), FAULT_INVALID_TRANSITION);
    check_refused(take(fixture, "DONE", "cancel", "{}", &actor), FAULT_INVALID_TRANSITION);
    check_refused(take(fixture, "NEW", "restart", "{}", &actor), FAULT_INVALID_TRANSITION);
    check_refused(take(fixture, "OPEN", "cancel", "{}", &actor), FAULT_INVALID_TRANSITION);
    check_allowed(take(fixture, "OPEN", "drop", "{}", NULL));
    check_json(fixture, go(fixture, "DONE", "OPEN", NULL).allowed, "[]");
    check_json(fixture, go(fixture, "CANCELLED", "DONE", NULL).allowed, "[\"NEW\",\"OPEN\"]");
}

static void the_machine_shows_where_a_transition_comes_from(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, any);
    const struct machine *machine = fixture_machine(fixture, "m");
    assert_int_equal(machine->state_count, 4);
    assert_null(machine_state(machine, TEXT("*")));
    const struct way *cancel =
        machine_way(machine_state(machine, TEXT("NEW")), TEXT_NONE, TEXT("cancel"));
    assert_true(cancel->is_from_any);
    assert_false(machine_way(machine_state(machine, TEXT("OPEN")), TEXT("CANCELLED"), TEXT_NONE)
                     ->is_from_any);
}

/* --- several verbs to one state --- */

static const char verbs[] =
    "local function ctx_verb(d, c) return { set = { by = c.transition } } end\n"
    "return machine 'm' { initial = 'NEW', states = {\n"
    "  NEW = { to = { APPROVED = {\n"
    "    { name = 'approve', permit = 'm.approve', effect = ctx_verb },\n"
    "    { name = 'approve_large', permit = function(a) return a.id == 'bob', 'only bob' end,\n"
    "      effect = ctx_verb },\n"
    "    { internal = true, effect = function() return { set = { by = 'engine' } } end },\n"
    "  } }, after = { delay = '1h', to = 'APPROVED' } },\n"
    "  APPROVED = {} } }\n";

static void each_verb_has_its_own_permit_and_effect(void **state) {
    struct fixture *fixture = *state;
    struct actor ann = holder(fixture, "[\"m.approve\"]"), bob = {.id = TEXT("bob")};
    fixture_load_source(fixture, verbs);
    check_json(fixture, take(fixture, "NEW", "approve", "{}", &ann).data, "{\"by\":\"approve\"}");
    check_json(fixture, take(fixture, "NEW", "approve_large", "{}", &bob).data,
               "{\"by\":\"approve_large\"}");
    check_refused(take(fixture, "NEW", "approve_large", "{}", &ann), FAULT_PERMISSION_DENIED);
    check_refused(take(fixture, "NEW", "approve", "{}", &bob), FAULT_PERMISSION_DENIED);
}

static void by_state_the_first_verb_that_is_permitted_is_taken(void **state) {
    struct fixture *fixture = *state;
    struct actor ann = holder(fixture, "[\"m.approve\"]"), bob = {.id = TEXT("bob")},
                 eve = {.id = TEXT("eve")};
    fixture_load_source(fixture, verbs);
    struct decision decision = go(fixture, "NEW", "APPROVED", &ann);
    check_json(fixture, decision.data, "{\"by\":\"approve\"}");
    check_text(decision.transition, "approve");
    decision = go(fixture, "NEW", "APPROVED", &bob);
    check_json(fixture, decision.data, "{\"by\":\"approve_large\"}");
    check_text(decision.transition, "approve_large");
    decision = go(fixture, "NEW", "APPROVED", &eve);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_json(fixture, decision.missing_permissions, "[\"m.approve\"]");
    check_refused(go(fixture, "NEW", "APPROVED", NULL), FAULT_PERMISSION_DENIED);
}

/* --- internal --- */

static struct decision as_effect(struct fixture *fixture, const char *to) {
    static const struct attempt cause = {.kind = ATTEMPT_TRANSITION};
    struct attempt attempt = fixture_attempt(to);
    struct entity entity = fixture_entity(fixture, "NEW", "{}");
    attempt.cause = &cause;
    attempt.by_engine = true;
    attempt.caused_by = TEXT("u");
    attempt.skip_permissions = true;
    return fixture_decide(fixture, &attempt, &entity);
}

static void an_effect_prefers_what_is_internal(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, verbs);
    check_json(fixture, as_effect(fixture, "APPROVED").data, "{\"by\":\"engine\"}");
}

static void what_is_internal_no_request_takes(void **state) {
    struct fixture *fixture = *state;
    struct attempt attempt = fixture_attempt("PAID");
    struct actor actor = holder(fixture, "[\"*\"]");
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'NEW', states = { PAID = {},\n"
                        "  NEW = { to = { PAID = { name = 'pay', internal = true } } } } }");
    struct entity entity = fixture_entity(fixture, "NEW", "{}");
    attempt.actor = &actor;
    attempt.skip_permissions = true;
    attempt.reason = TEXT("system_auto");
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_says(
        fixture, decision.message,
        "only through effects and timers: this transition is internal, and no request may take it");
    check_json(fixture, decision.allowed, "[]");
    check_refused(take(fixture, "NEW", "pay", "{}", &actor), FAULT_INVALID_TRANSITION);
    check_allowed(as_effect(fixture, "PAID"));
}

/* --- choose --- */

static const char choices[] =
    "return machine 'm' { initial = 'NEW', fields = { amount = 'integer' }, states = {\n"
    "  NEW = { to = { SMALL = { permit = 'm.small', effect = function(d, c)\n"
    "                   return { set = { verb = c.transition, to = c.to } } end },\n"
    "                 LARGE = { guard = function(d) return d.amount < 100, 'too large' end } },\n"
    "          choose = { review = function(d, c)\n"
    "            if d.amount == 0 then return 'NOWHERE' elseif d.amount == 1 then return nil end\n"
    "            return d.amount < 10 and 'SMALL' or 'LARGE' end } },\n"
    "  SMALL = {}, LARGE = {}, NOWHERE = {} } }\n";

static void a_choice_leads_where_its_function_says(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = holder(fixture, "[\"m.small\"]");
    fixture_load_source(fixture, choices);
    struct decision decision = take(fixture, "NEW", "review", "{\"amount\":5}", &actor);
    check_allowed(decision);
    check_text(decision.to, "SMALL");
    check_text(decision.transition, "review");
    check_json(fixture, decision.data, "{\"amount\":5,\"to\":\"SMALL\",\"verb\":\"review\"}");
    check_text(take(fixture, "NEW", "review", "{\"amount\":50}", NULL).to, "LARGE");
}

static void the_chosen_transitions_permit_and_guard_hold(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = {.id = TEXT("eve")};
    fixture_load_source(fixture, choices);
    struct decision decision = take(fixture, "NEW", "review", "{\"amount\":5}", &actor);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_json(fixture, decision.missing_permissions, "[\"m.small\"]");
    check_refused(take(fixture, "NEW", "review", "{\"amount\":5}", NULL), FAULT_PERMISSION_DENIED);
    check_refused(take(fixture, "NEW", "review", "{\"amount\":100}", NULL), FAULT_GUARD_REJECTED);
}

static void a_choice_that_is_none_of_the_targets_is_a_policy_error(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, choices);
    struct decision decision = take(fixture, "NEW", "review", "{\"amount\":0}", NULL);
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(fixture, decision.message,
               "returned 'NOWHERE', which is not one of 'LARGE', 'SMALL'");
    decision = take(fixture, "NEW", "review", "{\"amount\":1}", NULL);
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(fixture, decision.message, "must return a state, not nothing");
}

static void a_choice_sees_the_patch_and_bad_data_are_the_clients(void **state) {
    struct fixture *fixture = *state;
    struct attempt attempt = fixture_attempt(NULL);
    fixture_load_source(fixture, choices);
    struct entity entity = fixture_entity(fixture, "NEW", "{}");
    attempt.verb = TEXT("review");
    attempt.patch = fixture_json(fixture, "{\"amount\":50}");
    check_text(fixture_decide(fixture, &attempt, &entity).to, "LARGE");
    attempt.patch = fixture_json(fixture, "{\"amount\":\"x\"}");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_VALIDATION_FAILED);
}

/* --- what is shown --- */

static const struct js *shown(struct fixture *fixture, const char *from, const char *data,
                              const struct actor *actor) {
    struct entity entity = fixture_entity(fixture, from, data);
    struct policy policy = {fixture->generation, 0};
    const struct js *ways;
    assert_true(policy_ways(policy, &fixture->arena, &entity, actor, FIXTURE_NOW_US,
                            &fixture->reads, &ways, &fixture->fault));
    return ways;
}

static void transitions_are_shown_as_the_actor_may_take_them(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = holder(fixture, "[\"m.approve\"]");
    fixture_load_source(fixture, verbs);
    check_json(fixture, shown(fixture, "NEW", "{}", &actor),
               "[{\"allowed\":true,\"final\":false,\"messages\":[],\"name\":\"approve\","
               "\"permitted\":true,\"required_permissions\":[\"m.approve\"],\"to\":\"APPROVED\"},"
               "{\"allowed\":false,\"final\":false,\"messages\":[\"only bob\"],"
               "\"name\":\"approve_large\",\"permitted\":false,\"required_permissions\":[],"
               "\"to\":\"APPROVED\"}]");
    check_json(fixture, shown(fixture, "APPROVED", "{}", &actor), "[]");
    check_json(fixture, shown(fixture, "GONE", "{}", &actor), "[]");
}

static void guards_and_requirements_say_why_not(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'A', states = {\n"
                 "  A = { to = { B = { guard = function() return false, 'no' end } } },\n"
                 "  B = { require = function(d) return d.x ~= nil, 'x is missing' end } } }");
    check_json(fixture, shown(fixture, "A", "{}", NULL),
               "[{\"allowed\":false,\"final\":false,\"messages\":[\"no\",\"x is missing\"],"
               "\"name\":null,\"permitted\":true,\"required_permissions\":[],\"to\":\"B\"}]");
}

static void a_choice_is_shown_with_the_state_it_leads_to_now(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = holder(fixture, "[\"m.small\"]");
    fixture_load_source(fixture, choices);
    const struct js *ways = shown(fixture, "NEW", "{\"amount\":5}", &actor);
    assert_int_equal(ways->array.count, 3);
    check_json(fixture, ways->array.items[2],
               "{\"allowed\":true,\"final\":false,\"messages\":[],\"name\":\"review\","
               "\"permitted\":true,\"required_permissions\":[\"m.small\"],\"to\":\"SMALL\"}");
    ways = shown(fixture, "NEW", "{\"amount\":0}", &actor);
    assert_ptr_equal(js_find(ways->array.items[2], TEXT("allowed")), &js_false);
    assert_ptr_equal(js_find(ways->array.items[2], TEXT("to")), &js_null);
}

static void what_fails_is_one_transition_that_is_not_allowed(void **state) {
    struct fixture *fixture = *state;
    struct actor actor = {.id = TEXT("ann")};
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'A', states = { B = {}, C = {}, D = {},\n"
                        "  A = { to = { B = { permit = function(a, d) return d.x.y end },\n"
                        "               C = { guard = function(d) while true do end end },\n"
                        "               D = true } } } }");
    const struct js *ways = shown(fixture, "A", "{}", &actor);
    assert_int_equal(ways->array.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct js *allowed = js_find(ways->array.items[i], TEXT("allowed"));
        assert_ptr_equal(allowed, i == 2 ? &js_true : &js_false);
    }
    const struct js *first = ways->array.items[0], *second = ways->array.items[1];
    assert_ptr_equal(js_find(first, TEXT("permitted")), &js_false);
    assert_ptr_equal(js_find(second, TEXT("permitted")), &js_true);
    check_says(fixture, js_text(js_find(first, TEXT("messages"))->array.items[0]), "test.lua:2");
    check_says(fixture, js_text(js_find(second, TEXT("messages"))->array.items[0]), "over budget");
}

static void without_an_actor_nothing_that_asks_permission_is_permitted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, verbs);
    const struct js *ways = shown(fixture, "NEW", "{}", NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_ptr_equal(js_find(ways->array.items[i], TEXT("permitted")), &js_false);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(a_transition_of_any_state_is_one_of_each),
        fixture_test(
            a_transition_of_any_state_is_none_of_the_target_the_final_and_those_with_their_own),
        fixture_test(the_machine_shows_where_a_transition_comes_from),
        fixture_test(each_verb_has_its_own_permit_and_effect),
        fixture_test(by_state_the_first_verb_that_is_permitted_is_taken),
        fixture_test(an_effect_prefers_what_is_internal),
        fixture_test(what_is_internal_no_request_takes),
        fixture_test(a_choice_leads_where_its_function_says),
        fixture_test(the_chosen_transitions_permit_and_guard_hold),
        fixture_test(a_choice_that_is_none_of_the_targets_is_a_policy_error),
        fixture_test(a_choice_sees_the_patch_and_bad_data_are_the_clients),
        fixture_test(transitions_are_shown_as_the_actor_may_take_them),
        fixture_test(guards_and_requirements_say_why_not),
        fixture_test(a_choice_is_shown_with_the_state_it_leads_to_now),
        fixture_test(what_fails_is_one_transition_that_is_not_allowed),
        fixture_test(without_an_actor_nothing_that_asks_permission_is_permitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
