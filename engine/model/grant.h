/* grant.h: what an actor holds: permissions, and roles that count everywhere or within a tenant.
 * A role is a string, or { "role": "technician", "within": "acme" }. Pure data, any thread. */
#ifndef STATUTE_GRANT_H
#define STATUTE_GRANT_H

#include "base/js.h"

#define GRANT_WITHIN_MOST 1000 /* bytes */

/* A role of an actor. */
struct held_role {
    struct text name;
    struct text within; /* TEXT_NONE: everywhere */
};

/* The role that an item of an actor's `roles` says; false when it says none. */
bool held_role_read(const struct js *item, struct held_role *out) MUST_CHECK;

/* Why an item of `roles` is no role, as the rest of a sentence; TEXT_NONE when it is one. */
struct text held_role_refusal(const struct js *item);

/* The roles of a list in an option or a query, each a name or ROLE@TENANT. */
const struct js *held_roles_of_names(struct arena *arena, const struct js *names);

/* Whether a role held within `scope` ("acme", or "acme/" and a star for all below it) counts in
 * `place`. TEXT_NONE as a scope counts everywhere, as a place it is in no tenant. */
bool grant_reaches(struct text scope, struct text place);

/* What other tools write to refuse a permission: the 'x' of '!x', '-x' and 'deny:x'; TEXT_NONE
 * when `permission` is none of these. */
struct text grant_refused(struct text permission);

#endif
