/* JSON to Lua and back. */
#include "unit/lua/script.h"

#include "base/arena.h"

#include <lauxlib.h>

struct bridge {
    struct vm *vm;
    struct arena arena;
};

static int open_bridge(void **state) {
    struct bridge *bridge = calloc(1, sizeof *bridge);
    bridge->vm = script_vm();
    arena_init(&bridge->arena, 0);
    *state = bridge;
    return 0;
}

static int close_bridge(void **state) {
    struct bridge *bridge = *state;
    vm_free(bridge->vm);
    arena_deinit(&bridge->arena);
    free(bridge);
    return 0;
}

#define VALUE_TEST(function) cmocka_unit_test_setup_teardown(function, open_bridge, close_bridge)

static const struct js *parse(struct bridge *bridge, const char *json) {
    const struct js *value;
    struct fault fault;
    if (!js_parse(&bridge->arena, text_of(json), &value, &fault)) {
        fail_msg("%s", fault.message);
    }
    return value;
}

/* The value on top of the stack as JSON, or what is wrong with it. */
static const char *read_top(struct bridge *bridge) {
    lua_State *lua = vm_lua(bridge->vm);
    const struct js *value;
    struct fault fault;
    int top = lua_gettop(lua);
    bool ok = value_read(lua, -1, &bridge->arena, &value, &fault);
    assert_int_equal(lua_gettop(lua), top);
    if (!ok) {
        assert_int_equal(fault.code, FAULT_POLICY_ERROR);
        return text_cstring(&bridge->arena, text_of(fault.message));
    }
    return text_cstring(&bridge->arena, js_print(&bridge->arena, value));
}

/* What a chunk that is given `json` (NULL: nothing) returns, as JSON. */
static const char *through(struct bridge *bridge, const char *source, const char *json) {
    lua_State *lua = vm_lua(bridge->vm);
    struct fault fault;
    lua_settop(lua, 0);
    if (!vm_load(bridge->vm, text_of(source), "test.lua", &fault)) {
        fail_msg("%s", fault.message);
    }
    value_push(lua, json != NULL ? parse(bridge, json) : NULL);
    if (!vm_call(bridge->vm, 1, 1, &fault)) {
        return text_cstring(&bridge->arena, text_of(fault.message));
    }
    return read_top(bridge);
}

static void check_through(struct bridge *bridge, const char *source, const char *json,
                          const char *expected) {
    const char *got = through(bridge, source, json);
    if (strcmp(got, expected) != 0) {
        print_error("%s of %s\n  gave     %s\n  expected %s\n", source,
                    json != NULL ? json : "nothing", got, expected);
        fail();
    }
}

static void what_is_pushed_reads_back_the_same(void **state) {
    static const char *const texts[] = {
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "1e+300",
        "\"\"",
        "\"text\"",
        "\"\u00e9\u20ac\U0001F600\"",
        "[]",
        "{}",
        "[[],{},[[]]]",
        "[1,2,3]",
        "[null]",
        "[1,null,null,2,null]",
        "{\"a\":[],\"b\":{}}",
        "{\"a\":{\"b\":{\"c\":[1,{\"d\":false}]}}}",
        "[0,0.5,\"0\",false]",
        "{\"\":1,\"1\":2}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check_through(*state, "return ...", texts[i], texts[i]);
    }
}

static void nulls_vanish_from_objects_and_stay_in_arrays(void **state) {
    check_through(*state, "return ...", "null", "null");
    check_through(*state, "return ...", "{\"a\":null,\"b\":1}", "{\"b\":1}");
    check_through(*state, "local t = ... return #t", "[null,null,1]", "3");
    check_through(*state, "local t = ... return tostring(t[1]) .. type(t[1])", "[null]",
                  "\"nulluserdata\"");
    check_through(*state, "local t = ... return t[1] == t[2]", "[null,null]", "true");
    check_through(*state, "local t = ... return { kept = t[1] }", "[null]", "{\"kept\":null}");
    check_through(*state, "return nil", NULL, "null");
    check_through(*state, "return (...) == nil", NULL, "true");
}

static void numbers_keep_their_kind(void **state) {
    check_through(*state, "local t = ... return math.type(t[1]) .. math.type(t[2])", "[1,1.5]",
                  "\"integerfloat\"");
    struct bridge *bridge = *state;
    const struct js *value;
    struct fault fault;
    lua_pushnumber(vm_lua(bridge->vm), 3.0);
    assert_true(value_read(vm_lua(bridge->vm), -1, &bridge->arena, &value, &fault));
    assert_int_equal(value->type, JS_INTEGER); /* as it will be read from the store */
    check_through(bridge, "return math.mininteger", NULL, "-9223372036854775808");
    check_through(bridge, "return 2^53", NULL, "9007199254740992");
}

static void an_empty_table_is_an_object_unless_it_came_from_an_array(void **state) {
    check_through(*state, "return {}", NULL, "{}");
    check_through(*state, "return { {}, {} }", NULL, "[{},{}]");
    check_through(*state, "return ...", "{\"a\":[]}", "{\"a\":[]}");
    check_through(*state, "local t = ... t[1] = nil return t", "[1]", "[]");
    check_through(*state, "local t = ... t.x = nil return t", "{\"x\":1}", "{}");
    check_through(*state, "local t = ... table.remove(t) table.remove(t) return t", "[1,2]", "[]");
    check_through(*state, "local t = ... t.x = 5 return t", "[]", "{\"x\":5}");
}

static void arrays_work_as_any_table(void **state) {
    check_through(*state, "local t = ... table.insert(t, 4) table.insert(t, 1, 0) return t",
                  "[1,2,3]", "[0,1,2,3,4]");
    check_through(*state, "local t = ... table.sort(t) return t", "[3,1,2]", "[1,2,3]");
    check_through(*state, "local t = ... t[#t + 1] = 9 return t", "[1]", "[1,9]");
    check_through(*state, "return table.concat(..., '-')", "[1,2,3]", "\"1-2-3\"");
    check_through(*state, "local s = 0 for _, v in ipairs(...) do s = s + v end return s",
                  "[1,2,3]", "6");
    check_through(*state, "local s = '' for k, v in pairs(...) do s = s .. k .. v end return s",
                  "[7,8]", "\"1728\"");
    check_through(*state, "return { table.unpack(...) }", "[1,2]", "[1,2]");
    check_through(*state, "return table.move(..., 1, 2, 2)", "[1,2]", "[1,1,2]");
    check_through(*state, "local t = ... return tostring(t) .. type(t)", "[1]", "\"tabletable\"");
}

static void what_json_cannot_hold_is_named_by_its_path(void **state) {
    check_through(*state, "return type", NULL, "the value is a function, which JSON cannot hold");
    check_through(*state, "return { a = { b = { 1, type } } }", NULL,
                  "a.b[2] is a function, which JSON cannot hold");
    check_through(*state, "return { { x = 0/0 } }", NULL, "[1].x is not a finite number");
    check_through(*state, "return math.huge", NULL, "the value is not a finite number");
    check_through(*state, "return { a = '\\xFF' }", NULL, "a is not valid UTF-8");
    check_through(*state, "return { a = 'x\\0y' }", NULL, "a holds a NUL character");
    check_through(*state, "return { ['x\\0'] = 1 }", NULL, "x holds a NUL character");
    check_through(*state, "return { ['\\xC0'] = 1 }", NULL, "? is not valid UTF-8");
    check_through(*state, "return { a = '\\xED\\xA0\\x80' }", NULL, "a is not valid UTF-8");
}

static void a_table_is_an_array_or_an_object_but_not_both(void **state) {
    const char *neither = "is neither an array (keys 1, 2, 3...) nor an object (strings)";
    static const char *const tables[] = {
        "{ 1, 2, x = 3 }",
        "{ x = 1, [2] = 2 }",
        "{ [0] = 1 }",
        "{ 1, nil, 3 }",
        "{ [2] = 1 }",
        "{ [1.5] = 1 }",
        "{ [true] = 1 }",
        "{ [{}] = 1 }",
        "{ [type] = 1 }",
        "{ 1, [-1] = 2 }",
        "{ a = 1, b = type, [1] = 1 }",
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char source[128], expected[128];
        snprintf(source, sizeof source, "return { list = %s }", tables[i]);
        snprintf(expected, sizeof expected, "list %s", neither);
        check_through(*state, source, NULL, expected);
    }
}

static void of_several_mistakes_the_first_by_name_is_told(void **state) {
    for (int i = 0; i < 5; i++) {
        struct bridge *other;
        open_bridge((void **)&other);
        check_through(other,
                      "return { zeta = type, beta = 0/0, gamma = { 1, type }, alpha = { x = "
                      "type, b = type } }",
                      NULL, "alpha.b is a function, which JSON cannot hold");
        close_bridge((void **)&other);
    }
    check_through(*state, "return { type, 0/0 }", NULL,
                  "[1] is a function, which JSON cannot hold");
}

static void cycles_are_found(void **state) {
    check_through(*state, "local t = {} t.x = t return t", NULL, "x contains itself");
    check_through(*state, "local t = { a = {} } t.a.b = { t.a } return t", NULL,
                  "a.b[1] contains itself");
    check_through(*state, "local s = { 1 } return { s, s, x = nil }", NULL, "[[1],[1]]");
}

static void sixty_four_levels_are_the_most(void **state) {
    const char *nest = "local t = 1 for i = 1, %d do t = { t } end return t";
    (void)nest;
    check_through(*state, "local t = 1 for i = 1, 64 do t = { t } end return #t", NULL, "1");
    const char *deep = through(*state, "local t = 1 for i = 1, 64 do t = { t } end return t", NULL);
    assert_int_equal(strlen(deep), 129);
    const char *deeper =
        through(*state, "local t = 1 for i = 1, 65 do t = { t } end return t", NULL);
    assert_non_null(strstr(deeper, "nests over 64 levels deep"));
    const char *endless =
        through(*state, "local t = {} for i = 1, 100000 do t = { t } end return t", NULL);
    assert_non_null(strstr(endless, "nests over 64 levels deep"));
}

static void a_small_table_cannot_become_much_json(void **state) {
    const char *over = "the value is over 16 MiB of JSON";
    check_through(*state, "local t = {} for i = 1, 60 do t = { a = t, b = t } end return t", NULL,
                  over);
    check_through(*state, "local t = {} for i = 1, 60 do t = { t, t } end return t", NULL, over);
    check_through(*state,
                  "local s, t = ('x'):rep(1 << 20), {} for i = 1, 20 do t[i] = s end return t",
                  NULL, over);
    check_through(*state,
                  "local s, t = ('x'):rep(1 << 20), {} for i = 1, 20 do t['k' .. i] = s end "
                  "return t",
                  NULL, over);
}

static void reading_calls_nothing(void **state) {
    struct bridge *bridge = *state;
    lua_State *lua = vm_lua(bridge->vm);
    lua_getglobal(lua, "string");
    assert_string_equal(read_top(bridge), "{}");
    lua_newtable(lua);
    lua_newtable(lua);
    lua_getglobal(lua, "error");
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "__index");
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "__len");
    lua_setfield(lua, -2, "__pairs");
    lua_setmetatable(lua, -2);
    assert_string_equal(read_top(bridge), "{}");
    lua_pushlightuserdata(lua, lua);
    assert_string_equal(read_top(bridge), "the value is a userdata, which JSON cannot hold");
    lua_settop(lua, 0);
}

static int push_all(lua_State *lua) {
    value_push(lua, lua_touserdata(lua, 1));
    return 1;
}

static void pushing_too_much_inside_a_call_is_a_policy_error(void **state) {
    struct bridge *bridge = *state;
    lua_State *lua = vm_lua(bridge->vm);
    struct fault fault;
    const struct js **items = ARENA_ARRAY(&bridge->arena, const struct js *, 100);
    char *bytes = arena_alloc(&bridge->arena, 1 << 20);
    memset(bytes, 'x', 1 << 20);
    for (size_t i = 0; i < 100; i++) {
        items[i] = js_string(&bridge->arena, (struct text){bytes, 1 << 20});
    }
    lua_pushcfunction(lua, push_all);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)js_array(&bridge->arena, items, 100));
    assert_false(vm_call(bridge->vm, 1, 1, &fault));
    assert_string_equal(fault.message, "over budget: more than 16384 KiB of memory");
    assert_int_equal(lua_gettop(lua), 0);
    assert_in_range(vm_held_bytes(bridge->vm), 0, 65536);
}

static void texts_are_pushed_or_nil(void **state) {
    struct bridge *bridge = *state;
    lua_State *lua = vm_lua(bridge->vm);
    value_push_text(lua, TEXT("some"));
    value_push_text(lua, TEXT(""));
    value_push_text(lua, TEXT_NONE);
    assert_string_equal(lua_tostring(lua, 1), "some");
    assert_string_equal(lua_tostring(lua, 2), "");
    assert_true(lua_isnil(lua, 3));
    lua_settop(lua, 0);
}

static void what_is_read_outlives_the_vm(void **state) {
    struct bridge *bridge = *state;
    struct vm *other = script_vm();
    struct fault fault;
    const struct js *value;
    assert_true(
        script_run(other, TEXT("return { name = ('x'):rep(100), list = { 'a' } }"), 1, &fault));
    assert_true(value_read(vm_lua(other), 1, &bridge->arena, &value, &fault));
    vm_free(other);
    assert_int_equal(js_text(js_find(value, TEXT("name"))).length, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        VALUE_TEST(what_is_pushed_reads_back_the_same),
        VALUE_TEST(nulls_vanish_from_objects_and_stay_in_arrays),
        VALUE_TEST(numbers_keep_their_kind),
        VALUE_TEST(an_empty_table_is_an_object_unless_it_came_from_an_array),
        VALUE_TEST(arrays_work_as_any_table),
        VALUE_TEST(what_json_cannot_hold_is_named_by_its_path),
        VALUE_TEST(a_table_is_an_array_or_an_object_but_not_both),
        VALUE_TEST(of_several_mistakes_the_first_by_name_is_told),
        VALUE_TEST(cycles_are_found),
        VALUE_TEST(sixty_four_levels_are_the_most),
        VALUE_TEST(a_small_table_cannot_become_much_json),
        VALUE_TEST(reading_calls_nothing),
        VALUE_TEST(pushing_too_much_inside_a_call_is_a_policy_error),
        VALUE_TEST(texts_are_pushed_or_nil),
        VALUE_TEST(what_is_read_outlives_the_vm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
