/* claims.c: nothing waits here. A lock that is not free puts its members off; they ask again every
 * 10 ms until their wait is over, then pause 100, 200, 300 ms... between further waits, then give
 * up. */
#include "core/claims.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/work.h"

#define POLL_US    (10 * NOW_MILLISECOND)
#define BACKOFF_US (100 * NOW_MILLISECOND)

static bool wants_lock(const struct core *core, const struct attempt *attempt) {
    return core->lock != NULL && attempt->lock && !attempt->dry_run;
}

static char *put(char *at, struct text text) {
    memcpy(at, text.bytes, text.length);
    return at + text.length;
}

static struct text lock_key(struct arena *arena, const struct attempt *attempt) {
    struct text prefix = TEXT("state_transition:");
    size_t length = prefix.length + attempt->machine.length + 1 + attempt->id.length;
    char *bytes = arena_alloc(arena, length);
    char *at = put(put(bytes, prefix), attempt->machine);
    *at = ':';
    put(at + 1, attempt->id);
    return (struct text){bytes, length};
}

static int64_t lock_ttl_us(const struct core *core, const struct attempt *attempt) {
    const struct machine *machine = core_machine(core, attempt);
    if (attempt->lock_timeout_ms > 0) {
        return attempt->lock_timeout_ms * NOW_MILLISECOND;
    }
    return (machine != NULL ? machine->lock_timeout_ms : 10000) * NOW_MILLISECOND;
}

static int by_claim_key(const void *a, const void *b) {
    return text_compare(((const struct lock_claim *)a)->key, ((const struct lock_claim *)b)->key);
}

static size_t unique_claims(struct lock_claim *claims, size_t count) {
    size_t unique = 0;
    qsort(claims, count, sizeof *claims, by_claim_key);
    for (size_t i = 0; i < count; i++) {
        if (unique > 0 && text_equal(claims[unique - 1].key, claims[i].key)) {
            if (claims[i].ttl_us > claims[unique - 1].ttl_us) {
                claims[unique - 1].ttl_us = claims[i].ttl_us;
            }
        } else {
            claims[unique++] = claims[i];
        }
    }
    return unique;
}

static void add(struct core *core, struct claims *claims, const struct attempt *attempt,
                struct text *key) {
    if (wants_lock(core, attempt)) {
        *key = lock_key(&core->arena, attempt);
        claims->items[claims->count++] =
            (struct lock_claim){.key = *key, .ttl_us = lock_ttl_us(core, attempt)};
    }
}

static struct claims claims_of(struct core *core, struct member *const *members, size_t count) {
    size_t most = core_attempts(members, count);
    struct claims claims = {.items = ARENA_ARRAY(&core->arena, struct lock_claim, most),
                            .keys = ARENA_ARRAY(&core->arena, struct text, most)};
    struct text *key = claims.keys;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < members[i]->attempt_count; j++) {
            add(core, &claims, &members[i]->attempts[j], key++);
        }
    }
    claims.count = unique_claims(claims.items, claims.count);
    return claims;
}

static int64_t shortest_ttl_us(const struct claims *claims) {
    int64_t shortest_us = INT64_MAX;
    for (size_t i = 0; i < claims->count; i++) {
        const struct lock_claim *claim = &claims->items[i];
        if (claim->granted && claim->ttl_us < shortest_us) {
            shortest_us = claim->ttl_us;
        }
    }
    return shortest_us;
}

/* The lock itself says in the log that it is not there. */
static void go_without(const struct core *core, struct claims *claims) {
    claims->count = 0;
    if (core->lock_optional) {
        claims->unlocked = true;
        claims->fault = FAULT_INIT;
    }
}

struct claims claims_take(struct core *core, struct member *const *members, size_t count) {
    int64_t started_us = now_monotonic_us(&core->now);
    struct claims claims = claims_of(core, members, count);
    if (claims.count > 0 && !lock_take(core->lock, claims.items, claims.count, &claims.fault)) {
        go_without(core, &claims);
    }
    claims.held_us = started_us;
    claims.shortest_us = shortest_ttl_us(&claims);
    claims.taken_us = now_monotonic_us(&core->now) - started_us;
    return claims;
}

/* --- who goes on --- */

static bool is_granted(const struct claims *claims, struct text key) {
    struct lock_claim wanted = {.key = key};
    const struct lock_claim *found =
        bsearch(&wanted, claims->items, claims->count, sizeof wanted, by_claim_key);
    return found != NULL && found->granted;
}

static bool has_all(const struct claims *claims, const struct text *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text_given(keys[i]) && !is_granted(claims, keys[i])) {
            return false;
        }
    }
    return true;
}

/* How long one wait for the lock lasts. */
static int64_t patience_us(const struct core *core, const struct attempt *attempt) {
    const struct machine *machine = core_machine(core, attempt);
    int64_t wait_ms = attempt->blocking_timeout_ms >= 0 ? attempt->blocking_timeout_ms
                      : machine != NULL                 ? machine->lock_wait_ms
                                                        : 5000;
    return wait_ms * NOW_MILLISECOND;
}

int64_t claims_retries(const struct core *core, const struct member *member) {
    const struct attempt *attempt = &member->attempts[0];
    const struct machine *machine = core_machine(core, attempt);
    return attempt->max_retries >= 0 ? attempt->max_retries
           : machine != NULL         ? machine->retries
                                     : 3;
}

void claims_back_off(struct core *core, struct member *member, int64_t attempt) {
    uint16_t noise;
    int64_t pause_us = BACKOFF_US * attempt;
    core->ids.random(core->ids.context, (unsigned char *)&noise, sizeof noise);
    member->blocked = true;
    member->retry_at_us =
        now_monotonic_us(&core->now) + pause_us + pause_us / 4 * noise / UINT16_MAX;
}

static void time_out(struct member *member) {
    member->fault = FAULT_LOCK_TIMEOUT;
    member->fault_message = TEXT("another request holds the lock of this entity; try again later");
}

/* Not granted: wait on, wait again after a pause, or give up. */
static void wait_or_give_up(struct core *core, struct member *member) {
    int64_t now_us = now_monotonic_us(&core->now);
    int64_t wait_us = patience_us(core, &member->attempts[0]);
    if (member->waiting_since_us == 0) {
        member->waiting_since_us = now_us;
    }
    if (now_us - member->waiting_since_us < wait_us) {
        member->blocked = true;
        member->retry_at_us = now_us + POLL_US;
    } else if (member->lock_attempts < claims_retries(core, member)) {
        claims_back_off(core, member, ++member->lock_attempts);
        member->waiting_since_us = member->retry_at_us;
    } else {
        time_out(member);
    }
}

static void refuse(struct core *core, const struct claims *claims, struct member *member) {
    member->fault = claims->fault.code;
    member->fault_message = text_copy(&core->arena, text_of(claims->fault.message));
}

size_t claims_ready(struct core *core, const struct claims *claims, struct member *const *members,
                    size_t count, struct member **ready) {
    const struct text *keys = claims->keys;
    size_t ready_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct member *member = members[i];
        if (!claims->unlocked && !has_all(claims, keys, member->attempt_count)) {
            if (claims->fault.code != FAULT_NONE) {
                refuse(core, claims, member);
            } else {
                wait_or_give_up(core, member);
            }
        }
        keys += member->attempt_count;
        if (!member->blocked &&
            (member->fault == FAULT_NONE || member->fault == FAULT_LOCK_TIMEOUT)) {
            ready[ready_count++] = member;
        }
    }
    return ready_count;
}

void claims_renew(struct core *core, struct claims *claims) {
    int64_t now_us = now_monotonic_us(&core->now);
    if (now_us - claims->held_us <= claims->shortest_us / 3) {
        return;
    }
    claims->held_us = now_us;
    if (!lock_renew(core->lock, claims->items, claims->count)) {
        log_line(LOG_WARNING, "lock_lost",
                 "a lock could not be renewed while its batch ran; if another request took it, the "
                 "version of the entity decides which one wins");
    }
}

void claims_drop(struct core *core, const struct claims *claims) {
    if (core->lock != NULL) {
        lock_drop(core->lock, claims->items, claims->count);
    }
}
