/* library_match.c: string.find, match, gmatch and gsub over our own matcher (matcher.c). */
#include "lua/library.h"

#include "lua/matcher.h"

#include <lauxlib.h>

#define ROOM_LOCAL 1024 /* patterns that need no more are compiled on the C stack */

struct room {
    _Alignas(8) char bytes[ROOM_LOCAL];
};

static struct text check_text(lua_State *lua, int argument) {
    struct text text;
    text.bytes = luaL_checklstring(lua, argument, &text.length);
    return text;
}

/* stack: [-0, +1]. Whatever keeps the compiled pattern alive. */
static struct pattern *compile(lua_State *lua, struct text source, struct room *room) {
    size_t bytes = pattern_room(source);
    if (bytes > ROOM_LOCAL) {
        void *large = lua_newuserdatauv(lua, bytes, 0); // stack: +1
        return pattern_compile(lua, source, true, large);
    }
    lua_pushnil(lua); // stack: +1
    return pattern_compile(lua, source, true, room->bytes);
}

/* --- captures --- */

static void push_capture(struct matcher *matcher, int index) {
    const struct capture *capture = &matcher->captures[index];
    if (capture->is_position) {
        lua_pushinteger(matcher->lua, capture->start - matcher->begin + 1); // stack: +1
    } else {
        vm_charge(matcher->lua, (int64_t)capture->length / VM_BYTES_A_STEP);
        lua_pushlstring(matcher->lua, capture->start, capture->length); // stack: +1
    }
}

/* stack: [-0, +captures]. The whole match when there are none. */
static int push_captures_or_whole(struct matcher *matcher, struct text whole) {
    int count = pattern_capture_count(matcher->pattern);
    luaL_checkstack(matcher->lua, count + 1, "too many captures");
    if (count == 0) {
        lua_pushlstring(matcher->lua, whole.bytes, whole.length); // stack: +1
        return 1;
    }
    for (int i = 0; i < count; i++) {
        push_capture(matcher, i); // stack: +1
    }
    return count;
}

/* --- find and match --- */

/* Where to begin, counted from 0; beyond the subject when there is nothing to search. */
static size_t start_of(lua_State *lua, int argument, size_t length) {
    lua_Integer start = luaL_optinteger(lua, argument, 1);
    if (start > 0) {
        return (size_t)start - 1;
    }
    return start == 0 || start < -(lua_Integer)length ? 0 : length - (size_t)-start;
}

static int push_span(lua_State *lua, const char *begin, struct text found) {
    lua_Integer start = found.bytes - begin;
    lua_pushinteger(lua, start + 1);                         // stack: +1
    lua_pushinteger(lua, start + (lua_Integer)found.length); // stack: +2
    return 2;
}

static int find_plain(lua_State *lua, struct text subject, struct text wanted, size_t start) {
    size_t left = subject.length - start;
    vm_charge_bytes(lua, left + wanted.length);
    const char *found = memmem(subject.bytes + start, left, wanted.bytes, wanted.length);
    if (found == NULL) {
        lua_pushnil(lua); // stack: +1
        return 1;
    }
    return push_span(lua, subject.bytes, (struct text){found, wanted.length}); // stack: +2
}

static int search(lua_State *lua, struct text subject, size_t start, bool with_span) {
    struct room room;
    struct matcher matcher;
    struct text found;
    struct pattern *pattern = compile(lua, check_text(lua, 2), &room); // stack: +1
    matcher_init(&matcher, lua, pattern, subject);
    bool matched = matcher_search(&matcher, subject.bytes + start, NULL, &found);
    matcher_settle(&matcher);
    if (!matched) {
        lua_pushnil(lua); // stack: +1
        return 1;
    }
    int results = with_span ? push_span(lua, subject.bytes, found) : 0; // stack: +results
    if (with_span && pattern_capture_count(pattern) == 0) {
        return results;
    }
    return results + push_captures_or_whole(&matcher, found); // stack: +results
}

static int find_or_match(lua_State *lua, bool find) {
    struct text subject = check_text(lua, 1), wanted = check_text(lua, 2);
    size_t start = start_of(lua, 3, subject.length);
    if (start > subject.length) {
        lua_pushnil(lua); // stack: +1
        return 1;
    }
    if (find && (lua_toboolean(lua, 4) || pattern_is_plain(wanted))) {
        return find_plain(lua, subject, wanted, start);
    }
    return search(lua, subject, start, find);
}

int library_find(lua_State *lua) {
    return find_or_match(lua, true);
}

int library_match(lua_State *lua) {
    return find_or_match(lua, false);
}

/* --- gmatch --- */

/* A userdata: this, and the room of the pattern after it. */
struct walk {
    struct pattern *pattern;
    const char *at;   /* NULL: at the end */
    const char *last; /* where the last match ended */
    _Alignas(8) char room[];
};

/* Upvalues: the subject, the walk. */
static int next_match(lua_State *lua) {
    struct text subject, found;
    struct walk *walk = lua_touserdata(lua, lua_upvalueindex(2));
    subject.bytes = lua_tolstring(lua, lua_upvalueindex(1), &subject.length);
    if (walk->at == NULL) {
        return 0;
    }
    struct matcher matcher;
    matcher_init(&matcher, lua, walk->pattern, subject);
    bool matched = matcher_search(&matcher, walk->at, walk->last, &found);
    walk->at = walk->last = matched ? found.bytes + found.length : NULL;
    matcher_settle(&matcher);
    return matched ? push_captures_or_whole(&matcher, found) : 0; // stack: +captures
}

int library_gmatch(lua_State *lua) {
    struct text subject = check_text(lua, 1), source = check_text(lua, 2);
    size_t start = start_of(lua, 3, subject.length);
    lua_settop(lua, 2);    // stack: subject source
    lua_pushvalue(lua, 1); // stack: subject source subject
    struct walk *walk = lua_newuserdatauv(lua, sizeof *walk + pattern_room(source), 0); // stack: +1
    walk->pattern = pattern_compile(lua, source, false, walk->room);
    walk->at = start <= subject.length ? subject.bytes + start : NULL;
    walk->last = NULL;
    lua_pushcclosure(lua, next_match, 2); // stack: subject source step
    return 1;
}

/* --- gsub --- */

#define REPLACEMENT 3

struct substitution {
    lua_State *lua;
    struct matcher *matcher;
    luaL_Buffer *out;
    int replacement_type;
};

static void add_capture(struct substitution *substitution, int index, struct text whole) {
    if (index < 0) {
        luaL_addlstring(substitution->out, whole.bytes, whole.length);
        return;
    }
    int count = pattern_capture_count(substitution->matcher->pattern);
    if (index >= count && !(index == 0 && count == 0)) {
        luaL_error(substitution->lua, "invalid capture index %%%d", index + 1);
    }
    if (count == 0) {
        luaL_addlstring(substitution->out, whole.bytes, whole.length);
        return;
    }
    push_capture(substitution->matcher, index); // stack: +1
    luaL_addvalue(substitution->out);           // stack: +0
}

/* "%0" is the whole match, "%1" the first capture, "%%" a percent sign. */
static void add_escape(struct substitution *substitution, char letter, struct text whole) {
    if (letter == '%') {
        luaL_addchar(substitution->out, letter);
    } else if (letter >= '0' && letter <= '9') {
        add_capture(substitution, letter - '1', whole); /* '0' gives -1 */
    } else {
        luaL_error(substitution->lua, "invalid use of '%%' in replacement string");
    }
}

static void add_template(struct substitution *substitution, struct text whole) {
    struct text rest;
    rest.bytes = lua_tolstring(substitution->lua, REPLACEMENT, &rest.length);
    vm_charge(substitution->lua, (int64_t)rest.length / VM_BYTES_A_STEP + 1);
    while (rest.length > 0) {
        const char *percent = memchr(rest.bytes, '%', rest.length);
        size_t plain = percent != NULL ? (size_t)(percent - rest.bytes) : rest.length;
        luaL_addlstring(substitution->out, rest.bytes, plain);
        rest = (struct text){rest.bytes + plain, rest.length - plain};
        if (rest.length > 0) {
            vm_charge(substitution->lua, 1);
            add_escape(substitution, rest.length > 1 ? rest.bytes[1] : '\0', whole);
            rest = (struct text){rest.bytes + 2, rest.length - 2};
        }
    }
}

/* stack: [-0, +1]. What the function or the table says. */
static void push_answer(struct substitution *substitution, struct text whole) {
    lua_State *lua = substitution->lua;
    lua_pushvalue(lua, REPLACEMENT); // stack: replacement
    if (substitution->replacement_type == LUA_TFUNCTION) {
        int count =
            push_captures_or_whole(substitution->matcher, whole); // stack: function captures
        lua_call(lua, count, 1);                                  // stack: answer
        return;
    }
    if (pattern_capture_count(substitution->matcher->pattern) > 0) {
        push_capture(substitution->matcher, 0); // stack: table key
    } else {
        lua_pushlstring(lua, whole.bytes, whole.length); // stack: table key
    }
    lua_gettable(lua, -2); // stack: table answer
    lua_remove(lua, -2);   // stack: answer
}

static void add_answer(struct substitution *substitution, struct text whole) {
    lua_State *lua = substitution->lua;
    push_answer(substitution, whole); // stack: answer
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1); // stack: +0
        luaL_addlstring(substitution->out, whole.bytes, whole.length);
    } else if (lua_isstring(lua, -1)) {
        luaL_addvalue(substitution->out); // stack: +0
    } else {
        luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
    }
}

static void add_replacement(struct substitution *substitution, struct text whole) {
    if (substitution->replacement_type == LUA_TSTRING) {
        add_template(substitution, whole);
    } else {
        add_answer(substitution, whole);
    }
}

static int check_replacement(lua_State *lua) {
    int type = lua_type(lua, REPLACEMENT);
    if (type == LUA_TNUMBER) {
        lua_tostring(lua, REPLACEMENT);
        return LUA_TSTRING;
    }
    if (type != LUA_TSTRING && type != LUA_TTABLE && type != LUA_TFUNCTION) {
        luaL_typeerror(lua, REPLACEMENT, "string/function/table");
    }
    return type;
}

/* Returns how many replacements were made; *rest is what follows the last one. */
static lua_Integer substitute(struct substitution *substitution, lua_Integer most,
                              struct text *rest) {
    struct matcher *matcher = substitution->matcher;
    const char *at = matcher->begin, *last = NULL;
    lua_Integer done = 0;
    struct text found;
    while (done < most && matcher_search(matcher, at, last, &found)) {
        luaL_addlstring(substitution->out, at, (size_t)(found.bytes - at));
        add_replacement(substitution, found);
        at = last = found.bytes + found.length;
        done++;
        if (pattern_is_anchored(matcher->pattern)) {
            break;
        }
    }
    matcher_settle(matcher);
    *rest = (struct text){at, (size_t)(matcher->end - at)};
    return done;
}

int library_gsub(lua_State *lua) {
    struct text subject = check_text(lua, 1), source = check_text(lua, 2), rest;
    struct substitution substitution = {.lua = lua, .replacement_type = check_replacement(lua)};
    lua_Integer most = luaL_optinteger(lua, 4, (lua_Integer)subject.length + 1);
    struct room room;
    struct matcher matcher;
    luaL_Buffer out;
    lua_settop(lua, REPLACEMENT); // stack: subject source replacement
    matcher_init(&matcher, lua, compile(lua, source, &room), subject); // stack: +1
    luaL_buffinit(lua, &out);                                          // stack: +2
    substitution.matcher = &matcher;
    substitution.out = &out;
    lua_Integer done = substitute(&substitution, most, &rest);
    luaL_addlstring(&out, rest.bytes, rest.length);
    luaL_pushresult(&out); // stack: +2
    vm_charge_bytes(lua, lua_rawlen(lua, -1));
    lua_pushinteger(lua, done); // stack: +3
    return 2;
}
