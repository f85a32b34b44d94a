#include "unit/base/check.h"

#include "base/arena.h"
#include "base/buffer.h"

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

static void an_empty_buffer_views_as_an_empty_text(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    buffer_add(&buffer, NULL, 0);
    buffer_add_text(&buffer, TEXT_NONE);
    buffer_print(&buffer, "%s", "");
    assert_true(text_given(buffer_view(&buffer)));
    check_text(buffer_view(&buffer), "");
}

static void everything_added_comes_out_in_order(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    buffer_add_text(&buffer, TEXT("one "));
    buffer_add_char(&buffer, '2');
    buffer_add(&buffer, " three", 6);
    buffer_print(&buffer, " %d %s", 4, "five");
    check_text(buffer_view(&buffer), "one 2 three 4 five");
}

static void a_buffer_grows_past_any_capacity(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    for (int i = 0; i < 100000; i++) {
        buffer_print(&buffer, "%05d", i);
    }
    struct text view = buffer_view(&buffer);
    assert_int_equal(view.length, 500000);
    assert_memory_equal(view.bytes, "000000000100002", 15);
    assert_memory_equal(view.bytes + 499995, "99999", 5);
}

static void an_earlier_view_survives_growth(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    buffer_add_text(&buffer, TEXT("early"));
    struct text early = buffer_view(&buffer);
    buffer_print(&buffer, "%*d", 10000, 1);
    check_text(early, "early");
}

static void a_print_longer_than_the_room_is_whole(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    for (int length = 1; length < 300; length++) {
        size_t before = buffer.length;
        buffer_print(&buffer, "%0*d", length, 7);
        assert_int_equal(buffer.length - before, length);
        assert_int_equal(buffer.bytes[buffer.length - 1], '7');
    }
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, drop_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(an_empty_buffer_views_as_an_empty_text),
        WITH_ARENA(everything_added_comes_out_in_order),
        WITH_ARENA(a_buffer_grows_past_any_capacity),
        WITH_ARENA(an_earlier_view_survives_growth),
        WITH_ARENA(a_print_longer_than_the_room_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
