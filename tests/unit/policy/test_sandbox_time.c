/* The `time` library of policies, by the table of CONTRACT section 3. */
#include "unit/policy/script.h"

static void an_offset_is_valid_by_range_and_type(void **state) {
    script_check(*state, "return time.valid_offset(330)", "true");
    script_check(*state, "return time.valid_offset(-720) and time.valid_offset(840)", "true");
    static const char *const invalid[] = {"-721", "841",  "330.0", "330.5", "'330'",
                                          "true", "nil",  "{}",    "",      "math.maxinteger",
                                          "0/0",  "type", "'UTC'"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        char source[64];
        snprintf(source, sizeof source, "return time.valid_offset(%s)", invalid[i]);
        script_check(*state, source, "false");
    }
}

static void a_local_datetime_becomes_an_instant(void **state) {
    script_check(*state, "return time.to_utc('2025-10-01T09:00:00', 330)", "1759289400000000");
    script_check(*state, "return time.to_utc('2025-10-01 09:00', 0)", "1759309200000000");
    script_check(*state, "return time.to_utc('1970-01-01T00:00:00.5', 0, 'earlier')", "500000");
    script_check(*state, "return math.type(time.to_utc('1970-01-01T00:00:00', -60))", "integer");
}

static void to_utc_refuses_what_it_cannot_mean(void **state) {
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', 900)", "-720..840");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', 330.0)", "-720..840");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', nil)", "-720..840");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00+01:00', 60)", "offset");
    script_check_has(*state, "time.to_utc('2025-13-01T09:00:00', 60)",
                     "bad argument #1 to 'to_utc'");
    script_check_has(*state, "time.to_utc(5, 60)", "a local datetime, as a string");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', 0, 'soon')",
                     "invalid option 'soon'");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', 'Asia/Kolkata')",
                     "zones are not supported by this build");
}

static void an_instant_becomes_local_with_its_offset(void **state) {
    script_check(*state, "return time.to_local(1759289400000000, 330)",
                 "2025-10-01T09:00:00+05:30");
    script_check(*state, "return time.to_local('2025-10-01T03:30:00Z', -90)",
                 "2025-10-01T02:00:00-01:30");
    script_check(*state, "return time.to_local(0, 0)", "1970-01-01T00:00:00Z");
    script_check_has(*state, "time.to_local(0.5, 0)", "an instant, as an integer");
    script_check_has(*state, "time.to_local(math.maxinteger, 0)", "outside of the years");
}

static void offsets_have_names(void **state) {
    script_check(*state, "return time.offset_name(330)", "IST (UTC+5:30)");
    script_check(*state, "return time.offset_name(123)", "UTC+02:03");
    script_check(*state, "return time.offset_name(-123)", "UTC-02:03");
    script_check(*state, "return time.offset_name(10000)", "Invalid");
    script_check(*state, "return time.offset_name('x')", "Invalid");
}

#define SHOW(table)                                                                                \
    "local o = '' for k, v in pairs(" table                                                        \
    ") do o = o .. k .. '=' .. tostring(v) .. ' ' end return o"

static void offset_info_tells_all_of_an_offset(void **state) {
    script_check(*state, SHOW("time.offset_info(330)"),
                 "is_valid=true name=IST (UTC+5:30) offset_hours=5.5 offset_minutes=330 "
                 "utc_offset_string=UTC+05:30 ");
    script_check(*state, SHOW("time.offset_info(999)"),
                 "is_valid=false name=Invalid offset_minutes=999 utc_offset_string=Invalid ");
}

static void parse_gives_the_instant_and_the_offset(void **state) {
    script_check(*state,
                 "local t, o = time.parse('2025-10-01T09:00:00+05:30') return t .. ' ' .. o",
                 "1759289400000000 330");
    script_check_has(*state, "time.parse('2025-10-01T09:00:00')", "offset");
    script_check_has(*state, "time.parse('yesterday')", "bad argument #1 to 'parse'");
    script_check_has(*state, "time.parse(5)", "an RFC 3339 string");
}

static void not_future_compares_with_the_clock_of_the_call(void **state) {
    vm_set_now(*state, INT64_C(1759289400000000));
    script_check(*state, "return time.not_future('2025-10-01T03:30:00Z')", "true");
    script_check(*state, "return time.not_future('2025-10-01T03:35:00Z')", "true");
    script_check(*state, "return time.not_future('2025-10-01T03:35:00.000001Z')", "false");
    script_check(*state, "return time.not_future('2025-10-01T03:30:01Z', '0s')", "false");
    script_check(*state, "return time.not_future('2025-10-01T04:30:00Z', '1h')", "true");
    script_check(*state, "return time.not_future(0, -1)", "true");
    script_check(*state, "return time.not_future(0, math.mininteger)", "false");
    script_check(*state, "return time.not_future('9999-12-31T00:00:00Z', math.maxinteger)", "true");
}

static void instants_are_formatted_in_utc(void **state) {
    script_check(*state, "return time.format(1759289400500000)", "2025-10-01T03:30:00.5Z");
    script_check(*state, "return time.format('2025-10-01T09:00:00+05:30')", "2025-10-01T03:30:00Z");
    script_check(*state, "return time.format(time.parse('0001-01-01T00:00:00Z'))",
                 "0001-01-01T00:00:00Z");
}

static void instants_and_durations_add_up(void **state) {
    script_check(*state, "return time.format(time.add('2025-10-01T03:30:00Z', '1h30m'))",
                 "2025-10-01T05:00:00Z");
    script_check(*state, "return time.add(0, -5)", "-5");
    script_check(*state, "return time.diff('2025-10-01T03:30:00Z', '2025-10-01T03:29:59Z')",
                 "1000000");
    script_check(*state, "return time.duration('30d')", "2592000000000");
    script_check(*state, "return time.duration('PT5M') + time.duration(7)", "300000007");
    script_check_has(*state, "time.add(0, math.maxinteger)", "outside of the years");
    script_check_has(*state, "time.add(1, math.maxinteger)", "outside of the years");
    script_check_has(*state, "time.duration('soon')", "bad argument #1 to 'duration'");
    script_check_has(*state, "time.duration(1.5)", "a duration");
}

static void the_date_is_that_of_the_offset(void **state) {
    script_check(*state, "return time.date('2025-09-30T20:00:00Z')", "2025-09-30");
    script_check(*state, "return time.date('2025-09-30T20:00:00Z', 330)", "2025-10-01");
    script_check(*state, "return #time.date('9999-12-31T23:59:59Z', 840)", "10");
    script_check_has(*state, "time.date(0, 'UTC')", "zones are not supported");
}

static void there_are_no_zones_yet(void **state) {
    script_check(*state, "return #time.zones()", "0");
    lua_settop(vm_lua(*state), 0);
    struct fault fault;
    assert_true(script_run(*state, TEXT("return time.zones()"), 1, &fault));
    assert_true(bridge_is_array(vm_lua(*state), 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRIPT_TEST(an_offset_is_valid_by_range_and_type),
        SCRIPT_TEST(a_local_datetime_becomes_an_instant),
        SCRIPT_TEST(to_utc_refuses_what_it_cannot_mean),
        SCRIPT_TEST(an_instant_becomes_local_with_its_offset),
        SCRIPT_TEST(offsets_have_names),
        SCRIPT_TEST(offset_info_tells_all_of_an_offset),
        SCRIPT_TEST(parse_gives_the_instant_and_the_offset),
        SCRIPT_TEST(not_future_compares_with_the_clock_of_the_call),
        SCRIPT_TEST(instants_are_formatted_in_utc),
        SCRIPT_TEST(instants_and_durations_add_up),
        SCRIPT_TEST(the_date_is_that_of_the_offset),
        SCRIPT_TEST(there_are_no_zones_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
