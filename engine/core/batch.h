/* batch.h: the unit of work: whatever has piled up, in one transaction.
 * Room core/: batch, execute, audit, outbox, bulks, import, verify; single-threaded by
 * construction. It uses policy/, store/ and lock/. How to use: fill a struct core once a thread;
 * make members; batch_run; read each member's outcomes. batch_run never fails as a call: whatever
 * happens is an outcome of each member. Outcomes live in the core's arena until the caller resets
 * it. */
#ifndef STATUTE_BATCH_H
#define STATUTE_BATCH_H

#include "base/id.h"
#include "lock/lock.h"
#include "policy/policy.h"
#include "store/store.h"

/* What one thread needs to run batches. Nothing in it is shared but what the pointers say. */
struct core {
    struct store *store; /* own connection */
    struct lock *lock;   /* own; NULL: no distributed lock */
    struct arena arena;  /* one batch's memory */
    struct now now;
    struct id_source ids;
    struct policy policy;         /* pinned for the batch by the caller */
    bool lock_optional;           /* when the lock is unavailable, go on with the row lock alone */
    bool runs_again;              /* the caller runs blocked members again at retry_at_us: a passing
                                     fault of the store is waited out, not answered */
    bool read_only;               /* a decider: dry runs only, rolls back instead of committing */
    int64_t earliest_deadline_us; /* wall clock; lowered by each batch that arms an earlier timer,
                                     committed or not; who wants to know sets it to INT64_MAX */
};

/* What became of an attempt. */
struct outcome {
    enum fault_code code; /* FAULT_NONE: it succeeded */
    struct text message;  /* why not */
    bool by_effect;       /* refused because something that was to follow was */
    bool changed;
    bool skipped; /* the entity had left the member's `where`: nothing was attempted */
    struct text from, to;
    int64_t version; /* after; for a refusal: the current one, 0 if there is no entity */
    const struct entity *entity; /* after; NULL when there is none */
    const struct decision
        *decision; /* details of a refusal and warnings; NULL when the policy was not asked */
    char audit_uuid[ID_LENGTH +
                    1]; /* "" when nothing was recorded (dry run, unknown machine, store fault) */
    int64_t audit_sequence;
    char audit_hash[DIGEST_HEX + 1];
    int64_t lock_us, execute_us;
    int64_t retries;
};

enum member_mode {
    MEMBER_ALL,  /* all attempts or none; the usual single attempt is a list of one */
    MEMBER_EACH, /* each attempt for itself */
};

/* What became of a timer that was tried. */
enum timer_end {
    TIMER_WAITS, /* nothing happened to it: blocked, cancelled, or another node was first */
    TIMER_FIRED,
    TIMER_AGAIN,   /* a policy failed, or a rule refused it that it is to be held against again */
    TIMER_FAILED,  /* a rule refused it, and it is done */
    TIMER_STOPPED, /* it was the end of a chain of timers without a pause, and is done */
};

struct member;

/* Writes more in the member's own transaction (bulk progress). Runs after the decisions, before the
 * commit. */
typedef bool member_extra(struct member *member, struct core *core, struct fault *fault);

/* Fills `answer` (status, headers, body) from the outcomes, for who keeps the answer with an
 * idempotency key. */
typedef void member_render(struct member *member, struct core *core);

/* Asked in the member's own transaction, before its attempts: whether they are still wanted. */
typedef bool member_wanted(struct member *member, struct core *core, bool *wanted,
                           struct fault *fault);

struct member {
    /* in */
    const struct attempt *attempts;
    size_t attempt_count;
    enum member_mode mode;
    const struct store_where *where; /* NULL: any. An attempt on an entity that does not fit when
                                        its turn comes is skipped */
    struct text idempotency_scope;   /* with idempotency_key given */
    struct text idempotency_key;
    unsigned char body_hash[DIGEST_BYTES]; /* of the body's canonical JSON */
    member_render *render;                 /* may be NULL without an idempotency key */
    member_wanted *wanted;                 /* may be NULL: always */
    member_extra *extra;                   /* may be NULL */
    const struct store_deadline *fired;    /* the timer that this attempt is; NULL: none */
    void *context;                         /* of render and extra */
    const struct store_answer *kept; /* private: what the store has for its key; NULL: nothing */
    int64_t waiting_since_us;        /* monotonic; when the lock was first asked for; 0: not yet */
    int64_t lock_attempts;           /* how often a wait for the lock ran out and began again */
    int64_t store_attempts;          /* how often a passing fault of the store was waited out */
    /* out */
    bool blocked; /* nothing happened (a lock was not free, the store had a passing fault, or the
                     batch had used up its time): run it again at retry_at_us */
    int64_t retry_at_us; /* monotonic */
    size_t attempted;    /* MEMBER_EACH may stop early; the rest is for a later batch */
    bool unwanted;       /* `wanted` said no: nothing was attempted */
    bool replayed;       /* `answer` is the stored first answer */
    enum fault_code
        fault; /* of the member as a whole (store, idempotency); FAULT_NONE: see outcomes */
    struct text fault_message;
    struct outcome *outcomes;   /* attempt_count of them */
    enum timer_end timer_end;   /* of `fired` */
    struct store_answer answer; /* filled by render or, when replayed, from the store */
};

void batch_run(struct core *core, struct member *const *members, size_t count);

/* Makes entities that have just been read what the rows of an application's own table say, in the
 * names of the rules in force, with the defaults of their fields. What the
 * store lists and counts by is what the engine saw last. */
bool core_refresh(struct core *core, struct arena *arena, struct entity *entities, size_t count,
                  struct fault *fault) MUST_CHECK;
/* store_read in the open transaction, refreshed. */
bool core_read(struct core *core, struct arena *arena, const struct store_key *keys, size_t count,
               struct entity *out, struct fault *fault) MUST_CHECK;

/* ctx:find and ctx:count outside of a batch, in the transaction that is open on core->store. */
struct policy_reads batch_reads(struct core *core);

/* A batch stops taking members after this long and commits what it has, so that one slow policy
 * cannot hold up its neighbours for more than this and one call's budget. */
#define BATCH_DECIDE_US (20 * NOW_MILLISECOND)

/* How long the first answer to an idempotency key counts. */
#define ANSWER_KEPT_US (24 * 3600 * NOW_SECOND)

/* The answers that are still kept for these keys, NULL where there is none: out[i] is of keys[i].
 */
bool batch_find_answers(struct core *core, struct arena *arena, const struct store_answer_key *keys,
                        size_t count, const struct store_answer **out,
                        struct fault *fault) MUST_CHECK;
/* FAULT_IDEMPOTENCY_REUSED: the answer is to another body. */
bool batch_answer_is_of(const struct store_answer *kept, const unsigned char *body_hash,
                        struct fault *fault) MUST_CHECK;

#endif
