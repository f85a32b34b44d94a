/* bulk_runner.h: the thread that carries bulks through, one step at a time each, so that
 * interactive requests get their turn between steps. It holds no state that matters: all of it is
 * in the store, and after a restart every running bulk goes on. */
#ifndef STATUTE_BULK_RUNNER_H
#define STATUTE_BULK_RUNNER_H

#include "http/http.h"

struct bulk_runner;
struct service;
struct worker;

struct bulk_runner *bulk_runner_new(struct service *service);
bool bulk_runner_start(struct bulk_runner *runner, struct fault *fault) MUST_CHECK;
void bulk_runner_stop(struct bulk_runner *runner);
void bulk_runner_free(struct bulk_runner *runner);

/* Any thread: carry on with this bulk, which is in the store. `exchange` is answered when the bulk
 * stops running (completed, failed, paused, cancelled); NULL: nobody waits. */
void bulk_runner_wake(struct bulk_runner *runner, struct text id, struct http_exchange *exchange);

struct store;
struct store_bulk;
struct js_writer;
void bulk_put_summary(struct js_writer *writer, const struct store_bulk *bulk);
/* A bulk that has just been made, as GET /v1/batches/{id} shows it; in the exchange's arena. */
struct text bulk_json(struct http_exchange *exchange, const struct store_bulk *bulk);

/* Answers with the bulk as GET /v1/batches/{id} shows it; on the thread that owns `store`. */
void bulk_answer(struct store *store, struct http_exchange *exchange, struct text id);
/* The same for who sent the key of the bulk again: FAULT_REQUEST_IN_FLIGHT while it runs. */
void bulk_answer_again(struct store *store, struct http_exchange *exchange, struct text id);

#endif
