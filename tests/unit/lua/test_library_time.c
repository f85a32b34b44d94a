/* The `time` library of policies, by the table of CONTRACT section 3. */
#include "unit/lua/script.h"

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
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', 'Asia/Kolkatta')",
                     "bad argument #2 to 'to_utc' (\"Asia/Kolkatta\" is not a zone: expected an "
                     "IANA name such as Europe/Berlin; did you mean 'Asia/Kolkata'?)");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', '330')", "\"330\" is not a zone");
    script_check_has(*state, "time.to_utc('2025-10-01T09:00:00', true)", "the name of a zone");
    script_check_has(*state, "time.to_utc('2025-03-30T02:30:00', 'Europe/Berlin', 'reject')",
                     "never comes");
    script_check_has(*state, "time.to_utc('2025-10-26T02:30:00', 'Europe/Berlin', 'reject')",
                     "comes twice");
    script_check_has(*state, "time.to_utc('0000-01-01T00:00:00', 'Asia/Tokyo')",
                     "outside of the years");
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
    script_check(*state, "return time.format(time.parse('0000-01-01T00:00:00Z'))",
                 "0000-01-01T00:00:00Z");
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
}

static void zones_are_places(void **state) {
    script_check(*state, "return time.format(time.to_utc('2025-07-01T09:00', 'Europe/Berlin'))",
                 "2025-07-01T07:00:00Z");
    script_check(*state, "return time.to_local('2025-07-01T07:00:00Z', 'Europe/Berlin')",
                 "2025-07-01T09:00:00+02:00");
    script_check(*state, "return time.format('2025-01-01T07:00:00Z', 'Asia/Kathmandu')",
                 "2025-01-01T12:45:00+05:45");
    script_check(*state, "return time.format('2025-01-01T07:00:00Z', -90)",
                 "2025-01-01T05:30:00-01:30");
    script_check(*state, "return time.date('2025-06-30T12:00:00Z', 'Pacific/Auckland')",
                 "2025-07-01");
    script_check(*state, "return time.to_local('2025-01-01T00:00:00Z', 'Europe/London')",
                 "2025-01-01T00:00:00Z");
    script_check_has(*state, "time.date(0, '../UTC')", "is not a zone");
    script_check_has(*state, "time.format(0, 'utc')", "did you mean 'UTC'?");
    script_check_has(*state, "time.date(0, 841)", "-720..840");
}

static void gaps_and_folds_are_decided_as_asked(void **state) {
    static const char *const cases[][3] = {
        {"03-30T02:30", "compatible", "2025-03-30T03:30:00+02:00"},
        {"03-30T02:30", "earlier", "2025-03-30T01:30:00+01:00"},
        {"03-30T02:30", "later", "2025-03-30T03:30:00+02:00"},
        {"10-26T02:30", "compatible", "2025-10-26T02:30:00+02:00"},
        {"10-26T02:30", "earlier", "2025-10-26T02:30:00+02:00"},
        {"10-26T02:30", "later", "2025-10-26T02:30:00+01:00"},
        {"10-26T03:30", "reject", "2025-10-26T03:30:00+01:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char source[160];
        snprintf(source, sizeof source,
                 "return time.to_local(time.to_utc('2025-%s', 'Europe/Berlin', '%s'), "
                 "'Europe/Berlin')",
                 cases[i][0], cases[i][1]);
        script_check(*state, source, cases[i][2]);
    }
}

static void durations_count_by_the_calendar_of_a_place(void **state) {
    script_check(*state, "return time.format(time.add('2025-01-31T12:00:00Z', 'P1M'))",
                 "2025-02-28T12:00:00Z");
    script_check(*state,
                 "return time.to_local(time.add('2025-03-29T11:00:00Z', 'P1D', 'Europe/Berlin'), "
                 "'Europe/Berlin')",
                 "2025-03-30T12:00:00+02:00");
    script_check(*state, "return time.format(time.add('2025-03-29T11:00:00Z', 'P1D'))",
                 "2025-03-30T11:00:00Z");
    script_check(*state, "return time.format(time.add('2025-01-31T23:30:00Z', 'P1M', 60))",
                 "2025-02-28T23:30:00Z");
    script_check(*state,
                 "return time.diff('2025-03-30T10:00:00Z', '2025-03-29T11:00:00Z', "
                 "'Europe/Berlin')",
                 "P1D");
    script_check(*state, "return time.diff('2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z', 0)",
                 "-P2M");
    script_check_has(*state, "time.add(0, 'P9000Y')", "outside of the years 0000 to 9999");
    script_check_has(*state, "time.add(0, 'P1X')", "the units are Y, M, W and D");
    script_check_has(*state, "time.add(0, 'P1D', 'Mars')", "is not a zone");
    script_check_has(*state, "time.duration('P1M')", "vary in length");
}

static void zones_are_listed(void **state) {
    script_check(*state, "return #time.zones() > 300", "true");
    script_check(*state,
                 "local n = 0 for _, z in ipairs(time.zones()) do n = n + #time.date(0, z) end "
                 "return n == 10 * #time.zones()",
                 "true");
    lua_settop(vm_lua(*state), 0);
    struct fault fault;
    assert_true(script_run(*state, TEXT("return time.zones()"), 1, &fault));
    assert_true(value_is_array(vm_lua(*state), 1));
}

/* To look for what was meant takes long: it is charged for. */
static void guessing_names_is_charged(void **state) {
    script_check_has(*state,
                     "for i = 1, 1000 do pcall(time.date, 0, 'Europe/Berln' .. i) end return 1",
                     "instructions");
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
        SCRIPT_TEST(zones_are_places),
        SCRIPT_TEST(gaps_and_folds_are_decided_as_asked),
        SCRIPT_TEST(durations_count_by_the_calendar_of_a_place),
        SCRIPT_TEST(zones_are_listed),
        SCRIPT_TEST(guessing_names_is_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
