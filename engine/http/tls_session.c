/* tls_session.c: OpenSSL between two ends of our own: it reads with recv(2) and writes into an
 * evbuffer, which takes everything. So only reading can have to wait, and what is written waits in
 * the one place where the answers of plain connections wait too.
 *
 * What OpenSSL writes by itself while it reads (alerts, answers to key updates) is what a client
 * can make us hold without asking for anything: it is counted since the client last took all of
 * it, and too much is a failure. */
#include "http/tls_session.h"

#include <errno.h>
#include <event2/buffer.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECORD_BYTES ((size_t)16 << 10) /* RFC 8446 section 5.1 */
#define UNASKED_MOST ((size_t)64 << 10) /* a handshake with a long chain has room in it */

struct http_tls {
    SSL *session;
    struct evbuffer *sealed;
    int descriptor;
    bool at_end;     /* of what the client sends */
    bool is_reading; /* http_tls_read is running */
    bool has_ended;  /* our last word is sealed */
    size_t unasked;  /* bytes written while reading, since the client had taken all */
};

/* --- the two ends --- */

static int read_socket(BIO *bio, char *room, int size) {
    struct http_tls *tls = BIO_get_data(bio);
    ssize_t length = recv(tls->descriptor, room, (size_t)size, 0);
    BIO_clear_retry_flags(bio);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_retry_read(bio);
    }
    tls->at_end |= length == 0;
    return (int)length;
}

static int write_sealed(BIO *bio, const char *bytes, int size) {
    struct http_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    tls->unasked += tls->is_reading ? (size_t)size : 0;
    if (tls->unasked > UNASKED_MOST || evbuffer_add(tls->sealed, bytes, (size_t)size) != 0) {
        return -1;
    }
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer) {
    (void)number, (void)pointer;
    const struct http_tls *tls = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls->at_end;
    default:
        return 0;
    }
}

BIO_METHOD *http_tls_method_new(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "statute");
    if (method != NULL) {
        BIO_meth_set_read(method, read_socket);
        BIO_meth_set_write(method, write_sealed);
        BIO_meth_set_ctrl(method, control);
    }
    return method;
}

void http_tls_method_free(BIO_METHOD *method) {
    BIO_meth_free(method);
}

/* --- life --- */

static bool connect_ends(struct http_tls *tls, const BIO_METHOD *method) {
    BIO *bio = BIO_new(method);
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->session, bio, bio);
    SSL_set_accept_state(tls->session);
    return true;
}

struct http_tls *http_tls_new(struct tls *from, const BIO_METHOD *method, int descriptor) {
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return NULL;
    }
    tls->descriptor = descriptor;
    tls->session = tls_session(from);
    tls->sealed = evbuffer_new();
    if (tls->session == NULL || tls->sealed == NULL || !connect_ends(tls, method)) {
        http_tls_free(tls);
        return NULL;
    }
    return tls;
}

void http_tls_free(struct http_tls *tls) {
    if (tls != NULL) {
        SSL_free(tls->session);
        if (tls->sealed != NULL) {
            evbuffer_free(tls->sealed);
        }
        free(tls);
    }
}

/* --- use --- */

static enum http_tls_result failure(const struct http_tls *tls) {
    switch (SSL_get_error(tls->session, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return HTTP_TLS_NOTHING;
    case SSL_ERROR_ZERO_RETURN:
        return HTTP_TLS_END;
    default:
        return tls->at_end ? HTTP_TLS_END : HTTP_TLS_FAILED;
    }
}

enum http_tls_result http_tls_read(struct http_tls *tls, void *room, size_t size, size_t *length) {
    ERR_clear_error();
    tls->is_reading = true;
    bool got = SSL_read_ex(tls->session, room, size, length) == 1;
    tls->is_reading = false;
    return got ? HTTP_TLS_BYTES : failure(tls);
}

bool http_tls_has_more(const struct http_tls *tls) {
    return SSL_pending(tls->session) > 0;
}

bool http_tls_is_open(const struct http_tls *tls) {
    return SSL_is_init_finished(tls->session);
}

bool http_tls_seal(struct http_tls *tls, struct text bytes) {
    bool sealed = true;
    ERR_clear_error();
    while (bytes.length > 0 && sealed) {
        size_t length = bytes.length < RECORD_BYTES ? bytes.length : RECORD_BYTES;
        size_t written = 0;
        sealed = SSL_write_ex(tls->session, bytes.bytes, length, &written) == 1;
        bytes = (struct text){bytes.bytes + written, bytes.length - written};
    }
    return sealed;
}

void http_tls_end(struct http_tls *tls) {
    if (http_tls_is_open(tls) && !tls->has_ended) {
        tls->has_ended = true;
        ERR_clear_error();
        (void)SSL_shutdown(tls->session);
    }
}

void http_tls_taken(struct http_tls *tls) {
    tls->unasked = 0;
}

struct evbuffer *http_tls_sealed(struct http_tls *tls) {
    return tls->sealed;
}
