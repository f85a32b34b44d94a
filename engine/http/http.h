/* http.h: HTTP/1.1 in and out: evhttp on some threads, and everything that evhttp does not do.
 * Room http/: the wire (filter, head, body, exchange, thread), TLS, CORS. It uses base/, libevent
 * and libssl, and nothing else of statute. How to use: http_open with the functions to call,
 * http_start, and later http_stop (drains) and http_close.
 * The handler runs on an HTTP thread, may not block, and either answers at once or gives the
 * exchange to another thread, which answers later with http_answer: from then on the exchange
 * belongs to its HTTP thread again. A client that went away is a dropped answer. */
#ifndef STATUTE_HTTP_H
#define STATUTE_HTTP_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/mailbox.h"
#include "base/now.h"
#include "http/tls.h"

#define HTTP_REQUEST_ID_MOST 256 /* printable ASCII; one that is not that is not taken */

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

struct http_limits {
    size_t body_bytes;     /* 1 MiB: 413 payload_too_large */
    size_t uri_bytes;      /* 8 KiB: 414 uri_too_long */
    size_t header_bytes;   /* 16 KiB in all: 431 headers_too_large */
    unsigned header_count; /* 100: 431 headers_too_large */
    unsigned connections;  /* 1000 over all threads; accepting pauses above it (also kept under the
                              descriptor limit) */
    int64_t header_timeout_us; /* 10 s from the connect or first byte to the blank line: 408 */
    int64_t body_timeout_us;   /* 30 s in all for the request: 408 */
    int64_t idle_timeout_us;   /* 75 s between requests: closed without a word */
    int64_t write_timeout_us;  /* 30 s for the client to take an answer: closed */
};
struct http_limits http_limits_default(void);

struct http_header {
    struct text name; /* as sent */
    struct text value;
};

struct http_answer {
    int status;
    struct text
        content_type; /* TEXT_NONE: application/json, or application/problem+json from 400 on */
    struct text body; /* lives in the exchange's arena or for ever */
    struct http_header
        headers[16]; /* more headers, ETag say: 6 at the most, then the finisher's 8 */
    size_t header_count;
};

/* One request and the way back. All texts live in `arena`, which is freed after the answer has
 * been handed to the connection. Owned by one thread at a time. */
struct http_exchange {
    struct letter letter; /* for the mailboxes it travels through */
    struct arena arena;
    enum http_method method;
    struct text method_name; /* as sent: "GET" */
    struct text target;      /* raw origin-form: path, and "?query" if any */
    struct text path;  /* the raw path, still percent-encoded; always begins with '/', never "//" */
    struct text query; /* without '?'; TEXT_NONE when there is none */
    struct text body;  /* empty when there is none */
    const struct http_header *headers;
    size_t header_count;
    char request_id[HTTP_REQUEST_ID_MOST + 1]; /* X-Request-Id: the client's, else a UUIDv7 */
    struct text peer;                          /* "127.0.0.1" */
    int64_t received_us;                       /* monotonic, when the request was whole */
    struct http_answer answer;                 /* set by http_answer */
    void *context;                             /* the handler's own */
    void *slot;                                /* private to http.c */
};

/* The header's value, name compared without case; TEXT_NONE when absent. */
struct text http_header(const struct http_exchange *exchange, const char *name);
/* The same of a header that must not come twice: FAULT_BAD_REQUEST when it does. */
bool http_header_once(const struct http_exchange *exchange, const char *name, struct text *value,
                      struct fault *fault) MUST_CHECK;

typedef void http_handler(void *context, struct http_exchange *exchange);

/* Asked when the headers of a request with a body are whole, before its body is read and before
 * "100 Continue" is sent: false refuses with the fault (401, 413...) and the connection is closed.
 * The exchange has all but its body. Any HTTP thread. May be NULL. */
typedef bool http_admission(void *context, struct http_exchange *exchange, struct fault *fault);

/* Called on the HTTP thread for every answer, refusals of malformed requests included, just before
 * it is written: may add headers. The exchange may have none, and no context. May be NULL. */
typedef void http_finisher(void *context, struct http_exchange *exchange,
                           struct http_answer *answer);

/* Called on the HTTP thread once the answer has been handed to the connection, for logs and
 * metrics. */
typedef void http_observer(void *context, const struct http_exchange *exchange);

struct http_options {
    struct text address; /* "127.0.0.1:8080", "[::1]:0"; port 0: any free one */
    unsigned threads;
    struct http_limits limits;
    struct tls *tls; /* lent; NULL: plain HTTP */
    struct now now;
    http_handler *handler;
    http_admission *admission;
    http_finisher *finisher;
    http_observer *observer;
    void *context; /* of the four above */
};

struct http;

struct http_counts {
    uint64_t connections_open, connections_total, requests_total;
    uint64_t refused_malformed; /* answered 400 by the filter */
    uint64_t timed_out;         /* 408 and silent closes after a deadline */
    uint64_t accept_pauses;
    uint64_t handshakes_failed; /* of TLS: closed without a word in the log */
};

/* Binds and listens; FAULT_ENVIRONMENT names the address and why, FAULT_USAGE what is none. */
bool http_open(const struct http_options *options, struct http **out,
               struct fault *fault) MUST_CHECK;
int http_port(const struct http *http);
bool http_start(struct http *http, struct fault *fault) MUST_CHECK;

/* Any thread, exactly once an exchange. Gives the exchange back. */
void http_answer(struct http_exchange *exchange, const struct http_answer *answer);

/* Fills `answer` with problem details (RFC 9457) for the fault, plus `extra`, which is the inside
 * of an object ("\"current_state\":\"DRAFT\"") or TEXT_NONE. Adds Retry-After for 423, 429 and 503,
 * WWW-Authenticate for 401. */
void http_problem(struct http_exchange *exchange, const struct fault *fault, struct text extra,
                  struct http_answer *answer);

/* The same two as whole answers: JSON that lives in the exchange's arena or for ever, and the
 * problem details of a fault. */
void http_reply(struct http_exchange *exchange, int status, struct text json);
void http_fail(struct http_exchange *exchange, const struct fault *fault, struct text extra);

/* Stops accepting, lets requests in flight finish for up to `drain_us`, closes idle connections,
 * joins the threads. Answers posted later are dropped. */
void http_stop(struct http *http, int64_t drain_us);
void http_close(struct http *http);
struct http_counts http_counts(const struct http *http);

const char *http_library(void); /* "libevent 2.1.12-stable" */

#endif
