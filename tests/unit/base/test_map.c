#include "unit/base/check.h"

#include "base/arena.h"
#include "base/map.h"

static struct arena arena;
static struct map map;

static int make_map(void **state) {
    (void)state;
    arena_init(&arena, 0);
    map_init(&map, &arena);
    return 0;
}

static int drop_map(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void an_empty_map_finds_nothing(void **state) {
    (void)state;
    assert_null(map_find(&map, TEXT("task")));
    assert_null(map_find(&map, TEXT_NONE));
}

static void what_was_set_is_found(void **state) {
    (void)state;
    int one, two, three;
    map_set(&map, TEXT("one"), &one);
    map_set(&map, TEXT(""), &two);
    map_set(&map, TEXT("a\0b"), &three);
    assert_ptr_equal(map_find(&map, TEXT("one")), &one);
    assert_ptr_equal(map_find(&map, TEXT("")), &two);
    assert_ptr_equal(map_find(&map, TEXT("a\0b")), &three);
    assert_null(map_find(&map, TEXT("a")));
    assert_null(map_find(&map, TEXT("a\0c")));
}

static void setting_again_replaces_the_value_and_keeps_the_place(void **state) {
    (void)state;
    int first, second;
    map_set(&map, TEXT("a"), &first);
    map_set(&map, TEXT("b"), &first);
    map_set(&map, TEXT("a"), &second);
    assert_int_equal(map.count, 2);
    assert_ptr_equal(map_find(&map, TEXT("a")), &second);
    check_text(map.entries[0].key, "a");
    check_text(map.entries[1].key, "b");
}

static void a_hundred_thousand_keys_are_found_and_iterate_in_order(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    static int values[COUNT];
    for (int i = 0; i < COUNT; i++) {
        map_set(&map, text_print(&arena, "key-%d", i), &values[i]);
    }
    assert_int_equal(map.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        struct text key = text_print(&arena, "key-%d", i);
        assert_ptr_equal(map_find(&map, key), &values[i]);
        assert_true(text_equal(map.entries[i].key, key));
    }
    assert_null(map_find(&map, TEXT("key-100000")));
}

static void equal_keys_have_equal_hashes_wherever_they_lie(void **state) {
    (void)state;
    char bytes[64 + 40];
    for (size_t length = 0; length < 40; length++) {
        for (size_t shift = 0; shift < 16; shift++) {
            memset(bytes, 'k', sizeof bytes);
            uint64_t here = map_hash((struct text){bytes, length});
            assert_int_equal(map_hash((struct text){bytes + shift, length}), here);
        }
    }
}

static void hashes_differ_in_length_and_in_every_byte(void **state) {
    (void)state;
    char bytes[33] = {0};
    uint64_t zero = map_hash((struct text){bytes, 32});
    assert_int_not_equal(map_hash((struct text){bytes, 31}), zero);
    for (size_t i = 0; i < 32; i++) {
        bytes[i] = 1;
        assert_int_not_equal(map_hash((struct text){bytes, 32}), zero);
        bytes[i] = 0;
    }
}

#define WITH_MAP(test) cmocka_unit_test_setup_teardown(test, make_map, drop_map)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_MAP(an_empty_map_finds_nothing),
        WITH_MAP(what_was_set_is_found),
        WITH_MAP(setting_again_replaces_the_value_and_keeps_the_place),
        WITH_MAP(a_hundred_thousand_keys_are_found_and_iterate_in_order),
        WITH_MAP(equal_keys_have_equal_hashes_wherever_they_lie),
        WITH_MAP(hashes_differ_in_length_and_in_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
