/* workers.c: a writer is chosen by the hash of its entity, a decider by the length of its queue. */
#include "server/workers.h"

#include <stdlib.h>

#include "base/map.h"

/* --- life --- */

static bool init_each(struct workers *workers, struct worker *list, unsigned count, unsigned first,
                      bool writes, struct fault *fault) {
    for (unsigned i = 0; i < count; i++) {
        if (!worker_init(&list[i], &workers->options, first + i, writes, fault)) {
            return false;
        }
    }
    return true;
}

bool workers_init(struct workers *workers, const struct worker_options *options,
                  unsigned writer_count, unsigned decider_count, struct fault *fault) {
    *workers = (struct workers){
        .options = *options,
        .writers = calloc(writer_count, sizeof *workers->writers),
        .writer_count = writer_count,
        .deciders = calloc(decider_count, sizeof *workers->deciders),
        .decider_count = decider_count,
    };
    if (workers->writers == NULL || workers->deciders == NULL) {
        abort();
    }
    return init_each(workers, workers->writers, writer_count, 0, true, fault) &&
           init_each(workers, workers->deciders, decider_count, writer_count, false, fault);
}

static bool start_each(struct worker *list, unsigned count, struct fault *fault) {
    for (unsigned i = 0; i < count; i++) {
        if (!worker_start(&list[i], fault)) {
            return false;
        }
    }
    return true;
}

bool workers_start(struct workers *workers, struct fault *fault) {
    return start_each(workers->writers, workers->writer_count, fault) &&
           start_each(workers->deciders, workers->decider_count, fault);
}

void workers_stop(struct workers *workers) {
    for (unsigned i = 0; i < workers->writer_count; i++) {
        worker_stop(&workers->writers[i]);
    }
    for (unsigned i = 0; i < workers->decider_count; i++) {
        worker_stop(&workers->deciders[i]);
    }
}

static void deinit_each(struct worker *list, unsigned count) {
    for (unsigned i = 0; list != NULL && i < count; i++) {
        worker_deinit(&list[i]);
    }
    free(list);
}

/* Readers close before the writer: the last connection to close is the one that may checkpoint. */
void workers_deinit(struct workers *workers) {
    deinit_each(workers->deciders, workers->decider_count);
    deinit_each(workers->writers, workers->writer_count);
}

/* --- posting --- */

struct worker *workers_home(struct workers *workers, struct text machine, struct text id) {
    if (workers->writer_count == 1) {
        return &workers->writers[0];
    }
    return &workers->writers[(map_hash(machine) * 31U + map_hash(id)) % workers->writer_count];
}

void workers_post(struct workers *workers, struct worker *worker, struct job *job) {
    job->posted_us = now_monotonic_us(&workers->options.now);
    if (mailbox_post(worker->mailbox, &job->letter)) {
        return;
    }
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_OVERLOADED,
              "too many requests are waiting; nothing was done; try again");
    http_fail(job->exchange, &fault, TEXT("\"outcome\":\"not_executed\""));
}

/* Round robin by address bits would be uneven: the shortest mailbox is simple and fair. */
void workers_post_decider(struct workers *workers, struct job *job) {
    struct worker *best = &workers->deciders[0];
    for (unsigned i = 1; i < workers->decider_count; i++) {
        if (mailbox_count(workers->deciders[i].mailbox) < mailbox_count(best->mailbox)) {
            best = &workers->deciders[i];
        }
    }
    workers_post(workers, best, job);
}
