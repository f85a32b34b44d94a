/* The lock inside one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lock/lock.h"

static int64_t fake_us;

static int64_t still(void *context) {
    (void)context;
    return fake_us;
}

struct pair {
    struct lock_registry *registry;
    struct lock *one, *two;
};

static int set_up(void **state) {
    static struct pair pair;
    struct fault fault = FAULT_INIT;
    fake_us = 1000;
    pair.registry = lock_registry_new((struct now){.wall_us = still, .monotonic_us = still});
    assert_true(lock_open(TEXT("local"), pair.registry, &pair.one, &fault));
    assert_true(lock_open(TEXT("local"), pair.registry, &pair.two, &fault));
    *state = &pair;
    return 0;
}

static int tear_down(void **state) {
    struct pair *pair = *state;
    lock_close(pair->one);
    lock_close(pair->two);
    lock_registry_free(pair->registry);
    return 0;
}

static struct lock_claim take(struct lock *lock, const char *key, int64_t ttl_us) {
    struct fault fault = FAULT_INIT;
    struct lock_claim claim = {.key = text_of(key), .ttl_us = ttl_us};
    assert_true(lock_take(lock, &claim, 1, &fault));
    return claim;
}

static void a_held_key_is_not_granted_twice(void **state) {
    struct pair *pair = *state;
    struct lock_claim first = take(pair->one, "a", 1000);
    assert_true(first.granted);
    assert_false(take(pair->two, "a", 1000).granted);
    assert_true(take(pair->two, "b", 1000).granted);
    lock_drop(pair->one, &first, 1);
    assert_true(take(pair->two, "a", 1000).granted);
}

static void a_hold_ends_by_itself(void **state) {
    struct pair *pair = *state;
    take(pair->one, "a", 1000);
    fake_us += 999;
    assert_false(take(pair->two, "a", 1000).granted);
    fake_us += 1;
    assert_true(take(pair->two, "a", 1000).granted);
}

static void an_expired_holder_cannot_drop_the_next_one(void **state) {
    struct pair *pair = *state;
    struct lock_claim old = take(pair->one, "a", 1000);
    fake_us += 2000;
    struct lock_claim next = take(pair->two, "a", 1000);
    lock_drop(pair->one, &old, 1);
    assert_false(take(pair->one, "a", 1000).granted);
    assert_true(next.token > old.token);
}

static void many_keys_are_granted_one_by_one(void **state) {
    struct pair *pair = *state;
    struct fault fault = FAULT_INIT;
    take(pair->one, "b", 1000);
    struct lock_claim claims[] = {{.key = TEXT("a"), .ttl_us = 1000},
                                  {.key = TEXT("b"), .ttl_us = 1000},
                                  {.key = TEXT("c"), .ttl_us = 1000}};
    assert_true(lock_take(pair->two, claims, 3, &fault));
    assert_true(claims[0].granted && !claims[1].granted && claims[2].granted);
    lock_drop(pair->two, claims, 3);
    assert_false(take(pair->two, "b", 1000).granted);
    assert_true(take(pair->two, "a", 1000).granted);
}

static void an_unknown_kind_of_lock_is_refused(void **state) {
    struct pair *pair = *state;
    struct fault fault = FAULT_INIT;
    struct lock *lock;
    assert_false(lock_open(TEXT("etcd://x"), pair->registry, &lock, &fault));
    assert_int_equal(fault.code, FAULT_USAGE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_held_key_is_not_granted_twice),
        CASE(a_hold_ends_by_itself),
        CASE(an_expired_holder_cannot_drop_the_next_one),
        CASE(many_keys_are_granted_one_by_one),
        CASE(an_unknown_kind_of_lock_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
