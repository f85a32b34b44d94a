/* bench_evhttp.c: a bare evhttp, the yardstick for statute's HTTP layer: N threads, each with its
 * own event base and evhttp on one listening socket, answering a fixed JSON body of 100 bytes.
 * Prints its URL, and runs until it is killed. Build: cc -O2 scripts/bench_evhttp.c
 * -levent -lpthread -o bench_evhttp. Use: bench_evhttp [threads] */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MOST 64

static const char body[] = "{\"decision\":true,\"context\":{\"reason\":\"permitted\",\"policy\":"
                           "\"0123456789abcdef0123456789abcdef012345\"}}";
_Static_assert(sizeof body - 1 == 100, "the body is 100 bytes long");

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void on_request(struct evhttp_request *request, void *context) {
    (void)context;
    struct evbuffer *output = evhttp_request_get_output_buffer(request);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    evbuffer_add(output, body, sizeof body - 1);
    evhttp_send_reply(request, 200, "OK", NULL);
}

static int listen_anywhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(descriptor, 1024) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) {
        fail("listen");
    }
    printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return descriptor;
}

static void *serve(void *context) {
    const int *listener = context;
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    evhttp_set_gencb(http, on_request, NULL);
    if (evhttp_accept_socket(http, dup(*listener)) != 0) {
        fail("accept");
    }
    event_base_dispatch(base);
    return NULL;
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 1;
    pthread_t ids[THREADS_MOST];
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_anywhere();
    for (int i = 0; i < threads && i < THREADS_MOST; i++) {
        if (pthread_create(&ids[i], NULL, serve, &listener) != 0) {
            fail("thread");
        }
    }
    pthread_join(ids[0], NULL);
    return 0;
}
