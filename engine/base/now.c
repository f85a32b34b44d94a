/* now.c: the system's clocks, which need no context. */
#include "base/now.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * NOW_SECOND + time.tv_nsec / 1000;
}

static int64_t system_wall_us(void *context) {
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(void *context) {
    (void)context;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_thread_us(void *context) {
    (void)context;
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

struct now now_system(void) {
    return (struct now){system_wall_us, system_monotonic_us, NULL, system_thread_us};
}
