/* filter.h: what stands between a socket and evhttp, one per connection: it reads requests
 * strictly, bounds what a client may cost, keeps the deadlines and closes with grace. Private to
 * thread.c, which gives evhttp the bufferevent that http_filter_new makes, finds the filter of
 * a request again with http_filter_of, and calls http_filter_send after evhttp_send_reply.
 * Everything here belongs to one HTTP thread. */
#ifndef STATUTE_HTTP_FILTER_H
#define STATUTE_HTTP_FILTER_H

#include <stdatomic.h>

#include "http/exchange.h"
#include "http/intake.h"

struct bufferevent;
struct event_base;
struct http_filter;

/* Written by one thread, read by any. */
struct http_tally {
    _Atomic uint64_t connections;
    _Atomic uint64_t requests;
    _Atomic uint64_t refused_malformed;
    _Atomic uint64_t timed_out;
    _Atomic uint64_t accept_pauses;
    _Atomic uint64_t handshakes_failed;
};
void http_tally_add(_Atomic uint64_t *count);

/* The connections of one thread. The first six fields are the owner's to set. */
struct http_filters {
    struct event_base *base;
    const struct http_options *options;
    struct http_pool *pool;
    struct http_tally *tally;
    struct http_thread *thread;       /* told of every end, by http_thread_ended */
    struct bio_method_st *tls_method; /* NULL without TLS */
    struct http_filter *newest;       /* all that have not ended */
    struct http_intakes intakes;
    size_t count;
    bool draining; /* from here on an answer is the last of its connection */
};

/* For evhttp_set_bevcb: the bufferevent of a connection that is being accepted. */
struct bufferevent *http_filter_new(struct http_filters *filters);

/* To be called soon after evhttp has given new bufferevents their sockets: starts reading. */
void http_filters_start(struct http_filters *filters);

/* The filter a request came through; NULL when the client has left. */
struct http_filter *http_filter_of(struct evhttp_request *request);

/* The exchange of the request evhttp has just announced. The caller owns it from here on. */
struct http_slot *http_filter_claim(struct http_filter *filter);

/* What the answer's Connection header must say, "close" or "keep-alive"; NULL for nothing. */
const char *http_filter_connection(struct http_filter *filter);

/* The answer is in the bufferevent's output: sends it, then goes on with the next request. */
void http_filter_send(struct http_filter *filter);

/* Ends what has passed its deadline. */
void http_filters_sweep(struct http_filters *filters);

/* Makes every connection end at its next pause, and the idle ones now. */
void http_filters_drain(struct http_filters *filters);

/* Ends all connections; their memory goes when the event loop has run. */
void http_filters_end(struct http_filters *filters);

/* Implemented by thread.c. */
void http_thread_opened(struct http_thread *thread);
void http_thread_ended(struct http_thread *thread);

#endif
