/* library_string.c: Lua's own string functions, charged by the bytes they are about to handle,
 * without dump, and with `format` kept from showing addresses. The pattern functions are ours
 * (library_match.c). Methods of strings, ("x"):rep(3), reach the same functions. */
#include "lua/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>

#define PIECE_STEPS      4  /* pieces that `rep` joins for one step */
#define CONVERSION_STEPS 20 /* one "%d" */
#define ESCAPE_STEPS     15 /* one "\0" of "%q" */

static size_t length_of(lua_State *lua, int index) {
    return lua_type(lua, index) == LUA_TSTRING ? lua_rawlen(lua, index) : 0;
}

/* One string in, one string of about its length out. */
static int charged_by_length(lua_State *lua) {
    vm_charge_bytes(lua, length_of(lua, 1));
    return library_call_own(lua);
}

/* As many arguments or results as there are bytes. */
static int string_char(lua_State *lua) {
    vm_charge(lua, lua_gettop(lua));
    return library_call_own(lua);
}

static lua_Integer position_of(lua_State *lua, int index, lua_Integer usual, lua_Integer length) {
    lua_Integer position = luaL_optinteger(lua, index, usual);
    if (position < 0) {
        position = position < -length ? 0 : length + position + 1;
    }
    return position > length ? length : position;
}

static int string_byte(lua_State *lua) {
    lua_Integer length = (lua_Integer)length_of(lua, 1);
    lua_Integer from = position_of(lua, 2, 1, length);
    vm_charge(lua, library_span(from, position_of(lua, 3, from, length)));
    return library_call_own(lua);
}

static int string_sub(lua_State *lua) {
    lua_Integer length = (lua_Integer)length_of(lua, 1);
    lua_Integer from = position_of(lua, 2, 1, length);
    int64_t span = library_span(from, position_of(lua, 3, -1, length));
    vm_charge_bytes(lua, (size_t)span);
    return library_call_own(lua);
}

/* Lua's own spins n times even when there is nothing to repeat. */
static int string_rep(lua_State *lua) {
    size_t piece, separator = 0, total;
    luaL_checklstring(lua, 1, &piece);
    lua_Integer times = luaL_checkinteger(lua, 2);
    luaL_optlstring(lua, 3, "", &separator);
    if (times <= 0 || piece + separator == 0) {
        lua_pushliteral(lua, ""); // stack: +1
        return 1;
    }
    if (__builtin_mul_overflow(piece + separator, (size_t)times, &total)) {
        return luaL_error(lua, "resulting string too large");
    }
    vm_charge(lua, times / PIECE_STEPS);
    vm_charge_bytes(lua, total);
    return library_call_own(lua);
}

/* --- format --- */

static const char *skip_modifiers(const char *at) {
    return at + strspn(at, "-+ #0123456789.");
}

static int64_t quoting_steps(lua_State *lua, int argument) {
    size_t length = length_of(lua, argument);
    const char *bytes = length > 0 ? lua_tostring(lua, argument) : "";
    int64_t steps = (int64_t)length;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        steps += text_is_control((char)byte) ? ESCAPE_STEPS : 0;
    }
    return steps;
}

/* Puts in place of an argument what its conversion may safely be given. */
static void prepare_argument(lua_State *lua, int argument, char conversion) {
    int type = lua_type(lua, argument);
    vm_charge(lua, CONVERSION_STEPS);
    if (conversion == 'p') {
        luaL_error(lua, "invalid conversion '%%p' to 'format'");
    } else if (conversion == 's') {
        vm_charge_bytes(lua, library_push_string(lua, argument).length); // stack: +1
        lua_replace(lua, argument);                                      // stack: +0
    } else if (conversion == 'q') {
        vm_charge(lua, quoting_steps(lua, argument));
    } else if (type == LUA_TNUMBER && isnan(lua_tonumber(lua, argument))) {
        lua_pushnumber(lua, (lua_Number)NAN); // stack: +1 without a sign
        lua_replace(lua, argument);           // stack: +0
    }
}

static int string_format(lua_State *lua) {
    size_t length;
    const char *at = luaL_checklstring(lua, 1, &length);
    const char *end = at + length;
    int argument = 1, top = lua_gettop(lua);
    vm_charge(lua, (int64_t)length);
    while (at < end) {
        if (*at++ != '%') {
            continue;
        }
        at = skip_modifiers(at);
        if (at < end && *at != '%' && ++argument <= top) {
            prepare_argument(lua, argument, *at);
        }
        at++;
    }
    return library_call_own(lua);
}

/* --- packing --- */

/* The sum of the numbers in a format: "c1000" stands for 1000 bytes. */
static int64_t bytes_asked_for(const char *format, size_t length) {
    int64_t sum = 0, number = 0;
    for (size_t i = 0; i <= length; i++) {
        bool digit = i < length && format[i] >= '0' && format[i] <= '9';
        number = digit && number < INT32_MAX ? number * 10 + (format[i] - '0') : number;
        if (!digit) {
            sum += number;
            number = 0;
        }
    }
    return sum;
}

/* pack (format, values...), unpack (format, string, position), packsize (format). */
static int charged_by_format(lua_State *lua) {
    size_t length;
    const char *format = luaL_checklstring(lua, 1, &length);
    vm_charge(lua, (int64_t)length + bytes_asked_for(format, length) / 4);
    for (int i = 2; i <= lua_gettop(lua); i++) {
        vm_charge(lua, (int64_t)(length_of(lua, i) / 256));
    }
    return library_call_own(lua);
}

void library_open_string(lua_State *lua) {
    static const struct library_entry entries[] = {
        {"byte", string_byte},
        {"char", string_char},
        {"find", library_find},
        {"format", string_format},
        {"gmatch", library_gmatch},
        {"gsub", library_gsub},
        {"len", NULL},
        {"lower", charged_by_length},
        {"match", library_match},
        {"pack", charged_by_format},
        {"packsize", charged_by_format},
        {"rep", string_rep},
        {"reverse", charged_by_length},
        {"sub", string_sub},
        {"unpack", charged_by_format},
        {"upper", charged_by_length},
    };
    luaopen_string(lua);                                            // stack: own
    lua_createtable(lua, 0, sizeof entries / sizeof entries[0]);    // stack: own string
    library_take(lua, entries, sizeof entries / sizeof entries[0]); // stack: own string
    lua_remove(lua, -2);                                            // stack: string
    lua_pushliteral(lua, "");                                       // stack: string ""
    lua_getmetatable(lua, -1);                                      // stack: string "" meta
    lua_pushvalue(lua, -3);                                         // stack: string "" meta string
    lua_setfield(lua, -2, "__index");                               // stack: string "" meta
    lua_pop(lua, 2);                                                // stack: string
}
