/* Fields: what fits which type, and what is said of what does not. */
#include "policy/rules/fields.h"
#include "unit/policy/fixture.h"

static struct text refusal(struct fixture *fixture, const char *field, const char *value,
                           const struct js **stored) {
    fixture_load_source(
        fixture, text_cstring(&fixture->arena,
                              text_print(&fixture->arena,
                                         "return machine 'm' { initial = 'A', states = { A = "
                                         "{} }, fields = { f = %s } }",
                                         field)));
    const struct machine *machine = fixture_machine(fixture, "m");
    struct text result =
        field_refusal(&fixture->arena, &machine->fields[0], fixture_json(fixture, value), stored);
    *stored = js_copy(&fixture->arena, *stored);
    result = text_given(result) ? text_copy(&fixture->arena, result) : TEXT_NONE;
    generation_unref(fixture->generation);
    fixture->generation = NULL;
    return result;
}

struct fit {
    const char *field, *value;
    const char *stored; /* NULL: as sent */
};

static void what_fits_is_stored(void **state) {
    struct fixture *fixture = *state;
    static const struct fit fits[] = {
        {"'any'", "null", NULL},
        {"'any'", "{\"a\":[1]}", NULL},
        {"'string'", "\"\"", NULL},
        {"'integer'", "9223372036854775807", NULL},
        {"'integer'", "10.0", NULL},
        {"'integer'", "1e1", NULL},
        {"'number'", "3", NULL},
        {"'number'", "3.5", NULL},
        {"'boolean'", "false", NULL},
        {"'datetime'", "\"2025-10-01T09:00:00+05:30\"", "\"2025-10-01T03:30:00Z\""},
        {"'datetime'", "\"2025-10-01T03:30:00Z\"", NULL},
        {"'datetime'", "\"2025-10-01t03:30:00.500z\"", "\"2025-10-01T03:30:00.5Z\""},
        {"'date'", "\"2024-02-29\"", NULL},
        {"'duration'", "\"1h30m\"", NULL},
        {"'duration'", "\"PT5M\"", NULL},
        {"'object'", "{}", NULL},
        {"'array'", "[null,1]", NULL},
        {"{ type = 'string', min = 2, max = 2 }", "\"\\u00e4\\u00f6\"", NULL},
        {"{ type = 'array', min = 1 }", "[1]", NULL},
        {"{ type = 'integer', min = -720, max = 840 }", "-720", NULL},
        {"{ type = 'number', max = 0.5 }", "0.5", NULL},
        {"{ enum = { 1, 'a', true } }", "true", NULL},
        {"{ type = 'number', enum = { 1 } }", "1.0", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(fits); i++) {
        const struct js *stored;
        struct text said = refusal(fixture, fits[i].field, fits[i].value, &stored);
        if (text_given(said)) {
            fail_msg("%s %s: %.*s", fits[i].field, fits[i].value, TEXT_ARGS(said));
        }
        const struct js *expected =
            fixture_json(fixture, fits[i].stored != NULL ? fits[i].stored : fits[i].value);
        assert_true(js_equal(stored, expected));
    }
}

struct misfit {
    const char *field, *value, *said;
};

static void what_does_not_fit_is_said(void **state) {
    struct fixture *fixture = *state;
    static const struct misfit misfits[] = {
        {"'string'", "1", "must be a string, not an integer"},
        {"'integer'", "3.5", "must be an integer, not a number"},
        {"'integer'", "\"3\"", "must be an integer, not a string"},
        {"'integer'", "true", "must be an integer, not a boolean"},
        {"'number'", "\"3\"", "must be a number, not a string"},
        {"'boolean'", "0", "must be true or false, not an integer"},
        {"'datetime'", "1", "must be an RFC 3339 date and time, not an integer"},
        {"'datetime'", "\"2025-10-01T09:00:00\"",
         "must be an RFC 3339 date and time with an offset: "},
        {"'datetime'", "\"2025-02-30T09:00:00Z\"",
         "must be an RFC 3339 date and time with an offset: "},
        {"'date'", "\"2025-02-29\"", "must be a date YYYY-MM-DD that exists"},
        {"'date'", "\"2025-2-9\"", "must be a date YYYY-MM-DD that exists"},
        {"'date'", "\"2025-10-01T00:00:00Z\"", "must be a date YYYY-MM-DD that exists"},
        {"'date'", "\"+025-10-01\"", "must be a date YYYY-MM-DD that exists"},
        {"'date'", "5", "must be a date YYYY-MM-DD, not an integer"},
        {"'duration'", "\"soon\"", "must be a duration such as '30m': "},
        {"'duration'", "5", "must be a duration such as '30m', not an integer"},
        {"'object'", "[]", "must be an object, not an array"},
        {"'array'", "{}", "must be an array, not an object"},
        {"{ type = 'string', enum = { 'LOW', 'HIGH' } }", "\"low\"", "must be one of LOW, HIGH"},
        {"{ type = 'string', min = 3 }", "\"\\u00e4\\u00f6\"",
         "must be at least 3 characters long"},
        {"{ type = 'array', max = 1 }", "[1,2]", "must be at most 1 items long"},
        {"{ type = 'integer', max = 840 }", "841", "must be at most 840"},
        {"{ type = 'number', min = 0.5 }", "0", "must be at least 0.5"},
        {"{ type = 'integer', max = 9007199254740992 }", "9007199254740993", "must be at most"},
    };
    for (size_t i = 0; i < COUNT_OF(misfits); i++) {
        const struct js *stored;
        struct text said = refusal(fixture, misfits[i].field, misfits[i].value, &stored);
        if (!text_given(said)) {
            fail_msg("%s %s fits", misfits[i].field, misfits[i].value);
        }
        check_says(fixture, said, misfits[i].said);
    }
}

static void strict_machines_refuse_unknown_fields(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'A', strict = true, states = { A = {} },\n"
                        "  fields = { priority = 'string', owner = 'any' } }");
    struct decision decision = fixture_create(fixture, "{\"prioritty\":\"x\",\"zzz\":1}");
    check_refused(decision, FAULT_VALIDATION_FAILED);
    check_json(fixture, decision.errors,
               "{\"prioritty\":\"is not a field of m; did you mean 'priority'?\",\"zzz\":\"is "
               "not a field of m\"}");
}

static void unknown_fields_are_named_up_to_a_hundred(void **state) {
    struct fixture *fixture = *state;
    struct buffer json;
    fixture_load_source(fixture,
                        "return machine 'm' { initial = 'A', strict = true, states = { A "
                        "= {} }, fields = { owner = { type = 'any', required = true } } }");
    buffer_init(&json, &fixture->arena);
    for (int i = 0; i < 5000; i++) {
        buffer_print(&json, "%s\"k%d\":1", i > 0 ? "," : "{", i);
    }
    buffer_add(&json, "}\0", 2);
    struct decision decision = fixture_create(fixture, buffer_view(&json).bytes);
    check_refused(decision, FAULT_VALIDATION_FAILED);
    assert_int_equal(decision.errors->object.count, 101);
    assert_non_null(js_find(decision.errors, TEXT("owner")));
}

static void other_machines_keep_unknown_fields(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return machine 'm' { initial = 'A', states = { A = {} },\n"
                                 "  fields = { priority = 'string' } }");
    struct decision decision = fixture_create(fixture, "{\"zzz\":{\"a\":[]}}");
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"zzz\":{\"a\":[]}}");
}

static void a_default_is_normalised_like_any_value(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        "return machine 'm' { initial = 'A', states = { A = {} }, fields = {\n"
        "  at = { type = 'datetime', default = '2025-10-01T09:00:00+05:30' },\n"
        "  tags = { type = 'array', default = {} }, n = { type = 'integer', default = 2.0 } } }");
    struct decision decision = fixture_create(fixture, "{}");
    check_allowed(decision);
    check_json(fixture, decision.data, "{\"at\":\"2025-10-01T03:30:00Z\",\"n\":2,\"tags\":[]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(what_fits_is_stored),
        fixture_test(what_does_not_fit_is_said),
        fixture_test(strict_machines_refuse_unknown_fields),
        fixture_test(unknown_fields_are_named_up_to_a_hundred),
        fixture_test(other_machines_keep_unknown_fields),
        fixture_test(a_default_is_normalised_like_any_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
