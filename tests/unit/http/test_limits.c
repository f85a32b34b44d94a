/* What a client may cost: time, memory, connections, descriptors; and how a server ends. */
#include "unit/http/fixture.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define MS  NOW_MILLISECOND
#define GET "GET /a HTTP/1.1\r\n" HOST "\r\n"

static int64_t now_ms(void) {
    struct now now = now_system();
    return now_monotonic_us(&now) / 1000;
}

static struct server *serve_with(struct http_limits limits, unsigned threads) {
    static struct server server;
    server = (struct server){0};
    struct http_options options = plain_options(&server);
    options.limits = limits;
    options.threads = threads;
    serve(&server, &options);
    return &server;
}

/* --- time --- */

/* Sends `bytes` one at a time, every 20 ms, then 'x' for ever; returns what is answered, and when.
 */
static struct text drip(struct server *server, struct text bytes, int64_t *took_ms) {
    struct buffer heard;
    int64_t began_ms = now_ms();
    int client = dial(server);
    buffer_init(&heard, &server->arena);
    for (size_t i = 0; i < 500; i++) {
        say(client, i < bytes.length ? (struct text){bytes.bytes + i, 1} : TEXT("x"));
        struct pollfd watched = {.fd = client, .events = POLLIN};
        if (poll(&watched, 1, 20) > 0 && !hear_some(client, &heard, 0)) {
            break;
        }
    }
    *took_ms = now_ms() - began_ms;
    close(client);
    return buffer_view(&heard);
}

static void a_slow_head_is_cut_at_its_deadline(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.header_timeout_us = 300 * MS;
    struct server *server = serve_with(limits, 1);
    int64_t took_ms;
    struct text answer = drip(server, TEXT("GET /a HTTP/1.1\r\nHost: "), &took_ms);
    assert_refusal(answer, 408, "request_timeout");
    assert_in_range(took_ms, 250, 1500);
    unserve(server);
}

static void a_slow_body_is_cut_at_its_deadline(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.body_timeout_us = 400 * MS;
    struct server *server = serve_with(limits, 1);
    int client = dial(server);
    int64_t began_ms = now_ms();
    say(client, TEXT("POST /a HTTP/1.1\r\n" HOST "Content-Length: 9000\r\n\r\n"));
    while (is_silent(client, 20)) {
        say(client, TEXT("x"));
    }
    assert_in_range(now_ms() - began_ms, 300, 1500);
    assert_refusal(hear_all(server, client), 408, "request_timeout");
    assert_int_equal(http_counts(server->http).timed_out, 1);
    unserve(server);
}

static void a_client_that_says_nothing_is_cut(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.header_timeout_us = 200 * MS;
    struct server *server = serve_with(limits, 1);
    int64_t began_ms = now_ms();
    assert_int_equal(hear_all(server, dial(server)).length, 0);
    assert_in_range(now_ms() - began_ms, 150, 1500);
    unserve(server);
}

static void an_idle_connection_is_closed_without_a_word(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.idle_timeout_us = 200 * MS;
    struct server *server = serve_with(limits, 1);
    int client = dial(server);
    say(client, TEXT(GET));
    hear_until(server, client, "GET /a 0 \n");
    int64_t began_ms = now_ms();
    assert_int_equal(hear_all(server, client).length, 0);
    assert_in_range(now_ms() - began_ms, 150, 1500);
    unserve(server);
}

static void a_client_that_does_not_read_is_closed(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.write_timeout_us = 300 * MS;
    struct server *server = serve_with(limits, 1);
    int client = dial(server);
    say(client, TEXT("GET /big HTTP/1.1\r\n" HOST "\r\n"));
    EVENTUALLY(http_counts(server->http).requests_total == 1);
    int64_t began_ms = now_ms();
    EVENTUALLY(http_counts(server->http).connections_open == 0);
    assert_in_range(now_ms() - began_ms, 100, 1500);
    close(client);
    unserve(server);
}

static void a_long_answer_takes_no_ones_time(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.header_timeout_us = limits.body_timeout_us = limits.idle_timeout_us = 100 * MS;
    struct server *server = serve_with(limits, 1);
    int client = dial(server);
    say(client, TEXT("GET /hold HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_true(is_silent(client, 400));
    release(server);
    assert_true(contains(hear_all(server, client), "GET /hold 0 \n"));
    unserve(server);
}

/* --- memory --- */

static size_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Sanitizers keep freed memory for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GROWTH_MOST ((size_t)400 << 20)
#else
#define GROWTH_MOST ((size_t)16 << 20)
#endif

static int64_t user_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec * INT64_C(1000000) + used.ru_utime.tv_usec;
}

/* What it has begun it may finish; a server that spins never rests. */
static bool comes_to_rest(void) {
    for (int i = 0; i < 20; i++) {
        int64_t before_us = user_us();
        usleep(300000);
        if (user_us() - before_us < 100000) {
            return true;
        }
    }
    return false;
}

static void a_client_that_pipelines_and_never_reads_costs_little(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 1);
    size_t before = resident_bytes();
    int client = dial(server);
    /* What the kernel holds for a client is no matter of ours: a small window ends it sooner. */
    int window = 64 << 10;
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &window, sizeof window), 0);
    int64_t stop_ms = now_ms() + 10000;
    struct pollfd watched = {.fd = client, .events = POLLOUT};
    fcntl(client, F_SETFL, O_NONBLOCK);
    while (poll(&watched, 1, 500) > 0 && now_ms() < stop_ms) {
        ssize_t sent = send(client, GET, sizeof GET - 1, MSG_NOSIGNAL);
        (void)sent;
    }
    assert_true(now_ms() < stop_ms); /* it was stopped, not us */
    assert_true(resident_bytes() - before < GROWTH_MOST || resident_bytes() < before);
    assert_true(comes_to_rest());
    close(client);
    EVENTUALLY(http_counts(server->http).connections_open == 0);
    unserve(server);
}

static void many_large_bodies_leave_memory_flat(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 1);
    size_t before = resident_bytes();
    int client = dial(server);
    for (int i = 0; i < 50; i++) {
        say(client, TEXT("POST /a HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n"));
        say(client, (struct text){big_body().bytes, 1000000});
        struct buffer heard;
        struct arena arena;
        arena_init(&arena, 0);
        buffer_init(&heard, &arena);
        while (heard.length < 1000000) {
            assert_true(hear_some(client, &heard, 5000));
        }
        while (hear_some(client, &heard, 1)) {
        }
        arena_deinit(&arena);
    }
    close(client);
    assert_true(resident_bytes() < before + GROWTH_MOST);
    unserve(server);
}

/* --- connections and descriptors --- */

static void connections_over_the_cap_wait_for_their_turn(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.connections = 2;
    struct server *server = serve_with(limits, 1);
    int clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = dial(server);
        say(clients[i], TEXT(GET));
    }
    hear_until(server, clients[0], "GET /a 0 \n");
    hear_until(server, clients[1], "GET /a 0 \n");
    assert_true(is_silent(clients[2], 300) && is_silent(clients[3], 0));
    assert_int_equal(http_counts(server->http).connections_open, 2);
    close(clients[0]);
    hear_until(server, clients[2], "GET /a 0 \n");
    assert_true(is_silent(clients[3], 100));
    close(clients[1]);
    close(clients[2]);
    hear_until(server, clients[3], "GET /a 0 \n");
    close(clients[3]);
    assert_true(http_counts(server->http).accept_pauses >= 1);
    unserve(server);
}

static void two_threads_share_the_connections(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default();
    limits.connections = 8;
    struct server *server = serve_with(limits, 2);
    int clients[40];
    for (int i = 0; i < 40; i++) {
        clients[i] = dial(server);
        say(clients[i], TEXT("GET /later HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    }
    for (int i = 0; i < 40; i++) {
        assert_true(text_ends(hear_all(server, clients[i]), TEXT("GET /later 0 \n")));
    }
    assert_int_equal(http_counts(server->http).connections_total, 40);
    unserve(server);
}

/* The clients of the next test, in a process that has descriptors enough. */
static void crowd(const struct server *server, int go) {
    enum { CLIENTS = 8 };
    int clients[CLIENTS];
    char byte, heard[4096];
    if (read(go, &byte, 1) != 1) {
        _exit(1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = try_connect(server);
        say(clients[i], TEXT("GET /a HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    }
    usleep(1000000);
    for (int i = 0; i < CLIENTS; i++) {
        if (recv(clients[i], heard, sizeof heard, 0) <= 0) {
            _exit(2);
        }
    }
    _exit(0);
}

static int64_t cpu_ms(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void without_descriptors_it_waits_and_does_not_spin(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 1);
    struct rlimit before, few;
    int go[2];
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        crowd(server, go[0]);
    }
    int next = dup(go[0]);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = (rlim_t)next + 2; /* as if others had taken the rest */
    setrlimit(RLIMIT_NOFILE, &few);
    assert_int_equal(write(go[1], "x", 1), 1);
    EVENTUALLY(http_counts(server->http).accept_pauses >= 1);
    int64_t began_ms = cpu_ms();
    usleep(500000);
    assert_true(cpu_ms() - began_ms < 200);
    setrlimit(RLIMIT_NOFILE, &before);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(go[0]);
    close(go[1]);
    unserve(server);
}

static void the_cap_stays_below_the_descriptor_limit(void **state) {
    (void)state;
    struct rlimit before, few;
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 66;
    setrlimit(RLIMIT_NOFILE, &few);
    struct server *server = serve_with(http_limits_default(), 1);
    setrlimit(RLIMIT_NOFILE, &before);
    int clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = dial(server);
        say(clients[i], TEXT(GET));
    }
    EVENTUALLY(http_counts(server->http).connections_open == 2);
    assert_true(is_silent(clients[2], 200));
    for (int i = 0; i < 3; i++) {
        close(clients[i]);
    }
    unserve(server);
}

static void two_servers_on_one_port_are_an_error(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 1);
    struct http_options options = plain_options(server);
    struct fault fault = FAULT_INIT;
    struct http *second = NULL;
    options.address = text_print(&server->arena, "127.0.0.1:%d", http_port(server->http));
    assert_false(http_open(&options, &second, &fault));
    assert_int_equal(fault.code, FAULT_ENVIRONMENT);
    assert_non_null(strstr(fault.message, "127.0.0.1"));
    options.address = TEXT("nonsense");
    assert_false(http_open(&options, &second, &fault));
    options.address = TEXT("[::1]:0");
    assert_true(http_open(&options, &second, &fault) || fault.code == FAULT_ENVIRONMENT);
    http_close(second);
    unserve(server);
}

/* --- clients that leave, and ends --- */

static void reset(int client) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(client);
}

static void leave(int client, bool rudely) {
    if (rudely) {
        reset(client);
    } else {
        close(client);
    }
}

static void a_client_that_leaves_is_a_dropped_answer(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 1);
    for (int i = 0; i < 20; i++) {
        int client = dial(server);
        say(client, TEXT("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
        EVENTUALLY(atomic_load(&server->handled) == (unsigned)i + 1);
        leave(client, i % 2 == 0);
    }
    EVENTUALLY(http_counts(server->http).connections_open == 10); /* a half-closed one may listen */
    release(server);
    EVENTUALLY(atomic_load(&server->observed) == 20);
    EVENTUALLY(http_counts(server->http).connections_open == 0);
    assert_true(contains(ask(server, TEXT("GET /a HTTP/1.1\r\n" HOST CLOSE "\r\n")), "GET /a 0"));
    unserve(server);
}

static void a_client_may_leave_at_any_byte(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 2);
    struct text bytes = TEXT("POST /later HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                             "3\r\nabc\r\n0\r\n\r\nGET /big HTTP/1.1\r\n" HOST "\r\n");
    for (size_t cut = 0; cut <= bytes.length; cut++) {
        int client = dial(server);
        say(client, (struct text){bytes.bytes, cut});
        usleep((useconds_t)(cut % 3 * 300));
        leave(client, cut % 2 == 0);
    }
    EVENTUALLY(http_counts(server->http).connections_open == 0);
    unserve(server);
}

struct stopping {
    struct http *http;
    int64_t drain_us;
    _Atomic bool done;
};

static void *stop(void *context) {
    struct stopping *stopping = context;
    http_stop(stopping->http, stopping->drain_us);
    atomic_store(&stopping->done, true);
    return NULL;
}

static void stopping_lets_requests_in_flight_finish(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 2);
    struct stopping stopping = {.http = server->http, .drain_us = 10 * NOW_SECOND};
    pthread_t thread;
    int idle = dial(server), busy = dial(server), half = dial(server);
    say(idle, TEXT(GET));
    hear_until(server, idle, "GET /a 0 \n");
    say(busy, TEXT("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    say(half, TEXT("POST /half HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\na"));
    EVENTUALLY(atomic_load(&server->handled) == 2);
    usleep(50000);
    pthread_create(&thread, NULL, stop, &stopping);
    assert_int_equal(hear_all(server, idle).length, 0);
    EVENTUALLY(try_connect(server) < 0);
    assert_false(atomic_load(&stopping.done));
    say(half, TEXT("b"));
    assert_true(contains(hear_all(server, half), "POST /half 2 ab\n"));
    release(server);
    struct text answer = hear_all(server, busy);
    assert_true(contains(answer, "\r\nConnection: close\r\n"));
    assert_true(text_ends(answer, TEXT("GET /hold 0 \n")));
    pthread_join(thread, NULL);
    unserve(server);
}

static void stopping_gives_up_when_its_time_is_over(void **state) {
    (void)state;
    struct server *server = serve_with(http_limits_default(), 2);
    int busy = dial(server), left = dial(server);
    say(busy, TEXT("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    say(left, TEXT("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    EVENTUALLY(atomic_load(&server->handled) == 2);
    reset(left);
    int64_t began_ms = now_ms();
    http_stop(server->http, 200 * MS);
    assert_in_range(now_ms() - began_ms, 150, 1500);
    assert_int_equal(hear_all(server, busy).length, 0);
    join_other(server); /* its answers come too late, and are freed */
    http_close(server->http);
    mailbox_free(server->jobs);
    arena_deinit(&server->arena);
}

static void a_server_that_was_never_started_can_be_closed(void **state) {
    (void)state;
    struct server server = {0};
    struct http_options options = plain_options(&server);
    struct fault fault;
    assert_true(http_open(&options, &server.http, &fault));
    assert_true(http_port(server.http) > 0);
    http_close(server.http);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_head_is_cut_at_its_deadline),
        cmocka_unit_test(a_slow_body_is_cut_at_its_deadline),
        cmocka_unit_test(a_client_that_says_nothing_is_cut),
        cmocka_unit_test(an_idle_connection_is_closed_without_a_word),
        cmocka_unit_test(a_client_that_does_not_read_is_closed),
        cmocka_unit_test(a_long_answer_takes_no_ones_time),
        cmocka_unit_test(a_client_that_pipelines_and_never_reads_costs_little),
        cmocka_unit_test(many_large_bodies_leave_memory_flat),
        cmocka_unit_test(connections_over_the_cap_wait_for_their_turn),
        cmocka_unit_test(two_threads_share_the_connections),
        cmocka_unit_test(without_descriptors_it_waits_and_does_not_spin),
        cmocka_unit_test(the_cap_stays_below_the_descriptor_limit),
        cmocka_unit_test(two_servers_on_one_port_are_an_error),
        cmocka_unit_test(a_client_that_leaves_is_a_dropped_answer),
        cmocka_unit_test(a_client_may_leave_at_any_byte),
        cmocka_unit_test(stopping_lets_requests_in_flight_finish),
        cmocka_unit_test(stopping_gives_up_when_its_time_is_over),
        cmocka_unit_test(a_server_that_was_never_started_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
