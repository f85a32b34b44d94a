/* What can happen to a lock whose server is somewhere else. */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lock/lock.h"
#include "lock/redis_url.h"
#include "support/lock_server.h"

#define LONG_US    (60 * NOW_SECOND)
#define PATIENT_US (5 * NOW_SECOND)

struct scene {
    struct lock_server server;
    struct lock_registry *registry;
    struct lock *lock, *other;
    struct now now;
};

static int set_up(void **state) {
    static struct scene scene;
    struct fault fault = FAULT_INIT;
    scene.now = now_system();
    lock_server_open(&scene.server, NULL);
    scene.registry = lock_registry_new(scene.now, TEXT_NONE);
    assert_true(lock_open(text_of(scene.server.url), scene.registry, &scene.lock, &fault));
    assert_true(lock_open(text_of(scene.server.url), scene.registry, &scene.other, &fault));
    *state = &scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    lock_close(scene->lock);
    lock_close(scene->other);
    lock_registry_free(scene->registry);
    lock_server_close(&scene->server);
    return 0;
}

static struct lock_claim claim_of(const char *key) {
    return (struct lock_claim){.key = text_of(key), .ttl_us = LONG_US};
}

static bool takes(struct lock *lock, struct lock_claim *claim) {
    struct fault fault = FAULT_INIT;
    return lock_take(lock, claim, 1, &fault) && claim->granted;
}

/* Says how long it took. */
static int64_t assert_unavailable(struct scene *scene, struct lock *lock) {
    struct fault fault = FAULT_INIT;
    struct lock_claim claims[] = {claim_of("x"), claim_of("y")};
    int64_t started_us = now_monotonic_us(&scene->now);
    assert_false(lock_take(lock, claims, 2, &fault));
    assert_int_equal(fault.code, FAULT_LOCK_UNAVAILABLE);
    assert_non_null(strstr(fault.message, "127.0.0.1"));
    assert_false(claims[0].granted || claims[1].granted);
    assert_true(lock_registry_is_down(scene->registry));
    return now_monotonic_us(&scene->now) - started_us;
}

static void assert_recovers(struct scene *scene, struct lock *lock) {
    struct lock_claim claim = claim_of("recovered");
    int64_t deadline_us = now_monotonic_us(&scene->now) + PATIENT_US;
    while (!takes(lock, &claim)) {
        assert_true(now_monotonic_us(&scene->now) < deadline_us);
        usleep(20000);
    }
    lock_drop(lock, &claim, 1);
    assert_false(lock_registry_is_down(scene->registry));
}

static void the_key_in_redis_is_the_key_of_the_claim(void **state) {
    struct scene *scene = *state;
    struct lock_claim claim = claim_of("state_transition:task:1");
    assert_true(takes(scene->lock, &claim));
    assert_true(lock_server_say(&scene->server, "EXISTS state_transition:task:1", ":1"));
    lock_drop(scene->lock, &claim, 1);
    assert_true(lock_server_say(&scene->server, "EXISTS state_transition:task:1", ":0"));
}

static void a_server_that_is_gone_is_unavailable_until_it_is_back(void **state) {
    struct scene *scene = *state;
    struct lock_claim claim = claim_of("a");
    assert_true(takes(scene->lock, &claim));
    lock_server_stop(&scene->server);
    assert_false(lock_renew(scene->lock, &claim, 1));
    lock_drop(scene->lock, &claim, 1);
    assert_unavailable(scene, scene->lock);
    lock_server_start(&scene->server);
    assert_recovers(scene, scene->lock);
}

static void a_connection_that_broke_while_idle_goes_unnoticed(void **state) {
    struct scene *scene = *state;
    struct lock_claim claim = claim_of("a");
    assert_true(takes(scene->lock, &claim));
    assert_true(lock_server_say(&scene->server, "CLIENT KILL TYPE normal SKIPME yes", ":"));
    assert_true(lock_renew(scene->lock, &claim, 1));
    assert_true(lock_server_say(&scene->server, "CLIENT KILL TYPE normal SKIPME yes", ":"));
    lock_drop(scene->lock, &claim, 1);
    lock_server_stop(&scene->server);
    lock_server_start(&scene->server);
    assert_true(takes(scene->lock, &claim));
    assert_false(takes(scene->other, &claim));
}

static void a_server_that_does_not_answer_costs_a_second_once(void **state) {
    struct scene *scene = *state;
    struct fault fault = FAULT_INIT;
    struct lock_claim claim = claim_of("a");
    assert_true(takes(scene->lock, &claim));
    lock_server_pause(&scene->server);
    assert_true(assert_unavailable(scene, scene->lock) < 2 * NOW_SECOND);
    assert_true(assert_unavailable(scene, scene->lock) < 100 * NOW_MILLISECOND);
    lock_drop(scene->lock, &claim, 1);
    usleep(1100000);
    assert_true(assert_unavailable(scene, scene->lock) < 700 * NOW_MILLISECOND);
    int64_t started_us = now_monotonic_us(&scene->now);
    assert_false(lock_ping(scene->other, &fault));
    assert_true(now_monotonic_us(&scene->now) - started_us < 700 * NOW_MILLISECOND);
    lock_server_resume(&scene->server);
    assert_recovers(scene, scene->lock);
    assert_recovers(scene, scene->other);
}

static void a_flush_loses_holds_and_a_renewal_says_so(void **state) {
    struct scene *scene = *state;
    struct lock_claim claim = claim_of("a");
    assert_true(takes(scene->lock, &claim));
    assert_true(lock_renew(scene->lock, &claim, 1));
    assert_true(lock_server_say(&scene->server, "FLUSHALL", "+OK"));
    assert_false(lock_renew(scene->lock, &claim, 1));
    struct lock_claim theirs = claim_of("a");
    assert_true(takes(scene->other, &theirs));
    lock_drop(scene->lock, &claim, 1);
    assert_true(lock_renew(scene->other, &theirs, 1));
}

/* A server that is full refuses to write, and answers all else. */
static void a_refusal_of_the_server_leaves_nothing_held(void **state) {
    struct scene *scene = *state;
    assert_true(lock_server_say(&scene->server, "CONFIG SET min-replicas-to-write 1", "+OK"));
    assert_unavailable(scene, scene->lock);
    assert_true(lock_server_say(&scene->server, "CONFIG SET min-replicas-to-write 0", "+OK"));
    assert_true(lock_server_say(&scene->server, "DBSIZE", ":0"));
    assert_recovers(scene, scene->lock);
}

static void the_password_is_needed_and_never_told(void **state) {
    struct scene *scene = *state;
    struct lock_server server;
    struct fault fault = FAULT_INIT;
    struct lock *right, *wrong;
    char url[160];
    lock_server_open(&server, "secret");
    snprintf(url, sizeof url, "redis://:mistake@127.0.0.1:%d/3", server.port);
    assert_true(lock_open(text_of(server.url), scene->registry, &right, &fault));
    assert_true(lock_open(text_of(url), scene->registry, &wrong, &fault));
    assert_true(lock_ping(right, &fault));
    assert_false(lock_ping(wrong, &fault));
    assert_int_equal(fault.code, FAULT_LOCK_UNAVAILABLE);
    assert_non_null(strstr(fault.message, "WRONGPASS"));
    assert_null(strstr(fault.message, "mistake"));
    lock_close(right);
    lock_close(wrong);
    lock_server_close(&server);
}

static void a_database_is_a_space_of_its_own(void **state) {
    struct scene *scene = *state;
    struct fault fault = FAULT_INIT;
    struct lock *third;
    char url[160];
    snprintf(url, sizeof url, "%s/3", scene->server.url);
    assert_true(lock_open(text_of(url), scene->registry, &third, &fault));
    struct lock_claim claim = claim_of("a"), same = claim_of("a");
    assert_true(takes(scene->lock, &claim));
    assert_true(takes(third, &same));
    assert_false(takes(third, &same));
    lock_close(third);
}

static void a_url_is_cut_into_its_parts(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    struct redis_url url;
    assert_true(lock_redis_url(TEXT("//us%65r:p%40s/s:@x@[::1]:7000/12"), &url, &fault));
    assert_string_equal(url.user, "user");
    assert_string_equal(url.password, "p@s/s:@x");
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 7000);
    assert_int_equal(url.database, 12);
    assert_true(lock_redis_url(TEXT("//[::1]/"), &url, &fault));
    assert_string_equal(url.host, "::1");
    assert_string_equal(url.password, "");
    assert_int_equal(url.port, 6379);
    assert_int_equal(url.database, 0);
}

/* --- a server that is none --- */

/* Answers the first `polite` commands as Redis would, and all others with `reply`. Ends with the
 * test. */
struct impostor {
    pid_t pid;
    char url[64];
};

static void answer_all(int client, int polite, const char *reply, size_t length) {
    char bytes[4096];
    ssize_t got;
    int commands = 0;
    while ((got = read(client, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            bool begins = bytes[i] == '*' && (i == 0 || bytes[i - 1] == '\n');
            if (begins && commands++ < polite) {
                (void)!write(client, "+PONG\r\n", 7);
            } else if (begins) {
                (void)!write(client, reply, length);
            }
        }
    }
    close(client);
}

static struct impostor impostor_open(int polite, const char *reply, size_t length) {
    struct impostor impostor;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(impostor.url, sizeof impostor.url, "redis://127.0.0.1:%d", ntohs(address.sin_port));
    impostor.pid = fork();
    assert_true(impostor.pid >= 0);
    if (impostor.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            answer_all(accept(listener, NULL, NULL), polite, reply, length);
        }
    }
    close(listener);
    return impostor;
}

static void impostor_close(struct impostor *impostor) {
    kill(impostor->pid, SIGKILL);
    waitpid(impostor->pid, NULL, 0);
}

/* Somebody else's lock. */
static bool is_nil(const char *reply) {
    return strcmp(reply, "$-1\r\n") == 0 || strcmp(reply, "*-1\r\n") == 0;
}

/* No call holds what it was not given, waits longer than its time, or fails without a word. */
static void check_impostor(int polite, const char *reply, size_t length) {
    struct impostor impostor = impostor_open(polite, reply, length);
    struct now now = now_system();
    struct lock_registry *registry = lock_registry_new(now, TEXT_NONE);
    struct lock *locks[4]; /* one for each call, since one that failed pauses */
    struct fault fault = FAULT_INIT;
    struct lock_claim claim = claim_of("a");
    int64_t started_us = now_monotonic_us(&now);
    for (int i = 0; i < 4; i++) {
        assert_true(lock_open(text_of(impostor.url), registry, &locks[i], &fault));
    }
    bool is_refused = lock_take(locks[0], &claim, 1, &fault);
    assert_false(claim.granted);
    assert_int_equal(is_refused, polite > 0 && is_nil(reply));
    assert_int_equal(fault.code, is_refused ? FAULT_NONE : FAULT_LOCK_UNAVAILABLE);
    assert_true(is_refused ||
                strlen(fault.message) > strlen("the lock server 127.0.0.1:1 is not available: "));
    claim.granted = true;
    assert_false(lock_renew(locks[1], &claim, 1));
    lock_drop(locks[2], &claim, 1);
    fault = FAULT_INIT;
    assert_false(lock_ping(locks[3], &fault));
    assert_int_equal(fault.code, FAULT_LOCK_UNAVAILABLE);
    assert_true(now_monotonic_us(&now) - started_us < 8 * NOW_SECOND);
    for (int i = 0; i < 4; i++) {
        lock_close(locks[i]);
    }
    lock_registry_free(registry);
    impostor_close(&impostor);
}

static void whatever_a_server_answers_no_call_is_misled_by_it(void **state) {
    static const char *const replies[] = {"$4\r\nPONG\r\n",
                                          "$-1\r\n",
                                          ":1\r\n",
                                          ":-1\r\n",
                                          "*0\r\n",
                                          "*-1\r\n",
                                          "*2\r\n:1\r\n+OK\r\n",
                                          "+QUEUED\r\n",
                                          "+\r\n",
                                          "-ERR no\r\n",
                                          "-\r\n",
                                          "HTTP/1.1 400 Bad Request\r\n\r\n",
                                          "\r\n",
                                          "%1\r\n+a\r\n:1\r\n",
                                          "#t\r\n",
                                          "*1000000000\r\n",
                                          "$9999999999999\r\n",
                                          ":99999999999999999999999\r\n",
                                          "+unfinished"};
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        check_impostor(0, replies[i], strlen(replies[i]));
        if (strcmp(replies[i], ":1\r\n") != 0) { /* what a script does answer */
            check_impostor(1, replies[i], strlen(replies[i]));
        }
    }
}

static void a_reply_without_end_is_cut_off(void **state) {
    static char reply[4 << 20] = "$1000000000\r\n";
    (void)state;
    memset(reply + 13, 'x', sizeof reply - 13);
    check_impostor(0, reply, sizeof reply);
    check_impostor(1, reply, sizeof reply);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_key_in_redis_is_the_key_of_the_claim),
        CASE(a_server_that_is_gone_is_unavailable_until_it_is_back),
        CASE(a_connection_that_broke_while_idle_goes_unnoticed),
        CASE(a_server_that_does_not_answer_costs_a_second_once),
        CASE(a_flush_loses_holds_and_a_renewal_says_so),
        CASE(a_refusal_of_the_server_leaves_nothing_held),
        CASE(the_password_is_needed_and_never_told),
        CASE(a_database_is_a_space_of_its_own),
        cmocka_unit_test(a_url_is_cut_into_its_parts),
        cmocka_unit_test(whatever_a_server_answers_no_call_is_misled_by_it),
        cmocka_unit_test(a_reply_without_end_is_cut_off),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
