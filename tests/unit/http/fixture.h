/* fixture.h: an HTTP server in this process, and clients that speak to it over raw sockets.
 * The handler answers "METHOD target length-of-body body" at once, but for these paths:
 *   /later   answered by another thread, a moment later
 *   /hold    answered by another thread, once release() has been called
 *   /big     answered with 8 MiB
 *   /none    answered 204
 *   /inject  answered with a header whose value has a line end in it */
#ifndef STATUTE_HTTP_FIXTURE_H
#define STATUTE_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "http/http.h"

#define HOST      "Host: a\r\n"
#define CLOSE     "Connection: close\r\n"
#define BIG_BYTES ((size_t)8 << 20)

#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        for (int tries_ = 0; !(condition); tries_++) {                                             \
            if (tries_ > 2000) {                                                                   \
                fail_msg("never came true: %s", #condition);                                       \
            }                                                                                      \
            usleep(5000);                                                                          \
        }                                                                                          \
    } while (0)

struct server {
    struct http *http;
    struct mailbox *jobs; /* to the other thread */
    pthread_t other;
    _Atomic bool released;
    _Atomic unsigned handled, observed, admissions;
    bool with_admission;
    struct arena arena;
};

static inline struct text big_body(void) {
    static char bytes[BIG_BYTES];
    if (bytes[0] == '\0') {
        memset(bytes, 'b', sizeof bytes);
    }
    return (struct text){bytes, sizeof bytes};
}

static inline void answer_echo(struct http_exchange *exchange) {
    struct http_answer answer = {.status = 200, .content_type = TEXT("text/plain")};
    answer.body =
        text_print(&exchange->arena, "%.*s %.*s %zu %.*s\n", TEXT_ARGS(exchange->method_name),
                   TEXT_ARGS(exchange->target), exchange->body.length, TEXT_ARGS(exchange->body));
    http_answer(exchange, &answer);
}

static inline void *other_thread(void *context) {
    struct server *server = context;
    while (mailbox_wait(server->jobs, -1)) {
        struct letter *letter = mailbox_take(server->jobs, 1);
        if (letter == NULL) {
            break;
        }
        struct http_exchange *exchange = (struct http_exchange *)letter;
        bool hold = text_starts(exchange->path, TEXT("/hold"));
        while (hold && !atomic_load(&server->released)) {
            usleep(1000);
        }
        answer_echo(exchange);
    }
    return NULL;
}

static inline void handle(void *context, struct http_exchange *exchange) {
    struct server *server = context;
    atomic_fetch_add(&server->handled, 1);
    if (text_starts(exchange->path, TEXT("/later")) || text_starts(exchange->path, TEXT("/hold"))) {
        assert_true(mailbox_post(server->jobs, &exchange->letter));
    } else if (text_equal(exchange->path, TEXT("/big"))) {
        struct http_answer answer = {.status = 200, .body = big_body()};
        http_answer(exchange, &answer);
    } else if (text_equal(exchange->path, TEXT("/none"))) {
        struct http_answer answer = {.status = 204, .body = TEXT("not sent")};
        http_answer(exchange, &answer);
    } else if (text_equal(exchange->path, TEXT("/inject"))) {
        struct http_answer answer = {.status = 200, .body = TEXT("{}"), .header_count = 2};
        answer.headers[0] = (struct http_header){TEXT("X-Bad"), TEXT("a\r\n X-Evil: b")};
        answer.headers[1] = (struct http_header){TEXT("X-Good"), TEXT("c")};
        http_answer(exchange, &answer);
    } else {
        answer_echo(exchange);
    }
}

static inline bool admit(void *context, struct http_exchange *exchange, struct fault *fault) {
    struct text authorization = http_header(exchange, "Authorization");
    atomic_fetch_add(&((struct server *)context)->admissions, 1);
    return text_given(authorization) || fault_set(fault, FAULT_UNAUTHENTICATED, "Who are you?");
}

static inline void observe(void *context, const struct http_exchange *exchange) {
    assert_true(exchange->answer.status >= 200 && exchange->received_us > 0);
    atomic_fetch_add(&((struct server *)context)->observed, 1);
}

static inline struct http_options plain_options(struct server *server) {
    return (struct http_options){.address = TEXT("127.0.0.1:0"),
                                 .threads = 1,
                                 .limits = http_limits_default(),
                                 .now = now_system(),
                                 .handler = handle,
                                 .admission = server->with_admission ? admit : NULL,
                                 .observer = observe,
                                 .context = server};
}

static inline void serve(struct server *server, const struct http_options *options) {
    struct fault fault = FAULT_INIT;
    server->jobs = mailbox_new(0);
    arena_init(&server->arena, 0);
    if (!http_open(options, &server->http, &fault) || !http_start(server->http, &fault)) {
        fail_msg("%s", fault.message);
    }
    assert_int_equal(pthread_create(&server->other, NULL, other_thread, server), 0);
}

static inline void release(struct server *server) {
    atomic_store(&server->released, true);
}

static inline void join_other(struct server *server) {
    release(server);
    mailbox_close(server->jobs);
    pthread_join(server->other, NULL);
}

/* The usual end; a test that ends its server otherwise calls only some of this. */
static inline void unserve(struct server *server) {
    join_other(server);
    http_stop(server->http, NOW_SECOND);
    assert_int_equal(http_counts(server->http).connections_open, 0);
    http_close(server->http);
    mailbox_free(server->jobs);
    arena_deinit(&server->arena);
}

static inline int serve_plainly(void **state) {
    static struct server server;
    server = (struct server){0};
    struct http_options options = plain_options(&server);
    serve(&server, &options);
    *state = &server;
    return 0;
}

static inline int stop_serving(void **state) {
    unserve(*state);
    return 0;
}

/* --- clients --- */

static inline int try_connect(const struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_port(server->http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client >= 0 && connect(client, (struct sockaddr *)&address, sizeof address) != 0) {
        close(client);
        return -1;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return client;
}

static inline int dial(const struct server *server) {
    int client = try_connect(server);
    assert_true(client >= 0);
    return client;
}

/* What does not get through is no failure: the server may have said its last word. */
static inline void say(int client, struct text bytes) {
    while (bytes.length > 0) {
        ssize_t sent = send(client, bytes.bytes, bytes.length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        bytes = (struct text){bytes.bytes + sent, bytes.length - (size_t)sent};
    }
}

/* Adds what comes within `wait_ms`; false at the end of the stream. */
static inline bool hear_some(int client, struct buffer *heard, int wait_ms) {
    static char piece[65536];
    struct pollfd watched = {.fd = client, .events = POLLIN};
    if (poll(&watched, 1, wait_ms) <= 0) {
        return false;
    }
    ssize_t length = recv(client, piece, sizeof piece, 0);
    if (length <= 0) {
        return false;
    }
    buffer_add(heard, piece, (size_t)length);
    return true;
}

/* All until the server closes, which it must do within 10 s. */
static inline struct text hear_all(struct server *server, int client) {
    struct buffer heard;
    buffer_init(&heard, &server->arena);
    while (hear_some(client, &heard, 10000)) {
    }
    close(client);
    return buffer_view(&heard);
}

static inline bool contains(struct text text, const char *part) {
    return memmem(text.bytes, text.length, part, strlen(part)) != NULL;
}

/* Reads until `part` has come. */
static inline struct text hear_until(struct server *server, int client, const char *part) {
    struct buffer heard;
    buffer_init(&heard, &server->arena);
    while (!contains(buffer_view(&heard), part)) {
        if (!hear_some(client, &heard, 10000)) {
            fail_msg("\"%s\" never came, only: %.*s", part, TEXT_ARGS(buffer_view(&heard)));
        }
    }
    return buffer_view(&heard);
}

static inline bool is_silent(int client, int for_ms) {
    struct pollfd watched = {.fd = client, .events = POLLIN};
    return poll(&watched, 1, for_ms) == 0;
}

static inline struct text ask(struct server *server, struct text bytes) {
    int client = dial(server);
    say(client, bytes);
    return hear_all(server, client);
}

static inline size_t count_of(struct text text, const char *part) {
    size_t count = 0, length = strlen(part);
    const char *found;
    while ((found = memmem(text.bytes, text.length, part, length)) != NULL) {
        size_t past = (size_t)(found - text.bytes) + length;
        text = (struct text){text.bytes + past, text.length - past};
        count++;
    }
    return count;
}

/* An answer with `status` and a whole problem in it, and nothing after it. */
static inline void assert_problem(struct text answer, int status, const char *code) {
    char line[32], member[64];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    snprintf(member, sizeof member, "\"code\":\"%s\"", code);
    const char *body = memmem(answer.bytes, answer.length, "\r\n\r\n", 4);
    const char *length = memmem(answer.bytes, answer.length, "Content-Length: ", 16);
    if (!text_starts(answer, text_of(line)) || body == NULL || length == NULL ||
        !contains(answer, "Content-Type: application/problem+json\r\n") ||
        !contains(answer, "\r\nX-Request-Id: ") || !contains(answer, member) ||
        strtoul(length + 16, NULL, 10) != (size_t)(answer.bytes + answer.length - body - 4)) {
        fail_msg("not one problem %d %s: %.*s", status, code, TEXT_ARGS(answer));
    }
}

/* A refusal by the filter: a problem, and the connection closed. */
static inline void assert_refusal(struct text answer, int status, const char *code) {
    assert_problem(answer, status, code);
    assert_true(contains(answer, "\r\nConnection: close\r\n"));
}

#endif
