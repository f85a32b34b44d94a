/* workers.h: all workers of a server, and which of them a job goes to. Any thread may post. */
#ifndef STATUTE_WORKERS_H
#define STATUTE_WORKERS_H

#include "server/worker.h"

struct workers {
    struct worker_options options;
    struct worker *writers;
    unsigned writer_count;
    struct worker *deciders;
    unsigned decider_count;
};

/* Makes them and opens their stores and locks; workers_deinit also after a failure. */
bool workers_init(struct workers *workers, const struct worker_options *options,
                  unsigned writer_count, unsigned decider_count, struct fault *fault) MUST_CHECK;
bool workers_start(struct workers *workers, struct fault *fault) MUST_CHECK;
void workers_stop(struct workers *workers);
void workers_deinit(struct workers *workers);

/* The writer at home for an entity. */
struct worker *workers_home(struct workers *workers, struct text machine, struct text id);

/* Posts a job that has an exchange to a writer or to the decider with the shortest queue; when the
 * mailbox is full the exchange is answered 503 overloaded and the job is gone. */
void workers_post(struct workers *workers, struct worker *worker, struct job *job);
void workers_post_decider(struct workers *workers, struct job *job);

#endif
