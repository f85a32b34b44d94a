/* scheduler.c: sleeps until the earliest timer it knows of is due, one second at the most.
 *
 *   sleep ─ due, or a second has passed ─ post "fire" to the first writer
 *     writer: reads what is due and what comes next, runs what is due as one batch, sends it back
 *   sleep ─ a batch armed an earlier timer: a wake letter ─ sleep again, shorter
 *   sleep ─ a second has passed, or there is more to match ─ post "match" instead
 *   sleep ─ a second has passed, or more if it takes long ─ post "count" to a decider
 *   sleep ─ an hour has passed ─ post "expire" instead
 *
 * The writer reads what is due inside its own thread; whether a timer is still there is looked at
 * again under the lock of its entity's row (core/timers.c), so it fires once or not at all.
 *
 * Invariant: every committed timer that is due within a second of the last "fire" is not before
 * `due_us`. "fire" forgets `due_us` before it reads, and a worker lowers it after its commit: what
 * was armed before is read, what is armed later lowers it again. What does not fire although it is
 * due (a lock is held, the store is away) does not count: the tick of every second looks again,
 * which also serves timers of other processes and a wall clock that jumped. */
#include "server/scheduler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/timers.h"
#include "server/workers.h"
#include "store/timers.h"

#define TICK_US         NOW_SECOND
#define GAP_US          (10 * NOW_MILLISECOND) /* between two fires: many timers are few batches */
#define MATCH_GAP_US    (20 * NOW_MILLISECOND) /* between two slices: traffic goes first */
#define COUNT_SHARE     100                    /* counting takes at most 1/100 of the time */
#define COUNT_MOST_US   (300 * NOW_SECOND)
#define EXPIRE_EVERY_US (3600 * NOW_SECOND)
#define EXPIRE_MOST     10000
#define KEPT_US         (24 * 3600 * NOW_SECOND)

enum errand { FIRE, MATCH, COUNT, EXPIRE };

struct scheduler {
    struct now now;
    struct workers *workers; /* once started */
    struct mailbox *mailbox; /* the finished job, wakes, and the close that stops the thread */
    struct job job;          /* one on its way at the most, as `busy` says */
    struct letter wake;      /* one in the mailbox at the most, as `waking` says */
    atomic_bool waking;
    atomic_int_fast64_t due_us; /* wall clock; see the invariant; INT64_MAX: none */
    /* this thread's; monotonic */
    bool busy;
    int64_t next_tick_us; /* something is posted then at the latest */
    int64_t next_fire_us; /* nothing is posted before */
    int64_t next_match_us;
    int64_t next_count_us;
    int64_t next_expiry_us;
    enum errand errand;   /* on its way, while `busy` */
    struct timers timers; /* lent to the job that is on its way, like the next two */
    bool matches_on;      /* there is another slice */
    int64_t count_us;     /* how long counting took */
    pthread_t thread;
    bool started;
};

/* --- the earliest timer: any thread --- */

/* False when an earlier one is known. */
static bool lower_due(struct scheduler *scheduler, int64_t due_us) {
    int_fast64_t known_us = atomic_load(&scheduler->due_us);
    while (due_us < known_us) {
        if (atomic_compare_exchange_weak(&scheduler->due_us, &known_us, due_us)) {
            return true;
        }
    }
    return false;
}

void scheduler_arm(void *context, int64_t due_us) {
    struct scheduler *scheduler = context;
    if (lower_due(scheduler, due_us) && !atomic_exchange(&scheduler->waking, true) &&
        !mailbox_post(scheduler->mailbox, &scheduler->wake)) {
        return; /* stopping */
    }
}

/* --- on the writer's thread --- */

static void give_back(struct scheduler *scheduler) {
    if (!mailbox_post(scheduler->mailbox, &scheduler->job.letter)) {
        return; /* stopping */
    }
}

static void run_fire(struct job *job, struct worker *worker) {
    struct scheduler *scheduler = job->context;
    struct fault fault = FAULT_INIT;
    int64_t next_us;
    atomic_store(&scheduler->due_us, INT64_MAX);
    if (timers_fire(&scheduler->timers, worker, &next_us, &fault)) {
        lower_due(scheduler, next_us);
    } else {
        log_line(LOG_ERROR, "timers", "timers wait: %s", fault.message);
    }
    give_back(scheduler);
}

static void run_match(struct job *job, struct worker *worker) {
    struct scheduler *scheduler = job->context;
    struct fault fault = FAULT_INIT;
    if (!timers_match(&scheduler->timers, worker, &scheduler->matches_on, &fault) &&
        fault.code != FAULT_STORE_CONFLICT) {
        log_line(LOG_ERROR, "timers", "timers could not be matched with the rules in force: %s",
                 fault.message);
    }
    give_back(scheduler);
}

static void run_count(struct job *job, struct worker *worker) {
    struct scheduler *scheduler = job->context;
    struct fault fault = FAULT_INIT;
    int64_t started_us = now_monotonic_us(&scheduler->now);
    if (!timers_count(&scheduler->timers, worker, &fault)) {
        log_line(LOG_WARNING, "timers", "timers could not be counted: %s", fault.message);
    }
    scheduler->count_us = now_monotonic_us(&scheduler->now) - started_us;
    give_back(scheduler);
}

static void run_expire(struct job *job, struct worker *worker) {
    struct store *store = worker->core.store;
    struct fault fault = FAULT_INIT;
    int64_t oldest_us = now_wall_us(&worker->core.now) - KEPT_US;
    bool expired = store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, &fault) &&
                   store_expire_answers(store, oldest_us, EXPIRE_MOST, &fault) &&
                   store_forget_done(store, EXPIRE_MOST, &fault) && store_commit(store, &fault);
    store_rollback(store);
    if (!expired) {
        log_line(LOG_WARNING, "expiry", "kept answers could not be expired: %s", fault.message);
    }
    give_back(job->context);
}

/* --- on the scheduler's thread --- */

static enum errand next_errand(const struct scheduler *scheduler, int64_t now_us) {
    return now_us >= scheduler->next_expiry_us  ? EXPIRE
           : now_us >= scheduler->next_count_us ? COUNT
           : now_us >= scheduler->next_match_us ? MATCH
                                                : FIRE;
}

/* The next one of its kind; a finished one may bring it forward (take_back). */
static void plan_next(struct scheduler *scheduler, int64_t now_us) {
    switch (scheduler->errand) {
    case FIRE:
        scheduler->next_fire_us = now_us + GAP_US;
        scheduler->next_tick_us = now_us + TICK_US;
        return;
    case MATCH:
        scheduler->next_match_us = now_us + TICK_US;
        return;
    case COUNT:
        scheduler->next_count_us = now_us + TICK_US;
        return;
    case EXPIRE:
        scheduler->next_expiry_us = now_us + EXPIRE_EVERY_US;
        return;
    }
}

static void post(struct scheduler *scheduler, int64_t now_us) {
    static job_run *const runs[] = {run_fire, run_match, run_count, run_expire};
    const struct workers *workers = scheduler->workers;
    scheduler->errand = next_errand(scheduler, now_us);
    struct worker *worker =
        scheduler->errand == COUNT ? &workers->deciders[0] : &workers->writers[0];
    scheduler->job = (struct job){.run = runs[scheduler->errand], .context = scheduler};
    scheduler->busy = mailbox_post(worker->mailbox, &scheduler->job.letter);
    plan_next(scheduler, now_us);
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* How long until the next job is posted: TICK_US at the most. */
static int64_t left_us(const struct scheduler *scheduler, int64_t now_us) {
    int64_t tick_us = scheduler->next_tick_us - now_us;
    int64_t gap_us = scheduler->next_fire_us - now_us;
    int64_t due_us = atomic_load(&scheduler->due_us) - now_wall_us(&scheduler->now);
    int64_t wanted_us = smaller(due_us, tick_us);
    int64_t fire_us = wanted_us > gap_us ? wanted_us : gap_us;
    int64_t other_us = smaller(scheduler->next_match_us, scheduler->next_count_us) - now_us;
    int64_t most_us = smaller(fire_us, other_us);
    return most_us > 0 ? most_us : 0;
}

static void take_back(struct scheduler *scheduler) {
    int64_t now_us = now_monotonic_us(&scheduler->now);
    scheduler->busy = false;
    if (scheduler->errand == MATCH && scheduler->matches_on) {
        scheduler->next_match_us = now_us + MATCH_GAP_US;
    }
    if (scheduler->errand == COUNT) {
        int64_t pause_us = smaller(scheduler->count_us * COUNT_SHARE, COUNT_MOST_US);
        scheduler->next_count_us = now_us + (pause_us > TICK_US ? pause_us : TICK_US);
    }
}

/* `next` is read first: a wake that is not `waking` any more may be posted again. */
static void take_letters(struct scheduler *scheduler) {
    struct letter *letter = mailbox_take(scheduler->mailbox, 0);
    while (letter != NULL) {
        struct letter *next = letter->next;
        if (letter == &scheduler->wake) {
            atomic_store(&scheduler->waking, false);
        } else {
            take_back(scheduler);
        }
        letter = next;
    }
}

static void *run(void *context) {
    struct scheduler *scheduler = context;
    const struct now *now = &scheduler->now;
    scheduler->next_expiry_us = now_monotonic_us(now) + EXPIRE_EVERY_US;
    while (!mailbox_is_closed(scheduler->mailbox)) {
        int64_t now_us = now_monotonic_us(now);
        if (!scheduler->busy && left_us(scheduler, now_us) == 0) {
            post(scheduler, now_us);
        }
        mailbox_wait(scheduler->mailbox, scheduler->busy ? TICK_US : left_us(scheduler, now_us));
        take_letters(scheduler);
    }
    return NULL;
}

/* --- life --- */

struct scheduler *scheduler_new(struct now now, bool shared) {
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL) {
        abort();
    }
    scheduler->now = now;
    scheduler->timers.shared = shared;
    scheduler->mailbox = mailbox_new(0);
    atomic_init(&scheduler->due_us, INT64_MAX);
    return scheduler;
}

bool scheduler_start(struct scheduler *scheduler, struct workers *workers, struct fault *fault) {
    scheduler->workers = workers;
    int error = pthread_create(&scheduler->thread, NULL, run, scheduler);
    if (error != 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot start a thread: %s", strerror(error));
    }
    scheduler->started = true;
    return true;
}

void scheduler_stop(struct scheduler *scheduler) {
    mailbox_close(scheduler->mailbox);
    if (scheduler->started) {
        pthread_join(scheduler->thread, NULL);
        scheduler->started = false;
    }
}

void scheduler_free(struct scheduler *scheduler) {
    timers_deinit(&scheduler->timers);
    mailbox_take(scheduler->mailbox, 0);
    mailbox_free(scheduler->mailbox);
    free(scheduler);
}
