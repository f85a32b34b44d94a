/* problem.c: every error this server answers has the same shape. */
#include "http/problem.h"

#include <time.h>

#include "base/js.h"
#include "base/log.h"

#define RETRY_AFTER_SECONDS "1"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *http_problem_reason(int status) {
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return status < 400 ? "OK" : "Error";
}

static void put_member(struct js_writer *writer, struct text key, struct text value) {
    js_key(writer, key);
    js_put_text(writer, value);
}

static struct text details(struct http_exchange *exchange, const struct fault *fault,
                           struct text extra) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put_member(&writer, TEXT("type"), TEXT("about:blank"));
    put_member(&writer, TEXT("title"), text_of(fault_title(fault->code)));
    js_key(&writer, TEXT("status"));
    js_put_integer(&writer, fault_status(fault->code));
    put_member(&writer, TEXT("detail"), text_of(fault->message));
    put_member(&writer, TEXT("code"), text_of(fault_name(fault->code)));
    put_member(&writer, TEXT("request_id"), text_of(exchange->request_id));
    if (extra.length > 0) {
        js_put_raw(&writer, extra);
    }
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

/* What was sent proves nobody (RFC 6750 section 3.1), or nothing was sent. */
static struct text challenge(enum fault_code code) {
    return code == FAULT_INVALID_TOKEN ? TEXT("Bearer error=\"invalid_token\"") : TEXT("Bearer");
}

/* The header that this answer must or should come with; no name when there is none. */
static struct http_header companion(enum fault_code code) {
    if (code == FAULT_REQUEST_IN_FLIGHT) {
        return (struct http_header){TEXT("Retry-After"), TEXT(RETRY_AFTER_SECONDS)};
    }
    switch (fault_status(code)) {
    case 401:
        return (struct http_header){TEXT("WWW-Authenticate"), challenge(code)};
    case 423:
    case 429:
    case 503:
        return (struct http_header){TEXT("Retry-After"), TEXT(RETRY_AFTER_SECONDS)};
    default:
        return (struct http_header){TEXT_NONE, TEXT_NONE};
    }
}

/* What callers read in place of what failed within, which tells of paths, hosts, users and the
 * errors of other programs; NULL: the fault is theirs to read. */
static const char *veil(enum fault_code code) {
    switch ((int)code) {
    case FAULT_STORE_UNAVAILABLE:
        return "the store cannot be used at the moment; try again later (the server's log has the "
               "reason, under this request id)";
    case FAULT_LOCK_UNAVAILABLE:
        return "the lock service cannot be used at the moment; try again later (the server's log "
               "has the reason, under this request id)";
    case FAULT_OUTCOME_UNKNOWN:
        return "the store did not say whether it kept this; read the entity, or repeat the request "
               "with its Idempotency-Key (the server's log has the reason, under this request id)";
    case FAULT_INTERNAL:
        return "an error within the server; its log has the reason, under this request id";
    default:
        return NULL;
    }
}

static struct fault veiled(const struct http_exchange *exchange, const struct fault *fault) {
    const char *shown = veil(fault->code);
    struct fault safe = *fault;
    if (shown == NULL) {
        return safe;
    }
    log_line(LOG_WARNING, "request_failed", "%s (%s, request %s)", fault->message,
             fault_name(fault->code), exchange->request_id);
    if (!exchange->trusts_caller) {
        fault_set(&safe, fault->code, "%s", shown);
    }
    return safe;
}

void http_problem(struct http_exchange *exchange, const struct fault *fault, struct text extra,
                  struct http_answer *answer) {
    struct fault safe = veiled(exchange, fault);
    struct http_header header = companion(fault->code);
    *answer = (struct http_answer){.status = fault_status(fault->code),
                                   .content_type = TEXT("application/problem+json")};
    answer->body = details(exchange, &safe, extra);
    if (text_given(header.name)) {
        answer->headers[answer->header_count++] = header;
    }
}

static void put_date(struct buffer *buffer, int64_t wall_us) {
    time_t seconds = (time_t)(wall_us / NOW_SECOND);
    struct tm parts;
    char date[40];
    gmtime_r(&seconds, &parts);
    size_t length = strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buffer_print(buffer, "Date: %.*s\r\n", (int)length, date);
}

struct text http_problem_bytes(struct http_exchange *exchange, const struct http_answer *answer,
                               int64_t wall_us, bool with_body) {
    struct buffer buffer;
    buffer_init(&buffer, &exchange->arena);
    buffer_print(&buffer, "HTTP/1.1 %d %s\r\n", answer->status,
                 http_problem_reason(answer->status));
    put_date(&buffer, wall_us);
    buffer_print(&buffer,
                 "X-Request-Id: %s\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n",
                 exchange->request_id, TEXT_ARGS(answer->content_type), answer->body.length);
    for (size_t i = 0; i < answer->header_count; i++) {
        buffer_print(&buffer, "%.*s: %.*s\r\n", TEXT_ARGS(answer->headers[i].name),
                     TEXT_ARGS(answer->headers[i].value));
    }
    buffer_add_text(&buffer, TEXT("\r\n"));
    buffer_add_text(&buffer, with_body ? answer->body : TEXT_NONE);
    return buffer_view(&buffer);
}
