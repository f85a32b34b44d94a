/* scheduler.c: one tick a second.
 *
 *   tick ─ post "fire" to the writer ─ it reads what is due, runs it as one batch, and says how
 * much there was ─ more than a page: again at once, else sleep until the next tick every hour ─
 * post "expire"
 *
 * The writer reads what is due inside its own thread, where nothing else writes (PostgreSQL: the
 * conditional delete of the fired row), so a timer fires once or not at all. */
#include "server/scheduler.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/service.h"

#define TICK_US      NOW_SECOND
#define FIRE_MOST    100
#define EXPIRE_EVERY 3600 /* ticks */
#define EXPIRE_MOST  10000
#define KEPT_US      (24 * 3600 * NOW_SECOND)

struct scheduler {
    struct service *service;
    struct mailbox *mailbox; /* finished jobs, and the close that stops the thread */
    struct job fire;         /* one on its way at the most, as `busy` says */
    size_t fired;            /* by the last one */
    uint64_t ticks;
    bool busy; /* this thread's */
    pthread_t thread;
    bool started;
};

/* --- on the writer's thread --- */

static void give_back(struct scheduler *scheduler) {
    if (!mailbox_post(scheduler->mailbox, &scheduler->fire.letter)) {
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
        .lock = true,
        .blocking_timeout_ms = 0,
        .max_retries = 0,
    };
}

/* One member a timer, so that one refusal is its own and each fires in its own right. */
static void run_due(struct worker *worker, struct store_deadline *due, size_t count) {
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
    batch_run(&worker->core, pointers, count);
    for (size_t i = 0; i < count; i++) {
        if (members[i].fault == FAULT_NONE && !members[i].blocked) {
            metrics_attempt(worker->service->metrics, members[i].outcomes[0].code);
        }
    }
}

static bool read_due(struct worker *worker, struct store_deadline **due, size_t *count,
                     struct fault *fault) {
    struct store *store = worker->core.store;
    bool read = store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                store_due(store, &worker->core.arena, now_wall_us(&worker->core.now), FIRE_MOST,
                          due, count, fault);
    store_rollback(store);
    return read;
}

static void run_fire(struct job *job, struct worker *worker) {
    struct scheduler *scheduler = job->context;
    struct store_deadline *due;
    struct fault fault = FAULT_INIT;
    scheduler->fired = 0;
    if (!read_due(worker, &due, &scheduler->fired, &fault)) {
        log_line(LOG_ERROR, "timers", "timers wait: %s", fault.message);
    } else if (scheduler->fired > 0) {
        run_due(worker, due, scheduler->fired);
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

static void post(struct scheduler *scheduler, job_run *run) {
    scheduler->fire = (struct job){.run = run, .context = scheduler};
    scheduler->busy = mailbox_post(scheduler->service->writers[0].mailbox, &scheduler->fire.letter);
}

static void tick(struct scheduler *scheduler) {
    if (!scheduler->busy) {
        bool is_hour = scheduler->ticks++ % EXPIRE_EVERY == EXPIRE_EVERY - 1;
        post(scheduler, is_hour ? run_expire : run_fire);
    }
}

static void *run(void *context) {
    struct scheduler *scheduler = context;
    while (!mailbox_is_closed(scheduler->mailbox)) {
        bool came = mailbox_wait(scheduler->mailbox, TICK_US);
        bool is_back = came && mailbox_take(scheduler->mailbox, 0) != NULL;
        scheduler->busy = scheduler->busy && !is_back;
        if (!is_back || scheduler->fired == FIRE_MOST) {
            tick(scheduler);
        }
    }
    return NULL;
}

/* --- life --- */

struct scheduler *scheduler_new(struct service *service) {
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL) {
        abort();
    }
    scheduler->service = service;
    scheduler->mailbox = mailbox_new(0);
    return scheduler;
}

bool scheduler_start(struct scheduler *scheduler, struct fault *fault) {
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
