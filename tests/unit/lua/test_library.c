/* What policies can call: exactly the allow-list, read-only, and the same bytes on every run. */
#include "unit/lua/script.h"

#include "lua/library.h"

#include <lauxlib.h>
#include <lualib.h>

/* --- the allow-list --- */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the table on top, in order, with spaces between; pops it. */
static const char *names_in(lua_State *lua) {
    static char line[2048];
    const char *names[128];
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        names[count++] = lua_tostring(lua, -2);
    }
    qsort(names, count, sizeof names[0], compare_names);
    line[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        strcat(strcat(line, i > 0 ? " " : ""), names[i]);
    }
    lua_pop(lua, 1);
    return line;
}

static const char *names_of_library(lua_State *lua, const char *library) {
    library_push_globals(lua);
    lua_getfield(lua, -1, library);
    luaL_getmetafield(lua, -1, "__index");
    const char *names = names_in(lua);
    lua_pop(lua, 2);
    return names;
}

static void the_globals_are_those_of_the_contract(void **state) {
    lua_State *lua = vm_lua(*state);
    library_push_globals(lua);
    assert_string_equal(names_in(lua), "assert error ipairs math next pairs pcall select string "
                                       "table time tonumber tostring type utf8");
}

static void the_libraries_have_the_functions_of_the_contract_and_no_other(void **state) {
    lua_State *lua = vm_lua(*state);
    assert_string_equal(names_of_library(lua, "string"),
                        "byte char find format gmatch gsub len lower match pack packsize rep "
                        "reverse sub unpack upper");
    assert_string_equal(names_of_library(lua, "table"),
                        "concat insert move pack remove sort unpack");
    assert_string_equal(names_of_library(lua, "math"),
                        "abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger "
                        "min mininteger modf pi rad sin sqrt tan tointeger type ult");
    assert_string_equal(names_of_library(lua, "utf8"),
                        "char charpattern codepoint codes len offset");
    assert_string_equal(names_of_library(lua, "time"),
                        "add date diff duration format not_future offset_info offset_name parse "
                        "to_local to_utc valid_offset zones");
}

static void methods_of_strings_are_the_same_functions(void **state) {
    script_check(*state, "return (''):rep(1 << 62)", "");
    script_check(*state, "return ('x').dump == nil and ('x').rep == string.rep", "true");
}

/* --- globals --- */

static void assigning_a_global_says_to_use_local(void **state) {
    script_check(*state, "x = 1", "test.lua:1: assignment to global 'x' (use local)");
    script_check(*state, "\nstring = 1", "test.lua:2: assignment to global 'string' (use local)");
    script_check(*state, "function f() end", "test.lua:1: assignment to global 'f' (use local)");
    script_check(*state, "_ENV.x = 1", "test.lua:1: assignment to global 'x' (use local)");
    script_check(*state, "_ENV[1] = 1", "test.lua:1: assignment to global '1' (use local)");
    script_check(*state, "_ENV[{}] = 1", "test.lua:1: assignment to global 'table' (use local)");
}

static void reading_an_unknown_global_names_the_nearest(void **state) {
    script_check(*state, "return nothing", "test.lua:1: unknown global 'nothing'");
    script_check(*state, "return strng.x",
                 "test.lua:1: unknown global 'strng', did you mean 'string'?");
    script_check(*state, "return\n\n iparis({})",
                 "test.lua:3: unknown global 'iparis', did you mean 'ipairs'?");
    script_check(*state, "return _ENV[{}]", "test.lua:1: unknown global 'table'");
}

static void what_only_stock_lua_has_is_nil(void **state) {
    static const char *const names[] = {
        "_G",      "collectgarbage", "coroutine", "debug",        "dofile", "getmetatable",
        "io",      "load",           "loadfile",  "loadstring",   "module", "os",
        "package", "print",          "rawequal",  "rawget",       "rawlen", "rawset",
        "unpack",  "warn",           "xpcall",    "setmetatable",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char source[128];
        snprintf(source, sizeof source, "return %s == nil and type(%s)", names[i], names[i]);
        script_check(*state, source, "nil");
    }
    script_check(*state, "return os.time()",
                 "test.lua:1: attempt to index a nil value (global 'os')");
    script_check(*state, "print('x')", "test.lua:1: attempt to call a nil value (global 'print')");
    script_check(*state, "os = 1", "test.lua:1: assignment to global 'os' (use local)");
    script_check(*state, "return prnt", "test.lua:1: unknown global 'prnt'");
}

static void a_global_set_by_the_host_is_seen_and_suggested(void **state) {
    lua_pushinteger(vm_lua(*state), 7);
    vm_set_global(*state, "machine");
    script_check(*state, "return machine", "7");
    script_check(*state, "return machin",
                 "test.lua:1: unknown global 'machin', did you mean 'machine'?");
    script_check(*state, "machine = 8", "test.lua:1: assignment to global 'machine' (use local)");
}

static void libraries_are_read_only(void **state) {
    script_check(*state, "string.format = nil", "test.lua:1: library 'string' is read-only");
    script_check(*state, "time.now = 1", "test.lua:1: library 'time' is read-only");
    script_check(*state, "table.insert(table, 1)",
                 "test.lua:1: bad argument #1 to 'insert' (the table is read-only)");
    script_check(*state, "return string.format('%d', 3)", "3");
}

static const char list_keys[] = "local function keys(t)\n"
                                "  local out = {}\n"
                                "  for k, v in pairs(t) do\n"
                                "    assert(v == t[k])\n"
                                "    out[#out + 1] = k\n"
                                "  end\n"
                                "  local k, i = next(t), 1\n"
                                "  while k do\n"
                                "    assert(k == out[i])\n"
                                "    k, i = next(t, k), i + 1\n"
                                "  end\n"
                                "  assert(i == #out + 1 and #t == 0)\n"
                                "  return table.concat(out, ' ')\n"
                                "end\n";

static void check_keys(struct vm *vm, const char *table, const char *expected) {
    char source[2048];
    snprintf(source, sizeof source, "%sreturn keys(%s)", list_keys, table);
    script_check(vm, source, expected);
}

static void libraries_can_be_walked_in_key_order(void **state) {
    check_keys(*state, "_ENV",
               "assert error ipairs math next pairs pcall select string table time tonumber "
               "tostring type utf8");
    check_keys(*state, "string",
               "byte char find format gmatch gsub len lower match pack packsize rep reverse sub "
               "unpack upper");
    check_keys(*state, "table", "concat insert move pack remove sort unpack");
    check_keys(*state, "utf8", "char charpattern codepoint codes len offset");
    check_keys(*state, "math",
               "abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min "
               "mininteger modf pi rad sin sqrt tan tointeger type ult");
    check_keys(*state, "time",
               "add date diff duration format not_future offset_info offset_name parse to_local "
               "to_utc valid_offset zones");
}

static void walking_a_library_does_not_hand_it_out(void **state) {
    script_check(*state, "local _, t = pairs(string) return t == string and t ~= nil", "true");
    script_check(*state, "local _, t = pairs(string) t.rep = nil",
                 "test.lua:1: library 'string' is read-only");
    script_check(*state, "local _, t = pairs(_ENV) t.x = 1",
                 "test.lua:1: assignment to global 'x' (use local)");
    script_check(*state, "for k in pairs(table) do table[k] = nil end",
                 "test.lua:1: library 'table' is read-only");
    script_check(*state, "for _, v in pairs(_ENV) do if v == math then v.pi = 3 end end",
                 "test.lua:1: library 'math' is read-only");
    script_check(*state, "local f, t, n = pairs(utf8) return f(t, n)", "char");
}

static void a_chunk_may_have_an_environment_of_its_own(void **state) {
    script_check(*state, "local string = string local _ENV = {} x = 5 return string.rep('a', x)",
                 "aaaaa");
}

/* --- order --- */

static const char show_pairs[] = "local function show(t, each)\n"
                                 "  local out = {}\n"
                                 "  for k, v in pairs(t) do\n"
                                 "    out[#out + 1] = tostring(k) .. '=' .. tostring(v)\n"
                                 "    if each then each(t, k, v) end\n"
                                 "  end\n"
                                 "  return table.concat(out, ' ')\n"
                                 "end\n";

static void check_pairs(struct vm *vm, const char *call, const char *expected) {
    char source[2048];
    snprintf(source, sizeof source, "%sreturn %s", show_pairs, call);
    script_check(vm, source, expected);
}

static void pairs_goes_in_the_order_of_the_keys(void **state) {
    check_pairs(*state, "show{}", "");
    check_pairs(*state, "show{b = 2, a = 1}", "a=1 b=2");
    check_pairs(*state, "show{10, 20, 30}", "1=10 2=20 3=30");
    check_pairs(*state, "show{10, 20, x = 1}", "1=10 2=20 x=1");
    check_pairs(*state, "show{zebra = 1, apple = 2, mango = 3, kiwi = 4, fig = 5, ['a b'] = 6}",
                "a b=6 apple=2 fig=5 kiwi=4 mango=3 zebra=1");
    check_pairs(*state, "show{[true] = 1, [false] = 2, x = 3, [2.5] = 4, [-1] = 5, [1 << 40] = 6}",
                "-1=5 2.5=4 1099511627776=6 x=3 false=2 true=1");
    check_pairs(*state,
                "show{[math.huge] = 1, [-math.huge] = 2, [math.maxinteger] = 3, "
                "[math.mininteger] = 4, [2^63] = 5, [-2^63 - 4096] = 6, [0.5] = 7}",
                "-inf=2 -9.2233720368548e+18=6 -9223372036854775808=4 0.5=7 "
                "9223372036854775807=3 9.2233720368548e+18=5 inf=1");
    check_pairs(*state, "show{ab = 1, a = 2, ['a\\0'] = 3, ['\\xFF'] = 4, A = 5, [''] = 6}",
                "=6 A=5 a=2 a\0=3");
}

static void pairs_allows_what_lua_allows_during_a_walk(void **state) {
    const char *table = "{a = 1, b = 2, c = 3, d = 4, e = 5, f = 6}";
    char call[512];
    snprintf(call, sizeof call, "show(%s, function(t, k) t[k] = nil end)", table);
    check_pairs(*state, call, "a=1 b=2 c=3 d=4 e=5 f=6");
    snprintf(call, sizeof call, "show(%s, function(t, k) t.c = nil t.e = nil end)", table);
    check_pairs(*state, call, "a=1 b=2 d=4 f=6");
    snprintf(call, sizeof call, "show(%s, function(t, k) t.f = t.f + 1 end)", table);
    check_pairs(*state, call, "a=1 b=2 c=3 d=4 e=5 f=11");
    check_pairs(*state, "show({a = 1, b = 2}, function(t, k) t.a = nil t.b = 9 end)", "a=1 b=9");
    check_pairs(*state, "show({1, 2, 3, 4}, function(t, k) t[k] = nil end)", "1=1 2=2 3=3 4=4");
    check_pairs(*state, "show({1, 2, 3, 4}, function(t, k) t[2] = nil t[4] = 0 end)",
                "1=1 3=3 4=0");
    check_pairs(*state, "show({1, 2, 3, 4}, function(t, k) t[3] = nil t[4] = nil end)", "1=1 2=2");
}

static void next_goes_in_the_same_order(void **state) {
    script_check(*state, "return next({})", "nil");
    script_check(*state, "return next({z = 1, y = 2})", "y");
    script_check(*state, "return next({z = 1, y = 2}, 'y')", "z");
    script_check(*state, "return next({z = 1, y = 2}, 'z')", "nil");
    script_check(*state, "return next({z = 1, y = 2}, 'x')", "y");
    script_check(*state,
                 "local o = '' for k, v in next, {c = 1, b = 2, a = 3, [1] = 4} do "
                 "o = o .. k .. v end return o",
                 "14a3b2c1");
    script_check(*state, "local t = {a = 1, b = 2} t.a = nil return next(t, 'a')", "b");
}

static void an_iterator_of_pairs_gives_no_order_away_when_misused(void **state) {
    const char *wide = "{k9 = 1, k3 = 1, k7 = 1, k1 = 1, k5 = 1, k2 = 1, k8 = 1}";
    char source[512];
    static const char *const others[] = {"{}", "{1, 2}", "{a = 1}",
                                         "{a=1, b=2, c=3, d=4, e=5, f=6}"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(source, sizeof source, "local step = pairs(%s) return (step(%s, 'k3'))", others[i],
                 wide);
        script_check(*state, source, "k5");
    }
    snprintf(source, sizeof source,
             "local step, t = pairs(%s) step(t) step(t) return (step(t, 'k3'))", wide);
    script_check(*state, source, "k5");
    script_check(*state, "local step, t = pairs({5, 6}) return (step(t, 0.5))", "1");
    script_check(*state, "local step = pairs({5, 6}) return step({a = 1}, 'a')", "nil");
    script_check(*state, "local step, t = pairs({5, 6}) return (step(t, -3))", "1");
    script_check(*state, "local step, t = pairs({5, 6}) return step(t, math.maxinteger)", "nil");
    script_check_has(*state, "pairs({5, 6})(5)", "table expected");
}

static void a_loop_may_be_walked_twice_with_one_iterator(void **state) {
    script_check(*state,
                 "local f, t, n = pairs({a=1, b=2, c=3, d=4, e=5}) local o = '' "
                 "for k in f, t, n do o = o .. k end for k in f, t, n do o = o .. k end "
                 "return o",
                 "abcdeabcde");
}

static void keys_without_an_order_cannot_be_walked(void **state) {
    script_check(*state, "for k in pairs({[{}] = 1}) do end",
                 "test.lua:1: cannot iterate in order: a key is a table value");
    script_check(*state, "for k in pairs({a=1, b=1, c=1, d=1, e=1, [type] = 1}) do end",
                 "test.lua:1: cannot iterate in order: a key is a function value");
    script_check(*state, "next({}, {})",
                 "test.lua:1: cannot iterate in order: a key is a table value");
}

static void pairs_over_many_keys_agrees_with_sorting_them(void **state) {
    script_check(*state,
                 "local t, keys, n = {}, {}, 12345\n"
                 "for i = 1, 3000 do\n"
                 "  n = (n * 1103515245 + 12345) % 2147483648\n"
                 "  local key = n % 3 == 0 and n or n % 3 == 1 and n / 7 or 'k' .. n\n"
                 "  if t[key] == nil then t[key] = i keys[#keys + 1] = key end\n"
                 "end\n"
                 "table.sort(keys, function(a, b)\n"
                 "  if type(a) ~= type(b) then return type(a) == 'number' end\n"
                 "  return a < b\n"
                 "end)\n"
                 "local i = 0\n"
                 "for k, v in pairs(t) do\n"
                 "  i = i + 1\n"
                 "  if k ~= keys[i] or v ~= t[k] then return 'wrong at ' .. i end\n"
                 "end\n"
                 "return i == #keys",
                 "true");
}

static void pairs_of_what_is_no_table_is_an_error(void **state) {
    script_check(*state, "pairs(nil)",
                 "test.lua:1: bad argument #1 to 'pairs' (table expected, got nil)");
    script_check(*state, "for k in pairs('x') do end",
                 "test.lua:1: bad argument #1 to 'pairs' (table expected, got string)");
}

/* --- strings of values --- */

static void no_address_shows(void **state) {
    script_check(*state, "return tostring({}) .. tostring(type) .. tostring(function() end)",
                 "tablefunctionfunction");
    script_check(*state, "return tostring(string)", "table");
    script_check(*state, "return ('%s %10s %-6s|%.2s'):format({}, type, nil, {})",
                 "table   function nil   |ta");
    script_check(*state, "return ('%p'):format({})",
                 "test.lua:1: invalid conversion '%p' to 'format'");
    script_check(*state, "return ('%q'):format({})",
                 "test.lua:1: bad argument #1 to 'format' (value has no literal form)");
    script_check_has(*state, "error({} .. 'x')", "attempt to concatenate a table value");
    script_check_has(*state, "return {} < {}", "attempt to compare two table values");
    script_check_has(*state, "return {} + 1", "attempt to perform arithmetic on a table value");
}

static void numbers_are_printed_the_same_on_every_processor(void **state) {
    script_check(*state, "return tostring(0/0) .. tostring(-(0/0))", "nannan");
    script_check(*state, "return ('%f %g %d'):format(0/0, -(0/0), 3.0)", "nan nan 3");
    script_check(*state, "return tostring(1e15) .. ' ' .. 2^53 .. ' ' .. 10 // 3 .. ' ' .. 3.0",
                 "1e+15 9.007199254741e+15 3 3.0");
}

static void strings_work_as_numbers_as_in_lua(void **state) {
    script_check(*state, "return '10' + 1", "11");
    script_check(*state, "return '0x10' * '2'", "32");
    script_check_has(*state, "return 'ten' + 1", "attempt to add a 'string' with a 'number'");
}

/* --- errors --- */

static void errors_say_where(void **state) {
    script_check(*state, "error('bad')", "test.lua:1: bad");
    script_check(*state, "\n\nerror('bad')", "test.lua:3: bad");
    script_check(*state, "error('bad', 0)", "bad");
    script_check(*state, "local function f() error('bad', 2) end\n\nf()", "test.lua:3: bad");
    script_check(*state, "local t = nil\nreturn t.x",
                 "test.lua:2: attempt to index a nil value (local 't')");
    script_check(*state, "assert(false, 'why')", "test.lua:1: why");
    script_check(*state, "assert(nil)", "test.lua:1: assertion failed!");
}

static void errors_that_are_no_strings_are_described(void **state) {
    script_check(*state, "error({})", "error object is a table");
    script_check(*state, "error({message = 'told'})", "told");
    script_check(*state, "error({message = {}})", "error object is a table");
    script_check(*state, "error(nil)", "error object is a nil value");
    script_check(*state, "error(type)", "error object is a function value");
    script_check(*state, "error(42)", "42");
    script_check(*state, "error('', 0)", "error without a message");
    script_check(*state, "error(string)", "error object is a table");
}

static void an_error_message_is_short_tidy_utf8(void **state) {
    script_check(*state, "error('a\\nb\\0c\\xFFd', 0)", "a b c?d");
    assert_int_equal(strlen(script_answer(*state, "error(('x'):rep(5000), 0)")), 400);
    script_check(*state, "error(('\xC3\xA9'):rep(199) .. 'x\xE2\x82\xAC' .. 'yz', 0)",
                 script_answer(*state, "return ('\xC3\xA9'):rep(199) .. 'x'"));
}

static void pcall_returns_as_in_lua(void **state) {
    script_check(*state,
                 "local a, b, c = pcall(function(x) return x, 2 end, 1) "
                 "return tostring(a) .. b .. c",
                 "true12");
    script_check(*state, "local a, b = pcall(error, 'x') return tostring(a) .. b", "falsex");
    script_check(*state, "local a, b = pcall(error, {5}) return tostring(a) .. b[1]", "false5");
    script_check(*state, "local a, b = pcall(5) return tostring(a) .. b",
                 "falseattempt to call a number value");
    script_check(*state, "return select('#', pcall(type, nil))", "2");
    script_check_has(*state, "pcall()", "value expected");
}

/* --- tables --- */

static void sort_is_stable_and_sorts(void **state) {
    script_check(*state,
                 "local t = {} for i = 1, 500 do t[i] = {i * 7919 % 13, i} end\n"
                 "table.sort(t, function(a, b) return a[1] < b[1] end)\n"
                 "for i = 2, #t do\n"
                 "  local a, b = t[i - 1], t[i]\n"
                 "  if a[1] > b[1] or a[1] == b[1] and a[2] > b[2] then return i end\n"
                 "end return #t",
                 "500");
    script_check(*state, "local t = {3, 1, 2} table.sort(t) return table.concat(t, ' ')", "1 2 3");
    script_check(*state, "local t = {'b', 'a', 'C'} table.sort(t) return table.concat(t)", "Cab");
    script_check(*state,
                 "local t = {1, 2.5, -1} table.sort(t, function(a, b) return a > b end) "
                 "return table.concat(t, ' ')",
                 "2.5 1 -1");
    script_check(*state, "local t = {} table.sort(t) t = {1} table.sort(t) return #t", "1");
}

static void sort_leaves_the_table_as_it_was_when_a_comparator_errs(void **state) {
    script_check(*state,
                 "local t = {3, 2, 1} pcall(table.sort, t, function() error('x') end) "
                 "return table.concat(t)",
                 "321");
    script_check(*state, "table.sort({1, 'x'})",
                 "test.lua:1: attempt to compare string with number");
    script_check(*state, "table.sort({{}, {}})", "test.lua:1: attempt to compare table with table");
    script_check_has(*state, "table.sort({1, 2}, 5)", "function expected, got number");
    script_check_has(*state, "table.sort(nil)", "table expected, got nil");
}

static void sort_ends_whatever_a_comparator_says(void **state) {
    static const char *const says[] = {"true", "false", "nil", "a", "#tostring(a) > 1", "a > b"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        char source[512];
        snprintf(source, sizeof source,
                 "local t, sum = {}, 0 for i = 1, 300 do t[i] = i end\n"
                 "table.sort(t, function(a, b) return %s end)\n"
                 "for i = 1, 300 do sum = sum + t[i] end return sum",
                 says[i]);
        script_check(*state, source, "45150");
    }
}

/* --- as Lua's own --- */

/* Expressions whose value must be the same in a stock Lua. */
static const char *const expressions[] = {
    "('abc'):byte(1, -1)",
    "('abc'):byte(10)",
    "(''):byte()",
    "('abc'):byte(-1)",
    "('abc'):byte(0)",
    "string.char(72, 105)",
    "string.char()",
    "('Hello'):lower() .. ('Hello'):upper()",
    "('\\xC3\\x89'):lower()",
    "('abc'):reverse()",
    "('abc'):len()",
    "#'a\\0b'",
    "('abc'):sub(2)",
    "('abc'):sub(-2, -1)",
    "('abc'):sub(0)",
    "('abc'):sub(2, 1)",
    "('abc'):sub(-100, 100)",
    "('abc'):sub(math.mininteger, math.maxinteger)",
    "('ab'):rep(3)",
    "('ab'):rep(3, ',')",
    "('ab'):rep(0)",
    "('ab'):rep(-1)",
    "('ab'):rep(1, ',')",
    "('a'):rep(2.0)",
    "pcall(string.rep)",
    "pcall(string.rep, 'x')",
    "pcall(string.rep, 'x', 1.5)",
    "('%d %5d|%-5d|%05d|%+d'):format(1, 2, 3, 4, 5)",
    "('%x %X %o'):format(255, 255, 8)",
    "('%5.2f|%e|%g|%a'):format(3.14159, 1e10, 1e-10, 1)",
    "('%c%c'):format(65, 66)",
    "('%s %s %s'):format(1, 1.5, 'x')",
    "('%q'):format('a\"b\\n\\0c')",
    "('%q'):format(1.5)",
    "('%q'):format(math.mininteger)",
    "('%i'):format(3.0)",
    "('%%'):format()",
    "('%10.4s|'):format('abcdefgh')",
    "pcall(string.format, '%d', 1.5)",
    "pcall(string.format, '%d', 'x')",
    "pcall(string.format, '%d')",
    "pcall(string.format, '%y', 1)",
    "pcall(string.format, '%')",
    "pcall(string.format, '%0123d', 1)",
    "string.pack('<i4', 100):byte(1, -1)",
    "string.unpack('<i4', '\\1\\2\\3\\4')",
    "string.packsize('i4i8')",
    "string.unpack('z', 'abc\\0def')",
    "string.pack('s1', 'abc')",
    "pcall(string.unpack, 'i4', 'x')",
    "string.unpack('<I2', '\\1\\2\\3\\4', 3)",
    "string.pack('c5', 'ab')",
    "pcall(string.pack, 'c1', 'ab')",
    "table.concat({1, 2, 3}, '-')",
    "table.concat({}, 'x')",
    "table.concat({1, 2, 3}, ',', 2, 3)",
    "pcall(table.concat, {1, {}, 3})",
    "table.concat({1, 2.5, 'x'})",
    "table.unpack({1, 2, 3})",
    "table.unpack({1, 2, 3}, 2)",
    "table.unpack({1, 2, 3}, 2, 5)",
    "table.unpack({}, 1, 0)",
    "table.pack(1, nil, 3).n",
    "#table.move({1, 2, 3}, 1, 3, 2)",
    "table.concat(table.move({1, 2, 3}, 2, 3, 1))",
    "table.concat(table.move({1, 2, 3}, 1, 3, 3))",
    "table.remove({1, 2, 3})",
    "table.remove({})",
    "table.remove({1, 2, 3}, 1)",
    "pcall(table.remove, {1, 2, 3}, 7)",
    "pcall(table.insert, {1, 2, 3}, 6, 'x')",
    "pcall(table.insert, {1, 2, 3})",
    "(function() local t = {1, 2} table.insert(t, 1, 'x') "
    "table.insert(t, 'y') return table.concat(t) end)()",
    "math.type(1), math.type(1.0), math.type('1')",
    "math.floor(-3.5), math.ceil(-3.5)",
    "math.max(1, 5, 3), math.min(2, 0)",
    "math.tointeger(3.0), math.tointeger('8')",
    "math.abs(math.mininteger)",
    "math.fmod(7, 3), math.fmod(-7, 3)",
    "math.ult(1, -1)",
    "math.modf(3.7)",
    "math.pi, math.huge, -math.huge",
    "math.sqrt(2), math.sin(1), math.log(8, 2)",
    "utf8.char(72, 8364, 128512)",
    "utf8.len('h\\xE2\\x82\\xAC')",
    "utf8.len('\\xFF')",
    "utf8.codepoint('h\\xE2\\x82\\xAC', 1, -1)",
    "utf8.offset('h\\xE2\\x82\\xACx', 3)",
    "utf8.charpattern",
    "(function() local o = '' for p, c in utf8.codes('h\\xE2\\x82\\xAC') do "
    "o = o .. p .. c .. ';' end return o end)()",
    "pcall(utf8.codepoint, 'abc', 5)",
    "utf8.len('abc', 4)",
    "utf8.len('abc', -1)",
    "tonumber('10'), tonumber('0x10'), tonumber('1e2'), tonumber('x'), tonumber('')",
    "tonumber('ff', 16), tonumber('zz', 36), tonumber('8', 8)",
    "tonumber('  12  ')",
    "tonumber(nil)",
    "pcall(tonumber)",
    "tostring(nil), tostring(true), tostring(1.0)",
    "select('#'), select('#', nil, nil)",
    "select(2, 'a', 'b', 'c')",
    "select(-1, 'a', 'b')",
    "pcall(select, 0)",
    "type(nil), type(1), type('x'), type({}), type(type)",
    "ipairs({})",
    "(function() local s = 0 for i, v in ipairs({1, 2, nil, 4}) do s = s + v end "
    "return s end)()",
    "'10' + 5, '3' * '4', 10 .. 20",
    "1 // 0.0, -1 // 0.0, 5 // -2, 5 % -3, -5 % 3, 5.5 % 2",
    "1 < 1.5, '10' == 10, 'a' < 'b', 2^10, 7 // 2, 7 / 2",
    "3 | 4, 7 & 2, 1 << 63, ~0, 5 ~ 3",
    "#{1, 2, 3}, #'abc', -2^2, not nil",
    "math.maxinteger + 1 == math.mininteger",
    "1e308 * 10, 0x7fffffffffffffff, 0x1p4, 1e1",
    "pcall(function() return 1 // 0 end)",
    "pcall(function() return nil .. 'x' end)",
    "pcall(error, 'x', 2)",
    "pcall(assert, false, 'm')",
    "pcall(assert)",
    "assert(1, 2)",
    "next({}, nil)",
};

/* All values of `return expression`, as text. */
static const char *answers(lua_State *lua, bool ok) {
    static char out[2][1024];
    static int which;
    char *line = out[which = 1 - which];
    size_t length = 0;
    line[0] = '\0';
    for (int i = 1; i <= lua_gettop(lua) && length < 900; i++) {
        size_t bytes;
        const char *text = lua_type(lua, i) == LUA_TFUNCTION ? "function"
                           : lua_type(lua, i) == LUA_TTABLE  ? "table"
                                                             : luaL_tolstring(lua, i, &bytes);
        length += (size_t)snprintf(line + length, 1024 - length, "%s%.200s", ok ? ";" : "!", text);
        lua_settop(lua, lua_type(lua, i) == LUA_TFUNCTION || lua_type(lua, i) == LUA_TTABLE
                            ? lua_gettop(lua)
                            : lua_gettop(lua) - 1);
    }
    lua_settop(lua, 0);
    return line;
}

static void what_is_lent_from_lua_works_as_in_lua(void **state) {
    struct vm *vm = *state;
    lua_State *own = luaL_newstate();
    luaL_openlibs(own);
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        char source[512];
        struct fault fault;
        snprintf(source, sizeof source, "return %s", expressions[i]);
        bool ok = script_run(vm, text_of(source), LUA_MULTRET, &fault);
        const char *ours = ok ? answers(vm_lua(vm), true) : fault.message;
        assert_int_equal(luaL_loadbuffer(own, source, strlen(source), "@test.lua"), LUA_OK);
        assert_int_equal(lua_pcall(own, 0, LUA_MULTRET, 0), LUA_OK);
        const char *theirs = answers(own, true);
        if (strcmp(ours, theirs) != 0) {
            print_error("%s\n  ours  %s\n  Lua's %s\n", source, ours, theirs);
            fail();
        }
    }
    lua_close(own);
}

static void two_vms_give_the_same_bytes(void **state) {
    const char *source =
        "local out = {}\n"
        "local function visit(t) for k, v in pairs(t) do\n"
        "  out[#out + 1] = tostring(k) .. tostring(v)\n"
        "  if type(v) == 'table' then visit(v) end end end\n"
        "local t = {} for i = 1, 60 do t['key ' .. i * 7919 % 101] = {i, f = type, [i / 3] = {}} "
        "end\n"
        "visit(t) table.sort(out, function(a, b) return #a < #b end) return table.concat(out, ' ')";
    char first[4096];
    snprintf(first, sizeof first, "%s", script_answer(*state, source));
    for (int i = 0; i < 5; i++) {
        struct vm *other = script_vm();
        script_check(other, source, first);
        vm_free(other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRIPT_TEST(the_globals_are_those_of_the_contract),
        SCRIPT_TEST(the_libraries_have_the_functions_of_the_contract_and_no_other),
        SCRIPT_TEST(methods_of_strings_are_the_same_functions),
        SCRIPT_TEST(assigning_a_global_says_to_use_local),
        SCRIPT_TEST(reading_an_unknown_global_names_the_nearest),
        SCRIPT_TEST(a_global_set_by_the_host_is_seen_and_suggested),
        SCRIPT_TEST(what_only_stock_lua_has_is_nil),
        SCRIPT_TEST(libraries_are_read_only),
        SCRIPT_TEST(libraries_can_be_walked_in_key_order),
        SCRIPT_TEST(walking_a_library_does_not_hand_it_out),
        SCRIPT_TEST(a_chunk_may_have_an_environment_of_its_own),
        SCRIPT_TEST(pairs_goes_in_the_order_of_the_keys),
        SCRIPT_TEST(pairs_allows_what_lua_allows_during_a_walk),
        SCRIPT_TEST(next_goes_in_the_same_order),
        SCRIPT_TEST(an_iterator_of_pairs_gives_no_order_away_when_misused),
        SCRIPT_TEST(a_loop_may_be_walked_twice_with_one_iterator),
        SCRIPT_TEST(keys_without_an_order_cannot_be_walked),
        SCRIPT_TEST(pairs_over_many_keys_agrees_with_sorting_them),
        SCRIPT_TEST(pairs_of_what_is_no_table_is_an_error),
        SCRIPT_TEST(no_address_shows),
        SCRIPT_TEST(numbers_are_printed_the_same_on_every_processor),
        SCRIPT_TEST(strings_work_as_numbers_as_in_lua),
        SCRIPT_TEST(errors_say_where),
        SCRIPT_TEST(errors_that_are_no_strings_are_described),
        SCRIPT_TEST(an_error_message_is_short_tidy_utf8),
        SCRIPT_TEST(pcall_returns_as_in_lua),
        SCRIPT_TEST(sort_is_stable_and_sorts),
        SCRIPT_TEST(sort_leaves_the_table_as_it_was_when_a_comparator_errs),
        SCRIPT_TEST(sort_ends_whatever_a_comparator_says),
        SCRIPT_TEST(what_is_lent_from_lua_works_as_in_lua),
        SCRIPT_TEST(two_vms_give_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
