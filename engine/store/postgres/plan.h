/* plan.h: what a batch does to which row, decided in memory. Private to store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_PLAN_H
#define STATUTE_STORE_POSTGRES_PLAN_H

#include "store/postgres/entity.h"

/* What becomes of one row. `entity` NULL: only its chain's head moves, or a row is made for it. */
struct change {
    struct seen *seen;
    const struct entity *entity;
    int64_t version_read;
};

struct changes {
    struct change *items;
    size_t count;
};

struct plan {
    struct changes inserts, updates, heads;
    const struct store_answer **answers; /* without those that a later one replaces */
    size_t answer_count;
};

/* Everything lives in the scratch arena. FAULT_STORE_CONFLICT: a row has another version, or a
 * record does not continue its chain. FAULT_INTERNAL: a deadline of an entity that is not there. */
bool plan_make(struct postgres_store *self, const struct store_batch *batch, struct plan *plan,
               struct fault *fault) MUST_CHECK;

#endif
