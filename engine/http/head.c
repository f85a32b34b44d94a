/* head.c: one pass finds the end of the head (memchr from line to line), a second reads it.
 *
 * Two parsers that see the same bytes can disagree, and a request hides in the difference. So this
 * is the only parser there is, and where RFC 9112 lets a recipient be lenient it is not:
 *  1. a line ends in CRLF, and neither CR nor LF stands anywhere else;
 *  2. a header is `token ":" value`; no folding, no control characters;
 *  3. there is one way to say how long a body is, and it is said once;
 *  4. a target begins with one '/'. */
#include "http/head.h"

#define CR '\r'
#define LF '\n'

/* Sets of bytes, a bit each. */
static const uint32_t token_bytes[8] = {0, 0x03FF6CFA, 0xC7FFFFFE, 0x57FFFFFF}; /* RFC 9110 5.6.2 */
static const uint32_t target_bytes[8] = {0, 0xFFFFFFF6, 0xFFFFFFFF, 0x7FFFFFFF}; /* visible but # */
static const uint32_t host_bytes[8] = {0, 0x2FFF7FF2, 0xAFFFFFFE, 0x47FFFFFE};   /* RFC 3986 3.2 */

static bool is_all(const uint32_t set[8], struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if ((set[byte >> 5] >> (byte & 31) & 1) == 0) {
            return false;
        }
    }
    return true;
}

static struct text slice(struct text text, size_t from, size_t to) {
    return (struct text){text.bytes + from, to - from};
}

static struct text cut(struct text text) {
    return slice(text, 0, text.length < 64 ? text.length : 64);
}

/* --- finding the end --- */

/* `seen` bytes have arrived, the last of them perhaps in the middle of a line. */
static bool is_within(const struct http_scan *scan, size_t seen, const struct http_limits *limits,
                      struct fault *fault) {
    bool in_headers = scan->trailers || scan->headers > 0;
    size_t line_most = limits->uri_bytes + HTTP_HEAD_METHOD_BYTES + sizeof "  HTTP/1.1\r\n";
    if (!in_headers) {
        return seen - scan->start <= line_most ||
               fault_set(fault, FAULT_URI_TOO_LONG, "The request line is over %zu bytes long",
                         line_most);
    }
    if (seen - scan->headers > limits->header_bytes) {
        return fault_set(fault, FAULT_HEADERS_TOO_LARGE, "The headers are over %zu bytes long",
                         limits->header_bytes);
    }
    return scan->count <= limits->header_count ||
           fault_set(fault, FAULT_HEADERS_TOO_LARGE, "There are more than %u headers",
                     limits->header_count);
}

/* The line under way is whole and `length` bytes long. */
static enum http_progress end_line(struct http_scan *scan, size_t length, struct fault *fault) {
    bool in_headers = scan->trailers || scan->headers > 0;
    if (length > 0) {
        scan->headers = in_headers ? scan->headers : scan->scanned;
        scan->count += in_headers;
    } else if (in_headers) {
        scan->end = scan->scanned;
        return HTTP_WHOLE;
    } else if (scan->start == 0) {
        scan->start = scan->scanned;
    } else {
        (void)fault_set(fault, FAULT_BAD_REQUEST, "The request begins with empty lines");
        return HTTP_REFUSED;
    }
    scan->line = scan->scanned;
    return HTTP_MORE;
}

enum http_progress http_head_scan(struct http_scan *scan, struct text received,
                                  const struct http_limits *limits, struct fault *fault) {
    const char *feed;
    while (scan->scanned < received.length &&
           (feed = memchr(received.bytes + scan->scanned, LF, received.length - scan->scanned)) !=
               NULL) {
        size_t at = (size_t)(feed - received.bytes);
        scan->scanned = at + 1;
        if (!is_within(scan, scan->scanned, limits, fault)) {
            return HTTP_REFUSED;
        }
        if (at == scan->line || received.bytes[at - 1] != CR) {
            (void)fault_set(fault, FAULT_BAD_REQUEST, "A line of the head ends in LF without CR");
            return HTTP_REFUSED;
        }
        enum http_progress state = end_line(scan, at - 1 - scan->line, fault);
        if (state != HTTP_MORE) {
            return state;
        }
    }
    scan->scanned = received.length;
    return is_within(scan, received.length, limits, fault) ? HTTP_MORE : HTTP_REFUSED;
}

/* --- the request line --- */

static const struct {
    struct text name;
    enum http_method method;
} methods[] = {
    {{"GET", 3}, HTTP_GET},         {{"HEAD", 4}, HTTP_HEAD},   {{"POST", 4}, HTTP_POST},
    {{"PUT", 3}, HTTP_PUT},         {{"PATCH", 5}, HTTP_PATCH}, {{"DELETE", 6}, HTTP_DELETE},
    {{"OPTIONS", 7}, HTTP_OPTIONS},
};

static bool parse_method(struct http_head *head, struct fault *fault) {
    if (head->method_name.length == 0 || !is_all(token_bytes, head->method_name)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "The request line does not begin with a method");
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (text_equal(head->method_name, methods[i].name)) {
            head->method = methods[i].method;
            return true;
        }
    }
    return fault_set(fault, FAULT_NOT_IMPLEMENTED, "The method %.*s is not one this server knows",
                     TEXT_ARGS(cut(head->method_name)));
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool parse_version(struct text version, struct http_head *head, struct fault *fault) {
    struct text prefix = TEXT("HTTP/");
    if (version.length != 8 || !text_starts(version, prefix) || !is_digit(version.bytes[5]) ||
        version.bytes[6] != '.' || !is_digit(version.bytes[7])) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "The request line does not end in a space and an HTTP version");
    }
    if (version.bytes[5] != '1' || version.bytes[7] > '1') {
        return fault_set(fault, FAULT_HTTP_VERSION,
                         "%.*s is not spoken here, only HTTP/1.1 and 1.0", TEXT_ARGS(version));
    }
    head->minor = (unsigned)(version.bytes[7] - '0');
    return true;
}

static bool parse_target(struct text target, const struct http_limits *limits,
                         struct http_head *head, struct fault *fault) {
    if (target.length > limits->uri_bytes) {
        return fault_set(fault, FAULT_URI_TOO_LONG, "The target is %zu bytes long; %zu are allowed",
                         target.length, limits->uri_bytes);
    }
    if (target.length == 0 || target.bytes[0] != '/' || text_starts(target, TEXT("//"))) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "The target must be a path that begins with one '/'");
    }
    if (!is_all(target_bytes, target)) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "The target has a '#' or a character that must be percent-encoded");
    }
    const char *mark = memchr(target.bytes, '?', target.length);
    size_t path_length = mark != NULL ? (size_t)(mark - target.bytes) : target.length;
    head->target = target;
    head->path = slice(target, 0, path_length);
    head->query = mark != NULL ? slice(target, path_length + 1, target.length) : TEXT_NONE;
    return true;
}

static bool parse_request_line(struct text line, const struct http_limits *limits,
                               struct http_head *head, struct fault *fault) {
    const char *first = memchr(line.bytes, ' ', line.length);
    size_t method_length = first != NULL ? (size_t)(first - line.bytes) : line.length;
    size_t target_at = first != NULL ? method_length + 1 : line.length;
    const char *second = memchr(line.bytes + target_at, ' ', line.length - target_at);
    size_t target_end = second != NULL ? (size_t)(second - line.bytes) : line.length;
    size_t version_at = second != NULL ? target_end + 1 : line.length;
    head->method_name = slice(line, 0, method_length);
    return parse_version(slice(line, version_at, line.length), head, fault) &&
           parse_method(head, fault) &&
           parse_target(slice(line, target_at, target_end), limits, head, fault);
}

/* --- header lines --- */

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static struct text trim(struct text text) {
    while (text.length > 0 && is_blank(text.bytes[0])) {
        text = slice(text, 1, text.length);
    }
    while (text.length > 0 && is_blank(text.bytes[text.length - 1])) {
        text.length--;
    }
    return text;
}

static bool has_control(struct text text) {
    unsigned found = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        found |= (byte < 0x20) & (byte != '\t');
        found |= byte == 0x7F;
    }
    return found != 0;
}

static bool parse_header(struct text line, struct http_header *header, struct fault *fault) {
    if (is_blank(line.bytes[0])) {
        return fault_set(fault, FAULT_BAD_REQUEST, "A header line begins with white space");
    }
    const char *colon = memchr(line.bytes, ':', line.length);
    size_t name_length = colon != NULL ? (size_t)(colon - line.bytes) : 0;
    header->name = slice(line, 0, name_length);
    if (name_length == 0 || !is_all(token_bytes, header->name)) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "The header line \"%.*s\" does not begin with a name and ':'",
                         TEXT_ARGS(cut(line)));
    }
    header->value = trim(slice(line, name_length + 1, line.length));
    return !has_control(header->value) ||
           fault_set(fault, FAULT_BAD_REQUEST, "The header %.*s has a control character",
                     TEXT_ARGS(cut(header->name)));
}

/* The line at the start of `rest`, without its CRLF, which `rest` then has behind it. */
static struct text next_line(struct text *rest) {
    const char *feed = memchr(rest->bytes, LF, rest->length);
    size_t length = (size_t)(feed - rest->bytes) - 1;
    struct text line = slice(*rest, 0, length);
    *rest = slice(*rest, length + 2, rest->length);
    return line;
}

/* --- the headers that matter here --- */

static bool note_once(struct text *place, struct text value, const char *name,
                      struct fault *fault) {
    if (text_given(*place)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "There is more than one %s header", name);
    }
    *place = value;
    return true;
}

static bool note_host(struct http_head *head, struct text value, struct fault *fault) {
    return note_once(&head->host, value, "Host", fault) &&
           (is_all(host_bytes, value) ||
            fault_set(fault, FAULT_BAD_REQUEST, "The Host header is not a host"));
}

static bool note_length(struct http_head *head, struct text value, struct fault *fault) {
    if (!note_once(&head->length_value, value, "Content-Length", fault)) {
        return false;
    }
    uint64_t length = 0;
    bool plain = value.length > 0 && value.length <= 64;
    for (size_t i = 0; plain && i < value.length; i++) {
        plain = is_digit(value.bytes[i]);
        uint64_t digit = (uint64_t)(value.bytes[i] - '0');
        length = length > (UINT64_MAX - 9) / 10 ? UINT64_MAX / 10 : length * 10 + digit;
    }
    head->content_length = length;
    return plain ||
           fault_set(fault, FAULT_BAD_REQUEST, "Content-Length is not a plain decimal number");
}

static bool note_coding(struct http_head *head, struct text value, struct fault *fault) {
    head->chunked = text_equal_ignore_case(value, TEXT("chunked"));
    return note_once(&head->coding, value, "Transfer-Encoding", fault) &&
           (head->chunked || fault_set(fault, FAULT_BAD_REQUEST,
                                       "The only Transfer-Encoding understood is chunked"));
}

static bool note_connection(struct http_head *head, struct text value, struct fault *fault) {
    (void)fault;
    size_t from = 0;
    while (from < value.length) {
        const char *comma = memchr(value.bytes + from, ',', value.length - from);
        size_t to = comma != NULL ? (size_t)(comma - value.bytes) : value.length;
        struct text option = trim(slice(value, from, to));
        head->closes |= text_equal_ignore_case(option, TEXT("close"));
        head->keeps |= text_equal_ignore_case(option, TEXT("keep-alive"));
        from = to + 1;
    }
    return true;
}

/* HTTP/1.0 clients have no right to an interim answer (RFC 9110 10.1.1). */
static bool note_expect(struct http_head *head, struct text value, struct fault *fault) {
    if (!text_equal_ignore_case(value, TEXT("100-continue"))) {
        return fault_set(fault, FAULT_EXPECTATION_FAILED,
                         "The only expectation met is 100-continue");
    }
    head->expects_continue = head->minor >= 1;
    return true;
}

static bool note_authorization(struct http_head *head, struct text value, struct fault *fault) {
    return note_once(&head->authorization, value, "Authorization", fault);
}

static bool note_request_id(struct http_head *head, struct text value, struct fault *fault) {
    (void)fault;
    bool fit = value.length >= 1 && value.length <= HTTP_REQUEST_ID_MOST;
    for (size_t i = 0; fit && i < value.length; i++) {
        fit = value.bytes[i] >= ' ' && value.bytes[i] < 0x7F;
    }
    if (fit && !text_given(head->request_id)) {
        head->request_id = value;
    }
    return true;
}

static const struct {
    struct text name;
    bool (*note)(struct http_head *head, struct text value, struct fault *fault);
} noted[] = {
    {{"Host", 4}, note_host},
    {{"Content-Length", 14}, note_length},
    {{"Transfer-Encoding", 17}, note_coding},
    {{"Connection", 10}, note_connection},
    {{"Expect", 6}, note_expect},
    {{"Authorization", 13}, note_authorization},
    {{"X-Request-Id", 12}, note_request_id},
};

static bool note(struct http_head *head, const struct http_header *header, struct fault *fault) {
    for (size_t i = 0; i < sizeof noted / sizeof noted[0]; i++) {
        if (header->name.length == noted[i].name.length &&
            text_equal_ignore_case(header->name, noted[i].name)) {
            return noted[i].note(head, header->value, fault);
        }
    }
    return true;
}

/* --- the whole --- */

static bool check_whole(struct http_head *head, const struct http_limits *limits,
                        struct fault *fault) {
    if (head->minor >= 1 && !text_given(head->host)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "There is no Host header");
    }
    if (text_given(head->coding) && (text_given(head->length_value) || head->minor == 0)) {
        return fault_set(
            fault, FAULT_BAD_REQUEST,
            "Transfer-Encoding may stand neither beside Content-Length nor in HTTP/1.0");
    }
    if (head->content_length > limits->body_bytes) {
        return fault_set(fault, FAULT_PAYLOAD_TOO_LARGE, "The body may be at most %zu bytes long",
                         limits->body_bytes);
    }
    head->keep_alive = !head->closes && (head->minor >= 1 || head->keeps);
    return true;
}

static bool parse_headers(struct text rest, size_t count, struct http_head *head,
                          struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        struct http_header *header = &head->headers[i];
        if (!parse_header(next_line(&rest), header, fault)) {
            return false;
        }
        head->header_count = i + 1;
        if (!note(head, header, fault)) {
            return false;
        }
    }
    return true;
}

bool http_head_parse(struct arena *arena, struct text head, size_t count,
                     const struct http_limits *limits, struct http_head *out, struct fault *fault) {
    *out = (struct http_head){.method = HTTP_OTHER};
    out->headers = ARENA_ARRAY(arena, struct http_header, count);
    struct text rest = head;
    return parse_request_line(next_line(&rest), limits, out, fault) &&
           parse_headers(rest, count, out, fault) && check_whole(out, limits, fault);
}

bool http_head_has_body(const struct http_head *head) {
    return head->chunked || head->content_length > 0;
}

/* --- chunked bodies --- */

static int hex_value(char byte) {
    if (is_digit(byte)) {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool http_head_chunk_size(struct text line, uint64_t *out, struct fault *fault) {
    uint64_t size = 0;
    size_t digits = 0;
    while (digits < line.length && digits < 16 && hex_value(line.bytes[digits]) >= 0) {
        size = size << 4 | (uint64_t)hex_value(line.bytes[digits]);
        digits++;
    }
    struct text extension = slice(line, digits, line.length);
    bool ends = extension.length == 0 || extension.bytes[0] == ';';
    if (digits == 0 || !ends || has_control(extension)) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "A chunk size is not a plain hexadecimal number");
    }
    *out = size;
    return true;
}

bool http_head_check_trailers(struct text section, struct fault *fault) {
    struct http_header dropped;
    for (;;) {
        struct text line = next_line(&section);
        if (line.length == 0) {
            return true;
        }
        if (!parse_header(line, &dropped, fault)) {
            return false;
        }
    }
}
