/* transitions.h: reads the transitions of one state, and gives all states those of ["*"]. Used by
 * engine/policy/declare only. */
#ifndef STATUTE_TRANSITIONS_H
#define STATUTE_TRANSITIONS_H

#include "policy/declare/check.h"
#include "policy/rules/machine.h"

/* The names of all states of the machine being checked, in byte order. */
struct names {
    const struct text *items;
    size_t count;
};

/* stack: [-0, +0] for all; the table is on top, and `at` leads to it. */
void transitions_read(struct check *check, const struct key_path *at, struct names states,
                      struct state *out);                                     /* `to` */
void choices_read(struct check *check, const struct key_path *at, struct state *out); /* `choose` */

/* Adds the transitions of ["*"] to each state that takes them, and checks that no state has a verb
 * twice. `at` leads to `states`. */
void transitions_spread(struct check *check, const struct key_path *at, const struct state *any,
                        struct state *states, size_t count);

#endif
