/* locks.c: locks that applications hold, with fencing tokens.
 *
 * A hold stands in two places. The deployment's lock (lock/lock.h) keeps others out, the engine
 * included: an application that holds "state_transition:task:T-1" makes transitions of that task
 * wait. The store counts the tokens, and knows the proof by which any node can renew or drop the
 * hold. A key is granted when both say so, so a lock that forgot everything (a server that started
 * anew) lets nobody in before the holder's time is over; and its holder's next renewal takes the
 * key there again.
 *
 * All are ordinary jobs of the key's own writer, so that the waiters of one key meet there:
 *
 *   acquire ─ free: grant, answer ──────────────> wake the next
 *     └─ not free ─ wait is over: 423 ──────────> wake the next
 *           └─ wait: the eldest asks every POLL_US, the others sleep
 *
 * On one node that is first come, first served; between nodes it is whoever asks first. */
#include "api/form.h"
#include "api/route.h"
#include "store/lock.h"
#include "timezone/instant.h"

#define KEY_MOST     512 /* bytes; the longest of the engine's own fits */
#define TTL_MS_LEAST 10
#define TTL_MS_MOST  3600000
#define TTL_MS       10000
#define WAIT_MS_MOST 60000

#define POLL_US      (10 * NOW_MILLISECOND)
#define RETAKE_US    NOW_SECOND /* for a batch of the engine to let go of a key that was forgotten */

#define HOW_TO_PROVE                                                                               \
    "fencing_token: missing; send the number that POST /v1/locks/{key} returned, which is 1 or "   \
    "more"

struct lock_job {
    struct job job; /* first */
    struct call *call;
    struct text key;
    int64_t fencing_token;
    int64_t ttl_us;
    int64_t wait_us; /* from posted_us */
};

/* It lives in its exchange: an answer is the last thing that is done with it. */
static struct lock_job *lock_job_of(struct job *job) {
    return (struct lock_job *)job;
}

/* --- what is asked for --- */

static bool read_key(struct call *call, struct text *key, struct fault *fault) {
    *key = call->parameters[0];
    if (key->length == 0 || key->length > KEY_MOST) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "key: %zu bytes; it must have 1 to %d, percent-encoded in the path",
                         key->length, KEY_MOST);
    }
    for (size_t i = 0; i < key->length; i++) {
        if (text_is_control(key->bytes[i])) {
            return fault_set(fault, FAULT_BAD_REQUEST,
                             "key: byte %zu is a control character; none is allowed", i + 1);
        }
    }
    return true;
}

static bool read_ttl(const struct form *form, struct lock_job *job) {
    int64_t ttl_ms = TTL_MS;
    if (!form_integer(form, "ttl_ms", TTL_MS_LEAST, TTL_MS_MOST, &ttl_ms)) {
        return false;
    }
    job->ttl_us = ttl_ms * NOW_MILLISECOND;
    return true;
}

static bool read_acquire(struct call *call, struct lock_job *job, struct fault *fault) {
    static const char *const keys[] = {"ttl_ms", "wait_ms", NULL};
    static const char *const queries[] = {NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    int64_t wait_ms = 0;
    if (!call_query_known(call, queries, fault) || !form_known(&form, keys) ||
        !read_ttl(&form, job) || !form_integer(&form, "wait_ms", 0, WAIT_MS_MOST, &wait_ms)) {
        return false;
    }
    job->wait_us = wait_ms * NOW_MILLISECOND;
    return true;
}

static bool read_renew(struct call *call, struct lock_job *job, struct fault *fault) {
    static const char *const keys[] = {"fencing_token", "ttl_ms", NULL};
    static const char *const queries[] = {NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    if (!call_query_known(call, queries, fault) || !form_known(&form, keys) ||
        !read_ttl(&form, job) ||
        !form_integer(&form, "fencing_token", 1, INT64_MAX, &job->fencing_token)) {
        return false;
    }
    return job->fencing_token > 0 || fault_set(fault, FAULT_BAD_REQUEST, HOW_TO_PROVE);
}

/* A body with DELETE is not for every client, so the query may say it too. */
static bool read_release(struct call *call, struct lock_job *job, struct fault *fault) {
    static const char *const names[] = {"fencing_token", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    int64_t queried;
    if (!call_query_known(call, names, fault) ||
        !call_query_integer(call, "fencing_token", 1, INT64_MAX, 0, &queried, fault) ||
        !form_known(&form, names) ||
        !form_integer(&form, "fencing_token", 1, INT64_MAX, &job->fencing_token)) {
        return false;
    }
    if (queried != 0 && job->fencing_token != 0 && queried != job->fencing_token) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "fencing_token: %lld in the query, %lld in the body", (long long)queried,
                         (long long)job->fencing_token);
    }
    job->fencing_token = queried != 0 ? queried : job->fencing_token;
    return job->fencing_token > 0 || fault_set(fault, FAULT_BAD_REQUEST, HOW_TO_PROVE);
}

typedef bool lock_reader(struct call *call, struct lock_job *job, struct fault *fault);

static void post(struct call *call, lock_reader *read, job_run *run) {
    struct lock_job *job = ARENA_NEW(&call->exchange->arena, struct lock_job);
    struct fault fault = FAULT_INIT;
    job->call = call;
    job->job.exchange = call->exchange;
    job->job.run = run;
    if (!read_key(call, &job->key, &fault) || !read(call, job, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    workers_post(&call->service->workers,
                 workers_home(&call->service->workers, TEXT("lock"), job->key), &job->job);
}

/* --- answers --- */

static void answer_held(const struct lock_job *job, const struct store_lock *held) {
    struct http_exchange *exchange = job->job.exchange;
    char instant[INSTANT_TEXT];
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("key"));
    js_put_text(&writer, job->key);
    js_key(&writer, TEXT("fencing_token"));
    js_put_integer(&writer, held->fencing_token);
    js_key(&writer, TEXT("expires_at"));
    js_put_text(&writer, instant_print(held->expires_us, instant));
    js_close(&writer, '}');
    call_ok(exchange, 200, buffer_view(&buffer));
}

static void refuse(const struct lock_job *job, const struct fault *fault) {
    bool unknown = fault->code == FAULT_OUTCOME_UNKNOWN;
    call_fail(job->job.exchange, fault,
              fault_status(fault->code) != 503 ? TEXT_NONE
              : unknown                        ? TEXT("\"outcome\":\"unknown\"")
                                               : TEXT("\"outcome\":\"not_executed\""));
}

static struct lock_claim claim_of(const struct lock_job *job, uint64_t proof) {
    return (struct lock_claim){
        .key = job->key, .ttl_us = job->ttl_us, .granted = proof != 0, .token = proof};
}

/* --- acquire --- */

static void run_acquire(struct job *base, struct worker *worker);

static bool is_rival(struct job *job, struct text key) {
    return job->run == run_acquire && text_equal(lock_job_of(job)->key, key);
}

/* The list is in the order of posting. */
static struct job *eldest(struct worker *worker, struct text key) {
    struct job *job = worker->waiting;
    while (job != NULL && !is_rival(job, key)) {
        job = job->next_waiting;
    }
    return job;
}

static void wake_next(struct worker *worker, struct text key) {
    struct job *job = eldest(worker, key);
    if (job != NULL) {
        job->retry_at_us = now_monotonic_us(&worker->core.now);
    }
}

/* The answer to COMMIT was lost: the proof tells whether it happened. */
static bool settle(struct worker *worker, const struct lock_claim *claim, struct store_lock *held) {
    struct fault ignored = FAULT_INIT;
    return store_find_lock(worker->core.store, claim->key, held, &ignored) && held->held &&
           held->proof == claim->token;
}

/* False with FAULT_LOCK_TIMEOUT: it is not free. */
static bool try_acquire(struct worker *worker, const struct lock_job *job, struct store_lock *held,
                        struct fault *fault) {
    struct lock_claim claim = claim_of(job, 0);
    if (!lock_take(worker->lock, &claim, 1, fault)) {
        return false;
    }
    if (!claim.granted) {
        return fault_set(fault, FAULT_LOCK_TIMEOUT, "another caller holds '%.*s'; try again later",
                         TEXT_ARGS(job->key));
    }
    if (store_grant_lock(worker->core.store, job->key, claim.token, job->ttl_us, held, fault) ||
        (fault->code == FAULT_OUTCOME_UNKNOWN && settle(worker, &claim, held))) {
        return true;
    }
    lock_drop(worker->lock, &claim, 1);
    return false;
}

/* False with the fault that ends it; FAULT_NONE: it waits. */
static bool acquire(struct worker *worker, struct lock_job *job, struct store_lock *held,
                    struct fault *fault) {
    const struct job *first = eldest(worker, job->key);
    bool behind = first != NULL && first->posted_us < job->job.posted_us;
    int64_t until_us = job->job.posted_us + job->wait_us;
    if (behind) {
        fault_set(fault, FAULT_LOCK_TIMEOUT, "others wait for '%.*s' already; try again later",
                  TEXT_ARGS(job->key));
    } else if (try_acquire(worker, job, held, fault)) {
        return true;
    }
    int64_t now_us = now_monotonic_us(&worker->core.now);
    if (fault->code != FAULT_LOCK_TIMEOUT || now_us >= until_us) {
        return false;
    }
    if (job->call->service->stopping) {
        return fault_set(fault, FAULT_OVERLOADED,
                         "the server is stopping; nothing was done; try again");
    }
    bool sooner = !behind && now_us + POLL_US < until_us;
    worker_wait(worker, &job->job, sooner ? now_us + POLL_US : until_us);
    *fault = FAULT_INIT;
    return false;
}

static void run_acquire(struct job *base, struct worker *worker) {
    struct lock_job *job = lock_job_of(base);
    struct store_lock held;
    struct fault fault = FAULT_INIT;
    bool acquired = acquire(worker, job, &held, &fault);
    if (!acquired && fault.code == FAULT_NONE) {
        return;
    }
    wake_next(worker, job->key);
    if (acquired) {
        answer_held(job, &held);
    } else {
        refuse(job, &fault);
    }
}

void api_lock_acquire(struct call *call) {
    post(call, read_acquire, run_acquire);
}

/* --- renew --- */

static bool find_held(struct worker *worker, const struct lock_job *job, struct store_lock *held,
                      struct fault *fault) {
    if (!store_find_lock(worker->core.store, job->key, held, fault)) {
        return false;
    }
    if (held->fencing_token == 0) {
        return fault_set(fault, FAULT_NOT_FOUND, "nobody ever held a lock '%.*s'",
                         TEXT_ARGS(job->key));
    }
    return (held->held && held->fencing_token == job->fencing_token) ||
           fault_set(fault, FAULT_LOCK_LOST,
                     "fencing token %lld does not hold '%.*s': it expired, or was released",
                     (long long)job->fencing_token, TEXT_ARGS(job->key));
}

/* The lock may have forgotten what the store knows: then it is taken there again. False with
 * FAULT_LOCK_TIMEOUT: a batch of the engine has it just now. */
static bool renew_proof(struct worker *worker, const struct lock_job *job, uint64_t *proof,
                        struct fault *fault) {
    struct lock_claim claim = claim_of(job, *proof);
    if (lock_renew(worker->lock, &claim, 1)) {
        return true;
    }
    if (!lock_ping(worker->lock, fault) || !lock_take(worker->lock, &claim, 1, fault)) {
        return false;
    }
    *proof = claim.token;
    return claim.granted || fault_set(fault, FAULT_LOCK_TIMEOUT, "the lock lost this hold");
}

static bool renew(struct worker *worker, const struct lock_job *job, struct store_lock *held,
                  struct fault *fault) {
    if (!find_held(worker, job, held, fault)) {
        return false;
    }
    uint64_t proof = held->proof;
    if (!renew_proof(worker, job, &proof, fault)) {
        return false;
    }
    if (store_renew_lock(worker->core.store, job->key, job->fencing_token, proof, job->ttl_us, held,
                         fault)) {
        return true;
    }
    if (fault->code == FAULT_LOCK_LOST) { /* it expired between the two */
        struct lock_claim claim = claim_of(job, proof);
        lock_drop(worker->lock, &claim, 1);
    }
    return false;
}

static void run_renew(struct job *base, struct worker *worker) {
    struct lock_job *job = lock_job_of(base);
    struct store_lock held;
    struct fault fault = FAULT_INIT;
    int64_t now_us = now_monotonic_us(&worker->core.now);
    if (renew(worker, job, &held, &fault)) {
        answer_held(job, &held);
    } else if (fault.code != FAULT_LOCK_TIMEOUT) {
        refuse(job, &fault);
    } else if (now_us < base->posted_us + RETAKE_US && !job->call->service->stopping) {
        worker_wait(worker, base, now_us + POLL_US);
    } else {
        fault.code = FAULT_LOCK_LOST;
        refuse(job, &fault);
    }
}

void api_lock_renew(struct call *call) {
    post(call, read_renew, run_renew);
}

/* --- release --- */

/* The store first: from then on whoever gets the lock gets the next token too. */
static void run_release(struct job *base, struct worker *worker) {
    struct lock_job *job = lock_job_of(base);
    struct store_lock held;
    struct fault fault = FAULT_INIT;
    if (!find_held(worker, job, &held, &fault) ||
        !store_release_lock(worker->core.store, job->key, job->fencing_token, &fault)) {
        refuse(job, &fault);
        return;
    }
    struct lock_claim claim = claim_of(job, held.proof);
    lock_drop(worker->lock, &claim, 1);
    wake_next(worker, job->key);
    call_ok(base->exchange, 204, TEXT_NONE);
}

void api_lock_release(struct call *call) {
    post(call, read_release, run_release);
}
