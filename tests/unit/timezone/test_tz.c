/* One zone: what is read of a file, what is refused, and the way there and back. That the answers
 * are right is test_tz_oracle.c. */
#include "unit/timezone/tz_fixture.h"

#include "timezone/place.h"

#define SECOND_US INT64_C(1000000)
#define FIRST_US  (INT64_C(-62167219200) * SECOND_US)
#define LAST_US   (INT64_C(253402300799) * SECOND_US)

static struct fixture_file file;

static struct tz *decode(struct text bytes) {
    struct tz *zone;
    struct fault fault = FAULT_INIT;
    if (!tz_decode(bytes, &zone, &fault)) {
        fail_msg("%s", fault.message);
    }
    return zone;
}

static struct tz *make(const struct fixture_zone *made) {
    fixture_make(&file, made);
    return decode(fixture_text(&file));
}

static void check_refused(struct text bytes, const char *part) {
    struct tz *zone = NULL;
    struct fault fault = FAULT_INIT;
    if (tz_decode(bytes, &zone, &fault)) {
        fail_msg("accepted, though %s", part);
    }
    assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
    check_contains(fault.message, part);
}

static void check_made_refused(const struct fixture_zone *made, const char *part) {
    fixture_make(&file, made);
    check_refused(fixture_text(&file), part);
}

static const char *abbreviation_at(const struct tz *zone, int64_t second) {
    return tz_at(zone, second * SECOND_US)->abbreviation;
}

/* --- what is read --- */

static void every_version_is_read(void **state) {
    (void)state;
    static const int64_t times[] = {-1000, 1000};
    static const char versions[] = {0, '2', '3', '4'};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tz *zone = make(
            &(struct fixture_zone){versions[i], times, "\1\2", 2, versions[i] == 0 ? NULL : "", 0});
        assert_string_equal(abbreviation_at(zone, -1001), "LMT");
        assert_string_equal(abbreviation_at(zone, -1000), "AAA");
        assert_string_equal(abbreviation_at(zone, 999), "AAA");
        assert_string_equal(abbreviation_at(zone, 1000), "BBB");
        assert_string_equal(abbreviation_at(zone, INT64_C(250000000000)), "BBB");
        tz_free(zone);
    }
}

static void the_footer_goes_on_for_ever(void **state) {
    (void)state;
    static const int64_t times[] = {0};
    struct tz *zone =
        make(&(struct fixture_zone){'2', times, "\1", 1, "AAA-1BBB,M3.5.0,M10.5.0/3", 0});
    static const int years[] = {1970, 1999, 2037, 2038, 2369, 2370, 2371, 2400, 2772, 9999};
    for (size_t i = 0; i < COUNT_OF(years); i++) {
        int64_t day = instant_days(years[i], 7, 1);
        assert_string_equal(abbreviation_at(zone, day * 86400), "BBB");
        assert_string_equal(abbreviation_at(zone, (day + 150) * 86400), "AAA");
    }
    tz_free(zone);
}

static void a_rule_without_transitions_holds_always(void **state) {
    (void)state;
    struct tz *zone =
        make(&(struct fixture_zone){'3', NULL, "", 0, "AAA-1BBB,M3.4.4/50,M10.4.4/50", 0});
    assert_string_equal(abbreviation_at(zone, instant_days(2, 7, 1) * 86400), "BBB");
    assert_string_equal(abbreviation_at(zone, instant_days(2025, 7, 1) * 86400), "BBB");
    assert_string_equal(abbreviation_at(zone, instant_days(9999, 12, 1) * 86400), "AAA");
    tz_free(zone);
}

/* RFC 9636 section 3.3.1: daylight time all year round. */
static void daylight_time_may_never_end(void **state) {
    (void)state;
    struct tz *zone = make(&(struct fixture_zone){'3', NULL, "", 0, "AAA-1BBB,0/0,J365/25", 0});
    for (int year = 2000; year < 2900; year++) {
        for (int64_t second = -7200; second <= 7200; second += 1800) {
            int64_t at = instant_days(year, 1, 1) * 86400 + second;
            assert_string_equal(abbreviation_at(zone, at), "BBB");
            assert_int_equal(tz_instants(zone, at * SECOND_US).match, TZ_ONCE);
        }
    }
    tz_free(zone);
}

static void transitions_of_the_big_bang_only_say_what_was_first(void **state) {
    (void)state;
    static const int64_t times[] = {-(INT64_C(1) << 59), 1000};
    struct tz *zone = make(&(struct fixture_zone){'2', times, "\1\2", 2, "", 0});
    assert_string_equal(abbreviation_at(zone, INT64_C(-62167219200)), "AAA");
    tz_free(zone);
}

static void odd_seconds_are_written_as_the_nearest_minute(void **state) {
    (void)state;
    char out[INSTANT_TEXT];
    const struct tz *zone;
    struct fault fault;
    assert_true(tz_cache_find(tz_cache_system(), TEXT("Africa/Monrovia"), &zone, &fault));
    struct place place = {zone, 0};
    int64_t instant_us, again_us = INT64_C(-1000000000) * SECOND_US;
    int offset;
    assert_int_equal(tz_at(zone, again_us)->offset_seconds, -2670); /* -0:44:30 */
    assert_true(instant_parse(place_print(place, again_us, out), &instant_us, &offset, &fault));
    assert_int_equal(instant_us, again_us);
    assert_int_equal(offset, -45);
    assert_int_equal(place_local(place, again_us), again_us - 2670 * SECOND_US);
}

/* --- what is refused --- */

static void a_file_that_ends_early_is_refused(void **state) {
    (void)state;
    fixture_read(&file, "/usr/share/zoneinfo/Europe/Berlin");
    for (size_t length = 0; length < file.length; length++) {
        char *exact = malloc(length + 1); /* so that reading on is noticed */
        memcpy(exact, file.bytes, length);
        check_refused((struct text){exact, length}, "it is no TZif file");
        free(exact);
    }
}

static void a_damaged_byte_harms_nothing_else(void **state) {
    (void)state;
    static const unsigned char damages[] = {0xFF, 0x80, 0x01};
    fixture_read(&file, "/usr/share/zoneinfo/Europe/Berlin");
    for (size_t i = 0; i < file.length * COUNT_OF(damages); i++) {
        struct fault fault = FAULT_INIT;
        struct tz *zone = NULL;
        size_t at = i / COUNT_OF(damages);
        char before = file.bytes[at];
        file.bytes[at] = (char)(before ^ (char)damages[i % COUNT_OF(damages)]);
        if (tz_decode(fixture_text(&file), &zone, &fault)) {
            (void)tz_instants(zone, (int64_t)i * 86400 * SECOND_US);
            tz_free(zone);
        } else {
            assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
        }
        file.bytes[at] = before;
    }
}

static void malformed_files_are_refused_with_the_reason(void **state) {
    (void)state;
    static const int64_t times[] = {1000, 2000}, same[] = {1000, 1000}, back[] = {2000, 1000};
    check_made_refused(&(struct fixture_zone){'5', times, "\1\2", 2, "", 0}, "its version");
    check_made_refused(&(struct fixture_zone){'1', times, "\1\2", 2, "", 0}, "its version");
    check_made_refused(&(struct fixture_zone){'2', same, "\1\2", 2, "", 0}, "not in order");
    check_made_refused(&(struct fixture_zone){'2', back, "\1\2", 2, "", 0}, "not in order");
    check_made_refused(&(struct fixture_zone){'2', times, "\1\3", 2, "", 0}, "type that is not");
    check_made_refused(&(struct fixture_zone){'2', times, "\1\2", 2, "", 1}, "leap seconds");
    check_made_refused(&(struct fixture_zone){0, times, "\1\2", 2, "", 0}, "follows the end");
    check_made_refused(&(struct fixture_zone){'2', times, "\1\2", 2, NULL, 0}, "its footer");
    check_made_refused(&(struct fixture_zone){'2', times, "\1\2", 2, "AAA-1\n", 0}, "its footer");
    check_made_refused(&(struct fixture_zone){'2', times, "\1\2", 2, "AAA", 0}, "POSIX TZ rule");
    check_made_refused(&(struct fixture_zone){'2', times, "\1\2", 2, "AAA-1", 0},
                       "its footer says AAA (3600 s) where its last transition says BBB");
    check_made_refused(
        &(struct fixture_zone){'2', times, "\1\2", 2, "AAA-1BBB,M3.5.0,M10.5.0/3", 0},
        "its footer says AAA");
    check_made_refused(
        &(struct fixture_zone){'2', times, "\2\1", 2, "AAA-1BBB,M3.5.0/-1,M10.5.0/3", 0},
        "needs version 3");
}

static void files_of_leap_seconds_are_refused(void **state) {
    (void)state;
    static const int64_t times[] = {1000};
    fixture_make(&file, &(struct fixture_zone){'4', times, "\1", 1, "AAA-1", 27});
    check_refused(fixture_text(&file), "it counts leap seconds");
}

static void counts_and_types_are_held_against_each_other(void **state) {
    (void)state;
    static const struct {
        size_t at; /* in the header and blocks of a version 1 file without transitions */
        unsigned char byte;
        const char *part;
    } cases[] = {
        {0, 'X', "begin with"},         {23, 2, "ends too early"},   {27, 2, "ends too early"},
        {35, 1, "ends too early"},      {36, 1, "ends too early"},   {39, 0, "no local time types"},
        {43, 0, "no local time types"}, {44, 0x7F, "a day or more"}, {48, 2, "neither 0 nor 1"},
        {49, 12, "does not end"},       {65, ' ', "strange"},        {73, 'X', "does not end"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_make(&file, &(struct fixture_zone){0, NULL, "", 0, NULL, 0});
        file.bytes[cases[i].at] = (char)cases[i].byte;
        check_refused(fixture_text(&file), cases[i].part);
    }
}

/* --- gaps and folds --- */

static const struct tz *find(const char *name) {
    const struct tz *zone;
    struct fault fault;
    if (!tz_cache_find(tz_cache_system(), text_of(name), &zone, &fault)) {
        fail_msg("%s", fault.message);
    }
    return zone;
}

static void gaps_and_folds_are_decided_as_asked(void **state) {
    (void)state;
    static const struct {
        const char *zone, *local, *utc[3]; /* compatible, earlier, later */
    } cases[] = {
        {"Europe/Berlin",
         "2025-03-30T02:30:00",
         {"2025-03-30T01:30:00Z", "2025-03-30T00:30:00Z", "2025-03-30T01:30:00Z"}},
        {"Europe/Berlin",
         "2025-10-26T02:30:00",
         {"2025-10-26T00:30:00Z", "2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z"}},
        {"Australia/Lord_Howe",
         "2025-10-05T02:15:00",
         {"2025-10-04T15:45:00Z", "2025-10-04T15:15:00Z", "2025-10-04T15:45:00Z"}},
        {"Pacific/Apia", /* the day that never was */
         "2011-12-30T12:00:00",
         {"2011-12-30T22:00:00Z", "2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"}},
        {"Europe/Dublin", /* whose winter time is the daylight saving one */
         "2025-10-26T01:30:00",
         {"2025-10-26T00:30:00Z", "2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z"}},
        {"America/New_York",
         "2417-03-08T12:00:00",
         {"2417-03-08T17:00:00Z", "2417-03-08T17:00:00Z", "2417-03-08T17:00:00Z"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (unsigned way = TZ_COMPATIBLE; way < TZ_REJECT; way++) {
            struct civil civil;
            struct fault fault;
            int64_t instant_us;
            char out[INSTANT_TEXT];
            assert_true(instant_parse_local(text_of(cases[i].local), &civil, &fault));
            assert_true(tz_instant(find(cases[i].zone), instant_of_civil(&civil, 0),
                                   (enum tz_disambiguate)way, &instant_us, &fault));
            check_text(instant_print(instant_us, out), cases[i].utc[way]);
        }
    }
}

static void what_is_rejected_says_why(void **state) {
    (void)state;
    static const struct {
        struct civil civil;
        const char *part;
    } cases[] = {
        {{2025, 3, 30, 2, 30, 0, 0},
         "2025-03-30T02:30:00 never comes: the clocks skip it as they go forward by 60 minutes, "
         "from CET to CEST"},
        {{2025, 10, 26, 2, 30, 0, 0},
         "2025-10-26T02:30:00 comes twice, at 2025-10-26T00:30:00Z and at 2025-10-26T01:30:00Z"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault = FAULT_INIT;
        int64_t instant_us;
        assert_false(tz_instant(find("Europe/Berlin"), instant_of_civil(&cases[i].civil, 0),
                                TZ_REJECT, &instant_us, &fault));
        assert_int_equal(fault.code, FAULT_VALIDATION_FAILED);
        check_contains(fault.message, cases[i].part);
    }
}

/* --- properties --- */

/* A repeatable sequence: a test that fails does so again. */
static int64_t next_instant(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return FIRST_US + (int64_t)((*state >> 1) % (uint64_t)(LAST_US - FIRST_US));
}

static void check_way_back(const struct tz *zone, struct text name, int64_t instant_us) {
    struct tz_instants found = tz_instants(zone, tz_local(zone, instant_us));
    bool there = instant_us == found.earlier_us || instant_us == found.later_us;
    bool sound =
        found.match != TZ_GAP && (found.match == TZ_FOLD) == (found.earlier_us != found.later_us);
    if (!there || !sound) {
        fail_msg("%.*s at %lld", TEXT_ARGS(name), (long long)instant_us);
    }
}

/* Half of them near today, where people live. */
static void every_instant_is_found_again_from_its_local_time(void **state) {
    (void)state;
    size_t count;
    const struct text *names = tz_cache_names(tz_cache_system(), &count);
    uint64_t random = 1;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        char name[80];
        snprintf(name, sizeof name, "%.*s", TEXT_ARGS(names[i]));
        const struct tz *zone = find(name);
        for (int round = 0; round < 500; round++) {
            check_way_back(zone, names[i], next_instant(&random));
            check_way_back(zone, names[i],
                           next_instant(&random) % (INT64_C(4102444800) * SECOND_US));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_is_read),
        cmocka_unit_test(the_footer_goes_on_for_ever),
        cmocka_unit_test(a_rule_without_transitions_holds_always),
        cmocka_unit_test(daylight_time_may_never_end),
        cmocka_unit_test(transitions_of_the_big_bang_only_say_what_was_first),
        cmocka_unit_test(odd_seconds_are_written_as_the_nearest_minute),
        cmocka_unit_test(a_file_that_ends_early_is_refused),
        cmocka_unit_test(a_damaged_byte_harms_nothing_else),
        cmocka_unit_test(malformed_files_are_refused_with_the_reason),
        cmocka_unit_test(files_of_leap_seconds_are_refused),
        cmocka_unit_test(counts_and_types_are_held_against_each_other),
        cmocka_unit_test(gaps_and_folds_are_decided_as_asked),
        cmocka_unit_test(what_is_rejected_says_why),
        cmocka_unit_test(every_instant_is_found_again_from_its_local_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
