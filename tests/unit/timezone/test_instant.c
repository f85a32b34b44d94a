#include "unit/base/check.h"

#include "timezone/instant.h"

#define SECOND INT64_C(1000000)
#define DAY    (86400 * SECOND)

static int64_t parse(const char *text, int expected_offset) {
    int64_t instant = 0;
    int offset = 9999;
    struct fault fault = FAULT_INIT;
    if (!instant_parse(text_of(text), &instant, &offset, &fault)) {
        fail_msg("%s", fault.message);
    }
    assert_int_equal(offset, expected_offset);
    return instant;
}

static const char *refusal(struct text text) {
    static struct fault fault;
    int64_t instant;
    int offset;
    fault = FAULT_INIT;
    if (instant_parse(text, &instant, &offset, &fault)) {
        fail_msg("accepted: %.*s", TEXT_ARGS(text));
    }
    assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
    return fault.message;
}

/* --- datetimes --- */

static void datetimes_are_read_with_their_offset(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int offset;
        int64_t instant;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"1970-01-01T00:00:00+00:00", 0, 0},
        {"1970-01-01T00:00:00-00:00", 0, 0},
        {"1970-01-01t00:00:00z", 0, 0},
        {"1970-01-01 00:00:00Z", 0, 0},
        {"1969-12-31T23:59:59.999999Z", 0, -1},
        {"2025-10-01T09:00:00+05:30", 330, 1759289400 * SECOND},
        {"2025-10-01T03:30:00Z", 0, 1759289400 * SECOND},
        {"1985-04-12T23:20:50.52Z", 0, 482196050 * SECOND + 520000},
        {"1996-12-19T16:39:57-08:00", -480, 851042397 * SECOND},
        {"1937-01-01T12:00:27.87+00:20", 20, -1041337173 * SECOND + 870000},
        {"2000-02-29T00:00:00Z", 0, 951782400 * SECOND},
        {"2024-02-29T12:00:00-12:00", -720, 1709251200 * SECOND},
        {"2024-02-29T12:00:00+14:00", 840, 1709157600 * SECOND},
        {"0000-01-01T00:00:00Z", 0, -62167219200 * SECOND},
        {"9999-12-31T23:59:59.999999Z", 0, 253402300799 * SECOND + 999999},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(parse(cases[i].text, cases[i].offset), cases[i].instant);
    }
}

static void fractions_beyond_the_microsecond_are_truncated(void **state) {
    (void)state;
    assert_int_equal(parse("1970-01-01T00:00:00.1Z", 0), 100000);
    assert_int_equal(parse("1970-01-01T00:00:00.000001Z", 0), 1);
    assert_int_equal(parse("1970-01-01T00:00:00.0000019Z", 0), 1);
    assert_int_equal(parse("1970-01-01T00:00:00.9999999999999999999999999Z", 0), 999999);
}

static void leap_seconds_are_read_as_the_next_second(void **state) {
    (void)state;
    assert_int_equal(parse("1990-12-31T23:59:60Z", 0), parse("1991-01-01T00:00:00Z", 0));
    assert_int_equal(parse("1990-12-31T15:59:60-08:00", -480), parse("1991-01-01T00:00:00Z", 0));
    assert_int_equal(parse("2015-07-01T05:29:60.5+05:30", 330), parse("2015-07-01T00:00:00.5Z", 0));
}

static void leap_seconds_at_any_other_time_are_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"1990-12-31T23:58:60Z", "1990-12-31T23:59:60+01:00",
                                        "1990-03-31T23:59:60Z", "1990-12-30T23:59:60Z",
                                        "1990-06-30T22:59:60Z", "1990-12-31T23:59:61Z"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_contains(refusal(text_of(cases[i])), "no such second");
    }
}

static void malformed_datetimes_are_refused_with_the_reason(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "begin with a date"},
        {"2025", "begin with a date"},
        {"25-10-01T09:00:00Z", "begin with a date"},
        {"2025/10/01T09:00:00Z", "begin with a date"},
        {"20251001T090000Z", "begin with a date"},
        {"+2025-10-01T09:00:00Z", "begin with a date"},
        {" 2025-10-01T09:00:00Z", "begin with a date"},
        {"2025-1-01T09:00:00Z", "begin with a date"},
        {"12025-10-01T09:00:00Z", "begin with a date"},
        {"2025-13-01T09:00:00Z", "no such date"},
        {"2025-00-01T09:00:00Z", "no such date"},
        {"2025-02-29T09:00:00Z", "no such date"},
        {"1900-02-29T09:00:00Z", "no such date"},
        {"2025-04-31T09:00:00Z", "no such date"},
        {"2025-10-00T09:00:00Z", "no such date"},
        {"2025-10-32T09:00:00Z", "no such date"},
        {"0000-13-01T09:00:00Z", "no such date"},
        {"2025-10-01", "followed by 'T'"},
        {"2025-10-01_09:00:00Z", "followed by 'T'"},
        {"2025-10-01T", "hours and minutes"},
        {"2025-10-01T9:00:00Z", "hours and minutes"},
        {"2025-10-01T0900Z", "hours and minutes"},
        {"2025-10-01T24:00:00Z", "no such time"},
        {"2025-10-01T09:60:00Z", "no such time"},
        {"2025-10-01T09:00Z", "seconds are missing"},
        {"2025-10-01T09:00:0Z", "two digits"},
        {"2025-10-01T09:00:99Z", "no such second"},
        {"2025-10-01T09:00:00.Z", "after the '.'"},
        {"2025-10-01T09:00:00,5Z", "not an offset"},
        {"2025-10-01T09:00:00", "missing"},
        {"2025-10-01T09:00:00.5", "missing"},
        {"2025-10-01T09:00:00 Z", "not an offset"},
        {"2025-10-01T09:00:00 IST", "not an offset"},
        {"2025-10-01T09:00:00+0530", "such as +05:30"},
        {"2025-10-01T09:00:00+5:30", "such as +05:30"},
        {"2025-10-01T09:00:00+05", "such as +05:30"},
        {"2025-10-01T09:00:00+05:60", "such as +05:30"},
        {"2025-10-01T09:00:00+", "such as +05:30"},
        {"2025-10-01T09:00:00\xe2\x88\x92"
         "05:30",
         "not an offset"},
        {"2025-10-01T09:00:00+14:01", "between -12:00 and +14:00"},
        {"2025-10-01T09:00:00-12:01", "between -12:00 and +14:00"},
        {"2025-10-01T09:00:00+99:59", "between -12:00 and +14:00"},
        {"2025-10-01T09:00:00ZZ", "follows the end"},
        {"2025-10-01T09:00:00Z ", "follows the end"},
        {"2025-10-01T09:00:00+05:30[Asia/Kolkata]", "follows the end"},
        {"0000-01-01T00:00:00+00:01", "outside of the years"},
        {"9999-12-31T23:59:59-00:01", "outside of the years"},
        {"9999-12-31T23:59:60Z", "outside of the years"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_contains(refusal(text_of(cases[i][0])), cases[i][1]);
    }
    refusal(TEXT_NONE);
    refusal(TEXT("2025-10-01T09:00:00Z\0"));
    refusal(TEXT("2025-10-01\0T09:00:00Z"));
}

static void a_refusal_quotes_the_start_of_the_text_only(void **state) {
    (void)state;
    check_contains(refusal(TEXT("tomorrow")), "\"tomorrow\" is not an RFC 3339 datetime");
    size_t length = 1 << 20;
    char *bytes = malloc(length);
    memset(bytes, '9', length);
    assert_true(strlen(refusal((struct text){bytes, length})) < 200);
    free(bytes);
}

static void local_datetimes_are_read_without_an_offset(void **state) {
    (void)state;
    static const char *const cases[] = {"2025-10-01T09:05:00", "2025-10-01 09:05",
                                        "2025-10-01T09:05", "2025-10-01 09:05:00.000"};
    struct fault fault = FAULT_INIT;
    struct civil civil;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(instant_parse_local(text_of(cases[i]), &civil, &fault));
        assert_int_equal(civil.year * 10000 + civil.month * 100 + civil.day, 20251001);
        assert_int_equal(civil.hour * 10000 + civil.minute * 100 + civil.second, 90500);
        assert_int_equal(civil.microsecond, 0);
    }
    assert_true(instant_parse_local(TEXT("2025-10-01 09:05:07.25"), &civil, &fault));
    assert_int_equal(civil.second, 7);
    assert_int_equal(civil.microsecond, 250000);
}

static void local_datetimes_that_are_not_are_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"2025-10-01T09:00:00Z", "has an offset"},
        {"2025-10-01T09:00z", "has an offset"},
        {"2025-10-01T09:00:00+05:30", "has an offset"},
        {"2025-10-01T09:00-08:00", "has an offset"},
        {"2025-10-01", "followed by 'T'"},
        {"2025-10-01 09", "hours and minutes"},
        {"2025-10-01 09:00:", "two digits"},
        {"2025-10-01 09:00:60", "no such second"},
        {"2025-02-30 09:00", "no such date"},
        {"2025-10-01 25:00", "no such time"},
        {"2025-10-01 09:00 ", "follows the end"},
        {"09:00", "begin with a date"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault = FAULT_INIT;
        struct civil civil;
        assert_false(instant_parse_local(text_of(cases[i][0]), &civil, &fault));
        assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
        check_contains(fault.message, cases[i][1]);
    }
}

/* --- the calendar --- */

static void every_day_of_ten_thousand_years_has_its_number(void **state) {
    (void)state;
    int64_t expected = instant_days(0, 1, 1);
    assert_int_equal(expected, -719528);
    for (int year = 0; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; instant_is_date(year, month, day); day++, expected++) {
                struct civil civil = instant_to_civil(expected * DAY, 0);
                bool same = instant_days(year, month, day) == expected && civil.year == year &&
                            civil.month == month && civil.day == day;
                if (!same) {
                    fail_msg("%04d-%02d-%02d", year, month, day);
                }
            }
        }
    }
    assert_int_equal(expected, 2932897);
}

static void dates_that_do_not_exist_are_known(void **state) {
    (void)state;
    assert_true(instant_is_date(2024, 2, 29));
    assert_true(instant_is_date(2000, 2, 29));
    assert_false(instant_is_date(2100, 2, 29));
    assert_false(instant_is_date(2023, 2, 29));
    assert_false(instant_is_date(2023, 2, -1));
    assert_false(instant_is_date(2023, 13, 1));
    assert_true(instant_is_date(0, 2, 29));
    assert_false(instant_is_date(-1, 1, 1));
    assert_false(instant_is_date(10000, 1, 1));
}

static void civil_and_instant_are_inverse_at_every_offset(void **state) {
    (void)state;
    static const int64_t instants[] = {0, -1, 1759289400 * SECOND + 123456, -62000000000 * SECOND,
                                       253000000000 * SECOND + 1};
    for (size_t i = 0; i < COUNT_OF(instants); i++) {
        for (int offset = -720; offset <= 840; offset += 7) {
            struct civil civil = instant_to_civil(instants[i], offset);
            assert_int_equal(instant_of_civil(&civil, offset), instants[i]);
        }
    }
}

/* --- printing --- */

static void instants_are_printed_in_utc(void **state) {
    (void)state;
    static const struct {
        int64_t instant;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {1759289400 * SECOND, "2025-10-01T03:30:00Z"},
        {1759289400 * SECOND + 500000, "2025-10-01T03:30:00.5Z"},
        {1759289400 * SECOND + 120, "2025-10-01T03:30:00.00012Z"},
        {-62167219200 * SECOND, "0000-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[INSTANT_TEXT];
        check_text(instant_print(cases[i].instant, out), cases[i].text);
    }
}

static void instants_are_printed_at_an_offset(void **state) {
    (void)state;
    char out[INSTANT_TEXT];
    int64_t instant = 1759289400 * SECOND;
    check_text(instant_print_at(instant, 330, out), "2025-10-01T09:00:00+05:30");
    check_text(instant_print_at(instant, -480, out), "2025-09-30T19:30:00-08:00");
    check_text(instant_print_at(instant, -123, out), "2025-10-01T01:27:00-02:03");
    check_text(instant_print_at(instant + 1, -1, out), "2025-10-01T03:29:00.000001-00:01");
    check_text(instant_print_at(instant, 0, out), "2025-10-01T03:30:00Z");
}

static void instants_beyond_the_years_are_clamped(void **state) {
    (void)state;
    char out[INSTANT_TEXT];
    check_text(instant_print(INT64_MIN, out), "0000-01-01T00:00:00Z");
    check_text(instant_print(INT64_MAX, out), "9999-12-31T23:59:59.999999Z");
    check_text(instant_print_at(INT64_MIN, -720, out), "0000-01-01T00:00:00-12:00");
    check_text(instant_print_at(INT64_MAX, 840, out), "9999-12-31T23:59:59.999999+14:00");
}

static void what_is_printed_reads_back(void **state) {
    (void)state;
    for (int64_t i = 0; i < 5000; i++) {
        int64_t instant = (i * 7919 - 20000000) * 3 * SECOND * 1009 + i * 1237 % SECOND;
        int offset = (int)(i % 1561) - 720;
        char out[INSTANT_TEXT];
        struct text printed = instant_print_at(instant, offset, out);
        out[printed.length] = '\0';
        assert_int_equal(parse(out, offset), instant);
    }
}

/* --- durations --- */

static void durations_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t microseconds;
    } cases[] = {
        {"30d", 30 * DAY},
        {"24h", DAY},
        {"5m", 300 * SECOND},
        {"10s", 10 * SECOND},
        {"50ms", 50000},
        {"1h30m", 5400 * SECOND},
        {"1d2h3m4s5ms", DAY + 7384 * SECOND + 5000},
        {"-1h30m", -5400 * SECOND},
        {"0s", 0},
        {"-0s", 0},
        {"007s", 7 * SECOND},
        {"P1DT2H", DAY + 7200 * SECOND},
        {"PT5M", 300 * SECOND},
        {"P2W", 14 * DAY},
        {"P1W2D", 9 * DAY},
        {"PT1.5S", SECOND + 500000},
        {"PT0.0000019S", 1},
        {"-P1D", -DAY},
        {"PT1H30M10S", 5410 * SECOND},
        {"P1DT1S", DAY + SECOND},
        {"PT36H", 36 * 3600 * SECOND},
        {"106751991d", INT64_C(106751991) * DAY},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault = FAULT_INIT;
        int64_t microseconds = 99;
        if (!instant_parse_duration(text_of(cases[i].text), &microseconds, &fault)) {
            fail_msg("%s", fault.message);
        }
        assert_int_equal(microseconds, cases[i].microseconds);
    }
}

static void what_is_not_a_duration_is_refused_with_the_reason(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "number is missing"},
        {"-", "number is missing"},
        {"h", "number is missing"},
        {"+5m", "number is missing"},
        {" 5m", "number is missing"},
        {"--5m", "number is missing"},
        {"5", "units are"},
        {"5 m", "units are"},
        {"5x", "units are"},
        {"5M", "units are"},
        {"5min", "units are"},
        {"1.5h", "units are"},
        {"2w", "units are"},
        {"30m1h", "units are"},
        {"5m5m", "units are"},
        {"5us", "units are"},
        {"5m ", "follows the end"},
        {"5m-3s", "follows the end"},
        {"1h30m!", "follows the end"},
        {"P", "number is missing"},
        {"PT", "number is missing"},
        {"P1DT", "number is missing"},
        {"P1Y", "vary in length"},
        {"P3M", "vary in length"},
        {"P1M2D", "vary in length"},
        {"P2D1W", "units are"},
        {"P1H", "units are"},
        {"PT1D", "units are"},
        {"PT5M1H", "units are"},
        {"P1DT2HT3M", "follows the end"},
        {"PT1.5H", "only seconds have fractions"},
        {"PT1.S", "no digits after"},
        {"p1d", "number is missing"},
        {"P1d", "units are"},
        {"P-1D", "number is missing"},
        {"106751992d", "too long"},
        {"9223372036854775807s", "too long"},
        {"99999999999999999999s", "too long"},
        {"106751991d24h", "too long"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault = FAULT_INIT;
        int64_t microseconds = 99;
        if (instant_parse_duration(text_of(cases[i][0]), &microseconds, &fault)) {
            fail_msg("accepted: %s", cases[i][0]);
        }
        assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
        assert_int_equal(microseconds, 99);
        check_contains(fault.message, cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datetimes_are_read_with_their_offset),
        cmocka_unit_test(fractions_beyond_the_microsecond_are_truncated),
        cmocka_unit_test(leap_seconds_are_read_as_the_next_second),
        cmocka_unit_test(leap_seconds_at_any_other_time_are_refused),
        cmocka_unit_test(malformed_datetimes_are_refused_with_the_reason),
        cmocka_unit_test(a_refusal_quotes_the_start_of_the_text_only),
        cmocka_unit_test(local_datetimes_are_read_without_an_offset),
        cmocka_unit_test(local_datetimes_that_are_not_are_refused),
        cmocka_unit_test(every_day_of_ten_thousand_years_has_its_number),
        cmocka_unit_test(dates_that_do_not_exist_are_known),
        cmocka_unit_test(civil_and_instant_are_inverse_at_every_offset),
        cmocka_unit_test(instants_are_printed_in_utc),
        cmocka_unit_test(instants_are_printed_at_an_offset),
        cmocka_unit_test(instants_beyond_the_years_are_clamped),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_not_a_duration_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
