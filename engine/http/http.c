/* http.c: the server as a whole. What happens on a thread is in thread.c, what happens on a
 * connection in filter.c, and how bytes are read in head.c and body.c. */
#include "http/http.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/listen.h"
#include "http/thread.h"

#include <event2/event-config.h>

#define DESCRIPTORS_KEPT 64 /* for stores, logs, reloads: not for connections */
#define MIB              ((size_t)1 << 20)
#define KIB              ((size_t)1 << 10)

struct http {
    struct http_shared shared;
    struct arena arena;
    struct http_thread **threads;
    unsigned thread_count; /* of those made */
};

struct http_limits http_limits_default(void) {
    return (struct http_limits){.body_bytes = 1 * MIB,
                                .uri_bytes = 8 * KIB,
                                .header_bytes = 16 * KIB,
                                .header_count = 100,
                                .connections = 1000,
                                .header_timeout_us = 10 * NOW_SECOND,
                                .body_timeout_us = 30 * NOW_SECOND,
                                .idle_timeout_us = 75 * NOW_SECOND,
                                .write_timeout_us = 30 * NOW_SECOND};
}

static void log_libevent(int severity, const char *message) {
    enum log_level level = severity >= EVENT_LOG_ERR    ? LOG_ERROR
                           : severity == EVENT_LOG_WARN ? LOG_WARNING
                                                        : LOG_DEBUG;
    log_line(level, "libevent", "%s", message);
}

static unsigned connections_most(const struct http_limits *limits) {
    struct rlimit descriptors;
    unsigned most = limits->connections;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        rlim_t spare =
            descriptors.rlim_cur > DESCRIPTORS_KEPT ? descriptors.rlim_cur - DESCRIPTORS_KEPT : 1;
        most = spare < most ? (unsigned)spare : most;
    }
    return most > 0 ? most : 1;
}

static bool make_threads(struct http *http, struct fault *fault) {
    unsigned count = http->shared.options.threads > 0 ? http->shared.options.threads : 1;
    http->threads = ARENA_ARRAY(&http->arena, struct http_thread *, count);
    while (http->thread_count < count) {
        if (!http_thread_new(&http->shared, &http->threads[http->thread_count], fault)) {
            return false;
        }
        http->thread_count++;
    }
    return true;
}

bool http_open(const struct http_options *options, struct http **out, struct fault *fault) {
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return fault_set(fault, FAULT_ENVIRONMENT, "No memory for an HTTP server");
    }
    event_set_log_callback(log_libevent);
    arena_init(&http->arena, 0);
    http->shared.options = *options;
    http->shared.options.address = text_copy(&http->arena, options->address);
    http->shared.connections_most = connections_most(&options->limits);
    if (!http_listen(options->address, &http->shared.listener, fault)) {
        goto free_http;
    }
    if (!make_threads(http, fault)) {
        goto close_http;
    }
    *out = http;
    return true;

free_http:
    arena_deinit(&http->arena);
    free(http);
    return false;
close_http:
    http_close(http);
    return false;
}

int http_port(const struct http *http) {
    return http_listen_port(http->shared.listener);
}

bool http_start(struct http *http, struct fault *fault) {
    for (unsigned i = 0; i < http->thread_count; i++) {
        if (!http_thread_start(http->threads[i], fault)) {
            return false;
        }
    }
    return true;
}

void http_stop(struct http *http, int64_t drain_us) {
    atomic_store(&http->shared.stopping, true);
    for (unsigned i = 0; i < http->thread_count; i++) {
        http_thread_stop(http->threads[i], drain_us);
    }
    (void)shutdown(http->shared.listener,
                   SHUT_RD); /* refuse who comes now, rather than keep them */
    for (unsigned i = 0; i < http->thread_count; i++) {
        http_thread_join(http->threads[i]);
    }
}

void http_close(struct http *http) {
    if (http == NULL) {
        return;
    }
    http_stop(http, 0);
    for (unsigned i = 0; i < http->thread_count; i++) {
        http_thread_free(http->threads[i]);
    }
    close(http->shared.listener);
    arena_deinit(&http->arena);
    free(http);
}

static uint64_t read_count(const _Atomic uint64_t *count) {
    return atomic_load_explicit(count, memory_order_relaxed);
}

struct http_counts http_counts(const struct http *http) {
    struct http_counts counts = {.connections_open = atomic_load(&http->shared.connections)};
    for (unsigned i = 0; i < http->thread_count; i++) {
        const struct http_tally *tally = http_thread_tally(http->threads[i]);
        counts.connections_total += read_count(&tally->connections);
        counts.requests_total += read_count(&tally->requests);
        counts.refused_malformed += read_count(&tally->refused_malformed);
        counts.timed_out += read_count(&tally->timed_out);
        counts.handshakes_failed += read_count(&tally->handshakes_failed);
        counts.accept_pauses += read_count(&tally->accept_pauses);
    }
    return counts;
}

const char *http_library(void) {
    return "libevent " EVENT__VERSION;
}
