/* keep.c: a job goes to the writer, and comes back through `refused` when the store did not take
 * it; then it waits in `behind`. So each generation's files are with exactly one owner until they
 * are in the store. */
#include "server/keep.h"

#include "base/log.h"
#include "server/worker.h"

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
    if (job->generation != NULL) {
        log_line(LOG_ERROR, "policy_not_kept", "generation %.12s is not yet in the store: %s",
                 generation_name(job->generation).bytes, fault->message);
    } else {
        log_line(LOG_ERROR, "policy_not_kept",
                 "which machines are gone is not yet in the store: %s", fault->message);
    }
}

static void run(struct job *job, struct worker *worker) {
    struct keep_job *keep_job = job->context;
    struct fault fault = FAULT_INIT;
    int64_t now_us = now_wall_us(&worker->core.now);
    if (keep_in_store(worker->core.store, keep_job, now_us, &fault)) {
        job_free(keep_job);
        return;
    }
    store_rollback(worker->core.store);
    tell(keep_job, &fault);
    if (!mailbox_post(keep_job->keep->refused, &job->letter)) {
        job_free(keep_job);
    }
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
    job->job.context = job;
    job->keep = keep;
    return job;
}

void keep_generation(struct keep *keep, struct generation *generation) {
    struct keep_job *job = new_job(keep);
    job->generation = generation;
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
