/* bench_slow_disk.c: a disk that takes its time, for scripts/bench. Preloaded into a program
 * (LD_PRELOAD), a sync of its data lasts BENCH_SYNC_US microseconds at least; whatever the disk
 * itself needs is waited for as ever. Without that variable it only measures. At the end of the
 * program the mean of what the disk itself needed, in microseconds, is written to BENCH_SYNC_LOG.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static _Atomic int64_t spent_ns, syncs;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void sleep_until(int64_t instant_ns) {
    struct timespec instant = {.tv_sec = instant_ns / SECOND_NS, .tv_nsec = instant_ns % SECOND_NS};
    prctl(PR_SET_TIMERSLACK, 1UL); /* the usual 50 us would count as the disk's */
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &instant, NULL) != 0) {
    }
}

int fdatasync(int descriptor) {
    const char *least_us = getenv("BENCH_SYNC_US");
    int64_t started_ns = now_ns();
    long result = syscall(SYS_fdatasync, descriptor);
    atomic_fetch_add(&spent_ns, now_ns() - started_ns);
    atomic_fetch_add(&syncs, 1);
    if (least_us != NULL) {
        sleep_until(started_ns + strtoll(least_us, NULL, 10) * 1000);
    }
    return (int)result;
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("BENCH_SYNC_LOG");
    FILE *file = path != NULL && syncs > 0 ? fopen(path, "w") : NULL;
    if (file != NULL) {
        fprintf(file, "%.0f\n", (double)spent_ns / (double)syncs / 1000);
        fclose(file);
    }
}
