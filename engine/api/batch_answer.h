/* batch_answer.h: a bulk as JSON, and as an answer. */
#ifndef STATUTE_BATCH_ANSWER_H
#define STATUTE_BATCH_ANSWER_H

#include "api/route.h"
#include "store/bulk.h"

/* {id, status, total, ..., machine, to, transition, created_at, updated_at}, without errors. */
void batch_put_summary(struct js_writer *writer, const struct store_bulk *bulk);

/* A bulk that has just been made, as GET /v1/batches/{id} shows it; in the exchange's arena. */
struct text batch_json(struct http_exchange *exchange, const struct store_bulk *bulk);

/* Answers with the bulk as GET /v1/batches/{id} shows it; on the thread that owns `store`. */
void batch_answer(struct store *store, struct http_exchange *exchange, struct text id);
bulk_runner_answer batch_answer_done; /* the same, for who waited */
/* The same for who sent the key of the bulk again: FAULT_REQUEST_IN_FLIGHT while it runs. */
void batch_answer_again(struct store *store, struct http_exchange *exchange, struct text id);

#endif
