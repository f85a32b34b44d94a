/* act.c: `create`, `update` and `read`: who may do what is no transition, and when. */
#include "policy/declare/declare.h"
#include "policy/declare/permission.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct key_rule act_keys[] = {
    PERMIT_KEY,
    DENY_KEY,
    {"guard", KIND_FUNCTIONS,
     "a function (data, ctx) -> ok, message, or a list of up to 100 such functions"},
};

static const struct key_rule read_keys[] = {PERMIT_KEY, DENY_KEY};

/* stack: [-0, +0]. The act's table is on top. */
static void read_act(struct check *check, const struct key_path *at, bool takes_guard,
                     struct act_rule *out) {
    int table = lua_gettop(check->lua);
    check_keys(check, table, at, takes_guard ? act_keys : read_keys,
               takes_guard ? COUNT(act_keys) : COUNT(read_keys));
    out->is_there = true;
    declare_permission(check, table, at, &out->permission);
    out->has_guard = takes_guard && check_has_function(check, table, at, "guard");
    if (!out->has_guard && !permission_rule_asks(&out->permission)) {
        check_problem(check, at,
                      takes_guard ? "it says nothing: give it a `permit`, a `deny` or a `guard`"
                                  : "it says nothing: give it a `permit` or a `deny`");
    }
}

void declare_check_act(struct check *check, int table, const struct key_path *at, const char *key,
                       bool takes_guard, struct act_rule *out) {
    struct key_path path = {at, text_of(key), 0};
    if (check_push(check, table, path.name) == LUA_TTABLE) { // stack: act
        read_act(check, &path, takes_guard, out);
    }
    lua_pop(check->lua, 1); // stack:
}
