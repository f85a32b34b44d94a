/* intake.h: where the bytes of a connection wait, between the socket and whoever reads them.
 * A fixed size, big enough for the largest head, so a client cannot make it grow; a connection
 * holds one only while there are bytes in it. Private to filter.c. One thread. */
#ifndef STATUTE_HTTP_INTAKE_H
#define STATUTE_HTTP_INTAKE_H

#include "http/http.h"
#include "http/tls_session.h"

struct http_intake {
    struct http_intake *next; /* idle */
    size_t start, end;        /* of the bytes not used up */
    size_t capacity;
    char bytes[];
};

/* Those that nobody holds. Begins zeroed. */
struct http_intakes {
    struct http_intake *idle;
    size_t idle_count;
};
void http_intakes_deinit(struct http_intakes *intakes);

/* In all functions below `*intake` is NULL when there is nothing to hold. */
struct text http_intake_view(const struct http_intake *intake);
void http_intake_use(struct http_intake *intake, size_t length);
bool http_intake_is_full(const struct http_intake *intake);

enum http_intake_result {
    HTTP_INTAKE_BYTES,
    HTTP_INTAKE_NOTHING,
    HTTP_INTAKE_END,
    HTTP_INTAKE_FAILED
};

/* One recv(2); with `tls`, which may be NULL, one read of that. */
enum http_intake_result http_intake_read(struct http_intakes *intakes,
                                         const struct http_limits *limits, struct http_tls *tls,
                                         int descriptor, struct http_intake **intake);

/* Lets go of an intake that is empty; `even_full` of any. */
void http_intake_release(struct http_intakes *intakes, struct http_intake **intake, bool even_full);

#endif
