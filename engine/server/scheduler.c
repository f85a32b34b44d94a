/* scheduler.c: sleeps until the earliest timer it knows of is due, one second at the most.
 *
 *   sleep ─ due, or a second has passed ─ post "fire" to the writer
 *     writer: reads what is due and what comes next, runs what is due as one batch, sends it back
 *   sleep ─ a batch armed an earlier timer: a wake letter ─ sleep again, shorter
 *   sleep ─ an hour has passed ─ post "expire" instead
 *
 * The writer reads what is due inside its own thread, where nothing else writes (PostgreSQL: the
 * conditional delete of the fired row), so a timer fires once or not at all.
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
#include "server/metrics.h"
#include "server/workers.h"

#define TICK_US         NOW_SECOND
#define GAP_US          (10 * NOW_MILLISECOND) /* between two fires: many timers are few batches */
#define FIRE_MOST       100
#define EXPIRE_EVERY_US (3600 * NOW_SECOND)
#define EXPIRE_MOST     10000
#define KEPT_US         (24 * 3600 * NOW_SECOND)

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
    int64_t next_expiry_us;
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

static struct attempt attempt_of(const struct store_deadline *deadline) {
    return (struct attempt){
        .kind = ATTEMPT_TRANSITION,
        .machine = deadline->machine,
        .id = deadline->entity_id,
        .to = deadline->to_state,
        .reason = text_given(deadline->reason) ? deadline->reason : TEXT("timer"),
        .comments = deadline->comments,
        .skip_permissions = true,
        .by_engine = true,
        .lock = true,
        .blocking_timeout_ms = TICK_US / NOW_MILLISECOND, /* blocked, not refused: tried again */
        .max_retries = 0,
    };
}

/* One member a timer, so that one refusal is its own and each fires in its own right. Returns how
 * many are done with. */
static size_t run_due(struct worker *worker, struct store_deadline *due, size_t count) {
    struct arena *arena = &worker->core.arena;
    struct attempt *attempts = ARENA_ARRAY(arena, struct attempt, count);
    struct member *members = ARENA_ARRAY(arena, struct member, count);
    struct member **pointers = ARENA_ARRAY(arena, struct member *, count);
    for (size_t i = 0; i < count; i++) {
        attempts[i] = attempt_of(&due[i]);
        members[i] =
            (struct member){.attempts = &attempts[i], .attempt_count = 1, .fired = &due[i]};
        pointers[i] = &members[i];
    }
    size_t done = 0;
    batch_run(&worker->core, pointers, count);
    for (size_t i = 0; i < count; i++) {
        if (members[i].fault == FAULT_NONE && !members[i].blocked) {
            metrics_attempt(worker->options->metrics, members[i].outcomes[0].code);
            done++;
        }
    }
    return done;
}

static bool read_due(struct worker *worker, int64_t until_us, struct store_deadline **items,
                     size_t *count, struct fault *fault) {
    struct store *store = worker->core.store;
    bool read =
        store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
        store_due(store, &worker->core.arena, NULL, 0, until_us, FIRE_MOST, items, count, fault);
    store_rollback(store);
    return read;
}

/* Those of the next second are read, too, since the first of them says when to fire next; the
 * store's earliest deadline may be one that cannot fire yet. */
static bool fire(struct scheduler *scheduler, struct worker *worker, struct fault *fault) {
    int64_t now_us = now_wall_us(&worker->core.now);
    struct store_deadline *items;
    size_t count, due = 0;
    if (!read_due(worker, now_us + TICK_US, &items, &count, fault)) {
        return false;
    }
    while (due < count && items[due].due_us <= now_us) {
        due++;
    }
    if (due < count) {
        lower_due(scheduler, items[due].due_us);
    }
    size_t done = due > 0 ? run_due(worker, items, due) : 0;
    if (done > 0 && (done < due || due == FIRE_MOST)) {
        lower_due(scheduler, now_us); /* there may be more, and it moves */
    }
    return true;
}

static void run_fire(struct job *job, struct worker *worker) {
    struct scheduler *scheduler = job->context;
    struct fault fault = FAULT_INIT;
    atomic_store(&scheduler->due_us, INT64_MAX);
    if (!fire(scheduler, worker, &fault)) {
        log_line(LOG_ERROR, "timers", "timers wait: %s", fault.message);
    }
    give_back(scheduler);
}

static void run_expire(struct job *job, struct worker *worker) {
    struct store *store = worker->core.store;
    struct fault fault = FAULT_INIT;
    int64_t oldest_us = now_wall_us(&worker->core.now) - KEPT_US;
    bool expired = store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, &fault) &&
                   store_expire_answers(store, oldest_us, EXPIRE_MOST, &fault) &&
                   store_commit(store, &fault);
    store_rollback(store);
    if (!expired) {
        log_line(LOG_WARNING, "expiry", "kept answers do not expire: %s", fault.message);
    }
    give_back(job->context);
}

/* --- on the scheduler's thread --- */

static void post(struct scheduler *scheduler, int64_t now_us) {
    bool expires = now_us >= scheduler->next_expiry_us;
    scheduler->job = (struct job){.run = expires ? run_expire : run_fire, .context = scheduler};
    scheduler->busy = mailbox_post(scheduler->workers->writers[0].mailbox, &scheduler->job.letter);
    scheduler->next_fire_us = now_us + GAP_US;
    if (expires) {
        scheduler->next_expiry_us = now_us + EXPIRE_EVERY_US;
    } else {
        scheduler->next_tick_us = now_us + TICK_US;
    }
}

/* How long until the next job is posted: TICK_US at the most. */
static int64_t left_us(const struct scheduler *scheduler, int64_t now_us) {
    int64_t tick_us = scheduler->next_tick_us - now_us;
    int64_t gap_us = scheduler->next_fire_us - now_us;
    int64_t due_us = atomic_load(&scheduler->due_us) - now_wall_us(&scheduler->now);
    int64_t wanted_us = due_us < tick_us ? due_us : tick_us;
    int64_t most_us = wanted_us > gap_us ? wanted_us : gap_us;
    return most_us > 0 ? most_us : 0;
}

/* `next` is read first: a wake that is not `waking` any more may be posted again. */
static void take_letters(struct scheduler *scheduler) {
    struct letter *letter = mailbox_take(scheduler->mailbox, 0);
    while (letter != NULL) {
        struct letter *next = letter->next;
        if (letter == &scheduler->wake) {
            atomic_store(&scheduler->waking, false);
        } else {
            scheduler->busy = false;
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

struct scheduler *scheduler_new(struct now now) {
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL) {
        abort();
    }
    scheduler->now = now;
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
    mailbox_take(scheduler->mailbox, 0);
    mailbox_free(scheduler->mailbox);
    free(scheduler);
}
