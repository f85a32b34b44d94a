/* scheduler.h: the thread that makes time pass: fires the timers of policies (`after`) when they
 * are due, matches those of entities that are in a state already with new rules, counts them, and
 * lets kept answers expire. It holds nothing but the instant of the earliest timer:
 * what is due is looked up by the writer in the moment it fires, so a timer that was cancelled
 * meanwhile does not fire. */
#ifndef STATUTE_SCHEDULER_H
#define STATUTE_SCHEDULER_H

#include <stdint.h>

#include "base/fault.h"
#include "base/now.h"

struct scheduler;
struct workers;

/* `shared`: other nodes may use the store. */
struct scheduler *scheduler_new(struct now now, bool shared);
/* Fires timers through the first writer. */
bool scheduler_start(struct scheduler *scheduler, struct workers *workers,
                     struct fault *fault) MUST_CHECK;
void scheduler_stop(struct scheduler *scheduler);

/* worker_armed of a scheduler: any thread, after the commit: there is a timer that is due at this
 * instant of the wall clock. */
void scheduler_arm(void *context, int64_t due_us);

void scheduler_free(struct scheduler *scheduler);

#endif
