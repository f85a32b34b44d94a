#include "policy/declare/check.h"

#include "base/buffer.h"
#include "model/entity.h"
#include "model/grant.h"
#include "timezone/instant.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PERMISSION_MOST 200

/* --- saying it --- */

static void print_path(struct buffer *buffer, const struct key_path *path) {
    if (path->parent != NULL) {
        print_path(buffer, path->parent);
    }
    if (!text_given(path->name)) {
        buffer_print(buffer, "[%zu]", path->position);
        return;
    }
    if (path->parent != NULL && !entity_is_name(path->name)) {
        buffer_print(buffer, "[\"%.*s\"]", TEXT_ARGS(path->name));
        return;
    }
    buffer_print(buffer, "%s%.*s", path->parent != NULL ? "." : "", TEXT_ARGS(path->name));
}

static void print_place(struct buffer *buffer, const struct check *check,
                        const struct key_path *at) {
    buffer_add_text(buffer, check->constructor);
    if (text_given(check->name)) {
        buffer_print(buffer, " '%.*s'", TEXT_ARGS(check->name));
    }
    buffer_add_text(buffer, TEXT(": "));
    if (at != NULL) {
        print_path(buffer, at);
        buffer_add_text(buffer, TEXT(": "));
    }
}

void check_problem(struct check *check, const struct key_path *at, const char *format, ...) {
    char sentence[1024];
    va_list arguments;
    if (problem_is_full(check->problems)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    text_mend_utf8(sentence, strlen(sentence));
    struct buffer buffer;
    buffer_init(&buffer, check->problems->arena);
    print_place(&buffer, check, at);
    buffer_add_text(&buffer, text_of(sentence));
    int line = lines_find(check->lines, check->constructor, check->line, at);
    problem_add(check->problems, check->file, line, buffer_view(&buffer));
}

bool check_afford(struct check *check, const struct key_path *at, size_t count) {
    bool was_too_much = check->parts > CHECK_PARTS_MOST;
    check->parts += count;
    if (check->parts <= CHECK_PARTS_MOST && count <= *check->parts_left) {
        *check->parts_left -= count;
        return true;
    }
    if (!was_too_much) {
        check_problem(check, at,
                      "this is too large: at most %d parts in one declaration, %d in all",
                      CHECK_PARTS_MOST, CHECK_PARTS_ALL_MOST);
    }
    return false;
}

/* --- reading --- */

int check_push(struct check *check, int table, struct text key) {
    table = lua_absindex(check->lua, table);
    lua_pushlstring(check->lua, key.bytes, key.length); // stack: key
    return lua_rawget(check->lua, table);               // stack: value
}

struct text check_text_at(struct check *check, int index) {
    if (lua_type(check->lua, index) != LUA_TSTRING) {
        return TEXT_NONE;
    }
    struct text text;
    text.bytes = lua_tolstring(check->lua, index, &text.length);
    return text_is_utf8(text) ? text_copy(check->arena, text) : TEXT_NONE;
}

struct text check_text(struct check *check, int table, const char *key) {
    check_push(check, table, text_of(key)); // stack: value
    struct text text = check_text_at(check, -1);
    lua_pop(check->lua, 1); // stack:
    return text;
}

bool check_flag(struct check *check, int table, const char *key) {
    bool flag = check_push(check, table, text_of(key)) == LUA_TBOOLEAN && // stack: value
                lua_toboolean(check->lua, -1);
    lua_pop(check->lua, 1); // stack:
    return flag;
}

bool check_has(struct check *check, int table, const char *key) {
    bool has = check_push(check, table, text_of(key)) != LUA_TNIL; // stack: value
    lua_pop(check->lua, 1);                                        // stack:
    return has;
}

bool check_has_function(struct check *check, int table, const struct key_path *at,
                        const char *key) {
    struct key_path path = {at, text_of(key), 0};
    int type = check_push(check, table, path.name); // stack: value
    size_t count = type == LUA_TTABLE ? (size_t)lua_rawlen(check->lua, -1) : type == LUA_TFUNCTION;
    lua_pop(check->lua, 1); // stack:
    return count > 0 && check_afford(check, &path, count);
}

/* --- kinds --- */

static bool is_list_of_functions(lua_State *lua, int index) {
    size_t count = 0, length = lua_rawlen(lua, index);
    bool all = true;
    lua_pushnil(lua);                   // stack: key
    while (lua_next(lua, index) != 0) { // stack: key value
        all = all && lua_type(lua, -1) == LUA_TFUNCTION && lua_isinteger(lua, -2);
        count++;
        lua_pop(lua, 1); // stack: key
    }
    return all && count == length && count > 0 && count <= CHECK_FUNCTIONS_MOST;
}

/* Whether the string can be stored: UTF-8 without a NUL. */
static bool is_storable(lua_State *lua, int index) {
    struct text text;
    text.bytes = lua_tolstring(lua, index, &text.length);
    return text_is_utf8(text) && memchr(text.bytes, '\0', text.length) == NULL;
}

static bool is_kind(lua_State *lua, int index, unsigned kinds) {
    index = lua_absindex(lua, index);
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        return (kinds & KIND_TEXT) != 0 && is_storable(lua, index);
    case LUA_TBOOLEAN:
        return (kinds & KIND_BOOLEAN) != 0;
    case LUA_TNUMBER:
        return (kinds & KIND_NUMBER) != 0 ||
               ((kinds & KIND_INTEGER) != 0 && lua_isinteger(lua, index));
    case LUA_TTABLE:
        return (kinds & KIND_TABLE) != 0 ||
               ((kinds & KIND_FUNCTIONS) != 0 && is_list_of_functions(lua, index));
    case LUA_TFUNCTION:
        return (kinds & (KIND_FUNCTION | KIND_FUNCTIONS)) != 0;
    default:
        return false;
    }
}

/* What a value is, for "but it is ...". */
static const char *kind_name(lua_State *lua, int index) {
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
        return "nothing";
    case LUA_TBOOLEAN:
        return lua_toboolean(lua, index) ? "true" : "false";
    case LUA_TNUMBER:
        return lua_isinteger(lua, index) ? "an integer" : "a number";
    case LUA_TSTRING:
        return is_storable(lua, index) ? "a string" : "a string with a NUL or that is not UTF-8";
    case LUA_TTABLE:
        return "a table";
    case LUA_TFUNCTION:
        return "a function";
    default:
        return "something else";
    }
}

static const struct key_rule *rule_of(const struct key_rule *rules, size_t count,
                                      struct text name) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(text_of(rules[i].name), name)) {
            return &rules[i];
        }
    }
    return NULL;
}

static void report_unknown_key(struct check *check, const struct key_path *at,
                               const struct key_rule *rules, size_t count) {
    if (problem_is_full(check->problems)) {
        return;
    }
    struct text *names = ARENA_ARRAY(check->problems->arena, struct text, count);
    struct buffer list;
    buffer_init(&list, check->problems->arena);
    for (size_t i = 0; i < count; i++) {
        names[i] = text_of(rules[i].name);
        buffer_print(&list, "%s%s", i > 0 ? ", " : "", rules[i].name);
    }
    struct text hint = problem_hint(check->problems->arena, at->name, names, count);
    if (hint.length == 0) {
        hint = text_print(check->problems->arena, "; the keys here are %.*s",
                          TEXT_ARGS(buffer_view(&list)));
    }
    check_problem(check, at, "this key is unknown%.*s", TEXT_ARGS(hint));
}

/* stack: [-0, +0]. The key and the value on top of the stack. */
static void check_pair(struct check *check, const struct key_path *at, const struct key_rule *rules,
                       size_t count) {
    if (lua_type(check->lua, -2) != LUA_TSTRING) {
        check_problem(check, at, "it must be a table of key = value, without list items");
        return;
    }
    struct text name;
    name.bytes = lua_tolstring(check->lua, -2, &name.length);
    struct key_path path = {at, name, 0};
    const struct key_rule *rule = rule_of(rules, count, name);
    if (rule == NULL) {
        report_unknown_key(check, &path, rules, count);
    } else if ((rule->kinds & KIND_ANY) == 0 && !is_kind(check->lua, -1, rule->kinds)) {
        check_problem(check, &path, "it must be %s, but it is %s", rule->expected,
                      kind_name(check->lua, -1));
    }
}

void check_keys(struct check *check, int table, const struct key_path *at,
                const struct key_rule *rules, size_t count) {
    table = lua_absindex(check->lua, table);
    lua_pushnil(check->lua);                   // stack: key
    while (lua_next(check->lua, table) != 0) { // stack: key value
        check_pair(check, at, rules, count);
        lua_pop(check->lua, 1); // stack: key
    }
}

void check_keys_beside_items(struct check *check, int table, const struct key_path *at,
                             const struct key_rule *rules, size_t count) {
    table = lua_absindex(check->lua, table);
    lua_newtable(check->lua);                  // stack: keys
    lua_pushnil(check->lua);                   // stack: keys key
    while (lua_next(check->lua, table) != 0) { // stack: keys key value
        if (lua_isinteger(check->lua, -2)) {
            lua_pop(check->lua, 1); // stack: keys key
            continue;
        }
        lua_pushvalue(check->lua, -2); // stack: keys key value key
        lua_insert(check->lua, -2);    // stack: keys key key value
        lua_rawset(check->lua, -4);    // stack: keys key
    }
    check_keys(check, lua_gettop(check->lua), at, rules, count);
    lua_pop(check->lua, 1); // stack:
}

/* --- names --- */

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static size_t count_pairs(lua_State *lua, int table) {
    size_t count = 0;
    lua_pushnil(lua);                   // stack: key
    while (lua_next(lua, table) != 0) { // stack: key value
        count++;
        lua_pop(lua, 1); // stack: key
    }
    return count;
}

size_t check_names(struct check *check, int table, const struct key_path *at, const char *expected,
                   struct text **names) {
    lua_State *lua = check->lua;
    table = lua_absindex(lua, table);
    size_t count = count_pairs(lua, table);
    *names = NULL;
    if (!check_afford(check, at, count)) {
        return 0;
    }
    *names = ARENA_ARRAY(check->arena, struct text, count);
    count = 0;
    bool strange = false;
    lua_pushnil(lua);                   // stack: key
    while (lua_next(lua, table) != 0) { // stack: key value
        struct text name = check_text_at(check, -2);
        strange = strange || !text_given(name);
        if (text_given(name)) {
            (*names)[count++] = name;
        }
        lua_pop(lua, 1); // stack: key
    }
    if (strange) {
        check_problem(check, at, "it must be a table of %s", expected);
    }
    if (count > 1) {
        qsort(*names, count, sizeof **names, by_bytes);
    }
    return count;
}

/* --- lists --- */

static void report_list_item(struct check *check, const struct key_path *at, size_t position) {
    struct key_path path = {at, TEXT_NONE, position};
    check_problem(check, &path, "it must be a string, but it is %s", kind_name(check->lua, -1));
}

static size_t read_list(struct check *check, int index, const struct key_path *at,
                        struct text *items, size_t length) {
    size_t count = 0;
    for (size_t i = 1; i <= length; i++) {
        lua_rawgeti(check->lua, index, (lua_Integer)i); // stack: item
        struct text item = check_text_at(check, -1);
        if (text_given(item)) {
            items[count++] = item;
        } else {
            report_list_item(check, at, i);
        }
        lua_pop(check->lua, 1); // stack:
    }
    return count;
}

bool check_is_list(struct check *check, int index) {
    return count_pairs(check->lua, lua_absindex(check->lua, index)) ==
           lua_rawlen(check->lua, index);
}

/* The list items of the table at `index`, whatever else it holds. */
static size_t read_items(struct check *check, int index, const struct key_path *at,
                         const struct text **out) {
    index = lua_absindex(check->lua, index);
    size_t length = lua_rawlen(check->lua, index);
    *out = NULL;
    if (!check_afford(check, at, length)) {
        return 0;
    }
    struct text *items = ARENA_ARRAY(check->arena, struct text, length);
    *out = items;
    return read_list(check, index, at, items, length);
}

size_t check_texts(struct check *check, int index, const struct key_path *at,
                   const struct text **out) {
    index = lua_absindex(check->lua, index);
    if (lua_type(check->lua, index) == LUA_TSTRING) {
        struct text *item = ARENA_NEW(check->arena, struct text);
        *item = check_text_at(check, index);
        *out = item;
        return text_given(*item) ? 1 : 0;
    }
    if (!check_is_list(check, index)) {
        check_problem(check, at, "it must be a list of strings, without keys or gaps");
    }
    return read_items(check, index, at, out);
}

/* --- permissions --- */

static bool is_permission_text(struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.bytes[i] <= ' ' || text.bytes[i] == 0x7F) {
            return false;
        }
    }
    return text.length > 0 && text.length <= PERMISSION_MOST;
}

/* No '*' at all, "*" alone, or "prefix.*". */
static bool is_wildcard_in_place(struct text text) {
    const char *star = memchr(text.bytes, '*', text.length);
    return star == NULL || text.length == 1 ||
           (star == text.bytes + text.length - 1 && text_ends(text, TEXT(".*")) && text.length > 2);
}

static void check_name(struct check *check, const struct key_path *at, struct text text,
                       bool wildcards) {
    if (!is_permission_text(text)) {
        check_problem(check, at,
                      "'%.*s' is not a permission; use 1 to %d characters without spaces",
                      TEXT_ARGS(text), PERMISSION_MOST);
    } else if (!is_wildcard_in_place(text)) {
        check_problem(check, at, "'%.*s': a '*' may stand alone or after a dot, at the end",
                      TEXT_ARGS(text));
    } else if (!wildcards && memchr(text.bytes, '*', text.length) != NULL) {
        check_problem(check, at, "'%.*s': name the permission in full; wildcards are for roles",
                      TEXT_ARGS(text));
    }
}

void check_permission(struct check *check, const struct key_path *at, struct text permission) {
    if (text_given(grant_refused(permission))) {
        check_problem(check, at,
                      "'%.*s' would be the name of a permission; to refuse an actor, write deny = "
                      "function(actor, data, ctx) return ... end",
                      TEXT_ARGS(permission));
        return;
    }
    check_name(check, at, permission, false);
}

static void check_grant(struct check *check, const struct key_path *at, struct text grant) {
    struct text refused = grant_refused(grant);
    if (text_given(refused)) {
        check_problem(check, at,
                      "'%.*s' would be granted as a permission of that name; write except = { "
                      "'%.*s' }",
                      TEXT_ARGS(grant), TEXT_ARGS(refused));
        return;
    }
    check_name(check, at, grant, true);
}

size_t check_grants(struct check *check, int index, const struct key_path *at,
                    const struct text **out) {
    size_t count = read_items(check, index, at, out);
    for (size_t i = 0; i < count; i++) {
        check_grant(check, at, (*out)[i]);
    }
    return count;
}

size_t check_excepted(struct check *check, int index, const struct key_path *at,
                      const struct text **out) {
    size_t count = check_texts(check, index, at, out);
    for (size_t i = 0; i < count; i++) {
        check_name(check, at, (*out)[i], true);
    }
    return count;
}

/* --- durations and references --- */

int64_t check_duration(struct check *check, int table, const struct key_path *at, const char *key,
                       int64_t otherwise) {
    struct text text = check_text(check, table, key);
    if (!text_given(text)) {
        return otherwise;
    }
    struct key_path path = {at, text_of(key), 0};
    struct fault fault = FAULT_INIT;
    int64_t duration_us;
    if (!instant_parse_duration(text, &duration_us, &fault)) {
        check_problem(check, &path, "'%.*s' is not a duration such as '30d', '24h' or '10s': %s",
                      TEXT_ARGS(text), fault.message);
        return otherwise;
    }
    return duration_us;
}

int64_t check_reference(struct check *check, const struct key_path *at, const char *what,
                        struct text name, const struct text *candidates, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(candidates[i], name)) {
            return (int64_t)i;
        }
    }
    if (problem_is_full(check->problems)) {
        return -1;
    }
    struct text hint = problem_hint(check->problems->arena, name, candidates, count);
    check_problem(check, at, "there is no %s '%.*s'%.*s", what, TEXT_ARGS(name), TEXT_ARGS(hint));
    return -1;
}
