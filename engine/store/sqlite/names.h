/* names.h: numbers in place of the names that recur in every row: machines, and kinds
 * (a kind is a state of a machine). Names are never deleted, so what is known stays true; what a
 * transaction made that was rolled back must be forgotten. Texts handed out live as long as the
 * names. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_NAMES_H
#define STATUTE_STORE_SQLITE_NAMES_H

#include "base/arena.h"
#include "base/map.h"
#include "store/sqlite/sql/sql.h"

#define KIND_MOST 65535

struct machine_name {
    int64_t id;
    struct text name;
    struct map kinds; /* state -> int64_t, its number */
};

struct names {
    struct sql *sql; /* lent */
    struct arena arena;
    struct map machines; /* name -> struct machine_name */
    struct text *states; /* by kind; TEXT_NONE: not read yet */
    size_t state_capacity;
    bool unsaved; /* holds what the open transaction made */
};

void names_init(struct names *names, struct sql *sql);
void names_deinit(struct names *names);
/* Forgets everything, if the open transaction made any of it. */
void names_roll_back(struct names *names);

/* *out is NULL when there is no such machine. */
bool names_find_machine(struct names *names, struct text name, struct machine_name **out,
                        struct fault *fault) MUST_CHECK;

/* The same, but made when they are not there. */
bool names_machine(struct names *names, struct text name, struct machine_name **out,
                   struct fault *fault) MUST_CHECK;
bool names_kind(struct names *names, struct machine_name *machine, struct text state, int64_t *kind,
                struct fault *fault) MUST_CHECK;

/* The state of a kind. */
bool names_state(struct names *names, int64_t kind, struct text *state,
                 struct fault *fault) MUST_CHECK;

#endif
