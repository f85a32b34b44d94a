/* listen.h: the listening socket. Private to http.c. */
#ifndef STATUTE_HTTP_LISTEN_H
#define STATUTE_HTTP_LISTEN_H

#include "base/fault.h"

/* Binds and listens on "127.0.0.1:8080", "[::1]:0" or "name:port"; the descriptor does not block
 * and is closed on exec. Two servers on one address are an error. Accepted sockets inherit
 * TCP_NODELAY. FAULT_ENVIRONMENT names the address. */
bool http_listen(struct text address, int *descriptor, struct fault *fault) MUST_CHECK;
int http_listen_port(int descriptor);

#endif
