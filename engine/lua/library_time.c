/* library_time.c: the `time` library of policies (CONTRACT section 3). An instant is an integer or,
 * wherever one is taken, an RFC 3339 string with an offset; a duration is an integer of
 * microseconds or a string; a place is an offset in minutes or the name of a zone. What is invalid
 * raises, but for valid_offset, offset_name and offset_info, which say so. */
#include "lua/library.h"

#include "lua/value.h"
#include "timezone/span.h"
#include "timezone/tz_cache.h"
#include "timezone/zone.h"

#include <lauxlib.h>

#define CALL_STEPS    20
#define SEARCH_STEPS  20000                                    /* to find which zone was meant */
#define INSTANT_LEAST (INT64_C(-62167219200) * NOW_SECOND)     /* 0000-01-01 */
#define INSTANT_MOST  (INT64_C(253402300800) * NOW_SECOND - 1) /* the end of 9999 */
#define TOLERANCE_US  (INT64_C(300) * NOW_SECOND)

/* --- arguments --- */

static struct text check_text(lua_State *lua, int argument) {
    struct text text;
    text.bytes = luaL_checklstring(lua, argument, &text.length);
    return text;
}

static int64_t check_range(lua_State *lua, int64_t instant_us) {
    if (instant_us < INSTANT_LEAST || instant_us > INSTANT_MOST) {
        luaL_error(lua, "an instant outside of the years 0000..9999");
    }
    return instant_us;
}

static int64_t check_instant(lua_State *lua, int argument) {
    struct fault fault;
    int64_t instant_us;
    int offset;
    if (lua_isinteger(lua, argument)) {
        return check_range(lua, lua_tointeger(lua, argument));
    }
    if (lua_type(lua, argument) != LUA_TSTRING) {
        luaL_typeerror(lua, argument, "an instant, as an integer or an RFC 3339 string");
    }
    if (!instant_parse(check_text(lua, argument), &instant_us, &offset, &fault)) {
        luaL_argerror(lua, argument, fault.message);
    }
    return instant_us;
}

static int64_t check_duration(lua_State *lua, int argument) {
    struct fault fault;
    int64_t duration_us;
    if (lua_isinteger(lua, argument)) {
        return lua_tointeger(lua, argument);
    }
    if (lua_type(lua, argument) != LUA_TSTRING) {
        luaL_typeerror(lua, argument, "a duration, as microseconds or a string like \"24h\"");
    }
    if (!instant_parse_duration(check_text(lua, argument), &duration_us, &fault)) {
        luaL_argerror(lua, argument, fault.message);
    }
    return duration_us;
}

static bool is_offset(lua_State *lua, int argument) {
    return lua_isinteger(lua, argument) && zone_is_offset(lua_tointeger(lua, argument));
}

static struct place check_zone(lua_State *lua, int argument) {
    struct fault fault;
    struct place place = PLACE_UTC;
    if (!tz_cache_find(tz_cache_system(), check_text(lua, argument), &place.zone, &fault)) {
        vm_charge(lua, SEARCH_STEPS);
        luaL_argerror(lua, argument, fault.message);
    }
    return place;
}

static struct place check_place(lua_State *lua, int argument) {
    if (lua_type(lua, argument) == LUA_TSTRING) {
        return check_zone(lua, argument);
    }
    if (!is_offset(lua, argument)) {
        luaL_argerror(lua, argument,
                      "expected an offset, an integer of minutes -720..840, or the name of a zone "
                      "such as 'Europe/Berlin'");
    }
    return (struct place){NULL, (int)lua_tointeger(lua, argument)};
}

static struct place optional_place(lua_State *lua, int argument) {
    return lua_isnoneornil(lua, argument) ? PLACE_UTC : check_place(lua, argument);
}

static int push_text(lua_State *lua, struct text text) {
    lua_pushlstring(lua, text.bytes, text.length); // stack: +1
    return 1;
}

static int push_integer(lua_State *lua, int64_t value) {
    lua_pushinteger(lua, value); // stack: +1
    return 1;
}

/* --- offsets --- */

static int time_valid_offset(lua_State *lua) {
    lua_pushboolean(lua, is_offset(lua, 1)); // stack: +1
    return 1;
}

static struct text offset_name(lua_State *lua, int argument, char out[32]) {
    return is_offset(lua, argument) ? zone_offset_name(lua_tointeger(lua, argument), out)
                                    : TEXT("Invalid");
}

static int time_offset_name(lua_State *lua) {
    char name[32];
    return push_text(lua, offset_name(lua, 1, name));
}

static void set_text(lua_State *lua, const char *key, struct text value) {
    push_text(lua, value);      // stack: +1
    lua_setfield(lua, -2, key); // stack: +0
}

static int time_offset_info(lua_State *lua) {
    char name[32], string[16];
    bool valid = is_offset(lua, 1);
    luaL_checkany(lua, 1);
    lua_createtable(lua, 0, 5);              // stack: info
    lua_pushvalue(lua, 1);                   // stack: info offset
    lua_setfield(lua, -2, "offset_minutes"); // stack: info
    if (valid) {
        lua_pushnumber(lua, (lua_Number)lua_tointeger(lua, 1) / 60); // stack: info hours
        lua_setfield(lua, -2, "offset_hours");                       // stack: info
    }
    lua_pushboolean(lua, valid);       // stack: info valid
    lua_setfield(lua, -2, "is_valid"); // stack: info
    set_text(lua, "name", offset_name(lua, 1, name));
    set_text(lua, "utc_offset_string",
             valid ? zone_offset_string(lua_tointeger(lua, 1), string) : TEXT("Invalid"));
    return 1;
}

/* --- local time --- */

static enum tz_disambiguate check_disambiguate(lua_State *lua, int argument) {
    static const char *const ways[] = {"compatible", "earlier", "later", "reject", NULL};
    return (enum tz_disambiguate)luaL_checkoption(lua, argument, "compatible", ways);
}

static int time_to_utc(lua_State *lua) {
    struct fault fault;
    struct civil civil;
    int64_t instant_us = 0;
    if (lua_type(lua, 1) != LUA_TSTRING) {
        luaL_typeerror(lua, 1, "a local datetime, as a string");
    }
    struct place place = check_place(lua, 2);
    enum tz_disambiguate way = check_disambiguate(lua, 3);
    if (!instant_parse_local(check_text(lua, 1), &civil, &fault) ||
        !place_instant(place, instant_of_civil(&civil, 0), way, &instant_us, &fault)) {
        luaL_argerror(lua, 1, fault.message);
    }
    return push_integer(lua, instant_us);
}

static int push_local(lua_State *lua, int64_t instant_us, struct place place) {
    char out[INSTANT_TEXT];
    return push_text(lua, place_print(place, instant_us, out));
}

static int time_to_local(lua_State *lua) {
    int64_t instant_us = check_instant(lua, 1);
    return push_local(lua, instant_us, check_place(lua, 2));
}

static int time_date(lua_State *lua) {
    char out[INSTANT_TEXT];
    int64_t instant_us = check_instant(lua, 1);
    return push_text(lua, place_date(optional_place(lua, 2), instant_us, out));
}

/* --- instants and durations --- */

static int time_parse(lua_State *lua) {
    struct fault fault;
    int64_t instant_us;
    int offset;
    if (lua_type(lua, 1) != LUA_TSTRING) {
        luaL_typeerror(lua, 1, "a datetime, as an RFC 3339 string");
    }
    if (!instant_parse(check_text(lua, 1), &instant_us, &offset, &fault)) {
        luaL_argerror(lua, 1, fault.message);
    }
    push_integer(lua, instant_us);        // stack: +1
    return 1 + push_integer(lua, offset); // stack: +2
}

static int time_format(lua_State *lua) {
    int64_t instant_us = check_instant(lua, 1);
    return push_local(lua, instant_us, optional_place(lua, 2));
}

static struct span check_span(lua_State *lua, int argument) {
    struct fault fault;
    struct span span = {0, 0, 0};
    if (lua_type(lua, argument) != LUA_TSTRING) {
        span.us = check_duration(lua, argument);
    } else if (!span_parse(check_text(lua, argument), &span, &fault)) {
        luaL_argerror(lua, argument, fault.message);
    }
    return span;
}

static int time_add(lua_State *lua) {
    struct fault fault;
    int64_t sum_us, instant_us = check_instant(lua, 1);
    struct span span = check_span(lua, 2);
    if (!span_add(optional_place(lua, 3), instant_us, &span, &sum_us, &fault)) {
        luaL_argerror(lua, 2, fault.message);
    }
    return push_integer(lua, sum_us);
}

/* With a place, by its calendar: what time.add takes there from the earlier to the later. */
static int time_diff(lua_State *lua) {
    char out[SPAN_TEXT];
    int64_t later_us = check_instant(lua, 1), earlier_us = check_instant(lua, 2);
    if (lua_isnoneornil(lua, 3)) {
        return push_integer(lua, later_us - earlier_us);
    }
    struct span span = span_between(check_place(lua, 3), earlier_us, later_us);
    return push_text(lua, span_print(&span, out));
}

static int time_duration(lua_State *lua) {
    return push_integer(lua, check_duration(lua, 1));
}

static int time_not_future(lua_State *lua) {
    int64_t latest, instant_us = check_instant(lua, 1);
    int64_t tolerance_us = lua_isnoneornil(lua, 2) ? TOLERANCE_US : check_duration(lua, 2);
    if (__builtin_add_overflow(vm_now_us(lua), tolerance_us, &latest)) {
        latest = tolerance_us > 0 ? INT64_MAX : INT64_MIN;
    }
    lua_pushboolean(lua, instant_us <= latest); // stack: +1
    return 1;
}

static int time_zones(lua_State *lua) {
    size_t count;
    const struct text *names = tz_cache_names(tz_cache_system(), &count);
    vm_charge(lua, (int64_t)count);
    lua_createtable(lua, (int)count, 0); // stack: zones
    for (size_t i = 0; i < count; i++) {
        push_text(lua, names[i]);                 // stack: zones name
        lua_rawseti(lua, -2, (lua_Integer)i + 1); // stack: zones
    }
    value_mark_array(lua);
    return 1;
}

/* --- opening --- */

/* Upvalue 1 is the function: all of them cost about the same. */
static int charged(lua_State *lua) {
    vm_charge(lua, CALL_STEPS);
    return library_call_own(lua);
}

void library_open_time(lua_State *lua) {
    static const struct library_entry entries[] = {
        {"add", time_add},
        {"date", time_date},
        {"diff", time_diff},
        {"duration", time_duration},
        {"format", time_format},
        {"not_future", time_not_future},
        {"offset_info", time_offset_info},
        {"offset_name", time_offset_name},
        {"parse", time_parse},
        {"to_local", time_to_local},
        {"to_utc", time_to_utc},
        {"valid_offset", time_valid_offset},
        {"zones", time_zones},
    };
    size_t count = sizeof entries / sizeof entries[0];
    lua_createtable(lua, 0, (int)count); // stack: time
    for (size_t i = 0; i < count; i++) {
        lua_pushcfunction(lua, entries[i].function); // stack: time function
        lua_pushcclosure(lua, charged, 1);           // stack: time charged
        lua_setfield(lua, -2, entries[i].name);      // stack: time
    }
}
