/* permission.c: the tables of `permit` as a tree. any { ... } is a userdata with its table as a
 * user value, so that a list and an `any` cannot be mistaken for each other. Lua can share tables
 * and even close circles with them: the depth is bounded, and every node is paid for. */
#include "policy/declare/permission.h"

#include <lauxlib.h>

#define DEPTH_MOST 16

static const char any_metatable = 0; /* its address is the registry key */

/* --- any --- */

static int make_any(lua_State *lua) {
    if (lua_gettop(lua) != 1 || !lua_istable(lua, 1) || lua_rawlen(lua, 1) == 0) {
        return luaL_error(lua, "any takes one list of permissions: any { 'a.b', 'c.d' }");
    }
    lua_newuserdatauv(lua, 0, 1);                        // stack: table any
    lua_pushvalue(lua, 1);                               // stack: table any table
    lua_setiuservalue(lua, -2, 1);                       // stack: table any
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &any_metatable); // stack: table any metatable
    lua_setmetatable(lua, -2);                           // stack: table any
    return 1;
}

void declare_open_any(struct vm *vm) {
    lua_State *lua = vm_lua(vm);
    lua_newtable(lua);                                   // stack: metatable
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &any_metatable); // stack:
    lua_pushcfunction(lua, make_any);                    // stack: function
    vm_set_global(vm, "any");                            // stack:
}

bool declare_push_any(lua_State *lua, int index) {
    index = lua_absindex(lua, index);
    if (lua_type(lua, index) != LUA_TUSERDATA || !lua_getmetatable(lua, index)) {
        return false;
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &any_metatable); // stack: metatable ours
    bool is_any = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2); // stack:
    if (is_any) {
        lua_getiuservalue(lua, index, 1); // stack: table
    }
    return is_any;
}

void declare_push_list(lua_State *lua, int table) {
    lua_Integer count = (lua_Integer)lua_rawlen(lua, table);
    lua_newtable(lua); // stack: list
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, table, i); // stack: list item
        lua_rawseti(lua, -2, i);    // stack: list
    }
}

/* --- expressions --- */

static void add_name(struct check *check, struct permission_rule *out, struct text name) {
    for (size_t i = 0; i < out->name_count; i++) {
        if (text_equal(out->names[i], name)) {
            return;
        }
    }
    struct text *names = ARENA_ARRAY(check->arena, struct text, out->name_count + 1);
    if (out->name_count > 0) {
        memcpy(names, out->names, out->name_count * sizeof *names);
    }
    names[out->name_count++] = name;
    out->names = names;
}

static void read_name(struct check *check, const struct key_path *at, struct permission *out,
                      struct permission_rule *rule) {
    *out = (struct permission){.kind = PERMISSION_NAME, .name = check_text_at(check, -1)};
    if (!text_given(out->name)) {
        check_problem(check, at, "a permission is UTF-8 text");
        return;
    }
    check_permission(check, at, out->name);
    add_name(check, rule, out->name);
}

static void read_expression(struct check *check, const struct key_path *at, size_t depth,
                            struct permission *out, struct permission_rule *rule);

/* stack: [-0, +0]. The list is on top. */
static void read_items(struct check *check, const struct key_path *at, size_t depth,
                       struct permission *out, struct permission_rule *rule) {
    size_t count = lua_rawlen(check->lua, -1);
    if (!check_is_list(check, -1)) {
        check_problem(check, at, "it must be a list of permissions, without keys or gaps");
    } else if (count == 0) {
        check_problem(check, at, "the list is empty; leave it out if no permission is needed");
        return;
    }
    if (depth == DEPTH_MOST) {
        check_problem(check, at, "lists of permissions are nested at most %d deep", DEPTH_MOST);
        return;
    }
    if (!check_afford(check, at, count)) {
        return;
    }
    struct permission *items = ARENA_ARRAY(check->arena, struct permission, count);
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, TEXT_NONE, i + 1};
        lua_rawgeti(check->lua, -1, (lua_Integer)i + 1); // stack: list item
        read_expression(check, &path, depth + 1, &items[i], rule);
        lua_pop(check->lua, 1); // stack: list
    }
    out->items = items;
    out->count = count;
}

/* stack: [-0, +0]. The value on top is no name, list or function. */
static void read_any(struct check *check, const struct key_path *at, size_t depth,
                     struct permission *out, struct permission_rule *rule) {
    if (!declare_push_any(check->lua, -1)) { // stack: any table
        check_problem(check, at,
                      "it must be a permission, a list of permissions, any { ... }, or a function "
                      "(actor, data, ctx) -> boolean, message");
        return;
    }
    *out = (struct permission){.kind = PERMISSION_ANY};
    read_items(check, at, depth, out, rule);
    lua_pop(check->lua, 1); // stack: any
}

/* stack: [-0, +0]. The value is on top. */
static void read_expression(struct check *check, const struct key_path *at, size_t depth,
                            struct permission *out, struct permission_rule *rule) {
    luaL_checkstack(check->lua, 8, "too many nested permissions");
    switch (lua_type(check->lua, -1)) {
    case LUA_TSTRING:
        read_name(check, at, out, rule);
        return;
    case LUA_TFUNCTION:
        *out = (struct permission){.kind = PERMISSION_FUNCTION, .function = rule->function_count++};
        return;
    case LUA_TTABLE:
        *out = (struct permission){.kind = PERMISSION_ALL};
        read_items(check, at, depth, out, rule);
        return;
    default:
        read_any(check, at, depth, out, rule);
    }
}

void declare_permit(struct check *check, const struct key_path *at, struct permission_rule *out) {
    struct permission *permit = ARENA_NEW(check->arena, struct permission);
    if (!check_afford(check, at, 1)) {
        return;
    }
    *permit = (struct permission){.kind = PERMISSION_ALL};
    read_expression(check, at, 0, permit, out);
    out->permit = permit;
}

void declare_deny(struct check *check, int table, const struct key_path *at,
                  struct permission_rule *out) {
    struct key_path path = {at, TEXT("deny"), 0};
    int type = check_push(check, table, path.name); // stack: deny
    size_t count = type == LUA_TTABLE ? (size_t)lua_rawlen(check->lua, -1) : type == LUA_TFUNCTION;
    lua_pop(check->lua, 1); // stack:
    if (count > 0 && check_afford(check, &path, count)) {
        out->deny_count = count;
    }
}

void declare_permission(struct check *check, int table, const struct key_path *at,
                        struct permission_rule *out) {
    struct key_path path = {at, TEXT("permit"), 0};
    table = lua_absindex(check->lua, table);
    if (check_push(check, table, path.name) != LUA_TNIL) { // stack: permit
        declare_permit(check, &path, out);
    }
    lua_pop(check->lua, 1); // stack:
    declare_deny(check, table, at, out);
}

void declare_within(struct check *check, int table, struct within_rule *out) {
    out->has_function = check_has_function(check, table, NULL, "within");
    out->field = check_text(check, table, "within");
    if (text_given(out->field) && out->field.length == 0) {
        struct key_path at = {NULL, TEXT("within"), 0};
        check_problem(check, &at, "it must be the name of a field");
    }
}
