#include "unit/api/answers.h"

static struct http_exchange exchange;

static void ask(route_handler *handler, const char *body) {
    static struct call call;
    arena_reset(&exchange.arena);
    call = (struct call){.exchange = &exchange};
    call.body = answers_parse(&exchange.arena, text_of(body));
    handler(&call);
}

static void ask_offset(const char *offset) {
    struct call call = {.exchange = &exchange, .parameters = {text_of(offset)}};
    arena_reset(&exchange.arena);
    api_time_offset(&call);
    assert_int_equal(answered.status, 200);
}

static void check_member(const char *key, const char *expected) {
    check_text(answers_member(&exchange.arena, answered.body, key), expected);
}

static void check_error(const char *field, const char *part) {
    assert_int_equal(answered.status, 422);
    assert_int_equal(answered.code, FAULT_VALIDATION_FAILED);
    const struct js *errors = js_find(answered.body, TEXT("errors"));
    struct text why = answers_member(&exchange.arena, errors, field);
    check_contains(text_cstring(&exchange.arena, why), part);
}

static void check_bad(const char *part) {
    assert_int_equal(answered.status, 400);
    assert_int_equal(answered.code, FAULT_BAD_REQUEST);
    check_contains(answered.detail, part);
}

/* --- normalize --- */

static void a_local_datetime_becomes_utc(void **state) {
    (void)state;
    static const struct {
        const char *body, *utc, *offset;
    } cases[] = {
        {"{\"datetime\":\"2025-10-01T09:00:00\",\"offset_minutes\":330}",
         "\"2025-10-01T03:30:00Z\"", "330"},
        {"{\"datetime\":\"2025-10-01 09:00\",\"offset_minutes\":0}", "\"2025-10-01T09:00:00Z\"",
         "0"},
        {"{\"datetime\":\"2024-12-31T12:00:00\",\"offset_minutes\":-720}",
         "\"2025-01-01T00:00:00Z\"", "-720"},
        {"{\"datetime\":\"2024-02-29T23:59:59.25\",\"offset_minutes\":840,"
         "\"disambiguate\":\"later\",\"zone\":null}",
         "\"2024-02-29T09:59:59.25Z\"", "840"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask(api_time_normalize, cases[i].body);
        assert_int_equal(answered.status, 200);
        check_member("utc", cases[i].utc);
        check_member("offset_minutes", cases[i].offset);
    }
}

static void an_offset_of_another_type_is_never_coerced(void **state) {
    (void)state;
    static const char *const offsets[] = {"60.5", "330.25", "\"330\"", "true", "[]", "{}"};
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"datetime\":\"2025-10-01T09:00:00\",\"offset_minutes\":%s}",
                 offsets[i]);
        ask(api_time_normalize, body);
        check_bad("offset_minutes: expected an integer, not ");
    }
}

static void offsets_out_of_range_are_errors_of_their_field(void **state) {
    (void)state;
    static const char *const offsets[] = {"841", "-721", "9223372036854775807",
                                          "-9223372036854775807"};
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"datetime\":\"2025-10-01T09:00:00\",\"offset_minutes\":%s}",
                 offsets[i]);
        ask(api_time_normalize, body);
        check_error("offset_minutes", "-720 to 840");
    }
}

static void all_fields_are_reported_together(void **state) {
    (void)state;
    ask(api_time_normalize, "{\"datetime\":\"2025-02-30T09:00:00\",\"offset_minutes\":1000,"
                            "\"disambiguate\":\"maybe\"}");
    check_error("datetime", "");
    check_error("offset_minutes", "whole minutes");
    check_error("disambiguate", "compatible");
    ask(api_time_normalize, "{}");
    check_error("datetime", "required");
    check_error("offset_minutes", "required");
}

static void a_local_datetime_of_a_zone_becomes_utc(void **state) {
    (void)state;
    static const struct {
        const char *body, *utc, *offset;
    } cases[] = {
        {"{\"datetime\":\"2025-07-01T12:00:00\",\"zone\":\"Europe/Berlin\"}",
         "\"2025-07-01T10:00:00Z\"", "120"},
        {"{\"datetime\":\"2025-03-30T02:30:00\",\"zone\":\"Europe/Berlin\"}",
         "\"2025-03-30T01:30:00Z\"", "120"},
        {"{\"datetime\":\"2025-03-30T02:30:00\",\"zone\":\"Europe/Berlin\",\"disambiguate\":"
         "\"earlier\"}",
         "\"2025-03-30T00:30:00Z\"", "60"},
        {"{\"datetime\":\"2025-10-26T02:30:00\",\"zone\":\"Europe/Berlin\",\"disambiguate\":"
         "\"later\"}",
         "\"2025-10-26T01:30:00Z\"", "60"},
        {"{\"datetime\":\"2060-07-01T12:00:00\",\"zone\":\"America/New_York\","
         "\"offset_minutes\":null}",
         "\"2060-07-01T16:00:00Z\"", "-240"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask(api_time_normalize, cases[i].body);
        assert_int_equal(answered.status, 200);
        check_member("utc", cases[i].utc);
        check_member("offset_minutes", cases[i].offset);
    }
}

static void what_a_zone_cannot_mean_is_an_error_of_its_field(void **state) {
    (void)state;
    ask(api_time_normalize, "{\"datetime\":\"2025-10-01T09:00:00\",\"zone\":\"Europe/Berln\"}");
    check_error("zone", "Europe/Berln");
    check_error("zone", "did you mean 'Europe/Berlin'?");
    ask(api_time_denormalize, "{\"utc\":\"2025-10-01T09:00:00Z\",\"zone\":\"../UTC\"}");
    check_error("zone", "expected an IANA name");
    ask(api_time_normalize, "{\"datetime\":\"2025-10-01T09:00:00\",\"zone\":\"UTC\","
                            "\"offset_minutes\":0}");
    check_error("offset_minutes", "send one of the two");
    ask(api_time_normalize, "{\"datetime\":\"2025-03-30T02:30:00\",\"zone\":\"Europe/Berlin\","
                            "\"disambiguate\":\"reject\"}");
    check_error("datetime", "2025-03-30T02:30:00 never comes");
    ask(api_time_normalize, "{\"datetime\":\"2025-10-26T02:30:00\",\"zone\":\"Europe/Berlin\","
                            "\"disambiguate\":\"reject\"}");
    check_error("datetime", "2025-10-26T02:30:00 comes twice");
    ask(api_time_normalize, "{\"datetime\":\"0000-01-01T00:00:00\",\"zone\":\"Asia/Tokyo\"}");
    check_error("datetime", "0000 to 9999");
    ask(api_time_denormalize, "{\"utc\":\"9999-12-31T23:00:00Z\",\"zone\":\"Asia/Tokyo\"}");
    check_error("utc", "0000 to 9999");
}

static void a_datetime_with_an_offset_is_not_local(void **state) {
    (void)state;
    ask(api_time_normalize, "{\"datetime\":\"2025-10-01T09:00:00Z\",\"offset_minutes\":0}");
    check_error("datetime", "");
}

static void what_leaves_the_calendar_is_refused(void **state) {
    (void)state;
    ask(api_time_normalize, "{\"datetime\":\"0000-01-01T00:00:00\",\"offset_minutes\":1}");
    check_error("datetime", "0000 to 9999");
    ask(api_time_normalize, "{\"datetime\":\"9999-12-31T23:59:59\",\"offset_minutes\":-1}");
    check_error("datetime", "0000 to 9999");
    ask(api_time_denormalize, "{\"utc\":\"9999-12-31T23:59:59Z\",\"offset_minutes\":1}");
    check_error("utc", "0000 to 9999");
    ask(api_time_normalize, "{\"datetime\":\"0000-01-01T00:01:00\",\"offset_minutes\":1}");
    check_member("utc", "\"0000-01-01T00:00:00Z\"");
}

static void wrong_types_and_unknown_keys_are_bad_requests(void **state) {
    (void)state;
    ask(api_time_normalize, "{\"datetime\":1,\"offset_minutes\":0}");
    check_bad("datetime: expected a string");
    ask(api_time_normalize, "{\"datetime\":\"2025-10-01T09:00:00\",\"ofset_minutes\":0}");
    check_bad("did you mean 'offset_minutes'");
    ask(api_time_parse, "{\"datetime\":\"2025-10-01T09:00:00Z\",\"offset_minutes\":0}");
    check_bad("offset_minutes: unknown");
    ask(api_time_denormalize, "{\"utc\":1759289400,\"offset_minutes\":0}");
    check_bad("utc: expected a string");
}

/* --- denormalize, parse --- */

static void an_instant_is_shown_as_a_local_clock_does(void **state) {
    (void)state;
    ask(api_time_denormalize, "{\"utc\":\"2025-10-01T03:30:00Z\",\"offset_minutes\":330}");
    assert_int_equal(answered.status, 200);
    check_member("datetime", "\"2025-10-01T09:00:00+05:30\"");
    check_member("offset_minutes", "330");
    ask(api_time_denormalize, "{\"utc\":\"2025-10-01T03:30:00\",\"offset_minutes\":330}");
    check_error("utc", "");
}

static void an_instant_is_shown_as_in_a_zone(void **state) {
    (void)state;
    ask(api_time_denormalize, "{\"utc\":\"2025-07-01T10:00:00Z\",\"zone\":\"Europe/Berlin\"}");
    assert_int_equal(answered.status, 200);
    check_member("datetime", "\"2025-07-01T12:00:00+02:00\"");
    check_member("offset_minutes", "120");
    check_member("zone", "\"Europe/Berlin\"");
    check_member("abbreviation", "\"CEST\"");
}

static void parsing_keeps_the_offset(void **state) {
    (void)state;
    ask(api_time_parse, "{\"datetime\":\"2025-10-01T09:00:00+05:30\"}");
    assert_int_equal(answered.status, 200);
    check_member("utc", "\"2025-10-01T03:30:00Z\"");
    check_member("offset_minutes", "330");
    ask(api_time_parse, "{\"datetime\":\"2025-10-01T09:00:00\"}");
    check_error("datetime", "");
    ask(api_time_parse, "{}");
    check_error("datetime", "required");
}

/* --- offsets --- */

static void a_valid_offset_is_described(void **state) {
    (void)state;
    ask_offset("330");
    check_member("offset_minutes", "330");
    check_member("offset_hours", "5.5");
    check_member("name", "\"IST (UTC+5:30)\"");
    check_member("is_valid", "true");
    check_member("utc_offset_string", "\"UTC+05:30\"");
    ask_offset("-123");
    check_member("name", "\"UTC-02:03\"");
    ask_offset("0");
    check_member("offset_hours", "0");
}

static void an_invalid_offset_is_said_to_be_invalid(void **state) {
    (void)state;
    static const struct {
        const char *offset, *minutes;
    } cases[] = {{"841", "841"},    {"-721", "-721"}, {"60.5", "null"},
                 {"330.0", "null"}, {"abc", "null"},  {"", "null"},
                 {"0330", "null"},  {"+330", "null"}, {"-0", "null"},
                 {" 1", "null"},    {"true", "null"}, {"99999999999999999999", "null"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask_offset(cases[i].offset);
        check_member("offset_minutes", cases[i].minutes);
        check_member("offset_hours", "null");
        check_member("name", "\"Invalid\"");
        check_member("is_valid", "false");
        check_member("utc_offset_string", "\"Invalid\"");
    }
}

static void zones_and_named_offsets_are_listed(void **state) {
    (void)state;
    ask(api_time_zones, "{}");
    assert_int_equal(answered.status, 200);
    assert_true(js_find(answered.body, TEXT("zones"))->array.count > 300);
    assert_int_equal(js_find(answered.body, TEXT("offsets"))->array.count, 33);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_datetime_becomes_utc),
        cmocka_unit_test(an_offset_of_another_type_is_never_coerced),
        cmocka_unit_test(offsets_out_of_range_are_errors_of_their_field),
        cmocka_unit_test(all_fields_are_reported_together),
        cmocka_unit_test(a_local_datetime_of_a_zone_becomes_utc),
        cmocka_unit_test(what_a_zone_cannot_mean_is_an_error_of_its_field),
        cmocka_unit_test(a_datetime_with_an_offset_is_not_local),
        cmocka_unit_test(what_leaves_the_calendar_is_refused),
        cmocka_unit_test(wrong_types_and_unknown_keys_are_bad_requests),
        cmocka_unit_test(an_instant_is_shown_as_a_local_clock_does),
        cmocka_unit_test(an_instant_is_shown_as_in_a_zone),
        cmocka_unit_test(parsing_keeps_the_offset),
        cmocka_unit_test(a_valid_offset_is_described),
        cmocka_unit_test(an_invalid_offset_is_said_to_be_invalid),
        cmocka_unit_test(zones_and_named_offsets_are_listed),
    };
    arena_init(&exchange.arena, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&exchange.arena);
    return failed;
}
