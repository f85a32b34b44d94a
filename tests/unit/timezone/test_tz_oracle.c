/* Every zone of the system, every change of it from 1900 to 2100, in both directions, against two
 * independent readers of the same files: Python's zoneinfo (tests/support/zones.py says what is
 * asked) and the C library's localtime_r. All of it has to be equal. */
#include "unit/base/check.h"

#include "timezone/tz_cache.h"

#include <stdlib.h>
#include <time.h>

#define NAMES_MOST  256
#define LINE_BYTES  16384
#define SECOND_US   INT64_C(1000000)
#define SHOWN_MOST  20
#define C_YEAR_MOST 2100

static struct {
    struct tz_cache *cache;
    const struct tz *zones[NAMES_MOST];
    char names[NAMES_MOST][80];
    size_t count; /* of zones with the same file */
    unsigned long named, instants, locals, c_instants, wrong;
    bool ended;
} run;

static void differ(const char *name, const char *line, const char *what) {
    if (run.wrong++ < SHOWN_MOST) {
        print_error("%s: %s: %s\n", name, what, line);
    }
}

static void start_zones(char *names) {
    char *rest = NULL;
    run.count = 0;
    for (char *name = strtok_r(names, " \n", &rest); name != NULL && run.count < NAMES_MOST;
         name = strtok_r(NULL, " \n", &rest)) {
        struct fault fault = FAULT_INIT;
        if (!tz_cache_find(run.cache, text_of(name), &run.zones[run.count], &fault)) {
            fail_msg("%s", fault.message);
        }
        snprintf(run.names[run.count++], sizeof run.names[0], "%s", name);
        run.named++;
    }
    setenv("TZ", run.names[0], 1);
    tzset();
}

static bool is_type(const struct tz_type *type, long offset, bool is_dst,
                    const char *abbreviation) {
    return type->offset_seconds == offset && type->is_dst == is_dst &&
           strcmp(type->abbreviation, abbreviation) == 0;
}

/* Of all names the file is the same, so the C library is asked for the first. */
static void compare_with_c(int64_t at, const char *line) {
    struct tm local;
    time_t instant = (time_t)at;
    if (localtime_r(&instant, &local) == NULL || local.tm_year + 1900 > C_YEAR_MOST) {
        return;
    }
    run.c_instants++;
    if (!is_type(tz_at(run.zones[0], at * SECOND_US), local.tm_gmtoff, local.tm_isdst > 0,
                 local.tm_zone)) {
        differ(run.names[0], line, "the C library");
    }
}

static void check_instant(const char *line) {
    long long at;
    long offset;
    int is_dst;
    char abbreviation[32];
    assert_int_equal(sscanf(line, "I %lld %ld %d %31s", &at, &offset, &is_dst, abbreviation), 4);
    for (size_t i = 0; i < run.count; i++, run.instants++) {
        const struct tz *zone = run.zones[i];
        if (!is_type(tz_at(zone, at * SECOND_US), offset, is_dst != 0, abbreviation) ||
            tz_at(zone, at * SECOND_US) != tz_at(zone, (at + 1) * SECOND_US - 1)) {
            differ(run.names[i], line, "zoneinfo");
        }
    }
    compare_with_c(at, line);
}

/* PEP 495: fold 0 is the earlier of a fold and the later of a gap; fold 1 is the other of both. */
static void check_local(const char *line) {
    long long at, fold0, fold1;
    assert_int_equal(sscanf(line, "L %lld %lld %lld", &at, &fold0, &fold1), 3);
    enum tz_match match = fold0 == fold1 ? TZ_ONCE : fold0 < fold1 ? TZ_FOLD : TZ_GAP;
    int64_t earlier_us = (fold0 < fold1 ? fold0 : fold1) * SECOND_US;
    int64_t later_us = (fold0 < fold1 ? fold1 : fold0) * SECOND_US;
    for (size_t i = 0; i < run.count; i++, run.locals++) {
        struct fault fault;
        int64_t chosen_us;
        struct tz_instants found = tz_instants(run.zones[i], at * SECOND_US);
        if (found.match != match || found.earlier_us != earlier_us || found.later_us != later_us ||
            !tz_instant(run.zones[i], at * SECOND_US, TZ_COMPATIBLE, &chosen_us, &fault) ||
            chosen_us != fold0 * SECOND_US) {
            differ(run.names[i], line, "zoneinfo, local");
        }
    }
}

static void read_line(char *line) {
    switch (line[0]) {
    case 'Z':
        start_zones(line + 2);
        break;
    case 'I':
        check_instant(line);
        break;
    case 'L':
        check_local(line);
        break;
    default:
        run.ended = strcmp(line, "E\n") == 0;
        break;
    }
}

static void every_zone_is_what_others_read(void **state) {
    (void)state;
    static char line[LINE_BYTES];
    run.cache = tz_cache_new("/usr/share/zoneinfo", now_system());
    FILE *oracle =
        popen("PYTHONTZPATH=/usr/share/zoneinfo python3 tests/support/zones.py 1900 2100", "r");
    assert_non_null(oracle);
    while (fgets(line, sizeof line, oracle) != NULL) {
        assert_non_null(strchr(line, '\n'));
        read_line(line);
    }
    assert_int_equal(pclose(oracle), 0);
    assert_true(run.ended);
    size_t count;
    (void)tz_cache_names(run.cache, &count);
    assert_true(count > 0);
    assert_int_equal(run.named, count);
    print_message("%lu zones, %lu instants, %lu local times with zoneinfo, %lu instants with the C "
                  "library: %lu differ\n",
                  run.named, run.instants, run.locals, run.c_instants, run.wrong);
    assert_int_equal(run.wrong, 0);
    tz_cache_free(run.cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_zone_is_what_others_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
