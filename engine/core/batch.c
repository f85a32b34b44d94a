/* batch.c: one transaction for whatever piled up.
 *
 * Invariants
 *  1. A refusal is an outcome, not a fault, and never fails a neighbour.
 *  2. Nobody is answered before the commit: batch_run returns after it.
 *  3. The lock outlives the transaction: taken before begin, dropped after commit or rollback.
 *  4. Every write is conditional on the version that was read; losing every lock changes speed,
 * never the outcome.
 *  5. State, audit, outbox, deadlines and idempotency ride one transaction (one store_write).
 *  6. One generation a batch: the caller pins core->policy.
 *  7. What follows joins the same transaction (execute.c).
 *  8. A commit whose answer was lost is unknown, and settled by looking for its audit record.
 *  9. A batch that fails as a whole is run again one member at a time, so a poisoned request fails
 *     alone.
 *
 *   claim locks ─ run_together ─ok─────────────────────────── drop locks
 *                   │ fault, many members                        │
 *                   └─ run_alone each ─ok / conflict: again / fault┘
 */
#include "core/batch.h"

#include <stdlib.h>

#include "core/execute.h"

#define ALONE_TRIES     4
#define LOCK_POLL_US    (10 * NOW_MILLISECOND)
#define LOCK_BACKOFF_US (100 * NOW_MILLISECOND)
#define ANSWER_KEPT_US  (24 * 3600 * NOW_SECOND)

/* --- locks --- */

struct claims {
    struct lock_claim *items; /* sorted by key, unique */
    size_t count;
    int64_t taken_us; /* how long lock_take took */
};

static bool wants_lock(const struct core *core, const struct attempt *attempt) {
    return core->lock != NULL && attempt->lock && !attempt->dry_run;
}

static struct text lock_key(struct arena *arena, const struct attempt *attempt) {
    return text_print(arena, "state_transition:%.*s:%.*s", TEXT_ARGS(attempt->machine),
                      TEXT_ARGS(attempt->id));
}

static const struct machine *machine_of(const struct core *core, const struct attempt *attempt) {
    return generation_machine(core->policy.generation, attempt->machine);
}

static int64_t lock_ttl_us(const struct core *core, const struct attempt *attempt) {
    const struct machine *machine = machine_of(core, attempt);
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

static struct claims claims_of(struct core *core, struct member *const *members, size_t count) {
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        most += members[i]->attempt_count;
    }
    struct claims claims = {ARENA_ARRAY(&core->arena, struct lock_claim, most), 0, 0};
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < members[i]->attempt_count; j++) {
            const struct attempt *attempt = &members[i]->attempts[j];
            if (wants_lock(core, attempt)) {
                claims.items[claims.count++] = (struct lock_claim){
                    .key = lock_key(&core->arena, attempt), .ttl_us = lock_ttl_us(core, attempt)};
            }
        }
    }
    claims.count = unique_claims(claims.items, claims.count);
    return claims;
}

static bool has_claim(struct core *core, const struct claims *claims,
                      const struct attempt *attempt) {
    struct lock_claim wanted = {.key = lock_key(&core->arena, attempt)};
    const struct lock_claim *found =
        bsearch(&wanted, claims->items, claims->count, sizeof wanted, by_claim_key);
    return found != NULL && found->granted;
}

static bool has_all_claims(struct core *core, const struct claims *claims,
                           const struct member *member) {
    for (size_t i = 0; i < member->attempt_count; i++) {
        if (wants_lock(core, &member->attempts[i]) &&
            !has_claim(core, claims, &member->attempts[i])) {
            return false;
        }
    }
    return true;
}

/* How long one wait for the lock lasts, and how often it is begun again. */
static void lock_patience(const struct core *core, const struct attempt *attempt, int64_t *wait_us,
                          int64_t *retries) {
    const struct machine *machine = machine_of(core, attempt);
    *wait_us = attempt->blocking_timeout_ms >= 0 ? attempt->blocking_timeout_ms
               : machine != NULL                 ? machine->lock_wait_ms
                                                 : 5000;
    *wait_us *= NOW_MILLISECOND;
    *retries = attempt->max_retries >= 0 ? attempt->max_retries
               : machine != NULL         ? machine->retries
                                         : 3;
}

/* 100, 200, 300 ms... with up to a quarter of jitter. */
static int64_t backoff_us(struct core *core, int64_t attempt) {
    uint16_t noise;
    core->ids.random(core->ids.context, (unsigned char *)&noise, sizeof noise);
    int64_t whole = LOCK_BACKOFF_US * attempt;
    return whole + whole / 4 * noise / UINT16_MAX;
}

static void time_out(struct member *member) {
    member->fault = FAULT_LOCK_TIMEOUT;
    member->fault_message = TEXT("somebody else holds the lock of this entity; try again later");
}

/* Not granted: wait on, wait again after a pause, or give up. */
static void wait_or_give_up(struct core *core, struct member *member) {
    int64_t now_us = now_monotonic_us(&core->now);
    int64_t wait_us, retries;
    lock_patience(core, &member->attempts[0], &wait_us, &retries);
    if (member->waiting_since_us == 0) {
        member->waiting_since_us = now_us;
    }
    if (now_us - member->waiting_since_us < wait_us) {
        member->blocked = true;
        member->retry_at_us = now_us + LOCK_POLL_US;
    } else if (member->lock_attempts < retries) {
        member->lock_attempts++;
        member->blocked = true;
        member->retry_at_us = now_us + backoff_us(core, member->lock_attempts);
        member->waiting_since_us = member->retry_at_us;
    } else {
        time_out(member);
    }
}

static void fail_member(struct core *core, struct member *member, const struct fault *fault) {
    member->fault = fault->code;
    member->fault_message = text_copy(&core->arena, text_of(fault->message));
}

/* Sorts out who may go on. Members that time out go on too, to have their refusal recorded. */
static size_t claim_locks(struct core *core, struct member *const *members, size_t count,
                          struct claims *claims, struct member **ready) {
    struct fault fault = FAULT_INIT;
    int64_t started_us = now_monotonic_us(&core->now);
    *claims = claims_of(core, members, count);
    bool asked = claims->count == 0 || lock_take(core->lock, claims->items, claims->count, &fault);
    claims->taken_us = now_monotonic_us(&core->now) - started_us;
    size_t ready_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct member *member = members[i];
        if (!asked && wants_lock(core, &member->attempts[0])) {
            fail_member(core, member, &fault);
        } else if (!has_all_claims(core, claims, member)) {
            wait_or_give_up(core, member);
        }
        if (!member->blocked &&
            (member->fault == FAULT_NONE || member->fault == FAULT_LOCK_TIMEOUT)) {
            ready[ready_count++] = member;
        }
    }
    return ready_count;
}

/* --- idempotency --- */

static bool is_kept(int status) {
    return status < 500 && status != 423 && status != 429 && status != 408;
}

static bool replay(struct member *member, const struct store_answer *kept) {
    if (memcmp(kept->body_hash, member->body_hash, DIGEST_BYTES) != 0) {
        member->fault = FAULT_IDEMPOTENCY_REUSED;
        member->fault_message =
            TEXT("this Idempotency-Key was used before with another body; use a new key");
    } else {
        member->replayed = true;
        member->answer = *kept;
    }
    return true;
}

static const struct store_answer *answer_in_batch(const struct work *work,
                                                  const struct member *member) {
    const struct store_answer *answers = work->answers.items;
    for (size_t i = 0; i < work->answers.count; i++) {
        if (text_equal(answers[i].key, member->idempotency_key) &&
            text_equal(answers[i].scope, member->idempotency_scope)) {
            return &answers[i];
        }
    }
    return NULL;
}

/* Sets `replayed`, or the fault of a key that was used otherwise, when the key is known. */
static bool look_for_answer(struct work *work, struct member *member, struct fault *fault) {
    const struct store_answer *kept = answer_in_batch(work, member);
    if (kept == NULL &&
        !store_find_answer(work->core->store, &work->core->arena, member->idempotency_scope,
                           member->idempotency_key, work->now_us - ANSWER_KEPT_US, &kept, fault)) {
        return false;
    }
    return kept == NULL || replay(member, kept);
}

static void keep_answer(struct work *work, struct member *member) {
    if (member->render == NULL || !text_given(member->idempotency_key)) {
        return;
    }
    member->render(member, work->core);
    if (is_kept(member->answer.status)) {
        struct store_answer *answer = work_add(work, &work->answers, sizeof *answer);
        *answer = member->answer;
        answer->scope = member->idempotency_scope;
        answer->key = member->idempotency_key;
        memcpy(answer->body_hash, member->body_hash, DIGEST_BYTES);
        answer->created_us = work->now_us;
    }
}

/* --- members --- */

static void prepare(struct work *work, struct member *member, const struct claims *claims) {
    int64_t now_us = now_monotonic_us(&work->core->now);
    int64_t waited_us = member->waiting_since_us != 0 ? now_us - member->waiting_since_us : 0;
    member->outcomes = ARENA_ARRAY(&work->core->arena, struct outcome, member->attempt_count);
    member->attempted = 0;
    for (size_t i = 0; i < member->attempt_count; i++) {
        member->outcomes[i].lock_us = claims->taken_us + waited_us;
        member->outcomes[i].retries = work->retries + member->lock_attempts;
    }
}

static bool is_over_time(const struct work *work, int64_t started_us) {
    return !work->core->read_only &&
           now_monotonic_us(&work->core->now) - started_us > BATCH_DECIDE_US;
}

static bool run_each(struct work *work, struct member *member, int64_t started_us,
                     struct fault *fault) {
    for (size_t i = 0; i < member->attempt_count; i++) {
        if (i > 0 && is_over_time(work, started_us)) {
            break;
        }
        if (!execute_attempt(work, &member->attempts[i], &member->outcomes[i], fault)) {
            return false;
        }
        member->attempted = i + 1;
    }
    return true;
}

static bool run_refused(struct work *work, struct member *member, struct fault *fault) {
    for (size_t i = 0; i < member->attempt_count; i++) {
        if (!execute_refuse(work, &member->attempts[i], FAULT_LOCK_TIMEOUT,
                            member->fault_message.bytes, &member->outcomes[i], fault)) {
            return false;
        }
    }
    member->attempted = member->attempt_count;
    return true;
}

static bool run_attempts(struct work *work, struct member *member, int64_t started_us,
                         struct fault *fault) {
    if (member->fault == FAULT_LOCK_TIMEOUT) {
        return run_refused(work, member, fault);
    }
    if (member->mode == MEMBER_EACH) {
        return run_each(work, member, started_us, fault);
    }
    member->attempted = member->attempt_count;
    return member->attempt_count == 1
               ? execute_attempt(work, &member->attempts[0], &member->outcomes[0], fault)
               : execute_all(work, member->attempts, member->attempt_count, member->outcomes,
                             fault);
}

static bool run_member(struct work *work, struct member *member, int64_t started_us,
                       struct fault *fault) {
    if (text_given(member->idempotency_key) && !look_for_answer(work, member, fault)) {
        return false;
    }
    if (member->replayed || member->fault == FAULT_IDEMPOTENCY_REUSED) {
        return true;
    }
    if (!run_attempts(work, member, started_us, fault)) {
        return false;
    }
    if (member->fired != NULL) {
        *(struct store_deadline *)work_add(work, &work->fired, sizeof *member->fired) =
            *member->fired;
    }
    keep_answer(work, member);
    return true;
}

static void put_off(struct work *work, struct member *member) {
    member->blocked = true;
    member->retry_at_us = now_monotonic_us(&work->core->now);
}

static bool run_members(struct work *work, struct member *const *members, size_t count,
                        const struct claims *claims, struct fault *fault) {
    int64_t started_us = now_monotonic_us(&work->core->now);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && is_over_time(work, started_us)) {
            put_off(work, members[i]);
            continue;
        }
        prepare(work, members[i], claims);
        if (!run_member(work, members[i], started_us, fault)) {
            return false;
        }
    }
    return true;
}

/* --- the transaction --- */

static enum isolation strongest(const struct core *core, struct member *const *members,
                                size_t count) {
    enum isolation isolation = ISOLATION_READ_COMMITTED;
    for (size_t i = 0; i < count; i++) {
        const struct attempt *attempt = &members[i]->attempts[0];
        const struct machine *machine = machine_of(core, attempt);
        enum isolation wanted = attempt->isolation != ISOLATION_DEFAULT || machine == NULL
                                    ? attempt->isolation
                                    : machine->isolation;
        isolation = wanted > isolation ? wanted : isolation;
    }
    return isolation;
}

static bool run_extras(struct work *work, struct member *const *members, size_t count,
                       struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        if (members[i]->extra != NULL && !members[i]->blocked &&
            !members[i]->extra(members[i], work->core, fault)) {
            return false;
        }
    }
    return true;
}

/* Invariant 8: the answer to COMMIT was lost; the first audit record tells whether it happened. */
static bool settle(struct work *work, struct fault *fault) {
    const struct store_record *records = work->records.items;
    bool committed = false;
    struct fault looking = FAULT_INIT;
    if (work->records.count == 0 ||
        !store_settle(work->core->store, (struct text){records[0].uuid, ID_LENGTH}, &committed,
                      &looking)) {
        return false;
    }
    if (!committed) {
        fault_set(fault, FAULT_STORE_CONFLICT, "the commit did not happen");
    }
    return committed;
}

static bool finish(struct work *work, struct fault *fault) {
    struct store *store = work->core->store;
    if (work->core->read_only) {
        store_rollback(store);
        return true;
    }
    if (store_commit(store, fault)) {
        return true;
    }
    store_rollback(store);
    return fault->code == FAULT_OUTCOME_UNKNOWN && settle(work, fault);
}

static bool run_in_transaction(struct work *work, struct member *const *members, size_t count,
                               const struct claims *claims, struct fault *fault) {
    bool read_only = work->core->read_only;
    return work_read(work, members, count, fault) &&
           run_members(work, members, count, claims, fault) &&
           (read_only || work_write(work, fault)) && run_extras(work, members, count, fault);
}

static bool run_once(struct core *core, struct member *const *members, size_t count,
                     const struct claims *claims, int64_t retries, struct fault *fault) {
    struct work work;
    work_init(&work, core);
    work.retries = retries;
    enum store_access access = core->read_only ? STORE_READ : STORE_WRITE;
    if (!store_begin(core->store, access, strongest(core, members, count), fault)) {
        return false;
    }
    if (!run_in_transaction(&work, members, count, claims, fault)) {
        store_rollback(core->store);
        return false;
    }
    return finish(&work, fault);
}

/* --- again --- */

static void forget_run(struct member *member) {
    member->replayed = false;
    member->attempted = 0;
    member->blocked = false;
    if (member->fault == FAULT_IDEMPOTENCY_REUSED) {
        member->fault = FAULT_NONE;
    }
}

static void run_alone(struct core *core, struct member *member, const struct claims *claims) {
    struct fault fault = FAULT_INIT;
    for (int64_t try = 0; try < ALONE_TRIES; try++) {
        forget_run(member);
        fault = FAULT_INIT;
        if (run_once(core, &member, 1, claims, try, &fault)) {
            return;
        }
        if (fault.code != FAULT_STORE_CONFLICT) {
            break;
        }
    }
    if (fault.code == FAULT_STORE_CONFLICT) {
        fault.code = FAULT_STORE_UNAVAILABLE;
    }
    fail_member(core, member, &fault);
}

static void run_together(struct core *core, struct member *const *members, size_t count,
                         const struct claims *claims) {
    struct fault fault = FAULT_INIT;
    if (run_once(core, members, count, claims, 0, &fault)) {
        return;
    }
    if (fault.code == FAULT_OUTCOME_UNKNOWN || (count == 1 && fault.code != FAULT_STORE_CONFLICT)) {
        for (size_t i = 0; i < count; i++) {
            fail_member(core, members[i], &fault);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        run_alone(core, members[i], claims);
    }
}

void batch_run(struct core *core, struct member *const *members, size_t count) {
    struct member **ready = ARENA_ARRAY(&core->arena, struct member *, count);
    struct claims claims;
    for (size_t i = 0; i < count; i++) {
        members[i]->blocked = false;
    }
    size_t ready_count = claim_locks(core, members, count, &claims, ready);
    if (ready_count > 0) {
        run_together(core, ready, ready_count, &claims);
    }
    if (core->lock != NULL) {
        lock_drop(core->lock, claims.items, claims.count);
    }
}
