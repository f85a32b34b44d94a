/* body.c: each part takes its bytes from the front of `rest`, and names the part that follows.
 *
 *   CONTENT ----------------------------------------------------------> DONE
 *   CHUNK_SIZE -size > 0-> CHUNK -> CHUNK_END -> CHUNK_SIZE               ^
 *        +------size = 0-> TRAILERS --------------------------------------+ */
#include "http/body.h"

void http_body_begin(struct http_body *body, struct arena *arena, const struct http_head *head) {
    *body = (struct http_body){.left = head->content_length};
    body->part = head->chunked ? HTTP_BODY_CHUNK_SIZE : HTTP_BODY_CONTENT;
    buffer_init(&body->content, arena);
}

static struct text take(struct text *rest, size_t length) {
    struct text taken = {rest->bytes, length};
    *rest = (struct text){rest->bytes + length, rest->length - length};
    return taken;
}

static enum http_progress refuse(struct fault *fault, const char *message) {
    (void)fault_set(fault, FAULT_BAD_REQUEST, "%s", message);
    return HTTP_REFUSED;
}

static enum http_progress take_left(struct http_body *body, struct text *rest,
                                    enum http_body_part following) {
    size_t length = body->left < rest->length ? (size_t)body->left : rest->length;
    buffer_add_text(&body->content, take(rest, length));
    body->left -= length;
    if (body->left > 0) {
        return HTTP_MORE;
    }
    body->part = following;
    return HTTP_WHOLE;
}

/* The line without its CRLF. */
static enum http_progress take_chunk_line(struct text *rest, struct text *line,
                                          struct fault *fault) {
    size_t seen = rest->length < HTTP_HEAD_CHUNK_LINE ? rest->length : HTTP_HEAD_CHUNK_LINE;
    const char *feed = seen > 0 ? memchr(rest->bytes, '\n', seen) : NULL;
    if (feed == NULL) {
        return seen < HTTP_HEAD_CHUNK_LINE ? HTTP_MORE
                                           : refuse(fault, "A chunk's first line is too long");
    }
    if (feed == rest->bytes || feed[-1] != '\r') {
        return refuse(fault, "A chunk's first line ends in LF without CR");
    }
    *line = take(rest, (size_t)(feed - rest->bytes) + 1);
    line->length -= 2;
    return HTTP_WHOLE;
}

static enum http_progress take_chunk_size(struct http_body *body, struct text *rest,
                                          const struct http_limits *limits, struct fault *fault) {
    struct text line;
    enum http_progress progress = take_chunk_line(rest, &line, fault);
    if (progress != HTTP_WHOLE) {
        return progress;
    }
    if (!http_head_chunk_size(line, &body->left, fault)) {
        return HTTP_REFUSED;
    }
    if (body->left > limits->body_bytes - body->content.length) {
        (void)fault_set(fault, FAULT_PAYLOAD_TOO_LARGE, "The body may be at most %zu bytes long",
                        limits->body_bytes);
        return HTTP_REFUSED;
    }
    body->part = body->left > 0 ? HTTP_BODY_CHUNK : HTTP_BODY_TRAILERS;
    body->scan = (struct http_scan){.trailers = true};
    return HTTP_WHOLE;
}

static enum http_progress take_chunk_end(struct http_body *body, struct text *rest,
                                         struct fault *fault) {
    size_t seen = rest->length < 2 ? rest->length : 2;
    if (memcmp(rest->bytes, "\r\n", seen) != 0) {
        return refuse(fault, "A chunk's data does not end where its size says");
    }
    if (seen < 2) {
        return HTTP_MORE;
    }
    (void)take(rest, 2);
    body->part = HTTP_BODY_CHUNK_SIZE;
    return HTTP_WHOLE;
}

static enum http_progress take_trailers(struct http_body *body, struct text *rest,
                                        const struct http_limits *limits, struct fault *fault) {
    enum http_progress progress = http_head_scan(&body->scan, *rest, limits, fault);
    if (progress == HTTP_WHOLE) {
        bool fine = http_head_check_trailers(take(rest, body->scan.end), fault);
        body->part = HTTP_BODY_DONE;
        progress = fine ? HTTP_WHOLE : HTTP_REFUSED;
    }
    return progress;
}

static enum http_progress take_part(struct http_body *body, struct text *rest,
                                    const struct http_limits *limits, struct fault *fault) {
    switch (body->part) {
    case HTTP_BODY_CONTENT:
        return take_left(body, rest, HTTP_BODY_DONE);
    case HTTP_BODY_CHUNK_SIZE:
        return take_chunk_size(body, rest, limits, fault);
    case HTTP_BODY_CHUNK:
        return take_left(body, rest, HTTP_BODY_CHUNK_END);
    case HTTP_BODY_CHUNK_END:
        return take_chunk_end(body, rest, fault);
    case HTTP_BODY_TRAILERS:
        return take_trailers(body, rest, limits, fault);
    case HTTP_BODY_DONE:
        break;
    }
    return HTTP_WHOLE;
}

enum http_progress http_body_take(struct http_body *body, struct text received,
                                  const struct http_limits *limits, size_t *used,
                                  struct fault *fault) {
    struct text rest = received;
    enum http_progress progress = HTTP_WHOLE;
    while (progress == HTTP_WHOLE && body->part != HTTP_BODY_DONE) {
        progress = take_part(body, &rest, limits, fault);
    }
    *used = received.length - rest.length;
    return progress;
}
