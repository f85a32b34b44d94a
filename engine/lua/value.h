/* value.h: JSON values to Lua and back.
 * JSON null becomes nil in objects (the key is not there). In arrays, which may have no holes, a
 * null becomes a sentinel (a light userdata, `tostring` of which is "null") that reads back as
 * null. An empty table reads back as an object unless it came from a JSON array (marked by a hidden
 * metatable that policies cannot see or set). Integers stay integers. */
#ifndef STATUTE_VALUE_H
#define STATUTE_VALUE_H

#include "lua/vm.h"

/* stack: [-0, +0]. Once a state, before anything else; called by library_open. */
void value_open(lua_State *lua);

/* Whether the value is a table that came from a JSON array. */
bool value_is_array(lua_State *lua, int index);

/* stack: [-1, +1]. Marks the table on top, so that it reads back as an array when empty. */
void value_mark_array(lua_State *lua);

/* stack: [-0, +1]. May raise (memory): call inside vm_call's pcall. NULL pushes nil. */
void value_push(lua_State *lua, const struct js *value);
void value_push_text(lua_State *lua, struct text text); /* TEXT_NONE pushes nil */

/* stack: [-0, +0]. Reads the value at `index`. FAULT_POLICY_ERROR names the path of what JSON
 * cannot hold: functions, non-finite numbers, mixed or non-string keys, holes, strings that are not
 * UTF-8 or hold NUL, cycles, nesting over 64 levels, and more than VALUE_MOST_BYTES in all (tables
 * that share a subtable are read as trees, so little Lua can be much JSON). Never calls
 * metamethods, never raises. */
#define VALUE_MOST_BYTES ((size_t)16 << 20)
bool value_read(lua_State *lua, int index, struct arena *arena, const struct js **out,
                struct fault *fault) MUST_CHECK;

#endif
