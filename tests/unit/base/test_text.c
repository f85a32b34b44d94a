#include "unit/base/check.h"

#include "base/arena.h"

#include <limits.h>

static void a_text_not_given_differs_from_an_empty_one(void **state) {
    (void)state;
    assert_false(text_given(TEXT_NONE));
    assert_false(text_given(text_of(NULL)));
    assert_true(text_given(TEXT("")));
    assert_true(text_equal(TEXT_NONE, TEXT("")));
}

static void texts_compare_by_unsigned_bytes_and_then_by_length(void **state) {
    (void)state;
    assert_true(text_compare(TEXT("a"), TEXT("b")) < 0);
    assert_true(text_compare(TEXT("\xff"), TEXT("a")) > 0);
    assert_true(text_compare(TEXT("ab"), TEXT("a")) > 0);
    assert_true(text_compare(TEXT("a"), TEXT("ab")) < 0);
    assert_int_equal(text_compare(TEXT("a\0b"), TEXT("a\0b")), 0);
    assert_true(text_compare(TEXT("a\0b"), TEXT("a\0c")) < 0);
    assert_int_equal(text_compare(TEXT_NONE, TEXT("")), 0);
}

static void starts_and_ends_are_found(void **state) {
    (void)state;
    assert_true(text_starts(TEXT("/v1/entities"), TEXT("/v1/")));
    assert_true(text_starts(TEXT("x"), TEXT("")));
    assert_true(text_starts(TEXT_NONE, TEXT("")));
    assert_false(text_starts(TEXT("/v"), TEXT("/v1/")));
    assert_true(text_ends(TEXT("task.lua"), TEXT(".lua")));
    assert_true(text_ends(TEXT(""), TEXT("")));
    assert_true(text_ends(TEXT_NONE, TEXT_NONE));
    assert_false(text_ends(TEXT("lua"), TEXT(".lua")));
    assert_false(text_ends(TEXT("task.luA"), TEXT(".lua")));
}

static void case_is_ignored_for_ascii_letters_only(void **state) {
    (void)state;
    assert_true(text_equal_ignore_case(TEXT("Content-LENGTH"), TEXT("content-length")));
    assert_false(text_equal_ignore_case(TEXT("[a]"), TEXT("{a}")));
    assert_false(text_equal_ignore_case(TEXT("\xc3\x84"), TEXT("\xc3\xa4")));
    assert_false(text_equal_ignore_case(TEXT("ab"), TEXT("abc")));
}

static void copies_live_in_the_arena_and_end_with_nul(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    char source[] = "in progress";
    struct text copy = text_copy(&arena, text_of(source));
    const char *string = text_cstring(&arena, (struct text){source, 2});
    memset(source, 'x', sizeof source);
    check_text(copy, "in progress");
    assert_int_equal(copy.bytes[copy.length], '\0');
    assert_string_equal(string, "in");
    assert_string_equal(text_cstring(&arena, TEXT_NONE), "");
    assert_false(text_given(text_copy(&arena, TEXT_NONE)));
    assert_true(text_given(text_copy(&arena, TEXT(""))));
    arena_deinit(&arena);
}

static void a_text_is_cut_between_words_without_digits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t most;
        const char *expected;
    } cases[] = {
        {"", 0, ""},
        {"one two", 7, "one two"},
        {"one two", 6, "one"},
        {"one two", 4, "one"},
        {"one  two three", 9, "one  two"},
        {"pay 4111 1111 1111 1111", 20, "pay"},
        {"pay\t4111\n1111 1111 1111", 20, "pay"},
        {"4111 1111 1111 1111", 16, "4111 1111 1111 1"},
        {"onetwothree", 6, "onetwo"},
        {"on\xc3\xa9two", 3, "on"},
        {"on\xc3\xa9two", 4, "on\xc3\xa9"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_text(text_cut(text_of(cases[i].text), cases[i].most), cases[i].expected);
    }
}

static void printing_measures_what_it_needs(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    check_text(text_print(&arena, "%s-%05d", "task", 42), "task-00042");
    check_text(text_print(&arena, "%s", ""), "");
    assert_int_equal(text_print(&arena, "%*d", 20000, 1).length, 20000);
    arena_deinit(&arena);
}

static void integers_are_read_to_their_limits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"007", 7},
                 {"42", 42},
                 {"-123", -123},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 99;
        assert_true(text_to_integer(text_of(cases[i].text), &value));
        assert_int_equal(value, cases[i].value);
    }
}

static void what_is_not_an_integer_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"",
                                        "-",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "1e3",
                                        "--1",
                                        "0x10",
                                        "1_000",
                                        "\xd9\xa1",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 99;
        assert_false(text_to_integer(text_of(cases[i]), &value));
        assert_int_equal(value, 99);
    }
    int64_t value;
    assert_false(text_to_integer(TEXT("1\0"), &value));
    assert_false(text_to_integer(TEXT_NONE, &value));
}

static void well_formed_utf8_is_accepted(void **state) {
    (void)state;
    static const char *const cases[] = {"",
                                        "plain ASCII, longer than one machine word",
                                        "\x7f",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "sixteen ascii by\xf0\x9f\x98\x80tes and more after"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(text_is_utf8(text_of(cases[i])));
    }
    assert_true(text_is_utf8(TEXT("a\0b")));
    assert_true(text_is_utf8(TEXT_NONE));
}

static void malformed_utf8_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"\x80", /* a continuation alone */
                                        "\xbf",
                                        "\xc0\x80", /* overlong */
                                        "\xc1\xbf",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xf0\x80\x80\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xed\xa0\x80", /* a surrogate */
                                        "\xed\xbf\xbf",
                                        "\xf4\x90\x80\x80", /* over U+10FFFF */
                                        "\xf5\x80\x80\x80",
                                        "\xfe",
                                        "\xff",
                                        "\xc3", /* cut */
                                        "\xe2\x82",
                                        "\xf0\x9f\x98",
                                        "\xc3(",
                                        "\xe2(\xa1",
                                        "\xe2\x82(",
                                        "\xf0(\x8c\xbc",
                                        "\xf0\x90\x8c(",
                                        "eight by\xfftes",
                                        "eight bytes\x80",
                                        "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(text_is_utf8(text_of(cases[i])));
    }
}

static void mending_replaces_only_what_is_wrong(void **state) {
    (void)state;
    char bytes[] = "a\xff\xc3\xa4\xe2\x82z\xed\xa0\x80\0b";
    text_mend_utf8(bytes, sizeof bytes - 1);
    assert_string_equal(bytes, "a?\xc3\xa4??z????b");
    assert_true(text_is_utf8(text_of(bytes)));
}

static const struct text states[] = {
    {"in_progress", 11}, {"completed", 9}, {"cancelled", 9}, {"open", 4}, {"id", 2}};

static void a_misspelling_finds_its_neighbour(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"in_progres", "in_progress"},   /* one missing */
        {"in__progress", "in_progress"}, /* one too many */
        {"in_porgress", "in_progress"},  /* two swapped */
        {"conpleted", "completed"},      /* one wrong */
        {"canceled", "cancelled"},       {"opne", "open"}, {"di", "id"}, {"open", "open"},
        {"xn_progrexx", "in_progress"}, /* three wrong of eleven */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_text(text_nearest(text_of(cases[i][0]), states, COUNT_OF(states)), cases[i][1]);
    }
}

static void what_is_far_from_everything_finds_nothing(void **state) {
    (void)state;
    static const char *const cases[] = {"archived", "", "opppppp", "xxxx", "xx_progrexx"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(text_given(text_nearest(text_of(cases[i]), states, COUNT_OF(states))));
    }
    assert_false(text_given(text_nearest(TEXT("open"), NULL, 0)));
}

static void of_equally_near_candidates_the_first_wins(void **state) {
    (void)state;
    static const struct text candidates[] = {{"cat", 3}, {"cot", 3}, {"cut", 3}};
    check_text(text_nearest(TEXT("czt"), candidates, 3), "cat");
    check_text(text_nearest(TEXT("cot"), candidates, 3), "cot");
}

static void a_hostile_word_of_a_megabyte_costs_nothing(void **state) {
    (void)state;
    size_t length = 1 << 20;
    char *bytes = malloc(length);
    memset(bytes, 'a', length);
    struct text huge = {bytes, length};
    assert_false(text_given(text_nearest(huge, states, COUNT_OF(states))));
    assert_false(text_given(text_nearest(TEXT("aaaa"), &huge, 1)));
    free(bytes);
}

static void control_characters_become_spaces_in_a_line(void **state) {
    (void)state;
    struct text text = TEXT("a\nb\x7f\x01 \xc3\xa9");
    char line[16];
    assert_true(text_has_control(text));
    text_copy_line(text, line);
    assert_memory_equal(line, "a b   \xc3\xa9", text.length);
    assert_false(text_has_control((struct text){line, text.length}));
    assert_false(text_has_control(TEXT_NONE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_become_spaces_in_a_line),
        cmocka_unit_test(a_text_not_given_differs_from_an_empty_one),
        cmocka_unit_test(texts_compare_by_unsigned_bytes_and_then_by_length),
        cmocka_unit_test(starts_and_ends_are_found),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(copies_live_in_the_arena_and_end_with_nul),
        cmocka_unit_test(a_text_is_cut_between_words_without_digits),
        cmocka_unit_test(printing_measures_what_it_needs),
        cmocka_unit_test(integers_are_read_to_their_limits),
        cmocka_unit_test(what_is_not_an_integer_is_refused),
        cmocka_unit_test(well_formed_utf8_is_accepted),
        cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(mending_replaces_only_what_is_wrong),
        cmocka_unit_test(a_misspelling_finds_its_neighbour),
        cmocka_unit_test(what_is_far_from_everything_finds_nothing),
        cmocka_unit_test(of_equally_near_candidates_the_first_wins),
        cmocka_unit_test(a_hostile_word_of_a_megabyte_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
