/* permission.h: reads `permit` and `deny` from the tables that policy files declare, and makes
 * `any`. Used by the declare files, and by bind.c, which walks the same tables again.
 * How to use: put PERMIT_KEY and DENY_KEY among the key rules of a table, then call
 * declare_permission with it. */
#ifndef STATUTE_DECLARE_PERMISSION_H
#define STATUTE_DECLARE_PERMISSION_H

#include "lua/vm.h"
#include "policy/declare/check.h"
#include "policy/rules/permission.h"

#define PERMIT_KEY                                                                                 \
    { "permit", KIND_ANY, "a permission" }
#define DENY_KEY                                                                                   \
    {                                                                                              \
        "deny", KIND_FUNCTIONS,                                                                    \
            "a function (actor, data, ctx) -> boolean, message, or a list of up to 100 such "      \
            "functions"                                                                            \
    }

#define WITHIN_KEY                                                                                 \
    { "within", KIND_TEXT | KIND_FUNCTION, "the name of a field, or a function (data) -> string" }

/* `within` of the declaration at `table`. stack: [-0, +0] */
void declare_within(struct check *check, int table, struct within_rule *out);

/* `permit` and `deny` of the table at `table`, whose place is `at`. Adds to *out, which is zero at
 * first. stack: [-0, +0] */
void declare_permission(struct check *check, int table, const struct key_path *at,
                        struct permission_rule *out);
/* The one half of it: the permit on top of the stack, whose place is `at`. stack: [-0, +0] */
void declare_permit(struct check *check, const struct key_path *at, struct permission_rule *out);
/* The other: the key `deny` of a table. stack: [-0, +0] */
void declare_deny(struct check *check, int table, const struct key_path *at,
                  struct permission_rule *out);

/* A list of the list items of the table at `table`, whatever other keys it has.
 * stack: [-0, +1] */
void declare_push_list(lua_State *lua, int table);

/* Puts `any` into a VM. */
void declare_open_any(struct vm *vm);
/* Whether any { ... } is at `index`; then its table is pushed. stack: [-0, +1 on true] */
bool declare_push_any(lua_State *lua, int index) MUST_CHECK;

#endif
