#include "unit/base/check.h"

#include "base/now.h"

#include <time.h>

static void the_wall_clock_counts_microseconds_since_1970(void **state) {
    (void)state;
    struct now now = now_system();
    int64_t before = (int64_t)time(NULL) - 1;
    int64_t wall_us = now_wall_us(&now);
    int64_t after = (int64_t)time(NULL) + 1;
    assert_true(wall_us >= before * NOW_SECOND);
    assert_true(wall_us <= after * NOW_SECOND);
}

static void the_monotonic_clock_never_goes_back(void **state) {
    (void)state;
    struct now now = now_system();
    int64_t last = now_monotonic_us(&now);
    for (int i = 0; i < 10000; i++) {
        int64_t next = now_monotonic_us(&now);
        assert_true(next >= last);
        last = next;
    }
}

static int64_t held_still(void *context) {
    return *(int64_t *)context;
}

static void a_test_can_hold_the_clock_still(void **state) {
    (void)state;
    int64_t instant = 42;
    struct now now = {.wall_us = held_still, .monotonic_us = held_still, .context = &instant};
    assert_int_equal(now_wall_us(&now), 42);
    instant += NOW_MILLISECOND;
    assert_int_equal(now_monotonic_us(&now), 1042);
}

static void a_threads_own_time_grows_while_it_runs(void **state) {
    (void)state;
    struct now now = now_system();
    int64_t start_us = now_thread_us(&now);
    while (now_thread_us(&now) == start_us) {
    }
    assert_true(now_thread_us(&now) > start_us);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wall_clock_counts_microseconds_since_1970),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(a_test_can_hold_the_clock_still),
        cmocka_unit_test(a_threads_own_time_grows_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
