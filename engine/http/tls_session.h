/* tls_session.h: TLS of one connection: what the client sent, opened, and what it is to get,
 * sealed. It reads from the socket and writes to nothing but `sealed`: who uses it sends that on,
 * after each call. Private to wire.c and intake.c. One thread. */
#ifndef STATUTE_HTTP_TLS_H
#define STATUTE_HTTP_TLS_H

#include "base/text.h"
#include "http/tls.h"

struct bio_method_st; /* BIO_METHOD of OpenSSL */
struct evbuffer;
struct http_tls;

/* How OpenSSL reads and writes: one for all connections of a thread. NULL: no memory. */
struct bio_method_st *http_tls_method_new(void);
void http_tls_method_free(struct bio_method_st *method); /* NULL is fine */

/* NULL: no memory. `method` must outlive it. */
struct http_tls *http_tls_new(struct tls *from, const struct bio_method_st *method, int descriptor);
void http_tls_free(struct http_tls *tls); /* NULL is fine */

enum http_tls_result { HTTP_TLS_BYTES, HTTP_TLS_NOTHING, HTTP_TLS_END, HTTP_TLS_FAILED };

/* Goes on with the handshake, then reads. */
enum http_tls_result http_tls_read(struct http_tls *tls, void *room, size_t size, size_t *length);

/* Bytes that have been opened and not read: the socket will not be readable for them. */
bool http_tls_has_more(const struct http_tls *tls);

bool http_tls_is_open(const struct http_tls *tls); /* the handshake is done */

/* False when the connection has failed. */
bool http_tls_seal(struct http_tls *tls, struct text bytes) MUST_CHECK;
/* Seals the last word, once. */
void http_tls_end(struct http_tls *tls);

/* What it was given to send has been taken by the client. */
void http_tls_taken(struct http_tls *tls);

struct evbuffer *http_tls_sealed(struct http_tls *tls);

#endif
