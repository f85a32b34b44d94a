/* library_utf8.c: Lua's own utf8 functions, charged by the bytes or values they handle. */
#include "lua/library.h"

#include <lauxlib.h>
#include <lualib.h>

static lua_Integer length_of(lua_State *lua) {
    return lua_type(lua, 1) == LUA_TSTRING ? (lua_Integer)lua_rawlen(lua, 1) : 0;
}

static lua_Integer position_of(lua_State *lua, int index, lua_Integer usual) {
    lua_Integer position = luaL_optinteger(lua, index, usual);
    lua_Integer length = length_of(lua);
    if (position < 0) {
        position = position < -length ? 0 : length + position + 1;
    }
    return position > length ? length : position;
}

static int utf8_char(lua_State *lua) {
    vm_charge(lua, lua_gettop(lua));
    return library_call_own(lua);
}

static int utf8_codepoint(lua_State *lua) {
    lua_Integer from = position_of(lua, 2, 1);
    vm_charge(lua, library_span(from, position_of(lua, 3, from)));
    return library_call_own(lua);
}

static int utf8_len(lua_State *lua) {
    int64_t span = library_span(position_of(lua, 2, 1), position_of(lua, 3, -1));
    vm_charge(lua, span / 2);
    return library_call_own(lua);
}

/* Walks over n characters from where it begins, but never further than the string. */
static int utf8_offset(lua_State *lua) {
    lua_Integer count = luaL_checkinteger(lua, 2), length = length_of(lua);
    bool beyond = count > length || count < -length;
    vm_charge(lua, beyond ? length : count < 0 ? -count : count);
    return library_call_own(lua);
}

void library_open_utf8(lua_State *lua) {
    static const struct library_entry entries[] = {
        {"char", utf8_char}, {"charpattern", NULL}, {"codepoint", utf8_codepoint},
        {"codes", NULL},     {"len", utf8_len},     {"offset", utf8_offset},
    };
    luaopen_utf8(lua);                                              // stack: own
    lua_createtable(lua, 0, sizeof entries / sizeof entries[0]);    // stack: own utf8
    library_take(lua, entries, sizeof entries / sizeof entries[0]); // stack: own utf8
    lua_remove(lua, -2);                                            // stack: utf8
}
