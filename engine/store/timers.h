/* timers.h: timers that entities armed, in a store (store.h): which are due, counts of them, and
 * how far they have been matched with new rules. Faults and transactions as in store.h; what a
 * batch writes of timers is in its struct store_batch. */
#ifndef STATUTE_STORE_TIMERS_H
#define STATUTE_STORE_TIMERS_H

#include "store/store.h"

/* Timers of one machine's entities, as they stand at one moment. */
struct store_timer_count {
    struct text machine;
    int64_t pending, overdue;
    int64_t oldest_due_us; /* of the overdue ones; 0: none */
};

/* The entities of a machine in one state. */
struct store_state_count {
    struct text state;
    int64_t entities;
    int64_t oldest_us; /* when the first of them entered it */
    int64_t overdue_timers;
};

/* How far a machine's entities have been matched with its rules (core/match.h). */
struct store_match {
    struct text machine;
    int64_t rules;
    int64_t position;                /* behind which to go on; 0: from the start */
    int64_t since_us;                /* only what changed since; 0: all */
    bool again;                      /* then another pass */
    int64_t started_us, finished_us; /* 0: not yet */
    int64_t seen, changed;           /* entities */
};

/* Entities of one machine whose timers may be other than its rules say: in one of `states`, or with
 * a timer, changed since `since_us`, and behind the number `after`. */
struct store_slice {
    struct text machine;
    const struct text *states;
    size_t state_count;
    int64_t since_us;
    int64_t after;
    int64_t limit;
};

/* --- timers: pending deadlines, and done ones while the entity stays in its state --- */

/* Those of `machines` (NULL: of all) that are to be tried by `now_us`, earliest first. */
bool store_due(struct store *store, struct arena *arena, const struct text *machines,
               size_t machine_count, int64_t now_us, int64_t limit, struct store_deadline **items,
               size_t *count, struct fault *fault) MUST_CHECK;
/* The earliest deadline; INT64_MAX when there is none. */
bool store_next_due(struct store *store, int64_t *due_us, struct fault *fault) MUST_CHECK;
/* All timers of these entities, done ones too; those of one entity stand together, by due_us. */
bool store_timers(struct store *store, struct arena *arena, const struct store_key *keys,
                  size_t count, struct store_deadline **items, size_t *item_count,
                  struct fault *fault) MUST_CHECK;
/* Of each machine that has pending timers, in name order. Goes through all of them. */
bool store_count_timers(struct store *store, struct arena *arena, int64_t now_us,
                        struct store_timer_count **items, size_t *count,
                        struct fault *fault) MUST_CHECK;
/* Of each state that entities of the machine are in, in name order. Goes through all of them. */
bool store_count_states(struct store *store, struct arena *arena, struct text machine,
                        int64_t now_us, struct store_state_count **items, size_t *count,
                        struct fault *fault) MUST_CHECK;
/* Ids of the slice, in the order of creation; *next is where the next one begins, -1: that was all.
 * Looks at a bounded number of entities, so there may be none although it is not all. */
bool store_slice(struct store *store, struct arena *arena, const struct store_slice *slice,
                 struct text **ids, size_t *count, int64_t *next, struct fault *fault) MUST_CHECK;
bool store_list_matches(struct store *store, struct arena *arena, struct store_match **items,
                        size_t *count, struct fault *fault) MUST_CHECK;

/* --- changes: of a writer; each joins the open transaction, or is one --- */

/* Timers of machines other than these that were to be tried before `before_us` are not tried before
 * `until_us`; at most `most` of them. */
bool store_put_off(struct store *store, const struct text *machines, size_t machine_count,
                   int64_t before_us, int64_t until_us, int64_t most,
                   struct fault *fault) MUST_CHECK;
/* Forgets timers that were done before their entity entered its state; looks at `most` of them. */
bool store_forget_done(struct store *store, int64_t most, struct fault *fault) MUST_CHECK;
/* The row of a machine, locked until the transaction ends, which has to write; *found false: there
 * is none, or, unless it `waits`, somebody else has it. */
bool store_lock_match(struct store *store, struct arena *arena, struct text machine, bool waits,
                      struct store_match *out, bool *found, struct fault *fault) MUST_CHECK;
bool store_save_match(struct store *store, const struct store_match *match,
                      struct fault *fault) MUST_CHECK;

#endif
