/* metrics.h: counters for Prometheus (text format 0.0.4). Counting is lock-free (relaxed atomics);
 * any thread. */
#ifndef STATUTE_METRICS_H
#define STATUTE_METRICS_H

#include "base/buffer.h"
#include "base/fault.h"
#include "core/batch.h"

struct bulletin;
struct metrics;
struct http;
struct limiter;
struct lock_registry;
struct tls;
struct workers;

/* The method and the pattern ("/v1/entities/{machine}") of a row of the table of routes; false past
 * its end. */
typedef bool metrics_label(size_t index, const char **method, const char **path);

struct metrics *metrics_new(metrics_label *label);
void metrics_free(struct metrics *metrics);

/* `route_index` is a row of a fixed table, never what a client sent. */
void metrics_request(struct metrics *metrics, unsigned route_index, int status,
                     int64_t duration_us);
/* One attempt: its outcome by code. */
void metrics_attempt(struct metrics *metrics, enum fault_code code);
void metrics_batch(struct metrics *metrics, size_t members, int64_t duration_us);
/* A timer that was tried. */
void metrics_timer(struct metrics *metrics, enum timer_end end);
/* Entities whose timers were matched with new rules, and those among them that had others. */
void metrics_matched(struct metrics *metrics, int64_t seen, int64_t changed);
void metrics_reload(struct metrics *metrics, bool success);

/* The timers of the store, as they were last counted. */
struct metrics_timers {
    int64_t pending, overdue;
    int64_t oldest_due_us;     /* of the overdue ones; 0: none */
    int64_t stranded;          /* overdue, of machines that are not loaded here */
    int64_t stranded_since_us; /* the oldest of them was due; 0: none */
};
void metrics_timers(struct metrics *metrics, const struct metrics_timers *timers);

/* Whose gauges are on the page besides the counters; NULL: there is none. Lent. */
struct metrics_sources {
    const struct workers *workers;
    const struct generation *generation; /* in force */
    const struct http *http;
    struct tls *tls;
    const struct limiter *limiter, *guesses;
    const struct lock_registry *locks;
    struct bulletin *bulletin;
    int64_t started_us; /* wall clock */
};

/* The whole page. */
void metrics_write(struct metrics *metrics, const struct metrics_sources *sources,
                   struct buffer *out);

#endif
