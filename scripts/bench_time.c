/* bench_time.c: what a conversion costs: nanoseconds a call, the best of several rounds, over
 * instants that are all different. How to use: build/bench_time (no arguments). */
#include "timezone/place.h"
#include "timezone/tz_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CALLS  200000
#define ROUNDS 15
#define SPREAD (INT64_C(40) * 365 * 86400 * 1000000) /* from 1995 on */
#define START  (INT64_C(788918400) * 1000000)

struct subject {
    struct place place;
    int64_t instants[CALLS];
    char out[INSTANT_TEXT];
};

typedef int64_t conversion(struct subject *subject, int64_t instant_us);

static int64_t to_local(struct subject *subject, int64_t instant_us) {
    return place_local(subject->place, instant_us);
}

static int64_t to_utc(struct subject *subject, int64_t instant_us) {
    struct fault fault;
    int64_t found_us = 0;
    return place_instant(subject->place, instant_us, TZ_COMPATIBLE, &found_us, &fault) ? found_us
                                                                                       : 0;
}

static int64_t print(struct subject *subject, int64_t instant_us) {
    return (int64_t)place_print(subject->place, instant_us, subject->out).length;
}

static int64_t find(struct subject *subject, int64_t instant_us) {
    struct fault fault;
    const struct tz *zone = NULL;
    bool found = tz_cache_find(tz_cache_system(), TEXT("Europe/Berlin"), &zone, &fault);
    (void)subject;
    return found ? instant_us : 0;
}

static int64_t find_and_convert(struct subject *subject, int64_t instant_us) {
    struct fault fault;
    struct place place = PLACE_UTC;
    bool found = tz_cache_find(tz_cache_system(), TEXT("Europe/Berlin"), &place.zone, &fault);
    (void)subject;
    return found ? place_local(place, instant_us) : 0;
}

static double clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(struct subject *subject, conversion *call) {
    double best = 1e18;
    volatile int64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double started = clock_ns();
        int64_t total = 0;
        for (size_t i = 0; i < CALLS; i++) {
            total += call(subject, subject->instants[i]);
        }
        double taken = (clock_ns() - started) / CALLS;
        best = taken < best ? taken : best;
        sum += total;
    }
    return best;
}

static bool row(const char *what, double ns, double goal) {
    bool met = goal <= 0 || ns < goal;
    printf("%-44s %7.1f ns", what, ns);
    if (goal > 0) {
        printf("   goal < %.0f ns   %s", goal, met ? "ok" : "MISSED");
    }
    printf("\n");
    return met;
}

int main(void) {
    static struct subject subject;
    struct fault fault;
    uint64_t random = 1;
    struct place berlin = PLACE_UTC, kolkata = {NULL, 330};
    if (!tz_cache_find(tz_cache_system(), TEXT("Europe/Berlin"), &berlin.zone, &fault)) {
        fprintf(stderr, "%s\n", fault.message);
        return 3;
    }
    for (size_t i = 0; i < CALLS; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        subject.instants[i] = START + (int64_t)((random >> 1) % (uint64_t)SPREAD);
    }
    bool met = true;
    subject.place = kolkata;
    met &= row("offset: instant to local", measure(&subject, to_local), 60);
    met &= row("offset: local to instant", measure(&subject, to_utc), 60);
    met &= row("offset: instant to RFC 3339", measure(&subject, print), 0);
    subject.place = berlin;
    met &= row("zone: instant to local", measure(&subject, to_local), 250);
    met &= row("zone: local to instant", measure(&subject, to_utc), 250);
    met &= row("zone: instant to RFC 3339", measure(&subject, print), 0);
    met &= row("zone: by its name, no conversion", measure(&subject, find), 0);
    met &= row("zone: by its name, instant to local", measure(&subject, find_and_convert), 250);
    return met ? 0 : 1;
}
