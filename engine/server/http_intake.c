#include "server/http_intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "server/http_head.h"

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

enum http_intake_result http_intake_read(struct http_intakes *intakes,
                                         const struct http_limits *limits, int descriptor,
                                         struct http_intake **intake) {
    if (*intake == NULL) {
        *intake = intake_take(intakes, limits);
    }
    struct http_intake *into = *intake;
    compact(into);
    if (into->end == into->capacity) {
        return HTTP_INTAKE_NOTHING;
    }
    ssize_t length = recv(descriptor, into->bytes + into->end, into->capacity - into->end, 0);
    if (length > 0) {
        into->end += (size_t)length;
        return HTTP_INTAKE_BYTES;
    }
    if (length == 0) {
        return HTTP_INTAKE_END;
    }
    bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return later ? HTTP_INTAKE_NOTHING : HTTP_INTAKE_FAILED;
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
