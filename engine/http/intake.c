#include "http/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/head.h"

#define SLACK_BYTES ((size_t)4 << 10) /* beyond the largest head */
#define IDLE_MOST   16

static struct http_intake *intake_new(const struct http_limits *limits) {
    size_t capacity =
        limits->uri_bytes + limits->header_bytes + HTTP_HEAD_METHOD_BYTES + SLACK_BYTES;
    struct http_intake *intake = malloc(sizeof *intake + capacity);
    if (intake == NULL) {
        fputs("statute: out of memory for a connection\n", stderr);
        abort();
    }
    intake->capacity = capacity;
    return intake;
}

static struct http_intake *intake_take(struct http_intakes *intakes,
                                       const struct http_limits *limits) {
    struct http_intake *intake = intakes->idle;
    if (intake != NULL) {
        intakes->idle = intake->next;
        intakes->idle_count--;
    } else {
        intake = intake_new(limits);
    }
    intake->start = intake->end = 0;
    return intake;
}

void http_intakes_deinit(struct http_intakes *intakes) {
    while (intakes->idle != NULL) {
        struct http_intake *intake = intakes->idle;
        intakes->idle = intake->next;
        free(intake);
    }
    intakes->idle_count = 0;
}

struct text http_intake_view(const struct http_intake *intake) {
    return intake == NULL
               ? TEXT("")
               : (struct text){intake->bytes + intake->start, intake->end - intake->start};
}

void http_intake_use(struct http_intake *intake, size_t length) {
    if (length > 0) {
        intake->start += length;
    }
}

bool http_intake_is_full(const struct http_intake *intake) {
    return intake != NULL && intake->end - intake->start == intake->capacity;
}

/* Puts all the room behind the bytes. */
static void compact(struct http_intake *intake) {
    if (intake->end == intake->capacity && intake->start > 0) {
        memmove(intake->bytes, intake->bytes + intake->start, intake->end - intake->start);
        intake->end -= intake->start;
        intake->start = 0;
    }
}

static enum http_intake_result read_plain(int descriptor, void *room, size_t size, size_t *length) {
    ssize_t got = recv(descriptor, room, size, 0);
    *length = got > 0 ? (size_t)got : 0;
    if (got >= 0) {
        return got > 0 ? HTTP_INTAKE_BYTES : HTTP_INTAKE_END;
    }
    bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return later ? HTTP_INTAKE_NOTHING : HTTP_INTAKE_FAILED;
}

static enum http_intake_result read_tls(struct http_tls *tls, void *room, size_t size,
                                        size_t *length) {
    switch (http_tls_read(tls, room, size, length)) {
    case HTTP_TLS_BYTES:
        return HTTP_INTAKE_BYTES;
    case HTTP_TLS_NOTHING:
        return HTTP_INTAKE_NOTHING;
    case HTTP_TLS_END:
        return HTTP_INTAKE_END;
    case HTTP_TLS_FAILED:
        break;
    }
    return HTTP_INTAKE_FAILED;
}

enum http_intake_result http_intake_read(struct http_intakes *intakes,
                                         const struct http_limits *limits, struct http_tls *tls,
                                         int descriptor, struct http_intake **intake) {
    if (*intake == NULL) {
        *intake = intake_take(intakes, limits);
    }
    struct http_intake *into = *intake;
    compact(into);
    if (into->end == into->capacity) {
        return HTTP_INTAKE_NOTHING;
    }
    char *room = into->bytes + into->end;
    size_t size = into->capacity - into->end, length = 0;
    enum http_intake_result result = tls != NULL ? read_tls(tls, room, size, &length)
                                                 : read_plain(descriptor, room, size, &length);
    into->end += result == HTTP_INTAKE_BYTES ? length : 0;
    return result;
}

void http_intake_release(struct http_intakes *intakes, struct http_intake **intake,
                         bool even_full) {
    struct http_intake *held = *intake;
    if (held == NULL || (held->start < held->end && !even_full)) {
        return;
    }
    *intake = NULL;
    if (intakes->idle_count >= IDLE_MOST) {
        free(held);
        return;
    }
    held->next = intakes->idle;
    intakes->idle = held;
    intakes->idle_count++;
}
