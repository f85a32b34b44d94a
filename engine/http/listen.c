#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

struct place {
    char host[256];
    char port[8];
};

static bool copy(struct text text, char *out, size_t size) {
    if (text.length >= size || memchr(text.bytes, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(out, text.bytes, text.length);
    out[text.length] = '\0';
    return true;
}

/* A name or an IPv4 address alone, or an IPv6 address in brackets. */
static bool lacks_port(struct text address) {
    bool is_bracketed =
        address.length > 2 && address.bytes[0] == '[' && address.bytes[address.length - 1] == ']';
    int64_t number;
    return address.length > 0 && !text_to_integer(address, &number) &&
           (is_bracketed || memchr(address.bytes, ':', address.length) == NULL);
}

static bool split(struct text address, struct place *place, struct fault *fault) {
    const char *colon = address.length > 0 ? memrchr(address.bytes, ':', address.length) : NULL;
    size_t host_length = colon != NULL ? (size_t)(colon - address.bytes) : 0;
    struct text host = {address.bytes, host_length};
    struct text port = {address.bytes + host_length + 1, address.length - host_length - 1};
    int64_t number = -1;
    bool bracketed = host_length > 2 && host.bytes[0] == '[' && host.bytes[host_length - 1] == ']';
    if (bracketed) {
        host = (struct text){host.bytes + 1, host_length - 2};
    }
    bool fine = host_length > 0 && text_to_integer(port, &number) && number >= 0 &&
                number <= 65535 && copy(host, place->host, sizeof place->host) &&
                copy(port, place->port, sizeof place->port) &&
                (bracketed || memchr(host.bytes, ':', host.length) == NULL);
    if (!fine && lacks_port(address)) {
        return fault_set(fault, FAULT_USAGE,
                         "\"%.*s\" lacks a port: write %.*s:8080, or :0 for any free one",
                         TEXT_ARGS(address), TEXT_ARGS(address));
    }
    return fine ||
           fault_set(fault, FAULT_USAGE,
                     "\"%.*s\" is not an address to listen on; 127.0.0.1:8080 and [::1]:8080 are",
                     TEXT_ARGS(address));
}

static void set_options(int descriptor) {
    int on = 1;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* -1 with errno when it fails. */
static int listen_on(const struct addrinfo *found) {
    int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -1;
    }
    set_options(descriptor);
    if (bind(descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(descriptor, BACKLOG) != 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

bool http_listen(struct text address, int *descriptor, struct fault *fault) {
    struct place place;
    if (!split(address, &place, fault)) {
        return false;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(place.host, place.port, &hints, &found);
    if (error != 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "Cannot listen on %.*s: %s", TEXT_ARGS(address),
                         gai_strerror(error));
    }
    *descriptor = listen_on(found);
    freeaddrinfo(found);
    return *descriptor >= 0 || fault_set(fault, FAULT_ENVIRONMENT, "Cannot listen on %.*s: %s",
                                         TEXT_ARGS(address), strerror(errno));
}

int http_listen_port(int descriptor) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) {
        return 0;
    }
    in_port_t port = address.ss_family == AF_INET6
                         ? ((const struct sockaddr_in6 *)(const void *)&address)->sin6_port
                         : ((const struct sockaddr_in *)(const void *)&address)->sin_port;
    return ntohs(port);
}
