/* Our pattern matcher against Lua's own, over cases that a generator makes up. */
#include "unit/lua/script.h"

#include <lauxlib.h>
#include <lualib.h>

#if SCRIPT_SLOWDOWN > 1
#define CASES 3000
#else
#define CASES 40000
#endif

/* Everything that the pattern functions say of one subject and one pattern, as text. */
static const char report[] =
    "local function show(...)\n"
    "  local out = {}\n"
    "  for i = 1, select('#', ...) do out[i] = tostring((select(i, ...))) end\n"
    "  return table.concat(out, ',')\n"
    "end\n"
    "return function(s, p, init, replacement, most)\n"
    "  local out = {}\n"
    "  local function say(...) out[#out + 1] = show(...) end\n"
    "  say('find', pcall(string.find, s, p, init))\n"
    "  say('plain', pcall(string.find, s, p, init, true))\n"
    "  say('match', pcall(string.match, s, p, init))\n"
    "  say('gmatch', pcall(function()\n"
    "    for a, b, c in string.gmatch(s, p, init) do say(a, b, c) end\n"
    "  end))\n"
    "  say('gsub', pcall(string.gsub, s, p, replacement))\n"
    "  say('most', pcall(string.gsub, s, p, replacement, most))\n"
    "  say('table', pcall(string.gsub, s, p, { a = 'A', ab = 1, b = false, [1] = 'one' }))\n"
    "  say('function', pcall(string.gsub, s, p, function(a, b)\n"
    "    say('with', a, b)\n"
    "    return b\n"
    "  end))\n"
    "  return table.concat(out, '\\n')\n"
    "end\n";

/* --- the generator --- */

struct generator {
    uint64_t state;
    char text[512];
    size_t length;
    int captures, open[8], open_count;
    bool closed[8];
};

static unsigned roll(struct generator *generator, unsigned sides) {
    generator->state ^= generator->state << 13;
    generator->state ^= generator->state >> 7;
    generator->state ^= generator->state << 17;
    return (unsigned)(generator->state >> 33) % sides;
}

static void put(struct generator *generator, const char *bytes) {
    size_t length = strlen(bytes);
    memcpy(generator->text + generator->length, bytes, length);
    generator->length += length;
}

static void put_one_of(struct generator *generator, const char *const *choices, unsigned count) {
    put(generator, choices[roll(generator, count)]);
}

#define PUT_ONE_OF(generator, ...)                                                                 \
    put_one_of((generator), (const char *const[]){__VA_ARGS__},                                    \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void put_set(struct generator *generator) {
    PUT_ONE_OF(generator, "[", "[", "[^");
    PUT_ONE_OF(generator, "", "", "]", "-");
    for (unsigned parts = 1 + roll(generator, 3); parts > 0; parts--) {
        PUT_ONE_OF(generator, "a", "b", "c", "a-c", "b-z", "%a", "%d", "%S", "%]", "%-", "%%", ".",
                   "(", "\xE9", "0-9", "x-a", "d^", "$", "\x80-\xFF");
    }
    PUT_ONE_OF(generator, "]", "]", "]", "-]");
}

static void put_single(struct generator *generator) {
    if (roll(generator, 4) == 0) {
        put_set(generator);
    } else {
        PUT_ONE_OF(generator, "a", "a", "b", "c", ".", ".", "%a", "%d", "%s", "%w", "%W", "%p",
                   "%A", "%x", "%g", "%u", "%l", "%c", "%.", "%%", "%(", " ", "\xE9", "]", "%z-",
                   "1");
    }
    PUT_ONE_OF(generator, "", "", "", "", "*", "+", "-", "?");
}

static void put_open(struct generator *generator) {
    if (generator->captures == 6) {
        return;
    }
    int capture = generator->captures++;
    generator->closed[capture] = roll(generator, 4) == 0;
    put(generator, generator->closed[capture] ? "()" : "(");
    if (!generator->closed[capture]) {
        generator->open[generator->open_count++] = capture;
    }
}

static void put_close(struct generator *generator) {
    if (generator->open_count > 0) {
        generator->closed[generator->open[--generator->open_count]] = true;
        put(generator, ")");
    }
}

static void put_back(struct generator *generator) {
    if (generator->captures > 0) {
        int capture = (int)roll(generator, (unsigned)generator->captures);
        if (generator->closed[capture]) {
            put(generator, (const char[]){'%', (char)('1' + capture), '\0'});
        }
    }
}

static void put_item(struct generator *generator) {
    switch (roll(generator, 12)) {
    case 0:
        put_open(generator);
        break;
    case 1:
        put_close(generator);
        break;
    case 2:
        put_back(generator);
        break;
    case 3:
        PUT_ONE_OF(generator, "%b()", "%bab", "%baa", "%f[a]", "%f[%w]", "%f[^%w]", "%f[%z]", "$",
                   "^", "*", "%b()+");
        break;
    default:
        put_single(generator);
        break;
    }
}

static struct text make_pattern(struct generator *generator) {
    generator->length = 0;
    generator->captures = generator->open_count = 0;
    PUT_ONE_OF(generator, "", "", "", "^");
    for (unsigned items = roll(generator, 8); items > 0; items--) {
        put_item(generator);
    }
    while (generator->open_count > 0) {
        put_close(generator);
    }
    PUT_ONE_OF(generator, "", "", "", "$");
    return (struct text){generator->text, generator->length};
}

static struct text make_subject(struct generator *generator, char *subject) {
    static const char alphabet[] = "aaaaabbbbccc ()10.%-\xE9\x80Z\n]";
    size_t length = roll(generator, 20);
    for (size_t i = 0; i < length; i++) {
        subject[i] = roll(generator, 30) == 0 ? (char)roll(generator, 256)
                                              : alphabet[roll(generator, sizeof alphabet - 1)];
    }
    return (struct text){subject, length};
}

/* --- comparing --- */

struct pair {
    struct vm *vm;
    lua_State *own;
};

static void open_pair(struct pair *pair) {
    struct fault fault;
    pair->vm = script_vm();
    pair->own = luaL_newstate();
    luaL_openlibs(pair->own);
    assert_true(script_run(pair->vm, text_of(report), 1, &fault));
    assert_int_equal(luaL_loadbuffer(pair->own, report, strlen(report), "@test.lua"), LUA_OK);
    lua_call(pair->own, 0, 1);
}

static void close_pair(struct pair *pair) {
    vm_free(pair->vm);
    lua_close(pair->own);
}

struct question {
    struct text subject, pattern;
    const char *replacement;
    int init, most;
};

static void push_question(lua_State *lua, const struct question *question) {
    lua_pushvalue(lua, 1);
    lua_pushlstring(lua, question->subject.bytes, question->subject.length);
    lua_pushlstring(lua, question->pattern.bytes, question->pattern.length);
    lua_pushinteger(lua, question->init);
    lua_pushstring(lua, question->replacement);
    lua_pushinteger(lua, question->most);
}

static struct text text_at(lua_State *lua, int index) {
    struct text text;
    text.bytes = lua_tolstring(lua, index, &text.length);
    return text;
}

static struct text first_line(struct text text) {
    const char *end = memchr(text.bytes, '\n', text.length);
    return (struct text){text.bytes, end != NULL ? (size_t)(end - text.bytes) : text.length};
}

static void compare_lines(struct pair *pair, const struct question *question, bool all) {
    struct fault fault = FAULT_INIT;
    push_question(vm_lua(pair->vm), question);
    bool answered = vm_call(pair->vm, 5, 1, &fault);
    push_question(pair->own, question);
    lua_call(pair->own, 5, 1);
    struct text theirs = text_at(pair->own, -1);
    struct text ours = answered ? text_at(vm_lua(pair->vm), -1) : text_of(fault.message);
    if (!all) {
        ours = first_line(ours);
        theirs = first_line(theirs);
    }
    if (!text_equal(ours, theirs)) {
        print_error("subject [%.*s] pattern [%.*s] init %d\nours:\n%.*s\nLua's:\n%.*s\n",
                    TEXT_ARGS(question->subject), TEXT_ARGS(question->pattern), question->init,
                    TEXT_ARGS(ours), TEXT_ARGS(theirs));
        fail();
    }
    lua_settop(vm_lua(pair->vm), 1);
    lua_settop(pair->own, 1);
}

static void compare(struct pair *pair, const struct question *question) {
    compare_lines(pair, question, true);
}

static void every_pattern_matches_as_luas_own_does(void **state) {
    (void)state;
    static const char *const replacements[] = {"x", "<%0>", "%%%1", "", "%1%1", "%2", "%", "%x"};
    struct pair pair;
    open_pair(&pair);
    struct generator generator = {.state = UINT64_C(0x9E3779B97F4A7C15)};
    for (int i = 0; i < CASES; i++) {
        char subject[32];
        struct question question = {.init = (int)roll(&generator, 12) - 4};
        question.subject = make_subject(&generator, subject);
        question.pattern = make_pattern(&generator);
        question.replacement = replacements[roll(&generator, 8)];
        question.most = (int)roll(&generator, 5) - 1;
        compare(&pair, &question);
    }
    close_pair(&pair);
}

static void every_class_has_the_bytes_that_luas_own_has(void **state) {
    (void)state;
    char subject[256];
    struct pair pair;
    open_pair(&pair);
    for (int i = 0; i < 256; i++) {
        subject[i] = (char)i;
    }
    for (const char *letter = "acdglpsuwxzACDGLPSUWXZ"; *letter != '\0'; letter++) {
        char class[] = {'%', *letter, '\0'}, set[] = {'[', '%', *letter, ']', '+', '\0'};
        compare(&pair, &(struct question){{subject, 256}, text_of(class), "", 1, 1000});
        compare(&pair, &(struct question){{subject, 256}, text_of(set), "%0%0", 1, 1000});
    }
    close_pair(&pair);
}

/* Lua's own finds a mistake only when it gets there, so the subjects lead there. */
static void a_malformed_pattern_is_refused_in_luas_words(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "%",     "a%",    "[",   "[a",  "[]", "[^]", "[a%", "[a%]",   "%b",
        "%bx",   "%f",    "%fa", "(",   "(a", ")",   "a)",  "()(",    "%1",
        "(a)%2", "(a%1)", "%0",  "(()", "[%", "%f[", "[^",  "((a)%1",
    };
    struct pair pair;
    open_pair(&pair);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct question question = {TEXT("aaa"), text_of(patterns[i]), "x", 1, 2};
        compare_lines(&pair, &question, false);
    }
    close_pair(&pair);
}

static void a_match_at_the_edges_of_the_subject_is_as_luas_own(void **state) {
    (void)state;
    static const char *const patterns[] = {"",          "a*", "a-",    "()",      "^",
                                           "$",         "^$", "a?$",   "%f[%z]",  ".-b",
                                           "%f[%w]%w+", "^a", "()a()", "(a*)(b*)"};
    static const char *const subjects[] = {"", "a", "aa", "baab", "abc abc", "b"};
    struct pair pair;
    open_pair(&pair);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        for (size_t j = 0; j < sizeof subjects / sizeof subjects[0]; j++) {
            for (int init = -9; init <= 9; init++) {
                compare(&pair, &(struct question){text_of(subjects[j]), text_of(patterns[i]), "-",
                                                  init, 2});
            }
        }
    }
    close_pair(&pair);
}

static void thirty_two_captures_are_the_most(void **state) {
    script_check(*state, "return select('#', ('x'):find(('()'):rep(32)))", "34");
    script_check_has(*state, "return ('x'):find(('()'):rep(33))", "too many captures");
}

static void a_long_pattern_is_matched_too(void **state) {
    script_check(*state, "return #('x'):rep(5000):match('^' .. ('x?'):rep(5000) .. '$')", "5000");
    script_check(*state, "return (('ab'):rep(300):gsub(('[ab]'):rep(300), 'c'))", "cc");
}

static void backtracking_needs_no_stack(void **state) {
    script_check(*state, "return #('a'):rep(100000):match('.-%s*$')", "100000");
    script_check(*state, "return #('a'):rep(100000):match('^(a*)$')", "100000");
}

static void a_quadratic_match_ends_as_a_policy_error(void **state) {
    script_check_has(*state, "return ('a'):rep(100000):match('a*b')", "over budget");
}

static void a_callback_may_match_while_it_is_called(void **state) {
    script_check(*state,
                 "return (('a1b2'):gsub('%a(%d)', function(d)\n"
                 "  local all = '' for x in ('xyz'):gmatch('.') do all = all .. x:upper() end\n"
                 "  return d .. (all:gsub('Y', { Y = d }))\n"
                 "end))",
                 "1X1Z2X2Z");
}

static void an_iterator_of_matches_may_outlive_its_loop(void **state) {
    script_check(
        *state,
        "local next_word = ('one two'):gmatch('%a+')\n"
        "return next_word() .. next_word() .. select('#', next_word()) .. select('#', next_word())",
        "onetwo00");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_matches_as_luas_own_does),
        cmocka_unit_test(every_class_has_the_bytes_that_luas_own_has),
        cmocka_unit_test(a_malformed_pattern_is_refused_in_luas_words),
        cmocka_unit_test(a_match_at_the_edges_of_the_subject_is_as_luas_own),
        SCRIPT_TEST(thirty_two_captures_are_the_most),
        SCRIPT_TEST(a_long_pattern_is_matched_too),
        SCRIPT_TEST(backtracking_needs_no_stack),
        SCRIPT_TEST(a_quadratic_match_ends_as_a_policy_error),
        SCRIPT_TEST(a_callback_may_match_while_it_is_called),
        SCRIPT_TEST(an_iterator_of_matches_may_outlive_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
