/* keep.c: a job goes to the writer, and comes back through `refused` when the store did not take
 * it; then it waits in `behind`. So each generation's files are with exactly one owner until they
 * are in the store. */
#include "server/keep.h"

#include "base/log.h"
#include "server/worker.h"
#include "store/census.h"

#include <stdio.h>
#include <stdlib.h>

struct keep {
    struct worker *writer;   /* the first */
    struct mailbox *refused; /* writers post jobs back */
    struct letter *behind;   /* jobs to offer again */
};

struct keep_job {
    struct job job;
    struct keep *keep;
    struct generation *generation; /* a reference of its own; NULL: it is about what is gone */
    bool indexes;                  /* it is about those of the generation's fields */
    struct arena arena;            /* of the names */
    struct text *gone;
    size_t gone_count;
};

static void *allocate(size_t size_bytes) {
    void *memory = calloc(1, size_bytes);
    if (memory == NULL) {
        perror("statute: no memory to keep policies");
        abort();
    }
    return memory;
}

struct keep *keep_new(struct worker *writer) {
    struct keep *keep = allocate(sizeof *keep);
    keep->writer = writer;
    keep->refused = mailbox_new(0);
    return keep;
}

static void job_free(struct keep_job *job) {
    if (job->generation != NULL) {
        generation_unref(job->generation);
    }
    arena_deinit(&job->arena);
    free(job);
}

static void free_all(struct letter *letter) {
    while (letter != NULL) {
        struct letter *next = letter->next;
        job_free((struct keep_job *)(void *)letter);
        letter = next;
    }
}

void keep_free(struct keep *keep) {
    if (keep != NULL) {
        free_all(keep->behind);
        free_all(mailbox_take(keep->refused, 0));
        mailbox_free(keep->refused);
        free(keep);
    }
}

/* --- on the writer's thread --- */

static bool keep_in_store(struct store *store, const struct keep_job *job, int64_t now_us,
                          struct fault *fault) {
    const struct generation *generation = job->generation;
    return store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, fault) &&
           (generation != NULL
                ? store_keep_policy(store, generation_name(generation),
                                    generation_files_json(generation), now_us, fault)
                : store_keep_gone(store, job->gone, job->gone_count, now_us, fault)) &&
           store_commit(store, fault);
}

static void tell(const struct keep_job *job, const struct fault *fault) {
    if (job->indexes) {
        log_line(LOG_ERROR, "index_not_built", "the indexes of fields are not yet whole: %s",
                 fault->message);
    } else if (job->generation != NULL) {
        log_line(LOG_ERROR, "policy_not_kept", "generation %.12s is not yet in the store: %s",
                 generation_name(job->generation).bytes, fault->message);
    } else {
        log_line(LOG_ERROR, "policy_not_kept",
                 "the list of gone machines is not yet in the store: %s", fault->message);
    }
}

/* --- indexes: a slice of each field's, then it is somebody else's turn --- */

#define SLICE      1000
#define BETWEEN_US (20 * NOW_MILLISECOND)

static bool index_machine(struct store *store, const struct machine *machine, bool *more,
                          struct fault *fault) {
    struct arena arena;
    arena_init(&arena, 0);
    struct text *fields = ARENA_ARRAY(&arena, struct text, machine->field_count);
    size_t count = 0;
    for (size_t i = 0; i < machine->field_count; i++) {
        if (machine->fields[i].index) {
            fields[count++] = machine->fields[i].name;
        }
    }
    bool fine = store_index_fields(store, machine->name, fields, count, SLICE, more, fault);
    arena_deinit(&arena);
    return fine;
}

static bool index_all(struct store *store, const struct generation *generation, bool *more,
                      struct fault *fault) {
    *more = false;
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        if (!index_machine(store, generation_machine_at(generation, i), more, fault)) {
            return false;
        }
    }
    return true;
}

/* A generation that is no longer in force leaves its indexes to the one that is. */
static bool work_on(struct worker *worker, const struct keep_job *job, bool *more,
                    struct fault *fault) {
    if (!job->indexes) {
        return keep_in_store(worker->core.store, job, now_wall_us(&worker->core.now), fault);
    }
    return worker->core.policy.generation != job->generation ||
           index_all(worker->core.store, job->generation, more, fault);
}

static void run(struct job *job, struct worker *worker) {
    struct keep_job *keep_job = job->context;
    struct fault fault = FAULT_INIT;
    bool more = false;
    if (work_on(worker, keep_job, &more, &fault)) {
        if (more) {
            worker_wait(worker, job, now_monotonic_us(&worker->core.now) + BETWEEN_US);
        } else {
            job_free(keep_job);
        }
        return;
    }
    store_rollback(worker->core.store);
    tell(keep_job, &fault);
    if (!mailbox_post(keep_job->keep->refused, &job->letter)) {
        job_free(keep_job);
    }
}

/* The server stops while the job waits for its next slice; the next start goes on. */
static void give_up(struct job *job, struct worker *worker) {
    (void)worker;
    job_free(job->context);
}

/* --- on the reload thread --- */

static void put_behind(struct keep *keep, struct letter *letter) {
    letter->next = keep->behind;
    keep->behind = letter;
}

static void offer(struct keep *keep, struct keep_job *job) {
    job->job.posted_us = now_monotonic_us(&keep->writer->core.now);
    if (!mailbox_post(keep->writer->mailbox, &job->job.letter)) {
        put_behind(keep, &job->job.letter);
    }
}

static struct keep_job *new_job(struct keep *keep) {
    struct keep_job *job = allocate(sizeof *job);
    arena_init(&job->arena, 0);
    job->job.run = run;
    job->job.done = give_up;
    job->job.context = job;
    job->keep = keep;
    return job;
}

void keep_generation(struct keep *keep, struct generation *generation) {
    struct keep_job *job = new_job(keep);
    job->generation = generation;
    offer(keep, job);
}

void keep_indexes(struct keep *keep, struct generation *generation) {
    struct keep_job *job = new_job(keep);
    job->generation = generation;
    job->indexes = true;
    offer(keep, job);
}

void keep_gone(struct keep *keep, const struct text *machines, size_t count) {
    struct keep_job *job = new_job(keep);
    job->gone = ARENA_ARRAY(&job->arena, struct text, count);
    job->gone_count = count;
    for (size_t i = 0; i < count; i++) {
        job->gone[i] = text_copy(&job->arena, machines[i]);
    }
    offer(keep, job);
}

int keep_descriptor(struct keep *keep) {
    return mailbox_descriptor(keep->refused);
}

void keep_collect(struct keep *keep) {
    struct letter *letter = mailbox_take(keep->refused, 0);
    while (letter != NULL) {
        struct letter *next = letter->next;
        put_behind(keep, letter);
        letter = next;
    }
}

bool keep_is_behind(const struct keep *keep) {
    return keep->behind != NULL;
}

void keep_offer_again(struct keep *keep) {
    struct letter *letter = keep->behind;
    keep->behind = NULL;
    while (letter != NULL) {
        struct letter *next = letter->next;
        offer(keep, (struct keep_job *)(void *)letter);
        letter = next;
    }
}
