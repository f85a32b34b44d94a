/* tls.h: the certificate that a server shows, renewed while it runs, and what of TLS is spoken.
 * How to use: tls_open, tls_start (a thread that looks after the files), and later tls_stop and
 * tls_close. Both files are looked at twice a second, and at once after tls_reload. A connection
 * keeps the certificate that it began with. Thread-safe. */
#ifndef STATUTE_TLS_H
#define STATUTE_TLS_H

#include "base/fault.h"
#include "base/now.h"

struct tls;
struct ssl_st; /* SSL of OpenSSL */

/* PEM files: the certificate, followed by those that lead to a root, and its key, without a
 * passphrase. FAULT_ENVIRONMENT names the file and what is wrong with it. */
bool tls_open(struct text certificate, struct text key, struct now now, struct tls **out,
              struct fault *fault) MUST_CHECK;
bool tls_start(struct tls *tls, struct fault *fault) MUST_CHECK;
void tls_stop(struct tls *tls);
void tls_close(struct tls *tls); /* NULL is fine */

/* Reads the files now, changed or not. What cannot be used is logged, and changes nothing. */
void tls_reload(struct tls *tls);

/* The server's side of a new connection; the caller's to free, also after tls_close. NULL: no
 * memory. */
struct ssl_st *tls_session(struct tls *tls);

int64_t tls_expires_us(struct tls *tls); /* since 1970: the end of the certificate in force */
uint64_t tls_reloads(const struct tls *tls, bool success);

#endif
