/* lossy_proxy.h: stands between a client and a PostgreSQL server, passes on what they say, and on
 * request loses one COMMIT or its answer, with the client's connection. Loopback only. */
#ifndef STATUTE_TEST_LOSSY_PROXY_H
#define STATUTE_TEST_LOSSY_PROXY_H

enum lossy_way {
    LOSSY_NOT,
    LOSSY_SWALLOW_ANSWER, /* the server commits */
    LOSSY_SWALLOW_COMMIT, /* the server never hears of it */
    LOSSY_DELAY_COMMIT    /* the server hears of it a second after the client was cut off */
};

struct lossy_proxy;

/* Ends the test when it cannot listen. */
struct lossy_proxy *lossy_proxy_start(const char *host, const char *port);
int lossy_proxy_port(const struct lossy_proxy *proxy);
/* What happens to the next COMMIT; afterwards the proxy is honest again. */
void lossy_proxy_arm(struct lossy_proxy *proxy, enum lossy_way way);
/* All connections through it must be closed. */
void lossy_proxy_stop(struct lossy_proxy *proxy);

#endif
