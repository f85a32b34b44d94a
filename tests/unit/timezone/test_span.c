#include "unit/base/check.h"

#include "timezone/span.h"
#include "timezone/tz_cache.h"

#define SECOND_US INT64_C(1000000)

static struct place place_of(const char *zone) {
    struct place place = PLACE_UTC;
    struct fault fault;
    if (!tz_cache_find(tz_cache_system(), text_of(zone), &place.zone, &fault)) {
        fail_msg("%s", fault.message);
    }
    return place;
}

static int64_t instant_of(const char *text) {
    struct fault fault;
    int64_t instant_us;
    int offset;
    if (!instant_parse(text_of(text), &instant_us, &offset, &fault)) {
        fail_msg("%s", fault.message);
    }
    return instant_us;
}

static struct span span_of(const char *text) {
    struct fault fault;
    struct span span;
    if (!span_parse(text_of(text), &span, &fault)) {
        fail_msg("%s", fault.message);
    }
    return span;
}

static void spans_are_printed_as_they_are_read(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"P1Y2M3DT4H5M6.5S", "P1Y2M3DT4H5M6.5S"},
        {"-P1Y2M3W4DT4H", "-P1Y2M25DT4H"},
        {"P14M", "P1Y2M"},
        {"30d", "P30D"},
        {"-1h30m", "-PT1H30M"},
        {"PT90S", "PT1M30S"},
        {"50ms", "PT0.05S"},
        {"PT0.000001S", "PT0.000001S"},
        {"PT0S", "PT0S"},
        {"P0D", "PT0S"},
        {"-P0Y", "PT0S"},
        {"PT36H", "PT36H"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[SPAN_TEXT];
        struct span span = span_of(cases[i][0]);
        check_text(span_print(&span, out), cases[i][1]);
    }
}

static void the_widest_span_is_printed(void **state) {
    (void)state;
    char out[SPAN_TEXT];
    struct span span = {INT64_MIN, INT64_MIN, INT64_MIN};
    assert_true(span_print(&span, out).length < SPAN_TEXT);
}

static void spans_are_added_by_the_calendar(void **state) {
    (void)state;
    static const struct {
        const char *zone, *from, *span, *to;
    } cases[] = {
        {"UTC", "2025-01-31T12:00:00Z", "P1M", "2025-02-28T12:00:00Z"},
        {"UTC", "2024-01-31T12:00:00Z", "P1M", "2024-02-29T12:00:00Z"},
        {"UTC", "2024-02-29T12:00:00Z", "P1Y", "2025-02-28T12:00:00Z"},
        {"UTC", "2025-03-31T12:00:00Z", "-P1M", "2025-02-28T12:00:00Z"},
        {"UTC", "2025-01-31T12:00:00Z", "P1M1D", "2025-03-01T12:00:00Z"},
        {"UTC", "2025-12-31T12:00:00Z", "P2M", "2026-02-28T12:00:00Z"},
        {"UTC", "2025-01-15T12:00:00Z", "-P13M", "2023-12-15T12:00:00Z"},
        {"Europe/Berlin", "2025-03-29T12:00:00+01:00", "P1D", "2025-03-30T12:00:00+02:00"},
        {"Europe/Berlin", "2025-03-29T12:00:00+01:00", "1d", "2025-03-30T12:00:00+02:00"},
        {"Europe/Berlin", "2025-03-29T12:00:00+01:00", "24h", "2025-03-30T13:00:00+02:00"},
        {"Europe/Berlin", "2025-03-29T02:30:00+01:00", "P1D", "2025-03-30T03:30:00+02:00"},
        {"Europe/Berlin", "2025-10-25T02:30:00+02:00", "P1D", "2025-10-26T02:30:00+02:00"},
        {"Europe/Berlin", "2025-10-26T02:30:00+01:00", "PT0S", "2025-10-26T02:30:00+01:00"},
        {"Europe/Berlin", "2025-10-26T02:30:00+01:00", "PT1H", "2025-10-26T03:30:00+01:00"},
        {"Europe/Berlin", "2025-02-28T12:00:00+01:00", "P1MT12H", "2025-03-29T00:00:00+01:00"},
        {"Pacific/Apia", "2011-12-29T12:00:00-10:00", "P1D", "2011-12-31T12:00:00+14:00"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault fault;
        struct span span = span_of(cases[i].span);
        struct place place = place_of(cases[i].zone);
        int64_t to_us;
        char out[INSTANT_TEXT];
        assert_true(span_add(place, instant_of(cases[i].from), &span, &to_us, &fault));
        check_text(place_print(place, to_us, out), cases[i].to);
    }
}

static void what_leaves_the_calendar_is_refused(void **state) {
    (void)state;
    static const char *const spans[] = {
        "P8000Y",        "-P2025Y",      "P3000000D",           "P9000000000000000000D",
        "PT2562047788H", "-PT99999999H", "P768614336404564650Y"};
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        struct fault fault = FAULT_INIT;
        struct span span = span_of(spans[i]);
        int64_t to_us;
        assert_false(
            span_add(PLACE_UTC, instant_of("2025-01-01T00:00:00Z"), &span, &to_us, &fault));
        check_contains(fault.message, "0000 to 9999");
    }
}

static void differences_are_by_the_calendar(void **state) {
    (void)state;
    static const struct {
        const char *zone, *from, *to, *span;
    } cases[] = {
        {"UTC", "2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z", "P1M"},
        {"UTC", "2025-01-31T00:00:00Z", "2025-03-01T00:00:00Z", "P1M1D"},
        {"UTC", "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", "P1Y"},
        {"UTC", "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "PT0S"},
        {"UTC", "2025-01-02T00:00:00Z", "2025-01-01T00:00:00Z", "-P1D"},
        {"UTC", "2025-01-01T12:00:00Z", "2025-01-02T11:00:00Z", "PT23H"},
        {"Europe/Berlin", "2025-03-29T12:00:00+01:00", "2025-03-30T12:00:00+02:00", "P1D"},
        {"Europe/Berlin", "2025-10-25T12:00:00+02:00", "2025-10-26T12:00:00+01:00", "P1D"},
        {"UTC", "2025-10-25T12:00:00+02:00", "2025-10-26T12:00:00+01:00", "P1DT1H"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[SPAN_TEXT];
        struct span span = span_between(place_of(cases[i].zone), instant_of(cases[i].from),
                                        instant_of(cases[i].to));
        check_text(span_print(&span, out), cases[i].span);
    }
}

static int64_t next_instant(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    int64_t least = instant_of("1890-01-01T00:00:00Z"), most = instant_of("2110-01-01T00:00:00Z");
    return least + (int64_t)((*state >> 1) % (uint64_t)(most - least));
}

static void a_difference_leads_back(void **state) {
    (void)state;
    static const char *const zones[] = {"UTC",
                                        "Europe/Berlin",
                                        "Pacific/Apia",
                                        "America/New_York",
                                        "Africa/Monrovia",
                                        "Australia/Lord_Howe",
                                        "Africa/Casablanca"};
    uint64_t random = 7;
    for (size_t i = 0; i < 20000; i++) {
        struct fault fault;
        struct place place = place_of(zones[i % COUNT_OF(zones)]);
        int64_t from_us = next_instant(&random), to_us = next_instant(&random), again_us;
        to_us = i % 3 == 0 ? from_us + to_us % (INT64_C(200000) * SECOND_US) : to_us;
        struct span span = span_between(place, from_us, to_us);
        int64_t sign = to_us >= from_us ? 1 : -1;
        assert_true(span.months * sign >= 0 && span.days * sign >= 0 && span.us * sign >= 0);
        assert_true(span_add(place, from_us, &span, &again_us, &fault));
        assert_int_equal(again_us, to_us);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_printed_as_they_are_read),
        cmocka_unit_test(the_widest_span_is_printed),
        cmocka_unit_test(spans_are_added_by_the_calendar),
        cmocka_unit_test(what_leaves_the_calendar_is_refused),
        cmocka_unit_test(differences_are_by_the_calendar),
        cmocka_unit_test(a_difference_leads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
