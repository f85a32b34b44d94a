/* library_sort.c: `table.sort` as a merge sort. Unlike Lua's own it is stable, uses no clock, and
 * takes n log n comparisons whatever a comparator answers. The values are on the Lua stack: two
 * rows of n slots, which every pass merges from one to the other. The table is written only at the
 * end, so that a comparator that errs leaves it as it was. */
#include "lua/library.h"

#include <lauxlib.h>

#define COMPARATOR  2
#define FIRST_VALUE 3

struct rows {
    lua_State *lua;
    bool has_comparator;
    int count;
    int from, to; /* the first slot of either row */
};

static bool ask_comparator(lua_State *lua, int a, int b) {
    lua_pushvalue(lua, COMPARATOR); // stack: +1
    lua_pushvalue(lua, a);          // stack: +2
    lua_pushvalue(lua, b);          // stack: +3
    lua_call(lua, 2, 1);            // stack: +1
    bool answer = lua_toboolean(lua, -1);
    lua_pop(lua, 1); // stack: +0
    return answer;
}

static bool comes_before(const struct rows *rows, int a, int b) {
    lua_State *lua = rows->lua;
    if (rows->has_comparator) {
        return ask_comparator(lua, a, b);
    }
    int type = lua_type(lua, a);
    if (type != lua_type(lua, b) || (type != LUA_TNUMBER && type != LUA_TSTRING)) {
        luaL_error(lua, "attempt to compare %s with %s", luaL_typename(lua, a),
                   luaL_typename(lua, b));
    }
    if (type == LUA_TSTRING) {
        vm_charge(lua, (int64_t)lua_rawlen(lua, a) / 256);
    }
    return lua_compare(lua, a, b, LUA_OPLT);
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Merges the sorted runs [at, middle) and [middle, end). */
static void merge(const struct rows *rows, int at, int middle, int end) {
    int left = at, right = middle;
    for (int out = at; out < end; out++) {
        bool take_right = left == middle || (right < end && comes_before(rows, rows->from + right,
                                                                         rows->from + left));
        int taken = take_right ? right++ : left++;
        lua_copy(rows->lua, rows->from + taken, rows->to + out);
    }
}

static void merge_pass(struct rows *rows, int width) {
    for (int at = 0; at < rows->count; at += 2 * width) {
        int middle = least(at + width, rows->count);
        merge(rows, at, middle, least(middle + width, rows->count));
    }
    int swapped = rows->from;
    rows->from = rows->to;
    rows->to = swapped;
}

static void charge_sort(lua_State *lua, lua_Unsigned count) {
    int passes = 1;
    while (passes < 63 && (count >> passes) != 0) {
        passes++;
    }
    bool too_many = count > INT64_MAX / 64;
    vm_charge(lua, too_many ? INT64_MAX : (int64_t)count * passes);
}

static void push_rows(lua_State *lua, int count) {
    if (!lua_checkstack(lua, 2 * count + LUA_MINSTACK)) {
        luaL_error(lua, "too many elements to sort");
    }
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, 1, i); // stack: +1
    }
    lua_settop(lua, FIRST_VALUE - 1 + 2 * count); // stack: table comparator row row
}

int library_sort(lua_State *lua) {
    library_check_writable(lua, 1);
    lua_Unsigned count = lua_rawlen(lua, 1);
    if (count < 2) {
        return 0;
    }
    charge_sort(lua, count);
    luaL_argcheck(lua, count < INT_MAX / 4, 1, "array too big");
    bool has_comparator = !lua_isnoneornil(lua, 2);
    if (has_comparator) {
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    }
    lua_settop(lua, 2); // stack: table comparator
    struct rows rows = {lua, has_comparator, (int)count, FIRST_VALUE, FIRST_VALUE + (int)count};
    push_rows(lua, rows.count); // stack: table comparator row row
    for (int width = 1; width < rows.count; width *= 2) {
        merge_pass(&rows, width);
    }
    for (int i = 0; i < rows.count; i++) {
        lua_pushvalue(lua, rows.from + i); // stack: +1
        lua_rawseti(lua, 1, i + 1);        // stack: +0
    }
    return 0;
}
