/* What is refused of a file before Lua reads it, and what Lua would do if it were not. */
#include "unit/lua/script.h"

#include "lua/source.h"

static char text[2 << 20];

/* prefix, `part` so many times, suffix */
static struct text repeated(const char *prefix, const char *part, size_t times,
                            const char *suffix) {
    size_t length = (size_t)snprintf(text, sizeof text, "%s", prefix);
    for (size_t i = 0; i < times; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "%s", part);
    }
    length += (size_t)snprintf(text + length, sizeof text - length, "%s", suffix);
    return (struct text){text, length};
}

static void check_refused(struct text source, const char *part) {
    struct fault fault;
    assert_false(source_check(source, "test.lua", &fault));
    assert_int_equal(fault.code, FAULT_POLICY_ERROR);
    if (strstr(fault.message, part) == NULL) {
        print_error("%s\n", fault.message);
        fail();
    }
}

static void check_fine(struct text source) {
    struct fault fault = FAULT_INIT;
    if (!source_check(source, "test.lua", &fault)) {
        print_error("%s\n", fault.message);
        fail();
    }
}

static void a_chain_of_64_links_is_fine_and_of_65_is_not(void **state) {
    (void)state;
    check_fine(repeated("return a", ".x", 64, ""));
    check_refused(repeated("return a", ".x", 65, ""), "test.lua:1: indexes in a chain of over 64");
    check_refused(repeated("return a", "[1]", 65, ""), "chain");
    check_refused(repeated("return a", "['x']", 65, ""), "chain");
    check_refused(repeated("return a", "\n .x", 65, ""), "test.lua:66: ");
}

static void no_file_takes_long(void **state) {
    static const char *const parts[] = {"=", "[", "[=", "]=", "=[", "--[=", "\"", "\\z ", "]"};
    static const char *const prefixes[] = {"return [", "return [[", "--[", "return [=[",
                                           "return \""};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t j = 0; j < sizeof prefixes / sizeof prefixes[0]; j++) {
            struct fault fault;
            struct text source = repeated(prefixes[j], parts[i], 1000000 / strlen(parts[i]), "[");
            int64_t start_us = script_wall_us();
            bool fine = source_check(source, "test.lua", &fault);
            assert_true(script_wall_us() - start_us < SCRIPT_SLOWDOWN * NOW_SECOND);
            assert_true(fine || fault.code == FAULT_POLICY_ERROR);
        }
    }
}

static void no_way_of_writing_a_long_chain_gets_past(void **state) {
    (void)state;
    static const char *const links[] = {
        ".x --[[ ( ]] ",      ".x--(\n", "[1 + 1]",   "[-b]",     "[b.c]",       "[#b .. c]",
        "[ [[(]] ]",          ".x.x",    "[(b)]",     "[b or c]", "[0xe+1]",     "[1e+1]",
        "[function() end]",   "[{}]",    "[f(1, 2)]", "['\\'(']", "[\"\\\"(\"]", "['\\z\n (']",
        "[ [==[ ]] ( ]==] ]", "[...]",   "[b\n.c]",
    };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        check_refused(repeated("return a", links[i], 70, " + 1"), "chain");
    }
    check_refused(
        repeated("return ((((((a.x.x.x.x.x.x.x.x.x.x).x.x.x.x.x.x.x.x.x.x).x.x.x.x.x.x.x.x)"
                 ".x.x.x.x.x.x.x.x.x.x.x.x).x.x.x.x.x.x.x.x.x.x).x.x.x.x.x.x.x.x.x.x)",
                 ".x", 10, ""),
        "chain");
    check_refused(repeated("return a.b[", "c.d[", 40, ""), "chain");
}

static void ordinary_code_however_long_is_fine(void **state) {
    (void)state;
    static const char *const lines[] = {
        "local x = a.b.c\n",
        "f(a.b) g(c.d) h.i(j.k)\n",
        "t.x = t.y + t.z\n",
        "a.b.c = 1 d.e.f = 2 ",
        "t.x.y() t.x.y() ",
        "f 'x' g.h 'y' ",
        "f{a.b} ",
        "-- a.b.c.d.e.f.g.h\n",
        "s = '....[[[['\n",
        "x = [[.....]]\n",
        "::l:: goto l ",
        "if a.b then c.d() elseif e.f then g.h() end ",
        "local function f(...) return ... end ",
        "x = a .. b .. c ",
        "a:b():c():d() ",
        "x = 1.5 .. .5 ",
        "t = {a.b, c.d, [e.f] = g.h} ",
        "--[==[ a.b ]==]\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        check_fine(repeated("", lines[i], 500, ""));
    }
    check_fine(repeated("return a", ":b()", 500, ""));
    check_fine(repeated("return f", "(1)", 500, ""));
    check_fine(repeated("return {", "a.b,", 500, "}"));
    check_fine(repeated("return ", "a.b + ", 500, "1"));
    check_fine(TEXT(""));
    check_fine(TEXT(")]}..'"));
    check_fine(TEXT("--"));
    check_fine(TEXT("[="));
    check_fine(TEXT("'\\"));
    check_fine((struct text){"\0.\0", 3});
}

static void brackets_nest_200_deep_at_the_most(void **state) {
    (void)state;
    check_fine(repeated("return ", "(", 200, ""));
    check_refused(repeated("return ", "(", 201, ""), "nests brackets over 200 levels");
    check_refused(repeated("return ", "{", 201, ""), "nests");
}

static void a_file_of_over_a_megabyte_is_refused(void **state) {
    (void)state;
    check_fine(repeated("", " ", (size_t)1 << 20, ""));
    check_refused(repeated("", " ", ((size_t)1 << 20) + 1, ""), "test.lua: longer than 1 MiB");
}

static void a_chain_as_long_as_allowed_has_an_error_message(void **state) {
    struct text source = repeated("local a = {} a.x = a\nreturn a", ".x", 63, ".y + 1");
    struct fault fault;
    assert_false(script_run(*state, source, 0, &fault));
    assert_string_equal(fault.message,
                        "test.lua:2: attempt to perform arithmetic on a nil value (field 'y')");
}

/* What source_check is for: this is a segmentation fault in Lua 5.4.4. */
static void a_chain_that_would_crash_lua_does_not_load(void **state) {
    struct text source = repeated("local a = {} a.x = a\nreturn a", ".x", 200000, ".y + 1");
    struct fault fault;
    assert_false(script_run(*state, source, 0, &fault));
    assert_non_null(strstr(fault.message, "test.lua:2: indexes in a chain"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_64_links_is_fine_and_of_65_is_not),
        cmocka_unit_test(no_file_takes_long),
        cmocka_unit_test(no_way_of_writing_a_long_chain_gets_past),
        cmocka_unit_test(ordinary_code_however_long_is_fine),
        cmocka_unit_test(brackets_nest_200_deep_at_the_most),
        cmocka_unit_test(a_file_of_over_a_megabyte_is_refused),
        SCRIPT_TEST(a_chain_as_long_as_allowed_has_an_error_message),
        SCRIPT_TEST(a_chain_that_would_crash_lua_does_not_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
