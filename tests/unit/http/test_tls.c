/* What a client of TLS can make the server hold without asking for anything. */
#include "unit/http/fixture.h"

#include <openssl/ssl.h>
#include <signal.h>

#include "http/tls.h"

#define UPDATES_MOST 1000000

static void make_certificate(const char *folder) {
    char command[512];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
             "-keyout %s/key -out %s/cert 2>/dev/null",
             folder, folder);
    assert_int_equal(system(command), 0);
}

static struct tls *open_tls(char *folder) {
    struct fault fault = FAULT_INIT;
    struct tls *tls;
    char certificate[64], key[64];
    assert_non_null(mkdtemp(folder));
    make_certificate(folder);
    snprintf(certificate, sizeof certificate, "%s/cert", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    if (!tls_open(text_of(certificate), text_of(key), now_system(), &tls, &fault)) {
        fail_msg("%s", fault.message);
    }
    unlink(certificate);
    unlink(key);
    rmdir(folder);
    return tls;
}

/* Asks for new keys again and again, each time to be answered, and reads no answer. */
static unsigned update_until_closed(SSL *session) {
    unsigned updates = 0;
    while (updates < UPDATES_MOST && SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) == 1 &&
           SSL_do_handshake(session) == 1) {
        updates++;
    }
    return updates;
}

static void who_asks_for_new_keys_and_never_listens_is_closed(void **state) {
    (void)state;
    static struct server server;
    char folder[] = "/tmp/statute-tls.XXXXXX";
    struct tls *tls = open_tls(folder);
    struct http_options options = plain_options(&server);
    options.tls = tls;
    serve(&server, &options);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *session = SSL_new(context);
    int client = dial(&server);
    SSL_set_fd(session, client);
    assert_int_equal(SSL_connect(session), 1);
    signal(SIGPIPE, SIG_IGN);
    assert_in_range(update_until_closed(session), 100, UPDATES_MOST - 1);
    EVENTUALLY(http_counts(server.http).connections_open == 0);
    SSL_free(session);
    SSL_CTX_free(context);
    close(client);
    unserve(&server);
    tls_close(tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_for_new_keys_and_never_listens_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
