#include "unit/base/check.h"

#include "model/entity.h"

static struct text repeated(char *room, char character, size_t count) {
    memset(room, character, count);
    return (struct text){room, count};
}

static void ids_are_printable_utf8(void **state) {
    (void)state;
    static const char *const good[] = {"1",      "T-1",  "a b", "it's \"quoted\"",
                                       "Müller", "東京", "🙂"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(entity_is_id(text_of(good[i])));
    }
}

static void ids_hold_no_control_characters(void **state) {
    (void)state;
    static const char *const bad[] = {"",         "a\n",        "\t",     "a\x7f",
                                      "\xc2\x80", "x\xc2\x9fy", "\x1b[0m"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(entity_is_id(text_of(bad[i])));
    }
    assert_false(entity_is_id(TEXT("a\0b")));
    assert_false(entity_is_id(TEXT_NONE));
    assert_true(entity_is_id(TEXT("\xc2\xa0")));
}

static void ids_that_are_not_utf8_are_refused(void **state) {
    (void)state;
    assert_false(entity_is_id(TEXT("\xff")));
    assert_false(entity_is_id(TEXT("\xc3")));
    assert_false(entity_is_id(TEXT("\xed\xa0\x80")));
    assert_false(entity_is_id(TEXT("a\xc2")));
}

static void ids_have_200_bytes_at_the_most(void **state) {
    (void)state;
    char room[ENTITY_ID_MOST + 1];
    assert_true(entity_is_id(repeated(room, 'x', ENTITY_ID_MOST)));
    assert_false(entity_is_id(repeated(room, 'x', ENTITY_ID_MOST + 1)));
}

static void names_begin_with_a_letter(void **state) {
    (void)state;
    static const char *const good[] = {"task", "_x", "IN_PROGRESS", "work-order.v2", "A", "a9"};
    static const char *const bad[] = {"", "9a", "-a", ".a", "a b", "ä", "a/b", "a:b"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(entity_is_name(text_of(good[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(entity_is_name(text_of(bad[i])));
    }
    assert_false(entity_is_name(TEXT_NONE));
}

static void names_have_100_bytes_at_the_most(void **state) {
    (void)state;
    char room[101];
    assert_true(entity_is_name(repeated(room, 'x', 100)));
    assert_false(entity_is_name(repeated(room, 'x', 101)));
}

static void states_are_printable_utf8_without_a_space_at_either_end(void **state) {
    (void)state;
    static const char *const good[] = {
        "New", "Awaiting User Info", "3 - done", "in Prüfung", "東京", "\"so\"", "a/b", "-"};
    static const char *const bad[] = {"", " ", " New", "New ", "a\nb", "a\tb", "\xc2\x85", "\xff"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(entity_is_state(text_of(good[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(entity_is_state(text_of(bad[i])));
    }
    assert_false(entity_is_state(TEXT("a\0b")));
    assert_false(entity_is_state(TEXT_NONE));
}

static void states_have_100_bytes_at_the_most(void **state) {
    (void)state;
    char room[101];
    assert_true(entity_is_state(repeated(room, 'x', 100)));
    assert_false(entity_is_state(repeated(room, 'x', 101)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_printable_utf8),
        cmocka_unit_test(ids_hold_no_control_characters),
        cmocka_unit_test(ids_that_are_not_utf8_are_refused),
        cmocka_unit_test(ids_have_200_bytes_at_the_most),
        cmocka_unit_test(names_begin_with_a_letter),
        cmocka_unit_test(names_have_100_bytes_at_the_most),
        cmocka_unit_test(states_are_printable_utf8_without_a_space_at_either_end),
        cmocka_unit_test(states_have_100_bytes_at_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
