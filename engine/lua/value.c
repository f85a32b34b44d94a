/* value.c: one walk in each direction. Pushing creates every table at its final size. Reading
 * keeps the path from the root, which finds cycles and names the place of a fault. */
#include "lua/value.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#define DEPTH_MOST    64
#define MEMBERS_FIRST 8
#define MEMBER_COST   64 /* bytes that a member or an item takes in an arena, about */
#define PATH_TEXT     160
#define STACK_A_LEVEL 4

static const char array_mark_key = 'a';

/* --- arrays --- */

void value_open(lua_State *lua) {
    lua_createtable(lua, 0, 0);                           // stack: +1
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &array_mark_key); // stack: +0
}

void value_mark_array(lua_State *lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &array_mark_key); // stack: +1
    lua_setmetatable(lua, -2);                            // stack: +0
}

bool value_is_array(lua_State *lua, int index) {
    if (lua_getmetatable(lua, index) == 0) { // stack: +1 unless false
        return false;
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &array_mark_key); // stack: +2
    bool marked = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2); // stack: +0
    return marked;
}

/* --- pushing --- */

static int table_size(size_t count) {
    return count < INT_MAX ? (int)count : INT_MAX;
}

static void push_array(lua_State *lua, const struct js *value) {
    lua_createtable(lua, table_size(value->array.count), 0); // stack: +1
    for (size_t i = 0; i < value->array.count; i++) {
        const struct js *item = value->array.items[i];
        if (item == NULL || item->type == JS_NULL) {
            lua_pushlightuserdata(lua, NULL); // stack: +2
        } else {
            value_push(lua, item); // stack: +2
        }
        lua_rawseti(lua, -2, (lua_Integer)i + 1); // stack: +1
    }
    value_mark_array(lua); // stack: +1
}

static void push_object(lua_State *lua, const struct js *value) {
    lua_createtable(lua, 0, table_size(value->object.count)); // stack: +1
    for (size_t i = 0; i < value->object.count; i++) {
        const struct js_member *member = &value->object.members[i];
        if (member->value != NULL && member->value->type != JS_NULL) {
            lua_pushlstring(lua, member->key.bytes, member->key.length); // stack: +2
            value_push(lua, member->value);                              // stack: +3
            lua_rawset(lua, -3);                                         // stack: +1
        }
    }
}

static void push_given(lua_State *lua, const struct js *value) {
    switch (value->type) {
    case JS_NULL:
        lua_pushnil(lua); // stack: +1
        break;
    case JS_FALSE:
    case JS_TRUE:
        lua_pushboolean(lua, value->type == JS_TRUE); // stack: +1
        break;
    case JS_INTEGER:
        lua_pushinteger(lua, value->integer); // stack: +1
        break;
    case JS_REAL:
        lua_pushnumber(lua, value->real); // stack: +1
        break;
    case JS_STRING:
        lua_pushlstring(lua, value->string.bytes, value->string.length); // stack: +1
        break;
    case JS_ARRAY:
        push_array(lua, value); // stack: +1
        break;
    case JS_OBJECT:
        push_object(lua, value); // stack: +1
        break;
    }
}

void value_push(lua_State *lua, const struct js *value) {
    luaL_checkstack(lua, STACK_A_LEVEL, "a value nests too deeply");
    if (value == NULL) {
        lua_pushnil(lua); // stack: +1
    } else {
        push_given(lua, value); // stack: +1
    }
}

void value_push_text(lua_State *lua, struct text text) {
    if (text_given(text)) {
        lua_pushlstring(lua, text.bytes, text.length); // stack: +1
    } else {
        lua_pushnil(lua); // stack: +1
    }
}

/* --- reading --- */

/* One table on the way from the root to what is being read, and where in it that is. */
struct level {
    const void *table;
    struct text key;   /* TEXT_NONE: an item of an array */
    lua_Integer index; /* of the item */
};

struct reader {
    lua_State *lua;
    struct arena *arena;
    struct fault *fault;
    size_t bytes_left;
    bool exhausted; /* bytes_left did not do: no use going on */
    int depth;
    struct level levels[DEPTH_MOST];
};

static bool read_value(struct reader *reader, const struct js **out);

/* "lines[2].price"; only as much of it as there is room for. */
static void print_path(const struct reader *reader, char out[PATH_TEXT]) {
    size_t length = 0;
    snprintf(out, PATH_TEXT, "the value");
    for (int i = 0; i < reader->depth && length < PATH_TEXT - 1; i++) {
        const struct level *level = &reader->levels[i];
        size_t room = PATH_TEXT - length;
        int added =
            text_given(level->key)
                ? snprintf(out + length, room, "%s%.*s", i > 0 ? "." : "", TEXT_ARGS(level->key))
                : snprintf(out + length, room, "[%lld]", (long long)level->index);
        length += (size_t)added;
    }
}

static bool refuse(struct reader *reader, const char *why) {
    char path[PATH_TEXT];
    print_path(reader, path);
    return fault_set(reader->fault, FAULT_POLICY_ERROR, "%s %s", path, why);
}

/* About the table that is being read, not about a member of it. */
static bool refuse_table(struct reader *reader, const char *why) {
    reader->depth--;
    refuse(reader, why);
    reader->depth++;
    return false;
}

static bool take_bytes(struct reader *reader, size_t bytes) {
    if (bytes > reader->bytes_left) {
        reader->exhausted = true;
        return fault_set(reader->fault, FAULT_POLICY_ERROR, "the value is over 16 MiB of JSON");
    }
    reader->bytes_left -= bytes;
    return true;
}

static bool read_text(struct reader *reader, int index, struct text *out) {
    struct text lent;
    lent.bytes = lua_tolstring(reader->lua, index, &lent.length);
    if (!take_bytes(reader, lent.length)) {
        return false;
    }
    if (memchr(lent.bytes, '\0', lent.length) != NULL) {
        return refuse(reader, "holds a NUL character");
    }
    if (!text_is_utf8(lent)) {
        return refuse(reader, "is not valid UTF-8");
    }
    *out = text_copy(reader->arena, lent);
    return true;
}

static bool read_string(struct reader *reader, const struct js **out) {
    struct text text;
    if (!read_text(reader, -1, &text)) {
        return false;
    }
    *out = js_string(reader->arena, text);
    return true;
}

static bool read_number(struct reader *reader, const struct js **out) {
    if (lua_isinteger(reader->lua, -1)) {
        *out = js_integer(reader->arena, lua_tointeger(reader->lua, -1));
        return true;
    }
    double real = lua_tonumber(reader->lua, -1);
    if (!isfinite(real)) {
        return refuse(reader, "is not a finite number");
    }
    *out = js_real(reader->arena, real);
    return true;
}

/* --- reading tables --- */

static const char no_shape[] = "is neither an array (keys 1, 2, 3...) nor an object (strings)";

struct members {
    struct js_member *items;
    size_t count, capacity;
};

static struct js_member *add_member(struct reader *reader, struct members *members) {
    if (members->count == members->capacity) {
        size_t capacity = members->capacity > 0 ? members->capacity * 2 : MEMBERS_FIRST;
        struct js_member *items = ARENA_ARRAY(reader->arena, struct js_member, capacity);
        if (members->count > 0) {
            memcpy(items, members->items, members->count * sizeof *items);
        }
        members->items = items;
        members->capacity = capacity;
    }
    return &members->items[members->count++];
}

/* The value on top and its key below it. */
static bool read_member(struct reader *reader, struct members *members) {
    struct level *level = &reader->levels[reader->depth - 1];
    struct text key;
    const struct js *value;
    level->key.bytes = lua_tolstring(reader->lua, -2, &level->key.length);
    bool ok = take_bytes(reader, MEMBER_COST) && read_text(reader, -2, &key) &&
              read_value(reader, &value);
    if (ok) {
        *add_member(reader, members) = (struct js_member){key, value};
    }
    return ok;
}

/* What is wrong with an object, said of the least of its bad keys: the order in which a table is
 * walked is chance, and what is said of it must not be. */
struct verdict {
    bool no_shape;
    struct text key; /* TEXT_NONE: all is well */
    struct fault fault;
};

static void blame_member(struct reader *reader, struct verdict *verdict,
                         const struct fault *fault) {
    struct text key = reader->levels[reader->depth - 1].key;
    if (!text_given(verdict->key) || text_compare(key, verdict->key) < 0) {
        verdict->key = key;
        verdict->fault = *fault;
    }
}

static void read_members(struct reader *reader, struct members *members, struct verdict *verdict) {
    struct fault *outer = reader->fault;
    struct fault fault;
    reader->fault = &fault;
    lua_pushnil(reader->lua);                                      // stack: table key
    while (!reader->exhausted && lua_next(reader->lua, -2) != 0) { // stack: table key value
        if (lua_type(reader->lua, -2) != LUA_TSTRING) {
            verdict->no_shape = true;
        } else if (!read_member(reader, members)) {
            blame_member(reader, verdict, &fault);
        }
        lua_pop(reader->lua, 1); // stack: table key
    }                            // stack: table, or table key when exhausted
    reader->fault = outer;
}

static bool read_object(struct reader *reader, const struct js **out) {
    struct members members = {0};
    struct verdict verdict = {.key = TEXT_NONE};
    int top = lua_gettop(reader->lua);
    read_members(reader, &members, &verdict); // stack: table [key]
    lua_settop(reader->lua, top);             // stack: table
    if (verdict.no_shape && !reader->exhausted) {
        return refuse_table(reader, no_shape);
    }
    if (text_given(verdict.key)) {
        *reader->fault = verdict.fault;
        return false;
    }
    *out = js_object(reader->arena, members.items, members.count);
    return true;
}

/* Whether the keys are 1..count and nothing else. */
static bool is_sequence(lua_State *lua, size_t count) {
    size_t within = 0, seen = 0;
    lua_pushnil(lua);                // stack: table key
    while (lua_next(lua, -2) != 0) { // stack: table key value
        lua_pop(lua, 1);             // stack: table key
        lua_Integer key = lua_isinteger(lua, -1) ? lua_tointeger(lua, -1) : 0;
        within += key >= 1 && (lua_Unsigned)key <= count;
        seen++;
    } // stack: table
    return seen == count && within == count;
}

static bool read_items(struct reader *reader, const struct js **items, size_t count) {
    struct level *level = &reader->levels[reader->depth - 1];
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        level->index = (lua_Integer)i + 1;
        lua_rawgeti(reader->lua, -1, level->index); // stack: table item
        ok = read_value(reader, &items[i]);
        lua_pop(reader->lua, 1); // stack: table
    }
    return ok;
}

static bool read_array(struct reader *reader, const struct js **out) {
    size_t count = lua_rawlen(reader->lua, -1);
    if (!is_sequence(reader->lua, count)) {
        return refuse_table(reader, no_shape);
    }
    if (!take_bytes(reader, count * MEMBER_COST)) {
        return false;
    }
    const struct js **items = ARENA_ARRAY(reader->arena, const struct js *, count);
    *out = js_array(reader->arena, items, count);
    return read_items(reader, items, count);
}

/* The type of the key that happens to be first; a table with keys of both kinds is refused either
 * way. */
static int key_type(lua_State *lua) {
    lua_pushnil(lua); // stack: table nil
    if (lua_next(lua, -2) == 0) {
        return LUA_TNONE; // stack: table
    }
    int type = lua_type(lua, -2);
    lua_pop(lua, 2); // stack: table
    return type;
}

static bool read_content(struct reader *reader, const struct js **out) {
    int type = key_type(reader->lua);
    if (type == LUA_TNONE) {
        *out = value_is_array(reader->lua, -1) ? &js_empty_array : &js_empty_object;
        return true;
    }
    return type == LUA_TSTRING ? read_object(reader, out) : read_array(reader, out);
}

static bool read_table(struct reader *reader, const struct js **out) {
    const void *table = lua_topointer(reader->lua, -1);
    for (int i = 0; i < reader->depth; i++) {
        if (reader->levels[i].table == table) {
            return refuse(reader, "contains itself");
        }
    }
    if (reader->depth == DEPTH_MOST || !lua_checkstack(reader->lua, STACK_A_LEVEL)) {
        return refuse(reader, "nests over 64 levels deep");
    }
    reader->levels[reader->depth++] = (struct level){.table = table};
    bool ok = read_content(reader, out);
    reader->depth--;
    return ok;
}

static bool refuse_type(struct reader *reader, int type) {
    char why[64];
    snprintf(why, sizeof why, "is a %s, which JSON cannot hold", lua_typename(reader->lua, type));
    return refuse(reader, why);
}

/* The value on top of the stack, which stays as it is. */
static bool read_value(struct reader *reader, const struct js **out) {
    int type = lua_type(reader->lua, -1);
    switch (type) {
    case LUA_TNIL:
        *out = &js_null;
        return true;
    case LUA_TBOOLEAN:
        *out = lua_toboolean(reader->lua, -1) ? &js_true : &js_false;
        return true;
    case LUA_TNUMBER:
        return read_number(reader, out);
    case LUA_TSTRING:
        return read_string(reader, out);
    case LUA_TTABLE:
        return read_table(reader, out);
    case LUA_TLIGHTUSERDATA:
        *out = &js_null;
        return lua_touserdata(reader->lua, -1) == NULL || refuse_type(reader, type);
    default:
        return refuse_type(reader, type);
    }
}

bool value_read(lua_State *lua, int index, struct arena *arena, const struct js **out,
                struct fault *fault) {
    struct reader reader = {
        .lua = lua, .arena = arena, .fault = fault, .bytes_left = VALUE_MOST_BYTES};
    if (!lua_checkstack(lua, STACK_A_LEVEL)) {
        return fault_set(fault, FAULT_POLICY_ERROR, "the value nests too deeply");
    }
    lua_pushvalue(lua, index); // stack: value
    bool ok = read_value(&reader, out);
    lua_pop(lua, 1); // stack: +0
    return ok;
}
