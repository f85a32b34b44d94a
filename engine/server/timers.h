/* timers.h: what the scheduler has a writer do for timers: fire those that are due, match those of
 * entities that are in a state already with new rules, and count. Used by scheduler.c only; all run
 * on a worker's thread, whose generation is pinned. */
#ifndef STATUTE_SERVER_TIMERS_H
#define STATUTE_SERVER_TIMERS_H

#include "server/worker.h"

#define TIMERS_AHEAD_US NOW_SECOND /* timers that are due within this are read, to say when */
#define TIMERS_MOST     100        /* fired at once */

/* What the first writer knows of timers between two jobs. */
struct timers {
    struct generation
        *claimed;           /* whose rules this node matches with; a reference; NULL: none yet */
    bool shared;            /* other nodes may use the store */
    bool crowded;           /* many timers wait for machines that are not loaded here */
    int64_t told_us;        /* monotonic: when they were last told of in the log */
    int64_t failed_told_us; /* the same of timers that failed */
};
void timers_deinit(struct timers *timers);

/* Fires what is due. *next_us: when to fire again, INT64_MAX if no timer is due within
 * TIMERS_AHEAD_US; now, if there may be more. */
bool timers_fire(struct timers *timers, struct worker *worker, int64_t *next_us,
                 struct fault *fault) MUST_CHECK;

/* One slice. *more: there is another one. */
bool timers_match(struct timers *timers, struct worker *worker, bool *more,
                  struct fault *fault) MUST_CHECK;

/* Counts all timers, for metrics and the log; reads only. */
bool timers_count(struct timers *timers, struct worker *worker, struct fault *fault) MUST_CHECK;

#endif
