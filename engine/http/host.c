/* host.c: the port and a dot at the end do not matter. */
#include "http/host.h"

#include <arpa/inet.h>
#include <stdio.h>

static struct text without_port(struct text host) {
    const char *colon = host.length > 0 ? memchr(host.bytes, ':', host.length) : NULL;
    host.length = colon != NULL ? (size_t)(colon - host.bytes) : host.length;
    host.length -= host.length > 0 && host.bytes[host.length - 1] == '.';
    return host;
}

static bool is_address(struct text host) {
    char name[INET_ADDRSTRLEN];
    struct in_addr address;
    if (host.length >= sizeof name) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(host));
    return inet_pton(AF_INET, name, &address) == 1;
}

static bool is_reserved(struct text host) {
    static const char *const names[] = {".localhost",  ".test",      ".local",   ".internal",
                                        ".home.arpa",  ".invalid",   ".example", "example.com",
                                        "example.net", "example.org"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct text name = text_of(names[i]);
        size_t skipped = host.length > name.length ? host.length - name.length : 0;
        if (text_equal_ignore_case((struct text){host.bytes + skipped, host.length - skipped},
                                   name)) {
            return skipped == 0 || name.bytes[0] == '.' || host.bytes[skipped - 1] == '.';
        }
    }
    return false;
}

bool host_is_unowned(struct text host) {
    if (host.length > 0 && host.bytes[0] == '[') {
        return true; /* an IPv6 address */
    }
    host = without_port(host);
    return host.length == 0 || memchr(host.bytes, '.', host.length) == NULL || is_address(host) ||
           is_reserved(host);
}
