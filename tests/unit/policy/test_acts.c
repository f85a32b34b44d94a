/* Who may create, change, read, and change one field. */
#include "unit/policy/fixture.h"

static const char order[] =
    "return machine 'm' { initial = 'DRAFT',\n"
    "  create = { permit = 'm.create', guard = function(d) return d.title ~= nil, 'no title' end,\n"
    "             deny = function(a, d) return d.amount == 666, 'never that' end },\n"
    "  update = { permit = any { 'm.edit', function(a, d) return a.id == d.owner, 'not the owner' end },\n"
    "             guard = { function(d, c) return d.amount < 100, 'too much' end,\n"
    "                       function(d, c) return c.patch.bad == nil, 'bad' end } },\n"
    "  read = { permit = function(a, d) return a.id == d.owner, 'not yours' end },\n"
    "  fields = { owner = { permit = 'm.give' }, amount = { type = 'integer', default = 1 },\n"
    "    rate = { type = 'integer', permit = function(a, d) return a.id == d.owner, 'no rate' end } },\n"
    "  states = {\n"
    "  DRAFT = { to = { OPEN = true } },\n"
    "  OPEN = { update = { deny = function(a, d, c) return c.patch.note == nil, 'only notes' end } },\n"
    "  DONE = { final = true, update = { guard = function() return false, 'done' end } } } }\n";

static struct actor holder(struct fixture *fixture, const char *id, const char *permissions) {
    return (struct actor){.id = text_of(id), .permissions = fixture_json(fixture, permissions)};
}

static struct decision create(struct fixture *fixture, const char *data, const struct actor *actor) {
    struct attempt attempt = {.kind = ATTEMPT_CREATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e1"),
                              .actor = actor,
                              .patch = fixture_json(fixture, data)};
    struct entity entity = {.machine = TEXT("m"), .id = TEXT("e1")};
    return fixture_decide(fixture, &attempt, &entity);
}

static struct decision update(struct fixture *fixture, const char *from, const char *patch,
                              const struct actor *actor) {
    struct attempt attempt = {.kind = ATTEMPT_UPDATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e1"),
                              .actor = actor,
                              .explain = true,
                              .patch = fixture_json(fixture, patch)};
    struct entity entity = fixture_entity(fixture, from, "{\"owner\":\"ann\",\"amount\":5}");
    return fixture_decide(fixture, &attempt, &entity);
}

static void a_creation_is_permitted_and_guarded(void **state) {
    struct fixture *fixture = *state;
    struct actor ann = holder(fixture, "ann", "[\"m.create\"]"), eve = holder(fixture, "eve", "[]");
    fixture_load_source(fixture, order);
    check_allowed(create(fixture, "{\"title\":\"x\"}", &ann));
    struct decision decision = create(fixture, "{\"title\":\"x\"}", &eve);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_json(fixture, decision.missing_permissions, "[\"m.create\"]");
    check_says(fixture, decision.message, "'eve' may not create a m");
    check_refused(create(fixture, "{\"title\":\"x\"}", NULL), FAULT_PERMISSION_DENIED);
    decision = create(fixture, "{}", &ann);
    check_refused(decision, FAULT_GUARD_REJECTED);
    check_json(fixture, decision.messages, "[\"no title\"]");
}

static void what_denies_holds_whoever_asks(void **state) {
    struct fixture *fixture = *state;
    struct actor boss = holder(fixture, "boss", "[\"*\"]");
    fixture_load_source(fixture, order);
    struct decision decision = create(fixture, "{\"title\":\"x\",\"amount\":666}", &boss);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_text(decision.denied_by, "create.deny");
    decision = update(fixture, "OPEN", "{\"amount\":7}", &boss);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_text(decision.denied_by, "states.OPEN.update.deny");
    check_says(fixture, decision.message, "only notes");
}

static void an_import_and_an_effect_create_without_permission(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    struct attempt attempt = {.kind = ATTEMPT_CREATE,
                              .machine = TEXT("m"),
                              .id = TEXT("e1"),
                              .is_import = true,
                              .patch = fixture_json(fixture, "{}")};
    struct entity entity = {.machine = TEXT("m"), .id = TEXT("e1")};
    check_allowed(fixture_decide(fixture, &attempt, &entity));
    attempt.is_import = false;
    attempt.by_engine = attempt.skip_permissions = true;
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_GUARD_REJECTED);
    attempt.patch = fixture_json(fixture, "{\"title\":\"x\",\"owner\":\"bob\"}");
    check_allowed(fixture_decide(fixture, &attempt, &entity));
}

static void a_change_of_data_is_permitted_and_guarded(void **state) {
    struct fixture *fixture = *state;
    struct actor ann = holder(fixture, "ann", "[]"), bob = holder(fixture, "bob", "[\"m.edit\"]"),
                 eve = holder(fixture, "eve", "[]");
    fixture_load_source(fixture, order);
    check_allowed(update(fixture, "DRAFT", "{\"amount\":6}", &ann));
    check_allowed(update(fixture, "DRAFT", "{\"amount\":6}", &bob));
    struct decision decision = update(fixture, "DRAFT", "{\"amount\":6}", &eve);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_says(fixture, decision.message, "not the owner");
    check_refused(update(fixture, "DRAFT", "{\"owner\":\"eve\"}", &eve), FAULT_PERMISSION_DENIED);
    check_refused(update(fixture, "DRAFT", "{\"amount\":6}", NULL), FAULT_PERMISSION_DENIED);
    decision = update(fixture, "DRAFT", "{\"amount\":600,\"bad\":1}", &bob);
    check_refused(decision, FAULT_GUARD_REJECTED);
    check_json(fixture, decision.messages, "[\"too much\",\"bad\"]");
}

static void a_states_update_holds_in_place_of_the_machines(void **state) {
    struct fixture *fixture = *state;
    struct actor eve = holder(fixture, "eve", "[]"), boss = holder(fixture, "boss", "[\"*\"]");
    fixture_load_source(fixture, order);
    check_allowed(update(fixture, "OPEN", "{\"note\":1,\"amount\":1000}", &eve));
    check_refused(update(fixture, "DONE", "{\"note\":1}", &boss), FAULT_GUARD_REJECTED);
    check_refused(update(fixture, "GONE", "{\"note\":1}", &eve), FAULT_PERMISSION_DENIED);
}

static void a_field_says_who_may_change_it(void **state) {
    struct fixture *fixture = *state;
    struct actor ann = holder(fixture, "ann", "[]"), bob = holder(fixture, "bob", "[\"m.edit\"]"),
                 boss = holder(fixture, "boss", "[\"m.edit\",\"m.give\",\"m.create\"]");
    fixture_load_source(fixture, order);
    struct decision decision = update(fixture, "DRAFT", "{\"owner\":\"bob\"}", &ann);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_json(fixture, decision.missing_permissions, "[\"m.give\"]");
    check_says(fixture, decision.message, "change the field 'owner'");
    check_json(fixture, decision.errors, "{\"owner\":\"may not be changed by this actor\"}");
    check_says(fixture, js_print(&fixture->arena, decision.explanation),
               "the permit of the field 'owner'");
    check_allowed(update(fixture, "DRAFT", "{\"owner\":\"ann\"}", &ann));
    check_allowed(update(fixture, "DRAFT", "{\"owner\":\"bob\"}", &boss));
    check_allowed(update(fixture, "DRAFT", "{\"rate\":3}", &ann));
    decision = update(fixture, "DRAFT", "{\"rate\":3,\"owner\":\"bob\"}", &bob);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    decision = update(fixture, "DRAFT", "{\"rate\":3}", &bob);
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_text(decision.message, "no rate");
    check_json(fixture, decision.errors, "{\"rate\":\"may not be changed by this actor\"}");
    check_refused(create(fixture, "{\"title\":\"x\",\"rate\":3}", &boss), FAULT_PERMISSION_DENIED);
    check_allowed(create(fixture, "{\"title\":\"x\",\"rate\":3,\"owner\":\"boss\"}", &boss));
}

static void a_fields_permit_holds_for_what_comes_with_a_transition(void **state) {
    struct fixture *fixture = *state;
    struct actor bob = holder(fixture, "bob", "[]");
    struct attempt attempt = fixture_attempt("OPEN");
    fixture_load_source(fixture, order);
    struct entity entity = fixture_entity(fixture, "DRAFT", "{\"owner\":\"ann\"}");
    attempt.actor = &bob;
    attempt.patch = fixture_json(fixture, "{\"owner\":\"bob\"}");
    check_refused(fixture_decide(fixture, &attempt, &entity), FAULT_PERMISSION_DENIED);
    attempt.patch = fixture_json(fixture, "{\"note\":\"x\"}");
    check_allowed(fixture_decide(fixture, &attempt, &entity));
}

static void reading_is_for_those_who_may(void **state) {
    struct fixture *fixture = *state;
    struct actor ann = holder(fixture, "ann", "[]"), boss = holder(fixture, "boss", "[\"*\"]");
    struct decision decision;
    fixture_load_source(fixture, order);
    struct entity entity = fixture_entity(fixture, "DRAFT", "{\"owner\":\"ann\"}");
    struct policy policy = {fixture->generation, 0};
    assert_true(policy_read(policy, &fixture->arena, &entity, &ann, 0, &fixture->reads, &decision,
                            &fixture->fault));
    check_allowed(decision);
    assert_true(policy_read(policy, &fixture->arena, &entity, &boss, 0, &fixture->reads, &decision,
                            &fixture->fault));
    check_refused(decision, FAULT_PERMISSION_DENIED);
    check_text(decision.message, "not yours");
    assert_true(policy_read(policy, &fixture->arena, &entity, NULL, 0, &fixture->reads, &decision,
                            &fixture->fault));
    check_refused(decision, FAULT_PERMISSION_DENIED);
}

static void every_permission_is_known(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, order);
    check_json(fixture, generation_permissions(fixture->generation, &fixture->arena),
               "[\"m.create\",\"m.edit\",\"m.give\"]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(a_creation_is_permitted_and_guarded),
        fixture_test(what_denies_holds_whoever_asks),
        fixture_test(an_import_and_an_effect_create_without_permission),
        fixture_test(a_change_of_data_is_permitted_and_guarded),
        fixture_test(a_states_update_holds_in_place_of_the_machines),
        fixture_test(a_field_says_who_may_change_it),
        fixture_test(a_fields_permit_holds_for_what_comes_with_a_transition),
        fixture_test(reading_is_for_those_who_may),
        fixture_test(every_permission_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
