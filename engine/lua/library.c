/* library.c: the environment. A chunk's `_ENV` is an empty table that shows `globals` through its
 * metatable, so that every assignment of a global is seen and refused, and every name that is not
 * there is an error; but what stock Lua has and the sandbox has not is nil, so that code written
 * for both may ask for it. Libraries are protected the same way. Lua's own global table is dropped.
 *
 *   _ENV {} --__index--> globals { string = {} --__index--> the functions, ... } --__index--> error
 */
#include "lua/library.h"

#include "lua/value.h"

#include <lauxlib.h>
#include <lualib.h>

#define GLOBALS_MOST   64 /* names looked at for "did you mean" */
#define LEFT_OUT_STEPS 8

static const char globals_key = 'g';
static const char target_key = 't'; /* in a shield's metatable: what it shows */

void library_push_globals(lua_State *lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &globals_key); // stack: +1
}

int64_t library_span(lua_Integer from, lua_Integer to) {
    if (from > to) {
        return 0;
    }
    lua_Unsigned distance = (lua_Unsigned)to - (lua_Unsigned)from;
    return distance < INT64_MAX ? (int64_t)distance + 1 : INT64_MAX;
}

int library_call_own(lua_State *lua) {
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

void library_take(lua_State *lua, const struct library_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        lua_getfield(lua, -2, entries[i].name); // stack: +1 Lua's own, or nil
        if (entries[i].function != NULL) {
            lua_pushcclosure(lua, entries[i].function, 1); // stack: +1
        }
        lua_setfield(lua, -2, entries[i].name); // stack: +0
    }
}

/* --- errors --- */

static int refuse_assignment(lua_State *lua) {
    return luaL_error(lua, "%s is read-only", lua_tostring(lua, lua_upvalueindex(1)));
}

static int refuse_global(lua_State *lua) {
    const char *name = library_push_string(lua, 2).bytes; // stack: +1
    return luaL_error(lua, "assignment to global '%s' (use local)", name);
}

static size_t collect_names(lua_State *lua, struct text names[GLOBALS_MOST]) {
    size_t count = 0;
    library_push_globals(lua);       // stack: +1
    lua_pushnil(lua);                // stack: +2
    while (lua_next(lua, -2) != 0) { // stack: +3
        if (count < GLOBALS_MOST && lua_type(lua, -2) == LUA_TSTRING) {
            names[count].bytes = lua_tolstring(lua, -2, &names[count].length);
            count++;
        }
        lua_pop(lua, 1); // stack: +2
    }
    lua_pop(lua, 1); // stack: +0
    return count;
}

/* Of names equally near the first in order of bytes, as the order of a table is chance. */
static struct text nearest_name(lua_State *lua, struct text name) {
    struct text names[GLOBALS_MOST];
    size_t count = collect_names(lua, names);
    for (size_t i = 1; i < count; i++) {
        struct text moved = names[i];
        size_t to = i;
        for (; to > 0 && text_compare(names[to - 1], moved) > 0; to--) {
            names[to] = names[to - 1];
        }
        names[to] = moved;
    }
    return text_nearest(name, names, count);
}

static int refuse_unknown(lua_State *lua) {
    struct text name = library_push_string(lua, 2); // stack: +1
    vm_charge(lua, GLOBALS_MOST);
    bool named = lua_type(lua, 2) == LUA_TSTRING;
    struct text near = named ? nearest_name(lua, name) : TEXT_NONE;
    if (!text_given(near)) {
        return luaL_error(lua, "unknown global '%s'", name.bytes);
    }
    return luaL_error(lua, "unknown global '%s', did you mean '%s'?", name.bytes, near.bytes);
}

/* Whether Lua, of any version from 5.1 on, has a global of this name that the sandbox leaves out.
 */
static bool is_left_out(lua_State *lua, int index) {
    static const char *const names[] = {
        "_G",     "_VERSION", "bit32",      "collectgarbage", "coroutine",
        "debug",  "dofile",   "getfenv",    "getmetatable",   "io",
        "load",   "loadfile", "loadstring", "module",         "newproxy",
        "os",     "package",  "print",      "rawequal",       "rawget",
        "rawlen", "rawset",   "setfenv",    "setmetatable",   "unpack",
        "warn",   "xpcall",
    };
    const char *name = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int read_absent(lua_State *lua) {
    if (!is_left_out(lua, 2)) {
        return refuse_unknown(lua);
    }
    vm_charge(lua, LEFT_OUT_STEPS);
    lua_pushnil(lua); // stack: globals name nil
    return 1;
}

/* --- protection --- */

/* stack: [-1, +1]. An empty table that shows the one on top and hands assignments to `refuse`, a
 * closure of `what`. */
static void shield(lua_State *lua, lua_CFunction refuse, const char *what) {
    lua_createtable(lua, 0, 0);          // stack: target shield
    lua_createtable(lua, 0, 3);          // stack: target shield meta
    lua_rotate(lua, -3, -1);             // stack: shield meta target
    lua_pushvalue(lua, -1);              // stack: shield meta target target
    lua_rawsetp(lua, -3, &target_key);   // stack: shield meta target
    lua_setfield(lua, -2, "__index");    // stack: shield meta
    lua_pushstring(lua, what);           // stack: shield meta what
    lua_pushcclosure(lua, refuse, 1);    // stack: shield meta refuse
    lua_setfield(lua, -2, "__newindex"); // stack: shield meta
    lua_setmetatable(lua, -2);           // stack: shield
}

void library_protect(lua_State *lua, const char *what) {
    shield(lua, refuse_assignment, what);
}

void library_reveal(lua_State *lua, int argument) {
    luaL_checktype(lua, argument, LUA_TTABLE);
    if (lua_getmetatable(lua, argument) == 0) { // stack: +1 unless so
        return;
    }
    if (lua_rawgetp(lua, -1, &target_key) == LUA_TTABLE) { // stack: +2 meta target
        lua_replace(lua, argument);                        // stack: +1 meta
    } else {
        lua_pop(lua, 1); // stack: +1 meta
    }
    lua_pop(lua, 1); // stack: +0
}

void library_check_writable(lua_State *lua, int argument) {
    luaL_checktype(lua, argument, LUA_TTABLE);
    if (lua_getmetatable(lua, argument) != 0) { // stack: +1
        lua_pop(lua, 1);                        // stack: +0
        luaL_argcheck(lua, value_is_array(lua, argument), argument, "the table is read-only");
    }
}

/* --- opening --- */

/* Without random and randomseed. */
static void open_math(lua_State *lua) {
    static const struct library_entry entries[] = {
        {"abs", NULL},   {"acos", NULL}, {"asin", NULL},       {"atan", NULL},
        {"ceil", NULL},  {"cos", NULL},  {"deg", NULL},        {"exp", NULL},
        {"floor", NULL}, {"fmod", NULL}, {"huge", NULL},       {"log", NULL},
        {"max", NULL},   {"min", NULL},  {"maxinteger", NULL}, {"mininteger", NULL},
        {"modf", NULL},  {"pi", NULL},   {"rad", NULL},        {"sin", NULL},
        {"sqrt", NULL},  {"tan", NULL},  {"tointeger", NULL},  {"type", NULL},
        {"ult", NULL},
    };
    luaopen_math(lua);                                              // stack: own
    lua_createtable(lua, 0, sizeof entries / sizeof entries[0]);    // stack: own math
    library_take(lua, entries, sizeof entries / sizeof entries[0]); // stack: own math
    lua_remove(lua, -2);                                            // stack: math
}

/* stack: [-0, +0]. Makes the table on top known as `name` to Lua's error messages, which find the
 * names of functions in what they take for package.loaded. */
static void register_names(lua_State *lua, const char *name) {
    luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); // stack: library loaded
    lua_pushvalue(lua, -2);                                     // stack: library loaded library
    lua_setfield(lua, -2, name);                                // stack: library loaded
    lua_pop(lua, 1);                                            // stack: library
}

static void open_library(lua_State *lua, const char *name, void (*open)(lua_State *lua)) {
    open(lua);                                   // stack: library
    register_names(lua, name);                   // stack: library
    lua_pushfstring(lua, "library '%s'", name);  // stack: library what
    lua_insert(lua, -2);                         // stack: what library
    library_protect(lua, lua_tostring(lua, -2)); // stack: what protected
    lua_remove(lua, -2);                         // stack: protected
    lua_setfield(lua, -2, name);                 // stack: +0
}

static void fill_globals(lua_State *lua) {
    library_open_base(lua);
    register_names(lua, LUA_GNAME);
    open_library(lua, "string", library_open_string);
    open_library(lua, "table", library_open_table);
    open_library(lua, "math", open_math);
    open_library(lua, "utf8", library_open_utf8);
    open_library(lua, "time", library_open_time);
}

void library_open(lua_State *lua) {
    lua_createtable(lua, 0, 32);                           // stack: globals
    fill_globals(lua);                                     // stack: globals
    lua_createtable(lua, 0, 1);                            // stack: globals meta
    lua_pushcfunction(lua, read_absent);                   // stack: globals meta read
    lua_setfield(lua, -2, "__index");                      // stack: globals meta
    lua_setmetatable(lua, -2);                             // stack: globals
    lua_pushvalue(lua, -1);                                // stack: globals globals
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &globals_key);     // stack: globals
    shield(lua, refuse_global, "global");                  // stack: environment
    lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS); // stack: +0
    value_open(lua);
}
