/* worker.c: the loop of a thread that decides.
 *
 *   sleep until a letter comes or somebody who waits may try again
 *   pin the generation in force
 *   those who wait and whose time has come, then letters, oldest first, up to batch_most:
 *     members collect into one batch_run; ordinary jobs run by themselves
 *   answer, tell of the earliest timer armed (worker_armed), empty the arena, unpin
 *
 * Nothing waits inside a batch: a member whose lock is not free goes to the waiting list. So does
 * an ordinary job that cannot be answered yet (worker_wait). */
#include "server/worker.h"

#include <stdlib.h>

#include "server/metrics.h"
#include "server/policy_log.h"
#include "server/published.h"

struct round {
    struct worker *worker;
    struct job **jobs; /* whose members are in the batch */
    struct member **members;
    size_t count;
};

/* --- the waiting list --- */

/* Behind all that were posted before it, however often it has waited. */
void worker_wait(struct worker *worker, struct job *job, int64_t at_us) {
    struct job **place = &worker->waiting;
    while (*place != NULL && (*place)->posted_us <= job->posted_us) {
        place = &(*place)->next_waiting;
    }
    job->retry_at_us = at_us;
    job->next_waiting = *place;
    *place = job;
}

static int64_t next_retry_us(const struct worker *worker) {
    int64_t earliest = INT64_MAX;
    for (const struct job *job = worker->waiting; job != NULL; job = job->next_waiting) {
        earliest = job->retry_at_us < earliest ? job->retry_at_us : earliest;
    }
    return earliest;
}

/* Unlinks the first waiting job whose time has come; NULL when there is none. */
static struct job *next_ready(struct worker *worker, int64_t now_us) {
    for (struct job **place = &worker->waiting; *place != NULL; place = &(*place)->next_waiting) {
        struct job *job = *place;
        if (job->retry_at_us <= now_us) {
            *place = job->next_waiting;
            return job;
        }
    }
    return NULL;
}

/* --- keys in use --- */

static bool has_key_of(const struct member *member, const struct member *other) {
    return text_equal(member->idempotency_key, other->idempotency_key) &&
           text_equal(member->idempotency_scope, other->idempotency_scope);
}

static const struct member *waiting_with_key(const struct worker *worker,
                                             const struct member *member) {
    for (const struct job *job = worker->waiting; job != NULL; job = job->next_waiting) {
        if (text_given(job->member.idempotency_key) && has_key_of(&job->member, member)) {
            return &job->member;
        }
    }
    return NULL;
}

/* A request whose key another one has that still waits is answered: it does not wait beside it. */
static bool refuse_second(struct worker *worker, struct job *job) {
    struct member *member = &job->member;
    const struct member *first =
        text_given(member->idempotency_key) ? waiting_with_key(worker, member) : NULL;
    if (first == NULL) {
        return false;
    }
    bool same = memcmp(first->body_hash, member->body_hash, DIGEST_BYTES) == 0;
    member->blocked = false;
    member->fault = same ? FAULT_REQUEST_IN_FLIGHT : FAULT_IDEMPOTENCY_REUSED;
    member->fault_message =
        same ? TEXT("a request with this Idempotency-Key is still running; repeat the request to "
                    "get its answer")
             : TEXT("this Idempotency-Key is in use with another body; use a new key");
    job->done(job, worker);
    return true;
}

/* --- one round --- */

static void add(struct round *round, struct job *job) {
    round->jobs[round->count] = job;
    round->members[round->count++] = &job->member;
}

/* Members left unfinished (only of MEMBER_EACH) are the business of their `done`. */
static void finish(struct round *round) {
    for (size_t i = 0; i < round->count; i++) {
        struct job *job = round->jobs[i];
        if (!job->member.blocked) {
            job->done(job, round->worker);
        } else if (!refuse_second(round->worker, job)) {
            worker_wait(round->worker, job, job->member.retry_at_us);
        }
    }
    round->count = 0;
}

static void run_batch(struct round *round) {
    struct worker *worker = round->worker;
    int64_t started_us = now_monotonic_us(&worker->core.now);
    if (round->count == 0) {
        return;
    }
    batch_run(&worker->core, round->members, round->count);
    if (worker->writes) {
        metrics_batch(worker->options->metrics, round->count,
                      now_monotonic_us(&worker->core.now) - started_us);
    }
    for (size_t i = 0; i < round->count; i++) {
        policy_log_member(worker->core.policy.generation, round->members[i]);
    }
    finish(round);
}

static void take(struct round *round, struct job *job) {
    if (job->run != NULL) {
        job->run(job, round->worker);
    } else if (!refuse_second(round->worker, job)) {
        add(round, job);
    }
}

static void run_round(struct worker *worker, struct letter *letters) {
    size_t most = worker->options->batch_most;
    struct arena *arena = &worker->core.arena;
    struct round round = {worker, ARENA_ARRAY(arena, struct job *, most * 2),
                          ARENA_ARRAY(arena, struct member *, most * 2), 0};
    int64_t now_us = now_monotonic_us(&worker->core.now);
    struct job *ready;
    while (round.count < most && (ready = next_ready(worker, now_us)) != NULL) {
        take(&round, ready);
    }
    while (letters != NULL) {
        struct job *job = (struct job *)letters;
        letters = letters->next;
        take(&round, job);
    }
    run_batch(&round);
}

/* Also what an ordinary job's own batch armed. If that batch failed, the scheduler looks in vain.
 */
static void arm_timers(struct worker *worker) {
    if (worker->core.earliest_deadline_us != INT64_MAX) {
        worker->options->armed(worker->options->armed_context, worker->core.earliest_deadline_us);
        worker->core.earliest_deadline_us = INT64_MAX;
    }
}

static void pin(struct worker *worker) {
    worker->core.policy.generation = published_take(worker->options->published);
    worker->core.policy.vm = worker->number;
}

static void unpin(struct worker *worker) {
    generation_unref(worker->core.policy.generation);
    worker->core.policy.generation = NULL;
}

/* How long to sleep: for ever, or until somebody who waits may try again. */
static int64_t sleep_us(const struct worker *worker) {
    int64_t retry_us = next_retry_us(worker);
    if (retry_us == INT64_MAX) {
        return -1;
    }
    int64_t left_us = retry_us - now_monotonic_us(&worker->core.now);
    return left_us > 0 ? left_us : 0;
}

static void give_up(struct worker *worker, struct job *job) {
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_OVERLOADED, "the server is stopping; nothing was done; try again");
    if (job->run != NULL && job->exchange == NULL) {
        job->done(job, worker);
        return;
    }
    if (job->run != NULL) {
        http_fail(job->exchange, &fault, TEXT("\"outcome\":\"not_executed\""));
        return;
    }
    job->member.blocked = false;
    job->member.fault = fault.code;
    job->member.fault_message = text_copy(&worker->core.arena, text_of(fault.message));
    job->done(job, worker);
}

/* A stopping server does not wait for locks. */
static void give_up_waiting(struct worker *worker) {
    struct job *job;
    while ((job = next_ready(worker, INT64_MAX)) != NULL) {
        give_up(worker, job);
    }
}

static void *run(void *context) {
    struct worker *worker = context;
    bool open = true;
    while (open) {
        open = !mailbox_is_closed(worker->mailbox);
        if (open) {
            mailbox_wait(worker->mailbox, sleep_us(worker));
        }
        struct letter *letters = mailbox_take(worker->mailbox, worker->options->batch_most);
        open = open || letters != NULL;
        pin(worker);
        run_round(worker, letters);
        arm_timers(worker);
        unpin(worker);
        arena_reset(&worker->core.arena);
    }
    give_up_waiting(worker);
    return NULL;
}

/* --- life --- */

bool worker_init(struct worker *worker, const struct worker_options *options, unsigned number,
                 bool writes, struct fault *fault) {
    *worker = (struct worker){.options = options, .number = number, .writes = writes};
    arena_init(&worker->core.arena, 64 * 1024);
    worker->core.now = options->now;
    worker->core.ids = options->ids;
    worker->core.lock_optional = options->lock_optional;
    worker->core.read_only = !writes;
    worker->core.runs_again = writes;
    worker->core.earliest_deadline_us = INT64_MAX;
    worker->mailbox = mailbox_new(options->queue_most);
    if (!store_open(options->store, writes ? STORE_WRITER : STORE_READER, &worker->core.store,
                    fault) ||
        !lock_open(options->lock, options->locks, &worker->lock, fault)) {
        return false;
    }
    worker->core.lock = writes ? worker->lock : NULL;
    return true;
}

bool worker_start(struct worker *worker, struct fault *fault) {
    int error = pthread_create(&worker->thread, NULL, run, worker);
    if (error != 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot start a thread: %s", strerror(error));
    }
    worker->started = true;
    return true;
}

void worker_stop(struct worker *worker) {
    if (worker->mailbox != NULL) {
        mailbox_close(worker->mailbox);
    }
    if (worker->started) {
        pthread_join(worker->thread, NULL);
        worker->started = false;
    }
}

void worker_deinit(struct worker *worker) {
    if (worker->lock != NULL) {
        lock_close(worker->lock);
    }
    if (worker->core.store != NULL) {
        store_close(worker->core.store);
    }
    if (worker->mailbox != NULL) {
        mailbox_free(worker->mailbox);
        arena_deinit(&worker->core.arena);
    }
}
