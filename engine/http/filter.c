/* filter.c: one connection.
 *
 *      evhttp  <->  bev (a filter bufferevent)  .  socket (a socket bufferevent)  <->  client
 *
 * Nothing flows through the filter by itself. Bytes are read here, into an intake, and when a
 * request is whole evhttp is told so by one fixed stand-in request; its answer is taken from the
 * output of `bev` and written here. So evhttp sees no byte that a client has chosen, has no way to
 * fail, and always has exactly one request in hand. `socket` owns the descriptor, and writes what
 * the client does not take at once.
 *
 *   OPEN -begin-> HEAD -take_head-> BODY -take_body-> WORK -http_filter_send-> ANSWERED
 *    ^              |                |                                           |flush
 *    |              +-----refuse-----+--> LINGER <--finish, the last answer------+
 *    |                                       ^                                   |
 *    +---------------finish------------------+-------- SENDING <-----it is slow--+
 *   A head without a body goes straight to WORK; `end` leads from every phase to ENDED.
 * With TLS, `wire` opens what is read and seals what is written; a handshake happens in OPEN, under
 * its deadline, and all else is as without.
 * Invariants:
 *  1. The next request is not looked at before the last answer has left for the kernel, so what a
 *     client can make us hold is one intake, one request and one answer, and answers keep order.
 *  2. An intake is held only while it has bytes in it. When it is full, reading stops.
 *  3. Only WORK has no deadline. A deadline is set once a phase and never pushed by traffic.
 *  4. Nobody calls evhttp from within evhttp: what it must be told is told from `advance`.
 *  5. After ENDED `bev` is not touched; the memory goes when libevent is done with it (ended). */
#include "http/filter.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/body.h"
#include "http/problem.h"
#include "http/wire.h"

#define STAND_IN           "GET / HTTP/1.1\r\n\r\n"
#define CONTINUE           "HTTP/1.1 100 Continue\r\n\r\n"
#define NEVER_US           INT64_MAX
#define LINGER_US          (5 * NOW_SECOND)
#define LINGER_DRAINING_US (500 * NOW_MILLISECOND)
#define LINGER_BYTES_MOST  ((size_t)64 << 20)

enum phase {
    PHASE_OPEN,     /* between requests; not a byte of the next one yet */
    PHASE_HEAD,     /* the head is arriving */
    PHASE_BODY,     /* the body is arriving */
    PHASE_WORK,     /* somebody is working out the answer */
    PHASE_ANSWERED, /* the answer is in the output of `bev` */
    PHASE_SENDING,  /* the answer is in the output of `socket`: the client is slow */
    PHASE_LINGER,   /* the last word is said; waiting for the client to have read it */
    PHASE_ENDED     /* evhttp has let go */
};

struct http_filter {
    struct http_filters *all;
    struct http_filter *newer, *older;
    struct bufferevent *bev;
    struct http_wire wire;
    struct event *readable;     /* NULL until the socket is known */
    struct http_intake *intake; /* NULL while there are no bytes */
    enum phase phase;
    bool inside;        /* advance is running */
    bool is_full;       /* not reading, for want of room */
    bool at_end;        /* the client will send no more */
    bool last;          /* the connection ends after this answer */
    int64_t started_us; /* the first byte of the request */
    int64_t deadline_us;
    struct http_scan scan;
    struct http_head head;
    struct http_slot *slot; /* from the head until claimed */
    struct http_body body;
    size_t discarded;
};

void http_tally_add(_Atomic uint64_t *count) {
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static _Noreturn void out_of_memory(void) {
    fputs("statute: out of memory for a connection\n", stderr);
    abort();
}

static struct text received(const struct http_filter *filter) {
    return http_intake_view(filter->intake);
}

static const struct http_limits *limits_of(const struct http_filter *filter) {
    return &filter->all->options->limits;
}

static int64_t monotonic_us(const struct http_filter *filter) {
    return now_monotonic_us(&filter->all->options->now);
}

/* --- ends --- */

/* A bufferevent that has been freed has no callbacks; touching it more would free it twice. */
static bool evhttp_has_let_go(const struct http_filter *filter) {
    bufferevent_event_cb callback = NULL;
    bufferevent_getcb(filter->bev, NULL, NULL, &callback, NULL);
    return callback == NULL;
}

static void drop_slot(struct http_filter *filter) {
    if (filter->slot != NULL) {
        http_pool_put(filter->all->pool, filter->slot);
        filter->slot = NULL;
    }
}

/* evhttp lets go of its request and of `bev`. A request in work is orphaned: it stays valid,
 * without a connection, until it is answered (evhttp_connection_fail_, "remove it so that it will
 * not be freed"). */
static void end(struct http_filter *filter) {
    if (filter->phase != PHASE_ENDED) {
        filter->phase = PHASE_ENDED;
        filter->deadline_us = NEVER_US;
        drop_slot(filter);
        if (filter->readable != NULL) {
            event_del(filter->readable);
        }
        http_wire_part(&filter->wire);
        bufferevent_trigger_event(filter->bev, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
    }
}

/* libevent has freed `bev`. */
static void ended(void *context) {
    struct http_filter *filter = context;
    struct http_filters *all = filter->all;
    *(filter->newer != NULL ? &filter->newer->older : &all->newest) = filter->older;
    if (filter->older != NULL) {
        filter->older->newer = filter->newer;
    }
    drop_slot(filter);
    http_intake_release(&all->intakes, &filter->intake, true);
    if (filter->readable != NULL) {
        event_free(filter->readable);
    }
    http_tls_free(filter->wire.tls);
    all->count--;
    free(filter);
    http_thread_ended(all->thread);
}

/* Closing a socket with unread bytes resets it, and the client may lose the answer; so we say that
 * we are done, and read on until the client is too. */
static void linger(struct http_filter *filter) {
    filter->phase = PHASE_LINGER;
    filter->deadline_us =
        monotonic_us(filter) + (filter->all->draining ? LINGER_DRAINING_US : LINGER_US);
    http_wire_shut(&filter->wire);
}

static bool discard(struct http_filter *filter) {
    size_t length = received(filter).length;
    filter->discarded += length;
    http_intake_use(filter->intake, length);
    if ((filter->at_end && http_wire_unsent(&filter->wire) == 0) ||
        filter->discarded > LINGER_BYTES_MOST) {
        end(filter);
    }
    return false;
}

/* Answers with a problem of our own, and no more. Always true: there is a next step. */
static bool refuse(struct http_filter *filter, const struct fault *fault) {
    struct http_filters *all = filter->all;
    int64_t wall_us = now_wall_us(&all->options->now);
    if (filter->slot == NULL) {
        filter->slot = http_pool_take(all->pool);
    }
    http_slot_fill(all->pool, filter->slot, &filter->head, wall_us);
    bool with_body = filter->head.method != HTTP_HEAD;
    struct http_exchange *exchange = &filter->slot->exchange;
    struct http_answer answer;
    http_problem(exchange, fault, TEXT_NONE, &answer);
    if (all->options->finisher != NULL) {
        all->options->finisher(all->options->context, exchange, &answer);
    }
    http_wire_later(&filter->wire, http_problem_bytes(exchange, &answer, wall_us, with_body));
    drop_slot(filter);
    if (fault->code == FAULT_BAD_REQUEST) {
        http_tally_add(&all->tally->refused_malformed);
    }
    linger(filter);
    return true;
}

/* --- requests --- */

static bool begin(struct http_filter *filter) {
    if (received(filter).length == 0) {
        return false;
    }
    const struct http_limits *limits = limits_of(filter);
    bool short_body = limits->body_timeout_us < limits->header_timeout_us;
    filter->phase = PHASE_HEAD;
    filter->scan = (struct http_scan){0};
    filter->head = (struct http_head){.method = HTTP_OTHER};
    filter->started_us = monotonic_us(filter);
    filter->deadline_us =
        filter->started_us + (short_body ? limits->body_timeout_us : limits->header_timeout_us);
    return true;
}

/* The request is whole. evhttp announces it to thread.c before bufferevent_trigger returns. */
static bool deliver(struct http_filter *filter) {
    struct evbuffer *input = bufferevent_get_input(filter->bev);
    filter->phase = PHASE_WORK;
    filter->deadline_us = NEVER_US;
    filter->slot->exchange.received_us = monotonic_us(filter);
    http_tally_add(&filter->all->tally->requests);
    if (evbuffer_add_reference(input, STAND_IN, sizeof STAND_IN - 1, NULL, NULL) != 0) {
        out_of_memory();
    }
    bufferevent_trigger(filter->bev, EV_READ, 0);
    return filter->phase == PHASE_ANSWERED;
}

/* Whether the body may come. */
static bool admit(struct http_filter *filter, struct fault *fault) {
    const struct http_options *options = filter->all->options;
    struct http_exchange *exchange = &filter->slot->exchange;
    if (options->admission == NULL) {
        return true;
    }
    exchange->peer = text_copy(&exchange->arena, http_wire_peer(&filter->wire));
    return options->admission(options->context, exchange, fault);
}

static bool begin_body(struct http_filter *filter) {
    struct fault fault = FAULT_INIT;
    if (!http_head_has_body(&filter->head)) {
        return deliver(filter);
    }
    if (!admit(filter, &fault)) {
        return refuse(filter, &fault);
    }
    if (filter->head.expects_continue && received(filter).length == 0) {
        http_wire_later(&filter->wire, TEXT(CONTINUE));
    }
    http_body_begin(&filter->body, &filter->slot->exchange.arena, &filter->head);
    filter->phase = PHASE_BODY;
    filter->deadline_us = filter->started_us + limits_of(filter)->body_timeout_us;
    return true;
}

static bool take_head(struct http_filter *filter) {
    struct fault fault = FAULT_INIT;
    struct text bytes = received(filter);
    enum http_progress progress = http_head_scan(&filter->scan, bytes, limits_of(filter), &fault);
    if (progress != HTTP_WHOLE) {
        return progress == HTTP_REFUSED && refuse(filter, &fault);
    }
    const struct http_scan *scan = &filter->scan;
    filter->slot = http_pool_take(filter->all->pool);
    struct arena *arena = &filter->slot->exchange.arena;
    struct text head = {bytes.bytes + scan->start, scan->end - scan->start};
    head = text_copy(arena, head);
    http_intake_use(filter->intake, scan->end);
    if (!http_head_parse(arena, head, scan->count, limits_of(filter), &filter->head, &fault)) {
        return refuse(filter, &fault);
    }
    http_slot_fill(filter->all->pool, filter->slot, &filter->head,
                   now_wall_us(&filter->all->options->now));
    return begin_body(filter);
}

static bool take_body(struct http_filter *filter) {
    struct fault fault = FAULT_INIT;
    size_t used;
    enum http_progress progress =
        http_body_take(&filter->body, received(filter), limits_of(filter), &used, &fault);
    http_intake_use(filter->intake, used);
    if (progress != HTTP_WHOLE) {
        return progress == HTTP_REFUSED && refuse(filter, &fault);
    }
    filter->slot->exchange.body = buffer_view(&filter->body.content);
    return deliver(filter);
}

/* --- answers --- */

/* The answer has left for the kernel; evhttp makes ready for another request. */
static bool finish(struct http_filter *filter) {
    if (filter->last || filter->all->draining) {
        linger(filter);
        return true;
    }
    filter->phase = PHASE_OPEN;
    filter->deadline_us = monotonic_us(filter) + limits_of(filter)->idle_timeout_us;
    bufferevent_trigger(filter->bev, EV_WRITE, 0);
    if (evhttp_has_let_go(filter)) {
        filter->phase = PHASE_ENDED;
    }
    return true;
}

static bool flush(struct http_filter *filter) {
    if (!http_wire_send(&filter->wire, bufferevent_get_output(filter->bev))) {
        end(filter);
        return false;
    }
    if (http_wire_unsent(&filter->wire) == 0) {
        return finish(filter);
    }
    filter->phase = PHASE_SENDING;
    filter->deadline_us = monotonic_us(filter) + limits_of(filter)->write_timeout_us;
    return false;
}

/* --- the machine --- */

/* True when there may be another step to take. */
static bool step(struct http_filter *filter) {
    switch (filter->phase) {
    case PHASE_OPEN:
        return begin(filter);
    case PHASE_HEAD:
        return take_head(filter);
    case PHASE_BODY:
        return take_body(filter);
    case PHASE_ANSWERED:
        return flush(filter);
    case PHASE_LINGER:
        return discard(filter);
    case PHASE_WORK:
    case PHASE_SENDING:
    case PHASE_ENDED:
        return false;
    }
    return false;
}

static bool is_reading(enum phase phase) {
    return phase <= PHASE_BODY;
}

/* Reading stops while there is no room, and starts again with the next step. */
static void pace(struct http_filter *filter) {
    http_intake_release(&filter->all->intakes, &filter->intake, false);
    bool is_full = http_intake_is_full(filter->intake);
    bool has_more = filter->wire.tls != NULL && http_tls_has_more(filter->wire.tls);
    if (is_full != filter->is_full && !filter->at_end) {
        filter->is_full = is_full;
        (void)(is_full ? event_del(filter->readable) : event_add(filter->readable, NULL));
    }
    if (has_more && !is_full && !filter->at_end) {
        event_active(filter->readable, EV_READ, 0);
    }
}

/* Takes the connection as far as its bytes and answers allow. */
static void advance(struct http_filter *filter) {
    filter->inside = true;
    while (step(filter)) {
    }
    filter->inside = false;
    if (filter->at_end && is_reading(filter->phase)) {
        end(filter);
    }
    if (filter->phase != PHASE_ENDED) {
        pace(filter);
    }
}

/* A failure of TLS before the handshake is done is none of a client of ours. */
static void fail(struct http_filter *filter) {
    if (filter->wire.tls != NULL && !http_tls_is_open(filter->wire.tls)) {
        http_tally_add(&filter->all->tally->handshakes_failed);
    }
    end(filter);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context) {
    (void)what;
    struct http_filter *filter = context;
    enum http_intake_result result = http_intake_read(
        &filter->all->intakes, limits_of(filter), filter->wire.tls, descriptor, &filter->intake);
    http_wire_settle(&filter->wire);
    switch (result) {
    case HTTP_INTAKE_BYTES:
        advance(filter);
        break;
    case HTTP_INTAKE_NOTHING:
        pace(filter);
        break;
    case HTTP_INTAKE_END:
        filter->at_end = true;
        event_del(filter->readable);
        advance(filter);
        break;
    case HTTP_INTAKE_FAILED:
        fail(filter);
        break;
    }
}

/* `socket` has written all it was given. */
static void on_written(struct bufferevent *socket, void *context) {
    (void)socket;
    struct http_filter *filter = context;
    if (http_wire_unsent(&filter->wire) > 0) {
        return;
    }
    if (filter->phase == PHASE_SENDING) {
        (void)finish(filter);
        advance(filter);
    } else if (filter->phase == PHASE_LINGER) {
        http_wire_shut(&filter->wire);
        advance(filter);
    }
}

static void on_failure(struct bufferevent *socket, short what, void *context) {
    (void)socket, (void)what;
    end(context);
}

/* --- what thread.c calls --- */

static enum bufferevent_filter_result pass_nothing(struct evbuffer *source, struct evbuffer *target,
                                                   ev_ssize_t most,
                                                   enum bufferevent_flush_mode mode,
                                                   void *context) {
    (void)source, (void)target, (void)most, (void)mode, (void)context;
    return BEV_NEED_MORE;
}

static void link_newest(struct http_filters *filters, struct http_filter *filter) {
    filter->older = filters->newest;
    if (filter->older != NULL) {
        filter->older->newer = filter;
    }
    filters->newest = filter;
    filters->count++;
}

struct bufferevent *http_filter_new(struct http_filters *filters) {
    struct http_filter *filter = calloc(1, sizeof *filter);
    struct bufferevent *socket = bufferevent_socket_new(filters->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (filter == NULL || socket == NULL) {
        out_of_memory();
    }
    filter->all = filters;
    filter->wire.socket = socket;
    filter->bev = bufferevent_filter_new(socket, pass_nothing, pass_nothing, BEV_OPT_CLOSE_ON_FREE,
                                         ended, filter);
    if (filter->bev == NULL) {
        out_of_memory();
    }
    bufferevent_setcb(socket, NULL, on_written, on_failure, filter);
    bufferevent_disable(socket, EV_READ | EV_WRITE);
    filter->phase = PHASE_OPEN;
    filter->deadline_us = monotonic_us(filter) + filters->options->limits.header_timeout_us;
    link_newest(filters, filter);
    http_tally_add(&filters->tally->connections);
    http_thread_opened(filters->thread);
    return filter->bev;
}

static void start(struct http_filter *filter) {
    evutil_socket_t descriptor = bufferevent_getfd(filter->wire.socket);
    filter->readable =
        event_new(filter->all->base, descriptor, EV_READ | EV_PERSIST, on_readable, filter);
    if (filter->readable == NULL || event_add(filter->readable, NULL) != 0) {
        out_of_memory();
    }
    if (filter->all->options->tls != NULL) {
        filter->wire.tls =
            http_tls_new(filter->all->options->tls, filter->all->tls_method, descriptor);
        if (filter->wire.tls == NULL) {
            out_of_memory();
        }
    }
}

void http_filters_start(struct http_filters *filters) {
    struct http_filter *filter = filters->newest;
    while (filter != NULL && filter->readable == NULL) {
        if (evhttp_has_let_go(filter)) {
            filter->phase = PHASE_ENDED;
        } else {
            start(filter);
        }
        filter = filter->older;
    }
}

struct http_filter *http_filter_of(struct evhttp_request *request) {
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    if (connection == NULL) {
        return NULL;
    }
    void *filter = NULL;
    struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
    bufferevent_getcb(bufferevent_get_underlying(bev), NULL, NULL, NULL, &filter);
    return filter;
}

struct http_slot *http_filter_claim(struct http_filter *filter) {
    struct http_slot *slot = filter->slot;
    filter->slot = NULL;
    return slot;
}

const char *http_filter_connection(struct http_filter *filter) {
    filter->last = !filter->head.keep_alive || filter->all->draining;
    if (filter->last) {
        return "close";
    }
    return filter->head.minor == 0 ? "keep-alive" : NULL;
}

void http_filter_send(struct http_filter *filter) {
    filter->phase = PHASE_ANSWERED;
    if (!filter->inside) {
        advance(filter);
    }
}

static void expire(struct http_filter *filter) {
    struct fault fault;
    if (filter->phase != PHASE_LINGER) {
        http_tally_add(&filter->all->tally->timed_out);
    }
    if (is_reading(filter->phase) && filter->phase != PHASE_OPEN) {
        (void)fault_set(&fault, FAULT_REQUEST_TIMEOUT, "The request was not whole in time");
        (void)refuse(filter, &fault);
        advance(filter);
    } else {
        end(filter);
    }
}

void http_filters_sweep(struct http_filters *filters) {
    int64_t now_us = now_monotonic_us(&filters->options->now);
    for (struct http_filter *filter = filters->newest; filter != NULL; filter = filter->older) {
        if (now_us >= filter->deadline_us) {
            expire(filter);
        }
    }
}

/* A request that is already in the kernel is still answered. */
static void drain(struct http_filter *filter) {
    if (filter->phase == PHASE_OPEN && filter->readable != NULL) {
        on_readable(event_get_fd(filter->readable), EV_READ, filter);
    }
    if (filter->phase == PHASE_OPEN) {
        end(filter);
    }
    if (filter->phase == PHASE_LINGER) {
        int64_t soon_us = monotonic_us(filter) + LINGER_DRAINING_US;
        filter->deadline_us = filter->deadline_us < soon_us ? filter->deadline_us : soon_us;
    }
}

void http_filters_drain(struct http_filters *filters) {
    filters->draining = true;
    for (struct http_filter *filter = filters->newest; filter != NULL; filter = filter->older) {
        drain(filter);
    }
}

void http_filters_end(struct http_filters *filters) {
    for (struct http_filter *filter = filters->newest; filter != NULL; filter = filter->older) {
        end(filter);
    }
}
