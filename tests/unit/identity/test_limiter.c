/* The limiter under a clock that stands still: rates, forgetting, and floods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "identity/limiter.h"

static int64_t clock_us;

static int64_t read_clock(void *context) {
    (void)context;
    return clock_us;
}

static struct limiter *limiter_at(unsigned rate, unsigned burst) {
    clock_us = 1000 * NOW_SECOND;
    return limiter_new(rate, burst, (struct now){read_clock, read_clock, NULL, NULL});
}

static unsigned allowed_of(struct limiter *limiter, enum limiter_kind kind, struct text who,
                           unsigned tries) {
    unsigned allowed = 0;
    for (unsigned i = 0; i < tries; i++) {
        allowed += limiter_ask(limiter, kind, who).allowed;
    }
    return allowed;
}

static void a_burst_passes_and_then_the_rate(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(10, 0);
    assert_int_equal(limiter_burst(limiter), 20);
    assert_int_equal(limiter_window_s(limiter), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("a"), 50), 20);
    clock_us += 500 * NOW_MILLISECOND;
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("a"), 50), 5);
    clock_us += 3600 * NOW_SECOND;
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("a"), 50), 20);
    assert_int_equal(limiter_refused(limiter, LIMITER_KEY), 30 + 45 + 30);
    assert_int_equal(limiter_refused(limiter, LIMITER_ADDRESS), 0);
    limiter_free(limiter);
}

static void a_refusal_costs_nothing(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(1, 1);
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("a"), 1000), 1);
    clock_us += NOW_SECOND;
    assert_true(limiter_ask(limiter, LIMITER_KEY, TEXT("a")).allowed);
    limiter_free(limiter);
}

static void a_verdict_says_what_is_left_and_when_there_is_more(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(1, 3);
    struct limiter_verdict verdict = limiter_ask(limiter, LIMITER_KEY, TEXT("a"));
    assert_true(verdict.counted && verdict.allowed);
    assert_int_equal(verdict.left, 2);
    assert_int_equal(verdict.next_s, 1);
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("a"), 2), 2);
    verdict = limiter_ask(limiter, LIMITER_KEY, TEXT("a"));
    assert_true(verdict.counted && !verdict.allowed);
    assert_int_equal(verdict.left, 0);
    assert_int_equal(verdict.next_s, 1);
    limiter_free(limiter);
}

static void callers_and_kinds_do_not_touch(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(1, 2);
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("127.0.0.1"), 5), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_KEY, TEXT("b"), 5), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("127.0.0.1"), 5), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("127.0.0.2"), 5), 2);
    limiter_free(limiter);
}

static void an_ipv6_network_is_one_caller(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(1, 2);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("2001:db8::1"), 2), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("2001:db8::ffff:2"), 2), 0);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("2001:db8:0:1::1"), 2), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("::ffff:10.0.0.1"), 2), 2);
    assert_int_equal(allowed_of(limiter, LIMITER_ADDRESS, TEXT("::ffff:10.0.0.2"), 2), 2);
    limiter_free(limiter);
}

static unsigned flood(struct limiter *limiter, enum limiter_kind kind, unsigned count) {
    unsigned allowed = 0;
    char name[32];
    for (unsigned i = 0; i < count; i++) {
        int length = snprintf(name, sizeof name, "invented-%u", i);
        allowed += limiter_ask(limiter, kind, (struct text){name, (size_t)length}).allowed;
    }
    return allowed;
}

/* Every bucket, and the shared ones of 2048 sets, can be emptied once: no more, whoever asks. */
static void a_flood_pushes_nobody_out_and_gains_nothing(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(1, 1);
    assert_true(limiter_ask(limiter, LIMITER_ADDRESS, TEXT("early")).allowed);
    unsigned allowed = flood(limiter, LIMITER_ADDRESS, 300000);
    assert_in_range(allowed, limiter_capacity() - 1, limiter_capacity() + 2048);
    assert_false(limiter_ask(limiter, LIMITER_ADDRESS, TEXT("early")).allowed);
    assert_true(limiter_ask(limiter, LIMITER_KEY, TEXT("early")).allowed);
    clock_us += NOW_SECOND;
    assert_true(limiter_ask(limiter, LIMITER_ADDRESS, TEXT("early")).allowed);
    assert_true(limiter_bytes() < (size_t)1 << 20);
    limiter_free(limiter);
}

static void a_full_bucket_makes_room(void **state) {
    (void)state;
    struct limiter *limiter = limiter_at(1, 1);
    (void)flood(limiter, LIMITER_ADDRESS, 300000);
    clock_us += NOW_SECOND;
    unsigned allowed = flood(limiter, LIMITER_ADDRESS, 1000);
    assert_int_equal(allowed, 1000);
    limiter_free(limiter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_and_then_the_rate),
        cmocka_unit_test(a_refusal_costs_nothing),
        cmocka_unit_test(a_verdict_says_what_is_left_and_when_there_is_more),
        cmocka_unit_test(callers_and_kinds_do_not_touch),
        cmocka_unit_test(an_ipv6_network_is_one_caller),
        cmocka_unit_test(a_flood_pushes_nobody_out_and_gains_nothing),
        cmocka_unit_test(a_full_bucket_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
