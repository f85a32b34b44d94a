/* What every store promises about the fencing tokens of locks. Its clock is the real one. */
#include "support/store_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "store/lock.h"

#define KEY      TEXT("state_transition:task:T-1 'é'")
#define SHORT_US (50 * NOW_MILLISECOND)
#define LONG_US  (60 * NOW_SECOND)

static struct store_lock grant(struct fixture *fixture, struct text key, int64_t ttl_us) {
    struct store_lock lock;
    FINE(store_grant_lock(fixture->store, key, 7, ttl_us, &lock, &fault));
    return lock;
}

static struct store_lock find(struct fixture *fixture, struct text key) {
    struct store_lock lock;
    FINE(store_find_lock(fixture->store, key, &lock, &fault));
    return lock;
}

static void outlast(int64_t us) {
    usleep((useconds_t)(us + 5 * NOW_MILLISECOND));
}

static void a_key_that_nobody_held_has_no_token(void **state) {
    struct fixture *fixture = *state;
    struct store_lock lock = find(fixture, KEY);
    assert_int_equal(lock.fencing_token, 0);
    assert_false(lock.held);
    FAILS(FAULT_LOCK_LOST, store_release_lock(fixture->store, KEY, 1, &fault));
    FAILS(FAULT_LOCK_LOST, store_renew_lock(fixture->store, KEY, 1, 7, LONG_US, &lock, &fault));
}

static void a_grant_is_found_as_it_was_made(void **state) {
    struct fixture *fixture = *state;
    struct now now = now_system();
    int64_t before_us = now_wall_us(&now);
    struct store_lock made;
    FINE(store_grant_lock(fixture->store, KEY, UINT64_MAX - 1, LONG_US, &made, &fault));
    struct store_lock found = find(fixture, KEY);
    assert_int_equal(made.fencing_token, 1);
    assert_int_equal(found.fencing_token, 1);
    assert_true(found.proof == UINT64_MAX - 1);
    assert_true(made.held && found.held);
    assert_int_equal(found.expires_us, made.expires_us);
    assert_true(found.expires_us >= before_us + LONG_US - NOW_SECOND);
    assert_true(found.expires_us <= now_wall_us(&now) + LONG_US + NOW_SECOND);
}

static void a_key_that_is_held_is_not_granted(void **state) {
    struct fixture *fixture = *state;
    struct store_lock lock;
    grant(fixture, KEY, LONG_US);
    FAILS(FAULT_LOCK_TIMEOUT, store_grant_lock(fixture->store, KEY, 8, LONG_US, &lock, &fault));
    assert_int_equal(find(fixture, KEY).fencing_token, 1);
    assert_true(find(fixture, KEY).proof == 7);
    assert_int_equal(grant(fixture, TEXT("other"), LONG_US).fencing_token, 1);
}

static void tokens_grow_after_a_release_an_expiry_and_a_restart(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(grant(fixture, KEY, LONG_US).fencing_token, 1);
    FINE(store_release_lock(fixture->store, KEY, 1, &fault));
    assert_int_equal(grant(fixture, KEY, SHORT_US).fencing_token, 2);
    outlast(SHORT_US);
    assert_int_equal(grant(fixture, KEY, LONG_US).fencing_token, 3);
    FINE(store_release_lock(fixture->store, KEY, 3, &fault));
    reopen(fixture);
    assert_int_equal(find(fixture, KEY).fencing_token, 3);
    assert_int_equal(grant(fixture, KEY, LONG_US).fencing_token, 4);
}

static void a_hold_outlives_a_restart(void **state) {
    struct fixture *fixture = *state;
    struct store_lock lock;
    grant(fixture, KEY, LONG_US);
    reopen(fixture);
    FAILS(FAULT_LOCK_TIMEOUT, store_grant_lock(fixture->store, KEY, 8, LONG_US, &lock, &fault));
    FINE(store_renew_lock(fixture->store, KEY, 1, 9, LONG_US, &lock, &fault));
    assert_true(find(fixture, KEY).proof == 9);
}

static void a_release_counts_once_and_for_the_holder_only(void **state) {
    struct fixture *fixture = *state;
    grant(fixture, KEY, LONG_US);
    FAILS(FAULT_LOCK_LOST, store_release_lock(fixture->store, KEY, 2, &fault));
    assert_true(find(fixture, KEY).held);
    FINE(store_release_lock(fixture->store, KEY, 1, &fault));
    struct store_lock found = find(fixture, KEY);
    assert_false(found.held);
    assert_true(found.proof == 0 && found.expires_us == 0 && found.fencing_token == 1);
    FAILS(FAULT_LOCK_LOST, store_release_lock(fixture->store, KEY, 1, &fault));
}

static void a_renewal_is_for_the_holder_only_and_lasts(void **state) {
    struct fixture *fixture = *state;
    struct store_lock lock;
    int64_t first_us = grant(fixture, KEY, LONG_US).expires_us;
    FAILS(FAULT_LOCK_LOST, store_renew_lock(fixture->store, KEY, 2, 7, LONG_US, &lock, &fault));
    FINE(store_renew_lock(fixture->store, KEY, 1, 7, 2 * LONG_US, &lock, &fault));
    assert_true(lock.held && lock.fencing_token == 1 && lock.expires_us > first_us);
    assert_int_equal(find(fixture, KEY).expires_us, lock.expires_us);
}

static void what_expired_can_be_neither_renewed_nor_released(void **state) {
    struct fixture *fixture = *state;
    struct store_lock lock;
    grant(fixture, KEY, SHORT_US);
    outlast(SHORT_US);
    assert_false(find(fixture, KEY).held);
    FAILS(FAULT_LOCK_LOST, store_renew_lock(fixture->store, KEY, 1, 7, LONG_US, &lock, &fault));
    FAILS(FAULT_LOCK_LOST, store_release_lock(fixture->store, KEY, 1, &fault));
}

static void a_grant_that_is_rolled_back_never_was(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store, STORE_WRITE);
    assert_int_equal(grant(fixture, KEY, LONG_US).fencing_token, 1);
    store_rollback(fixture->store);
    assert_int_equal(find(fixture, KEY).fencing_token, 0);
    begin(fixture->store, STORE_WRITE);
    assert_int_equal(grant(fixture, KEY, LONG_US).fencing_token, 1);
    commit(fixture->store);
    assert_true(find(fixture, KEY).held);
}

/* --- many at once, where many may write --- */

#define CLIENTS 6
#define ROUNDS  30

struct client {
    struct text url;
    int64_t tokens[ROUNDS];
    struct fault fault;
};

static void *grant_and_release(void *context) {
    struct client *client = context;
    struct store *store = NULL;
    bool fine = store_open(client->url, STORE_WRITER, &store, &client->fault);
    for (int round = 0; fine && round < ROUNDS;) {
        struct store_lock lock;
        fine = store_grant_lock(store, KEY, 7, LONG_US, &lock, &client->fault);
        if (fine) {
            client->tokens[round++] = lock.fencing_token;
            fine = store_release_lock(store, KEY, lock.fencing_token, &client->fault);
        } else if (client->fault.code == FAULT_LOCK_TIMEOUT) {
            client->fault = FAULT_INIT;
            fine = true;
        }
    }
    store_close(store);
    return NULL;
}

static void many_clients_never_get_the_same_token(void **state) {
    struct fixture *fixture = *state;
    static struct client clients[CLIENTS];
    static bool seen[CLIENTS * ROUNDS + 1];
    pthread_t threads[CLIENTS];
    size_t count = store_writers_most(fixture->url) > 1 ? CLIENTS : 1;
    memset(seen, 0, sizeof seen);
    store_close(fixture->store);
    fixture->store = NULL;
    for (size_t i = 0; i < count; i++) {
        clients[i] = (struct client){.url = fixture->url};
        assert_int_equal(pthread_create(&threads[i], NULL, grant_and_release, &clients[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(clients[i].fault.message, "");
    }
    for (size_t i = 0; i < count * ROUNDS; i++) {
        int64_t token = clients[i / ROUNDS].tokens[i % ROUNDS];
        assert_true(token >= 1 && token <= (int64_t)(count * ROUNDS) && !seen[token]);
        seen[token] = true;
    }
    fixture->store = open_store(fixture, STORE_WRITER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_nobody_held_has_no_token),
        TEST(a_grant_is_found_as_it_was_made),
        TEST(a_key_that_is_held_is_not_granted),
        TEST(tokens_grow_after_a_release_an_expiry_and_a_restart),
        TEST(a_hold_outlives_a_restart),
        TEST(a_release_counts_once_and_for_the_holder_only),
        TEST(a_renewal_is_for_the_holder_only_and_lasts),
        TEST(what_expired_can_be_neither_renewed_nor_released),
        TEST(a_grant_that_is_rolled_back_never_was),
        TEST(many_clients_never_get_the_same_token),
    };
    RUN_FOR_ALL_STORES(tests);
}
