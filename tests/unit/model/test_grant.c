#include "unit/base/check.h"

#include "model/grant.h"

static void a_scope_reaches_itself_or_what_is_below_it(void **state) {
    (void)state;
    static const struct {
        const char *scope, *place;
        bool reaches;
    } cases[] = {
        {"acme", "acme", true},         {"acme", "acme/north", false}, {"acme", "ACME", false},
        {"acme/*", "acme/north", true}, {"acme/*", "acme", false},     {"acme/*", "acme/", false},
        {"acme/*", "acme/a/b", true},   {"acme/*", "acmes/a", false},  {"acme", NULL, false},
        {"acme/*", NULL, false},        {NULL, "acme", true},          {NULL, NULL, true},
        {"acme/*", "", false},          {"acme/*", "acme/*", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(grant_reaches(text_of(cases[i].scope), text_of(cases[i].place)),
                         cases[i].reaches);
    }
}

static void what_other_tools_write_to_refuse_is_known(void **state) {
    (void)state;
    check_text(grant_refused(TEXT("!doc.delete")), "doc.delete");
    check_text(grant_refused(TEXT("-doc.delete")), "doc.delete");
    check_text(grant_refused(TEXT("deny:doc.delete")), "doc.delete");
    assert_false(text_given(grant_refused(TEXT("doc.delete"))));
    assert_false(text_given(grant_refused(TEXT("denied.x"))));
    assert_false(text_given(grant_refused(TEXT(""))));
}

static const struct js *parse(struct arena *arena, const char *json) {
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    assert_true(js_parse(arena, text_of(json), &value, &fault));
    return value;
}

static void a_role_is_a_name_or_has_a_tenant(void **state) {
    (void)state;
    struct arena arena;
    struct held_role role;
    static const char *const wrong[] = {
        "7",
        "null",
        "[]",
        "{}",
        "{\"role\":\"a\"}",
        "{\"within\":\"a\"}",
        "{\"role\":\"a\",\"within\":\"\"}",
        "{\"role\":\"a\",\"within\":\"*\"}",
        "{\"role\":\"a\",\"within\":\"/*\"}",
        "{\"role\":\"a\",\"within\":\"b*\"}",
        "{\"role\":\"a\",\"within\":\"*/b/*\"}",
        "{\"role\":\"a\",\"within\":\"b\",\"x\":1}",
        "{\"role\":7,\"within\":\"b\"}",
    };
    arena_init(&arena, 0);
    assert_true(held_role_read(parse(&arena, "\"clerk\""), &role));
    check_text(role.name, "clerk");
    assert_false(text_given(role.within));
    assert_true(held_role_read(parse(&arena, "{\"role\":\"clerk\",\"within\":\"b/*\"}"), &role));
    check_text(role.within, "b/*");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(held_role_read(parse(&arena, wrong[i]), &role));
    }
    arena_deinit(&arena);
}

static void names_of_an_option_may_have_a_tenant(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    const struct js *roles = held_roles_of_names(&arena, parse(&arena, "[\"a\",\"b@c/*\"]"));
    check_text(js_print(&arena, roles), "[\"a\",{\"role\":\"b\",\"within\":\"c/*\"}]");
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_reaches_itself_or_what_is_below_it),
        cmocka_unit_test(what_other_tools_write_to_refuse_is_known),
        cmocka_unit_test(a_role_is_a_name_or_has_a_tenant),
        cmocka_unit_test(names_of_an_option_may_have_a_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
