/* explain.h: why, and what would: which rules were asked, where they stand, what they looked for in
 * vain, and what is nearest to being allowed. Only for attempts that ask for it. Used by
 * engine/policy only. */
#ifndef STATUTE_EXPLAIN_H
#define STATUTE_EXPLAIN_H

#include "policy/turn.h"

/* What is noted while an attempt is decided; turn.explanation is NULL when nobody asked. */
struct explanation {
    const struct js *rules;  /* array of {rule, file, line, outcome, message?, absent?} */
    const struct js *absent; /* array: what the function being asked looked for in vain */
};

/* stack: [-0, +0]. Notes which keys of the table on top are read and are not there; `prefix` ("",
 * "ctx.") is put before them. The table's metatable, if it has one, must have an __index table. */
void explain_watch(struct turn *turn, const char *prefix);

/* stack: [-0, +0]. Notes the answer of a function, by its reference. */
void explain_function(struct turn *turn, struct speaker speaker, int function, bool allowed,
                      struct text message);

/* The whole, once the decision is made: {rules, nearest}. */
const struct js *explain(struct turn *turn);

#endif
