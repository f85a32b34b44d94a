/* redis_url.h: where a Redis server is, from its URL. Used by redis.c only. */
#ifndef STATUTE_LOCK_REDIS_URL_H
#define STATUTE_LOCK_REDIS_URL_H

#include "base/fault.h"

/* Terminated strings; "" is not given. */
struct redis_url {
    char host[256];
    int port;
    char user[128];
    char password[256];
    int database;
};

/* `place` is "//[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]", USER and PASSWORD percent-encoded (RFC
 * 3986 section 2.1), an IPv6 address in brackets. Port 6379, database 0 unless given. FAULT_USAGE
 * never shows the password. */
bool lock_redis_url(struct text place, struct redis_url *out, struct fault *fault) MUST_CHECK;

#endif
