/* Personal data: what is dropped, masked, hashed and redacted. */
#include "base/digest.h"
#include "policy/redact.h"
#include "unit/policy/fixture.h"

static void check_clean(struct fixture *fixture, const char *value, const char *expected) {
    check_json(fixture,
               generation_clean(fixture->generation, TEXT_NONE, &fixture->arena,
                                fixture_json(fixture, value)),
               expected);
}

static void keys_are_dropped_at_any_depth_in_any_letter_case(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'password', 'Token' } }");
    check_clean(
        fixture,
        "{\"PassWord\":1,\"a\":[{\"TOKEN\":{\"x\":1},\"b\":2}],\"tokens\":3,\"pass\":\"password\"}",
        "{\"a\":[{\"b\":2}],\"pass\":\"password\",\"tokens\":3}");
    check_clean(fixture, "[{\"token\":1},\"token\",null,true]", "[{},\"token\",null,true]");
}

static void without_a_declaration_the_usual_secrets_go(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return roles {}");
    check_clean(fixture,
                "{\"password\":1,\"token\":1,\"secret\":1,\"api_key\":1,\"SSN\":1,\"credit_card\":"
                "1,\"phone\":\"1\"}",
                "{\"phone\":\"1\"}");
}

static void a_declaration_replaces_the_usual_ones(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'x' } }");
    check_clean(fixture, "{\"password\":1,\"x\":1}", "{\"password\":1}");
}

static void what_holds_nothing_personal_is_not_copied(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'x' }, redact = { 'email' } }");
    const struct js *value = fixture_json(fixture, "{\"a\":[1,\"text\",{\"b\":null}]}");
    assert_ptr_equal(generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, value),
                     value);
    assert_null(generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, NULL));
    assert_false(text_given(
        generation_clean_text(fixture->generation, TEXT_NONE, &fixture->arena, TEXT_NONE)));
}

static void masks_leave_the_end(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { mask = { phone = 'last4', email = 'domain' } }");
    check_clean(fixture, "{\"phone\":\"555-867-5309\"}", "{\"phone\":\"****5309\"}");
    check_clean(fixture, "{\"phone\":\"5309\"}", "{\"phone\":\"****\"}");
    check_clean(fixture, "{\"phone\":\"\"}", "{\"phone\":\"****\"}");
    check_clean(fixture, "{\"phone\":\"\\u00e4\\u00f6\\u00fc\\u00df\\u00e9\"}",
                "{\"phone\":\"****\u00f6\u00fc\u00df\u00e9\"}");
    check_clean(fixture, "{\"PHONE\":15551234567}", "{\"PHONE\":\"****4567\"}");
    check_clean(fixture, "{\"phone\":[\"123456\",7654321,{\"a\":1},null]}",
                "{\"phone\":[\"****3456\",\"****4321\",null]}");
    check_clean(fixture, "{\"phone\":{\"home\":\"1\"},\"a\":{\"phone\":true}}",
                "{\"a\":{\"phone\":\"****\"}}");
    check_clean(fixture, "{\"email\":\"ann@example.com\"}", "{\"email\":\"***@example.com\"}");
    check_clean(fixture, "{\"email\":\"a@b@example.com\"}", "{\"email\":\"***@example.com\"}");
    check_clean(fixture, "{\"email\":\"nobody\"}", "{\"email\":\"***\"}");
}

static void hashes_are_keyed(void **state) {
    struct fixture *fixture = *state;
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    fixture->hash_key = TEXT("the key");
    fixture_load_source(fixture, "return pii { hash = { 'employee_code' } }");
    digest_hmac(TEXT("the key"), TEXT("E77"), digest);
    digest_hex(digest, sizeof digest, hex);
    const struct js *clean = generation_clean(
        fixture->generation, TEXT_NONE, &fixture->arena,
        fixture_json(fixture, "{\"Employee_Code\":\"E77\",\"b\":{\"employee_code\":[77,77]}}"));
    struct text code = js_text(js_find(clean, TEXT("Employee_Code")));
    assert_true(text_equal(code, (struct text){hex, DIGEST_HEX}));
    const struct js *list = js_find(js_find(clean, TEXT("b")), TEXT("employee_code"));
    assert_int_equal(list->array.count, 2);
    assert_true(js_equal(list->array.items[0], list->array.items[1]));
    assert_int_equal(list->array.items[0]->string.length, DIGEST_HEX);
}

/* --- free text --- */

struct text_case {
    const char *text, *expected;
};

static void check_texts(void **state, const char *patterns, const struct text_case *cases,
                        size_t count) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        text_cstring(&fixture->arena,
                     text_print(&fixture->arena, "return pii { redact = { %s } }", patterns)));
    for (size_t i = 0; i < count; i++) {
        check_text(generation_clean_text(fixture->generation, TEXT_NONE, &fixture->arena,
                                         text_of(cases[i].text)),
                   cases[i].expected);
    }
}

static void email_addresses_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"write to ann@example.com now", "write to [email] now"},
        {"ann@example.com", "[email]"},
        {"<ann.b+c_d%e-f@mail.example.co.uk>, bob@x.io.", "<[email]>, [email]."},
        {"mailto:Ann@Example.COM?x", "mailto:[email]?x"},
        {"jos\u00e9@ex\u00e4mple.com", "[email]"},
        {"o'brien@example.com", "[email]"},
        {"root@localhost", "root@localhost"},
        {"a@b.c", "a@b.c"},
        {"@example.com", "@example.com"},
        {"a@@example.com", "a@@example.com"},
        {"a@.com", "a@.com"},
        {"x@y@example.com", "x@[email]"},
        {"ends with @", "ends with @"},
        {"", ""},
    };
    check_texts(state, "'email'", cases, COUNT_OF(cases));
}

static void cards_are_redacted_by_luhn(void **state) {
    static const struct text_case cases[] = {
        {"card 4111111111111111.", "card [card]."},
        {"4111 1111 1111 1111", "[card]"},
        {"4111-1111-1111-1111 and 5500 0000 0000 0004", "[card] and [card]"},
        {"378282246310005", "[card]"},
        {"6011000990139424", "[card]"},
        {"4111111111111112", "4111111111111112"},
        {"4222222222222", "[card]"},
        {"order 12 4111111111111111", "order 12 [card]"},
        {"41111111111111110000000", "41111111111111110000000"},
        {"1234567890", "1234567890"},
        {"4111  1111 - 1111 1111", "[card]"},
        {"4111/1111/1111/1111", "4111/1111/1111/1111"},
        {"4111 1111 1111 1111 4111 1111 1111 1111", "[card] [card]"},
    };
    check_texts(state, "'card'", cases, COUNT_OF(cases));
}

static void ssns_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"ssn 123-45-6789!", "ssn [ssn]!"}, {"123-45-67890", "123-45-67890"},
        {"0123-45-6789", "0123-45-6789"},   {"123-456-789", "123-456-789"},
        {"123-45-678", "123-45-678"},       {"123-45-6789,123-45-6789", "[ssn],[ssn]"},
    };
    check_texts(state, "'ssn'", cases, COUNT_OF(cases));
}

static void phone_numbers_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"call +1 (415) 555-2671 now", "call [phone] now"},
        {"(415) 555-2671", "[phone]"},
        {"415.555.2671", "[phone]"},
        {"+91 98765 43210", "[phone]"},
        {"+49 30 1234", "[phone]"},
        {"room 1234567", "room 1234567"},
        {"on 2025-10-01 03:30", "on 2025-10-01 03:30"},
        {"2025-10-01T03:30:00Z", "2025-10-01T03:30:00Z"},
        {"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"},
        {"1234567890123456", "1234567890123456"},
    };
    check_texts(state, "'phone'", cases, COUNT_OF(cases));
}

static void patterns_work_together(void **state) {
    static const struct text_case cases[] = {
        {"4111111111111111@example.com 123-45-6789 4111111111111111", "[email] [ssn] [card]"},
        {"a1b2@example.com4111111111111111", "[email]"},
    };
    check_texts(state, "'email', 'card', 'ssn'", cases, COUNT_OF(cases));
}

static void strings_and_keys_within_values_are_redacted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { redact = { 'email' }, drop = { 'x' } }");
    check_clean(fixture, "{\"note\":\"to ann@example.com\",\"ann@example.com\":[\"a@b.de\",1]}",
                "{\"[email]\":[\"[email]\",1],\"note\":\"to [email]\"}");
}

/* The worst texts for each pattern; a quadratic pass would take minutes. */
static void redaction_takes_linear_time(void **state) {
    struct fixture *fixture = *state;
    static const char *const pieces[] = {"a",  "1",  "1 ", "@",    "a@",         "1-",   "a.",
                                         "+1", "(1", "@a", "a@a.", "111-11-111", "4111 "};
    size_t size = 1024 * 1024;
    char *bytes = malloc(size);
    struct now now = now_system();
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        for (size_t at = 0; at < size; at++) {
            bytes[at] = pieces[i][at % strlen(pieces[i])];
        }
        int64_t start_us = now_monotonic_us(&now);
        redact(&fixture->arena, (struct text){bytes, size},
               REDACT_EMAIL | REDACT_CARD | REDACT_SSN | REDACT_PHONE);
        assert_true(now_monotonic_us(&now) - start_us < 10 * NOW_SECOND);
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(keys_are_dropped_at_any_depth_in_any_letter_case),
        fixture_test(without_a_declaration_the_usual_secrets_go),
        fixture_test(a_declaration_replaces_the_usual_ones),
        fixture_test(what_holds_nothing_personal_is_not_copied),
        fixture_test(masks_leave_the_end),
        fixture_test(hashes_are_keyed),
        fixture_test(email_addresses_are_redacted),
        fixture_test(cards_are_redacted_by_luhn),
        fixture_test(ssns_are_redacted),
        fixture_test(phone_numbers_are_redacted),
        fixture_test(patterns_work_together),
        fixture_test(strings_and_keys_within_values_are_redacted),
        fixture_test(redaction_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
