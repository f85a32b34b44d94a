/* cors.c: origins are compared byte by byte with what browsers send (RFC 6454 section 6.2), so a
 * list may only have what a browser would send. Credentials of the browser are never allowed: keys
 * travel in Authorization, which a page has to set itself. */
#include "http/cors.h"

#include <ctype.h>
#include <stdlib.h>

#define ORIGINS_MOST 64

struct cors {
    char *list;
    struct text origins[ORIGINS_MOST];
    size_t count;
};

static bool is_made_of(struct text text, const char *others) {
    bool fine = text.length > 0;
    for (size_t i = 0; i < text.length; i++) {
        char character = text.bytes[i];
        fine &= islower((unsigned char)character) || isdigit((unsigned char)character) ||
                (character != '\0' && strchr(others, character) != NULL);
    }
    return fine;
}

static bool is_port(struct text port) {
    int64_t number;
    return port.length > 0 && port.bytes[0] != '0' && text_to_integer(port, &number) &&
           number > 0 && number <= 65535;
}

/* host[:port], where host may be an IPv6 address in brackets. */
static bool is_place(struct text place) {
    bool bracketed = place.length > 0 && place.bytes[0] == '[';
    const char *end = bracketed ? memchr(place.bytes, ']', place.length) : NULL;
    size_t skipped = end != NULL ? (size_t)(end - place.bytes) + 1 : 0;
    struct text rest = {place.bytes + skipped, place.length - skipped};
    const char *colon = rest.length > 0 ? memchr(rest.bytes, ':', rest.length) : NULL;
    size_t length = colon != NULL ? (size_t)(colon - rest.bytes) : rest.length;
    struct text port = {rest.bytes + length + 1, rest.length - length - (colon != NULL)};
    bool host = bracketed ? end != NULL && length == 0 &&
                                is_made_of((struct text){place.bytes + 1, skipped - 2}, ":.")
                          : is_made_of((struct text){rest.bytes, length}, "-._");
    return host && (colon == NULL || is_port(port));
}

static bool has_default_port(struct text origin) {
    return (text_starts(origin, TEXT("https://")) && text_ends(origin, TEXT(":443"))) ||
           (text_starts(origin, TEXT("http://")) && text_ends(origin, TEXT(":80")));
}

static bool check(struct text origin, struct fault *fault) {
    if (text_equal(origin, TEXT("*"))) {
        return fault_set(fault, FAULT_USAGE,
                         "--cors-origin: '*' would let every page of the web call this server from "
                         "inside your network; name the origins that may");
    }
    const char *slashes = origin.length > 0 ? memmem(origin.bytes, origin.length, "://", 3) : NULL;
    size_t scheme = slashes != NULL ? (size_t)(slashes - origin.bytes) : 0;
    bool fine = slashes != NULL && is_made_of((struct text){origin.bytes, scheme}, "+-.") &&
                is_place((struct text){slashes + 3, origin.length - scheme - 3}) &&
                !has_default_port(origin);
    return fine || fault_set(fault, FAULT_USAGE,
                             "--cors-origin: '%.*s' is not an origin as browsers send it: "
                             "scheme://host[:port] in lower case, without a path or '/' at the "
                             "end, and without :443 of https or :80 of http",
                             TEXT_ARGS(origin));
}

static bool add(struct cors *cors, struct text origin, struct fault *fault) {
    if (!check(origin, fault)) {
        return false;
    }
    if (cors->count == ORIGINS_MOST) {
        return fault_set(fault, FAULT_USAGE, "--cors-origin: at most %d origins", ORIGINS_MOST);
    }
    cors->origins[cors->count++] = origin;
    return true;
}

static bool add_all(struct cors *cors, struct text rest, struct fault *fault) {
    bool more = true;
    while (more) {
        const char *comma = rest.length > 0 ? memchr(rest.bytes, ',', rest.length) : NULL;
        size_t length = comma != NULL ? (size_t)(comma - rest.bytes) : rest.length;
        if (!add(cors, (struct text){rest.bytes, length}, fault)) {
            return false;
        }
        more = comma != NULL;
        rest = more ? (struct text){comma + 1, rest.length - length - 1} : TEXT_NONE;
    }
    return true;
}

bool cors_new(struct text list, struct cors **out, struct fault *fault) {
    *out = NULL;
    if (list.length == 0) {
        return true;
    }
    struct cors *cors = calloc(1, sizeof *cors);
    if (cors == NULL || (cors->list = strndup(list.bytes, list.length)) == NULL) {
        abort();
    }
    if (!add_all(cors, text_of(cors->list), fault)) {
        cors_free(cors);
        return false;
    }
    *out = cors;
    return true;
}

void cors_free(struct cors *cors) {
    if (cors != NULL) {
        free(cors->list);
        free(cors);
    }
}

bool cors_allows(const struct cors *cors, struct text origin) {
    for (size_t i = 0; cors != NULL && i < cors->count; i++) {
        if (text_equal(cors->origins[i], origin)) {
            return true;
        }
    }
    return false;
}

bool cors_is_preflight(const struct http_exchange *exchange) {
    return exchange->method == HTTP_OPTIONS && text_given(http_header(exchange, "Origin")) &&
           text_given(http_header(exchange, "Access-Control-Request-Method"));
}

static void add_header(struct http_answer *answer, struct text name, struct text value) {
    answer->headers[answer->header_count++] = (struct http_header){name, value};
}

void cors_permit(struct http_exchange *exchange, struct text methods) {
    struct http_answer answer = {.status = 204};
    add_header(&answer, TEXT("Access-Control-Allow-Methods"), methods);
    add_header(&answer, TEXT("Access-Control-Allow-Headers"),
               TEXT("Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id"));
    add_header(&answer, TEXT("Access-Control-Max-Age"), TEXT("600"));
    http_answer(exchange, &answer);
}

void cors_finish(const struct cors *cors, const struct http_exchange *exchange,
                 struct http_answer *answer) {
    if (cors == NULL) {
        return;
    }
    struct text origin = http_header(exchange, "Origin");
    add_header(answer, TEXT("Vary"), TEXT("Origin"));
    if (cors_allows(cors, origin)) {
        add_header(answer, TEXT("Access-Control-Allow-Origin"), origin);
        add_header(answer, TEXT("Access-Control-Expose-Headers"),
                   TEXT("Allow, ETag, Idempotency-Replayed, Location, RateLimit, "
                        "RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"));
    }
}
