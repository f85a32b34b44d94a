/* library.h: what a policy can call, and nothing else.
 * Every name is on the allow-list of CONTRACT section 2; every function that can do much work is
 * charged for it (vm_charge); nothing depends on addresses, hash order, clock or chance. Lua's own
 * functions follow the locale, so nothing in the program may call setlocale. */
#ifndef STATUTE_LIBRARY_H
#define STATUTE_LIBRARY_H

#include "lua/vm.h"

/* A function of a library. NULL: Lua's own. Otherwise Lua's own, if it has one of that name, is
 * upvalue 1. */
struct library_entry {
    const char *name;
    lua_CFunction function;
};

/* stack: [-0, +0]. Makes the environment of every chunk, out of nothing but the allow-list. */
void library_open(lua_State *lua);

/* stack: [-0, +1]. The table behind the environment; see vm_set_global. */
void library_push_globals(lua_State *lua);

/* stack: [-1, +1]. Puts in place of the table on top a read-only one that shows the same. `what`
 * stands in the error of whoever assigns to it: "library 'string'". */
void library_protect(lua_State *lua, const char *what);

/* stack: [-0, +0]. Fills the table on top from the library below it. */
void library_take(lua_State *lua, const struct library_entry *entries, size_t count);

/* Calls Lua's own function, which is upvalue 1, with the same arguments. */
int library_call_own(lua_State *lua);

/* stack: [-0, +1]. `tostring` without addresses. Never runs Lua code. Lends the bytes of the string
 * pushed. */
struct text library_push_string(lua_State *lua, int index);

/* stack: [-0, +0]. Raises unless the argument is a table. Puts in place of a read-only one what it
 * shows, to be walked; that must never reach a policy. */
void library_reveal(lua_State *lua, int argument);

/* Raises unless the argument is a table that policies may change. */
void library_check_writable(lua_State *lua, int argument);

/* a - b + 1 values, as a charge: never negative, never overflowing. */
int64_t library_span(lua_Integer from, lua_Integer to);

/* The libraries. stack: [-0, +1] a table of functions; library_open_base: [-0, +0], fills the one
 * on top. */
void library_open_base(lua_State *lua);
void library_open_string(lua_State *lua);
void library_open_table(lua_State *lua);
void library_open_utf8(lua_State *lua);
void library_open_time(lua_State *lua);

/* Parts of the libraries that have a file of their own. */
int library_next(lua_State *lua); /* library_order.c */
int library_pairs(lua_State *lua);
int library_find(lua_State *lua); /* library_match.c */
int library_match(lua_State *lua);
int library_gmatch(lua_State *lua);
int library_gsub(lua_State *lua);
int library_sort(lua_State *lua); /* library_sort.c */

#endif
