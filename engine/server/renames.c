/* renames.c: a walk over the machines of the generation in force, in name order.
 *
 *   idle ─ renames_begin ─ due ─ post ─ on the writer: one page ─ back ─ due again after GAP_US ...
 *                                                                  └ no machine is left: idle
 *
 * Nodes of one store may do this at once: who comes second finds nothing to do. */
#include "server/renames.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/worker.h"

#define GAP_US   (20 * NOW_MILLISECOND) /* pages have 200 entities: at most 10,000 a second */
#define PAUSE_US NOW_SECOND             /* after a fault of the store */

struct renames {
    struct worker *writer;
    renames_page *page;
    struct mailbox *back; /* the writer posts the job back */
    struct job job;
    struct rename_walk walk; /* the writer's while busy, else the reload thread's, as is `failed` */
    bool failed;
    /* the reload thread's */
    bool busy, wanted, again;
    int64_t due_us;
};

struct renames *renames_new(struct worker *writer, renames_page *page) {
    struct renames *renames = calloc(1, sizeof *renames);
    if (renames == NULL) {
        perror("statute: no memory for renames");
        abort();
    }
    renames->writer = writer;
    renames->page = page;
    renames->back = mailbox_new(0);
    arena_init(&renames->walk.arena, 0);
    return renames;
}

void renames_free(struct renames *renames) {
    if (renames != NULL) {
        mailbox_take(renames->back, 0);
        mailbox_free(renames->back);
        arena_deinit(&renames->walk.arena);
        free(renames);
    }
}

/* --- on the writer's thread --- */

static void run(struct job *job, struct worker *worker) {
    struct renames *renames = job->context;
    struct fault fault = FAULT_INIT;
    renames->failed = !renames->page(&renames->walk, &worker->core, &fault);
    if (renames->failed) {
        log_line(LOG_WARNING, "policy_renames", "entities wait for their new names: %s",
                 fault.message);
    }
    if (!mailbox_post(renames->back, &job->letter)) {
        return; /* stopping */
    }
}

/* --- on the reload thread --- */

void renames_begin(struct renames *renames, const struct generation *rules) {
    for (size_t i = 0; i < generation_machine_count(rules); i++) {
        const struct machine *machine = generation_machine_at(rules, i);
        renames->again =
            renames->again || text_given(machine->renamed_from) || machine->has_renamed_states;
    }
    renames->wanted = renames->wanted || renames->again;
    renames->due_us = 0;
}

int renames_descriptor(struct renames *renames) {
    return mailbox_descriptor(renames->back);
}

void renames_collect(struct renames *renames) {
    if (mailbox_take(renames->back, 0) != NULL) {
        renames->busy = false;
        renames->wanted = renames->again || !renames->walk.over;
        renames->due_us =
            now_monotonic_us(&renames->writer->core.now) + (renames->failed ? PAUSE_US : GAP_US);
    }
}

int64_t renames_go_on(struct renames *renames, int64_t now_us) {
    if (renames->busy || !renames->wanted) {
        return 0;
    }
    if (now_us < renames->due_us) {
        return renames->due_us;
    }
    if (renames->again) {
        renames->walk.machine = TEXT_NONE;
        renames->again = false;
    }
    renames->job = (struct job){.run = run, .context = renames, .posted_us = now_us};
    renames->busy = mailbox_post(renames->writer->mailbox, &renames->job.letter);
    renames->due_us = now_us + PAUSE_US;
    return renames->busy ? 0 : renames->due_us;
}
