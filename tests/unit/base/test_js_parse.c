/* test_js_parse.c: js_parse against jansson, which takes and refuses the same and reads the same
 * values, but for six things, which `for_jansson` takes care of:
 *  1. over 64 levels of nesting are refused (jansson: over 2048);
 *  2. a number that is not 0 but would be read as 0 is refused (jansson reads 0);
 *  3. digits beyond int64 are a real where RFC 8785 prints that real so (jansson refuses them);
 *  4. a NUL right behind a number or a word is refused (jansson 2.14 loses it);
 *  5. a number with a point or an exponent and over 17 digits that count is refused;
 *  6. a real that would be printed as an integer is one.
 * The texts are random, from a seed that is told when one fails. */
#include "unit/base/check.h"

#include <jansson.h>

#include "base/js.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEXTS 20000
#else
#define TEXTS 200000
#endif

#define NESTING_MOST 64

/* --- the oracle --- */

static size_t string_length(struct text text) {
    size_t at = 1;
    while (at < text.length && text.bytes[at] != '"') {
        at += text.bytes[at] == '\\' ? 2 : 1;
    }
    return at + 1 < text.length ? at + 1 : text.length;
}

static bool is_number_part(char character) {
    return character != '\0' && strchr("+-.0123456789Ee", character) != NULL;
}

/* A whole string or number, or else one byte. */
static struct text first_token(struct text text) {
    size_t length = text.bytes[0] == '"' ? string_length(text) : 0;
    while (length < text.length && text.bytes[0] != '"' && is_number_part(text.bytes[length])) {
        length++;
    }
    return (struct text){text.bytes, length > 0 ? length : 1};
}

static bool vanishes(const char *number) {
    return strcspn(number, "123456789") < strcspn(number, "eE") && strtod(number, NULL) == 0;
}

/* Between the first and the last that are no zeros. */
static bool has_too_many_digits(const char *number) {
    char digits[64] = "";
    size_t count = 0, exponent = strcspn(number, "eE");
    if (strcspn(number, ".eE") == strlen(number)) {
        return false;
    }
    for (size_t i = 0; i < exponent && count < sizeof digits - 1; i++) {
        bool leads = count == 0 && number[i] == '0';
        if (number[i] >= '0' && number[i] <= '9' && !leads) {
            digits[count++] = number[i];
        }
    }
    while (count > 0 && digits[count - 1] == '0') {
        count--;
    }
    return count > 17;
}

static bool is_printed_real(struct arena *arena, const char *number) {
    int64_t integer;
    return strspn(number, "-0123456789") == strlen(number) && strlen(number) <= 22 &&
           !text_to_integer(text_of(number), &integer) &&
           text_equal(text_of(number), js_print(arena, js_real(arena, strtod(number, NULL))));
}

/* The text as jansson is to read it; false when it is to be refused whatever jansson says. */
static bool for_jansson(struct arena *arena, struct text text, struct buffer *out) {
    int nesting = 0;
    if (memchr(text.bytes, '\0', text.length) != NULL) {
        return false;
    }
    for (size_t at = 0; at < text.length;) {
        struct text token = first_token((struct text){text.bytes + at, text.length - at});
        char first = token.bytes[0];
        bool is_number = is_number_part(first) && first != 'e' && first != 'E';
        const char *string = text_cstring(arena, token);
        nesting += (first == '[' || first == '{') - (first == ']' || first == '}');
        if (nesting > NESTING_MOST ||
            (is_number && (vanishes(string) || has_too_many_digits(string)))) {
            return false;
        }
        buffer_add_text(out, token);
        if (is_number && is_printed_real(arena, string)) {
            buffer_add_text(out, TEXT(".0"));
        }
        at += token.length;
    }
    return true;
}

/* NULL when refused. */
static json_t *oracle(struct arena *arena, struct text text) {
    struct buffer buffer;
    json_error_t error;
    buffer_init(&buffer, arena);
    buffer_add_text(&buffer, TEXT(""));
    if (!for_jansson(arena, text, &buffer)) {
        return NULL;
    }
    struct text view = buffer_view(&buffer);
    return json_loadb(text_given(view) ? view.bytes : "", view.length,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
}

static bool is_same(const struct js *ours, const json_t *theirs);

static bool is_same_array(const struct js *ours, const json_t *theirs) {
    bool same = json_array_size(theirs) == ours->array.count;
    for (size_t i = 0; same && i < ours->array.count; i++) {
        same = is_same(ours->array.items[i], json_array_get(theirs, i));
    }
    return same;
}

static bool is_same_object(const struct js *ours, const json_t *theirs) {
    bool same = json_object_size(theirs) == ours->object.count;
    for (size_t i = 0; same && i < ours->object.count; i++) {
        struct text key = ours->object.members[i].key;
        const json_t *value = json_object_getn(theirs, key.bytes, key.length);
        same = value != NULL && is_same(ours->object.members[i].value, value) &&
               js_find(ours, key) == ours->object.members[i].value;
    }
    return same;
}

static bool is_same(const struct js *ours, const json_t *theirs) {
    switch (json_typeof(theirs)) {
    case JSON_OBJECT:
        return js_is(ours, JS_OBJECT) && is_same_object(ours, theirs);
    case JSON_ARRAY:
        return js_is(ours, JS_ARRAY) && is_same_array(ours, theirs);
    case JSON_STRING:
        return js_is(ours, JS_STRING) &&
               text_equal(ours->string,
                          (struct text){json_string_value(theirs), json_string_length(theirs)});
    case JSON_INTEGER:
        return js_is(ours, JS_INTEGER) && ours->integer == json_integer_value(theirs);
    case JSON_REAL:
        return js_is(ours, JS_INTEGER)
                   ? (double)ours->integer == json_real_value(theirs)
                   : js_is(ours, JS_REAL) && ours->real == json_real_value(theirs);
    case JSON_TRUE:
        return js_is(ours, JS_TRUE);
    case JSON_FALSE:
        return js_is(ours, JS_FALSE);
    case JSON_NULL:
        return js_is(ours, JS_NULL);
    }
    return false;
}

/* --- random texts --- */

struct source {
    uint64_t state;
    struct buffer text;
};

static unsigned pick(struct source *source, unsigned count) {
    source->state = source->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(source->state >> 33) % count;
}

static void add(struct source *source, const char *string) {
    buffer_add_text(&source->text, text_of(string));
}

#define ADD_ONE_OF(source, strings) add((source), (strings)[pick((source), COUNT_OF(strings))])

static void add_blanks(struct source *source) {
    static const char *const blanks[] = {"", "", "", "", "", " ", "\n", "\t", "\r\n", "  "};
    ADD_ONE_OF(source, blanks);
}

static void add_number(struct source *source) {
    static const char *const edges[] = {"0",
                                        "-0",
                                        "-0.0",
                                        "0e9",
                                        "1e400",
                                        "1e-400",
                                        "5e-324",
                                        "2e-324",
                                        "3e-324",
                                        "0.0e-999",
                                        "0.01e-999",
                                        "1E+2",
                                        "1.7976931348623157e308",
                                        "1.8e308",
                                        "1e20",
                                        "0.1",
                                        "2.5e-1",
                                        "-1e-9999",
                                        "9007199254740993",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "9223372036854776000",
                                        "-9223372036854776000",
                                        "18446744073709552000",
                                        "18446744073709551616",
                                        "100000000000000000000",
                                        "999999999999999900000",
                                        "1000000000000000000000",
                                        "-100000000000000000000",
                                        "999999999999999999999",
                                        "123456789012345678901234567890",
                                        "0.00000000000000000001",
                                        "4.35",
                                        "1e23",
                                        "9007199254740993.0"};
    if (pick(source, 3) == 0) {
        ADD_ONE_OF(source, edges);
        return;
    }
    buffer_print(&source->text, "%s%u", pick(source, 3) == 0 ? "-" : "", pick(source, 2000));
    if (pick(source, 3) == 0) {
        buffer_print(&source->text, ".%0*u", (int)pick(source, 6) + 1, pick(source, 1000000));
    }
    if (pick(source, 4) == 0) {
        static const char *const exponents[] = {"e", "E", "e+", "E-", "e-"};
        ADD_ONE_OF(source, exponents);
        buffer_print(&source->text, "%u", pick(source, 340));
    }
}

static void add_bad_part(struct source *source) {
    static const char *const bad_parts[] = {"\\u0000",
                                            "\\ud800",
                                            "\\udc00",
                                            "\\ud800\\u0041",
                                            "\\ud800\\ud800",
                                            "\\x",
                                            "\\u12g4",
                                            "\\u 123",
                                            "\t",
                                            "\n",
                                            "\x1f",
                                            "\xff",
                                            "\xc0\x80",
                                            "\xc3",
                                            "\x80",
                                            "\xed\xa0\x80",
                                            "\xf4\x90\x80\x80",
                                            "\xf5\x80\x80\x80",
                                            "\xe0\x9f\xbf",
                                            "\xf0\x8f\xbf\xbf",
                                            "\xe2\x82",
                                            "\xc3\\u00a4",
                                            "\\",
                                            "\\ud800\\",
                                            "\\ud83d\\ude0"};
    ADD_ONE_OF(source, bad_parts);
}

static void add_string(struct source *source) {
    static const char *const parts[] = {"a",
                                        "b",
                                        "c",
                                        "key",
                                        " ",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\b\\f",
                                        "\\r\\t",
                                        "\\u0061",
                                        "\\u00e4",
                                        "\\u20AC",
                                        "\\uFfFf",
                                        "\\ue000",
                                        "\\ud83d\\ude00",
                                        "\\uDBFF\\uDFFF",
                                        "\x7f",
                                        "\xc3\xa4",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "\xee\x80\x80",
                                        "\xed\x9f\xbf",
                                        "{",
                                        "[",
                                        "]",
                                        ",",
                                        "\\u0001"};
    add(source, "\"");
    for (unsigned left = pick(source, 5); left > 0; left--) {
        ADD_ONE_OF(source, parts);
    }
    if (pick(source, 400) == 0) {
        add_bad_part(source);
        ADD_ONE_OF(source, parts);
    }
    add(source, "\"");
}

static void add_value(struct source *source, unsigned room);

static void add_items(struct source *source, unsigned room, bool keyed) {
    unsigned count = pick(source, 6);
    for (unsigned i = 0; i < count; i++) {
        add(source, i > 0 ? "," : "");
        add_blanks(source);
        if (keyed) {
            add_string(source);
            add_blanks(source);
            add(source, ":");
        }
        add_value(source, room / (count + 1));
    }
    add_blanks(source);
}

static void add_value(struct source *source, unsigned room) {
    static const char *const words[] = {"null", "true", "false"};
    unsigned kind = pick(source, room > 0 ? 8 : 4);
    add_blanks(source);
    if (kind == 0) {
        ADD_ONE_OF(source, words);
    } else if (kind == 1) {
        add_number(source);
    } else if (kind < 4) {
        add_string(source);
    } else {
        bool keyed = kind >= 6;
        add(source, keyed ? "{" : "[");
        add_items(source, room - 1, keyed);
        add(source, keyed ? "}" : "]");
    }
    add_blanks(source);
}

/* A value within 60 to 69 arrays and objects. */
static void add_deep_value(struct source *source) {
    unsigned levels = 60 + pick(source, 10);
    unsigned kinds = pick(source, 1000);
    for (unsigned i = 0; i < levels; i++) {
        add(source, (kinds >> i % 10 & 1) != 0 ? "{\"a\":" : "[");
    }
    add_value(source, 0);
    for (unsigned i = levels; i-- > 0;) {
        add(source, (kinds >> i % 10 & 1) != 0 ? "}" : "]");
    }
}

/* Removes, replaces, inserts or repeats bytes, or cuts the text off. */
static void damage(struct source *source) {
    static const char bytes[] = "{}[]\",:\\ue-+.0159 \n\t\x01\x80\xc3\xff\0aftn/";
    struct text old = buffer_view(&source->text);
    size_t at = pick(source, (unsigned)old.length + 1);
    size_t length = pick(source, 4);
    size_t removed = length < old.length - at ? length : old.length - at;
    unsigned kind = pick(source, 5);
    buffer_init(&source->text, source->text.arena);
    buffer_add(&source->text, old.bytes, at);
    if (kind <= 1) {
        buffer_add_char(&source->text, bytes[pick(source, sizeof bytes - 1)]);
    }
    if (kind == 2) {
        buffer_add(&source->text, old.bytes + at, removed);
    }
    size_t from = kind == 0 || kind == 2 ? at : at + removed;
    if (kind != 4) {
        buffer_add(&source->text, old.bytes + from, old.length - from);
    }
}

static struct text random_text(struct source *source) {
    if (pick(source, 50) == 0) {
        add_deep_value(source);
    } else {
        add_value(source, 40);
    }
    for (unsigned left = pick(source, 2) == 0 ? pick(source, 3) : 0; left > 0; left--) {
        damage(source);
    }
    return buffer_view(&source->text);
}

/* --- the tests --- */

/* Returns whether both accept. */
static bool check_agreement(struct arena *arena, struct text text, uint64_t seed) {
    const struct js *ours = NULL;
    struct fault fault = FAULT_INIT;
    bool accepted = js_parse(arena, text, &ours, &fault);
    json_t *theirs = oracle(arena, text);
    if (accepted != (theirs != NULL) || (accepted && !is_same(ours, theirs))) {
        fail_msg("seed %llu: %s%s, jansson %s: %.*s", (unsigned long long)seed,
                 accepted ? "accepted" : "refused, ", fault.message,
                 theirs != NULL ? "accepts" : "refuses", TEXT_ARGS(text));
    }
    json_decref(theirs);
    return accepted;
}

static void random_texts_are_read_as_jansson_reads_them(void **state) {
    (void)state;
    struct arena arena;
    int accepted = 0;
    arena_init(&arena, 0);
    for (uint64_t seed = 0; seed < TEXTS; seed++) {
        struct source source = {.state = seed * UINT64_C(0x9E3779B97F4A7C15)};
        buffer_init(&source.text, &arena);
        accepted += check_agreement(&arena, random_text(&source), seed);
        arena_reset(&arena);
    }
    assert_in_range(accepted, TEXTS / 4, TEXTS * 3 / 4);
    arena_deinit(&arena);
}

/* Every text of up to three of these. */
static void short_texts_are_read_as_jansson_reads_them(void **state) {
    (void)state;
    static const char *const parts[] = {
        "",   "[",  "]",       "{",   "}",       ",",    ":",    "\"",    "\"a\"",
        "\\", "u",  "0",       "1",   "-",       "+",    ".",    "e",     "E",
        " ",  "\n", "\f",      "nul", "null",    "truE", "true", "false", "\xef\xbb\xbf",
        "/",  "'",  "\"a\":1", "[1",  "\xc2\xa0"};
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(parts) * COUNT_OF(parts) * COUNT_OF(parts); i++) {
        struct text text = text_print(&arena, "%s%s%s", parts[i % COUNT_OF(parts)],
                                      parts[i / COUNT_OF(parts) % COUNT_OF(parts)],
                                      parts[i / COUNT_OF(parts) / COUNT_OF(parts)]);
        check_agreement(&arena, text, i);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void every_escaped_code_unit_is_read_as_jansson_reads_it(void **state) {
    (void)state;
    static const unsigned edges[] = {0x0000, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000};
    struct arena arena;
    arena_init(&arena, 0);
    for (unsigned unit = 0; unit <= 0xFFFF; unit++) {
        struct text lower = text_print(&arena, "\"\\u%04x\"", unit);
        check_agreement(&arena, lower, unit);
        struct text upper = text_print(&arena, "\"\\u%04X\"", unit);
        check_agreement(&arena, upper, unit);
        arena_reset(&arena);
    }
    for (unsigned i = 0; i < COUNT_OF(edges) * COUNT_OF(edges); i++) {
        struct text text = text_print(&arena, "\"\\u%04x\\u%04x\"", edges[i % COUNT_OF(edges)],
                                      edges[i / COUNT_OF(edges)]);
        check_agreement(&arena, text, i);
    }
    arena_deinit(&arena);
}

static void a_fault_names_the_place(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "line 1, column 1: a value is missing"},
        {"{\"b\":1,\n \"a\":2, \"\\u0062\":3}", "line 2, column 9: duplicate object key"},
        {"{\"b\":{\"a\":2,\n \"a\":3}}", "line 2, column 2: duplicate object key"},
        {"[\"\xc3\xa4\xe2\x82\xac\" 1]", "line 1, column 7: ',' or ']' is missing"},
        {"[\"\\u0041\\n\\x\"]", "line 1, column 11: there is no such escape"},
        {"[\"\\u0041\\n\n\"]", "line 1, column 11: no control characters"},
        {"\"\\u0000\"", "line 1, column 2: NUL characters are not allowed"},
        {"\"\\u00_0\"", "line 1, column 2: four hexadecimal digits must follow \\u"},
        {"{\"a\" 1}", "line 1, column 6: ':' is missing"},
        {"{\"a\":1,}", "line 1, column 8: a key in quotes is missing"},
        {"[1.]", "line 1, column 4: a digit is missing"},
        {"[1,\n\n 99999999999999999999]", "line 3, column 2: the number is too big"},
        {"[\"a\xff\"]", "line 1, column 2: the string is not UTF-8"},
        {"[]\n]", "line 2, column 1: the text goes on behind the value"},
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct js *value;
        struct fault fault = FAULT_INIT;
        assert_false(js_parse(&arena, text_of(cases[i].text), &value, &fault));
        check_contains(fault.message, cases[i].message);
    }
    arena_deinit(&arena);
}

static void wide_and_deep_values_keep_their_order(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    struct arena arena;
    arena_init(&arena, 0);
    struct buffer json;
    buffer_init(&json, &arena);
    for (int i = 0; i < COUNT; i++) {
        buffer_print(&json, "%c[%d,{\"x\":[]}]", i == 0 ? '[' : ',', i);
    }
    buffer_add_char(&json, ']');
    const struct js *value;
    struct fault fault = FAULT_INIT;
    assert_true(js_parse(&arena, buffer_view(&json), &value, &fault));
    assert_int_equal(value->array.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(value->array.items[i]->array.items[0]->integer, i);
    }
    check_text(js_print(&arena, value->array.items[COUNT - 1]), "[999,{\"x\":[]}]");
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_are_read_as_jansson_reads_them),
        cmocka_unit_test(short_texts_are_read_as_jansson_reads_them),
        cmocka_unit_test(every_escaped_code_unit_is_read_as_jansson_reads_it),
        cmocka_unit_test(a_fault_names_the_place),
        cmocka_unit_test(wide_and_deep_values_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
