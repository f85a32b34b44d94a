/* redis_url.c: cuts the URL from its ends: the path first, then what stands before the last
 * '@', then the port. */
#include "lock/redis_url.h"

#include "base/digest.h"

#define DEFAULT_PORT  6379
#define PORT_MOST     65535
#define DATABASE_MOST 65535

static bool malformed(const char *what, struct fault *fault) {
    return fault_set(fault, FAULT_USAGE,
                     "the URL of the lock is malformed at its %s; it should be like "
                     "redis://:PASSWORD@HOST:PORT/DATABASE",
                     what);
}

/* The position of the last `wanted`; the length when there is none. */
static size_t last(struct text text, char wanted) {
    const char *found = text.length > 0 ? memrchr(text.bytes, wanted, text.length) : NULL;
    return found != NULL ? (size_t)(found - text.bytes) : text.length;
}

static struct text before(struct text text, size_t position) {
    return (struct text){text.bytes, position};
}

/* What follows the character at `position`; TEXT_NONE when that is the end. */
static struct text after(struct text text, size_t position) {
    return position < text.length
               ? (struct text){text.bytes + position + 1, text.length - position - 1}
               : TEXT_NONE;
}

/* TEXT_NONE leaves the default that is in *out. */
static bool to_number(struct text text, int least, int most, int *out) {
    int64_t number;
    if (!text_given(text)) {
        return true;
    }
    if (!text_to_integer(text, &number) || number < least || number > most) {
        return false;
    }
    *out = (int)number;
    return true;
}

/* Percent-decodes; a NUL would end the string early, and is refused. */
static bool to_string(struct text text, char *out, size_t size) {
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if (byte == '%') {
            if (i + 2 >= text.length ||
                !digest_of_hex((struct text){text.bytes + i + 1, 2}, &byte, 1)) {
                return false;
            }
            i += 2;
        }
        if (byte == '\0' || length + 1 >= size) {
            return false;
        }
        out[length++] = (char)byte;
    }
    out[length] = '\0';
    return true;
}

static bool read_secrets(struct text secrets, struct redis_url *out) {
    const char *colon = secrets.length > 0 ? memchr(secrets.bytes, ':', secrets.length) : NULL;
    if (colon == NULL) {
        return false;
    }
    size_t position = (size_t)(colon - secrets.bytes);
    return to_string(before(secrets, position), out->user, sizeof out->user) &&
           to_string(after(secrets, position), out->password, sizeof out->password) &&
           out->password[0] != '\0';
}

static bool read_host(struct text host, struct redis_url *out) {
    if (host.length > 2 && host.bytes[0] == '[' && host.bytes[host.length - 1] == ']') {
        host = (struct text){host.bytes + 1, host.length - 2};
    }
    return host.length > 0 && to_string(host, out->host, sizeof out->host);
}

bool lock_redis_url(struct text place, struct redis_url *out, struct fault *fault) {
    *out = (struct redis_url){.port = DEFAULT_PORT};
    if (!text_starts(place, TEXT("//"))) {
        return malformed("beginning", fault);
    }
    struct text rest = {place.bytes + 2, place.length - 2};
    size_t at = last(rest, '@');
    if (at < rest.length) {
        if (!read_secrets(before(rest, at), out)) {
            return malformed("user or password", fault);
        }
        rest = after(rest, at);
    }
    size_t slash = last(rest, '/');
    struct text database = after(rest, slash);
    if (database.length > 0 && !to_number(database, 0, DATABASE_MOST, &out->database)) {
        return malformed("database", fault);
    }
    rest = before(rest, slash);
    bool bare_address = rest.length > 0 && rest.bytes[rest.length - 1] == ']';
    size_t colon = bare_address ? rest.length : last(rest, ':');
    if (!to_number(after(rest, colon), 1, PORT_MOST, &out->port)) {
        return malformed("port", fault);
    }
    return read_host(before(rest, colon), out) || malformed("host", fault);
}
