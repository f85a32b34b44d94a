/* Effects and timers. */
#include "unit/policy/fixture.h"

/* A machine whose way A -> B has these keys, B these, A's on_exit this. */
static void load(struct fixture *fixture, const char *exit, const char *way, const char *enter) {
    const char *source = text_cstring(
        &fixture->arena,
        text_print(
            &fixture->arena,
            "return { machine 'm' { initial = 'A',\n"
            "  fields = { n = { type = 'integer', max = 10 }, at = 'datetime', tags = 'array' },\n"
            "  states = { A = { on_exit = %s, to = { B = { effect = %s } } },\n"
            "             B = { on_enter = %s } } },\n"
            " machine 'task' { initial = 'OPEN', states = { OPEN = { to = { DONE = { name = "
            "'finish' } } },\n"
            "   DONE = {} } } }",
            exit, way, enter));
    if (fixture->generation != NULL) {
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
    fixture_load_source(fixture, source);
}

static void effects_run_in_order_and_see_each_others_data(void **state) {
    struct fixture *fixture = *state;
    load(fixture, "function(d) return { set = { log = 'exit', n = d.n + 1 } } end",
         "{ function(d) return { set = { log = d.log .. ' way', n = d.n + 1 }, unset = { 'old' } } "
         "end,\n"
         "  function(d) return { set = { log = d.log .. (d.old or ' gone') } } end }",
         "function(d) return { set = { log = d.log .. ' enter' } } end");
    struct decision decision = fixture_move(fixture, "A", "B", "{\"n\":1,\"old\":1}", NULL);
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"log\":\"exit way gone enter\",\"n\":3}");
}

static void set_and_unset_apply_in_this_order(void **state) {
    struct fixture *fixture = *state;
    load(fixture, "nil",
         "function() return { unset = { 'a', 'c' }, set = { a = 1, b = { x = 1 } } } end", "nil");
    struct decision decision = fixture_move(fixture, "A", "B", "{\"b\":{\"y\":2}}", NULL);
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"b\":{\"x\":1}}");
}

static void what_effects_set_is_put_into_the_fields_terms(void **state) {
    struct fixture *fixture = *state;
    load(fixture, "nil",
         "function(_, ctx) return { set = { at = ctx.now, n = 8 / 2, tags = {}, f = 8 / 2 } } end",
         "nil");
    struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
    check_allowed(decision);
    check_json(fixture, decision.data,
               "{\"at\":\"2025-10-01T03:30:00Z\",\"f\":4,\"n\":4,\"tags\":[]}");
}

static void requests_of_all_effects_are_joined(void **state) {
    struct fixture *fixture = *state;
    load(fixture, "function() return { emit = { { type = 'left' } } } end",
         "function() return { emit = { { type = 'went', data = { a = 1 } } },\n"
         "  follow = { { machine = 'task', id = 't1', to = 'DONE', comments = 'c' },\n"
         "             { machine = 'task', id = 't2', transition = 'finish', metadata = {}, data = "
         "{ x = 1 } } } } end",
         "function() return { create = { { machine = 'task' }, { machine = 'task', id = 't3', data "
         "= { y = 1 } } },\n"
         "  emit = { { type = 'came', data = 'text' } } } end");
    struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
    check_allowed(decision);
    check_json(fixture, decision.emit,
               "[{\"type\":\"left\"},{\"data\":{\"a\":1},\"type\":\"went\"},{\"data\":\"text\","
               "\"type\":\"came\"}]");
    check_json(fixture, decision.follow,
               "[{\"comments\":\"c\",\"id\":\"t1\",\"machine\":\"task\",\"to\":\"DONE\"},"
               "{\"data\":{\"x\":1},\"id\":\"t2\",\"machine\":\"task\",\"metadata\":{},"
               "\"transition\":\"finish\"}]");
    check_json(fixture, decision.create,
               "[{\"machine\":\"task\"},{\"data\":{\"y\":1},\"id\":\"t3\",\"machine\":\"task\"}]");
}

static void effects_may_be_empty(void **state) {
    struct fixture *fixture = *state;
    load(fixture, "function() end", "function() return {} end",
         "function() return { set = {}, unset = {}, emit = {}, follow = {}, create = {} } end");
    struct decision decision = fixture_move(fixture, "A", "B", "{\"a\":1}", NULL);
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"a\":1}");
    assert_null(decision.emit);
}

struct wrong {
    const char *answer, *message;
};

static void effects_of_a_wrong_shape_are_policy_errors(void **state) {
    struct fixture *fixture = *state;
    static const struct wrong wrongs[] = {
        {"5", "the effect of the transition to 'B' must return a table of effects or nil, not an "
              "integer"},
        {"{ sett = {} }",
         "the key 'sett' is not one of set, unset, emit, follow, create; did you mean 'set'?"},
        {"{ 'set' }", "must return a table of effects or nil, not an array"},
        {"{ set = 5 }", "the effect of the transition to 'B': set: it must be a table"},
        {"{ set = { f = prnt } }", NULL},
        {"{ set = { n = 11 } }",
         "the effects leave data that the fields refuse: n must be at most 10"},
        {"{ set = { at = 'soon' } }", "the fields refuse: at must be an RFC 3339"},
        {"{ set = { x = function() end } }", "gave what cannot be stored"},
        {"{ unset = 'a' }", "unset: it must be a list of field names"},
        {"{ unset = { 5 } }", "unset: it must be a list of field names"},
        {"{ emit = { type = 'x' } }", "emit: it must be a list of tables"},
        {"{ emit = { { data = 1 } } }", "emit[1]: 'type' is missing"},
        {"{ emit = { { type = '' } } }", "emit[1]: 'type' must have 1 to 200 characters"},
        {"{ emit = { { type = 'x', dta = 1 } } }",
         "emit[1]: the key 'dta' is unknown; did you mean 'data'?"},
        {"{ emit = { 'x' } }", "emit[1]: it must be a table { type = '...', data = {...} }"},
        {"{ follow = { { id = 'x', to = 'DONE' } } }", "follow[1]: 'machine' is missing"},
        {"{ follow = { { machine = 'task', to = 'DONE' } } }", "follow[1]: 'id' is missing"},
        {"{ follow = { { machine = 'task', id = 'x' } } }",
         "follow[1]: it needs either 'to' or 'transition'"},
        {"{ follow = { { machine = 'task', id = 'x', to = 'DONE', transition = 'finish' } } }",
         "follow[1]: it needs either 'to' or 'transition'"},
        {"{ follow = { { machine = 'tsk', id = 'x', to = 'DONE' } } }",
         "follow[1]: there is no machine 'tsk'; did you mean 'task'?"},
        {"{ follow = { { machine = 'task', id = 'x', to = 'DNE' } } }",
         "follow[1]: task has no state 'DNE'; did you mean 'DONE'?"},
        {"{ follow = { { machine = 'task', id = 'x', transition = 'fin' } } }",
         "follow[1]: task has no transition 'fin'"},
        {"{ follow = { { machine = 'task', id = 5, to = 'DONE' } } }",
         "'id' must be a string, not an integer"},
        {"{ follow = { { machine = 'task', id = '', to = 'DONE' } } }",
         "'id' must be 1 to 200 bytes"},
        {"{ create = { {} } }", "create[1]: 'machine' is missing"},
        {"{ create = { { machine = 'x' } } }", "create[1]: there is no machine 'x'"},
        {"{ create = { { machine = 'task', data = 5 } } }",
         "'data' must be a table, not an integer"},
        {"{ create = { { machine = 'task', to = 'DONE' } } }",
         "create[1]: the key 'to' is unknown"},
    };
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        load(fixture, "nil",
             text_cstring(&fixture->arena, text_print(&fixture->arena, "function() return %s end",
                                                      wrongs[i].answer)),
             "nil");
        struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
        check_refused(decision, FAULT_POLICY_ERROR);
        check_says(fixture, decision.message, "the policy of 'm' failed: ");
        if (wrongs[i].message != NULL) {
            check_says(fixture, decision.message, wrongs[i].message);
        }
        assert_null(decision.data);
        assert_null(decision.emit);
    }
}

/* --- timers --- */

static const char timers[] =
    "return machine 'm' { initial = 'A', states = {\n"
    "  A = { to = { B = true }, after = { delay = '30d', to = 'C' } },\n"
    "  B = { to = { B = true },\n"
    "        on_enter = function() return { set = { due = '2h' } } end,\n"
    "        after = { { delay = '24h', to = 'C', reason = 'timer', comments = 'late' },\n"
    "                  { delay = function(d) return d.due end, to = 'D' },\n"
    "                  { delay = function(_, ctx) return ctx.now + 5 end, to = 'D' },\n"
    "                  { delay = function() return '2025-10-02T00:00:00Z' end, to = 'D' },\n"
    "                  { delay = function() return nil end, to = 'D' } } },\n"
    "  C = { require = function(_, ctx) return ctx.comments ~= nil, 'why?' end, final = true },\n"
    "  D = { after = { delay = function(d) return d.bad end, to = 'A' } } } }\n";

static void entering_a_state_arms_its_timers(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, timers);
    struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
    check_allowed(decision);
    assert_true(decision.timers_changed);
    assert_int_equal(decision.timer_count, 4);
    assert_int_equal(decision.timers[0].due_us - FIXTURE_NOW_US, 24 * 3600 * NOW_SECOND);
    check_text(decision.timers[0].to, "C");
    check_text(decision.timers[0].reason, "timer");
    check_text(decision.timers[0].comments, "late");
    assert_int_equal(decision.timers[1].due_us - FIXTURE_NOW_US, 2 * 3600 * NOW_SECOND);
    assert_int_equal(decision.timers[2].due_us - FIXTURE_NOW_US, 5);
    assert_int_equal(decision.timers[3].due_us, INT64_C(1759363200000000));
    assert_false(text_given(decision.timers[3].comments));
}

static void a_delay_that_is_none_is_a_policy_error(void **state) {
    struct fixture *fixture = *state;
    static const char *const bad[] = {"\"soon\"", "true", "{\"a\":1}", "1.5"};
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'A', states = { A = { to = { B = true } },\n"
                 "  B = { after = { delay = function(d) return d.bad end, to = 'A' } } } }");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *data =
            text_cstring(&fixture->arena, text_print(&fixture->arena, "{\"bad\":%s}", bad[i]));
        struct decision decision = fixture_move(fixture, "A", "B", data, NULL);
        check_refused(decision, FAULT_POLICY_ERROR);
        check_says(fixture, decision.message, "a timer's delay must be a duration or an instant");
    }
    check_allowed(fixture_move(fixture, "A", "B", "{}", NULL));
}

static struct attempt fired(const char *reason) {
    struct attempt attempt = fixture_attempt("C");
    attempt.reason = text_of(reason);
    attempt.skip_permissions = true;
    attempt.by_engine = true;
    return attempt;
}

static void a_timer_is_a_way_for_the_engine(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, timers);
    struct entity entity = fixture_entity(fixture, "B", "{}");
    struct attempt attempt = fired("timer");
    attempt.comments = TEXT("late");
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_allowed(decision);
    check_text(decision.to, "C");
    attempt.comments = TEXT_NONE;
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_GUARD_REJECTED);
    attempt = fired("system_auto");
    entity = fixture_entity(fixture, "A", "{}");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_GUARD_REJECTED);
}

static void a_timer_is_no_way_for_anybody_else(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, timers);
    struct entity entity = fixture_entity(fixture, "B", "{}");
    check_refused(fixture_move(fixture, "B", "C", "{}", NULL), FAULT_INVALID_TRANSITION);
    struct attempt attempt = fired("user_action");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_INVALID_TRANSITION);
    attempt = fired("timer");
    attempt.caused_by = TEXT("another attempt");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_INVALID_TRANSITION);
    attempt = fired("timer");
    attempt.by_engine = false;
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_json(fixture, decision.allowed, "[\"B\"]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(effects_run_in_order_and_see_each_others_data),
        fixture_test(set_and_unset_apply_in_this_order),
        fixture_test(what_effects_set_is_put_into_the_fields_terms),
        fixture_test(requests_of_all_effects_are_joined),
        fixture_test(effects_may_be_empty),
        fixture_test(effects_of_a_wrong_shape_are_policy_errors),
        fixture_test(entering_a_state_arms_its_timers),
        fixture_test(a_delay_that_is_none_is_a_policy_error),
        fixture_test(a_timer_is_a_way_for_the_engine),
        fixture_test(a_timer_is_no_way_for_anybody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
