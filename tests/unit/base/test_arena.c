#include "unit/base/check.h"

#include "base/arena.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void memory_is_aligned_and_zero(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *bytes = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(bytes[i], 0);
        }
        memset(bytes, 0xA5, size);
    }
    arena_deinit(&arena);
}

static void allocations_do_not_overlap(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    struct arena arena;
    arena_init(&arena, 64);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = arena_alloc(&arena, i % 300 + 1);
        memset(blocks[i], (int)(i % 251), i % 300 + 1);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(blocks[i][0], i % 251);
        assert_int_equal(blocks[i][i % 300], i % 251);
    }
    arena_deinit(&arena);
}

static void only_the_latest_grows_where_it_stands(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 256);
    char *first = arena_alloc(&arena, 20);
    assert_true(arena_extend(&arena, first, 20, 100));
    memset(first, 'a', 100);
    char *second = arena_alloc(&arena, 16);
    assert_true(second >= first + 100);
    assert_false(arena_extend(&arena, first, 100, 101)); /* another came after it */
    assert_false(arena_extend(&arena, second, 16, 500)); /* there is no room behind it */
    assert_false(arena_extend(&arena, second, 16, 8));   /* it never shrinks */
    assert_true(arena_extend(&arena, second, 16, 120));
    memset(second, 'b', 120);
    char *alone = arena_alloc(&arena, 1000);
    assert_false(arena_extend(&arena, alone, 1000, 1001));
    assert_false(arena_extend(&arena, NULL, 0, 1));
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(first[i], 'a');
    }
    arena_deinit(&arena);
}

static void memory_is_zero_again_after_a_reset(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    for (int round = 0; round < 5; round++) {
        unsigned char *bytes = arena_alloc(&arena, 4000);
        for (size_t i = 0; i < 4000; i++) {
            assert_int_equal(bytes[i], 0);
        }
        memset(bytes, 0xFF, 4000);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void a_warm_arena_allocates_where_it_did_before(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    for (int i = 0; i < 100; i++) {
        arena_alloc(&arena, 100);
    }
    arena_reset(&arena);
    void *first = arena_alloc(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    arena_deinit(&arena);
}

static void a_huge_allocation_leaves_the_current_chunk_in_use(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    char *before = arena_alloc(&arena, 16);
    char *huge = arena_alloc(&arena, (size_t)8 << 20);
    char *after = arena_alloc(&arena, 16);
    assert_ptr_equal(after, before + 16);
    huge[((size_t)8 << 20) - 1] = 1;
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 16), before);
    arena_deinit(&arena);
}

static void an_arena_may_begin_with_a_huge_allocation(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    char *huge = arena_alloc(&arena, (size_t)3 << 20);
    char *small = arena_alloc(&arena, 16);
    memset(huge, 1, (size_t)3 << 20);
    assert_int_equal(small[0], 0);
    arena_reset(&arena);
    arena_reset(&arena);
    arena_deinit(&arena);
    arena_deinit(&arena);
}

/* The status with which a process ends that asks for count * size bytes. */
static int end_of_asking_for(size_t count, size_t size_bytes) {
    pid_t child = fork();
    if (child == 0) {
        freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        struct arena arena;
        arena_init(&arena, 0);
        arena_alloc_array(&arena, count, size_bytes);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static void an_array_too_large_to_count_ends_the_process(void **state) {
    (void)state;
    assert_int_equal(end_of_asking_for(3, 8), 0);
    assert_true(WIFSIGNALED(end_of_asking_for(SIZE_MAX / 2, 4)));
    assert_true(WIFSIGNALED(end_of_asking_for(SIZE_MAX, 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_zero),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(only_the_latest_grows_where_it_stands),
        cmocka_unit_test(memory_is_zero_again_after_a_reset),
        cmocka_unit_test(a_warm_arena_allocates_where_it_did_before),
        cmocka_unit_test(a_huge_allocation_leaves_the_current_chunk_in_use),
        cmocka_unit_test(an_arena_may_begin_with_a_huge_allocation),
        cmocka_unit_test(an_array_too_large_to_count_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
