/* thread.h: one event loop of an HTTP server, and all that it owns. Private to http.c. */
#ifndef STATUTE_HTTP_THREAD_H
#define STATUTE_HTTP_THREAD_H

#include "http/filter.h"

/* What the threads of a server share. */
struct http_shared {
    struct http_options options;  /* set before the threads start, then only read */
    int listener;                 /* the same in all threads; each watches it with its own loop */
    unsigned connections_most;    /* likewise */
    _Atomic unsigned connections; /* open, over all threads */
    _Atomic bool stopping;
    _Atomic int64_t failure_logged_us; /* monotonic: when accept(2) was last complained about */
};

/* FAULT_ENVIRONMENT when libevent cannot be set up. */
bool http_thread_new(struct http_shared *shared, struct http_thread **out,
                     struct fault *fault) MUST_CHECK;
bool http_thread_start(struct http_thread *thread, struct fault *fault) MUST_CHECK;

/* Tells a running thread to finish within `drain_us`; http_thread_join waits for that. Exchanges
 * that come back later are freed. */
void http_thread_stop(struct http_thread *thread, int64_t drain_us);
void http_thread_join(struct http_thread *thread);
void http_thread_free(struct http_thread *thread);

const struct http_tally *http_thread_tally(const struct http_thread *thread);

#endif
