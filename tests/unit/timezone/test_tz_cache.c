/* A tz database in a directory of its own, which changes while it is read. The clock is held
 * still. */
#include "unit/timezone/tz_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define BERLIN "/usr/share/zoneinfo/Europe/Berlin"
#define TOKYO  "/usr/share/zoneinfo/Asia/Tokyo"

struct world {
    char directory[64];
    _Atomic int64_t now_us;
    struct tz_cache *cache;
};

static struct fixture_file file;

static int64_t read_now(void *context) {
    struct world *world = context;
    return world->now_us;
}

static const char *path_of(const struct world *world, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", world->directory, name);
    return path;
}

static void put_text(struct world *world, const char *name, const char *content) {
    FILE *stream = fopen(path_of(world, name), "w");
    assert_non_null(stream);
    fputs(content, stream);
    fclose(stream);
}

/* As a package manager does: written beside it, and renamed. */
static void put_zone(struct world *world, const char *name, const char *source) {
    char fresh[256];
    snprintf(fresh, sizeof fresh, "%s", path_of(world, "new~"));
    fixture_read(&file, source);
    fixture_write(&file, fresh);
    assert_int_equal(rename(fresh, path_of(world, name)), 0);
}

#define LIST                                                                                       \
    "# version 2031c\nR d 1916 o - Jun 14 23s 1 S\nZ Europe/Berlin 0:53:28 - LMT 1893\n"           \
    "1 c CE%sT\nZ Asia/Tokyo 9:18:59 - LMT 1887\nL Europe/Berlin Europe/Oslo\n"

static int start(void **state) {
    struct world *world = calloc(1, sizeof *world);
    snprintf(world->directory, sizeof world->directory, "/tmp/statute-tz.XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    assert_int_equal(mkdir(path_of(world, "Europe"), 0700), 0);
    assert_int_equal(mkdir(path_of(world, "Asia"), 0700), 0);
    assert_int_equal(mkdir(path_of(world, "right"), 0700), 0);
    put_text(world, "tzdata.zi", LIST);
    put_zone(world, "Europe/Berlin", BERLIN);
    put_zone(world, "Europe/Paris", BERLIN); /* not on the list */
    put_zone(world, "Asia/Tokyo", TOKYO);
    put_zone(world, "right/Berlin", BERLIN);
    put_zone(world, "localtime", BERLIN);
    struct now now = {.wall_us = read_now, .monotonic_us = read_now, .context = world};
    world->now_us = 5 * NOW_SECOND;
    world->cache = tz_cache_new(world->directory, now);
    *state = world;
    return 0;
}

static int stop(void **state) {
    static const char *const names[] = {"Europe/Berlin", "Europe/Paris", "Europe/Oslo",
                                        "Asia/Tokyo",    "right/Berlin", "localtime",
                                        "tzdata.zi"};
    struct world *world = *state;
    tz_cache_free(world->cache);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)unlink(path_of(world, names[i]));
    }
    (void)rmdir(path_of(world, "Europe"));
    (void)rmdir(path_of(world, "Asia"));
    (void)rmdir(path_of(world, "right"));
    assert_int_equal(rmdir(world->directory), 0);
    free(world);
    return 0;
}

static const struct tz *find(struct world *world, const char *name) {
    const struct tz *zone;
    struct fault fault;
    if (!tz_cache_find(world->cache, text_of(name), &zone, &fault)) {
        fail_msg("%s", fault.message);
    }
    return zone;
}

static void check_absent(struct world *world, struct text name, enum fault_code code,
                         const char *part) {
    const struct tz *zone;
    struct fault fault = FAULT_INIT;
    assert_false(tz_cache_find(world->cache, name, &zone, &fault));
    assert_int_equal(fault.code, code);
    check_contains(fault.message, part);
}

static int minutes_now(const struct tz *zone) {
    return tz_minutes(tz_at(zone, INT64_C(1750000000000000))); /* June 2025 */
}

/* --- names --- */

static void names_are_those_of_the_list_that_have_a_file(void **state) {
    size_t count;
    struct world *world = *state;
    const struct text *names = tz_cache_names(world->cache, &count);
    assert_int_equal(count, 2);
    check_text(names[0], "Asia/Tokyo");
    check_text(names[1], "Europe/Berlin");
    check_text(tz_cache_version(world->cache), "2031c");
}

static void without_a_list_the_files_are_the_names(void **state) {
    size_t count;
    struct world *world = *state;
    assert_int_equal(unlink(path_of(world, "tzdata.zi")), 0);
    const struct text *names = tz_cache_names(world->cache, &count);
    assert_int_equal(count, 3);
    check_text(names[2], "Europe/Paris");
    check_text(tz_cache_version(world->cache), "unknown");
}

static void what_is_no_name_is_refused_with_the_nearest(void **state) {
    static const char *const cases[][2] = {
        {"Europe/Berln", "did you mean 'Europe/Berlin'?"},
        {"europe/berlin", "did you mean 'Europe/Berlin'?"},
        {"Tokyo", "did you mean 'Asia/Tokyo'?"},
        {"right/Berlin", "\"right/Berlin\" is not a zone: expected an IANA name"},
        {"Europe/Paris", "is not a zone"},
        {"localtime", "is not a zone"},
        {"Europe/../Europe/Berlin", "is not a zone"},
        {"../../etc/passwd", "is not a zone"},
        {"/usr/share/zoneinfo/Europe/Berlin", "is not a zone"},
        {"Europe", "is not a zone"},
        {"Europe/", "is not a zone"},
        {"", "\"\" is not a zone"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_absent(*state, text_of(cases[i][0]), FAULT_VALIDATION_FAILED, cases[i][1]);
    }
    check_absent(*state, TEXT("Europe/Berlin\0"), FAULT_VALIDATION_FAILED, "is not a zone");
}

static void a_long_name_is_quoted_in_part(void **state) {
    static char name[10000];
    memset(name, 'E', sizeof name);
    check_absent(*state, (struct text){name, sizeof name}, FAULT_VALIDATION_FAILED, "EEE\" is not");
}

static void a_missing_database_is_said_to_be_missing(void **state) {
    struct world *world = *state;
    struct world none = {.cache = tz_cache_new("/nonexistent", now_system())};
    (void)world;
    check_absent(&none, TEXT("Europe/Berlin"), FAULT_ENVIRONMENT, "no tz database in /nonexistent");
    check_text(tz_cache_version(none.cache), "unknown");
    tz_cache_free(none.cache);
}

/* --- changes --- */

static void a_changed_file_is_read_a_second_later(void **state) {
    struct world *world = *state;
    const struct tz *before = find(world, "Europe/Berlin");
    assert_int_equal(minutes_now(before), 120);
    put_zone(world, "Europe/Berlin", TOKYO);
    world->now_us += NOW_SECOND - 1;
    assert_ptr_equal(find(world, "Europe/Berlin"), before);
    world->now_us += 1;
    assert_int_equal(minutes_now(find(world, "Europe/Berlin")), 540);
    assert_int_equal(minutes_now(before), 120);
}

static void a_file_with_the_same_bytes_keeps_its_zone(void **state) {
    struct world *world = *state;
    const struct tz *before = find(world, "Europe/Berlin");
    put_zone(world, "Europe/Berlin", BERLIN);
    world->now_us += NOW_SECOND;
    assert_ptr_equal(find(world, "Europe/Berlin"), before);
}

static void a_damaged_file_leaves_what_was_read(void **state) {
    struct world *world = *state;
    const struct tz *before = find(world, "Europe/Berlin");
    put_text(world, "Europe/Berlin", "TZif2 and no more");
    world->now_us += NOW_SECOND;
    assert_ptr_equal(find(world, "Europe/Berlin"), before);
    put_zone(world, "Europe/Berlin", TOKYO);
    world->now_us += NOW_SECOND;
    assert_int_equal(minutes_now(find(world, "Europe/Berlin")), 540);
}

static void a_file_that_was_damaged_from_the_start_is_named(void **state) {
    struct world *world = *state;
    put_text(world, "Europe/Berlin", "TZif2 and no more");
    check_absent(world, TEXT("Europe/Berlin"), FAULT_ENVIRONMENT, "Europe/Berlin: it is no TZif");
    put_zone(world, "Europe/Berlin", BERLIN);
    assert_int_equal(minutes_now(find(world, "Europe/Berlin")), 120);
}

static void names_come_and_go(void **state) {
    size_t count;
    struct world *world = *state;
    const struct tz *berlin = find(world, "Europe/Berlin");
    put_zone(world, "Europe/Oslo", BERLIN);
    check_absent(world, TEXT("Europe/Oslo"), FAULT_VALIDATION_FAILED, "is not a zone");
    world->now_us += NOW_SECOND;
    assert_int_equal(minutes_now(find(world, "Europe/Oslo")), 120);
    assert_ptr_equal(find(world, "Europe/Berlin"), berlin);
    put_text(world, "tzdata.zi", "# version 2032a\nZ Asia/Tokyo 9\n");
    world->now_us += NOW_SECOND;
    (void)tz_cache_names(world->cache, &count);
    assert_int_equal(count, 1);
    check_text(tz_cache_version(world->cache), "2032a");
    check_absent(world, TEXT("Europe/Berlin"), FAULT_VALIDATION_FAILED, "is not a zone");
    assert_int_equal(minutes_now(berlin), 120);
}

static void a_database_that_vanishes_leaves_what_was_known(void **state) {
    struct world *world = *state;
    const struct tz *tokyo = find(world, "Asia/Tokyo");
    put_text(world, "tzdata.zi", "# version 2032a\n");
    world->now_us += NOW_SECOND;
    assert_ptr_equal(find(world, "Asia/Tokyo"), tokyo);
    check_text(tz_cache_version(world->cache), "2031c");
}

/* --- threads --- */

#define READERS 4

static _Atomic bool ended;

static void *read_on(void *context) {
    struct world *world = context;
    size_t wrong = 0;
    while (!ended) {
        const struct tz *zone;
        struct fault fault;
        bool found = tz_cache_find(world->cache, TEXT("Europe/Berlin"), &zone, &fault);
        int minutes = found ? minutes_now(zone) : 0;
        wrong += minutes != 120 && minutes != 540;
        wrong += tz_cache_version(world->cache).length != 5;
    }
    return (void *)wrong;
}

static void threads_read_while_the_database_is_replaced(void **state) {
    struct world *world = *state;
    pthread_t threads[READERS];
    ended = false;
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, world), 0);
    }
    for (int i = 0; i < 300; i++) {
        put_zone(world, "Europe/Berlin", i % 2 == 0 ? TOKYO : BERLIN);
        if (i % 10 == 0) {
            put_zone(world, "Europe/Paris", BERLIN);
        }
        world->now_us += NOW_SECOND;
        (void)find(world, "Europe/Berlin");
    }
    ended = true;
    for (size_t i = 0; i < READERS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(names_are_those_of_the_list_that_have_a_file),
        WORLD_TEST(without_a_list_the_files_are_the_names),
        WORLD_TEST(what_is_no_name_is_refused_with_the_nearest),
        WORLD_TEST(a_long_name_is_quoted_in_part),
        WORLD_TEST(a_missing_database_is_said_to_be_missing),
        WORLD_TEST(a_changed_file_is_read_a_second_later),
        WORLD_TEST(a_file_with_the_same_bytes_keeps_its_zone),
        WORLD_TEST(a_damaged_file_leaves_what_was_read),
        WORLD_TEST(a_file_that_was_damaged_from_the_start_is_named),
        WORLD_TEST(names_come_and_go),
        WORLD_TEST(a_database_that_vanishes_leaves_what_was_known),
        WORLD_TEST(threads_read_while_the_database_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
