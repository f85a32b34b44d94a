/* sandbox_time.c: the `time` library of policies (CONTRACT section 3). An instant is an integer or,
 * wherever one is taken, an RFC 3339 string with an offset; a duration is an integer of
 * microseconds or a string. What is invalid raises, but for valid_offset, offset_name and
 * offset_info, which say so. */
#include "policy/sandbox.h"

#include "policy/bridge.h"
#include "timezone/instant.h"
#include "timezone/zone.h"

#include <lauxlib.h>

#define CALL_STEPS    20
#define INSTANT_LEAST (INT64_C(-62135596800) * NOW_SECOND)     /* 0001-01-01 */
#define INSTANT_MOST  (INT64_C(253402300800) * NOW_SECOND - 1) /* the end of 9999 */
#define DATE_LENGTH   10
#define TOLERANCE_US  (INT64_C(300) * NOW_SECOND)

/* --- arguments --- */

static struct text check_text(lua_State *lua, int argument) {
    struct text text;
    text.bytes = luaL_checklstring(lua, argument, &text.length);
    return text;
}

static int64_t check_range(lua_State *lua, int64_t instant_us) {
    if (instant_us < INSTANT_LEAST || instant_us > INSTANT_MOST) {
        luaL_error(lua, "an instant outside of the years 0001..9999");
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

static int check_offset(lua_State *lua, int argument) {
    if (lua_type(lua, argument) == LUA_TSTRING) {
        luaL_argerror(lua, argument, "zones are not supported by this build, use an offset");
    }
    if (!is_offset(lua, argument)) {
        luaL_argerror(lua, argument, "an offset is an integer of minutes, -720..840");
    }
    return (int)lua_tointeger(lua, argument);
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

static void check_disambiguate(lua_State *lua, int argument) {
    static const char *const ways[] = {"compatible", "earlier", "later", "reject", NULL};
    luaL_checkoption(lua, argument, "compatible", ways);
}

/* An offset has neither gaps nor folds, so that every way to disambiguate is the same. */
static int time_to_utc(lua_State *lua) {
    struct fault fault;
    struct civil civil;
    if (lua_type(lua, 1) != LUA_TSTRING) {
        luaL_typeerror(lua, 1, "a local datetime, as a string");
    }
    int offset = check_offset(lua, 2);
    check_disambiguate(lua, 3);
    if (!instant_parse_local(check_text(lua, 1), &civil, &fault)) {
        luaL_argerror(lua, 1, fault.message);
    }
    return push_integer(lua, check_range(lua, instant_of_civil(&civil, offset)));
}

static int time_to_local(lua_State *lua) {
    char out[INSTANT_TEXT];
    int64_t instant_us = check_instant(lua, 1);
    return push_text(lua, instant_print_at(instant_us, check_offset(lua, 2), out));
}

static int time_date(lua_State *lua) {
    char out[INSTANT_TEXT];
    int64_t instant_us = check_instant(lua, 1);
    int offset = lua_isnoneornil(lua, 2) ? 0 : check_offset(lua, 2);
    struct text printed = instant_print_at(instant_us, offset, out);
    return push_text(lua, (struct text){printed.bytes, DATE_LENGTH});
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
    char out[INSTANT_TEXT];
    return push_text(lua, instant_print(check_instant(lua, 1), out));
}

static int time_add(lua_State *lua) {
    int64_t sum, instant_us = check_instant(lua, 1);
    if (__builtin_add_overflow(instant_us, check_duration(lua, 2), &sum)) {
        sum = INT64_MAX;
    }
    return push_integer(lua, check_range(lua, sum));
}

static int time_diff(lua_State *lua) {
    int64_t later = check_instant(lua, 1);
    return push_integer(lua, later - check_instant(lua, 2));
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
    lua_createtable(lua, 0, 0); // stack: +1
    bridge_mark_array(lua);
    return 1;
}

/* --- opening --- */

/* Upvalue 1 is the function: all of them cost about the same. */
static int charged(lua_State *lua) {
    vm_charge(lua, CALL_STEPS);
    return sandbox_call_own(lua);
}

void sandbox_open_time(lua_State *lua) {
    static const struct sandbox_entry entries[] = {
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
