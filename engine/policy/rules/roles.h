/* roles.h: who has which permissions. Built while loading, then read by any thread. Used by
 * engine/policy only. */
#ifndef STATUTE_ROLES_H
#define STATUTE_ROLES_H

#include "base/problem.h"
#include "model/attempt.h"

#define ROLES_MOST       1000
#define ROLE_GRANTS_MOST 10000 /* with what is inherited, doubles and all */

struct text_list {
    const struct text *items;
    size_t count;
};

/* A role grants what is in `granted` and not in `except`; both may have "*" and "prefix.*". */
struct role {
    struct text name;
    const struct text *inherits;
    size_t inherit_count;
    struct text_list own;        /* as declared */
    struct text_list own_except; /* not granted, whatever the role grants or inherits */
    struct text_list granted;    /* with what is inherited, in byte order, without doubles */
    struct text_list except;     /* likewise: both are made by roles_expand */
    struct text file;            /* where `inherits` stands */
    int line;
};

struct roles {
    struct role *items; /* in name order after roles_expand */
    size_t count, capacity;
};

/* Adds a role; a second one of this name is a problem that names both places. */
void roles_add(struct roles *roles, struct arena *arena, const struct role *role,
               struct problem_list *problems);

/* Resolves `inherits`. Unknown roles and circles are problems. */
void roles_expand(struct roles *roles, struct arena *arena, struct problem_list *problems);

/* Whether the actor has the permission, by itself or by one of its roles, of which those that are
 * held within a tenant count where they reach `within` (TEXT_NONE: no tenant). NULL: nobody, who
 * has none. */
bool roles_permit(const struct roles *roles, const struct actor *actor, struct text within,
                  struct text permission);

/* Whether the role of this name grants the permission. */
bool role_permits(const struct role *role, struct text permission);

/* {role: [permissions]}; what a role does not grant after all is {role: {grants: [], except: []}}
 */
const struct js *roles_json(const struct roles *roles, struct arena *arena);

/* The permissions themselves as a JSON array. */
const struct js *texts_json(struct arena *arena, const struct text *items, size_t count);

/* Whether a permission is granted by a list that may hold "*" and "prefix.*". */
bool policy_grants(struct text granted, struct text permission);

#endif
