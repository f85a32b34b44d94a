/* fault.h: what went wrong, said once, as a sentence that names the thing.
 * A fault is set where it is understood; callers add context or pass it on; only the edge logs it.
 * One table (fault.c) maps every code to its HTTP status, its stable `code` and its exit status. */
#ifndef STATUTE_FAULT_H
#define STATUTE_FAULT_H

#include "base/text.h"

enum fault_code {
    FAULT_NONE,
    FAULT_BAD_REQUEST,        /* 400 bad_request */
    FAULT_UNAUTHENTICATED,    /* 401 unauthenticated */
    FAULT_INVALID_TOKEN,      /* 401 unauthenticated: what was sent proves nobody (RFC 6750) */
    FAULT_PERMISSION_DENIED,  /* 403 permission_denied */
    FAULT_NOT_FOUND,          /* 404 not_found */
    FAULT_UNKNOWN_MACHINE,    /* 404 unknown_machine */
    FAULT_ENTITY_NOT_FOUND,   /* 404 entity_not_found */
    FAULT_METHOD_NOT_ALLOWED, /* 405 method_not_allowed */
    FAULT_REQUEST_TIMEOUT,    /* 408 request_timeout */
    FAULT_INVALID_TRANSITION, /* 409 invalid_transition */
    FAULT_ALREADY_EXISTS,     /* 409 already_exists */
    FAULT_REQUEST_IN_FLIGHT,  /* 409 request_in_flight */
    FAULT_LOCK_LOST,          /* 409 lock_lost: the fencing token does not hold the key */
    FAULT_BATCH_ABORTED,      /* 409 batch_aborted: a member of an atomic batch failed */
    FAULT_VERSION_CONFLICT,   /* 412 version_conflict */
    FAULT_PAYLOAD_TOO_LARGE,  /* 413 payload_too_large */
    FAULT_URI_TOO_LONG,       /* 414 uri_too_long */
    FAULT_UNSUPPORTED_MEDIA,  /* 415 unsupported_media_type */
    FAULT_EXPECTATION_FAILED, /* 417 expectation_failed */
    FAULT_GUARD_REJECTED,     /* 422 guard_rejected */
    FAULT_VALIDATION_FAILED,  /* 422 validation_failed */
    FAULT_IDEMPOTENCY_REUSED, /* 422 idempotency_key_reused */
    FAULT_POLICY_INVALID,     /* 422 policy_invalid: a reload found problems */
    FAULT_LOCK_TIMEOUT,       /* 423 lock_timeout, Retry-After */
    FAULT_RATE_LIMITED,       /* 429 rate_limited */
    FAULT_HEADERS_TOO_LARGE,  /* 431 headers_too_large */
    FAULT_INTERNAL,           /* 500 internal_error */
    FAULT_POLICY_ERROR,       /* 500 policy_error */
    FAULT_NOT_IMPLEMENTED,    /* 501 not_implemented */
    FAULT_STORE_UNAVAILABLE,  /* 503 store_unavailable, Retry-After */
    FAULT_LOCK_UNAVAILABLE,   /* 503 lock_unavailable, Retry-After */
    FAULT_OVERLOADED,
    FAULT_DRAINING,        /* 503 draining, Retry-After: the server is stopping */
    FAULT_OUTCOME_UNKNOWN, /* 503 store_unavailable: COMMIT was sent and its answer lost */
    FAULT_HTTP_VERSION,    /* 505 http_version_not_supported */
    FAULT_STORE_CONFLICT,  /* never answered: a write found another version, so run again */
    FAULT_USAGE,           /* the command line; exit 2 */
    FAULT_ENVIRONMENT,     /* a file, port or server that is not there; exit 3 */
    FAULT_CODE_COUNT
};

struct fault {
    enum fault_code code;
    char message[512]; /* one sentence, NUL-terminated, valid UTF-8 even when cut */
};

#define FAULT_INIT ((struct fault){FAULT_NONE, ""})

/* Sets the fault and returns false, so that a function can end with `return fault_set(...)`.
 * `fault` may not be NULL. */
bool fault_set(struct fault *fault, enum fault_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Puts "context: " before the message; returns false. */
bool fault_within(struct fault *fault, const char *format, ...) PRINTF_LIKE(2, 3);

int fault_status(enum fault_code code);        /* HTTP status; 200 for FAULT_NONE */
const char *fault_name(enum fault_code code);  /* "bad_request"; "ok" for FAULT_NONE */
const char *fault_title(enum fault_code code); /* "Bad request" (RFC 9457 title) */
int fault_exit(enum fault_code code);          /* 0, 1, 2 or 3 */

/* The code of a name; FAULT_CODE_COUNT when there is none. */
enum fault_code fault_of_name(struct text name);

#endif
