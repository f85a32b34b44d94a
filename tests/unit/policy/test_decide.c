/* Decisions: every rule of engine/policy/decide.c. Fields and effects have files of their own. */
#include "unit/policy/fixture.h"

static const char plain[] =
    "return machine 'm' { initial = 'NEW', states = {\n"
    "  NEW = { to = { OPEN = { name = 'open' }, DONE = { name = 'finish' } } },\n"
    "  OPEN = { to = { DONE = { name = 'finish' }, OPEN = { name = 'again' } } },\n"
    "  DONE = { final = true } } }\n";

/* --- ways --- */

static void a_declared_way_is_allowed(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_move(fixture, "NEW", "OPEN", "{\"a\":1}", NULL);
    check_allowed(decision);
    check_text(decision.from, "NEW");
    check_text(decision.to, "OPEN");
    assert_true(decision.changed && decision.timers_changed);
    check_json(fixture, decision.data, "{\"a\":1}");
    check_json(fixture, decision.warnings, "[]");
    assert_null(decision.emit);
    assert_null(decision.follow);
    assert_null(decision.create);
    assert_int_equal(decision.timer_count, 0);
}

static void a_way_that_is_not_declared_is_an_invalid_transition(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_move(fixture, "OPEN", "NEW", "{}", NULL);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_text(decision.message, "m cannot go from 'OPEN' to 'NEW', only to 'DONE', 'OPEN'");
    check_json(fixture, decision.allowed, "[\"DONE\",\"OPEN\"]");
    check_text(decision.from, "OPEN");
    assert_false(text_given(decision.to));
}

static void a_final_state_has_no_way_out(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_move(fixture, "DONE", "NEW", "{}", NULL);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_says(fixture, decision.message, "'DONE' has no transitions");
    check_json(fixture, decision.allowed, "[]");
}

static void an_unknown_state_is_an_invalid_transition_with_a_hint(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_move(fixture, "NEW", "OPNE", "{}", NULL);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_text(decision.message, "m has no state 'OPNE'; did you mean 'OPEN'?");
    check_json(fixture, decision.allowed, "[\"DONE\",\"OPEN\"]");
}

static struct decision by_verb(struct fixture *fixture, const char *from, const char *verb,
                               bool idempotent) {
    struct attempt attempt = fixture_attempt(NULL);
    struct entity entity = fixture_entity(fixture, from, "{}");
    attempt.verb = text_of(verb);
    attempt.idempotent = idempotent;
    return fixture_decide(fixture, &attempt, &entity);
}

static void a_verb_names_the_way(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = by_verb(fixture, "NEW", "finish", false);
    check_allowed(decision);
    check_text(decision.to, "DONE");
}

static void an_unknown_verb_is_an_invalid_transition_with_a_hint(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = by_verb(fixture, "NEW", "finsh", false);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_text(decision.message, "m has no transition 'finsh' from 'NEW'; did you mean 'finish'?");
    check_refused(by_verb(fixture, "DONE", "finish", false), FAULT_INVALID_TRANSITION);
}

static void to_the_same_state_only_where_declared(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_move(fixture, "OPEN", "OPEN", "{}", NULL);
    check_allowed(decision);
    assert_true(decision.changed);
    check_refused(fixture_move(fixture, "NEW", "NEW", "{}", NULL), FAULT_INVALID_TRANSITION);
}

static void a_state_that_the_machine_has_no_more_has_no_way_out(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_move(fixture, "GONE", "OPEN", "{}", NULL);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_text(decision.message, "m has no state 'GONE' any more");
    check_json(fixture, decision.allowed, "[]");
    check_allowed(fixture_update(fixture, "GONE", "{}", "{\"a\":1}"));
}

static void an_unknown_machine_is_refused(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return machine 'task' { initial = 'X', states = { X = {} } }");
    struct attempt attempt = fixture_attempt("X");
    struct entity entity = fixture_entity(fixture, "X", "{}");
    attempt.machine = TEXT("tsak");
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_refused(decision, FAULT_UNKNOWN_MACHINE);
    check_text(decision.message, "no machine 'tsak' is loaded; did you mean 'task'?");
}

/* --- idempotence --- */

static void idempotent_and_there_already_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'A', states = {\n"
                        "  A = { to = { B = { permit = 'x', name = 'go' } } },\n"
                        "  B = { on_enter = function() error('no') end, final = true } } }");
    struct attempt attempt = fixture_attempt("B");
    struct entity entity = fixture_entity(fixture, "B", "{\"a\":1}");
    attempt.idempotent = true;
    attempt.patch = fixture_json(fixture, "{\"a\":2}");
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_allowed(decision);
    assert_false(decision.changed || decision.timers_changed);
    check_text(decision.from, "B");
    check_text(decision.to, "B");
    check_json(fixture, decision.data, "{\"a\":1}");
    check_json(fixture, decision.warnings, "[]");
    attempt.idempotent = false;
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_INVALID_TRANSITION);
}

static void a_verb_is_idempotent_where_it_leads(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = by_verb(fixture, "DONE", "finish", true);
    check_allowed(decision);
    assert_false(decision.changed);
    check_refused(by_verb(fixture, "DONE", "open", true), FAULT_INVALID_TRANSITION);
}

/* --- permissions --- */

static const char permits[] = "return { machine 'm' { initial = 'A', states = {\n"
                              "  A = { to = { B = { permit = { 'm.b', 'm.x' } },\n"
                              "               C = { permit = function(actor, data, ctx)\n"
                              "                       return actor.id == data.owner, 'only ' .. "
                              "data.owner .. ' from ' .. ctx.from end },\n"
                              "               D = { permit = function() return 1 end } } },\n"
                              "  B = {}, C = {}, D = {} } },\n"
                              "  roles { boss = { 'm.*' }, half = { 'm.b' } } }\n";

static struct decision as(struct fixture *fixture, const char *to, const struct actor *actor) {
    struct attempt attempt = fixture_attempt(to);
    struct entity entity = fixture_entity(fixture, "A", "{\"owner\":\"ann\"}");
    attempt.actor = actor;
    return fixture_decide(fixture, &attempt, &entity);
}

static void nobody_is_never_permitted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, permits);
    struct decision decision = as(fixture, "B", NULL);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_says(fixture, decision.message, "the request has no actor");
    check_json(fixture, decision.required_permissions, "[\"m.b\",\"m.x\"]");
    check_json(fixture, decision.missing_permissions, "[\"m.b\",\"m.x\"]");
    check_text(decision.to, "B");
    decision = as(fixture, "C", NULL);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_json(fixture, decision.required_permissions, "[]");
}

static void all_permissions_of_a_list_are_needed(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, permits);
    struct actor actor = {.id = TEXT("bob"), .roles = fixture_json(fixture, "[\"half\",\"no\"]")};
    struct decision decision = as(fixture, "B", &actor);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_text(decision.message, "'bob' may not go from 'A' to 'B': it needs 'm.x'");
    check_json(fixture, decision.missing_permissions, "[\"m.x\"]");
    actor.permissions = fixture_json(fixture, "[\"m.x\"]");
    check_allowed(as(fixture, "B", &actor));
    actor = (struct actor){.id = TEXT("eve"), .roles = fixture_json(fixture, "[\"boss\"]")};
    check_allowed(as(fixture, "B", &actor));
}

static void a_permit_function_decides_and_explains(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, permits);
    struct actor actor = {.id = TEXT("ann")};
    check_allowed(as(fixture, "C", &actor));
    actor.id = TEXT("bob");
    struct decision decision = as(fixture, "C", &actor);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_text(decision.message, "only ann from A");
    check_json(fixture, decision.required_permissions, "[]");
    check_json(fixture, decision.missing_permissions, "[]");
    decision = as(fixture, "D", &actor);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_says(fixture, decision.message, "only true allows");
}

static void a_permit_function_does_not_believe_the_patch(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, permits);
    struct actor actor = {.id = TEXT("bob")};
    struct attempt attempt = fixture_attempt("C");
    struct entity entity = fixture_entity(fixture, "A", "{\"owner\":\"ann\"}");
    attempt.actor = &actor;
    attempt.patch = fixture_json(fixture, "{\"owner\":\"bob\"}");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_PERMISSION_DENIED);
}

static void skipped_permissions_are_not_asked(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, permits);
    struct attempt attempt = fixture_attempt("B");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    attempt.skip_permissions = true;
    check_allowed(fixture_decide(fixture, &attempt, &entity));
    attempt.to = TEXT("C");
    check_allowed(fixture_decide(fixture, &attempt, &entity));
}

/* --- guards --- */

static void only_true_allows(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *answer, *message;
    } cases[] = {
        {"true", NULL},
        {"nil", "the guard of the transition to 'B' refused and gave no message"},
        {"false, 'not now'", "not now"},
        {"nil, 'not yet'", "not yet"},
        {"", "the guard of the transition to 'B' refused and gave no message"},
        {"1", "the guard of the transition to 'B' returned a number; only true allows"},
        {"'no comments'", "the guard of the transition to 'B' returned a string; only true allows"},
        {"{}, 'x'", "the guard of the transition to 'B' returned a table; only true allows"},
        {"false, {}", "the guard of the transition to 'B' refused and gave no message"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_load_source(
            fixture,
            text_cstring(&fixture->arena,
                         text_print(&fixture->arena,
                                    "return machine 'm' { initial = 'A', states = { A = { to = "
                                    "{ B = { guard = function() return %s end } } }, B = {} } }",
                                    cases[i].answer)));
        struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
        check_refused(decision, cases[i].message == NULL ? FAULT_NONE : FAULT_GUARD_REJECTED);
        if (cases[i].message != NULL) {
            check_text(decision.message, cases[i].message);
        }
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
}

static void all_refusals_are_reported_in_order(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture,
                        "local function no(what) return function() return false, what end end\n"
                        "local function yes() return true end\n"
                        "return machine 'm' { initial = 'A', states = {\n"
                        "  A = { to = { B = { guard = { no 'one', yes, no 'two' } } } },\n"
                        "  B = { require = { yes, no 'three' } } } }");
    struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
    check_refused(decision, FAULT_GUARD_REJECTED);
    check_json(fixture, decision.messages, "[\"one\",\"two\",\"three\"]");
    check_text(decision.message, "one; two; three");
    check_text(decision.to, "B");
}

static void a_guard_sees_the_data_with_the_patch_merged_in(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
        "  guard = function(data) return data.a == 1 and data.b == nil and data.c.d == 2 and\n"
        "    data.c.e == 3, 'bad' end } } } } }");
    struct decision decision = fixture_move(fixture, "A", "B", "{\"a\":1,\"b\":2,\"c\":{\"e\":3}}",
                                            "{\"b\":null,\"c\":{\"d\":2}}");
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"a\":1,\"c\":{\"d\":2,\"e\":3}}");
}

static void what_a_guard_scribbles_is_not_stored(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
        "  guard = function(data) data.a = 9; data.list[1] = 9; return true end } } } } }");
    struct decision decision = fixture_move(fixture, "A", "B", "{\"a\":1,\"list\":[1]}", NULL);
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"a\":1,\"list\":[1]}");
}

/* Every function of an attempt writes all over its arguments, and none sees what another wrote. */
static void each_function_gets_data_and_ctx_of_its_own(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "local function clean(data, ctx)\n"
        "  local ok = data.a == 1 and data.list[1] == 1 and not data.x and not ctx.x\n"
        "    and ctx.to == 'B' and ctx.patch.a == 1 and ctx.metadata.k == 'v'\n"
        "    and ctx.actor.id == 'bob' and ctx.actor.roles[1] == 'r'\n"
        "  data.a, data.list[1], data.x, ctx.x, ctx.to = 9, 9, 9, 9, 'Z'\n"
        "  ctx.patch.a, ctx.metadata.k, ctx.actor.id, ctx.actor.roles[1] = 9, 'w', 'eve', 's'\n"
        "  return ok\n"
        "end\n"
        "local function guard(data, ctx) return clean(data, ctx), 'not clean' end\n"
        "local function effect(data, ctx) assert(clean(data, ctx)) end\n"
        "return machine 'm' { initial = 'A',\n"
        "  validate = effect,\n"
        "  warn = effect,\n"
        "  states = {\n"
        "    A = { on_exit = effect, to = { B = {\n"
        "      permit = function(actor, data, ctx)\n"
        "        assert(actor == ctx.actor)\n"
        "        return clean(data, ctx)\n"
        "      end,\n"
        "      guard = { guard, guard }, effect = effect } } },\n"
        "    B = { require = { guard, guard }, on_enter = effect, after = { to = 'A',\n"
        "      delay = function(data, ctx) return clean(data, ctx) and '1h' end } } } }");
    struct actor actor = {.id = TEXT("bob"), .roles = fixture_json(fixture, "[\"r\"]")};
    struct attempt attempt = fixture_attempt("B");
    struct entity entity = fixture_entity(fixture, "A", "{\"a\":1,\"list\":[1]}");
    attempt.actor = &actor;
    attempt.patch = fixture_json(fixture, "{\"a\":1}");
    attempt.metadata = fixture_json(fixture, "{\"k\":\"v\"}");
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_allowed(decision);
    assert_int_equal(decision.timer_count, 1);
    check_json(fixture, decision.data, "{\"a\":1,\"list\":[1]}");
}

static void each_permit_function_of_a_survey_gets_data_of_its_own(void **state) {
    struct fixture *fixture = *state;
    const struct js *ways;
    fixture_load_source(fixture,
                        "local function permit(actor, data)\n"
                        "  local ok = actor.id == 'bob' and not data.x\n"
                        "  actor.id, data.x = 'eve', 1\n"
                        "  return ok\n"
                        "end\n"
                        "return machine 'm' { initial = 'A', states = { B = {}, C = {},\n"
                        "  A = { to = { B = { permit = permit }, C = { permit = permit } } } } }");
    struct actor actor = {.id = TEXT("bob")};
    struct entity entity = fixture_entity(fixture, "A", "{}");
    assert_true(policy_ways((struct policy){fixture->generation, 0}, &fixture->arena, &entity,
                            &actor, 0, &fixture->reads, &ways, &fixture->fault));
    for (size_t i = 0; i < 2; i++) {
        assert_ptr_equal(js_find(ways->array.items[i], TEXT("permitted")), &js_true);
    }
}

static void ctx_has_what_the_contract_says(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "local seen = {}\n"
        "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
        "  effect = function(data, ctx) return { set = { seen = {\n"
        "    now = ctx.now, actor = ctx.actor, reason = ctx.reason, comments = ctx.comments,\n"
        "    metadata = ctx.metadata, from = ctx.from, to = ctx.to, id = ctx.id, version = "
        "ctx.version,\n"
        "    machine = ctx.machine, patch = ctx.patch, dry_run = ctx.dry_run } } } end } } } } }");
    struct actor actor = {.id = TEXT("u"),
                          .roles = fixture_json(fixture, "[\"r\"]"),
                          .permissions = fixture_json(fixture, "[]"),
                          .attributes = fixture_json(fixture, "{\"site\":1}")};
    struct attempt attempt = fixture_attempt("B");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    attempt.actor = &actor;
    attempt.comments = TEXT("hi");
    attempt.metadata = fixture_json(fixture, "{\"k\":[]}");
    attempt.patch = fixture_json(fixture, "{\"p\":1}");
    attempt.dry_run = true;
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_allowed(decision);
    check_json(
        fixture, js_find(decision.data, TEXT("seen")),
        "{\"actor\":{\"attributes\":{\"site\":1},\"id\":\"u\",\"permissions\":[],\"roles\":[\"r\"]}"
        ","
        "\"comments\":\"hi\",\"dry_run\":true,\"from\":\"A\",\"id\":\"e1\",\"machine\":\"m\","
        "\"metadata\":{\"k\":[]},\"now\":1759289400000000,\"patch\":{\"p\":1},"
        "\"reason\":\"user_action\",\"to\":\"B\",\"version\":3}");
}

static void what_was_not_sent_is_nil_or_empty_in_ctx(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
                 "  guard = function(_, ctx) return ctx.actor == nil and ctx.comments == nil and\n"
                 "    ctx.metadata.x == nil and ctx.patch.x == nil, 'bad' end } } } } }");
    check_allowed(fixture_move(fixture, "A", "B", "{}", NULL));
}

static void ctx_can_be_walked_but_its_methods_do_not_show(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
                 "  guard = function(_, ctx) local keys = {}\n"
                 "    for key in pairs(ctx) do keys[#keys + 1] = key end\n"
                 "    return false, table.concat(keys, ' ') end } } } } }");
    struct decision decision = fixture_move(fixture, "A", "B", "{}", NULL);
    check_text(decision.message, "dry_run from id machine metadata now patch reason to version");
}

static void constructors_do_no_harm_while_deciding(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
        "  guard = function() machine 'x' { initial = 'Q' } roles {} return true end } } } } }");
    for (int i = 0; i < 10; i++) {
        check_allowed(fixture_move(fixture, "A", "B", "{}", NULL));
    }
    assert_int_equal(generation_machine_count(fixture->generation), 1);
}

/* --- create --- */

static const char fields[] =
    "return machine 'm' { initial = 'A', strict = true,\n"
    "  fields = { n = { type = 'integer', required = true }, p = { type = 'string', default = 'x' "
    "} },\n"
    "  states = { A = { require = function() return false, 'never' end,\n"
    "                   on_enter = function(_, ctx) return { emit = { { type = 'made', data = {\n"
    "                     from = ctx.from or 'nil', to = ctx.to, version = ctx.version } } } } "
    "end,\n"
    "                   after = { delay = '1h', to = 'B', comments = 'late' } },\n"
    "             B = {} } }\n";

static void a_creation_enters_the_initial_state_unasked(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, fields);
    struct decision decision = fixture_create(fixture, "{\"n\":1,\"gone\":null}");
    check_allowed(decision);
    assert_false(text_given(decision.from));
    check_text(decision.to, "A");
    assert_true(decision.changed && decision.timers_changed);
    check_json(fixture, decision.data, "{\"n\":1,\"p\":\"x\"}");
    check_json(fixture, decision.emit,
               "[{\"data\":{\"from\":\"nil\",\"to\":\"A\",\"version\":0},\"type\":\"made\"}]");
    assert_int_equal(decision.timer_count, 1);
    assert_int_equal(decision.timers[0].due_us, FIXTURE_NOW_US + 3600 * NOW_SECOND);
    check_text(decision.timers[0].to, "B");
    check_text(decision.timers[0].reason, "system_auto");
    check_text(decision.timers[0].comments, "late");
}

static void a_creation_checks_its_fields(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, fields);
    struct decision decision = fixture_create(fixture, "{\"m\":1}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors, "{\"m\":\"is not a field of m\",\"n\":\"is required\"}");
    check_text(decision.message, "the data is not valid: m is not a field of m; n is required");
    check_refused(fixture_create(fixture, NULL), FAULT_VALIDATION_FAILED);
}

static void an_import_may_begin_in_any_state(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, fields);
    struct attempt attempt = {.kind = ATTEMPT_CREATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e"),
                              .to = TEXT("B"),
                              .patch = fixture_json(fixture, "{\"n\":1}")};
    struct entity entity = {.machine = TEXT("m"), .id = TEXT("e")};
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    check_allowed(decision);
    check_text(decision.to, "B");
    assert_null(decision.emit);
    attempt.to = TEXT("BB");
    decision = fixture_decide(fixture, &attempt, &entity);
    check_refused(decision, FAULT_INVALID_TRANSITION);
    check_says(fixture, decision.message, "m has no state 'BB'; did you mean");
}

/* --- update --- */

static void an_update_that_changes_nothing_says_so(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, plain);
    struct decision decision = fixture_update(fixture, "OPEN", "{\"a\":1}", "{\"a\":1,\"b\":null}");
    check_allowed(decision);
    assert_false(decision.changed || decision.timers_changed);
    decision = fixture_update(fixture, "OPEN", "{\"a\":1}", "{\"a\":2}");
    check_allowed(decision);
    assert_true(decision.changed);
    assert_false(decision.timers_changed);
    check_json(fixture, decision.data, "{\"a\":2}");
    check_text(decision.from, "OPEN");
    check_text(decision.to, "OPEN");
}

static void defaults_hold_for_entities_of_before_too(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, fields);
    struct decision decision = fixture_update(fixture, "A", "{\"n\":1}", "{\"n\":2}");
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"n\":2}");
    decision = fixture_update(fixture, "A", "{\"n\":1}", "{\"n\":2,\"p\":\"x\"}");
    check_json(fixture, decision.data, "{\"n\":2,\"p\":\"x\"}");
    decision = fixture_update(fixture, "A", "{\"n\":1}", "{\"n\":1}");
    check_allowed(decision);
    assert_false(decision.changed);
}

static void a_required_field_cannot_be_deleted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, fields);
    struct decision decision = fixture_update(fixture, "A", "{\"n\":1}", "{\"n\":null}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors, "{\"n\":\"is required\"}");
    check_text(decision.to, "A");
}

/* --- prepare, validate, warn --- */

static const char prepares[] =
    "return machine 'm' { initial = 'A',\n"
    "  fields = { name = { type = 'string', required = true }, at = 'datetime', n = 'integer', "
    "tags = 'array' },\n"
    "  prepare = function(data, ctx)\n"
    "    data.name = data.name and data.name:upper()\n"
    "    data.by = ctx.reason\n"
    "    if data.kind == 'policy' then data.at = ctx.now; data.n = 6 / 2; data.tags = {} end\n"
    "    if data.kind == 'nil' then return nil end\n"
    "    if data.kind == 'function' then data.f = function() end end\n"
    "    if data.kind == 'error' then error('oh no') end\n"
    "    return data end,\n"
    "  validate = function(data)\n"
    "    if data.kind == 'wrong' then return 5 end\n"
    "    if data.kind == 'wrong2' then return { name = 5 } end\n"
    "    if data.name:sub(1, 1) == 'X' then return { name = 'no X', other = 'because of X' } end "
    "end,\n"
    "  warn = function(data)\n"
    "    if data.kind == 'one' then return 'careful' end\n"
    "    if data.kind == 'two' then return { 'a', 'b' } end\n"
    "    if data.kind == 'badwarn' then return 5 end end,\n"
    "  states = { A = { to = { B = true } }, B = {} } }\n";

static void prepare_runs_on_create_update_and_patched_transitions(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision = fixture_create(fixture, "{\"name\":\"ann\"}");
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"by\":\"user_action\",\"name\":\"ANN\"}");
    decision = fixture_update(fixture, "A", "{\"name\":\"ann\"}", "{}");
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"by\":\"user_action\",\"name\":\"ANN\"}");
    assert_true(decision.changed);
    decision = fixture_move(fixture, "A", "B", "{\"name\":\"ann\"}", "{\"z\":1}");
    check_json(fixture, decision.data, "{\"by\":\"user_action\",\"name\":\"ANN\",\"z\":1}");
    decision = fixture_move(fixture, "A", "B", "{\"name\":\"ann\"}", NULL);
    check_json(fixture, decision.data, "{\"name\":\"ann\"}");
}

static void what_prepare_writes_is_put_into_the_fields_terms(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision = fixture_create(fixture, "{\"name\":\"ann\",\"kind\":\"policy\"}");
    check_allowed(decision);
    check_json(
        fixture, decision.data,
        "{\"at\":\"2025-10-01T03:30:00Z\",\"by\":\"user_action\",\"kind\":\"policy\",\"n\":3,"
        "\"name\":\"ANN\",\"tags\":[]}");
}

static void what_a_client_sends_is_never_coerced(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision =
        fixture_create(fixture, "{\"name\":\"ann\",\"at\":1759289400000000,\"n\":3.5,\"tags\":{}}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(
        fixture, decision.errors,
        "{\"at\":\"must be an RFC 3339 date and time, not an integer\","
        "\"n\":\"must be an integer, not a number\",\"tags\":\"must be an array, not an object\"}");
}

static void prepare_must_return_data(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision = fixture_create(fixture, "{\"name\":\"ann\",\"kind\":\"nil\"}");
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(fixture, decision.message, "prepare must return the data, a table");
    decision = fixture_create(fixture, "{\"name\":\"ann\",\"kind\":\"function\"}");
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(fixture, decision.message, "prepare gave what cannot be stored");
    decision = fixture_create(fixture, "{\"name\":\"ann\",\"kind\":\"error\"}");
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(fixture, decision.message, "test.lua:9: oh no");
}

static void a_wrong_type_is_the_clients_error_even_if_prepare_or_validate_stumble(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision = fixture_create(fixture, "{\"name\":5}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors, "{\"name\":\"must be a string, not an integer\"}");
    decision = fixture_create(fixture, "{\"n\":1}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors, "{\"name\":\"is required\"}");
}

static void validate_is_merged_with_the_fields_errors(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision = fixture_create(fixture, "{\"name\":\"xaver\",\"at\":\"soon\"}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_text(js_text(js_find(decision.errors, TEXT("name"))), "no X");
    check_text(js_text(js_find(decision.errors, TEXT("other"))), "because of X");
    check_says(fixture, js_text(js_find(decision.errors, TEXT("at"))), "must be an RFC 3339");
    assert_int_equal(decision.errors->object.count, 3);
}

static void validate_must_return_messages_by_field(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    check_refused(fixture_create(fixture, "{\"name\":\"a\",\"kind\":\"wrong\"}"),
                  FAULT_POLICY_ERROR);
    check_refused(fixture_create(fixture, "{\"name\":\"a\",\"kind\":\"wrong2\"}"),
                  FAULT_POLICY_ERROR);
}

static void warnings_are_a_string_or_a_list(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    check_json(fixture, fixture_create(fixture, "{\"name\":\"a\"}").warnings, "[]");
    check_json(fixture, fixture_create(fixture, "{\"name\":\"a\",\"kind\":\"one\"}").warnings,
               "[\"careful\"]");
    check_json(fixture,
               fixture_move(fixture, "A", "B", "{\"name\":\"a\",\"kind\":\"two\"}", NULL).warnings,
               "[\"a\",\"b\"]");
    check_json(fixture,
               fixture_update(fixture, "A", "{\"name\":\"a\"}", "{\"kind\":\"two\"}").warnings,
               "[\"a\",\"b\"]");
}

static void a_warn_that_fails_is_a_warning_and_stops_nobody(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, prepares);
    struct decision decision = fixture_create(fixture, "{\"name\":\"a\",\"kind\":\"badwarn\"}");
    assert_int_equal(decision.code, FAULT_NONE);
    assert_int_equal(decision.warnings->array.count, 1);
    check_says(fixture, js_text(decision.warnings->array.items[0]), "must return a string");
    generation_unref(fixture->generation);
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'A', warn = function(data) if data.loop "
                        "then while true do end end error('no luck') end, "
                        "states = { A = { to = { B = { effect = function() return { set = { done = "
                        "true } } end } } }, B = {} } }");
    decision = fixture_move(fixture, "A", "B", "{}", NULL);
    assert_int_equal(decision.code, FAULT_NONE);
    check_json(fixture, decision.data, "{\"done\":true}");
    check_says(fixture, js_text(decision.warnings->array.items[0]), "no luck");
    decision = fixture_move(fixture, "A", "B", "{\"loop\":true}", NULL);
    assert_int_equal(decision.code, FAULT_NONE);
    check_json(fixture, decision.data, "{\"done\":true,\"loop\":true}");
}

/* --- order of the checks --- */

static void the_checks_come_in_the_order_of_the_contract(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'A', fields = { n = 'integer' }, states = {\n"
                 "  A = { to = { B = { permit = 'x', guard = function() return false, 'no' end,\n"
                 "                     effect = function() error('late') end } } }, B = {} } }");
    struct attempt attempt = fixture_attempt("C");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    attempt.patch = fixture_json(fixture, "{\"n\":\"x\"}");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_INVALID_TRANSITION);
    attempt.to = TEXT("B");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_PERMISSION_DENIED);
    attempt.skip_permissions = true;
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_VALIDATION_FAILED);
    attempt.patch = NULL;
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_GUARD_REJECTED);
}

/* --- errors --- */

static void an_error_anywhere_is_a_policy_error(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "local function bad() error('oops') end\n"
        "local function forever() while true do end end\n"
        "local function swallow() pcall(forever) return true end\n"
        "local function object() error({ message = 'obj' }) end\n"
        "return machine 'm' { initial = 'A', states = {\n"
        "  A = { to = { B = { guard = bad }, C = { guard = forever }, D = { guard = swallow },\n"
        "    E = { permit = bad }, F = { guard = object }, G = { effect = bad } } },\n"
        "  B = {}, C = {}, D = {}, E = {}, F = {}, G = {} } }");
    static const struct {
        const char *to, *message;
    } cases[] = {{"B", "the policy of 'm' failed: test.lua:1: oops"},
                 {"C", "over budget"},
                 {"D", "over budget"},
                 {"F", "obj"},
                 {"G", "oops"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct decision decision = fixture_move(fixture, "A", cases[i].to, "{}", NULL);
        check_refused(decision, FAULT_POLICY_ERROR);
        check_says(fixture, decision.message, cases[i].message);
        check_text(decision.to, cases[i].to);
    }
    struct actor actor = {.id = TEXT("u")};
    struct attempt attempt = fixture_attempt("E");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    attempt.actor = &actor;
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_POLICY_ERROR);
}

static void a_vm_serves_on_after_an_error(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'A', states = { B = {},\n"
                        "  A = { to = { B = { guard = function(d) return d.x.y == 1 end } } } } }");
    for (int i = 0; i < 100; i++) {
        check_refused(fixture_move(fixture, "A", "B", "{}", NULL), FAULT_POLICY_ERROR);
        check_allowed(fixture_move(fixture, "A", "B", "{\"x\":{\"y\":1}}", NULL));
    }
}

/* --- reads --- */

struct reader {
    struct fixture *fixture;
    bool fails;
    int64_t counted;
    struct text states[4];
    size_t state_count;
    const struct js *where;
};

static bool find(void *context, struct arena *arena, struct text machine, struct text id,
                 const struct entity **out, struct fault *fault) {
    struct reader *reader = context;
    if (reader->fails) {
        return fault_set(fault, FAULT_STORE_UNAVAILABLE, "the store is gone");
    }
    struct entity *entity = ARENA_NEW(arena, struct entity);
    *entity = (struct entity){.machine = machine,
                              .id = id,
                              .exists = true,
                              .state = TEXT("A"),
                              .version = 7,
                              .created_us = 1,
                              .updated_us = 2,
                              .data = fixture_json(reader->fixture, "{\"k\":1}")};
    *out = text_equal(id, TEXT("there")) ? entity : NULL;
    return true;
}

static bool count(void *context, struct text machine, const struct text *states, size_t state_count,
                  const struct js *where, int64_t *out, struct fault *fault) {
    struct reader *reader = context;
    (void)machine;
    if (reader->fails) {
        return fault_set(fault, FAULT_STORE_UNAVAILABLE, "the store is gone");
    }
    reader->state_count = state_count;
    for (size_t i = 0; i < state_count && i < 4; i++) {
        reader->states[i] = text_copy(&reader->fixture->arena, states[i]);
    }
    reader->where = where;
    *out = reader->counted;
    return true;
}

/* Answers the fixture's reads until it is torn down. */
static struct reader *reader_new(struct fixture *fixture, int64_t counted) {
    struct reader *reader = ARENA_NEW(&fixture->arena, struct reader);
    *reader = (struct reader){.fixture = fixture, .counted = counted};
    fixture->reads = (struct policy_reads){find, count, reader};
    return reader;
}

static const char reads[] =
    "local function way(f) return { guard = f } end\n"
    "return machine 'm' { initial = 'A', states = { B = {}, C = {}, D = {}, E = {}, F = {}, G = "
    "{}, H = {}, I = {}, A = { to = {\n"
    "  B = way(function(_, ctx) local e = ctx:find('m', 'there')\n"
    "    return e.machine == 'm' and e.id == 'there' and e.state == 'A' and e.version == 7 and "
    "e.data.k == 1\n"
    "      and e.created_at == 1 and e.updated_at == 2 and ctx:find('m', 'no') == nil and "
    "ctx:find('m', nil) == nil end),\n"
    "  C = way(function(_, ctx) return ctx:count { machine = 'm', state = { 'A', 'B' }, where = { "
    "k = 1 } } == 4\n"
    "    and ctx:count { state = 'A' } == 4 and ctx:count {} == 4 end),\n"
    "  D = way(function(_, ctx) pcall(ctx.find, ctx, 'm', 'x') return true end),\n"
    "  E = way(function(_, ctx) return ctx:find('mm', 'x') == nil end),\n"
    "  F = way(function(_, ctx) return ctx:count { stat = 'A' } == 0 end),\n"
    "  G = way(function(_, ctx) return ctx:count { state = 'AA' } == 0 end),\n"
    "  H = way(function(_, ctx) return ctx.find('m', 'x') == nil end),\n"
    "  I = way(function(_, ctx) for i = 1, 1e6 do ctx:find('m', 'x') end return true end),\n"
    "} } } }\n";

static void a_policy_may_find_and_count(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, reads);
    reader_new(fixture, 4);
    check_allowed(fixture_move(fixture, "A", "B", "{}", NULL));
    check_allowed(fixture_move(fixture, "A", "C", "{}", NULL));
}

static void a_count_passes_on_its_filters(void **state) {
    struct fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, 0);
    fixture_load_source(fixture, reads);
    check_refused(fixture_move(fixture, "A", "C", "{}", NULL), FAULT_GUARD_REJECTED);
    assert_int_equal(reader->state_count, 2);
    check_text(reader->states[0], "A");
    check_text(reader->states[1], "B");
    check_json(fixture, reader->where, "{\"k\":1}");
}

static void a_read_that_fails_fails_the_call_even_if_the_policy_catches_it(void **state) {
    struct fixture *fixture = *state;
    struct attempt attempt = fixture_attempt("D");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    struct decision decision;
    fixture_load_source(fixture, reads);
    reader_new(fixture, 0)->fails = true;
    struct policy policy = {fixture->generation, 0};
    assert_false(policy_decide(policy, &fixture->arena, &attempt, &entity, FIXTURE_NOW_US,
                               &fixture->reads, &decision, &fixture->fault));
    assert_int_equal(fixture->fault.code, FAULT_STORE_UNAVAILABLE);
    check_contains(fixture->fault.message, "the store is gone");
}

static void a_read_that_makes_no_sense_is_named(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *to, *message;
    } cases[] = {{"E", "ctx:find: there is no machine 'mm'; did you mean 'm'?"},
                 {"F", "ctx:count: the key 'stat' is unknown; did you mean 'state'?"},
                 {"G", "ctx:count: m has no state 'AA'"},
                 {"H", "call it as ctx:find, with a colon"},
                 {"I", "over budget"}};
    fixture_load_source(fixture, reads);
    reader_new(fixture, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct decision decision = fixture_move(fixture, "A", cases[i].to, "{}", NULL);
        check_refused(decision, FAULT_POLICY_ERROR);
        check_says(fixture, decision.message, cases[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(a_declared_way_is_allowed),
        fixture_test(a_way_that_is_not_declared_is_an_invalid_transition),
        fixture_test(a_final_state_has_no_way_out),
        fixture_test(an_unknown_state_is_an_invalid_transition_with_a_hint),
        fixture_test(a_verb_names_the_way),
        fixture_test(an_unknown_verb_is_an_invalid_transition_with_a_hint),
        fixture_test(to_the_same_state_only_where_declared),
        fixture_test(a_state_that_the_machine_has_no_more_has_no_way_out),
        fixture_test(an_unknown_machine_is_refused),
        fixture_test(idempotent_and_there_already_changes_nothing),
        fixture_test(a_verb_is_idempotent_where_it_leads),
        fixture_test(nobody_is_never_permitted),
        fixture_test(all_permissions_of_a_list_are_needed),
        fixture_test(a_permit_function_decides_and_explains),
        fixture_test(a_permit_function_does_not_believe_the_patch),
        fixture_test(skipped_permissions_are_not_asked),
        fixture_test(only_true_allows),
        fixture_test(all_refusals_are_reported_in_order),
        fixture_test(a_guard_sees_the_data_with_the_patch_merged_in),
        fixture_test(what_a_guard_scribbles_is_not_stored),
        fixture_test(each_function_gets_data_and_ctx_of_its_own),
        fixture_test(each_permit_function_of_a_survey_gets_data_of_its_own),
        fixture_test(ctx_has_what_the_contract_says),
        fixture_test(what_was_not_sent_is_nil_or_empty_in_ctx),
        fixture_test(ctx_can_be_walked_but_its_methods_do_not_show),
        fixture_test(constructors_do_no_harm_while_deciding),
        fixture_test(a_creation_enters_the_initial_state_unasked),
        fixture_test(a_creation_checks_its_fields),
        fixture_test(an_import_may_begin_in_any_state),
        fixture_test(an_update_that_changes_nothing_says_so),
        fixture_test(defaults_hold_for_entities_of_before_too),
        fixture_test(a_required_field_cannot_be_deleted),
        fixture_test(prepare_runs_on_create_update_and_patched_transitions),
        fixture_test(what_prepare_writes_is_put_into_the_fields_terms),
        fixture_test(what_a_client_sends_is_never_coerced),
        fixture_test(prepare_must_return_data),
        fixture_test(a_wrong_type_is_the_clients_error_even_if_prepare_or_validate_stumble),
        fixture_test(validate_is_merged_with_the_fields_errors),
        fixture_test(validate_must_return_messages_by_field),
        fixture_test(warnings_are_a_string_or_a_list),
        fixture_test(a_warn_that_fails_is_a_warning_and_stops_nobody),
        fixture_test(the_checks_come_in_the_order_of_the_contract),
        fixture_test(an_error_anywhere_is_a_policy_error),
        fixture_test(a_vm_serves_on_after_an_error),
        fixture_test(a_policy_may_find_and_count),
        fixture_test(a_count_passes_on_its_filters),
        fixture_test(a_read_that_fails_fails_the_call_even_if_the_policy_catches_it),
        fixture_test(a_read_that_makes_no_sense_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
