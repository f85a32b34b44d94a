/* context.c: ctx is a plain table, so that pairs shows it and a policy may keep no secret in it;
 * the two methods are in a metatable that policies cannot see. Absent metadata and patch are empty
 * tables, and an actor's absent parts too, so that a policy may index them; an absent actor is nil.
 *
 * A fault of a read ends the attempt: it is kept in the turn, raised as an error, and stands even
 * if the policy catches the error. Each read is charged, so that a policy can do about a thousand.
 */
#include "policy/context.h"

#include "lua/value.h"
#include "policy/permission.h"
#include "policy/rules/fields.h"
#include "policy/turn.h"

#include <lauxlib.h>

#define READ_STEPS     1000 /* of the budget, for each read */
#define MAY_STEPS      20   /* for each ctx:may, and as many for each role of the actor */
#define CONTEXT_FIELDS 14

/* --- the table --- */

/* stack: [-1, +0]. The table is below. */
static void set(lua_State *lua, const char *key) {
    lua_setfield(lua, -2, key); // stack:
}

/* stack: [-0, +0]. The table is on top. Sets nothing for TEXT_NONE. */
static void set_text(lua_State *lua, const char *key, struct text text) {
    if (text_given(text)) {
        lua_pushlstring(lua, text.bytes, text.length); // stack: text
        set(lua, key);                                 // stack:
    }
}

static void set_value(lua_State *lua, const char *key, const struct js *value,
                      const struct js *otherwise) {
    value_push(lua, value != NULL ? value : otherwise); // stack: value
    set(lua, key);                                      // stack:
}

void context_push_actor(lua_State *lua, const struct actor *actor) {
    static const struct actor nobody = {{NULL, 0}, NULL, NULL, NULL};
    actor = actor != NULL ? actor : &nobody;
    lua_createtable(lua, 0, 4); // stack: actor
    set_text(lua, "id", actor->id);
    set_value(lua, "roles", actor->roles, &js_empty_array);
    set_value(lua, "permissions", actor->permissions, &js_empty_array);
    set_value(lua, "attributes", actor->attributes, &js_empty_object);
}

/* stack: [-0, +0]. The table is on top. */
static void set_request(lua_State *lua, const struct attempt *attempt) {
    set_text(lua, "reason", attempt->reason);
    set_text(lua, "comments", attempt->comments);
    set_text(lua, "id", attempt->id);
    set_value(lua, "metadata", attempt->metadata, &js_empty_object);
    set_value(lua, "patch", attempt->patch, &js_empty_object);
    lua_pushboolean(lua, attempt->dry_run); // stack: ctx dry_run
    set(lua, "dry_run");                    // stack: ctx
    if (attempt->actor != NULL) {
        context_push_actor(lua, attempt->actor); // stack: ctx actor
        set(lua, "actor");                       // stack: ctx
    }
}

void context_push(struct turn *turn) {
    lua_State *lua = turn->lua;
    lua_createtable(lua, 0, CONTEXT_FIELDS);                                // stack: ctx
    lua_pushinteger(lua, turn->now_us);                                     // stack: ctx now
    set(lua, "now");                                                        // stack: ctx
    lua_pushinteger(lua, turn->entity->exists ? turn->entity->version : 0); // stack: ctx version
    set(lua, "version");                                                    // stack: ctx
    set_text(lua, "machine", turn->machine->name);
    set_text(lua, "from", turn->entity->exists ? turn->entity->state : TEXT_NONE);
    if (!turn->is_choice) {
        set_text(lua, "to", turn->to != NULL ? turn->to->name : turn->entity->state);
    }
    set_text(lua, "transition", turn_verb(turn));
    set_request(lua, turn->attempt);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, turn->seat->context_methods); // stack: ctx metatable
    lua_setmetatable(lua, -2);                                        // stack: ctx
}

void context_push_plain(const struct turn *turn, const struct actor *actor) {
    lua_State *lua = turn->lua;
    lua_createtable(lua, 0, 4);                                       // stack: ctx
    lua_pushinteger(lua, turn->now_us);                               // stack: ctx now
    set(lua, "now");                                                  // stack: ctx
    context_push_actor(lua, actor);                                   // stack: ctx actor
    set(lua, "actor");                                                // stack: ctx
    lua_rawgeti(lua, LUA_REGISTRYINDEX, turn->seat->context_methods); // stack: ctx metatable
    lua_setmetatable(lua, -2);                                        // stack: ctx
}

/* --- reads --- */

static struct turn *turn_of(lua_State *lua, const char *method) {
    const struct seat *seat = lua_touserdata(lua, lua_upvalueindex(1));
    if (!lua_istable(lua, 1)) {
        luaL_error(lua, "call it as ctx:%s, with a colon", method);
    }
    if (seat->turn == NULL || seat->turn->reads == NULL) {
        luaL_error(lua, "ctx:%s cannot be used here", method);
    }
    vm_charge(lua, READ_STEPS);
    return seat->turn;
}

static int raise_read_fault(lua_State *lua, struct turn *turn, const struct fault *fault) {
    turn->read_fault = *fault;
    return luaL_error(lua, "a read failed");
}

/* An entry of the directory, by the type and id of a subject or of a resource.
 * stack: [-0, +1]; nil: none */
static void push_listed(lua_State *lua, const struct turn *turn, struct text type, struct text id) {
    const struct directory *directories = turn->generation->access.directories;
    const struct listed *listed = directory_listed(&directories[DIRECTORY_SUBJECTS], type, id);
    if (listed == NULL) {
        listed = directory_listed(&directories[DIRECTORY_RESOURCES], type, id);
    }
    if (listed == NULL) {
        lua_pushnil(lua); // stack: nil
        return;
    }
    lua_createtable(lua, 0, 4); // stack: entry
    set_text(lua, "type", listed->type);
    set_text(lua, "id", listed->entry.id);
    set_value(lua, "data", listed->entry.properties, &js_empty_object);
    set_value(lua, "properties", listed->entry.properties, &js_empty_object);
}

/* The machine of this name; raises when there is none. */
static const struct machine *known_machine(lua_State *lua, const struct turn *turn,
                                           struct text name, const char *method) {
    const struct machine *machine = generation_machine(turn->generation, name);
    if (machine == NULL) {
        struct text hint = generation_machine_hint(turn->generation, turn->arena, name);
        luaL_error(lua, "ctx:%s: there is no machine '%s'%s", method,
                   text_cstring(turn->arena, name), text_cstring(turn->arena, hint));
    }
    return machine;
}

/* stack: [-0, +1] */
static void push_entity(lua_State *lua, const struct entity *entity, const struct js *data) {
    lua_createtable(lua, 0, 7); // stack: entity
    set_text(lua, "machine", entity->machine);
    set_text(lua, "id", entity->id);
    set_text(lua, "state", entity->state);
    set_value(lua, "data", data, &js_empty_object);
    lua_pushinteger(lua, entity->version);    // stack: entity version
    set(lua, "version");                      // stack: entity
    lua_pushinteger(lua, entity->created_us); // stack: entity created_at
    set(lua, "created_at");                   // stack: entity
    lua_pushinteger(lua, entity->updated_us); // stack: entity updated_at
    set(lua, "updated_at");                   // stack: entity
}

/* A string argument, which lives as long as the call. */
static struct text text_argument(lua_State *lua, int index, const char *what) {
    struct text text = TEXT_NONE;
    if (lua_type(lua, index) != LUA_TSTRING) {
        luaL_error(lua, "ctx:find takes a machine and an id: the %s must be a string, not %s", what,
                   lua_typename(lua, lua_type(lua, index)));
    }
    text.bytes = lua_tolstring(lua, index, &text.length);
    return text;
}

static int push_nothing(lua_State *lua) {
    lua_pushnil(lua); // stack: nil
    return 1;
}

static bool is_listed_type(const struct generation *generation, struct text name) {
    const struct directory *directories = generation->access.directories;
    return directory_has(&directories[DIRECTORY_SUBJECTS], name) ||
           directory_has(&directories[DIRECTORY_RESOURCES], name);
}

/* ctx:find(machine, id), or (type, id) of what a directory lists. An id that is nil is nobody's. */
static int find(lua_State *lua) {
    struct turn *turn = turn_of(lua, "find");
    struct text name = text_argument(lua, 2, "machine");
    const struct machine *machine = generation_machine(turn->generation, name);
    if (machine == NULL && !is_listed_type(turn->generation, name)) {
        machine = known_machine(lua, turn, name, "find");
    }
    if (lua_isnoneornil(lua, 3)) {
        return push_nothing(lua);
    }
    struct text id = text_copy(turn->arena, text_argument(lua, 3, "id"));
    if (machine == NULL) {
        push_listed(lua, turn, name, id); // stack: entry
        return 1;
    }
    const struct entity *entity = NULL;
    struct fault fault = FAULT_INIT;
    if (!entity_is_id(id)) {
        return push_nothing(lua);
    }
    if (!turn->reads->find(turn->reads->context, turn->arena, machine->name, id, &entity, &fault)) {
        return raise_read_fault(lua, turn, &fault);
    }
    if (entity == NULL) {
        push_listed(lua, turn, name, id); // stack: entry
        return 1;
    }
    const struct js *data = entity->data != NULL ? entity->data : &js_empty_object;
    push_entity(lua, entity, fields_with_defaults(turn->arena, machine, data)); // stack: entity
    return 1;
}

/* --- count --- */

struct counting {
    struct text machine;
    const struct text *states;
    size_t state_count;
    const struct js *where;
};

static const struct text count_keys[] = {{"machine", 7}, {"state", 5}, {"where", 5}};

static void refuse_unknown_keys(lua_State *lua, const struct turn *turn, const struct js *query) {
    for (size_t i = 0; i < query->object.count; i++) {
        struct text key = query->object.members[i].key;
        bool is_known = false;
        for (size_t j = 0; j < 3; j++) {
            is_known = is_known || text_equal(key, count_keys[j]);
        }
        if (!is_known) {
            struct text hint = problem_hint(turn->arena, key, count_keys, 3);
            luaL_error(lua, "ctx:count: the key '%s' is unknown%s", text_cstring(turn->arena, key),
                       text_cstring(turn->arena, hint));
        }
    }
}

static struct text known_state(lua_State *lua, const struct turn *turn,
                               const struct machine *machine, const struct js *value) {
    struct text name = js_text(value);
    if (!text_given(name)) {
        luaL_error(lua, "ctx:count: `state` must be a state or a list of states");
    }
    if (machine_state(machine, name) == NULL) {
        struct text hint = machine_state_hint(turn->arena, machine, name);
        luaL_error(lua, "ctx:count: %s has no state '%s'%s",
                   text_cstring(turn->arena, machine->name), text_cstring(turn->arena, name),
                   text_cstring(turn->arena, hint));
    }
    return name;
}

static void read_states(lua_State *lua, const struct turn *turn, const struct machine *machine,
                        const struct js *state, struct counting *out) {
    const struct js *const *items = js_is(state, JS_ARRAY) ? state->array.items : &state;
    out->state_count = js_is(state, JS_ARRAY) ? state->array.count : state != NULL;
    struct text *states = ARENA_ARRAY(turn->arena, struct text, out->state_count);
    for (size_t i = 0; i < out->state_count; i++) {
        states[i] = known_state(lua, turn, machine, items[i]);
    }
    out->states = states;
}

static struct counting read_query(lua_State *lua, const struct turn *turn, const struct js *query) {
    struct counting counting = {0};
    if (!js_is(query, JS_OBJECT)) {
        luaL_error(lua, "ctx:count takes a table: ctx:count { machine =, state =, where = }");
    }
    refuse_unknown_keys(lua, turn, query);
    const struct js *name = js_find(query, TEXT("machine"));
    const struct js *where = js_find(query, TEXT("where"));
    if ((name != NULL && name->type != JS_STRING) || (where != NULL && where->type != JS_OBJECT)) {
        luaL_error(lua, "ctx:count: `machine` must be a string and `where` a table");
    }
    if (name == NULL && turn->machine == NULL) {
        luaL_error(lua, "ctx:count: name the `machine`: this call belongs to no machine");
    }
    const struct machine *machine =
        name != NULL ? known_machine(lua, turn, name->string, "count") : turn->machine;
    counting.machine = machine->name;
    counting.where = where;
    read_states(lua, turn, machine, js_find(query, TEXT("state")), &counting);
    return counting;
}

/* ctx:count { machine =, state =, where = }. The machine is the entity's own unless named. */
static int count(lua_State *lua) {
    struct turn *turn = turn_of(lua, "count");
    struct fault fault = FAULT_INIT;
    const struct js *query = NULL;
    int64_t result = 0;
    if (!value_read(lua, 2, turn->arena, &query, &fault)) {
        return luaL_error(lua, "ctx:count: %s", fault.message);
    }
    struct counting counting = read_query(lua, turn, query);
    if (!turn->reads->count(turn->reads->context, counting.machine, counting.states,
                            counting.state_count, counting.where, &result, &fault)) {
        return raise_read_fault(lua, turn, &fault);
    }
    lua_pushinteger(lua, result); // stack: result
    return 1;
}

/* --- may --- */

static int role_count(const struct turn *turn) {
    const struct actor *actor = turn != NULL ? turn_actor(turn) : NULL;
    const struct js *roles = actor != NULL ? actor->roles : NULL;
    return js_is(roles, JS_ARRAY) ? (int)roles->array.count : 0;
}

/* ctx:may(permission): whether the actor holds it, here. */
static int may(lua_State *lua) {
    const struct seat *seat = lua_touserdata(lua, lua_upvalueindex(1));
    struct text permission;
    if (!lua_istable(lua, 1)) {
        luaL_error(lua, "call it as ctx:may, with a colon");
    }
    if (lua_type(lua, 2) != LUA_TSTRING) {
        luaL_error(lua, "ctx:may takes a permission: a string, not %s", luaL_typename(lua, 2));
    }
    permission.bytes = lua_tolstring(lua, 2, &permission.length);
    if (memchr(permission.bytes, '*', permission.length) != NULL) {
        luaL_error(lua, "ctx:may: name the permission in full, without '*'");
    }
    vm_charge(lua, MAY_STEPS * (1 + role_count(seat->turn)));
    bool holds = seat->turn != NULL &&
                 permission_held(seat->turn, turn_actor(seat->turn), permission) == ANSWER_YES;
    lua_pushboolean(lua, holds); // stack: holds
    return 1;
}

/* --- opening --- */

static void set_method(struct seat *seat, lua_CFunction method, const char *name) {
    lua_State *lua = vm_lua(seat->vm);
    lua_pushlightuserdata(lua, seat); // stack: methods seat
    lua_pushcclosure(lua, method, 1); // stack: methods method
    lua_setfield(lua, -2, name);      // stack: methods
}

void context_open(struct seat *seat) {
    lua_State *lua = vm_lua(seat->vm);
    lua_createtable(lua, 0, 1); // stack: metatable
    lua_createtable(lua, 0, 3); // stack: metatable methods
    set_method(seat, find, "find");
    set_method(seat, count, "count");
    set_method(seat, may, "may");
    lua_setfield(lua, -2, "__index");                         // stack: metatable
    seat->context_methods = luaL_ref(lua, LUA_REGISTRYINDEX); // stack:
}
