/* exchange.h: exchanges, and the pool that one HTTP thread keeps of them. An idle exchange
 * keeps its arena warm, so that an ordinary request allocates nothing. Private to http/. */
#ifndef STATUTE_HTTP_EXCHANGE_H
#define STATUTE_HTTP_EXCHANGE_H

#include "base/id.h"
#include "http/head.h"

struct evhttp_request;
struct http_thread;

/* An exchange and what only its HTTP thread may touch. */
struct http_slot {
    struct http_exchange exchange;  /* first, so that a letter is a slot */
    struct http_thread *thread;     /* whose it is; never changes */
    struct evhttp_request *request; /* evhttp's side of it while it is in work */
    struct http_slot *next;         /* idle, or in work */
    struct http_slot *previous;     /* in work */
};

/* Touched by its HTTP thread only. */
struct http_pool {
    struct http_thread *thread;
    struct http_slot *idle;
    size_t idle_count;
    struct id_source ids;
    unsigned char random[512]; /* bought from the system in one piece; used from the end */
    size_t random_left;
};

void http_pool_init(struct http_pool *pool, struct http_thread *thread);
void http_pool_deinit(struct http_pool *pool);

/* An empty exchange with a live arena. */
struct http_slot *http_pool_take(struct http_pool *pool);
/* Gives it back, and all that lived in its arena. */
void http_pool_put(struct http_pool *pool, struct http_slot *slot);
/* For one whose thread is gone: frees it. Any thread. */
void http_slot_free(struct http_slot *slot);

/* Fills the exchange from a head; the body and the peer are still missing. */
void http_slot_fill(struct http_pool *pool, struct http_slot *slot, const struct http_head *head,
                    int64_t wall_us);

#endif
