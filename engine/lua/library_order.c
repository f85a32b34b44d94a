/* library_order.c: `next` and `pairs` in the order of the keys: numbers, then strings by their
 * bytes, then booleans, each ascending. The order of a Lua table is chance, from run to run, and so
 * it may never show. Keys that have no order but their address (tables, functions) cannot be
 * iterated over.
 *
 * The one meaning of a step is: of the keys greater than the last one, the least. `library_next`
 * looks for it, in time linear in the table. `pairs` has two ways to be faster which give the same
 * keys:
 *  - a table whose keys are 1..n is walked by index;
 *  - for any other the keys are sorted once, and those are skipped that have been cleared
 * meanwhile. Both fall back to library_next when they are called in a way that no `for` loop does.
 *
 * Of a read-only table, what it shows is walked. A loop is given the read-only one to hold, and
 * each step looks behind it anew. */
#include "lua/library.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#define KEYS_FEW   4  /* looking for the next one is cheaper than sorting */
#define KEYS_LOCAL 32 /* sorted without allocating */
#define KEYS_BATCH 256

enum rank { RANK_INTEGER, RANK_REAL, RANK_STRING, RANK_BOOLEAN };

struct key {
    enum rank rank;
    union {
        lua_Integer integer; /* booleans too */
        lua_Number real; /* never a whole number that fits an integer: Lua makes those integers */
        struct text string;
    };
};

static struct key read_key(lua_State *lua, int index) {
    struct key key = {.rank = RANK_STRING};
    int type = lua_type(lua, index);
    if (type == LUA_TSTRING) {
        key.string.bytes = lua_tolstring(lua, index, &key.string.length);
    } else if (lua_isinteger(lua, index)) {
        key = (struct key){.rank = RANK_INTEGER, .integer = lua_tointeger(lua, index)};
    } else if (type == LUA_TNUMBER) {
        key = (struct key){.rank = RANK_REAL, .real = lua_tonumber(lua, index)};
    } else if (type == LUA_TBOOLEAN) {
        key = (struct key){.rank = RANK_BOOLEAN, .integer = lua_toboolean(lua, index)};
    } else {
        luaL_error(lua, "cannot iterate in order: a key is a %s value", lua_typename(lua, type));
    }
    return key;
}

static int compare_integers(lua_Integer a, lua_Integer b) {
    return (a > b) - (a < b);
}

/* Exact: a conversion of the integer could round it past the real. */
static int compare_integer_to_real(lua_Integer integer, lua_Number real) {
    if (real >= 0x1p63) {
        return -1;
    }
    if (real < -0x1p63) {
        return 1;
    }
    return integer <= (lua_Integer)floor(real) ? -1 : 1;
}

static int compare_numbers(const struct key *a, const struct key *b) {
    if (a->rank == RANK_INTEGER && b->rank == RANK_INTEGER) {
        return compare_integers(a->integer, b->integer);
    }
    if (a->rank == RANK_REAL && b->rank == RANK_REAL) {
        return (a->real > b->real) - (a->real < b->real);
    }
    return a->rank == RANK_INTEGER ? compare_integer_to_real(a->integer, b->real)
                                   : -compare_integer_to_real(b->integer, a->real);
}

static int compare_keys(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    if (a->rank == RANK_STRING && b->rank == RANK_STRING) {
        return text_compare(a->string, b->string);
    }
    if (a->rank <= RANK_REAL && b->rank <= RANK_REAL) {
        return compare_numbers(a, b);
    }
    return a->rank == b->rank ? compare_integers(a->integer, b->integer)
                              : (a->rank > b->rank) - (a->rank < b->rank);
}

static void charge_batch(lua_State *lua, size_t visited) {
    if (visited % KEYS_BATCH == 0) {
        vm_charge(lua, KEYS_BATCH / 2);
    }
}

/* stack: [-0, +1]. Pushes the least key of the table that is greater than `last` (NULL: than none),
 * or nil. */
static void push_least_after(lua_State *lua, const struct key *last) {
    struct key least = {.rank = RANK_BOOLEAN, .integer = 2};
    size_t visited = 0;
    lua_pushnil(lua);               // stack: found
    lua_pushnil(lua);               // stack: found key
    while (lua_next(lua, 1) != 0) { // stack: found key value
        lua_pop(lua, 1);            // stack: found key
        struct key key = read_key(lua, -1);
        if ((last == NULL || compare_keys(&key, last) > 0) && compare_keys(&key, &least) < 0) {
            least = key;
            lua_copy(lua, -1, -2); // stack: found key
        }
        charge_batch(lua, ++visited);
    } // stack: found
    vm_charge(lua, (int64_t)(visited % KEYS_BATCH) / 2 + 1);
}

int library_next(lua_State *lua) {
    library_reveal(lua, 1);
    lua_settop(lua, 2); // stack: table last
    struct key last;
    bool first = lua_isnil(lua, 2);
    if (!first) {
        last = read_key(lua, 2);
    }
    push_least_after(lua, first ? NULL : &last); // stack: table last key
    if (lua_isnil(lua, -1)) {
        return 1;
    }
    lua_pushvalue(lua, -1); // stack: table last key key
    lua_rawget(lua, 1);     // stack: table last key value
    return 2;
}

/* --- keys 1..n --- */

static int next_index(lua_State *lua) {
    library_reveal(lua, 1);
    lua_settop(lua, 2); // stack: table last
    bool first = lua_isnil(lua, 2);
    lua_Integer last = first ? 0 : lua_tointeger(lua, 2);
    if ((!first && !lua_isinteger(lua, 2)) || last < 0 || last == LUA_MAXINTEGER) {
        return library_next(lua);
    }
    lua_pushinteger(lua, last + 1);                  // stack: table last key
    if (lua_rawgeti(lua, 1, last + 1) != LUA_TNIL) { // stack: table last key value
        return 2;
    }
    return (lua_Unsigned)last == lua_rawlen(lua, 1) ? 1 : library_next(lua);
}

/* --- sorted keys --- */

static void push_key(lua_State *lua, const struct key *key) {
    switch (key->rank) {
    case RANK_INTEGER:
        lua_pushinteger(lua, key->integer); // stack: +1
        break;
    case RANK_REAL:
        lua_pushnumber(lua, key->real); // stack: +1
        break;
    case RANK_STRING:
        lua_pushlstring(lua, key->string.bytes, key->string.length); // stack: +1
        break;
    case RANK_BOOLEAN:
        lua_pushboolean(lua, (int)key->integer); // stack: +1
        break;
    }
}

static void read_keys(lua_State *lua, struct key *keys) {
    lua_pushnil(lua);               // stack: +1 key
    while (lua_next(lua, 1) != 0) { // stack: +2 key value
        lua_pop(lua, 1);            // stack: +1 key
        *keys++ = read_key(lua, -1);
    } // stack: +0
}

static int log2_of(size_t count) {
    int log2 = 0;
    while (count >>= 1) {
        log2++;
    }
    return log2;
}

/* stack: [-0, +1]. An array of the keys of the table, in order. Strings stay where they are, as the
 * table keeps them. */
static void push_sorted(lua_State *lua, size_t count) {
    struct key local[KEYS_LOCAL];
    struct key *keys = local;
    vm_charge(lua, (int64_t)count * (1 + log2_of(count)));
    lua_createtable(lua, (int)count, 0); // stack: sorted
    if (count > KEYS_LOCAL) {
        keys = lua_newuserdatauv(lua, count * sizeof *keys, 0); // stack: sorted keys
    }
    read_keys(lua, keys);
    qsort(keys, count, sizeof *keys, compare_keys);
    int sorted = count > KEYS_LOCAL ? -3 : -2;
    for (size_t i = 0; i < count; i++) {
        push_key(lua, &keys[i]);                      // stack: +1
        lua_rawseti(lua, sorted, (lua_Integer)i + 1); // stack: +0
    }
    lua_settop(lua, count > KEYS_LOCAL ? -2 : -1); // stack: sorted
}

/* Upvalues: the sorted keys, and the place among them of the key given last. */
static int next_sorted(lua_State *lua) {
    library_reveal(lua, 1);
    lua_settop(lua, 2); // stack: table last
    lua_Integer place = 0;
    if (!lua_isnil(lua, 2)) {
        place = lua_tointeger(lua, lua_upvalueindex(2));
        lua_rawgeti(lua, lua_upvalueindex(1), place); // stack: table last expected
        if (!lua_rawequal(lua, 2, 3)) {
            return library_next(lua);
        }
    }
    do {
        lua_settop(lua, 2);                                               // stack: table last
        if (lua_rawgeti(lua, lua_upvalueindex(1), ++place) == LUA_TNIL) { // stack: table last key
            return 1;
        }
        lua_pushvalue(lua, -1);               // stack: table last key key
    } while (lua_rawget(lua, 1) == LUA_TNIL); // stack: table last key value
    lua_pushinteger(lua, place);              // stack: table last key value place
    lua_replace(lua, lua_upvalueindex(2));    // stack: table last key value
    return 2;
}

/* --- pairs --- */

/* Counts the keys; *sequence tells whether they are 1..count. */
static size_t survey(lua_State *lua, bool *sequence) {
    size_t count = 0;
    *sequence = true;
    lua_pushnil(lua);               // stack: +1 key
    while (lua_next(lua, 1) != 0) { // stack: +2 key value
        lua_pop(lua, 1);            // stack: +1 key
        count++;
        *sequence =
            *sequence && lua_isinteger(lua, -1) && lua_tointeger(lua, -1) == (lua_Integer)count;
        charge_batch(lua, count);
    } // stack: +0
    vm_charge(lua, (int64_t)(count % KEYS_BATCH) / 2);
    return count;
}

int library_pairs(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);     // stack: given
    lua_pushvalue(lua, 1);  // stack: given given
    library_reveal(lua, 1); // stack: table given
    bool sequence;
    size_t count = survey(lua, &sequence);
    if (sequence) {
        lua_pushcfunction(lua, next_index); // stack: table given step
    } else if (count <= KEYS_FEW) {
        lua_pushcfunction(lua, library_next); // stack: table given step
    } else {
        push_sorted(lua, count);               // stack: table given sorted
        lua_pushinteger(lua, 0);               // stack: table given sorted place
        lua_pushcclosure(lua, next_sorted, 2); // stack: table given step
    }
    lua_insert(lua, 2); // stack: table step given
    lua_pushnil(lua);   // stack: table step given nil
    return 3;
}
