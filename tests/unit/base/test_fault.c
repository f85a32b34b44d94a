#include "unit/base/check.h"

#include "base/fault.h"

static void setting_returns_false_and_keeps_the_sentence(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    assert_false(fault_set(&fault, FAULT_NOT_FOUND, "there is no machine \"%s\"", "taks"));
    assert_int_equal(fault.code, FAULT_NOT_FOUND);
    assert_string_equal(fault.message, "there is no machine \"taks\"");
}

static void context_comes_before_the_message(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_POLICY_INVALID, "unknown key \"intial\"");
    assert_false(fault_within(&fault, "line %d", 12));
    assert_false(fault_within(&fault, "task.lua"));
    assert_int_equal(fault.code, FAULT_POLICY_INVALID);
    assert_string_equal(fault.message, "task.lua: line 12: unknown key \"intial\"");
}

static void a_message_can_quote_the_fault_it_replaces(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_ENVIRONMENT, "disk full");
    fault_set(&fault, FAULT_STORE_UNAVAILABLE, "cannot write: %s", fault.message);
    assert_string_equal(fault.message, "cannot write: disk full");
}

static void a_long_message_is_cut_between_characters(void **state) {
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < COUNT_OF(characters); i++) {
        size_t width = strlen(characters[i]);
        char long_text[800] = "";
        for (size_t at = 0; at + width < sizeof long_text; at += width) {
            memcpy(long_text + at, characters[i], width + 1);
        }
        for (int shift = 0; shift < 4; shift++) {
            struct fault fault = FAULT_INIT;
            fault_set(&fault, FAULT_BAD_REQUEST, "%.*s%s", shift, "abc", long_text);
            assert_true(text_is_utf8(text_of(fault.message)));
            assert_true(strlen(fault.message) > sizeof fault.message - 1 - width);
            assert_null(strchr(fault.message, '?'));
        }
    }
}

static void invalid_bytes_in_a_message_are_mended(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_BAD_REQUEST, "\"%.*s\" is bad", 2, "\xe2\x82\xac");
    assert_string_equal(fault.message, "\"??\" is bad");
    fault_set(&fault, FAULT_BAD_REQUEST, "%s", "\xff\xfe");
    assert_string_equal(fault.message, "??");
}

static void a_long_context_keeps_the_message_valid(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_BAD_REQUEST, "the end");
    fault_within(&fault, "%0600d", 1);
    assert_true(strlen(fault.message) < sizeof fault.message);
    assert_int_equal(fault.code, FAULT_BAD_REQUEST);
}

static void every_code_has_a_name_a_title_and_a_status(void **state) {
    (void)state;
    for (int code = 0; code < FAULT_CODE_COUNT; code++) {
        enum fault_code each = (enum fault_code)code;
        assert_non_null(fault_name(each));
        assert_non_null(fault_title(each));
        assert_in_range(fault_status(each), 200, 505);
        assert_in_range(fault_exit(each), 0, 3);
    }
}

static void names_lead_back_to_their_codes(void **state) {
    (void)state;
    for (int code = 0; code < FAULT_CODE_COUNT; code++) {
        if (code == FAULT_OUTCOME_UNKNOWN || code == FAULT_INVALID_TOKEN) {
            continue; /* are answered as store_unavailable and as unauthenticated */
        }
        assert_int_equal(fault_of_name(text_of(fault_name((enum fault_code)code))), code);
    }
    assert_int_equal(fault_of_name(TEXT("store_unavailable")), FAULT_STORE_UNAVAILABLE);
    assert_int_equal(fault_of_name(TEXT("unauthenticated")), FAULT_UNAUTHENTICATED);
    assert_string_equal(fault_name(FAULT_INVALID_TOKEN), "unauthenticated");
    assert_int_equal(fault_of_name(TEXT("no_such_code")), FAULT_CODE_COUNT);
    assert_int_equal(fault_of_name(TEXT("")), FAULT_CODE_COUNT);
    assert_int_equal(fault_of_name(TEXT_NONE), FAULT_CODE_COUNT);
}

static void statuses_names_and_exits_are_those_of_the_contract(void **state) {
    (void)state;
    static const struct {
        enum fault_code code;
        int status;
        const char *name;
        int exit;
    } cases[] = {
        {FAULT_NONE, 200, "ok", 0},
        {FAULT_BAD_REQUEST, 400, "bad_request", 1},
        {FAULT_PERMISSION_DENIED, 403, "permission_denied", 1},
        {FAULT_INVALID_TRANSITION, 409, "invalid_transition", 1},
        {FAULT_LOCK_LOST, 409, "lock_lost", 1},
        {FAULT_VERSION_CONFLICT, 412, "version_conflict", 1},
        {FAULT_GUARD_REJECTED, 422, "guard_rejected", 1},
        {FAULT_IDEMPOTENCY_REUSED, 422, "idempotency_key_reused", 1},
        {FAULT_LOCK_TIMEOUT, 423, "lock_timeout", 1},
        {FAULT_HEADERS_TOO_LARGE, 431, "headers_too_large", 1},
        {FAULT_INTERNAL, 500, "internal_error", 3},
        {FAULT_STORE_UNAVAILABLE, 503, "store_unavailable", 3},
        {FAULT_OUTCOME_UNKNOWN, 503, "store_unavailable", 3},
        {FAULT_HTTP_VERSION, 505, "http_version_not_supported", 1},
        {FAULT_USAGE, 500, "usage", 2},
        {FAULT_ENVIRONMENT, 500, "environment", 3},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(fault_status(cases[i].code), cases[i].status);
        assert_string_equal(fault_name(cases[i].code), cases[i].name);
        assert_int_equal(fault_exit(cases[i].code), cases[i].exit);
    }
    assert_string_equal(fault_title(FAULT_BAD_REQUEST), "Bad request");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_returns_false_and_keeps_the_sentence),
        cmocka_unit_test(context_comes_before_the_message),
        cmocka_unit_test(a_message_can_quote_the_fault_it_replaces),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(invalid_bytes_in_a_message_are_mended),
        cmocka_unit_test(a_long_context_keeps_the_message_valid),
        cmocka_unit_test(every_code_has_a_name_a_title_and_a_status),
        cmocka_unit_test(names_lead_back_to_their_codes),
        cmocka_unit_test(statuses_names_and_exits_are_those_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
