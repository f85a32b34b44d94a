/* library_table.c: Lua's own table functions, charged by the elements they are about to touch,
 * which a forged border (#t is huge when t[2], t[4], t[8]... are set) can make very many. Tables
 * with a metatable are read-only, but for arrays that came from JSON. */
#include "lua/library.h"

#include <lauxlib.h>
#include <lualib.h>

static lua_Integer border_of(lua_State *lua, int index) {
    return lua_type(lua, index) == LUA_TTABLE ? (lua_Integer)lua_rawlen(lua, index) : 0;
}

static int table_concat(lua_State *lua) {
    lua_Integer from = luaL_optinteger(lua, 3, 1);
    lua_Integer to = luaL_optinteger(lua, 4, border_of(lua, 1));
    vm_charge(lua, library_span(from, to));
    int results = library_call_own(lua); // stack: +1
    vm_charge_bytes(lua, lua_rawlen(lua, -1));
    return results;
}

static int table_insert(lua_State *lua) {
    library_check_writable(lua, 1);
    if (lua_gettop(lua) == 3) {
        vm_charge(lua, library_span(luaL_checkinteger(lua, 2), border_of(lua, 1)));
    }
    return library_call_own(lua);
}

static int table_remove(lua_State *lua) {
    library_check_writable(lua, 1);
    lua_Integer border = border_of(lua, 1);
    vm_charge(lua, library_span(luaL_optinteger(lua, 2, border), border));
    return library_call_own(lua);
}

static int table_move(lua_State *lua) {
    library_check_writable(lua, lua_isnoneornil(lua, 5) ? 1 : 5);
    vm_charge(lua, library_span(luaL_checkinteger(lua, 2), luaL_checkinteger(lua, 3)));
    return library_call_own(lua);
}

static int table_pack(lua_State *lua) {
    vm_charge(lua, lua_gettop(lua));
    return library_call_own(lua);
}

static int table_unpack(lua_State *lua) {
    lua_Integer from = luaL_optinteger(lua, 2, 1);
    lua_Integer to = luaL_optinteger(lua, 3, border_of(lua, 1));
    vm_charge(lua, library_span(from, to));
    return library_call_own(lua);
}

void library_open_table(lua_State *lua) {
    static const struct library_entry entries[] = {
        {"concat", table_concat}, {"insert", table_insert}, {"move", table_move},
        {"pack", table_pack},     {"remove", table_remove}, {"sort", library_sort},
        {"unpack", table_unpack},
    };
    luaopen_table(lua);                                             // stack: own
    lua_createtable(lua, 0, sizeof entries / sizeof entries[0]);    // stack: own table
    library_take(lua, entries, sizeof entries / sizeof entries[0]); // stack: own table
    lua_remove(lua, -2);                                            // stack: table
}
