/* fault.c: the one table of fault codes. */
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>

enum exit_status { EXIT_FINE, EXIT_NO, EXIT_USAGE, EXIT_ENVIRONMENT };

struct fault_row {
    int status;
    enum exit_status exit;
    const char *name;
    const char *title;
};

static const struct fault_row fault_rows[FAULT_CODE_COUNT] = {
    [FAULT_NONE] = {200, EXIT_FINE, "ok", "OK"},
    [FAULT_BAD_REQUEST] = {400, EXIT_NO, "bad_request", "Bad request"},
    [FAULT_UNAUTHENTICATED] = {401, EXIT_NO, "unauthenticated", "Unauthenticated"},
    [FAULT_INVALID_TOKEN] = {401, EXIT_NO, "unauthenticated", "Unauthenticated"},
    [FAULT_PERMISSION_DENIED] = {403, EXIT_NO, "permission_denied", "Permission denied"},
    [FAULT_NOT_FOUND] = {404, EXIT_NO, "not_found", "Not found"},
    [FAULT_UNKNOWN_MACHINE] = {404, EXIT_NO, "unknown_machine", "Unknown machine"},
    [FAULT_ENTITY_NOT_FOUND] = {404, EXIT_NO, "entity_not_found", "Entity not found"},
    [FAULT_METHOD_NOT_ALLOWED] = {405, EXIT_NO, "method_not_allowed", "Method not allowed"},
    [FAULT_REQUEST_TIMEOUT] = {408, EXIT_NO, "request_timeout", "Request timeout"},
    [FAULT_INVALID_TRANSITION] = {409, EXIT_NO, "invalid_transition", "Invalid transition"},
    [FAULT_ALREADY_EXISTS] = {409, EXIT_NO, "already_exists", "Already exists"},
    [FAULT_REQUEST_IN_FLIGHT] = {409, EXIT_NO, "request_in_flight", "Request in flight"},
    [FAULT_LOCK_LOST] = {409, EXIT_NO, "lock_lost", "Lock lost"},
    [FAULT_BATCH_ABORTED] = {409, EXIT_NO, "batch_aborted", "Batch aborted"},
    [FAULT_VERSION_CONFLICT] = {412, EXIT_NO, "version_conflict", "Version conflict"},
    [FAULT_PAYLOAD_TOO_LARGE] = {413, EXIT_NO, "payload_too_large", "Payload too large"},
    [FAULT_URI_TOO_LONG] = {414, EXIT_NO, "uri_too_long", "URI too long"},
    [FAULT_UNSUPPORTED_MEDIA] = {415, EXIT_NO, "unsupported_media_type", "Unsupported media type"},
    [FAULT_EXPECTATION_FAILED] = {417, EXIT_NO, "expectation_failed", "Expectation failed"},
    [FAULT_GUARD_REJECTED] = {422, EXIT_NO, "guard_rejected", "Guard rejected"},
    [FAULT_VALIDATION_FAILED] = {422, EXIT_NO, "validation_failed", "Validation failed"},
    [FAULT_IDEMPOTENCY_REUSED] = {422, EXIT_NO, "idempotency_key_reused", "Idempotency key reused"},
    [FAULT_POLICY_INVALID] = {422, EXIT_NO, "policy_invalid", "Policy invalid"},
    [FAULT_LOCK_TIMEOUT] = {423, EXIT_NO, "lock_timeout", "Lock timeout"},
    [FAULT_RATE_LIMITED] = {429, EXIT_NO, "rate_limited", "Rate limited"},
    [FAULT_HEADERS_TOO_LARGE] = {431, EXIT_NO, "headers_too_large", "Headers too large"},
    [FAULT_INTERNAL] = {500, EXIT_ENVIRONMENT, "internal_error", "Internal error"},
    [FAULT_POLICY_ERROR] = {500, EXIT_NO, "policy_error", "Policy error"},
    [FAULT_NOT_IMPLEMENTED] = {501, EXIT_NO, "not_implemented", "Not implemented"},
    [FAULT_STORE_UNAVAILABLE] = {503, EXIT_ENVIRONMENT, "store_unavailable", "Store unavailable"},
    [FAULT_LOCK_UNAVAILABLE] = {503, EXIT_ENVIRONMENT, "lock_unavailable", "Lock unavailable"},
    [FAULT_OVERLOADED] = {503, EXIT_ENVIRONMENT, "overloaded", "Overloaded"},
    [FAULT_DRAINING] = {503, EXIT_ENVIRONMENT, "draining", "Draining"},
    [FAULT_OUTCOME_UNKNOWN] = {503, EXIT_ENVIRONMENT, "store_unavailable", "Store unavailable"},
    [FAULT_HTTP_VERSION] = {505, EXIT_NO, "http_version_not_supported",
                            "HTTP version not supported"},
    [FAULT_STORE_CONFLICT] = {500, EXIT_ENVIRONMENT, "store_conflict", "Store conflict"},
    [FAULT_USAGE] = {500, EXIT_USAGE, "usage", "Usage"},
    [FAULT_ENVIRONMENT] = {500, EXIT_ENVIRONMENT, "environment", "Environment"},
};

/* Messages quote what clients sent, and both "%.*s" and our own limit may cut a character. */
static void mend_message(struct fault *fault) {
    text_mend_utf8(fault->message, strlen(fault->message));
}

/* A character cut by our limit is dropped rather than mended. */
static void drop_cut_character(char *message, size_t length) {
    size_t start = length;
    while (start > 0 && ((unsigned char)message[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start > 0 && !text_is_utf8((struct text){message + start - 1, length - start + 1})) {
        message[start - 1] = '\0';
    }
}

static void format_message(char *message, size_t size, const char *format, va_list args) {
    int length = vsnprintf(message, size, format, args);
    if (length >= 0 && (size_t)length >= size) {
        drop_cut_character(message, size - 1);
    }
}

bool fault_set(struct fault *fault, enum fault_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct fault made = {.code = code};
    format_message(made.message, sizeof made.message, format, args);
    va_end(args);
    mend_message(&made);
    *fault = made;
    return false;
}

bool fault_within(struct fault *fault, const char *format, ...) {
    char context[sizeof fault->message];
    va_list args;
    va_start(args, format);
    format_message(context, sizeof context, format, args);
    va_end(args);
    return fault_set(fault, fault->code, "%s: %s", context, fault->message);
}

int fault_status(enum fault_code code) {
    return fault_rows[code].status;
}

const char *fault_name(enum fault_code code) {
    return fault_rows[code].name;
}

const char *fault_title(enum fault_code code) {
    return fault_rows[code].title;
}

int fault_exit(enum fault_code code) {
    return (int)fault_rows[code].exit;
}

enum fault_code fault_of_name(struct text name) {
    int code = FAULT_NONE;
    while (code < FAULT_CODE_COUNT && !text_equal(name, text_of(fault_rows[code].name))) {
        code++;
    }
    return (enum fault_code)code;
}
