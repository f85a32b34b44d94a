/* wire.h: what a connection sends, plain or sealed: at once as far as the client takes it, the
 * rest when it does. Private to filter.c. One thread. */
#ifndef STATUTE_HTTP_WIRE_H
#define STATUTE_HTTP_WIRE_H

#include <arpa/inet.h>

#include "http/tls_session.h"

struct bufferevent;

struct http_wire {
    struct bufferevent *socket;  /* owns the descriptor, and what the client has not taken yet */
    struct http_tls *tls;        /* NULL: plain */
    char peer[INET6_ADDRSTRLEN]; /* empty until it is asked for */
};

/* The client's address, "127.0.0.1"; lives as long as the connection. */
struct text http_wire_peer(struct http_wire *wire);

size_t http_wire_unsent(const struct http_wire *wire);

/* All that is in `bytes`. False when the client is gone. */
bool http_wire_send(struct http_wire *wire, struct evbuffer *bytes) MUST_CHECK;

/* To be sent when the client takes it; a failure shows as one of the socket. */
void http_wire_later(struct http_wire *wire, struct text bytes);

/* Sends what TLS has to say by itself; nothing on a plain connection. A failure as above. */
void http_wire_settle(struct http_wire *wire);

/* Nothing more will be sent; what is unsent may have to go first, so call it again after that. */
void http_wire_shut(struct http_wire *wire);

/* Before the socket is closed: says so, if nothing stands in the way. */
void http_wire_part(struct http_wire *wire);

#endif
