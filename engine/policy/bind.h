/* bind.h: one VM's functions of one machine or access, found once at load and then called by
 * number. They mirror the machine's states and ways, index by index. */
#ifndef STATUTE_BIND_H
#define STATUTE_BIND_H

#include "policy/rules/access.h"
#include "policy/rules/machine.h"

#include <lua.h>

/* References: lua_rawgeti(lua, LUA_REGISTRYINDEX, reference). 0: there is no function. */
struct functions {
    const int *references;
    size_t count;
};

/* Of a permission_rule: the functions of its permit by number, and those that deny. */
struct permission_functions {
    struct functions permits, denies;
};

struct way_functions {
    struct permission_functions permission;
    struct functions guards, effects;
};

/* Of an act_rule. */
struct act_functions {
    struct permission_functions permission;
    struct functions guards;
};

struct state_functions {
    struct act_functions update;
    struct functions requires, on_enter, on_exit;
    const struct way_functions *ways; /* as state.ways */
    const int *choices;               /* as state.choices */
    const int *delays;                /* as state.timers */
};

struct machine_functions {
    int prepare, validate, warn;
    int within;
    struct act_functions create, update, read;
    const struct permission_functions *fields; /* as machine.fields; NULL: none has a permit */
    const struct state_functions *states;      /* as machine.states */
};

/* stack: [-0, +0]. The machine's table is at `table`. Raises when a function that the description
 * promises is not there: then this VM loaded something else than the first one. */
void bind_machine(lua_State *lua, struct arena *arena, const struct machine *machine, int table,
                  struct machine_functions *out);

struct access_functions {
    int within;
    struct permission_functions permission;
    const struct permission_functions *actions; /* as access_type.actions */
};

/* stack: [-0, +0]. The functions of `permit` and `deny` of the table at `table`. */
void bind_permission(lua_State *lua, struct arena *arena, const struct permission_rule *rule,
                     int table, struct permission_functions *out);

/* The same of an access. */
void bind_access(lua_State *lua, struct arena *arena, const struct access_type *type, int table,
                 struct access_functions *out);

#endif
