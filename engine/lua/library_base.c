/* library_base.c: the functions without a library. Lua's own where nothing is wrong with them. */
#include "lua/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>

/* The sign of a NaN differs between processors, so it is not shown. */
static void push_number(lua_State *lua, int index) {
    if (isnan(lua_tonumber(lua, index))) {
        lua_pushliteral(lua, "nan"); // stack: +1
    } else {
        lua_pushvalue(lua, index); // stack: +1
    }
}

static const char *name_of(lua_State *lua, int index) {
    int type = lua_type(lua, index);
    if (type == LUA_TBOOLEAN) {
        return lua_toboolean(lua, index) ? "true" : "false";
    }
    return type == LUA_TLIGHTUSERDATA ? "null" : lua_typename(lua, type);
}

struct text library_push_string(lua_State *lua, int index) {
    int type = lua_type(lua, index);
    if (type == LUA_TNUMBER) {
        push_number(lua, index); // stack: +1
    } else if (type == LUA_TSTRING) {
        lua_pushvalue(lua, index); // stack: +1
    } else {
        lua_pushstring(lua, name_of(lua, index)); // stack: +1
    }
    struct text text;
    text.bytes = lua_tolstring(lua, -1, &text.length);
    return text;
}

static int base_tostring(lua_State *lua) {
    luaL_checkany(lua, 1);
    library_push_string(lua, 1); // stack: +1
    return 1;
}

static int base_tonumber(lua_State *lua) {
    if (lua_type(lua, 1) == LUA_TSTRING) {
        vm_charge(lua, (int64_t)lua_rawlen(lua, 1) / 4);
    }
    return library_call_own(lua);
}

static int base_select(lua_State *lua) {
    vm_charge(lua, lua_gettop(lua) / 16);
    return library_call_own(lua);
}

static int base_pcall(lua_State *lua) {
    luaL_checkany(lua, 1);
    lua_pushboolean(lua, true);                                       // stack: f arguments true
    lua_insert(lua, 1);                                               // stack: true f arguments
    int status = lua_pcall(lua, lua_gettop(lua) - 2, LUA_MULTRET, 0); // stack: true results
    vm_caught(lua, status);
    if (status != LUA_OK) {
        lua_pushboolean(lua, false); // stack: true error false
        lua_replace(lua, 1);         // stack: false error
    }
    return lua_gettop(lua);
}

void library_open_base(lua_State *lua) {
    static const struct library_entry entries[] = {
        {"assert", NULL},
        {"error", NULL},
        {"ipairs", NULL},
        {"next", library_next},
        {"pairs", library_pairs},
        {"pcall", base_pcall},
        {"select", base_select},
        {"tonumber", base_tonumber},
        {"tostring", base_tostring},
        {"type", NULL},
    };
    luaopen_base(lua);                                              // stack: globals own
    lua_insert(lua, -2);                                            // stack: own globals
    library_take(lua, entries, sizeof entries / sizeof entries[0]); // stack: own globals
    lua_remove(lua, -2);                                            // stack: globals
}
