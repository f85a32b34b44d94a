/* sandbox.h: what a policy can call, and nothing else. Used by engine/policy only.
 * Every name is on the allow-list of CONTRACT section 2; every function that can do much work is
 * charged for it (vm_charge); nothing depends on addresses, hash order, clock or chance. Lua's own
 * functions follow the locale, so nothing in the program may call setlocale. */
#ifndef STATUTE_SANDBOX_H
#define STATUTE_SANDBOX_H

#include "policy/vm.h"

/* A function of a library. NULL: Lua's own. Otherwise Lua's own, if it has one of that name, is
 * upvalue 1. */
struct sandbox_entry {
    const char *name;
    lua_CFunction function;
};

/* stack: [-0, +0]. Makes the environment of every chunk, out of nothing but the allow-list. */
void sandbox_open(lua_State *lua);

/* stack: [-0, +1]. The table behind the environment; see vm_set_global. */
void sandbox_push_globals(lua_State *lua);

/* stack: [-1, +1]. Puts in place of the table on top a read-only one that shows the same. `what`
 * stands in the error of whoever assigns to it: "library 'string'". */
void sandbox_protect(lua_State *lua, const char *what);

/* stack: [-0, +0]. Fills the table on top from the library below it. */
void sandbox_take(lua_State *lua, const struct sandbox_entry *entries, size_t count);

/* Calls Lua's own function, which is upvalue 1, with the same arguments. */
int sandbox_call_own(lua_State *lua);

/* stack: [-0, +1]. `tostring` without addresses. Never runs Lua code. Lends the bytes of the string
 * pushed. */
struct text sandbox_push_string(lua_State *lua, int index);

/* stack: [-0, +0]. Raises unless the argument is a table. Puts in place of a read-only one what it
 * shows, to be walked; that must never reach a policy. */
void sandbox_reveal(lua_State *lua, int argument);

/* Raises unless the argument is a table that policies may change. */
void sandbox_check_writable(lua_State *lua, int argument);

/* a - b + 1 values, as a charge: never negative, never overflowing. */
int64_t sandbox_span(lua_Integer from, lua_Integer to);

/* The libraries. stack: [-0, +1] a table of functions; sandbox_open_base: [-0, +0], fills the one
 * on top. */
void sandbox_open_base(lua_State *lua);
void sandbox_open_string(lua_State *lua);
void sandbox_open_table(lua_State *lua);
void sandbox_open_utf8(lua_State *lua);
void sandbox_open_time(lua_State *lua);

/* Parts of the libraries that have a file of their own. */
int sandbox_next(lua_State *lua); /* sandbox_order.c */
int sandbox_pairs(lua_State *lua);
int sandbox_find(lua_State *lua); /* sandbox_match.c */
int sandbox_match(lua_State *lua);
int sandbox_gmatch(lua_State *lua);
int sandbox_gsub(lua_State *lua);
int sandbox_sort(lua_State *lua); /* sandbox_sort.c */

#endif
