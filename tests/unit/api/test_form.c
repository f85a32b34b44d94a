/* Strict reading of JSON bodies: what is refused, and that the refusal names the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/form.h"

struct fixture {
    struct arena arena;
    struct fault fault;
    struct form form;
};

static struct fixture fixture;

static int tear_down(void **state) {
    (void)state;
    arena_deinit(&fixture.arena);
    return 0;
}

static const struct form *form(const char *json, const char *where) {
    arena_deinit(&fixture.arena);
    arena_init(&fixture.arena, 0);
    fixture.fault = FAULT_INIT;
    fixture.form = (struct form){&fixture.arena, NULL, where, &fixture.fault};
    assert_true(js_parse(&fixture.arena, text_of(json), &fixture.form.object, &fixture.fault));
    return &fixture.form;
}

static void an_unknown_key_is_named_with_a_hint(void **state) {
    static const char *const keys[] = {"max_retries", "lock", NULL};
    (void)state;
    assert_false(form_known(form("{\"max_retrys\":1}", "options"), keys));
    assert_string_equal(fixture.fault.message,
                        "options.max_retrys: unknown; did you mean 'max_retries'?");
}

static void a_wrong_type_names_what_was_expected(void **state) {
    int64_t value = 7;
    (void)state;
    assert_false(form_integer(form("{\"limit\":\"5\"}", ""), "limit", 1, 10, &value));
    assert_string_equal(fixture.fault.message, "limit: expected an integer, not a string");
    assert_int_equal(fixture.fault.code, FAULT_BAD_REQUEST);
}

static void an_integer_out_of_range_is_refused(void **state) {
    int64_t value = 7;
    (void)state;
    assert_false(form_integer(form("{\"limit\":11}", ""), "limit", 1, 10, &value));
    assert_int_equal(value, 7);
}

static void an_absent_or_null_member_keeps_the_fallback(void **state) {
    int64_t value = 7;
    (void)state;
    assert_true(form_integer(form("{\"limit\":null}", ""), "limit", 1, 10, &value));
    assert_int_equal(value, 7);
}

static void a_real_is_not_an_integer(void **state) {
    int64_t value = 7;
    (void)state;
    assert_true(form_integer(form("{\"limit\":5.0}", ""), "limit", 1, 10, &value));
    assert_int_equal(value, 5);
    assert_false(form_integer(form("{\"limit\":5.5}", ""), "limit", 1, 10, &value));
}

static void a_truthy_value_is_not_a_boolean(void **state) {
    bool value = false;
    (void)state;
    assert_false(form_bool(form("{\"lock\":1}", ""), "lock", &value));
    assert_false(value);
}

static void a_list_of_strings_holds_strings_only(void **state) {
    const struct js *value = NULL;
    (void)state;
    assert_false(form_texts(form("{\"ids\":[\"a\",1]}", ""), "ids", &value));
}

static void an_actor_needs_an_id(void **state) {
    const struct actor *actor = NULL;
    (void)state;
    assert_false(form_actor(form("{\"actor\":{\"roles\":[]}}", ""), "actor", &actor));
    assert_false(form_actor(form("{\"actor\":{\"id\":\"\"}}", ""), "actor", &actor));
    assert_false(form_actor(form("{\"actor\":{\"id\":\"a\",\"role\":[]}}", ""), "actor", &actor));
    assert_null(actor);
    assert_true(
        form_actor(form("{\"actor\":{\"id\":\"a\",\"roles\":[\"r\"]}}", ""), "actor", &actor));
    assert_true(text_equal(actor->id, TEXT("a")));
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_unknown_key_is_named_with_a_hint),
        CASE(a_wrong_type_names_what_was_expected),
        CASE(an_integer_out_of_range_is_refused),
        CASE(an_absent_or_null_member_keeps_the_fallback),
        CASE(a_real_is_not_an_integer),
        CASE(a_truthy_value_is_not_a_boolean),
        CASE(a_list_of_strings_holds_strings_only),
        CASE(an_actor_needs_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
