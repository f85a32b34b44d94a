#include "unit/base/check.h"

#include "base/mailbox.h"
#include "base/now.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

struct parcel {
    struct letter letter;
    int sender;
    int number;
};

static struct mailbox *mailbox;

static int make_mailbox(void **state) {
    (void)state;
    mailbox = mailbox_new(0);
    return 0;
}

static int drop_mailbox(void **state) {
    (void)state;
    mailbox_free(mailbox);
    return 0;
}

static bool is_readable(struct mailbox *box) {
    struct pollfd watched = {.fd = mailbox_descriptor(box), .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

static void an_empty_mailbox_gives_nothing_and_is_not_readable(void **state) {
    (void)state;
    assert_null(mailbox_take(mailbox, 0));
    assert_int_equal(mailbox_count(mailbox), 0);
    assert_false(is_readable(mailbox));
    assert_false(mailbox_wait(mailbox, 0));
    assert_false(mailbox_is_closed(mailbox));
}

static void letters_come_out_oldest_first(void **state) {
    (void)state;
    struct parcel parcels[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    for (int i = 0; i < 3; i++) {
        assert_true(mailbox_post(mailbox, &parcels[i].letter));
    }
    assert_int_equal(mailbox_count(mailbox), 3);
    struct letter *letter = mailbox_take(mailbox, 0);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(letter, &parcels[i].letter);
        letter = letter->next;
    }
    assert_null(letter);
    assert_false(is_readable(mailbox));
}

static void taking_some_leaves_the_rest_readable(void **state) {
    (void)state;
    struct parcel parcels[3];
    for (int i = 0; i < 3; i++) {
        assert_true(mailbox_post(mailbox, &parcels[i].letter));
    }
    struct letter *two = mailbox_take(mailbox, 2);
    assert_ptr_equal(two, &parcels[0].letter);
    assert_ptr_equal(two->next, &parcels[1].letter);
    assert_null(two->next->next);
    assert_true(is_readable(mailbox));
    assert_int_equal(mailbox_count(mailbox), 1);
    assert_ptr_equal(mailbox_take(mailbox, 2), &parcels[2].letter);
    assert_false(is_readable(mailbox));
}

static void only_the_first_post_writes_the_eventfd(void **state) {
    (void)state;
    struct parcel parcels[3];
    for (int i = 0; i < 3; i++) {
        assert_true(mailbox_post(mailbox, &parcels[i].letter));
    }
    uint64_t writes = 0;
    assert_int_equal(read(mailbox_descriptor(mailbox), &writes, sizeof writes), sizeof writes);
    assert_int_equal(writes, 1);
    assert_int_equal(write(mailbox_descriptor(mailbox), &writes, sizeof writes), sizeof writes);
    assert_non_null(mailbox_take(mailbox, 0));
}

static void a_full_mailbox_leaves_the_letter_with_its_sender(void **state) {
    (void)state;
    struct mailbox *small = mailbox_new(2);
    struct parcel parcels[3];
    assert_true(mailbox_post(small, &parcels[0].letter));
    assert_true(mailbox_post(small, &parcels[1].letter));
    assert_false(mailbox_post(small, &parcels[2].letter));
    assert_ptr_equal(mailbox_take(small, 1), &parcels[0].letter);
    assert_true(mailbox_post(small, &parcels[2].letter));
    assert_ptr_equal(mailbox_take(small, 0)->next, &parcels[2].letter);
    mailbox_free(small);
}

static void a_closed_mailbox_refuses_posts_and_gives_what_is_left(void **state) {
    (void)state;
    struct parcel parcels[2];
    assert_true(mailbox_post(mailbox, &parcels[0].letter));
    mailbox_close(mailbox);
    mailbox_close(mailbox);
    assert_true(mailbox_is_closed(mailbox));
    assert_false(mailbox_post(mailbox, &parcels[1].letter));
    assert_true(mailbox_wait(mailbox, -1));
    assert_ptr_equal(mailbox_take(mailbox, 0), &parcels[0].letter);
    assert_null(mailbox_take(mailbox, 0));
    assert_true(mailbox_wait(mailbox, -1));
}

static void closing_an_empty_mailbox_makes_it_readable_until_it_is_read(void **state) {
    (void)state;
    mailbox_close(mailbox);
    assert_true(is_readable(mailbox));
    assert_null(mailbox_take(mailbox, 0));
    assert_false(is_readable(mailbox));
}

static void waiting_ends_after_the_timeout_and_not_before(void **state) {
    (void)state;
    struct now now = now_system();
    int64_t start = now_monotonic_us(&now);
    assert_false(mailbox_wait(mailbox, 20 * NOW_MILLISECOND));
    assert_true(now_monotonic_us(&now) - start >= 20 * NOW_MILLISECOND);
}

static void *close_mailbox(void *context) {
    mailbox_close(context);
    return NULL;
}

static void closing_wakes_a_reader_that_waits_for_ever(void **state) {
    (void)state;
    pthread_t closer;
    pthread_create(&closer, NULL, close_mailbox, mailbox);
    assert_true(mailbox_wait(mailbox, -1));
    assert_true(mailbox_is_closed(mailbox));
    pthread_join(closer, NULL);
}

enum { SENDERS = 4, LETTERS = 20000 };

struct sender {
    pthread_t thread;
    int number;
    struct parcel *parcels;
};

static void *post_all(void *context) {
    struct sender *sender = context;
    for (int i = 0; i < LETTERS; i++) {
        sender->parcels[i] = (struct parcel){.sender = sender->number, .number = i};
        while (!mailbox_post(mailbox, &sender->parcels[i].letter)) {
            sched_yield();
        }
    }
    return NULL;
}

static void start_senders(struct sender senders[SENDERS]) {
    for (int i = 0; i < SENDERS; i++) {
        senders[i].number = i;
        senders[i].parcels = calloc(LETTERS, sizeof *senders[i].parcels);
        pthread_create(&senders[i].thread, NULL, post_all, &senders[i]);
    }
}

static void join_senders(struct sender senders[SENDERS]) {
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        free(senders[i].parcels);
    }
}

/* Reads until all have come; each sender's letters must come in the order in which it sent them. */
static void read_all(size_t most) {
    int next[SENDERS] = {0};
    for (int received = 0; received < SENDERS * LETTERS;) {
        assert_true(mailbox_wait(mailbox, 30 * NOW_SECOND));
        struct letter *letter = mailbox_take(mailbox, most);
        for (; letter != NULL; letter = letter->next) {
            const struct parcel *parcel = (const struct parcel *)letter;
            assert_int_equal(parcel->number, next[parcel->sender]);
            next[parcel->sender]++;
            received++;
        }
    }
    assert_int_equal(mailbox_count(mailbox), 0);
    assert_false(is_readable(mailbox));
}

static void four_threads_post_and_nothing_is_lost_or_reordered(void **state) {
    (void)state;
    struct sender senders[SENDERS];
    start_senders(senders);
    read_all(0);
    join_senders(senders);
}

static void a_reader_that_takes_a_few_at_a_time_gets_everything(void **state) {
    (void)state;
    struct sender senders[SENDERS];
    start_senders(senders);
    read_all(7);
    join_senders(senders);
}

#define WITH_MAILBOX(test) cmocka_unit_test_setup_teardown(test, make_mailbox, drop_mailbox)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_MAILBOX(an_empty_mailbox_gives_nothing_and_is_not_readable),
        WITH_MAILBOX(letters_come_out_oldest_first),
        WITH_MAILBOX(taking_some_leaves_the_rest_readable),
        WITH_MAILBOX(only_the_first_post_writes_the_eventfd),
        WITH_MAILBOX(a_full_mailbox_leaves_the_letter_with_its_sender),
        WITH_MAILBOX(a_closed_mailbox_refuses_posts_and_gives_what_is_left),
        WITH_MAILBOX(closing_an_empty_mailbox_makes_it_readable_until_it_is_read),
        WITH_MAILBOX(waiting_ends_after_the_timeout_and_not_before),
        WITH_MAILBOX(closing_wakes_a_reader_that_waits_for_ever),
        WITH_MAILBOX(four_threads_post_and_nothing_is_lost_or_reordered),
        WITH_MAILBOX(a_reader_that_takes_a_few_at_a_time_gets_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
