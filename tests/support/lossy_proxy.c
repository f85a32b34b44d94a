/* lossy_proxy.c: one thread accepts, and each connection has a thread of its own; stopping waits
 * for all of them. */
#include "support/lossy_proxy.h"

#include "unit/base/check.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DELAY_MS 1000

struct lossy_proxy {
    int listener;
    int port;
    struct sockaddr_in server;
    atomic_int way;
    atomic_bool stop;
    atomic_int serving; /* connections */
    pthread_t thread;
};

/* COMMIT as a statement ends with a NUL. */
static bool holds_commit(const char *bytes, size_t length) {
    return memmem(bytes, length, "COMMIT", sizeof "COMMIT") != NULL;
}

static bool send_all(int socket, const char *bytes, ssize_t length) {
    return send(socket, bytes, (size_t)length, MSG_NOSIGNAL) == length;
}

/* Loses the COMMIT that has arrived, in the way that was asked for. */
static void lose(enum lossy_way way, int client, int server, const char *bytes, ssize_t length) {
    char answer[1024];
    if (way == LOSSY_SWALLOW_ANSWER && send_all(server, bytes, length)) {
        (void)!read(server, answer, sizeof answer);
    }
    shutdown(client, SHUT_RDWR);
    if (way == LOSSY_DELAY_COMMIT) {
        poll(NULL, 0, DELAY_MS);
        if (send_all(server, bytes, length)) {
            (void)!read(server, answer, sizeof answer);
        }
    }
}

/* Passes on what one side says; false at its end, or when a COMMIT was lost. */
static bool pass(struct lossy_proxy *proxy, int client, int server, bool from_client) {
    static _Thread_local char bytes[65536];
    ssize_t length = read(from_client ? client : server, bytes, sizeof bytes);
    if (length <= 0) {
        return false;
    }
    if (from_client && atomic_load(&proxy->way) != LOSSY_NOT &&
        holds_commit(bytes, (size_t)length)) {
        lose((enum lossy_way)atomic_exchange(&proxy->way, LOSSY_NOT), client, server, bytes,
             length);
        return false;
    }
    return send_all(from_client ? server : client, bytes, length);
}

struct pair {
    struct lossy_proxy *proxy;
    int client;
};

static void *serve(void *context) {
    struct pair *pair = context;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bool fine =
        connect(server, (struct sockaddr *)&pair->proxy->server, sizeof pair->proxy->server) == 0;
    while (fine) {
        struct pollfd sides[] = {{.fd = pair->client, .events = POLLIN},
                                 {.fd = server, .events = POLLIN}};
        poll(sides, 2, -1);
        fine = (sides[0].revents == 0 || pass(pair->proxy, pair->client, server, true)) &&
               (sides[1].revents == 0 || pass(pair->proxy, pair->client, server, false));
    }
    close(server);
    close(pair->client);
    atomic_fetch_sub(&pair->proxy->serving, 1);
    free(pair);
    return NULL;
}

static void *accept_all(void *context) {
    struct lossy_proxy *proxy = context;
    for (;;) {
        int client = accept(proxy->listener, NULL, NULL);
        if (client < 0 || atomic_load(&proxy->stop)) {
            close(client);
            return NULL;
        }
        pthread_t thread;
        struct pair *pair = malloc(sizeof *pair);
        *pair = (struct pair){proxy, client};
        atomic_fetch_add(&proxy->serving, 1);
        pthread_create(&thread, NULL, serve, pair);
        pthread_detach(thread);
    }
}

struct lossy_proxy *lossy_proxy_start(const char *host, const char *port) {
    struct lossy_proxy *proxy = calloc(1, sizeof *proxy);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    assert_non_null(proxy);
    proxy->server = (struct sockaddr_in){.sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
    assert_int_equal(inet_pton(AF_INET, host, &proxy->server.sin_addr), 1);
    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(listen(proxy->listener, 8), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&own, &length), 0);
    proxy->port = ntohs(own.sin_port);
    assert_int_equal(pthread_create(&proxy->thread, NULL, accept_all, proxy), 0);
    return proxy;
}

int lossy_proxy_port(const struct lossy_proxy *proxy) {
    return proxy->port;
}

void lossy_proxy_arm(struct lossy_proxy *proxy, enum lossy_way way) {
    atomic_store(&proxy->way, way);
}

void lossy_proxy_stop(struct lossy_proxy *proxy) {
    atomic_store(&proxy->stop, true);
    shutdown(proxy->listener, SHUT_RDWR);
    pthread_join(proxy->thread, NULL);
    while (atomic_load(&proxy->serving) > 0) {
        poll(NULL, 0, 1);
    }
    close(proxy->listener);
    free(proxy);
}
