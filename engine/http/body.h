/* body.h: the body of a request, taken as it arrives (RFC 9112 sections 6.3 and 7.1). Pure,
 * like head.h. Trailers are checked and dropped.
 * Faults: FAULT_BAD_REQUEST, FAULT_PAYLOAD_TOO_LARGE, FAULT_HEADERS_TOO_LARGE (trailers). */
#ifndef STATUTE_HTTP_BODY_H
#define STATUTE_HTTP_BODY_H

#include "base/buffer.h"
#include "http/head.h"

enum http_body_part {
    HTTP_BODY_CONTENT,
    HTTP_BODY_CHUNK_SIZE,
    HTTP_BODY_CHUNK,
    HTTP_BODY_CHUNK_END,
    HTTP_BODY_TRAILERS,
    HTTP_BODY_DONE
};

struct http_body {
    struct buffer content;    /* decoded; in the arena given */
    enum http_body_part part; /* that comes next */
    uint64_t left;            /* bytes of the content, or of the chunk */
    struct http_scan scan;    /* of the trailers */
};

/* `head` has a body. */
void http_body_begin(struct http_body *body, struct arena *arena, const struct http_head *head);

/* Takes what it can of `received` and says how much. What it leaves must come again, at the start
 * of the next call. */
enum http_progress http_body_take(struct http_body *body, struct text received,
                                  const struct http_limits *limits, size_t *used,
                                  struct fault *fault) MUST_CHECK;

#endif
