#include "unit/base/check.h"

#include "timezone/zone.h"

static void offsets_range_from_minus_720_to_840(void **state) {
    (void)state;
    assert_true(zone_is_offset(-720));
    assert_true(zone_is_offset(0));
    assert_true(zone_is_offset(840));
    assert_false(zone_is_offset(-721));
    assert_false(zone_is_offset(841));
    assert_false(zone_is_offset(INT64_MIN));
    assert_false(zone_is_offset(INT64_MAX));
}

static void the_thirty_three_offsets_have_their_names(void **state) {
    (void)state;
    static const struct {
        int minutes;
        const char *name;
    } cases[] = {
        {-720, "BIT (UTC-12:00)"}, {-660, "SST (UTC-11:00)"}, {-600, "HST (UTC-10:00)"},
        {-540, "AKST (UTC-9:00)"}, {-480, "PST (UTC-8:00)"},  {-420, "MST (UTC-7:00)"},
        {-360, "CST (UTC-6:00)"},  {-300, "EST (UTC-5:00)"},  {-240, "AST (UTC-4:00)"},
        {-180, "ART (UTC-3:00)"},  {-120, "BRT (UTC-2:00)"},  {-60, "AZOT (UTC-1:00)"},
        {0, "UTC (UTC+0:00)"},     {60, "CET (UTC+1:00)"},    {120, "EET (UTC+2:00)"},
        {180, "MSK (UTC+3:00)"},   {210, "IRST (UTC+3:30)"},  {240, "GST (UTC+4:00)"},
        {270, "AFT (UTC+4:30)"},   {300, "PKT (UTC+5:00)"},   {330, "IST (UTC+5:30)"},
        {345, "NPT (UTC+5:45)"},   {360, "BST (UTC+6:00)"},   {390, "MMT (UTC+6:30)"},
        {420, "ICT (UTC+7:00)"},   {480, "CST (UTC+8:00)"},   {540, "JST (UTC+9:00)"},
        {570, "ACST (UTC+9:30)"},  {600, "AEST (UTC+10:00)"}, {660, "SBT (UTC+11:00)"},
        {720, "NZST (UTC+12:00)"}, {780, "TOT (UTC+13:00)"},  {840, "LINT (UTC+14:00)"},
    };
    assert_int_equal(COUNT_OF(cases), 33);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[32];
        check_text(zone_offset_name(cases[i].minutes, out), cases[i].name);
    }
}

static void other_offsets_are_named_by_sign_and_magnitude(void **state) {
    (void)state;
    static const struct {
        int minutes;
        const char *name;
    } cases[] = {{123, "UTC+02:03"}, {-123, "UTC-02:03"}, {1, "UTC+00:01"},   {-1, "UTC-00:01"},
                 {-59, "UTC-00:59"}, {-719, "UTC-11:59"}, {839, "UTC+13:59"}, {525, "UTC+08:45"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[32], string[16];
        check_text(zone_offset_name(cases[i].minutes, name), cases[i].name);
        check_text(zone_offset_string(cases[i].minutes, string), cases[i].name);
    }
}

static void named_offsets_have_plain_strings_too(void **state) {
    (void)state;
    char out[16];
    check_text(zone_offset_string(330, out), "UTC+05:30");
    check_text(zone_offset_string(0, out), "UTC+00:00");
    check_text(zone_offset_string(-720, out), "UTC-12:00");
    check_text(zone_offset_string(840, out), "UTC+14:00");
}

static void every_valid_offset_has_a_string_of_nine_characters(void **state) {
    (void)state;
    for (int minutes = ZONE_OFFSET_LEAST; minutes <= ZONE_OFFSET_MOST; minutes++) {
        char out[16];
        struct text string = zone_offset_string(minutes, out);
        int hours, rest;
        assert_int_equal(string.length, 9);
        assert_int_equal(sscanf(out + 4, "%d:%d", &hours, &rest), 2);
        assert_int_equal((out[3] == '-' ? -1 : 1) * (hours * 60 + rest), minutes);
    }
}

static void what_is_no_offset_is_invalid(void **state) {
    (void)state;
    static const int64_t cases[] = {
        -721, 841, 1440, -100000, INT64_MIN, INT64_MAX, INT64_C(1) << 32};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[32], string[16];
        check_text(zone_offset_name(cases[i], name), "Invalid");
        check_text(zone_offset_string(cases[i], string), "Invalid");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_range_from_minus_720_to_840),
        cmocka_unit_test(the_thirty_three_offsets_have_their_names),
        cmocka_unit_test(other_offsets_are_named_by_sign_and_magnitude),
        cmocka_unit_test(named_offsets_have_plain_strings_too),
        cmocka_unit_test(every_valid_offset_has_a_string_of_nine_characters),
        cmocka_unit_test(what_is_no_offset_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
