#include "unit/base/check.h"

#include "timezone/instant.h"
#include "timezone/tz_rule.h"

static void rules_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int standard, daylight; /* seconds east; daylight 0: none */
        const char *events[2];  /* of 2024 */
    } cases[] = {
        {"UTC0", 0, 0, {NULL}},
        {"<+0530>-5:30", 19800, 0, {NULL}},
        {"<-00>0", 0, 0, {NULL}},
        {"LMT1:02:03", -3723, 0, {NULL}},
        {"CET-1CEST,M3.5.0,M10.5.0/3",
         3600,
         7200,
         {"2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"}},
        {"EST5EDT,M3.2.0,M11.1.0",
         -18000,
         -14400,
         {"2024-03-10T07:00:00Z", "2024-11-03T06:00:00Z"}},
        {"AEST-10AEDT,M10.1.0,M4.1.0/3",
         36000,
         39600,
         {"2024-04-06T16:00:00Z", "2024-10-05T16:00:00Z"}},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 3600, 0, {"2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"}},
        {"AAA0BBB,J60/0,J300/0", 0, 3600, {"2024-03-01T00:00:00Z", "2024-10-26T23:00:00Z"}},
        {"AAA0BBB,59/0,300/0", 0, 3600, {"2024-02-29T00:00:00Z", "2024-10-26T23:00:00Z"}},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50",
         7200,
         10800,
         {"2024-03-30T00:00:00Z", "2024-10-25T23:00:00Z"}},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
         -7200,
         -3600,
         {"2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault = FAULT_INIT;
        struct tz_rule rule;
        struct tz_event events[2];
        char out[INSTANT_TEXT];
        if (!tz_rule_parse(text_of(cases[i].text), true, &rule, &fault)) {
            fail_msg("%s", fault.message);
        }
        assert_int_equal(rule.standard.offset_seconds, cases[i].standard);
        assert_int_equal(rule.has_daylight, cases[i].events[0] != NULL);
        if (rule.has_daylight) {
            assert_int_equal(rule.daylight.offset_seconds, cases[i].daylight);
            tz_rule_events(&rule, 2024, events);
            for (int j = 0; j < 2; j++) {
                check_text(instant_print(events[j].second * 1000000, out), cases[i].events[j]);
            }
        }
    }
}

static void what_is_no_rule_is_refused_with_the_reason(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "fewer than 3"},
        {"A1", "fewer than 3"},
        {"<AAA1", "'>' is missing"},
        {"AAAAAAAAAAAAAAAA1", "longer than 15"},
        {"AAA", "a number is missing"},
        {"AAA25", "out of range"},
        {"AAA1:60", "out of range"},
        {"AAA1 ", "fewer than 3"},
        {"AAA1BBB", "when daylight time begins"},
        {"AAA1BBB,M3.1.0", "when daylight time begins"},
        {"AAA1BBB,M13.1.0,M1.1.0", "out of range"},
        {"AAA1BBB,M3.6.0,M1.1.0", "out of range"},
        {"AAA1BBB,M3.0.0,M1.1.0", "out of range"},
        {"AAA1BBB,M3.1.7,M1.1.0", "out of range"},
        {"AAA1BBB,M3-1.7,M1.1.0", "after a month"},
        {"AAA1BBB,J0,J10", "out of range"},
        {"AAA1BBB,J366,J10", "out of range"},
        {"AAA1BBB,366,10", "out of range"},
        {"AAA1BBB,J1/168,J10", "out of range"},
        {"AAA1BBB,J1/-168,J10", "out of range"},
        {"AAA1BBB,J1,J10,", "follows the end"},
        {"AAA99999999999999999999", "out of range"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault = FAULT_INIT;
        struct tz_rule rule;
        if (tz_rule_parse(text_of(cases[i][0]), true, &rule, &fault)) {
            fail_msg("accepted: %s", cases[i][0]);
        }
        assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
        if (strstr(fault.message, cases[i][1]) == NULL) {
            fail_msg("%s", fault.message);
        }
    }
}

static void long_hours_need_version_3(void **state) {
    (void)state;
    struct fault fault;
    struct tz_rule rule;
    assert_true(tz_rule_parse(TEXT("AAA1BBB,J1/24,J9/0"), false, &rule, &fault));
    assert_false(tz_rule_parse(TEXT("AAA1BBB,J1/25,J9/0"), false, &rule, &fault));
    assert_false(tz_rule_parse(TEXT("AAA1BBB,J1/-1,J9/0"), false, &rule, &fault));
    check_contains(fault.message, "version 3");
    assert_true(tz_rule_parse(TEXT("AAA1BBB,J1/-167,J9/167"), true, &rule, &fault));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(what_is_no_rule_is_refused_with_the_reason),
        cmocka_unit_test(long_hours_need_version_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
