/* store.c: locks between nodes without another server: leases in the store's database
 * (store/lease.h), on a connection of their own. A store that only one process writes needs no
 * more than that process's memory: there the lock "store" is the lock "local".
 *
 *   pausing ─ fail at once
 *   step ─ok─ done
 *     └─ fault ─ connection lost while it was said to be there, or a deadlock: once more
 *                  └─ fault, or nobody answered: give_up, and a pause
 *
 * The same rules as in redis.c: a token is 64 random bits; a take that broke may have been
 * carried out, so the second one first drops what the first may have got; after waiting in vain
 * nothing is asked a second time, and calls fail at once for a while.
 *
 * Who let go has deleted the lease; of those who did not, some are deleted now and then. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/log.h"
#include "lock/driver.h"
#include "store/lease.h"

#define CALL_US  (2 * NOW_SECOND) /* for an answer; the server itself gives up after one second */
#define QUICK_US (250 * NOW_MILLISECOND) /* where an answer is not worth more: ping, renew */
#define PAUSE_US NOW_SECOND              /* after a failure */
#define CLEAN_US (60 * NOW_SECOND)       /* between two looks for leases that ended long ago */

struct store_lock_state {
    struct lock lock;
    struct lease_table *table;
    struct arena scratch;   /* of one call */
    int64_t pause_until_us; /* monotonic; 0: the last call went well */
    int64_t cleaned_us;     /* monotonic */
    struct fault fault;     /* what calls fail with until then */
};

/* One call of the interface. */
struct request {
    bool (*step)(struct store_lock_state *self, struct request *request, struct fault *fault);
    struct lease_claim *claims;
    size_t count;
    int64_t patience_us;
    bool again; /* the first try broke */
    bool kept;  /* renew: the answer */
};

static struct store_lock_state *state_of(struct lock *lock) {
    return (struct store_lock_state *)lock;
}

/* --- one call, from its beginning to its end --- */

static void note(struct store_lock_state *self, bool down) {
    if (atomic_exchange(&self->lock.registry->down, down) == down) {
        return;
    }
    if (down) {
        log_line(LOG_WARNING, "lock_unavailable",
                 "%s; until it is, requests are refused or go on with the row lock alone, as "
                 "--lock-failure says",
                 self->fault.message);
    } else {
        log_line(LOG_INFO, "lock_available", "the lock in the store is available again");
    }
}

static bool give_up(struct store_lock_state *self, struct fault *fault) {
    fault->code = FAULT_LOCK_UNAVAILABLE;
    fault_within(fault, "the lock in the store is not available");
    self->pause_until_us = now_monotonic_us(&self->lock.registry->now) + PAUSE_US;
    self->fault = *fault;
    note(self, true);
    return false;
}

static bool is_pausing(const struct store_lock_state *self) {
    return self->pause_until_us != 0 &&
           now_monotonic_us(&self->lock.registry->now) < self->pause_until_us;
}

/* Waiting in vain is not worth a second try. */
static bool is_worth_another(struct store_lock_state *self, const struct fault *fault,
                             int64_t started_us) {
    int64_t taken_us = now_monotonic_us(&self->lock.registry->now) - started_us;
    return fault->code == FAULT_STORE_CONFLICT ||
           (!lease_is_connected(self->table) && taken_us < QUICK_US);
}

static bool run(struct store_lock_state *self, struct request *request, struct fault *fault) {
    int64_t started_us = now_monotonic_us(&self->lock.registry->now);
    if (is_pausing(self)) {
        *fault = self->fault;
        return false;
    }
    lease_patience(self->table, request->patience_us);
    bool done = request->step(self, request, fault);
    if (!done && is_worth_another(self, fault, started_us)) {
        request->again = true;
        done = request->step(self, request, fault);
    }
    if (!done) {
        return give_up(self, fault);
    }
    self->pause_until_us = 0;
    note(self, false);
    return true;
}

static bool step_take(struct store_lock_state *self, struct request *request, struct fault *fault) {
    return lease_take(self->table, request->claims, request->count, request->again, fault);
}

static bool step_renew(struct store_lock_state *self, struct request *request,
                       struct fault *fault) {
    return lease_renew(self->table, request->claims, request->count, &request->kept, fault);
}

static bool step_drop(struct store_lock_state *self, struct request *request, struct fault *fault) {
    return lease_drop(self->table, request->claims, request->count, fault);
}

static bool step_ping(struct store_lock_state *self, struct request *request, struct fault *fault) {
    (void)request;
    return lease_ping(self->table, fault);
}

/* --- the interface --- */

static bool open_store(struct text place, struct lock_registry *registry, struct lock **out,
                       struct fault *fault) {
    if (text_given(place)) {
        return fault_set(fault, FAULT_USAGE, "the lock \"store\" takes nothing after its name");
    }
    if (!lease_possible(registry->store)) {
        return lock_local.open(TEXT_NONE, registry, out, fault);
    }
    struct store_lock_state *self = calloc(1, sizeof *self);
    if (self == NULL) {
        abort();
    }
    if (!lease_open(registry->store, &self->table, fault)) {
        free(self);
        return false;
    }
    self->lock = (struct lock){&lock_store, registry};
    arena_init(&self->scratch, 0);
    *out = &self->lock;
    return true;
}

static void close_store(struct lock *lock) {
    struct store_lock_state *self = state_of(lock);
    lease_close(self->table);
    arena_deinit(&self->scratch);
    free(self);
}

/* The claims, as the leases they are to be or are. */
static struct request request_of(struct store_lock_state *self, const struct lock_claim *claims,
                                 size_t count) {
    arena_reset(&self->scratch);
    struct request request = {.claims = ARENA_ARRAY(&self->scratch, struct lease_claim, count),
                              .count = count,
                              .patience_us = CALL_US};
    for (size_t i = 0; i < count; i++) {
        request.claims[i] = (struct lease_claim){.key = claims[i].key,
                                                 .ttl_us = claims[i].ttl_us,
                                                 .token = claims[i].token,
                                                 .granted = claims[i].granted};
    }
    return request;
}

static void clean(struct store_lock_state *self) {
    int64_t now_us = now_monotonic_us(&self->lock.registry->now);
    if (now_us - self->cleaned_us > CLEAN_US) {
        self->cleaned_us = now_us;
        lease_clean(self->table);
    }
}

static bool take(struct lock *lock, struct lock_claim *claims, size_t count, struct fault *fault) {
    struct store_lock_state *self = state_of(lock);
    for (size_t i = 0; i < count; i++) {
        digest_random((unsigned char *)&claims[i].token, sizeof claims[i].token);
    }
    struct request request = request_of(self, claims, count);
    request.step = step_take;
    bool asked = run(self, &request, fault);
    for (size_t i = 0; i < count; i++) {
        claims[i].granted = asked && request.claims[i].granted;
    }
    if (asked) {
        clean(self);
    }
    return asked;
}

static bool any_granted(const struct lock_claim *claims, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (claims[i].granted) {
            return true;
        }
    }
    return false;
}

static bool renew(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct store_lock_state *self = state_of(lock);
    struct fault ignored = FAULT_INIT;
    if (!any_granted(claims, count)) {
        return true;
    }
    struct request request = request_of(self, claims, count);
    request.step = step_renew;
    request.patience_us = QUICK_US;
    return run(self, &request, &ignored) && request.kept;
}

static void drop(struct lock *lock, const struct lock_claim *claims, size_t count) {
    struct store_lock_state *self = state_of(lock);
    struct fault ignored = FAULT_INIT;
    if (any_granted(claims, count)) {
        struct request request = request_of(self, claims, count);
        request.step = step_drop;
        run(self, &request, &ignored);
    }
}

static bool ping(struct lock *lock, struct fault *fault) {
    struct request request = {.step = step_ping, .patience_us = QUICK_US};
    return run(state_of(lock), &request, fault);
}

const struct lock_driver lock_store = {open_store, close_store, take, renew, drop, ping};
