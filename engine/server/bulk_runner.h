/* bulk_runner.h: the thread that carries bulks through, one step at a time each, so that
 * interactive requests get their turn between steps. It holds no state that matters: all of it is
 * in the store, and after a restart every running bulk goes on. */
#ifndef STATUTE_BULK_RUNNER_H
#define STATUTE_BULK_RUNNER_H

#include "http/http.h"
#include "server/workers.h"

struct bulk_runner;

/* Answers who waited with the bulk as it is now; on the runner's thread, which owns `store`. */
typedef void bulk_runner_answer(void *context, struct store *store, struct http_exchange *exchange,
                                struct text id);

struct bulk_runner_options {
    struct text store;           /* URL, for a reading connection of its own */
    struct published *published; /* lent */
    bulk_runner_answer *answer;
    void *context;
};

struct bulk_runner *bulk_runner_new(const struct bulk_runner_options *options);
bool bulk_runner_start(struct bulk_runner *runner, struct workers *workers,
                       struct fault *fault) MUST_CHECK;
void bulk_runner_stop(struct bulk_runner *runner);
void bulk_runner_free(struct bulk_runner *runner);

/* Any thread: carry on with this bulk, which is in the store. `exchange` is answered when the bulk
 * stops running (completed, failed, paused, cancelled); NULL: nobody waits. */
void bulk_runner_wake(struct bulk_runner *runner, struct text id, struct http_exchange *exchange);

#endif
