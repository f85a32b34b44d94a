/* Run with the address and thread sanitizers, these tests also prove that nothing leaks and that
 * nobody holds what is freed. */
#include "unit/server/loaded.h"

#include "server/published.h"

#include <pthread.h>
#include <stdatomic.h>

struct fixture {
    struct tree tree;
    struct published *published;
};

static int make(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    tree_make(&fixture->tree);
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("one"));
    fixture->published = published_new();
    *state = fixture;
    return 0;
}

static int unmake(void **state) {
    struct fixture *fixture = *state;
    published_free(fixture->published);
    tree_remove(&fixture->tree, "");
    free(fixture);
    return 0;
}

static void nothing_is_in_force_before_the_first_publication(void **state) {
    struct fixture *fixture = *state;
    assert_null(published_take(fixture->published));
}

static void what_was_published_is_taken(void **state) {
    struct fixture *fixture = *state;
    struct generation *generation = loaded(&fixture->tree);
    published_set(fixture->published, generation);
    struct generation *taken = published_take(fixture->published);
    assert_ptr_equal(taken, generation);
    generation_unref(taken);
}

static void who_took_a_generation_keeps_it(void **state) {
    struct fixture *fixture = *state;
    published_set(fixture->published, loaded(&fixture->tree));
    struct generation *old = published_take(fixture->published);
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("two"));
    published_set(fixture->published, loaded(&fixture->tree));
    struct generation *new = published_take(fixture->published);
    assert_ptr_not_equal(old, new);
    check_text(generation_machine(old, TEXT("lamp"))->doc, "one");
    check_text(generation_machine(new, TEXT("lamp"))->doc, "two");
    generation_unref(old);
    generation_unref(new);
}

struct reader {
    struct published *published;
    atomic_bool *stop;
    size_t taken;
};

static void *read_for_a_while(void *context) {
    struct reader *reader = context;
    while (!atomic_load(reader->stop)) {
        struct generation *generation = published_take(reader->published);
        reader->taken += generation_machine_count(generation);
        generation_unref(generation);
    }
    return NULL;
}

static void readers_and_a_publisher_do_not_disturb_each_other(void **state) {
    struct fixture *fixture = *state;
    atomic_bool stop = false;
    pthread_t threads[2];
    struct reader readers[2];
    published_set(fixture->published, loaded(&fixture->tree));
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        readers[i] = (struct reader){fixture->published, &stop, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_for_a_while, &readers[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        published_set(fixture->published, loaded(&fixture->tree));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_in_force_before_the_first_publication),
        TEST(what_was_published_is_taken),
        TEST(who_took_a_generation_keeps_it),
        TEST(readers_and_a_publisher_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
