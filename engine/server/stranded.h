/* stranded.h: entities that the rules leave behind: their machine, or the state that they are in,
 * is not declared any more, and no `renamed_from` says what became of it. */
#ifndef STATUTE_STRANDED_H
#define STATUTE_STRANDED_H

#include "base/problem.h"
#include "policy/policy.h"
#include "store/store.h"

struct stranded {
    struct text machine, state;
    int64_t entities;
    bool machine_gone;
    struct text suggestion; /* what to write */
};

struct stranded_list {
    struct stranded *items; /* by machine and state */
    size_t count;
};

/* Whom `rules` strand. Only machines whose rules are other than in `before` are looked at, those of
 * `last`, and those without rules; all when `before` is NULL. Goes through the entities of each. */
bool stranded_find(const struct generation *rules, const struct generation *before,
                   const struct stranded_list *last, struct store *store, struct arena *arena,
                   struct stranded_list *out, struct fault *fault) MUST_CHECK;

/* Machines that have entities and rules in `before`, or, when that is NULL, that have entities and
 * were not let go before: each without rules in `rules` is a problem. FAULT_POLICY_INVALID when
 * there is one; `way_out` says how to go on all the same. */
bool stranded_refuse(const struct generation *rules, const struct generation *before,
                     struct store *store, const char *way_out, struct problem_list *problems,
                     struct fault *fault) MUST_CHECK;

/* The names of the machines that are gone, without doubles; for store_keep_gone. */
size_t stranded_gone(const struct stranded_list *list, struct arena *arena, struct text **names);

const struct js *stranded_json(const struct stranded_list *list, struct arena *arena);
struct stranded_list stranded_copy(const struct stranded_list *list, struct arena *arena);

#endif
