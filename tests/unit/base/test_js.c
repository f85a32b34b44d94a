#include "unit/base/check.h"

#include "base/js.h"
#include "base/now.h"

static struct arena arena;

static int make_arena(void **state) {
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int drop_arena(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static const struct js *parse(const char *json) {
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    if (!js_parse(&arena, text_of(json), &value, &fault)) {
        fail_msg("%s: %s", json, fault.message);
    }
    return value;
}

static void check_canonical(const char *json, const char *expected) {
    check_text(js_print(&arena, parse(json)), expected);
}

static const char *refusal(struct text json) {
    static struct fault fault;
    const struct js *value = &js_true;
    fault = FAULT_INIT;
    if (js_parse(&arena, json, &value, &fault)) {
        fail_msg("accepted: %.*s", TEXT_ARGS(json));
    }
    assert_int_equal(fault.code, FAULT_BAD_REQUEST);
    assert_ptr_equal(value, &js_true);
    return fault.message;
}

/* --- parsing --- */

static void every_type_is_parsed(void **state) {
    (void)state;
    assert_true(js_is(parse("null"), JS_NULL));
    assert_true(js_is(parse("true"), JS_TRUE));
    assert_true(js_is(parse("false"), JS_FALSE));
    assert_int_equal(parse(" -42 ")->integer, -42);
    assert_true(parse("4.25")->real == 4.25);
    check_text(js_text(parse("\"a\\u00e4\\ud83d\\ude00\"")), "a\xc3\xa4\xf0\x9f\x98\x80");
    assert_int_equal(parse("[1,[2],{}]")->array.count, 3);
    assert_int_equal(js_find(parse("{\"a\":{\"b\":1}}"), TEXT("a"))->object.count, 1);
}

static void integers_are_exact_to_the_last_bit(void **state) {
    (void)state;
    check_canonical("9223372036854775807", "9223372036854775807");
    check_canonical("-9223372036854775808", "-9223372036854775808");
    check_canonical("9007199254740993", "9007199254740993");
    check_canonical("[0,1,10,99,100,-1]", "[0,1,10,99,100,-1]");
}

static void minus_zero_reads_as_zero(void **state) {
    (void)state;
    check_canonical("[-0, -0.0, -0e5, 0e-999, 0.000]", "[0,0,0,0,0]");
    assert_true(js_equal(parse("-0"), parse("0")));
    assert_true(js_equal(parse("-0.0"), parse("0")));
}

static void strings_are_copied_out_of_the_text(void **state) {
    (void)state;
    char json[] = "{\"key\":\"value\"}";
    const struct js *value = parse(json);
    memset(json, 'x', sizeof json - 1);
    check_text(js_text(js_find(value, TEXT("key"))), "value");
}

static void bad_grammar_is_refused_with_line_and_column(void **state) {
    (void)state;
    static const char *const cases[] = {"",
                                        " ",
                                        "{",
                                        "[1,",
                                        "[1,]",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "'a'",
                                        "[1 2]",
                                        "01",
                                        "+1",
                                        ".5",
                                        "1.",
                                        "1e",
                                        "0x10",
                                        "NaN",
                                        "Infinity",
                                        "-",
                                        "nul",
                                        "True",
                                        "\"a",
                                        "\"\\x\"",
                                        "\"\t\"",
                                        "\"\n\"",
                                        "[1]]",
                                        "{}{}",
                                        "1 2",
                                        "null,",
                                        "/* */1",
                                        "[1]//",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{1:2}",
                                        "\"\\u12\"",
                                        "\xef\xbb\xbf{}",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800\\u0041\"",
                                        "]",
                                        "\"\\"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *message = refusal(text_of(cases[i]));
        check_contains(message, "line ");
        check_contains(message, "column ");
    }
    check_contains(refusal(TEXT("{\n  \"a\": tru\n}")), "line 2");
}

static void duplicate_keys_are_refused(void **state) {
    (void)state;
    check_contains(refusal(TEXT("{\"a\":1,\"b\":2,\"a\":3}")), "duplicate");
    refusal(TEXT("[{\"a\":{\"x\":1,\"\\u0078\":1}}]"));
}

static void invalid_utf8_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"\"\xff\"",         "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                                        "\"\xe2\x82\"",     "{\"\x80\":1}"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refusal(text_of(cases[i]));
    }
}

static void nul_characters_are_refused(void **state) {
    (void)state;
    refusal(TEXT("\"a\\u0000b\""));
    refusal(TEXT("{\"a\\u0000b\":1}"));
    refusal(TEXT("\"a\0b\""));
    refusal(TEXT("{}\0"));
    refusal(TEXT("1\0"));
    refusal(TEXT("[null\0]"));
    refusal(TEXT("\0"));
    refusal(TEXT_NONE);
}

static void numbers_out_of_range_are_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"9223372036854775808",
                                        "-9223372036854775809",
                                        "123456789012345678901234567890",
                                        "1e309",
                                        "-1e309",
                                        "1e999999999",
                                        "1e99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refusal(text_of(cases[i]));
    }
}

static void numbers_that_vanish_are_refused_where_they_stand(void **state) {
    (void)state;
    static const char *const cases[] = {"1e-999", "-1E-999", "[2e-324]", "123e-9999999999",
                                        "0.1e-400"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_contains(refusal(text_of(cases[i])), "too small");
    }
    check_contains(refusal(TEXT("[\n 1,\n  1e-999]")), "line 3, column 3");
    struct text zeros = text_print(&arena, "0.%0400d", 1);
    check_contains(refusal(zeros), "too small");
}

static void the_smallest_numbers_are_kept(void **state) {
    (void)state;
    check_canonical("5e-324", "5e-324");
    check_canonical("4.9406564584124654e-324", "5e-324");
    check_canonical("3e-324", "5e-324");
    check_canonical("2.2250738585072014E-308", "2.2250738585072014e-308");
    check_canonical("\"1e-999\"", "\"1e-999\"");
}

static const char *nested(int levels, char open, char close) {
    char *json = arena_alloc(&arena, (size_t)levels * 2 + 1);
    memset(json, open, (size_t)levels);
    memset(json + levels, close, (size_t)levels);
    return json;
}

static void sixty_four_levels_are_accepted_and_one_more_is_not(void **state) {
    (void)state;
    parse(nested(64, '[', ']'));
    check_contains(refusal(text_of(nested(65, '[', ']'))), "64 levels");
    check_contains(refusal(text_of(nested(65, '[', ']'))), "column 65");
    refusal(text_of(nested(500000, '[', ']')));
    refusal(text_of(nested(500000, '{', '}')));
    parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]");
}

/* --- hostile input --- */

static struct text object_of_keys(int count, const char *format, int step) {
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    for (int i = 0; i < count; i++) {
        buffer_add_char(&buffer, i == 0 ? '{' : ',');
        buffer_add_char(&buffer, '"');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        buffer_print(&buffer, format, (int)((int64_t)i * step % count));
#pragma GCC diagnostic pop
        buffer_add_text(&buffer, TEXT("\":1"));
    }
    buffer_add_char(&buffer, '}');
    return buffer_view(&buffer);
}

static void check_quick(struct text json, size_t expected_count) {
    struct now now = now_system();
    int64_t start = now_monotonic_us(&now);
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    assert_true(js_parse(&arena, json, &value, &fault));
    assert_int_equal(value->object.count, expected_count);
    assert_non_null(js_find(value, value->object.members[expected_count / 2].key));
    js_print(&arena, value);
    js_merge_patch(&arena, value, value);
    assert_true(now_monotonic_us(&now) - start < 10 * NOW_SECOND);
}

static void a_hundred_thousand_keys_take_no_quadratic_time(void **state) {
    (void)state;
    enum { COUNT = 120011 }; /* prime, so that every step visits each key once */
    check_quick(object_of_keys(COUNT, "%x", 1), COUNT);
    check_quick(object_of_keys(COUNT, "%x", COUNT - 1), COUNT);
    check_quick(object_of_keys(COUNT, "%06d", 7919), COUNT);
}

static void a_duplicate_among_a_hundred_thousand_keys_is_found(void **state) {
    (void)state;
    struct text json = object_of_keys(100000, "%d", 99998);
    check_contains(refusal(json), "duplicate");
}

static void a_number_of_a_megabyte_is_read_or_refused_at_once(void **state) {
    (void)state;
    struct now now = now_system();
    int64_t start = now_monotonic_us(&now);
    size_t length = 1 << 20;
    char *digits = arena_alloc(&arena, length);
    memset(digits, '7', length);
    refusal((struct text){digits, length});
    digits[1] = '.';
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    assert_false(js_parse(&arena, (struct text){digits, length}, &value, &fault));
    memset(digits + 2, '0', length - 2);
    assert_true(js_parse(&arena, (struct text){digits, length}, &value, &fault));
    check_text(js_print(&arena, value), "7");
    assert_true(now_monotonic_us(&now) - start < 10 * NOW_SECOND);
}

static void a_number_stays_what_it_is_when_it_is_read_again(void **state) {
    static const char *const numbers[][2] = {
        {"1.0", "1"},
        {"1e1", "10"},
        {"-0.0", "0"},
        {"1e18", "1000000000000000000"},
        {"9007199254740993.0", "9007199254740992"},
        {"1.5e300", "1.5e+300"},
        {"0.1", "0.1"},
        {"0.10000000000000001", "0.1"},
        {"1152921504606847000.0", "1152921504606847000"},
        {"2.50000000000000000000000", "2.5"},
        {"0.00000000000000000000000000012345678901234567", "1.2345678901234567e-28"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        const struct js *first = parse(numbers[i][0]);
        struct text printed = js_print(&arena, first);
        check_text(printed, numbers[i][1]);
        const struct js *again = parse(numbers[i][1]);
        assert_int_equal(first->type, again->type);
        assert_true(js_equal(first, again));
    }
}

static void a_number_that_would_lose_digits_is_refused(void **state) {
    static const char *const numbers[] = {"123456789012345678.90", "0.1000000000000000055",
                                          "1.234567890123456789e5", "-123456789012345678.9"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        check_contains(refusal(text_of(numbers[i])), "more than 17 digits");
    }
    const struct js *value;
    struct fault fault = FAULT_INIT;
    assert_true(js_parse_rounding(&arena, TEXT("[0.3333333333333333333333,1]"), &value, &fault));
    check_text(js_print(&arena, value), "[0.3333333333333333,1]");
}

/* --- writing --- */

static void numbers_are_printed_as_in_rfc_8785_appendix_b(void **state) {
    (void)state;
    static const struct {
        uint64_t bits;
        const char *expected;
    } cases[] = {
        {0x0000000000000000, "0"},
        {0x8000000000000000, "0"},
        {0x0000000000000001, "5e-324"},
        {0x8000000000000001, "-5e-324"},
        {0x7fefffffffffffff, "1.7976931348623157e+308"},
        {0xffefffffffffffff, "-1.7976931348623157e+308"},
        {0x4340000000000000, "9007199254740992"},
        {0xc340000000000000, "-9007199254740992"},
        {0x4430000000000000, "295147905179352830000"},
        {0x7fffffffffffffff, "null"},
        {0x7ff0000000000000, "null"},
        {0x44b52d02c7e14af5, "9.999999999999997e+22"},
        {0x44b52d02c7e14af6, "1e+23"},
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
        {0x444b1ae4d6e2ef4e, "999999999999999700000"},
        {0x444b1ae4d6e2ef4f, "999999999999999900000"},
        {0x444b1ae4d6e2ef50, "1e+21"},
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
        {0x3eb0c6f7a0b5ed8d, "0.000001"},
        {0x41b3de4355555553, "333333333.3333332"},
        {0x41b3de4355555554, "333333333.33333325"},
        {0x41b3de4355555555, "333333333.3333333"},
        {0x41b3de4355555556, "333333333.3333334"},
        {0x41b3de4355555557, "333333333.33333343"},
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double value;
        memcpy(&value, &cases[i].bits, sizeof value);
        check_text(js_print(&arena, js_real(&arena, value)), cases[i].expected);
    }
}

static void the_shortest_of_all_decimals_is_found(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *expected;
    } cases[] = {
        {0x1p-44, "5.684341886080802e-14"}, /* the nearest of 16 digits is another double */
        {0x1p-1074, "5e-324"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {0x1p-1021, "4.450147717014403e-308"},
        {9.5e-322, "9.5e-322"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {2.5, "2.5"},
        {100, "100"},
        {1e20, "100000000000000000000"},
        {1.5e-6, "0.0000015"},
        {1e-7, "1e-7"},
        {1.25e-7, "1.25e-7"},
        {-1e300, "-1e+300"},
        {123456789.123, "123456789.123"},
        {4503599627370495.5, "4503599627370495.5"},
        {0x1.fffffffffffffp62, "9223372036854775000"},
        {9223372036854775808.0, "9223372036854776000"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_text(js_print(&arena, js_real(&arena, cases[i].value)), cases[i].expected);
    }
}

static double random_double(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t bits = *seed ^ *seed >> 29;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void every_number_reads_back_as_itself(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        double value = random_double(&seed);
        const struct js *real = js_real(&arena, value);
        if (js_is(real, JS_REAL)) {
            struct text printed = js_print(&arena, real);
            assert_true(strtod(text_cstring(&arena, printed), NULL) == value);
        }
        arena_reset(&arena);
    }
}

static void the_example_of_rfc_8785_is_reproduced(void **state) {
    (void)state;
    check_canonical("{\n"
                    "  \"numbers\": [333333333.33333329, 1E30, 4.50,\n"
                    "              2e-3, 0.000000000000000000000000001],\n"
                    "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
                    "  \"literals\": [null, true, false]\n"
                    "}",
                    "{\"literals\":[null,true,false],"
                    "\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
                    "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

static void keys_sort_by_utf16_code_units(void **state) {
    (void)state;
    check_canonical("{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
                    "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
                    "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
                    "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
                    "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
                    "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
                    "\"\xe2\x82\xac\":\"Euro Sign\","
                    "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
                    "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

static void keys_sort_right_around_the_surrogates(void **state) {
    (void)state;
    check_canonical("{\"\\uffff\":1,\"\\ue000\":2,\"\\ud7ff\":3,\"\\udbff\\udfff\":4,"
                    "\"\\ud800\\udc00\":5,\"a\\ue000\":6,\"a\\ud800\\udc00\":7,\"\":8,\"a\":9}",
                    "{\"\":8,\"a\":9,\"a\xf0\x90\x80\x80\":7,\"a\xee\x80\x80\":6,"
                    "\"\xed\x9f\xbf\":3,\"\xf0\x90\x80\x80\":5,\"\xf4\x8f\xbf\xbf\":4,"
                    "\"\xee\x80\x80\":2,\"\xef\xbf\xbf\":1}");
}

/* Strings are scanned eight bytes at a time: every byte, at every place of a few words. */
static void an_escape_is_found_wherever_it_stands(void **state) {
    (void)state;
    for (size_t length = 1; length <= 20; length++) {
        for (int value = 0; value < 0x80; value++) {
            char bytes[20], expected[40];
            for (size_t at = 0; at < length; at++) {
                memset(bytes, 'x', sizeof bytes);
                bytes[at] = (char)value;
                char escaped[8] = {(char)value};
                if (value < 0x20 || value == '"' || value == '\\') {
                    const char *name = value != 0 ? strchr("\bb\tt\nn\ff\rr\"\"\\\\", value) : NULL;
                    snprintf(escaped, sizeof escaped, name != NULL ? "\\%c" : "\\u%04x",
                             name != NULL ? name[1] : value);
                }
                struct buffer buffer;
                buffer_init(&buffer, &arena);
                js_write_string(&buffer, (struct text){bytes, length});
                int expected_length =
                    snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)at, bytes, escaped,
                             (int)(length - at - 1), bytes + at + 1);
                assert_int_equal(buffer.length, expected_length);
                assert_memory_equal(buffer.bytes, expected, buffer.length);
            }
        }
        arena_reset(&arena);
    }
}

static void only_what_must_be_escaped_is(void **state) {
    (void)state;
    check_canonical("\"\\b\\t\\n\\f\\r\\u000b\\u001F\\u007f\\u2028\\/<\\\"\\\\\"",
                    "\"\\b\\t\\n\\f\\r\\u000b\\u001f\x7f\xe2\x80\xa8/<\\\"\\\\\"");
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    js_write_string(&buffer, TEXT("a\0\x01"));
    js_write_string(&buffer, TEXT_NONE);
    check_text(buffer_view(&buffer), "\"a\\u0000\\u0001\"\"\"");
}

static void canonical_text_is_a_fixed_point(void **state) {
    (void)state;
    const char *once = "{\"\":[],\"a\":{\"b\":[1,2.5,\"x\\n\",null,true,false,{}]},\"z\":-7}";
    check_canonical(once, once);
}

static void the_writer_places_commas(void **state) {
    (void)state;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("z"));
    js_put_text(&writer, TEXT("text"));
    js_key(&writer, TEXT("none"));
    js_put_text(&writer, TEXT_NONE);
    js_key(&writer, TEXT("list"));
    js_open(&writer, '[');
    js_put_integer(&writer, INT64_MIN);
    js_put_real(&writer, 0.5);
    js_put_real(&writer, 1.0 / 0.0);
    js_put_bool(&writer, true);
    js_put_bool(&writer, false);
    js_open(&writer, '{');
    js_close(&writer, '}');
    js_open(&writer, '[');
    js_close(&writer, ']');
    js_put(&writer, NULL);
    js_put(&writer, parse("{\"b\":1,\"a\":2}"));
    js_close(&writer, ']');
    js_key(&writer, TEXT("raw"));
    js_put_raw(&writer, TEXT("{\"x\":[1]}"));
    js_close(&writer, '}');
    check_text(buffer_view(&buffer),
               "{\"z\":\"text\",\"none\":null,\"list\":[-9223372036854775808,0.5,null,true,false,"
               "{},[],null,{\"a\":2,\"b\":1}],\"raw\":{\"x\":[1]}}");
}

/* --- building --- */

static void building_an_object_sorts_and_the_later_of_two_wins(void **state) {
    (void)state;
    struct js_member members[] = {
        {TEXT("b"), js_integer(&arena, 1)}, {TEXT("a"), js_integer(&arena, 2)},
        {TEXT("b"), js_integer(&arena, 3)}, {TEXT("c"), js_integer(&arena, 4)},
        {TEXT("b"), js_integer(&arena, 5)}, {TEXT("a"), js_integer(&arena, 6)},
    };
    const struct js *object = js_object(&arena, members, COUNT_OF(members));
    check_text(js_print(&arena, object), "{\"a\":6,\"b\":5,\"c\":4}");
    assert_int_equal(js_object(&arena, NULL, 0)->object.count, 0);
}

static void setting_a_member_leaves_the_old_object_alone(void **state) {
    (void)state;
    const struct js *old = parse("{\"b\":1,\"d\":2}");
    const struct js *seven = js_integer(&arena, 7);
    static const char *const cases[][2] = {{"a", "{\"a\":7,\"b\":1,\"d\":2}"},
                                           {"b", "{\"b\":7,\"d\":2}"},
                                           {"c", "{\"b\":1,\"c\":7,\"d\":2}"},
                                           {"d", "{\"b\":1,\"d\":7}"},
                                           {"e", "{\"b\":1,\"d\":2,\"e\":7}"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct js *changed = js_with(&arena, old, text_of(cases[i][0]), seven);
        check_text(js_print(&arena, changed), cases[i][1]);
    }
    check_text(js_print(&arena, old), "{\"b\":1,\"d\":2}");
    check_text(js_print(&arena, js_with(&arena, NULL, TEXT("a"), seven)), "{\"a\":7}");
}

static void removing_a_member_leaves_the_others(void **state) {
    (void)state;
    const struct js *old = parse("{\"a\":1,\"b\":2,\"c\":3}");
    check_text(js_print(&arena, js_with(&arena, old, TEXT("a"), NULL)), "{\"b\":2,\"c\":3}");
    check_text(js_print(&arena, js_with(&arena, old, TEXT("b"), NULL)), "{\"a\":1,\"c\":3}");
    check_text(js_print(&arena, js_with(&arena, old, TEXT("c"), NULL)), "{\"a\":1,\"b\":2}");
    assert_ptr_equal(js_with(&arena, old, TEXT("x"), NULL), old);
    check_text(js_print(&arena, js_with(&arena, NULL, TEXT("x"), NULL)), "{}");
}

static void laying_over_takes_each_member_once(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"{}", "{}", "{}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
        {"{}", "{\"a\":1}", "{\"a\":1}"},
        {"{\"b\":1,\"d\":{\"x\":1}}", "{\"a\":2,\"d\":{\"y\":2},\"e\":null}",
         "{\"a\":2,\"b\":1,\"d\":{\"y\":2},\"e\":null}"},
        {"{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":2}", "{\"a\":2,\"b\":2}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct js *all = js_over(&arena, parse(cases[i][0]), parse(cases[i][1]));
        check_text(js_print(&arena, all), cases[i][2]);
    }
    check_text(js_print(&arena, js_over(&arena, NULL, NULL)), "{}");
    check_text(js_print(&arena, js_over(&arena, NULL, parse("{\"a\":1}"))), "{\"a\":1}");
    check_text(js_print(&arena, js_over(&arena, parse("{\"a\":1}"), NULL)), "{\"a\":1}");
}

static void appending_leaves_the_old_array_alone(void **state) {
    (void)state;
    const struct js *old = parse("[1]");
    check_text(js_print(&arena, js_append(&arena, old, &js_true)), "[1,true]");
    check_text(js_print(&arena, old), "[1]");
    check_text(js_print(&arena, js_append(&arena, NULL, NULL)), "[null]");
}

static void a_copy_lives_without_its_original(void **state) {
    (void)state;
    static const char json[] = "{\"a\":[null,true,false,1,2.5,\"text\",{\"b\":{}}],\"c\":\"\"}";
    struct arena other;
    arena_init(&other, 0);
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    assert_true(js_parse(&other, TEXT(json), &value, &fault));
    const struct js *copy = js_copy(&arena, value);
    arena_deinit(&other);
    check_text(js_print(&arena, copy), json);
    assert_null(js_copy(&arena, NULL));
}

/* --- reading --- */

static void reading_nothing_finds_nothing(void **state) {
    (void)state;
    assert_null(js_find(NULL, TEXT("a")));
    assert_null(js_find(parse("[1]"), TEXT("a")));
    assert_null(js_find(parse("{}"), TEXT("a")));
    assert_null(js_find(parse("{\"a\":1}"), TEXT_NONE));
    assert_false(js_is(NULL, JS_NULL));
    assert_false(js_is_bool(NULL));
    assert_false(js_is_bool(parse("0")));
    assert_true(js_is_bool(parse("false")));
    assert_false(text_given(js_text(NULL)));
    assert_false(text_given(js_text(parse("1"))));
    assert_true(text_given(js_text(parse("\"\""))));
}

static void equality_ignores_how_numbers_and_objects_were_written(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"1", "1.0"},
        {"100", "1e2"},
        {"-5", "-5.0"},
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}"},
        {"\"\\u0041\"", "\"A\""},
        {"9007199254740992", "9007199254740992.0"},
        {"null", "null"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(js_equal(parse(cases[i][0]), parse(cases[i][1])));
        assert_true(js_equal(parse(cases[i][1]), parse(cases[i][0])));
    }
    assert_true(js_equal(NULL, NULL));
}

static void different_values_are_not_equal(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"1", "2"},
        {"1", "1.5"},
        {"1", "\"1\""},
        {"0", "false"},
        {"0", "null"},
        {"\"a\"", "\"b\""},
        {"[1,2]", "[2,1]"},
        {"[1]", "[1,1]"},
        {"{}", "[]"},
        {"{\"a\":1}", "{\"a\":2}"},
        {"{\"a\":1}", "{\"b\":1}"},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}"},
        {"9007199254740993", "9007199254740992.0"},
        {"9223372036854775807", "9.223372036854775e18"},
        {"1", "1e300"},
        {"true", "false"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(js_equal(parse(cases[i][0]), parse(cases[i][1])));
        assert_false(js_equal(parse(cases[i][1]), parse(cases[i][0])));
    }
    assert_false(js_equal(NULL, &js_null));
    assert_false(js_equal(&js_null, NULL));
}

static void types_have_names_for_messages(void **state) {
    (void)state;
    assert_string_equal(js_type_name(NULL), "nothing");
    assert_string_equal(js_type_name(parse("{}")), "an object");
    assert_string_equal(js_type_name(parse("\"\"")), "a string");
    assert_string_equal(js_type_name(parse("1")), "an integer");
    assert_string_equal(js_type_name(parse("1.5")), "a number");
    assert_string_equal(js_type_name(parse("true")), "a boolean");
    assert_string_equal(js_type_name(parse("null")), "null");
}

/* --- merge patch --- */

static void patches_merge_as_in_rfc_7396_appendix_a(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"a\":1,\"e\":null}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct js *target = parse(cases[i][0]), *patch = parse(cases[i][1]);
        check_text(js_print(&arena, js_merge_patch(&arena, target, patch)), cases[i][2]);
        check_text(js_print(&arena, target), cases[i][0]);
        check_text(js_print(&arena, patch), cases[i][1]);
    }
}

static void the_example_of_rfc_7396_is_reproduced(void **state) {
    (void)state;
    const struct js *target =
        parse("{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
              "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}");
    const struct js *patch = parse("{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\","
                                   "\"author\":{\"familyName\":null},\"tags\":[\"example\"]}");
    check_text(js_print(&arena, js_merge_patch(&arena, target, patch)),
               "{\"author\":{\"givenName\":\"John\"},\"content\":\"This will be unchanged\","
               "\"phoneNumber\":\"+01-123-456-7890\",\"tags\":[\"example\"],\"title\":\"Hello!\"}");
}

static void a_patch_of_nothing_makes_an_object_without_nulls(void **state) {
    (void)state;
    const struct js *patch = parse("{\"a\":{\"b\":null,\"c\":1},\"d\":null}");
    check_text(js_print(&arena, js_merge_patch(&arena, NULL, patch)), "{\"a\":{\"c\":1}}");
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, drop_arena)

static void a_whole_real_beyond_the_integers_reads_back(void **state) {
    (void)state;
    check_canonical("{\"a\":[1e20,-1e20,9223372036854776000],\"b\":1e21,\"c\":\"1e20\"}",
                    "{\"a\":[100000000000000000000,-100000000000000000000,9223372036854776000],"
                    "\"b\":1e+21,\"c\":\"1e20\"}");
    check_canonical("[100000000000000000000, 18446744073709552000 ,-9223372036854775808]",
                    "[100000000000000000000,18446744073709552000,-9223372036854775808]");
    assert_true(js_is(parse("100000000000000000000"), JS_REAL));
    refusal(TEXT("99999999999999999999"));
    refusal(TEXT("[9223372036854775808]"));
}

static void a_path_goes_through_members(void **state) {
    (void)state;
    const struct js *value = parse("{\"a\":{\"b\":{\"c\":1}},\"x\":[]}");
    assert_int_equal(js_find_path(value, TEXT("a.b.c"))->integer, 1);
    assert_null(js_find_path(value, TEXT("a.c.b")));
    assert_null(js_find_path(value, TEXT("x.0")));
    assert_null(js_find_path(NULL, TEXT("a")));
}

static void an_object_holds_what_equals_at_every_path(void **state) {
    (void)state;
    const struct js *value = parse("{\"a\":{\"b\":1},\"c\":\"d\"}");
    assert_true(js_holds(value, parse("{\"a.b\":1.0,\"c\":\"d\"}")));
    assert_false(js_holds(value, parse("{\"a.b\":1,\"c\":\"e\"}")));
    assert_false(js_holds(value, parse("{\"missing\":null}")));
    assert_true(js_holds(value, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_whole_real_beyond_the_integers_reads_back),
        WITH_ARENA(a_path_goes_through_members),
        WITH_ARENA(an_object_holds_what_equals_at_every_path),
        WITH_ARENA(every_type_is_parsed),
        WITH_ARENA(integers_are_exact_to_the_last_bit),
        WITH_ARENA(minus_zero_reads_as_zero),
        WITH_ARENA(strings_are_copied_out_of_the_text),
        WITH_ARENA(bad_grammar_is_refused_with_line_and_column),
        WITH_ARENA(duplicate_keys_are_refused),
        WITH_ARENA(invalid_utf8_is_refused),
        WITH_ARENA(nul_characters_are_refused),
        WITH_ARENA(numbers_out_of_range_are_refused),
        WITH_ARENA(numbers_that_vanish_are_refused_where_they_stand),
        WITH_ARENA(the_smallest_numbers_are_kept),
        WITH_ARENA(sixty_four_levels_are_accepted_and_one_more_is_not),
        WITH_ARENA(a_hundred_thousand_keys_take_no_quadratic_time),
        WITH_ARENA(a_duplicate_among_a_hundred_thousand_keys_is_found),
        WITH_ARENA(a_number_stays_what_it_is_when_it_is_read_again),
        WITH_ARENA(a_number_that_would_lose_digits_is_refused),
        WITH_ARENA(a_number_of_a_megabyte_is_read_or_refused_at_once),
        WITH_ARENA(numbers_are_printed_as_in_rfc_8785_appendix_b),
        WITH_ARENA(the_shortest_of_all_decimals_is_found),
        WITH_ARENA(every_number_reads_back_as_itself),
        WITH_ARENA(the_example_of_rfc_8785_is_reproduced),
        WITH_ARENA(keys_sort_by_utf16_code_units),
        WITH_ARENA(keys_sort_right_around_the_surrogates),
        WITH_ARENA(an_escape_is_found_wherever_it_stands),
        WITH_ARENA(only_what_must_be_escaped_is),
        WITH_ARENA(canonical_text_is_a_fixed_point),
        WITH_ARENA(the_writer_places_commas),
        WITH_ARENA(building_an_object_sorts_and_the_later_of_two_wins),
        WITH_ARENA(setting_a_member_leaves_the_old_object_alone),
        WITH_ARENA(removing_a_member_leaves_the_others),
        WITH_ARENA(laying_over_takes_each_member_once),
        WITH_ARENA(appending_leaves_the_old_array_alone),
        WITH_ARENA(a_copy_lives_without_its_original),
        WITH_ARENA(reading_nothing_finds_nothing),
        WITH_ARENA(equality_ignores_how_numbers_and_objects_were_written),
        WITH_ARENA(different_values_are_not_equal),
        WITH_ARENA(types_have_names_for_messages),
        WITH_ARENA(patches_merge_as_in_rfc_7396_appendix_a),
        WITH_ARENA(the_example_of_rfc_7396_is_reproduced),
        WITH_ARENA(a_patch_of_nothing_makes_an_object_without_nulls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
