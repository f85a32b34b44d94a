/* tls_load.h: a certificate and its key, read from files. Private to tls.c. */
#ifndef STATUTE_TLS_LOAD_H
#define STATUTE_TLS_LOAD_H

#include "base/fault.h"

struct ssl_ctx_st; /* SSL_CTX of OpenSSL */

/* The settings of every connection, with the certificate in them; the caller's to free. */
bool tls_load(const char *certificate, const char *key, struct ssl_ctx_st **out,
              struct fault *fault) MUST_CHECK;

/* When its certificate ends, in microseconds since 1970. */
int64_t tls_load_expires_us(const struct ssl_ctx_st *context);

#endif
