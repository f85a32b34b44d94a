/* bulk_runner.c: an event loop over letters.
 *
 *   wake (a bulk to carry on) ─> step: read the bulk, the next members; post to the writer
 *   step done                 ─> next step, or, when it no longer runs, answer who waits
 *
 * A bulk has at most one step on its way. A wake of a bulk that is being carried only adds who
 * waits. */
#include "server/bulk_runner.h"

#include "store/bulk.h"
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/bulk.h"
#include "core/follow.h"
#include "server/metrics.h"
#include "server/published.h"

/* Who waits for a bulk to stop. */
struct waiter {
    struct waiter *next;
    struct http_exchange *exchange;
};

/* One bulk on its way: a wake, and the job of its present step. */
struct carried {
    struct job job; /* first: the letter that comes back */
    struct bulk_runner *runner;
    struct carried *next; /* in runner->carried */
    struct arena arena;   /* of the present step */
    struct bulk_request request;
    struct waiter *waiters;
    bool arrived; /* the letter is a wake that is not in runner->carried yet */
    char id[ID_LENGTH];
};

struct bulk_runner {
    struct bulk_runner_options options;
    struct workers *workers; /* once started */
    struct mailbox *mailbox; /* wakes and finished steps */
    struct store *store;     /* reader, this thread's */
    struct carried *carried; /* this thread's */
    pthread_t thread;
    bool started;
};

/* --- carried bulks --- */

static struct text id_of(const struct carried *carried) {
    return (struct text){carried->id, ID_LENGTH};
}

static struct carried *find_carried(struct bulk_runner *runner, struct text id) {
    struct carried *carried = runner->carried;
    while (carried != NULL && !text_equal(id_of(carried), id)) {
        carried = carried->next;
    }
    return carried;
}

static void carried_free(struct carried *carried) {
    while (carried->waiters != NULL) {
        struct waiter *waiter = carried->waiters;
        carried->waiters = waiter->next;
        free(waiter);
    }
    arena_deinit(&carried->arena);
    free(carried);
}

static void drop(struct bulk_runner *runner, struct carried *carried) {
    struct carried **place = &runner->carried;
    while (*place != carried) {
        place = &(*place)->next;
    }
    *place = carried->next;
    for (struct waiter *waiter = carried->waiters; waiter != NULL; waiter = waiter->next) {
        runner->options.answer(runner->options.context, runner->store, waiter->exchange,
                               id_of(carried));
    }
    carried_free(carried);
}

/* A wake becomes a carried bulk, or only adds who waits to the one that is there. */
static struct carried *arrive(struct bulk_runner *runner, struct carried *wake) {
    struct carried *there = find_carried(runner, id_of(wake));
    wake->arrived = false;
    if (there == NULL) {
        wake->next = runner->carried;
        runner->carried = wake;
        return wake;
    }
    struct waiter **end = &there->waiters;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = wake->waiters;
    wake->waiters = NULL;
    carried_free(wake);
    return NULL;
}

/* --- steps --- */

static bool wanted(struct member *member, struct core *core, bool *out, struct fault *fault) {
    struct carried *carried = member->context;
    return bulk_is_wanted(core, id_of(carried), out, fault);
}

static bool extra(struct member *member, struct core *core, struct fault *fault) {
    struct carried *carried = member->context;
    return bulk_save_progress(member, core, id_of(carried), bulk_is_atomic(&carried->request),
                              fault);
}

/* On the writer's thread: the letter goes back to the runner, with what the writer's arena holds of
 * it no longer than that. */
static void step_done(struct job *job, struct worker *worker) {
    struct carried *carried = job->member.context;
    for (size_t i = 0; i < job->member.attempted; i++) {
        if (!job->member.outcomes[i].skipped) {
            metrics_attempt(worker->options->metrics, job->member.outcomes[i].code);
        }
    }
    job->member.fault_message = text_copy(&carried->arena, job->member.fault_message);
    if (!mailbox_post(carried->runner->mailbox, &job->letter)) {
        return; /* stopping: the runner frees what it carries */
    }
}

/* A bulk may outlive the name that its machine had when it was accepted. */
static void name_as_today(struct carried *carried) {
    struct generation *rules = published_take(carried->runner->options.published);
    struct text *name = &carried->request.attempt.machine;
    struct text today = rules != NULL ? follow_machine(rules, *name) : *name;
    if (!text_equal(today, *name)) {
        *name = text_copy(&carried->arena, today);
    }
    if (rules != NULL) {
        generation_unref(rules);
    }
}

static void make_step(struct carried *carried, const struct text *ids, size_t count) {
    name_as_today(carried);
    carried->job = (struct job){
        .done = step_done,
        .member = {.attempts = bulk_attempts(&carried->arena, &carried->request, ids, count),
                   .attempt_count = count,
                   .mode = bulk_is_atomic(&carried->request) ? MEMBER_ALL : MEMBER_EACH,
                   .where = carried->request.selected ? &carried->request.where : NULL,
                   .wanted = wanted,
                   .extra = extra,
                   .context = carried}};
}

/* Reads what is next. *count 0: it no longer runs. */
static bool read_step(struct bulk_runner *runner, struct carried *carried, struct text **ids,
                      size_t *count, struct fault *fault) {
    struct store_bulk *bulk;
    *count = 0;
    if (!store_find_bulk(runner->store, &carried->arena, id_of(carried), &bulk, fault)) {
        return false;
    }
    if (bulk == NULL || bulk->status != BULK_RUNNING) {
        return true;
    }
    if (!bulk_request_read(&carried->arena, bulk->request, &carried->request, fault)) {
        return false;
    }
    carried->request.attempt.batch = id_of(carried);
    int64_t most = bulk_is_atomic(&carried->request) ? BULK_ATOMIC_MOST : BULK_STEP_MOST;
    return store_bulk_members(runner->store, &carried->arena, id_of(carried), bulk->position, most,
                              ids, count, fault);
}

static bool read_in_transaction(struct bulk_runner *runner, struct carried *carried,
                                struct text **ids, size_t *count, struct fault *fault) {
    if (!store_begin(runner->store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = read_step(runner, carried, ids, count, fault);
    store_rollback(runner->store);
    return read;
}

/* The store failed, or the writer's mailbox is full: wait a moment and look again. */
static void try_later(struct bulk_runner *runner, struct carried *carried) {
    struct timespec pause = {0, 100 * 1000 * 1000};
    nanosleep(&pause, NULL);
    if (!mailbox_post(runner->mailbox, &carried->job.letter)) {
        return;
    }
}

/* A fault may quote a row of an application's table. */
static void log_fault(struct bulk_runner *runner, const struct carried *carried, const char *what,
                      struct text message) {
    struct generation *generation = published_take(runner->options.published);
    struct arena arena;
    arena_init(&arena, 0);
    struct text clean =
        generation_clean_text(generation, carried->request.attempt.machine, &arena, message);
    log_line(LOG_ERROR, "bulk", "batch %.*s %s: %.*s", ID_LENGTH, carried->id, what,
             TEXT_ARGS(clean));
    arena_deinit(&arena);
    generation_unref(generation);
}

static void step(struct bulk_runner *runner, struct carried *carried) {
    struct text *ids = NULL;
    size_t count;
    struct fault fault = FAULT_INIT;
    arena_reset(&carried->arena);
    if (!read_in_transaction(runner, carried, &ids, &count, &fault)) {
        log_fault(runner, carried, "waits", text_of(fault.message));
        try_later(runner, carried);
        return;
    }
    if (count == 0) {
        drop(runner, carried);
        return;
    }
    make_step(carried, ids, count);
    struct worker *writer = workers_home(runner->workers, carried->request.attempt.machine, ids[0]);
    if (!mailbox_post(writer->mailbox, &carried->job.letter)) {
        try_later(runner, carried);
    }
}

/* A step that failed as a whole did nothing; it is done again, after a pause. */
static void next(struct bulk_runner *runner, struct carried *carried) {
    struct member *member = &carried->job.member;
    if (member->fault == FAULT_NONE || member->fault == FAULT_LOCK_TIMEOUT) {
        step(runner, carried);
        return;
    }
    log_fault(runner, carried, "tries again after a fault", member->fault_message);
    member->fault = FAULT_NONE;
    try_later(runner, carried);
}

static void receive(struct bulk_runner *runner, struct carried *carried) {
    if (!carried->arrived) {
        next(runner, carried);
        return;
    }
    carried = arrive(runner, carried);
    if (carried != NULL) {
        step(runner, carried);
    }
}

static void *run(void *context) {
    struct bulk_runner *runner = context;
    while (!mailbox_is_closed(runner->mailbox)) {
        mailbox_wait(runner->mailbox, -1);
        struct letter *letter = mailbox_take(runner->mailbox, 0);
        while (letter != NULL) {
            struct carried *carried = (struct carried *)letter;
            letter = letter->next;
            receive(runner, carried);
        }
    }
    return NULL;
}

/* --- life --- */

struct bulk_runner *bulk_runner_new(const struct bulk_runner_options *options) {
    struct bulk_runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        abort();
    }
    runner->options = *options;
    runner->mailbox = mailbox_new(0);
    return runner;
}

void bulk_runner_wake(struct bulk_runner *runner, struct text id, struct http_exchange *exchange) {
    struct carried *wake = calloc(1, sizeof *wake);
    if (wake == NULL) {
        abort();
    }
    wake->runner = runner;
    wake->arrived = true;
    arena_init(&wake->arena, 0);
    memcpy(wake->id, id.bytes, ID_LENGTH);
    if (exchange != NULL) {
        wake->waiters = calloc(1, sizeof *wake->waiters);
        if (wake->waiters == NULL) {
            abort();
        }
        wake->waiters->exchange = exchange;
    }
    if (!mailbox_post(runner->mailbox, &wake->job.letter)) {
        carried_free(wake);
    }
}

/* Bulks that were running when the last process ended. */
static bool wake_all(struct bulk_runner *runner, struct fault *fault) {
    struct arena arena;
    struct store_bulk *bulks;
    size_t count = 0;
    arena_init(&arena, 0);
    bool read = store_begin(runner->store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                store_list_bulks(runner->store, &arena, BULK_RUNNING, &bulks, &count, fault);
    store_rollback(runner->store);
    for (size_t i = 0; read && i < count; i++) {
        bulk_runner_wake(runner, bulks[i].id, NULL);
    }
    arena_deinit(&arena);
    return read;
}

bool bulk_runner_start(struct bulk_runner *runner, struct workers *workers, struct fault *fault) {
    runner->workers = workers;
    if (!store_open(runner->options.store, STORE_READER, &runner->store, fault) ||
        !wake_all(runner, fault)) {
        return false;
    }
    int error = pthread_create(&runner->thread, NULL, run, runner);
    if (error != 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot start a thread: %s", strerror(error));
    }
    runner->started = true;
    return true;
}

void bulk_runner_stop(struct bulk_runner *runner) {
    mailbox_close(runner->mailbox);
    if (runner->started) {
        pthread_join(runner->thread, NULL);
        runner->started = false;
    }
}

void bulk_runner_free(struct bulk_runner *runner) {
    struct letter *letter = mailbox_take(runner->mailbox, 0);
    while (letter != NULL) {
        struct carried *carried = (struct carried *)letter;
        letter = letter->next;
        if (carried->arrived) {
            carried_free(carried);
        }
    }
    while (runner->carried != NULL) {
        struct carried *carried = runner->carried;
        runner->carried = carried->next;
        carried_free(carried);
    }
    if (runner->store != NULL) {
        store_close(runner->store);
    }
    mailbox_free(runner->mailbox);
    free(runner);
}
