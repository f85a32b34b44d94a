/* Roles: inheritance, wildcards, and who has a permission. */
#include "policy/rules/roles.h"
#include "unit/policy/fixture.h"

static void a_permission_grants_itself(void **state) {
    (void)state;
    assert_true(policy_grants(TEXT("a.b"), TEXT("a.b")));
    assert_false(policy_grants(TEXT("a.b"), TEXT("a.bc")));
    assert_false(policy_grants(TEXT("a.b"), TEXT("a")));
    assert_false(policy_grants(TEXT("a.b"), TEXT("A.B")));
    assert_false(policy_grants(TEXT(""), TEXT("a")));
}

static void a_star_grants_what_begins_with_its_prefix(void **state) {
    (void)state;
    assert_true(policy_grants(TEXT("*"), TEXT("a.b")));
    assert_true(policy_grants(TEXT("helpdesk.*"), TEXT("helpdesk.close")));
    assert_true(policy_grants(TEXT("helpdesk.*"), TEXT("helpdesk.ticket.close")));
    assert_false(policy_grants(TEXT("helpdesk.*"), TEXT("helpdesk")));
    assert_false(policy_grants(TEXT("helpdesk.*"), TEXT("helpdesk.")));
    assert_false(policy_grants(TEXT("helpdesk.*"), TEXT("helpdesks.close")));
    assert_false(policy_grants(TEXT("help*"), TEXT("helpdesk.close")));
    assert_false(policy_grants(TEXT("a.*.b"), TEXT("a.x.b")));
    assert_false(policy_grants(TEXT("a.b"), TEXT("a.*")));
}

static const char source[] =
    "return { roles { technician = { 'activity.start', 'activity.complete' },\n"
    "  supervisor = { inherits = 'technician', 'activity.close', 'helpdesk.*' },\n"
    "  chief = { inherits = { 'supervisor', 'guest' }, 'activity.start' },\n"
    "  guest = { doc = 'looks on' }, admin = { '*' } },\n"
    " machine 'm' { initial = 'A', states = { B = {}, C = {}, A = { to = {\n"
    "   B = { permit = { 'z.z', 'activity.start' } }, C = { permit = 'activity.start' } } } } } "
    "}\n";

static void roles_are_shown_with_what_they_inherit(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, source);
    check_json(
        fixture, generation_roles(fixture->generation, &fixture->arena),
        "{\"admin\":[\"*\"],"
        "\"chief\":[\"activity.close\",\"activity.complete\",\"activity.start\",\"helpdesk.*\"],"
        "\"guest\":[],"
        "\"supervisor\":[\"activity.close\",\"activity.complete\",\"activity.start\",\"helpdesk.*"
        "\"],"
        "\"technician\":[\"activity.complete\",\"activity.start\"]}");
}

static void permissions_of_machines_are_listed_once(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, source);
    check_json(fixture, generation_permissions(fixture->generation, &fixture->arena),
               "[\"activity.start\",\"z.z\"]");
}

static bool may(struct fixture *fixture, const char *roles, const char *permissions) {
    struct actor actor = {.id = TEXT("u"),
                          .roles = fixture_json(fixture, roles),
                          .permissions = fixture_json(fixture, permissions)};
    struct attempt attempt = fixture_attempt("C");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    attempt.actor = &actor;
    return fixture_decide(fixture, &attempt, &entity).code == FAULT_NONE;
}

static void an_actor_has_its_own_permissions_and_those_of_its_roles(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, source);
    assert_true(may(fixture, "[\"technician\"]", NULL));
    assert_true(may(fixture, "[\"guest\",\"chief\"]", NULL));
    assert_true(may(fixture, "[\"admin\"]", NULL));
    assert_true(may(fixture, NULL, "[\"activity.*\"]"));
    assert_true(may(fixture, "[\"guest\"]", "[\"activity.start\"]"));
    assert_false(may(fixture, "[\"guest\"]", "[\"helpdesk.*\"]"));
    assert_false(may(fixture, "[\"Technician\"]", NULL));
    assert_false(may(fixture, NULL, NULL));
    assert_false(may(fixture, "[5,null]", "[5,null]"));
    assert_false(may(fixture, "\"technician\"", "\"*\""));
}

static void roles_may_come_from_many_files(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "a.lua", "return roles { a = { inherits = 'b', 'x' } }");
    fixture_write(fixture, "b.lua", "return roles { b = { 'y' } }");
    fixture_load(fixture);
    check_json(fixture, generation_roles(fixture->generation, &fixture->arena),
               "{\"a\":[\"x\",\"y\"],\"b\":[\"y\"]}");
}

static void a_diamond_is_no_circle(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return roles { top = { 't' }, left = { inherits = 'top' },\n"
                 "  right = { inherits = 'top' }, low = { inherits = { 'left', 'right' } } }");
    check_json(fixture,
               js_find(generation_roles(fixture->generation, &fixture->arena), TEXT("low")),
               "[\"t\"]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permission_grants_itself),
        cmocka_unit_test(a_star_grants_what_begins_with_its_prefix),
        fixture_test(roles_are_shown_with_what_they_inherit),
        fixture_test(permissions_of_machines_are_listed_once),
        fixture_test(an_actor_has_its_own_permissions_and_those_of_its_roles),
        fixture_test(roles_may_come_from_many_files),
        fixture_test(a_diamond_is_no_circle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
