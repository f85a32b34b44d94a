#include "policy/bind.h"

#include "policy/declare/permission.h"

#include <lauxlib.h>

/* stack: [-0, +1] */
static int push(lua_State *lua, int table, struct text key) {
    table = lua_absindex(lua, table);
    lua_pushlstring(lua, key.bytes, key.length); // stack: key
    return lua_rawget(lua, table);               // stack: value
}

/* stack: [-1, +0]. Takes the function on top. */
static int take(lua_State *lua) {
    if (lua_type(lua, -1) != LUA_TFUNCTION) {
        luaL_error(lua, "the policies returned something different when they were loaded again");
    }
    return luaL_ref(lua, LUA_REGISTRYINDEX); // stack:
}

static int bind_one(lua_State *lua, int table, const char *key, bool is_there) {
    if (!is_there) {
        return 0;
    }
    push(lua, table, text_of(key)); // stack: function
    return take(lua);               // stack:
}

/* A function, or a list of them. */
static struct functions bind_list(lua_State *lua, struct arena *arena, int table, const char *key,
                                  bool is_there) {
    if (!is_there) {
        return (struct functions){NULL, 0};
    }
    int type = push(lua, table, text_of(key)); // stack: value
    size_t count = type == LUA_TTABLE ? lua_rawlen(lua, -1) : 1;
    int *references = ARENA_ARRAY(arena, int, count);
    if (type != LUA_TTABLE) {
        references[0] = take(lua); // stack:
        return (struct functions){references, count};
    }
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1); // stack: value function
        references[i] = take(lua);                // stack: value
    }
    lua_pop(lua, 1); // stack:
    return (struct functions){references, count};
}

/* --- permissions --- */

struct permits {
    int *references;
    size_t count, capacity;
};

static void bind_expression(lua_State *lua, struct permits *out);

/* stack: [-0, +0]. The list is on top. */
static void bind_items(lua_State *lua, struct permits *out) {
    lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i); // stack: list item
        bind_expression(lua, out);
        lua_pop(lua, 1); // stack: list
    }
}

/* stack: [-0, +0]. The expression is on top. Numbers functions as declare_permit did. */
static void bind_expression(lua_State *lua, struct permits *out) {
    luaL_checkstack(lua, 8, "too many nested permissions");
    if (lua_isfunction(lua, -1)) {
        if (out->count == out->capacity) {
            luaL_error(lua,
                       "the policies returned something different when they were loaded again");
        }
        lua_pushvalue(lua, -1);                    // stack: function function
        out->references[out->count++] = take(lua); // stack: function
    } else if (lua_istable(lua, -1)) {
        bind_items(lua, out);
    } else if (declare_push_any(lua, -1)) { // stack: any list
        bind_items(lua, out);
        lua_pop(lua, 1); // stack: any
    }
}

/* stack: [-0, +0]. The permit is on top. */
static void bind_permit(lua_State *lua, struct arena *arena, const struct permission_rule *rule,
                        struct permission_functions *out) {
    struct permits permits = {ARENA_ARRAY(arena, int, rule->function_count), 0,
                              rule->function_count};
    if (rule->function_count > 0) {
        bind_expression(lua, &permits);
    }
    out->permits = (struct functions){permits.references, permits.count};
}

void bind_permission(lua_State *lua, struct arena *arena, const struct permission_rule *rule,
                     int table, struct permission_functions *out) {
    table = lua_absindex(lua, table);
    push(lua, table, TEXT("permit")); // stack: permit
    bind_permit(lua, arena, rule, out);
    lua_pop(lua, 1); // stack:
    out->denies = bind_list(lua, arena, table, "deny", rule->deny_count > 0);
}

/* --- machines --- */

/* stack: [-0, +1]. The transition, out of the `to` of its own state or of ["*"], which are at these
 * indices; its Lua type. */
static int push_way(lua_State *lua, int own, int any, const struct way *way) {
    int type = push(lua, way->is_from_any ? any : own, way->to); // stack: transition or list
    if (way->position > 0) {
        type = lua_rawgeti(lua, -1, (lua_Integer)way->position); // stack: list transition
        lua_remove(lua, -2);                                     // stack: transition
    }
    return type;
}

static const struct way_functions *bind_ways(lua_State *lua, struct arena *arena,
                                             const struct state *state, int own, int any) {
    struct way_functions *ways = ARENA_ARRAY(arena, struct way_functions, state->way_count);
    for (size_t i = 0; i < state->way_count; i++) {
        const struct way *way = &state->ways[i];
        if (push_way(lua, own, any, way) == LUA_TTABLE) { // stack: way
            int table = lua_gettop(lua);
            bind_permission(lua, arena, &way->permission, table, &ways[i].permission);
            ways[i].guards = bind_list(lua, arena, table, "guard", way->has_guard);
            ways[i].effects = bind_list(lua, arena, table, "effect", way->has_effect);
        }
        lua_pop(lua, 1); // stack:
    }
    return ways;
}

/* stack: [-0, +0]. The value of `choose` is on top. */
static const int *bind_choices(lua_State *lua, struct arena *arena, const struct state *state) {
    int *choices = ARENA_ARRAY(arena, int, state->choice_count);
    for (size_t i = 0; i < state->choice_count; i++) {
        push(lua, -1, state->choices[i]); // stack: choose function
        choices[i] = take(lua);           // stack: choose
    }
    return choices;
}

/* stack: [-0, +0]. The table at `table` has the act under `key`, when it is there. */
static void bind_act(lua_State *lua, struct arena *arena, const struct act_rule *act, int table,
                     const char *key, struct act_functions *out) {
    if (act->is_there) {
        push(lua, table, text_of(key)); // stack: act
        int index = lua_gettop(lua);
        bind_permission(lua, arena, &act->permission, index, &out->permission);
        out->guards = bind_list(lua, arena, index, "guard", act->has_guard);
        lua_pop(lua, 1); // stack:
    }
}

/* stack: [-0, +0]. The machine's table is at `table`. */
static const struct permission_functions *bind_fields(lua_State *lua, struct arena *arena,
                                                      const struct machine *machine, int table) {
    if (!machine->has_field_permits) {
        return NULL;
    }
    struct permission_functions *fields =
        ARENA_ARRAY(arena, struct permission_functions, machine->field_count);
    push(lua, table, TEXT("fields")); // stack: fields
    for (size_t i = 0; i < machine->field_count; i++) {
        if (push(lua, -1, machine->fields[i].name) == LUA_TTABLE) { // stack: fields field
            bind_permission(lua, arena, &machine->fields[i].permission, -1, &fields[i]);
        }
        lua_pop(lua, 1); // stack: fields
    }
    lua_pop(lua, 1); // stack:
    return fields;
}

/* stack: [-0, +0]. The value of `after` is on top: a timer or a list of timers. */
static const int *bind_delays(lua_State *lua, struct arena *arena, const struct state *state) {
    int *delays = ARENA_ARRAY(arena, int, state->timer_count);
    bool is_list = lua_istable(lua, -1) && lua_rawlen(lua, -1) > 0;
    for (size_t i = 0; i < state->timer_count; i++) {
        if (is_list) {
            lua_rawgeti(lua, -1, (lua_Integer)i + 1); // stack: after timer
        } else {
            lua_pushvalue(lua, -1); // stack: after timer
        }
        delays[i] = bind_one(lua, lua_gettop(lua), "delay", state->timers[i].has_delay_function);
        lua_pop(lua, 1); // stack: after
    }
    return delays;
}

/* stack: [-0, +0]. The state's table is on top; the `to` of ["*"], or nil, is at `any`. */
static void bind_state(lua_State *lua, struct arena *arena, const struct state *state, int any,
                       struct state_functions *out) {
    int table = lua_gettop(lua);
    out->requires = bind_list(lua, arena, table, "require", state->has_require);
    out->on_enter = bind_list(lua, arena, table, "on_enter", state->has_on_enter);
    out->on_exit = bind_list(lua, arena, table, "on_exit", state->has_on_exit);
    bind_act(lua, arena, &state->update, table, "update", &out->update);
    if (state->way_count > 0) {
        push(lua, table, TEXT("to")); // stack: state to
        out->ways = bind_ways(lua, arena, state, lua_gettop(lua), any);
        lua_pop(lua, 1); // stack: state
    }
    if (state->choice_count > 0) {
        push(lua, table, TEXT("choose")); // stack: state choose
        out->choices = bind_choices(lua, arena, state);
        lua_pop(lua, 1); // stack: state
    }
    if (state->timer_count > 0) {
        push(lua, table, TEXT("after")); // stack: state after
        out->delays = bind_delays(lua, arena, state);
        lua_pop(lua, 1); // stack: state
    }
}

/* stack: [-0, +1]. The `to` of the state ["*"], or nil. The table of states is on top. */
static int push_any(lua_State *lua) {
    if (push(lua, -1, TEXT("*")) == LUA_TTABLE) { // stack: any
        push(lua, -1, TEXT("to"));                // stack: any to
        lua_remove(lua, -2);                      // stack: to
    }
    return lua_gettop(lua);
}

void bind_machine(lua_State *lua, struct arena *arena, const struct machine *machine, int table,
                  struct machine_functions *out) {
    struct state_functions *states =
        ARENA_ARRAY(arena, struct state_functions, machine->state_count);
    out->prepare = bind_one(lua, table, "prepare", machine->has_prepare);
    out->validate = bind_one(lua, table, "validate", machine->has_validate);
    out->warn = bind_one(lua, table, "warn", machine->has_warn);
    out->within = bind_one(lua, table, "within", machine->within.has_function);
    bind_act(lua, arena, &machine->create, table, "create", &out->create);
    bind_act(lua, arena, &machine->update, table, "update", &out->update);
    bind_act(lua, arena, &machine->read, table, "read", &out->read);
    out->fields = bind_fields(lua, arena, machine, table);
    push(lua, table, TEXT("states")); // stack: states
    int any = push_any(lua);          // stack: states any
    for (size_t i = 0; i < machine->state_count; i++) {
        push(lua, any - 1, machine->states[i].name); // stack: states any state
        bind_state(lua, arena, &machine->states[i], any, &states[i]);
        lua_pop(lua, 1); // stack: states any
    }
    lua_pop(lua, 2); // stack:
    out->states = states;
}

/* --- access --- */

/* stack: [-0, +0]. The action's value is on top: see read_action of declare/access.c. */
static void bind_action(lua_State *lua, struct arena *arena, const struct access_action *action,
                        struct permission_functions *out) {
    int value = lua_gettop(lua);
    bool is_table = lua_istable(lua, value);
    if (is_table && push(lua, value, TEXT("permit")) != LUA_TNIL) { // stack: action permit
        bind_permission(lua, arena, &action->permission, value, out);
    } else if (is_table) {
        declare_push_list(lua, value); // stack: action nil list
        bind_permit(lua, arena, &action->permission, out);
        out->denies = bind_list(lua, arena, value, "deny", action->permission.deny_count > 0);
    } else {
        bind_permit(lua, arena, &action->permission, out);
    }
    lua_settop(lua, value); // stack: action
}

void bind_access(lua_State *lua, struct arena *arena, const struct access_type *type, int table,
                 struct access_functions *out) {
    struct permission_functions *actions =
        ARENA_ARRAY(arena, struct permission_functions, type->action_count);
    table = lua_absindex(lua, table);
    out->permission.denies = bind_list(lua, arena, table, "deny", type->permission.deny_count > 0);
    out->within = bind_one(lua, table, "within", type->within.has_function);
    push(lua, table, TEXT("actions")); // stack: actions
    for (size_t i = 0; i < type->action_count; i++) {
        push(lua, -1, type->actions[i].name); // stack: actions action
        bind_action(lua, arena, &type->actions[i], &actions[i]);
        lua_pop(lua, 1); // stack: actions
    }
    lua_pop(lua, 1); // stack:
    out->actions = actions;
}
