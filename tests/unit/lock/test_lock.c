/* What every kind of lock keeps to: each case runs on each of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lock/lock.h"
#include "support/lock_server.h"
#include "support/store_fixture.h"

#define SHORT_US (200 * NOW_MILLISECOND)
#define LONG_US  (60 * NOW_SECOND)

/* A fake clock for the lock that uses ours; servers have their own, and are waited for. */
static int64_t fake_us;

static int64_t still(void *context) {
    (void)context;
    return fake_us;
}

static void pass(int64_t us) {
    fake_us += us;
    usleep((useconds_t)us);
}

struct pair {
    struct lock_registry *registry;
    struct lock *one, *two;
};

static struct pair pair;
static struct lock_server server;
static void *fixture; /* a store, for the lock that is in it */

static void open_pair(const char *url, struct text store) {
    struct fault fault = FAULT_INIT;
    fake_us = 1000;
    pair.registry = lock_registry_new((struct now){.wall_us = still, .monotonic_us = still}, store);
    assert_true(lock_open(text_of(url), pair.registry, &pair.one, &fault));
    assert_true(lock_open(text_of(url), pair.registry, &pair.two, &fault));
}

static int set_up_local(void **state) {
    (void)state;
    open_pair("local", TEXT_NONE);
    return 0;
}

static int set_up_redis(void **state) {
    (void)state;
    assert_true(lock_server_say(&server, "FLUSHALL", "+OK"));
    open_pair(server.url, TEXT_NONE);
    return 0;
}

static int set_up_store(void **state) {
    (void)state;
    subject_at_hand = subject_postgres;
    open_fixture(&fixture);
    open_pair("store", ((struct fixture *)fixture)->url);
    return 0;
}

static int set_up_sqlite(void **state) {
    (void)state;
    open_pair("store", TEXT("sqlite:none.db"));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    lock_close(pair.one);
    lock_close(pair.two);
    lock_registry_free(pair.registry);
    if (fixture != NULL) {
        close_fixture(&fixture);
        fixture = NULL;
    }
    return 0;
}

static struct lock_claim take(struct lock *lock, const char *key, int64_t ttl_us) {
    struct fault fault = FAULT_INIT;
    struct lock_claim claim = {.key = text_of(key), .ttl_us = ttl_us};
    assert_true(lock_take(lock, &claim, 1, &fault));
    return claim;
}

static void a_held_key_is_not_granted_twice(void **state) {
    (void)state;
    struct lock_claim first = take(pair.one, "a", LONG_US);
    assert_true(first.granted);
    assert_false(take(pair.two, "a", LONG_US).granted);
    assert_true(take(pair.two, "b", LONG_US).granted);
    lock_drop(pair.one, &first, 1);
    assert_true(take(pair.two, "a", LONG_US).granted);
}

static void a_hold_ends_by_itself(void **state) {
    (void)state;
    take(pair.one, "a", SHORT_US);
    assert_false(take(pair.two, "a", LONG_US).granted);
    pass(SHORT_US + NOW_MILLISECOND);
    assert_true(take(pair.two, "a", LONG_US).granted);
}

static void an_expired_holder_can_neither_drop_nor_renew_the_next_one(void **state) {
    (void)state;
    struct lock_claim old = take(pair.one, "a", SHORT_US);
    pass(SHORT_US + NOW_MILLISECOND);
    struct lock_claim next = take(pair.two, "a", LONG_US);
    assert_true(next.granted && next.token != old.token);
    assert_false(lock_renew(pair.one, &old, 1));
    lock_drop(pair.one, &old, 1);
    assert_false(take(pair.one, "a", LONG_US).granted);
    assert_true(lock_renew(pair.two, &next, 1));
}

static void many_keys_are_granted_one_by_one(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    take(pair.one, "b", LONG_US);
    struct lock_claim claims[] = {{.key = TEXT("a"), .ttl_us = LONG_US},
                                  {.key = TEXT("b"), .ttl_us = LONG_US},
                                  {.key = TEXT("c"), .ttl_us = LONG_US}};
    assert_true(lock_take(pair.two, claims, 3, &fault));
    assert_true(claims[0].granted && !claims[1].granted && claims[2].granted);
    assert_true(lock_renew(pair.two, claims, 3));
    lock_drop(pair.two, claims, 3);
    assert_false(take(pair.two, "b", LONG_US).granted);
    assert_true(take(pair.two, "a", LONG_US).granted);
}

static void a_renewed_hold_outlives_its_ttl(void **state) {
    (void)state;
    struct lock_claim claim = take(pair.one, "a", SHORT_US * 3);
    for (int i = 0; i < 4; i++) {
        pass(SHORT_US);
        assert_true(lock_renew(pair.one, &claim, 1));
    }
    assert_false(take(pair.two, "a", LONG_US).granted);
    pass(SHORT_US * 3 + NOW_MILLISECOND);
    assert_false(lock_renew(pair.one, &claim, 1));
    assert_true(take(pair.two, "a", LONG_US).granted);
}

static void a_key_may_be_any_bytes(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    struct lock_claim claims[] = {{.key = TEXT("\0 %s\r\n'\""), .ttl_us = LONG_US},
                                  {.key = TEXT("\0 %s\r\n'\"x"), .ttl_us = LONG_US}};
    assert_true(lock_take(pair.one, claims, 2, &fault));
    assert_true(claims[0].granted && claims[1].granted);
    lock_drop(pair.one, claims, 1);
    assert_true(lock_take(pair.two, claims, 2, &fault));
    assert_true(claims[0].granted && !claims[1].granted);
}

static void a_lock_that_works_answers_a_ping(void **state) {
    (void)state;
    struct fault fault = FAULT_INIT;
    assert_true(lock_ping(pair.one, &fault));
    assert_false(lock_registry_is_down(pair.registry));
}

static void nothing_is_renewed_or_dropped_of_nothing(void **state) {
    (void)state;
    struct lock_claim claim = {.key = TEXT("a"), .ttl_us = LONG_US};
    assert_true(lock_renew(pair.one, &claim, 1));
    lock_drop(pair.one, &claim, 1);
    lock_drop(pair.one, NULL, 0);
}

static void a_url_that_names_no_lock_is_refused(void **state) {
    (void)state;
    static const char *const urls[] = {"",
                                       "etcd://x",
                                       "local:x",
                                       "store:x",
                                       "redis",
                                       "redis:",
                                       "redis://",
                                       "redis://:6379",
                                       "redis://:secret@",
                                       "redis://secret@host",
                                       "redis://:secret%4@host",
                                       "redis://:secret%00@host",
                                       "redis://:secret@host:0",
                                       "redis://:secret@host:65536",
                                       "redis://:secret@host:port",
                                       "redis://:secret@host:6379/one",
                                       "rediss://:secret@host:6379"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct fault fault = FAULT_INIT;
        struct lock *lock;
        assert_false(lock_open(text_of(urls[i]), pair.registry, &lock, &fault));
        assert_int_equal(fault.code, FAULT_USAGE);
        assert_null(strstr(fault.message, "secret"));
    }
}

static int start_server(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    lock_server_open(&server, NULL);
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    lock_server_close(&server);
    return 0;
}

#define CASE(name)                                                                                 \
    {#name " (local)", name, set_up_local, tear_down, NULL},                                       \
        {#name " (redis)", name, set_up_redis, tear_down, NULL},                                   \
        {#name " (store)", name, set_up_store, tear_down, NULL}, {                                 \
#name " (store of one process)", name, set_up_sqlite, tear_down, NULL                      \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_held_key_is_not_granted_twice),
        CASE(a_hold_ends_by_itself),
        CASE(an_expired_holder_can_neither_drop_nor_renew_the_next_one),
        CASE(many_keys_are_granted_one_by_one),
        CASE(a_renewed_hold_outlives_its_ttl),
        CASE(a_key_may_be_any_bytes),
        CASE(a_lock_that_works_answers_a_ping),
        CASE(nothing_is_renewed_or_dropped_of_nothing),
        CASE(a_url_that_names_no_lock_is_refused),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
