/* tls_load.c: what is spoken is TLS 1.2 with ephemeral keys and authenticated encryption, and TLS
 * 1.3. Nothing is resumed: a ticket's key would outlive the certificate, and calls keep their
 * connections. */
#include "http/tls_load.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

#include "base/now.h"

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define PROTOCOL    "\x08http/1.1" /* in the form of RFC 7301 section 3.1 */

static bool is_readable(const char *path, const char *what, struct fault *fault) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fault_set(fault, FAULT_ENVIRONMENT, "Cannot read the TLS %s %s: %s", what, path,
                         strerror(errno));
    }
    fclose(file);
    return true;
}

static const char *reason(void) {
    const char *said = ERR_reason_error_string(ERR_peek_last_error());
    return said != NULL ? said : "unknown reason";
}

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *asked) {
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static bool use_certificate(SSL_CTX *context, const char *path, struct fault *fault) {
    return is_readable(path, "certificate", fault) &&
           (SSL_CTX_use_certificate_chain_file(context, path) == 1 ||
            fault_set(fault, FAULT_ENVIRONMENT,
                      "%s is not a certificate in PEM, followed by its chain: %s", path, reason()));
}

static bool is_mismatch(void) {
    int code = ERR_GET_REASON(ERR_peek_last_error());
    return ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509 &&
           (code == X509_R_KEY_VALUES_MISMATCH || code == X509_R_KEY_TYPE_MISMATCH);
}

static bool refuse_key(const char *path, bool asked, struct fault *fault) {
    if (asked) {
        return fault_set(fault, FAULT_ENVIRONMENT,
                         "the TLS key %s has a passphrase, which the server cannot enter: give one "
                         "without (openssl pkey -in KEY -out PLAIN)",
                         path);
    }
    if (is_mismatch()) {
        return fault_set(fault, FAULT_ENVIRONMENT,
                         "the TLS key %s does not belong to the certificate: give the key that the "
                         "certificate was made for",
                         path);
    }
    return fault_set(fault, FAULT_ENVIRONMENT, "%s is not a private key in PEM: %s", path,
                     reason());
}

static bool use_key(SSL_CTX *context, const char *path, struct fault *fault) {
    bool asked = false;
    if (!is_readable(path, "key", fault)) {
        return false;
    }
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
    bool used = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1 &&
                SSL_CTX_check_private_key(context) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    return used || refuse_key(path, asked, fault);
}

/* Who offers protocols but not ours gets the alert that RFC 7301 section 3.2 has for it. */
static int choose_protocol(SSL *session, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *none) {
    (void)session, (void)none;
    unsigned char *chosen = NULL;
    int outcome = SSL_select_next_proto(&chosen, length, (const unsigned char *)PROTOCOL,
                                        sizeof PROTOCOL - 1, offered, offered_length);
    *out = chosen;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Without SSL_MODE_AUTO_RETRY a record that is no data ends a read, so that a client that sends
 * only such records leaves others their turn. A connection that breaks off is an end like any
 * other: HTTP knows how long its messages are. */
static bool configure(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1;
}

bool tls_load(const char *certificate, const char *key, SSL_CTX **out, struct fault *fault) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || !configure(context)) {
        fault_set(fault, FAULT_ENVIRONMENT, "Cannot set up TLS: %s", reason());
        SSL_CTX_free(context);
        return false;
    }
    if (!use_certificate(context, certificate, fault) || !use_key(context, key, fault)) {
        SSL_CTX_free(context);
        ERR_clear_error();
        return false;
    }
    *out = context;
    return true;
}

int64_t tls_load_expires_us(const SSL_CTX *context) {
    struct tm parts = {0};
    X509 *certificate = SSL_CTX_get0_certificate(context);
    bool known =
        certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1;
    return known ? (int64_t)timegm(&parts) * NOW_SECOND : 0;
}
