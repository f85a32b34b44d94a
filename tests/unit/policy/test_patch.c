/* What a request may send: immutable, editable_in, accepts. */
#include "unit/policy/fixture.h"

static const char order[] =
    "return machine 'm' { initial = 'DRAFT',\n"
    "  fields = { requester = { type = 'string', immutable = true },\n"
    "    amount = { type = 'integer', editable_in = { 'DRAFT' }, default = 1 },\n"
    "    due = { type = 'datetime', editable_in = { 'DRAFT' } },\n"
    "    approved_by = { type = 'string', editable_in = {} },\n"
    "    note = 'string' },\n"
    "  prepare = function(d, c) d.prepared = true; return d end,\n"
    "  states = {\n"
    "  DRAFT = { to = { OPEN = { accepts = { 'note', 'amount' } }, SHUT = { accepts = {} } } },\n"
    "  OPEN = { to = { DONE = { effect = function(d, c)\n"
    "             return { set = { approved_by = 'ann', requester = 'x', amount = 7 } } end } } },\n"
    "  DONE = {}, SHUT = {} } }\n";

static void an_immutable_field_is_set_at_creation_only(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    check_allowed(fixture_create(fixture, "{\"requester\":\"ann\"}"));
    struct decision decision = fixture_update(fixture, "DRAFT", "{\"requester\":\"ann\"}",
                                              "{\"requester\":\"bob\",\"note\":\"x\"}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors,
               "{\"requester\":\"is set at creation and cannot be changed\"}");
    check_refused(fixture_update(fixture, "DRAFT", "{\"requester\":\"ann\"}", "{\"requester\":null}"),
                  FAULT_VALIDATION_FAILED);
    check_refused(fixture_update(fixture, "DRAFT", "{}", "{\"requester\":\"bob\"}"),
                  FAULT_VALIDATION_FAILED);
    check_refused(fixture_move(fixture, "OPEN", "DONE", "{}", "{\"requester\":\"bob\"}"),
                  FAULT_VALIDATION_FAILED);
}

static void a_field_that_is_sent_as_it_is_is_not_changed(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    check_allowed(fixture_update(fixture, "OPEN",
                                 "{\"amount\":5,\"due\":\"2025-10-01T03:30:00Z\",\"requester\":\"a\"}",
                                 "{\"amount\":5,\"due\":\"2025-10-01T09:00:00+05:30\","
                                 "\"requester\":\"a\",\"note\":\"x\",\"approved_by\":null}"));
}

static void a_field_is_editable_in_its_states_only(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    check_allowed(fixture_update(fixture, "DRAFT", "{\"amount\":5}", "{\"amount\":6}"));
    struct decision decision = fixture_update(fixture, "OPEN", "{\"amount\":5}",
                                              "{\"amount\":\"x\",\"due\":null,\"approved_by\":\"b\"}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors,
               "{\"amount\":\"must be an integer, not a string\","
               "\"approved_by\":\"is set by effects, never by a request\"}");
    decision = fixture_move(fixture, "OPEN", "DONE", "{\"amount\":5}", "{\"amount\":6}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors,
               "{\"amount\":\"cannot be changed in 'OPEN', only in 'DRAFT'\"}");
}

static void a_creation_is_a_change_in_the_state_it_begins_in(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    check_allowed(fixture_create(fixture, "{\"amount\":5}"));
    struct decision decision = fixture_create(fixture, "{\"approved_by\":\"me\"}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors,
               "{\"approved_by\":\"is set by effects, never by a request\"}");
}

static void effects_prepare_and_imports_are_not_bound(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    struct decision decision = fixture_move(fixture, "OPEN", "DONE", "{\"amount\":5}", "{}");
    check_allowed(decision);
    check_json(fixture, decision.data,
               "{\"amount\":7,\"approved_by\":\"ann\",\"prepared\":true,\"requester\":\"x\"}");
    struct attempt attempt = {.kind = ATTEMPT_CREATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e1"),
                              .is_import = true,
                              .patch = fixture_json(fixture, "{\"approved_by\":\"me\"}")};
    struct entity entity = {.machine = TEXT("m"), .id = TEXT("e1")};
    check_allowed(fixture_decide(fixture, &attempt, &entity));
    attempt.is_import = false;
    attempt.to = TEXT("DONE");
    check_allowed(fixture_decide(fixture, &attempt, &entity));
    static const struct attempt cause = {.kind = ATTEMPT_TRANSITION};
    attempt.to = TEXT_NONE;
    attempt.cause = &cause;
    attempt.by_engine = true;

    check_allowed(fixture_decide(fixture, &attempt, &entity));
}

static void a_transition_takes_only_what_it_accepts(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    check_allowed(fixture_move(fixture, "DRAFT", "OPEN", "{}", "{\"note\":\"x\",\"amount\":2}"));
    check_allowed(fixture_move(fixture, "DRAFT", "SHUT", "{}", NULL));
    struct decision decision =
        fixture_move(fixture, "DRAFT", "OPEN", "{\"other\":1}", "{\"note\":\"x\",\"other\":1}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors,
               "{\"other\":\"is not accepted: this transition takes 'note', 'amount'\"}");
    decision = fixture_move(fixture, "DRAFT", "SHUT", "{}", "{\"note\":\"x\"}");
    check_json(fixture, decision.errors,
               "{\"note\":\"is not accepted: this transition takes no data\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(an_immutable_field_is_set_at_creation_only),
        fixture_test(a_field_that_is_sent_as_it_is_is_not_changed),
        fixture_test(a_field_is_editable_in_its_states_only),
        fixture_test(a_creation_is_a_change_in_the_state_it_begins_in),
        fixture_test(effects_prepare_and_imports_are_not_bound),
        fixture_test(a_transition_takes_only_what_it_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
