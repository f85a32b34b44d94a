/* batch.c: one transaction for whatever piled up.
 *
 * Invariants
 *  1. A refusal is an outcome, not a fault, and never fails a neighbour.
 *  2. Nobody is answered before the commit: batch_run returns after it.
 *  3. The lock outlives the transaction: taken before begin, renewed while a transaction is long,
 * dropped after commit or rollback.
 *  4. Every write is conditional on the version that was read; losing every lock changes speed,
 * never the outcome.
 *  5. State, audit, outbox, deadlines and idempotency ride one transaction (one store_write).
 *  6. One generation a batch: the caller pins core->policy.
 *  7. What follows joins the same transaction (execute.c).
 *  8. A commit whose answer was lost is unknown, and settled by looking for its audit record.
 *  9. A batch that fails as a whole is run again one member at a time, so a poisoned request fails
 *     alone.
 * 10. What a decision found and counted is still so when it commits. What is only read is not
 * locked before what is written is known: it is confirmed by store_write. A batch that lost a race
 * holds from the start what it wanted then (footprint.c).
 *
 *   claim locks ─ run_together ─ok──────────────────────────────────── drop locks
 *                   │ conflict: again at once, with its footprint          │
 *                   │ fault, many members                                  │
 *                   └─ run_alone each ─ok / conflict: again at once / fault ┤
 *                                         still failing: blocked, later ────┘
 */
#include "core/batch.h"

#include "core/claims.h"
#include "core/execute.h"
#include "core/timers.h"

#define TOGETHER_TRIES 3
#define ALONE_TRIES    4

static void fail_member(struct core *core, struct member *member, const struct fault *fault) {
    member->fault = fault->code;
    member->fault_message = text_copy(&core->arena, text_of(fault->message));
}

/* --- idempotency --- */

static bool is_kept(int status) {
    return status < 500 && status != 423 && status != 429 && status != 408;
}

bool batch_find_answers(struct core *core, struct arena *arena, const struct store_answer_key *keys,
                        size_t count, const struct store_answer **out, struct fault *fault) {
    return store_find_answers(core->store, arena, keys, count,
                              now_wall_us(&core->now) - ANSWER_KEPT_US, out, fault);
}

bool batch_answer_is_of(const struct store_answer *kept, const unsigned char *body_hash,
                        struct fault *fault) {
    return memcmp(kept->body_hash, body_hash, DIGEST_BYTES) == 0 ||
           fault_set(fault, FAULT_IDEMPOTENCY_REUSED,
                     "this Idempotency-Key was used before with another body; use a new key");
}

static void replay(struct core *core, struct member *member, const struct store_answer *kept) {
    struct fault fault = FAULT_INIT;
    if (!batch_answer_is_of(kept, member->body_hash, &fault)) {
        fail_member(core, member, &fault);
    } else {
        member->replayed = true;
        member->answer = *kept;
    }
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

/* All members' keys in one call. */
static bool read_answers(struct work *work, struct member *const *members, size_t count,
                         struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct store_answer_key *keys = ARENA_ARRAY(arena, struct store_answer_key, count);
    const struct store_answer **kept = ARENA_ARRAY(arena, const struct store_answer *, count);
    size_t keyed = 0;
    for (size_t i = 0; i < count; i++) {
        if (text_given(members[i]->idempotency_key)) {
            keys[keyed++] = (struct store_answer_key){members[i]->idempotency_scope,
                                                      members[i]->idempotency_key};
        }
    }
    if (!batch_find_answers(work->core, arena, keys, keyed, kept, fault)) {
        return false;
    }
    for (size_t i = count; i > 0; i--) {
        members[i - 1]->kept = text_given(members[i - 1]->idempotency_key) ? kept[--keyed] : NULL;
    }
    return true;
}

/* Sets `replayed`, or the fault of a key that was used otherwise, when the key is known. */
static void look_for_answer(const struct work *work, struct member *member) {
    const struct store_answer *in_batch = answer_in_batch(work, member);
    const struct store_answer *kept = in_batch != NULL ? in_batch : member->kept;
    if (kept != NULL) {
        replay(work->core, member, kept);
    }
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
        member->outcomes[i].retries =
            work->retries + member->lock_attempts + member->store_attempts;
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
        const struct attempt *attempt = &member->attempts[i];
        struct outcome *out = &member->outcomes[i];
        if (!execute_fits(work, attempt, member->where, out, fault) ||
            (!out->skipped && !execute_attempt(work, attempt, out, fault))) {
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

/* The end of a chain of timers that would go on for ever. */
static bool run_endless(struct work *work, struct member *member, struct fault *fault) {
    member->attempted = 1;
    return execute_refuse(work, &member->attempts[0], FAULT_POLICY_ERROR,
                          timers_endless_message(work, member), &member->outcomes[0], fault);
}

static bool run_attempts(struct work *work, struct member *member, int64_t started_us,
                         struct fault *fault) {
    if (member->fault == FAULT_LOCK_TIMEOUT) {
        return run_refused(work, member, fault);
    }
    if (timers_is_endless(member)) {
        return run_endless(work, member, fault);
    }
    if (member->mode == MEMBER_EACH) {
        return run_each(work, member, started_us, fault);
    }
    member->attempted = member->attempt_count;
    return member->attempt_count == 1 && member->where == NULL
               ? execute_attempt(work, &member->attempts[0], &member->outcomes[0], fault)
               : execute_all(work, member, fault);
}

static bool run_member(struct work *work, struct member *member, int64_t started_us,
                       struct fault *fault) {
    if (text_given(member->idempotency_key)) {
        look_for_answer(work, member);
    }
    if (member->replayed || member->fault == FAULT_IDEMPOTENCY_REUSED) {
        return true;
    }
    if (member->wanted != NULL) {
        bool wanted;
        if (!member->wanted(member, work->core, &wanted, fault)) {
            return false;
        }
        member->unwanted = !wanted;
    }
    if (member->unwanted || timers_is_cancelled(work, member)) {
        member->unwanted = true;
        return true;
    }
    work->chain = member->fired != NULL ? member->fired->chain + 1 : 0;
    if (!run_attempts(work, member, started_us, fault)) {
        return false;
    }
    timers_end(work, member);
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
        enum isolation wanted = core_isolation(core, &members[i]->attempts[0]);
        isolation = wanted > isolation ? wanted : isolation;
    }
    return isolation;
}

static bool run_extras(struct work *work, struct member *const *members, size_t count,
                       struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        if (members[i]->extra != NULL && !members[i]->blocked && !members[i]->unwanted &&
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
                               struct claims *claims, struct fault *fault) {
    bool read_only = work->core->read_only;
    if (!work_read(work, members, count, fault) || !read_answers(work, members, count, fault) ||
        !timers_look(work, members, count, fault) ||
        !run_members(work, members, count, claims, fault)) {
        return false;
    }
    claims_renew(work->core, claims);
    return (read_only || work_write(work, fault)) && run_extras(work, members, count, fault);
}

/* One after another for the members: what the runs before this one wanted. `alone`: the members ran
 * together before, and something was wrong with one of them. */
struct again {
    struct footprint footprint;
    int64_t retries;
    bool alone;
};

/* Who counted is run again under read committed (store_guard). What a decision sees of entities is
 * confirmed at the write, so together that is no less than serializable. */
static enum isolation isolation_of(const struct core *core, struct member *const *members,
                                   size_t count, const struct again *again) {
    return again->footprint.guards.count > 0 ? ISOLATION_READ_COMMITTED
                                             : strongest(core, members, count);
}

static bool run_once(struct core *core, struct member *const *members, size_t count,
                     struct claims *claims, struct again *again, struct fault *fault) {
    struct work work;
    work_init(&work, core, &again->footprint);
    work.retries = again->retries++;
    work.careful = again->alone;
    enum store_access access = core->read_only ? STORE_READ : STORE_WRITE;
    if (!store_begin(core->store, access, isolation_of(core, members, count, again), fault)) {
        return false;
    }
    if (!run_in_transaction(&work, members, count, claims, fault)) {
        footprint_add(&again->footprint, &work);
        store_rollback(core->store);
        return false;
    }
    claims_renew(core, claims);
    return finish(&work, fault);
}

/* --- again --- */

static void forget_run(struct member *member) {
    member->replayed = false;
    member->unwanted = false;
    member->timer_end = TIMER_WAITS;
    member->attempted = 0;
    member->blocked = false;
    if (member->fault == FAULT_IDEMPOTENCY_REUSED) {
        member->fault = FAULT_NONE;
    }
}

/* A race that was lost again and again, or a store that is not there at this moment: nothing has
 * happened, and in a moment it may be otherwise. Never an outcome that is unknown. What a member
 * was told in the run that failed does not outlive the arena, so it is forgotten first. */
static void give_up(struct core *core, struct member *member, struct fault *fault) {
    forget_run(member);
    bool passes = fault->code == FAULT_STORE_CONFLICT || fault->code == FAULT_STORE_UNAVAILABLE;
    if (passes && core->runs_again && member->store_attempts < claims_retries(core, member)) {
        claims_back_off(core, member, ++member->store_attempts);
        return;
    }
    if (fault->code == FAULT_STORE_CONFLICT) {
        fault->code = FAULT_STORE_UNAVAILABLE;
    }
    fail_member(core, member, fault);
}

/* False, with the fault, when it was not run. */
static bool run_alone(struct core *core, struct member *member, struct claims *claims,
                      struct fault *fault) {
    struct again again = {.alone = true};
    footprint_init(&again.footprint, core);
    while (again.retries < ALONE_TRIES) {
        forget_run(member);
        *fault = FAULT_INIT;
        if (run_once(core, &member, 1, claims, &again, fault)) {
            return true;
        }
        if (fault->code != FAULT_STORE_CONFLICT) {
            break;
        }
    }
    return false;
}

/* Once the store is gone, looking for it again for each member would only cost them time. */
static void run_each_alone(struct core *core, struct member *const *members, size_t count,
                           struct claims *claims) {
    struct fault fault = FAULT_INIT, ignored = FAULT_INIT;
    bool gone = false;
    for (size_t i = 0; i < count; i++) {
        if (gone) {
            struct fault copy = fault;
            give_up(core, members[i], &copy);
        } else if (!run_alone(core, members[i], claims, &fault)) {
            gone = fault.code == FAULT_STORE_UNAVAILABLE && !store_ping(core->store, &ignored);
            struct fault copy = fault;
            give_up(core, members[i], &copy);
        }
    }
}

/* False, with the fault, when they were not run. */
static bool run_all(struct core *core, struct member *const *members, size_t count,
                    struct claims *claims, struct fault *fault) {
    struct again again = {0};
    footprint_init(&again.footprint, core);
    do {
        for (size_t i = 0; again.retries > 0 && i < count; i++) {
            forget_run(members[i]);
        }
        *fault = FAULT_INIT;
        if (run_once(core, members, count, claims, &again, fault)) {
            return true;
        }
    } while (fault->code == FAULT_STORE_CONFLICT && again.retries < TOGETHER_TRIES);
    return false;
}

static void run_together(struct core *core, struct member *const *members, size_t count,
                         struct claims *claims) {
    struct fault fault = FAULT_INIT;
    if (run_all(core, members, count, claims, &fault)) {
        return;
    }
    bool worth_again =
        count > 1 || fault.code == FAULT_STORE_CONFLICT || fault.code == FAULT_VALIDATION_FAILED;
    if (worth_again && fault.code != FAULT_OUTCOME_UNKNOWN) {
        run_each_alone(core, members, count, claims);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        give_up(core, members[i], &fault);
    }
}

void batch_run(struct core *core, struct member *const *members, size_t count) {
    struct member **ready = ARENA_ARRAY(&core->arena, struct member *, count);
    for (size_t i = 0; i < count; i++) {
        members[i]->blocked = false;
    }
    struct claims claims = claims_take(core, members, count);
    size_t ready_count = claims_ready(core, &claims, members, count, ready);
    if (ready_count > 0) {
        run_together(core, ready, ready_count, &claims);
    }
    claims_drop(core, &claims);
}
