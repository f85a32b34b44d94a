/* wire.h: one connection to a PostgreSQL server, in libpq's pipeline mode. Private to
 * store/postgres/
 *
 * How to use: wire_ready, wire_queue as often as one likes, wire_run: one round trip. The answers
 * are wire_result(wire, 0), 1, 2... until the next wire_queue. When wire_run fails the server has
 * skipped whatever stood behind the statement that failed.
 *
 * Faults are FAULT_STORE_UNAVAILABLE with the server's message, but
 *   FAULT_STORE_CONFLICT  serialization failure, deadlock, a key that is already there
 *   FAULT_BAD_REQUEST     a text that is not UTF-8, or holds a NUL
 * A connection that is lost stays so until wire_ready or wire_connect makes another. */
#ifndef STATUTE_STORE_POSTGRES_WIRE_H
#define STATUTE_STORE_POSTGRES_WIRE_H

#include "base/fault.h"
#include "base/now.h"
#include "store/postgres/values.h"

#define WIRE_QUEUE_MOST 16 /* statements in one round trip */

struct wire {
    char *url;          /* owned */
    PGconn *connection; /* owned; NULL: none */
    char name[256];     /* "PostgreSQL at host:port/database", for messages; no password */
    struct now now;
    int64_t silence_us; /* how long the server may say nothing; 30 s unless set after wire_init */
    unsigned unread;    /* round trips that nobody waited for */
    bool broken;        /* a statement could not be queued, or an answer was lost */
    size_t queued;
    size_t first;        /* the statements before it were queued by wire_lead's caller */
    size_t result_count; /* of the latest wire_run */
    PGresult *results[WIRE_QUEUE_MOST];
};

/* Lends `url` to nobody: it is copied. Connects to nothing yet. FAULT_USAGE: it is no URL of
 * PostgreSQL's; the message does not quote it, since it may hold a password. */
bool wire_init(struct wire *wire, struct text url, struct fault *fault) MUST_CHECK;
void wire_deinit(struct wire *wire);

/* Makes a new connection in place of the old one, not yet in pipeline mode. */
bool wire_connect(struct wire *wire, struct fault *fault) MUST_CHECK;
/* From now on statements are queued. */
bool wire_pipeline(struct wire *wire, struct fault *fault) MUST_CHECK;
/* Runs statements without parameters, in one transaction or as they say, before wire_pipeline.
 * *out, unless NULL, is the last answer, in text format, to be cleared by the caller. */
bool wire_execute(struct wire *wire, const char *sql, PGresult **out,
                  struct fault *fault) MUST_CHECK;

/* A connection in pipeline mode: the one at hand if the server has not closed it, or a new one. */
bool wire_ready(struct wire *wire, struct fault *fault) MUST_CHECK;
/* Whether the connection is there, as far as can be told without a round trip. */
bool wire_is_alive(struct wire *wire);
void wire_drop(struct wire *wire); /* closes it */

/* `values` may be NULL. What goes wrong is told by wire_run. */
void wire_queue(struct wire *wire, const char *sql, const struct values *values);
/* Those queued so far have answers that nobody will ask for: wire_result counts behind them. */
void wire_lead(struct wire *wire);
bool wire_run(struct wire *wire, struct fault *fault) MUST_CHECK;
/* Sends what is queued; whatever the answer is, the next wire_run reads past it. */
void wire_send(struct wire *wire);
/* The answer to the latest wire_send, if nothing was queued since: together they are a wire_run,
 * and between them the server works. */
bool wire_finish(struct wire *wire, struct fault *fault) MUST_CHECK;

/* Lent until the next wire_queue; NULL when there is none. */
const PGresult *wire_result(const struct wire *wire, size_t index);
/* The same, but it is the caller's from now on: PQclear. */
PGresult *wire_take(struct wire *wire, size_t index);
/* Rows that the statement changed. */
size_t wire_changed(const struct wire *wire, size_t index);

#endif
