/* head.h: the head of a request, read strictly (RFC 9112), and the lines of a chunked body.
 * Pure: bytes in, facts or a fault out; no sockets, no clock, no state but the caller's.
 * How to use: http_head_scan on what has arrived until the head is whole, then http_head_parse.
 * Faults: FAULT_BAD_REQUEST (not HTTP as we take it), FAULT_URI_TOO_LONG, FAULT_HEADERS_TOO_LARGE,
 * FAULT_PAYLOAD_TOO_LARGE (declared), FAULT_EXPECTATION_FAILED, FAULT_NOT_IMPLEMENTED (method),
 * FAULT_HTTP_VERSION. After any of them the connection cannot be trusted further. */
#ifndef STATUTE_HTTP_HEAD_H
#define STATUTE_HTTP_HEAD_H

#include "http/http.h"

#define HTTP_HEAD_METHOD_BYTES 32  /* a longer method is not looked at */
#define HTTP_HEAD_CHUNK_LINE   256 /* a chunk size, its extensions and CRLF */

/* How far the end of a head, or of a trailer section, has been looked for. Begins zeroed, but for
 * `trailers`; the bytes given to http_head_scan always begin at the same place. */
struct http_scan {
    bool trailers;  /* no request line comes first */
    size_t start;   /* where the head begins: after one empty line that may precede it */
    size_t headers; /* where the header lines begin, once the request line is whole */
    size_t line;    /* where the line under way begins */
    size_t scanned; /* bytes that need no second look */
    size_t end;     /* just after the closing empty line, once whole */
    size_t count;   /* whole header lines */
};

/* More bytes are needed; all is there; it will never be well. */
enum http_progress { HTTP_MORE, HTTP_WHOLE, HTTP_REFUSED };

/* Looks for the closing empty line. Refuses line ends other than CRLF and what exceeds a limit, as
 * soon as it does. */
enum http_progress http_head_scan(struct http_scan *scan, struct text received,
                                  const struct http_limits *limits, struct fault *fault) MUST_CHECK;

/* Texts are slices of the head that was parsed. */
struct http_head {
    enum http_method method;
    struct text method_name, target, path, query;
    struct http_header *headers;
    size_t header_count;
    unsigned minor; /* of HTTP/1.x: 0 or 1 */
    bool keep_alive;
    bool chunked;
    bool expects_continue;
    uint64_t content_length; /* 0 when absent */
    struct text authorization;
    struct text request_id;                 /* X-Request-Id, when it is fit to be echoed */
    struct text host, length_value, coding; /* as sent; TEXT_NONE when absent */
    bool closes, keeps;                     /* what Connection asked for */
};

/* `head` is what lies between `start` and `end` of the scan, `count` its number of header lines.
 * Also when it fails, `out` holds what was understood before. */
bool http_head_parse(struct arena *arena, struct text head, size_t count,
                     const struct http_limits *limits, struct http_head *out,
                     struct fault *fault) MUST_CHECK;

/* Whether a body follows the head. */
bool http_head_has_body(const struct http_head *head);

/* The size in a chunk's first line, given without its CRLF. */
bool http_head_chunk_size(struct text line, uint64_t *out, struct fault *fault) MUST_CHECK;

/* Checks every line of a trailer section, given with its closing empty line. */
bool http_head_check_trailers(struct text section, struct fault *fault) MUST_CHECK;

#endif
