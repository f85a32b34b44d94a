#include "http/wire.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PIECE_BYTES ((size_t)16 << 10) /* sealed as one */

static struct evbuffer *queue_of(const struct http_wire *wire) {
    return bufferevent_get_output(wire->socket);
}

static void ask_peer(struct http_wire *wire) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    (void)getpeername(bufferevent_getfd(wire->socket), (struct sockaddr *)&address, &length);
    const void *bytes = address.ss_family == AF_INET6
                            ? (const void *)&((struct sockaddr_in6 *)(void *)&address)->sin6_addr
                            : (const void *)&((struct sockaddr_in *)(void *)&address)->sin_addr;
    (void)inet_ntop(address.ss_family, bytes, wire->peer, sizeof wire->peer);
}

struct text http_wire_peer(struct http_wire *wire) {
    if (wire->peer[0] == '\0') {
        ask_peer(wire);
    }
    return text_of(wire->peer);
}

size_t http_wire_unsent(const struct http_wire *wire) {
    return evbuffer_get_length(queue_of(wire));
}

static bool is_gone(int error) {
    return error != EAGAIN && error != EWOULDBLOCK && error != EINTR;
}

static bool push(struct http_wire *wire, struct evbuffer *bytes) {
    if (evbuffer_get_length(bytes) > 0 && http_wire_unsent(wire) == 0 &&
        evbuffer_write(bytes, bufferevent_getfd(wire->socket)) < 0 && is_gone(errno)) {
        return false;
    }
    if (evbuffer_get_length(bytes) > 0) {
        evbuffer_add_buffer(queue_of(wire), bytes);
        bufferevent_enable(wire->socket, EV_WRITE);
    }
    return true;
}

static bool seal(struct http_tls *tls, struct evbuffer *bytes) {
    size_t left = evbuffer_get_length(bytes);
    bool sealed = true;
    while (left > 0 && sealed) {
        size_t length = left < PIECE_BYTES ? left : PIECE_BYTES;
        const char *piece = (const char *)evbuffer_pullup(bytes, (ev_ssize_t)length);
        sealed = piece != NULL && http_tls_seal(tls, (struct text){piece, length});
        evbuffer_drain(bytes, length);
        left -= length;
    }
    return sealed;
}

bool http_wire_send(struct http_wire *wire, struct evbuffer *bytes) {
    if (wire->tls == NULL) {
        return push(wire, bytes);
    }
    return seal(wire->tls, bytes) && push(wire, http_tls_sealed(wire->tls));
}

void http_wire_later(struct http_wire *wire, struct text bytes) {
    if (wire->tls != NULL) {
        bool sealed = http_tls_seal(wire->tls, bytes);
        (void)sealed; /* a failed connection has nobody to tell */
        http_wire_settle(wire);
    } else if (evbuffer_add(queue_of(wire), bytes.bytes, bytes.length) != 0) {
        fputs("statute: out of memory for a connection\n", stderr);
        abort();
    }
    bufferevent_enable(wire->socket, EV_WRITE);
}

/* Through the queue when a direct write fails: then the socket tells of it. */
void http_wire_settle(struct http_wire *wire) {
    if (wire->tls != NULL && !push(wire, http_tls_sealed(wire->tls))) {
        evbuffer_add_buffer(queue_of(wire), http_tls_sealed(wire->tls));
        bufferevent_enable(wire->socket, EV_WRITE);
    }
    if (wire->tls != NULL && http_wire_unsent(wire) == 0) {
        http_tls_taken(wire->tls);
    }
}

void http_wire_shut(struct http_wire *wire) {
    if (wire->tls != NULL) {
        http_tls_end(wire->tls);
        http_wire_settle(wire);
    }
    if (http_wire_unsent(wire) == 0) {
        (void)shutdown(bufferevent_getfd(wire->socket), SHUT_WR);
    }
}

void http_wire_part(struct http_wire *wire) {
    if (wire->tls != NULL && http_wire_unsent(wire) == 0) {
        http_tls_end(wire->tls);
        (void)evbuffer_write(http_tls_sealed(wire->tls), bufferevent_getfd(wire->socket));
    }
}
