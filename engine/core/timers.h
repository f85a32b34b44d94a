/* timers.h: timers in a batch: what becomes of those that were tried, and which are written. Used
 * by engine/core only. */
#ifndef STATUTE_CORE_TIMERS_H
#define STATUTE_CORE_TIMERS_H

#include "core/work.h"

#define TIMER_CHAIN_MOST    100
#define TIMER_PAUSE_US      (100 * NOW_MILLISECOND) /* less is no pause, see chain */
#define TIMER_RETRY_US      NOW_SECOND              /* the first; each next is twice as long */
#define TIMER_RETRY_MOST_US (3600 * NOW_SECOND)
#define TIMER_UNKNOWN_US    (60 * NOW_SECOND) /* of a state that the rules do not know */

/* Finds out which of the timers that members are have been cancelled, or have fired elsewhere,
 * since they were read; those members become `unwanted`. The entities are read, and so locked,
 * already. */
bool timers_look(struct work *work, struct member *const *members, size_t count,
                 struct fault *fault) MUST_CHECK;

/* Whether the member is a timer that an earlier member of this batch has cancelled. */
bool timers_is_cancelled(struct work *work, const struct member *member);

/* Whether the member is a timer that so many fired before without a pause that it may not. */
bool timers_is_endless(const struct member *member);
const char *timers_endless_message(struct work *work, const struct member *member);

/* After the member's attempt: sets timer_end, and what is to be written of its timer. */
void timers_end(struct work *work, struct member *member);

/* What a batch writes of timers, besides work->fired. */
struct timer_writes {
    struct store_key *disarmed;
    size_t disarmed_count;
    struct list armed; /* struct store_deadline */
};

/* Before all is written; reads the timers of the slots to `rearm`. Lowers
 * core->earliest_deadline_us. */
bool timers_settle(struct work *work, struct timer_writes *out, struct fault *fault) MUST_CHECK;

/* Notes that a timer is tried again at `next_us`. */
void timers_put_off(struct work *work, const struct store_deadline *timer, int64_t attempts,
                    int64_t next_us);
/* How long to wait after so many attempts that failed: 1, 2, 3... */
int64_t timers_pause_us(int64_t attempts);
/* When it is tried: next_us, or due_us. */
int64_t timers_try_us(const struct store_deadline *timer);

#endif
