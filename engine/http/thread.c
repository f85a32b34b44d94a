/* thread.c: an event loop with evhttp, a mailbox that brings answers, and a gate.
 *
 * Invariants:
 *  1. Only the thread itself touches its libevent objects, once it runs. Others post to its
 *     mailbox, which is closed as the last thing the thread does.
 *  2. An exchange in work is in `in_work`; its evhttp request is freed by answering it, or when the
 *     thread stops, whichever comes first.
 *  3. The gate (the listener being enabled) is open while there are fewer connections than allowed
 *     and accept(2) works. One connection is accepted per turn of the loop, so that threads share
 *     them out by how busy they are. Threads that look at the count at the same time can exceed
 *     it, by one each. */
#include "http/thread.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/problem.h"

#define SWEEP_LEAST_US   (10 * NOW_MILLISECOND)
#define SWEEP_MOST_US    (250 * NOW_MILLISECOND)
#define ACCEPT_PAUSE_US  (100 * NOW_MILLISECOND) /* after accept(2) failed */
#define ACCEPT_LOG_US    (10 * NOW_SECOND)       /* between complaints about it */
#define FINALIZER_TURNS  8
#define STAND_IN_HEADERS 512 /* bytes; evhttp never sees more than the filter's stand-in */

struct http_thread {
    struct http_shared *shared;
    struct mailbox *mailbox; /* exchanges with their answers, and `stop` */
    struct letter stop;
    int64_t drain_us; /* set before `stop` is posted */
    pthread_t id;
    bool started; /* and not joined; the owner's */
    struct http_tally tally;
    /* the thread's own: */
    struct event_base *base;
    struct evhttp *evhttp;
    struct evconnlistener *listener;
    struct event *mail;
    struct event *sweep;
    struct event *accepted; /* made active by every accept; also ends a pause */
    struct event *drained;  /* the time to finish is over */
    bool is_accepting;
    bool is_pausing; /* accept(2) failed a moment ago */
    struct http_filters filters;
    struct http_pool pool;
    struct http_slot in_work; /* a ring; only its links are used */
};

/* The thread that runs this code, if it is one of ours: evconnlistener gives its error callback no
 * context of ours, and http_answer must know where it is. */
static _Thread_local struct http_thread *current;

/* --- answers --- */

static void ring_add(struct http_slot *ring, struct http_slot *slot) {
    slot->next = ring->next;
    slot->previous = ring;
    ring->next->previous = slot;
    ring->next = slot;
}

static void ring_remove(struct http_slot *slot) {
    slot->next->previous = slot->previous;
    slot->previous->next = slot->next;
}

static bool is_one_line(struct text text) {
    bool fine = true;
    for (size_t i = 0; i < text.length; i++) {
        fine &= (unsigned char)text.bytes[i] >= 0x20;
    }
    return fine;
}

/* A value that could end its line would let a client write headers of its own. */
static void add_header(struct http_slot *slot, struct text name, struct text value) {
    struct arena *arena = &slot->exchange.arena;
    if (!is_one_line(name) || !is_one_line(value)) {
        return;
    }
    evhttp_add_header(evhttp_request_get_output_headers(slot->request), text_cstring(arena, name),
                      text_cstring(arena, value));
}

static struct text content_type(const struct http_answer *answer) {
    if (text_given(answer->content_type)) {
        return answer->content_type;
    }
    return answer->status < 400 ? TEXT("application/json") : TEXT("application/problem+json");
}

static bool has_content(int status) {
    return status != 204 && status != 304;
}

/* evhttp adds Date, and Content-Length where it sees the body. The filter alone decides about the
 * connection: evhttp would close it before the client has taken the answer. */
static void add_headers(struct http_slot *slot, struct http_filter *filter) {
    const struct http_answer *answer = &slot->exchange.answer;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(slot->request);
    const char *connection = http_filter_connection(filter);
    evhttp_add_header(headers, "X-Request-Id", slot->exchange.request_id);
    if (has_content(answer->status)) {
        add_header(slot, TEXT("Content-Type"), content_type(answer));
    }
    if (slot->exchange.method == HTTP_HEAD && has_content(answer->status)) {
        add_header(slot, TEXT("Content-Length"),
                   text_print(&slot->exchange.arena, "%zu", answer->body.length));
    }
    for (size_t i = 0; i < answer->header_count; i++) {
        add_header(slot, answer->headers[i].name, answer->headers[i].value);
    }
    if (connection != NULL) {
        evhttp_add_header(headers, "Connection", connection);
    }
}

static void write_answer(struct http_slot *slot, struct http_filter *filter) {
    const struct http_answer *answer = &slot->exchange.answer;
    add_headers(slot, filter);
    if (slot->exchange.method != HTTP_HEAD && has_content(answer->status)) {
        evbuffer_add(evhttp_request_get_output_buffer(slot->request), answer->body.bytes,
                     answer->body.length);
    }
    evhttp_send_reply(slot->request, answer->status, http_problem_reason(answer->status), NULL);
}

static void send_answer(struct http_thread *thread, struct http_slot *slot) {
    const struct http_options *options = &thread->shared->options;
    struct http_filter *filter = http_filter_of(slot->request);
    ring_remove(slot);
    if (filter == NULL) {
        evhttp_request_free(slot->request);
    } else {
        if (options->finisher != NULL) {
            options->finisher(options->context, &slot->exchange, &slot->exchange.answer);
        }
        write_answer(slot, filter);
    }
    if (options->observer != NULL) {
        options->observer(options->context, &slot->exchange);
    }
    http_pool_put(&thread->pool, slot);
    if (filter != NULL) {
        http_filter_send(filter);
    }
}

void http_answer(struct http_exchange *exchange, const struct http_answer *answer) {
    struct http_slot *slot = exchange->slot;
    struct http_thread *thread = slot->thread;
    exchange->answer = *answer;
    if (thread == current) {
        send_answer(thread, slot);
    } else if (!mailbox_post(thread->mailbox, &exchange->letter)) {
        http_slot_free(slot);
    }
}

/* evhttp announces a request: the filter has the real one. */
static void on_request(struct evhttp_request *request, void *context) {
    struct http_thread *thread = context;
    const struct http_options *options = &thread->shared->options;
    struct http_slot *slot = http_filter_claim(http_filter_of(request));
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    char *peer = NULL;
    uint16_t port = 0;
    evhttp_connection_get_peer(connection, &peer, &port);
    slot->exchange.peer = text_copy(&slot->exchange.arena, text_of(peer));
    slot->request = request;
    ring_add(&thread->in_work, slot);
    options->handler(options->context, &slot->exchange);
}

/* --- the gate --- */

static void set_gate(struct http_thread *thread) {
    struct http_shared *shared = thread->shared;
    bool has_room = atomic_load(&shared->connections) < shared->connections_most;
    bool open = has_room && !thread->is_pausing && !atomic_load(&shared->stopping);
    if (open == thread->is_accepting) {
        return;
    }
    thread->is_accepting = open;
    (void)(open ? evconnlistener_enable(thread->listener)
                : evconnlistener_disable(thread->listener));
}

void http_thread_opened(struct http_thread *thread) {
    atomic_fetch_add(&thread->shared->connections, 1);
    thread->is_accepting = false;
    evconnlistener_disable(thread->listener);
    event_active(thread->accepted, EV_TIMEOUT, 0);
}

/* A connection has been accepted, or a pause is over. */
static void on_accepted(evutil_socket_t none, short what, void *context) {
    (void)none, (void)what;
    struct http_thread *thread = context;
    http_filters_start(&thread->filters);
    thread->is_pausing = false;
    set_gate(thread);
    if (!thread->is_accepting) {
        http_tally_add(&thread->tally.accept_pauses);
    }
}

void http_thread_ended(struct http_thread *thread) {
    atomic_fetch_sub(&thread->shared->connections, 1);
    set_gate(thread);
    if (thread->filters.draining && thread->filters.count == 0) {
        event_base_loopbreak(thread->base);
    }
}

static struct timeval timeval_of(int64_t span_us) {
    return (struct timeval){.tv_sec = span_us / NOW_SECOND, .tv_usec = span_us % NOW_SECOND};
}

/* One complaint, whichever thread has it. */
static void complain(struct http_shared *shared, int error) {
    int64_t now_us = now_monotonic_us(&shared->options.now);
    int64_t logged_us = atomic_load(&shared->failure_logged_us);
    if ((logged_us == 0 || now_us - logged_us >= ACCEPT_LOG_US) &&
        atomic_compare_exchange_strong(&shared->failure_logged_us, &logged_us, now_us)) {
        log_line(LOG_WARNING, "accept_failed",
                 "cannot accept connections for now (%u are open): %s",
                 atomic_load(&shared->connections), strerror(error));
    }
}

static void on_accept_failed(struct evconnlistener *listener, void *evhttp) {
    (void)listener, (void)evhttp;
    struct http_thread *thread = current;
    struct timeval pause = timeval_of(ACCEPT_PAUSE_US);
    if (!atomic_load(&thread->shared->stopping)) {
        complain(thread->shared, errno);
        http_tally_add(&thread->tally.accept_pauses);
    }
    thread->is_pausing = true;
    set_gate(thread);
    event_add(thread->accepted, &pause);
}

/* --- the loop --- */

static void drain(struct http_thread *thread) {
    struct timeval span = timeval_of(thread->drain_us);
    set_gate(thread);
    http_filters_drain(&thread->filters);
    if (thread->filters.count == 0 || thread->drain_us <= 0) {
        event_base_loopbreak(thread->base);
    } else {
        event_add(thread->drained, &span);
    }
}

static void on_mail(evutil_socket_t descriptor, short what, void *context) {
    (void)descriptor, (void)what;
    struct http_thread *thread = context;
    struct letter *letter = mailbox_take(thread->mailbox, 0);
    while (letter != NULL) {
        struct letter *next = letter->next;
        if (letter == &thread->stop) {
            drain(thread);
        } else {
            send_answer(thread, (struct http_slot *)letter);
        }
        letter = next;
    }
}

static void on_sweep(evutil_socket_t none, short what, void *context) {
    (void)none, (void)what;
    struct http_thread *thread = context;
    http_filters_sweep(&thread->filters);
    set_gate(thread);
}

static void on_drained(evutil_socket_t none, short what, void *context) {
    (void)none, (void)what;
    struct http_thread *thread = context;
    event_base_loopbreak(thread->base);
}

/* Whoever still works on an exchange keeps it; evhttp's part of it goes now. */
static void orphan_all(struct http_thread *thread) {
    while (thread->in_work.next != &thread->in_work) {
        struct http_slot *slot = thread->in_work.next;
        ring_remove(slot);
        evhttp_request_free(slot->request);
        slot->request = NULL;
    }
}

/* The order matters: answers that are here are sent; then connections end, which leaves their
 * requests to us; and only when no exchange in work needs this thread any more is the mailbox
 * closed, after which an exchange that comes back is freed by whoever brings it. */
static void finish(struct http_thread *thread) {
    on_mail(-1, 0, thread);
    http_filters_end(&thread->filters);
    orphan_all(thread);
    mailbox_close(thread->mailbox);
    struct letter *letter = mailbox_take(thread->mailbox, 0);
    while (letter != NULL) {
        struct letter *next = letter->next;
        http_slot_free((struct http_slot *)letter);
        letter = next;
    }
    for (int turn = 0; turn < FINALIZER_TURNS; turn++) {
        event_base_loop(thread->base, EVLOOP_NONBLOCK);
    }
}

static void *run(void *context) {
    struct http_thread *thread = context;
    current = thread;
    set_gate(thread);
    event_base_dispatch(thread->base);
    finish(thread);
    return NULL;
}

/* --- life --- */

static int64_t sweep_us(const struct http_limits *limits) {
    int64_t spans[] = {limits->header_timeout_us, limits->body_timeout_us, limits->idle_timeout_us,
                       limits->write_timeout_us};
    int64_t least = SWEEP_MOST_US;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        least = spans[i] / 8 < least ? spans[i] / 8 : least;
    }
    return least > SWEEP_LEAST_US ? least : SWEEP_LEAST_US;
}

/* One thread, one loop: libevent needs no locks. */
static struct event_base *base_new(void) {
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config != NULL) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        base = event_base_new_with_config(config);
        event_config_free(config);
    }
    return base;
}

static struct bufferevent *on_connection(struct event_base *base, void *context) {
    (void)base;
    return http_filter_new(context);
}

static bool make_evhttp(struct http_thread *thread) {
    unsigned flags = LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED;
    thread->evhttp = evhttp_new(thread->base);
    thread->listener =
        evconnlistener_new(thread->base, NULL, NULL, flags, 0, thread->shared->listener);
    if (thread->evhttp == NULL || thread->listener == NULL ||
        evhttp_bind_listener(thread->evhttp, thread->listener) == NULL) {
        return false;
    }
    evconnlistener_set_error_cb(thread->listener, on_accept_failed);
    evhttp_set_max_headers_size(thread->evhttp, STAND_IN_HEADERS);
    evhttp_set_max_body_size(thread->evhttp, 0);
    evhttp_set_default_content_type(thread->evhttp, NULL);
    evhttp_set_bevcb(thread->evhttp, on_connection, &thread->filters);
    evhttp_set_gencb(thread->evhttp, on_request, thread);
    return true;
}

static bool make_events(struct http_thread *thread) {
    struct timeval every = timeval_of(sweep_us(&thread->shared->options.limits));
    int mail = mailbox_descriptor(thread->mailbox);
    thread->mail = event_new(thread->base, mail, EV_READ | EV_PERSIST, on_mail, thread);
    thread->sweep = event_new(thread->base, -1, EV_PERSIST, on_sweep, thread);
    thread->accepted = event_new(thread->base, -1, 0, on_accepted, thread);
    thread->drained = event_new(thread->base, -1, 0, on_drained, thread);
    return thread->mail != NULL && thread->sweep != NULL && thread->accepted != NULL &&
           thread->drained != NULL && event_add(thread->mail, NULL) == 0 &&
           event_add(thread->sweep, &every) == 0;
}

bool http_thread_new(struct http_shared *shared, struct http_thread **out, struct fault *fault) {
    struct http_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return fault_set(fault, FAULT_ENVIRONMENT, "No memory for an HTTP thread");
    }
    thread->shared = shared;
    thread->in_work.next = thread->in_work.previous = &thread->in_work;
    thread->mailbox = mailbox_new(0);
    thread->base = base_new();
    http_pool_init(&thread->pool, thread);
    thread->filters = (struct http_filters){.base = thread->base,
                                            .options = &shared->options,
                                            .pool = &thread->pool,
                                            .tally = &thread->tally,
                                            .thread = thread};
    if (shared->options.tls != NULL) {
        thread->filters.tls_method = http_tls_method_new();
    }
    if (thread->base == NULL || !make_evhttp(thread) || !make_events(thread)) {
        http_thread_free(thread);
        return fault_set(fault, FAULT_ENVIRONMENT, "Cannot set up an event loop: %s",
                         strerror(errno));
    }
    *out = thread;
    return true;
}

/* All that does not report a fault of the thread itself. Signals are for the main thread; among
 * them SIGPIPE, which a write to a socket would raise. */
static void block_signals(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(&blocked, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

bool http_thread_start(struct http_thread *thread, struct fault *fault) {
    sigset_t before;
    block_signals(&before);
    int error = pthread_create(&thread->id, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    thread->started = error == 0;
    return thread->started ||
           fault_set(fault, FAULT_ENVIRONMENT, "Cannot start an HTTP thread: %s", strerror(error));
}

void http_thread_stop(struct http_thread *thread, int64_t drain_us) {
    thread->drain_us = drain_us;
    if (thread->started) {
        bool posted = mailbox_post(thread->mailbox, &thread->stop);
        (void)posted; /* it is closed by nobody but the thread, which is running */
    }
}

void http_thread_join(struct http_thread *thread) {
    if (thread->started) {
        pthread_join(thread->id, NULL);
        thread->started = false;
    }
}

static void event_free_any(struct event *event) {
    if (event != NULL) {
        event_free(event);
    }
}

void http_thread_free(struct http_thread *thread) {
    event_free_any(thread->mail);
    event_free_any(thread->sweep);
    event_free_any(thread->accepted);
    event_free_any(thread->drained);
    if (thread->evhttp != NULL) {
        evhttp_free(thread->evhttp);
    }
    if (thread->base != NULL) {
        event_base_free(thread->base);
    }
    http_tls_method_free(thread->filters.tls_method);
    http_intakes_deinit(&thread->filters.intakes);
    http_pool_deinit(&thread->pool);
    mailbox_free(thread->mailbox);
    free(thread);
}

const struct http_tally *http_thread_tally(const struct http_thread *thread) {
    return &thread->tally;
}
