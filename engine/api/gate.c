/* gate.c: RateLimit and RateLimit-Policy are those of draft-ietf-httpapi-ratelimit-headers-10. */
#include "api/gate.h"

#include "http/host.h"

/* An https page is of this server when it speaks TLS, or when whoever ends TLS before it does. */
static bool is_own(const struct call *call, struct text origin) {
    struct text host = http_header(call->exchange, "Host");
    const char *slashes = memmem(origin.bytes, origin.length, "://", 3);
    size_t scheme = slashes != NULL ? (size_t)(slashes - origin.bytes) + 3 : 0;
    bool scheme_fits = call->service->tls == NULL || text_starts(origin, TEXT("https://"));
    return scheme_fits && text_equal_ignore_case(
                              (struct text){origin.bytes + scheme, origin.length - scheme}, host);
}

/* Who believes everybody is called by no name that others own: they could let it point here, and to
 * a browser their pages would be ours (DNS rebinding). */
static bool check_host(const struct call *call, struct fault *fault) {
    struct text host = http_header(call->exchange, "Host");
    return !auth_is_open(call->service->auth) || host_is_unowned(host) ||
           fault_set(fault, FAULT_PERMISSION_DENIED,
                     "with --auth none, call this server by an address, as localhost or by another "
                     "name that nobody can register, not as '%.*s'",
                     TEXT_ARGS(host));
}

bool gate_origin(const struct call *call, struct fault *fault) {
    const struct cors *cors = call->service->cors;
    struct text origin = http_header(call->exchange, "Origin");
    if (!check_host(call, fault)) {
        return false;
    }
    return !text_given(origin) || is_own(call, origin) || cors_allows(cors, origin) ||
           fault_set(fault, FAULT_PERMISSION_DENIED,
                     "a page of '%.*s' may not call this server: %s", TEXT_ARGS(origin),
                     cors == NULL ? "cross-origin calls are off" : "it is not an allowed origin");
}

bool gate_count(struct call *call, bool is_known, struct fault *fault) {
    struct service *service = call->service;
    if (service->limiter == NULL) {
        return true;
    }
    bool by_name = is_known && !auth_is_open(service->auth);
    call->rate = by_name ? limiter_ask(service->limiter, LIMITER_KEY,
                                       caller_identity(&call->exchange->arena, &call->caller))
                         : limiter_ask(service->limiter, LIMITER_ADDRESS, call->exchange->peer);
    return call->rate.allowed ||
           fault_set(fault, FAULT_RATE_LIMITED,
                     "too many requests from this %s: %u a second, and up to %u at once; try again "
                     "in %u s",
                     by_name ? "caller" : "address", service->options.rate_limit,
                     limiter_burst(service->limiter), call->rate.next_s);
}

bool gate_count_guess(struct call *call, struct fault *fault) {
    struct limiter *limiter = call->service->guesses;
    if (limiter == NULL) {
        return true;
    }
    struct limiter_verdict verdict = limiter_ask(limiter, LIMITER_ADDRESS, call->exchange->peer);
    return verdict.allowed ||
           fault_set(fault, FAULT_RATE_LIMITED,
                     "too many wrong keys or tokens from this address: %u a second are answered; "
                     "try again in %u s, with one that is valid here",
                     call->service->options.guess_limit, verdict.next_s);
}

/* --- headers --- */

static void add_header(struct http_answer *answer, struct text name, struct text value) {
    answer->headers[answer->header_count++] = (struct http_header){name, value};
}

/* NULL: the answer has no such header. */
static struct http_header *find_header(struct http_answer *answer, struct text name) {
    for (size_t i = 0; i < answer->header_count; i++) {
        if (text_equal(answer->headers[i].name, name)) {
            return &answer->headers[i];
        }
    }
    return NULL;
}

static void set_retry_after(struct http_answer *answer, struct text value) {
    struct http_header *header = find_header(answer, TEXT("Retry-After"));
    if (header != NULL) {
        header->value = value;
    }
}

static void add_rate(const struct call *call, struct http_answer *answer) {
    struct arena *arena = &call->exchange->arena;
    const struct limiter *limiter = call->service->limiter;
    add_header(answer, TEXT("RateLimit-Policy"),
               text_print(arena, "\"caller\";q=%u;w=%u", limiter_burst(limiter),
                          limiter_window_s(limiter)));
    add_header(answer, TEXT("RateLimit"),
               text_print(arena, "\"caller\";r=%u;t=%u", call->rate.left, call->rate.next_s));
    if (!call->rate.allowed) {
        set_retry_after(answer, text_print(arena, "%u", call->rate.next_s));
    }
}

/* The description is the same for everybody, and what the policies are has rules of its own
 * (answer_generation); all else may be personal. */
static bool may_be_kept(const struct call *call, struct http_answer *answer) {
    return find_header(answer, TEXT("Cache-Control")) != NULL ||
           (call != NULL && call->route != NULL && call->route->handler == api_openapi);
}

void gate_finish(void *context, struct http_exchange *exchange, struct http_answer *answer) {
    const struct service *service = context;
    const struct call *call = exchange->context;
    add_header(answer, TEXT("X-Content-Type-Options"), TEXT("nosniff"));
    if (!may_be_kept(call, answer)) {
        add_header(answer, TEXT("Cache-Control"), TEXT("no-store"));
    }
    if (service->tls != NULL) {
        add_header(answer, TEXT("Strict-Transport-Security"), TEXT("max-age=31536000"));
    }
    cors_finish(service->cors, exchange, answer);
    if (call != NULL && call->rate.counted) {
        add_rate(call, answer);
    }
}
