/* now.h: the clock, injected, so that tests and replay can hold it still.
 * Instants are microseconds since 1970-01-01T00:00:00Z, as everywhere in statute. */
#ifndef STATUTE_NOW_H
#define STATUTE_NOW_H

#include <stddef.h>
#include <stdint.h>

#define NOW_SECOND      INT64_C(1000000)
#define NOW_MILLISECOND INT64_C(1000)

struct now {
    int64_t (*wall_us)(void *context);      /* since 1970, may jump */
    int64_t (*monotonic_us)(void *context); /* for spans; never goes back */
    void *context;
    int64_t (*thread_us)(
        void *context); /* the calling thread's own running time; NULL: monotonic */
};

/* The system's clocks. */
struct now now_system(void);

static inline int64_t now_wall_us(const struct now *now) {
    return now->wall_us(now->context);
}
static inline int64_t now_monotonic_us(const struct now *now) {
    return now->monotonic_us(now->context);
}

/* How long the calling thread has run; unlike the clock it stands still while others run. */
static inline int64_t now_thread_us(const struct now *now) {
    return now->thread_us != NULL ? now->thread_us(now->context) : now->monotonic_us(now->context);
}

#endif
