/* Calls, budgets, messages and memory of one VM. */
#include "unit/lua/script.h"

#include "base/arena.h"

#include <lauxlib.h>

/* A clock that goes on by `step_us` whenever it is read. */
struct clock {
    int64_t at_us, step_us;
    int reads;
};

static int64_t read_clock(void *context) {
    struct clock *clock = context;
    clock->reads++;
    return clock->at_us += clock->step_us;
}

static struct vm *vm_at(struct clock *clock, int64_t instructions, size_t memory_bytes) {
    struct vm_limits limits = {instructions, 50 * NOW_MILLISECOND, memory_bytes};
    return vm_new(
        &limits, (struct now){.wall_us = read_clock, .monotonic_us = read_clock, .context = clock});
}

/* The processor is somebody else's all the time. */
static int64_t never_runs(void *context) {
    (void)context;
    return 0;
}

static void check_fault(struct vm *vm, const char *source, const char *message) {
    struct fault fault;
    assert_false(script_run(vm, text_of(source), 0, &fault));
    assert_int_equal(fault.code, FAULT_POLICY_ERROR);
    assert_string_equal(fault.message, message);
    assert_int_equal(lua_gettop(vm_lua(vm)), 0);
}

/* --- calls --- */

static void a_call_leaves_its_results_and_nothing_else(void **state) {
    struct vm *vm = *state;
    lua_State *lua = vm_lua(vm);
    struct fault fault;
    lua_pushinteger(lua, 99);
    assert_true(vm_load(vm, TEXT("local a, b = ... return b, a, 'more'"), "test.lua", &fault));
    lua_pushinteger(lua, 1);
    lua_pushinteger(lua, 2);
    assert_true(vm_call(vm, 2, LUA_MULTRET, &fault));
    assert_int_equal(lua_gettop(lua), 4);
    assert_int_equal(lua_tointeger(lua, 1), 99);
    assert_int_equal(lua_tointeger(lua, 2), 2);
    lua_settop(lua, 1);
    assert_true(script_run(vm, TEXT("return 5"), 3, &fault));
    assert_int_equal(lua_gettop(lua), 4);
    assert_true(lua_isnil(lua, 4));
}

static void a_call_that_fails_leaves_nothing(void **state) {
    struct vm *vm = *state;
    lua_State *lua = vm_lua(vm);
    struct fault fault;
    lua_pushinteger(lua, 99);
    assert_true(vm_load(vm, TEXT("error('no', 0)"), "test.lua", &fault));
    lua_pushinteger(lua, 1);
    assert_false(vm_call(vm, 1, 3, &fault));
    assert_string_equal(fault.message, "no");
    assert_int_equal(lua_gettop(lua), 1);
    lua_pushinteger(lua, 7); /* no function at all */
    assert_false(vm_call(vm, 0, 0, &fault));
    assert_string_equal(fault.message, "attempt to call a number value");
    assert_int_equal(lua_gettop(lua), 1);
}

static void a_state_knows_its_vm_and_its_clock(void **state) {
    struct vm *vm = *state;
    assert_ptr_equal(vm_of(vm_lua(vm)), vm);
    vm_set_now(vm, 12345);
    assert_int_equal(vm_now_us(vm_lua(vm)), 12345);
}

/* --- instructions --- */

static void every_call_has_a_fresh_budget(void **state) {
    for (int i = 0; i < 5; i++) {
        script_check(*state, "for i = 1, 400000 do end return 'done'", "done");
        script_check(*state, "for i = 1, 1200000 do end return 'done'",
                     "test.lua:1: over budget: more than 1000000 instructions");
    }
}

static int tick(lua_State *lua) {
    long *ticks = lua_touserdata(lua, lua_upvalueindex(1));
    ++*ticks;
    return 0;
}

static long ticks_until_spent(const char *source) {
    long ticks = 0;
    struct vm *vm = script_vm();
    lua_pushlightuserdata(vm_lua(vm), &ticks);
    lua_pushcclosure(vm_lua(vm), tick, 1);
    vm_set_global(vm, "tick");
    check_fault(vm, source, "test.lua:1: over budget: more than 1000000 instructions");
    vm_free(vm);
    return ticks;
}

static void instructions_are_counted_the_same_every_time(void **state) {
    (void)state;
    const char *source = "local tick = tick while true do tick() local t = {1, 2} end";
    long first = ticks_until_spent(source);
    assert_in_range(first, 100000, 250000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ticks_until_spent(source), first);
    }
}

static void a_spent_budget_cannot_be_caught(void **state) {
    static const char *const sources[] = {
        "pcall(function() while true do end end) return 'caught'",
        "while true do pcall(function() while true do end end) end",
        "pcall(pcall, pcall, function() while true do end end) return 'caught'",
        "local _ = ('x'):gsub('x', function() pcall(function() while true do end end) end) return "
        "'caught'",
        "table.sort({1, 2}, function() pcall(function() while true do end end) end) return "
        "'caught'",
        "for k in pcall, function() while true do end end do end return 'caught'",
    };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        script_check(*state, sources[i], "test.lua:1: over budget: more than 1000000 instructions");
    }
}

/* --- charges --- */

static int charge(lua_State *lua) {
    vm_charge(lua, luaL_checkinteger(lua, 1));
    return 0;
}

static int charge_bytes(lua_State *lua) {
    vm_charge_bytes(lua, (size_t)luaL_checkinteger(lua, 1));
    return 0;
}

static int catch_all(lua_State *lua) {
    int status = lua_pcall(lua, lua_gettop(lua) - 1, 0, 0);
    vm_caught(lua, status);
    lua_pushstring(lua, status == LUA_OK ? "fine" : "caught");
    return 1;
}

static void set_functions(struct vm *vm) {
    lua_pushcfunction(vm_lua(vm), charge);
    vm_set_global(vm, "charge");
    lua_pushcfunction(vm_lua(vm), charge_bytes);
    vm_set_global(vm, "charge_bytes");
    lua_pushcfunction(vm_lua(vm), catch_all);
    vm_set_global(vm, "catch_all");
}

static void what_c_functions_charge_counts(void **state) {
    set_functions(*state);
    const char *spent = "test.lua:1: over budget: more than 1000000 instructions";
    script_check(*state, "charge(999000) return 'fine'", "fine");
    script_check(*state, "charge(1000001)", spent);
    script_check(*state, "charge(math.maxinteger)", spent);
    script_check(*state, "charge(999000) pcall(charge, math.maxinteger) return 'caught'", spent);
    script_check(*state, "for i = 1, 11 do charge(100000) end", spent);
    script_check(*state, "charge_bytes(63000000) return 'fine'", "fine");
    script_check(*state, "charge_bytes(65000000)", spent);
    vm_charge(vm_lua(*state), INT64_MAX); /* nothing is running */
}

static void c_functions_that_catch_do_not_catch_a_spent_budget(void **state) {
    set_functions(*state);
    script_check(*state, "return catch_all(function() end)", "fine");
    script_check(*state, "return catch_all(error)", "caught");
    script_check(*state, "return catch_all(function() while true do end end)",
                 "test.lua:1: over budget: more than 1000000 instructions");
}

static int call_inside(lua_State *lua) {
    struct fault fault;
    bool ok = vm_call(vm_of(lua), lua_gettop(lua) - 1, 1, &fault);
    if (!ok) {
        lua_pushstring(lua, fault.message);
    }
    return 1;
}

static void a_call_inside_a_call_has_no_budget_of_its_own(void **state) {
    lua_pushcfunction(vm_lua(*state), call_inside);
    vm_set_global(*state, "call");
    script_check(*state, "return call(function(x) return x + 1 end, 4)", "5");
    script_check(*state, "return call(error, 'inner')", "inner");
    script_check(*state, "call(function() while true do end end) return 'caught'",
                 "test.lua:1: over budget: more than 1000000 instructions");
    script_check(*state, "while true do call(function() for i = 1, 1000 do end end) end",
                 "test.lua:1: over budget: more than 1000000 instructions");
}

/* --- the clock --- */

static void a_call_past_its_deadline_is_over_budget(void **state) {
    (void)state;
    struct clock clock = {0, 5 * NOW_MILLISECOND, 0};
    struct vm *vm = vm_at(&clock, 1000000, (size_t)16 << 20);
    const char *late = "test.lua:1: over budget: ran longer than 50 ms";
    check_fault(vm, "while true do end", late);
    assert_in_range(clock.reads, 12, 600); /* loading looks too */
    check_fault(vm, "while true do pcall(function() while true do end end) end", late);
    check_fault(vm, "local s = ('x'):rep(100000) while true do s:find('y') end", late);
    check_fault(vm, "local s = ('x'):rep(100000) while true do local t = s .. 'y' end", late);
    clock.step_us = 0;
    script_check(vm, "for i = 1, 400000 do end return 'done'", "done");
    vm_free(vm);
}

static void a_short_call_does_not_read_the_clock(void **state) {
    (void)state;
    struct clock clock = {0, 0, 0};
    struct vm *vm = vm_at(&clock, 1000000, (size_t)16 << 20);
    struct fault fault;
    assert_true(vm_load(vm, TEXT("return 1"), "test.lua", &fault));
    int reads = clock.reads;
    assert_true(vm_call(vm, 0, 0, &fault));
    assert_int_equal(clock.reads, reads);
    vm_free(vm);
}

static void the_clock_is_looked_at_more_often_when_strings_are_long(void **state) {
    (void)state;
    struct clock clock = {0, 0, 0};
    struct vm *vm = vm_at(&clock, 1000000, (size_t)16 << 20);
    const char *source = "for i = 1, 5000 do end local s = ('x'):rep(1 << 20) local n = 0 "
                         "for i = 1, 5000 do if s == n then n = s end end return 'done'";
    script_check(vm, source, "done");
    assert_in_range(clock.reads, 10000, 30000);
    clock.reads = 0;
    script_check(vm, "for i = 1, 5000 do end return 'done'", "done"); /* the string is gone */
    assert_in_range(clock.reads, 50, 200);
    vm_free(vm);
}

/* --- memory --- */

static void memory_is_limited_by_what_a_call_adds(void **state) {
    const char *spent = "test.lua:1: over budget: more than 16384 KiB of memory";
    script_check(*state, "return #('x'):rep(4096):rep(1900)", "7782400");
    script_check(*state, "local s = ('x'):rep(4096):rep(2500) return #(s .. s)", spent);
    script_check(*state,
                 "local s = ('x'):rep(4096):rep(2500) pcall(function() return s .. s end) "
                 "return 'caught'",
                 spent);
    lua_State *lua = vm_lua(*state);
    luaL_checkstack(lua, 2, NULL);
    lua_newuserdatauv(lua, (size_t)64 << 20, 0); /* outside of a call there is no limit */
    script_check(*state, "return #('x'):rep(4096):rep(1900)", "7782400");
    lua_settop(lua, 0);
}

static void garbage_is_not_memory(void **state) {
    script_check(*state, "for i = 1, 100 do local s = ('x'):rep(4096):rep(100) end return 'done'",
                 "done");
    script_check(*state,
                 "local s = ('x'):rep(4096):rep(1900) s = nil "
                 "return #('y'):rep(4096):rep(1900)",
                 "7782400");
}

static int held(lua_State *lua) {
    lua_pushinteger(lua, (lua_Integer)vm_held_bytes(vm_of(lua)));
    return 1;
}

static void garbage_does_not_pile_up_while_a_call_runs(void **state) {
    lua_pushcfunction(vm_lua(*state), held);
    vm_set_global(*state, "held");
    script_check(*state,
                 "local s, most, before = '', 0, held()\n"
                 "for i = 1, 3000 do s = s .. 'abcdef' most = math.max(most, held()) end\n"
                 "for i = 1, 10000 do local t = { i, {} } most = math.max(most, held()) end\n"
                 "return most - before < 3000000",
                 "true");
}

static void all_that_a_call_allocates_is_limited_too(void **state) {
    script_check(*state,
                 "local s = ('x'):rep(4096):rep(250) "
                 "while true do local t = s .. 'x' end",
                 "test.lua:1: over budget: more than 131072 KiB allocated in all");
}

static void memory_is_back_after_a_call_over_budget(void **state) {
    static const char *const sources[] = {
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} while true do t[#t + 1] = #t .. 'x' end",
        "local function f() return 1 + f() end f()",
        "local t while true do t = {t} end",
        "return table.unpack({}, 1, 500000)",
    };
    script_check(*state, "return 1", "1");
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct fault fault;
        size_t held = vm_held_bytes(*state);
        (void)script_run(*state, text_of(sources[i]), 0, &fault);
        assert_in_range(vm_held_bytes(*state), 0, held + 32768);
    }
}

static void a_stack_that_has_overflowed_is_given_back(void **state) {
    (void)state;
    struct clock clock = {0, 0, 0};
    struct vm *vm = vm_at(&clock, INT64_C(1) << 40, (size_t)1 << 30);
    const char *source = "local function f(a, b, c, d, e, g, h) local x, y, z = 1, 2, 3 "
                         "return 1 + f(a, b, c, d, e, g, h) end f()";
    size_t held = vm_held_bytes(vm);
    check_fault(vm, source, "test.lua:1: stack overflow");
    assert_in_range(vm_held_bytes(vm), 0, held + 32768);
    script_check(vm,
                 "local function f() return 1 + f() end "
                 "local ok, e = pcall(f) return tostring(ok) .. e",
                 "falsetest.lua:1: stack overflow");
    assert_in_range(vm_held_bytes(vm), 0, held + 32768);
    vm_free(vm);
}

static void many_calls_hold_no_more_than_one(void **state) {
    struct fault fault;
    lua_State *lua = vm_lua(*state);
    assert_true(script_run(*state,
                           TEXT("return function() local t = {} for i = 1, 20 do "
                                "t[i] = {name = 'n' .. i} end return t end"),
                           1, &fault));
    size_t most = 0;
    for (int i = 0; i < 5000; i++) {
        lua_pushvalue(lua, 1);
        assert_true(vm_call(*state, 0, 1, &fault));
        lua_settop(lua, 1);
        most = vm_held_bytes(*state) > most ? vm_held_bytes(*state) : most;
    }
    assert_in_range(most, 0, (size_t)512 << 10);
}

/* Fails the first allocation that does not fit, wherever it is, until all of them do. */
static void a_call_that_runs_out_of_memory_anywhere_is_a_policy_error(void **state) {
    (void)state;
    const char *source =
        "local out = {}\n"
        "for k, v in pairs({a = 1, b = 2, c = 3, d = 4, e = 5, f = {}}) do out[#out + 1] = k end\n"
        "table.sort(out, function(a, b) return a > b end)\n"
        "local ok = pcall(function() error({}) end)\n"
        "local s = ('%s %5.1f %q'):format('x', 1.5, 'y'):rep(20, ','):upper():gsub('%a+', '<%0>')\n"
        "for w in s:gmatch('%d+') do out[#out + 1] = w end\n"
        "local function deep(n) return n > 0 and 1 + deep(n - 1) or 0 end\n"
        "out[#out + 1] = time.format(time.parse('2025-10-01T09:00:00+05:30'))\n"
        "return table.concat(out, ' ', 1, 6) .. deep(50) .. string.pack('z', s):len() .. "
        "utf8.char(8364)";
    int failures = 0;
    for (size_t bytes = 0;; bytes += 48) {
        struct clock clock = {0, 0, 0};
        struct vm *vm = vm_at(&clock, 1000000, bytes);
        struct fault fault = FAULT_INIT;
        if (script_run(vm, text_of(source), 1, &fault)) {
            vm_free(vm);
            break;
        }
        assert_int_equal(fault.code, FAULT_POLICY_ERROR);
        assert_non_null(strstr(fault.message, "over budget"));
        assert_int_equal(lua_gettop(vm_lua(vm)), 0);
        vm_free(vm);
        failures++;
    }
    assert_true(failures > 50);
}

/* --- loading --- */

static void bytecode_is_never_loaded(void **state) {
    check_fault(*state, "\33Lua", "attempt to load a binary chunk (mode is 't')");
    struct fault fault;
    static const char header[] = "\33LuaT\0\x19\x93\r\n\x1a\n\x04\x08\x08";
    assert_false(vm_load(*state, (struct text){header, sizeof header - 1}, "x.lua", &fault));
    assert_int_equal(lua_gettop(vm_lua(*state)), 0);
    assert_false(vm_load(*state, TEXT("\xEF\xBB\xBF\33Lua"), "x.lua", &fault));
}

static void a_mistake_is_reported_with_file_and_line(void **state) {
    check_fault(*state, "local x =\n\n= 1", "test.lua:3: unexpected symbol near '='");
    check_fault(*state, "if x then", "test.lua:1: 'end' expected near <eof>");
    check_fault(*state, "x = '\xFF\n'", "test.lua:1: unfinished string near ''?'");
    check_fault(*state, "goto nowhere",
                "test.lua:1: no visible label 'nowhere' for <goto> at line 1");
    struct fault fault;
    assert_false(vm_load(*state, TEXT("("), "lib/long/path/name.lua", &fault));
    assert_string_equal(fault.message, "lib/long/path/name.lua:1: unexpected symbol near <eof>");
}

static void a_byte_order_mark_is_skipped(void **state) {
    script_check(*state, "\xEF\xBB\xBFreturn 'fine'", "fine");
}

static void a_long_file_loads(void **state) {
    struct arena arena;
    arena_init(&arena, 0);
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    buffer_print(&buffer, "local t = {\n");
    for (int i = 0; i < 30000; i++) {
        buffer_print(&buffer, "  { %d, 'name %d' },\n", i, i);
    }
    buffer_print(&buffer, "}\nreturn #t\n");
    struct fault fault;
    assert_true(script_run(*state, buffer_view(&buffer), 1, &fault));
    assert_int_equal(lua_tointeger(vm_lua(*state), -1), 30000);
    arena_deinit(&arena);
}

static void compiling_is_bounded_in_time(void **state) {
    (void)state;
    struct clock clock = {0, 20 * NOW_MILLISECOND, 0};
    struct vm *vm = vm_at(&clock, 1000000, (size_t)16 << 20);
    struct arena arena;
    arena_init(&arena, 0);
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    buffer_print(&buffer, "local a if a then\n");
    for (int i = 0; i < 50000; i++) {
        buffer_print(&buffer, "elseif a then\n");
    }
    struct fault fault;
    assert_false(vm_load(vm, buffer_view(&buffer), "slow.lua", &fault));
    assert_string_equal(fault.message, "slow.lua: over budget: ran longer than 1000 ms");
    assert_int_equal(lua_gettop(vm_lua(vm)), 0);
    arena_deinit(&arena);
    vm_free(vm);
}

/* --- the end --- */

static void a_vm_closes_whatever_it_holds(void **state) {
    (void)state;
    struct vm *vm = script_vm();
    struct fault fault;
    for (int i = 0; i < 10; i++) {
        assert_true(script_run(vm, TEXT("local t = {} for i = 1, 100 do t[i] = {t} end return t"),
                               1, &fault));
    }
    assert_false(script_run(vm, TEXT("while true do end"), 0, &fault));
    vm_free(vm);
    vm_free(NULL);
}

static void a_call_that_waits_for_the_processor_is_not_over_its_time(void **state) {
    (void)state;
    struct clock clock = {.step_us = NOW_MILLISECOND};
    struct vm_limits limits = {1000000, 50 * NOW_MILLISECOND, (size_t)1 << 20};
    struct vm *vm = vm_new(&limits, (struct now){.wall_us = read_clock,
                                                 .monotonic_us = read_clock,
                                                 .context = &clock,
                                                 .thread_us = never_runs});
    struct fault fault = FAULT_INIT;
    assert_true(script_run(vm, TEXT("for i = 1, 20000 do local x = i end"), 0, &fault));
    assert_true(clock.at_us > 100 * NOW_MILLISECOND);
    check_fault(vm, "while true do end", "test.lua:1: over budget: ran longer than 50 ms");
    vm_free(vm);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRIPT_TEST(a_call_that_waits_for_the_processor_is_not_over_its_time),
        SCRIPT_TEST(a_call_leaves_its_results_and_nothing_else),
        SCRIPT_TEST(a_call_that_fails_leaves_nothing),
        SCRIPT_TEST(a_state_knows_its_vm_and_its_clock),
        SCRIPT_TEST(every_call_has_a_fresh_budget),
        cmocka_unit_test(instructions_are_counted_the_same_every_time),
        SCRIPT_TEST(a_spent_budget_cannot_be_caught),
        SCRIPT_TEST(what_c_functions_charge_counts),
        SCRIPT_TEST(c_functions_that_catch_do_not_catch_a_spent_budget),
        SCRIPT_TEST(a_call_inside_a_call_has_no_budget_of_its_own),
        cmocka_unit_test(a_call_past_its_deadline_is_over_budget),
        cmocka_unit_test(a_short_call_does_not_read_the_clock),
        cmocka_unit_test(the_clock_is_looked_at_more_often_when_strings_are_long),
        SCRIPT_TEST(memory_is_limited_by_what_a_call_adds),
        SCRIPT_TEST(garbage_is_not_memory),
        SCRIPT_TEST(garbage_does_not_pile_up_while_a_call_runs),
        SCRIPT_TEST(all_that_a_call_allocates_is_limited_too),
        SCRIPT_TEST(memory_is_back_after_a_call_over_budget),
        cmocka_unit_test(a_stack_that_has_overflowed_is_given_back),
        SCRIPT_TEST(many_calls_hold_no_more_than_one),
        cmocka_unit_test(a_call_that_runs_out_of_memory_anywhere_is_a_policy_error),
        SCRIPT_TEST(bytecode_is_never_loaded),
        SCRIPT_TEST(a_mistake_is_reported_with_file_and_line),
        SCRIPT_TEST(a_byte_order_mark_is_skipped),
        SCRIPT_TEST(a_long_file_loads),
        cmocka_unit_test(compiling_is_bounded_in_time),
        cmocka_unit_test(a_vm_closes_whatever_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
