#include "unit/server/tree.h"

#include "server/watch.h"

#include <poll.h>

struct fixture {
    struct tree tree;
    struct watch *watch;
};

static void look(struct fixture *fixture) {
    struct fault fault = FAULT_INIT;
    if (!watch_look(fixture->watch, &fault)) {
        fail_msg("%s", fault.message);
    }
}

static int make(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    tree_make(&fixture->tree);
    tree_directory(&fixture->tree, "policies");
    tree_write(&fixture->tree, "policies/task.lua", "return 1");
    fixture->watch = watch_new(text_of(tree_path(&fixture->tree, "policies/")));
    look(fixture);
    *state = fixture;
    return 0;
}

static int unmake(void **state) {
    struct fixture *fixture = *state;
    watch_free(fixture->watch);
    tree_remove(&fixture->tree, "");
    free(fixture);
    return 0;
}

static bool is_readable(const struct fixture *fixture) {
    struct pollfd watched = {.fd = watch_descriptor(fixture->watch), .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

/* Whether what happened since the last look matters. */
static bool changed(struct fixture *fixture) {
    bool matters = watch_read(fixture->watch);
    assert_false(is_readable(fixture)); /* all was taken in: nobody spins */
    look(fixture);
    return matters;
}

static void a_file_that_is_written_is_noticed(void **state) {
    struct fixture *fixture = *state;
    assert_false(changed(fixture));
    tree_write(&fixture->tree, "policies/task.lua", "return 2");
    assert_true(is_readable(fixture));
    assert_true(changed(fixture));
    assert_false(changed(fixture));
}

static void a_new_and_a_deleted_file_are_noticed(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "policies/new.lua", "return 1");
    assert_true(changed(fixture));
    assert_int_equal(unlink(tree_path(&fixture->tree, "policies/new.lua")), 0);
    assert_true(changed(fixture));
}

static void reading_is_not_noticed(void **state) {
    struct fixture *fixture = *state;
    char line[32];
    FILE *file = fopen(tree_path(&fixture->tree, "policies/task.lua"), "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_false(is_readable(fixture));
}

static void an_editors_rename_is_noticed_and_its_swap_file_is_not(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "policies/.task.lua.swp", "swap");
    tree_write(&fixture->tree, "policies/task.lua~", "backup");
    assert_false(changed(fixture));
    tree_rename(&fixture->tree, "policies/.task.lua.swp", "policies/task.lua");
    assert_true(changed(fixture));
}

static void a_new_directory_is_watched_too(void **state) {
    struct fixture *fixture = *state;
    tree_directory(&fixture->tree, "policies/lib");
    assert_true(changed(fixture));
    tree_directory(&fixture->tree, "policies/lib/deep");
    assert_true(changed(fixture));
    tree_write(&fixture->tree, "policies/lib/deep/help.lua", "return {}");
    assert_true(changed(fixture));
}

static void a_directory_that_was_moved_away_is_no_longer_watched(void **state) {
    struct fixture *fixture = *state;
    tree_directory(&fixture->tree, "policies/lib");
    assert_true(changed(fixture));
    tree_rename(&fixture->tree, "policies/lib", "elsewhere");
    assert_true(changed(fixture));
    tree_write(&fixture->tree, "elsewhere/help.lua", "return {}");
    assert_false(changed(fixture));
}

static void a_removed_directory_is_gone_until_it_comes_back(void **state) {
    struct fixture *fixture = *state;
    tree_remove(&fixture->tree, "policies");
    assert_true(changed(fixture));
    assert_true(watch_is_gone(fixture->watch));
    assert_false(changed(fixture));
    tree_directory(&fixture->tree, "policies");
    assert_true(changed(fixture));
    assert_false(watch_is_gone(fixture->watch));
    tree_write(&fixture->tree, "policies/task.lua", "return 3");
    assert_true(changed(fixture));
}

static void a_link_that_is_pointed_elsewhere_is_noticed(void **state) {
    struct fixture *fixture = *state;
    tree_directory(&fixture->tree, "one");
    tree_directory(&fixture->tree, "two");
    assert_int_equal(symlink("one", tree_path(&fixture->tree, "current")), 0);
    watch_free(fixture->watch);
    fixture->watch = watch_new(text_of(tree_path(&fixture->tree, "current")));
    look(fixture);
    tree_write(&fixture->tree, "one/task.lua", "return 1");
    assert_true(changed(fixture));
    assert_int_equal(symlink("two", tree_path(&fixture->tree, "next")), 0);
    tree_rename(&fixture->tree, "next", "current");
    assert_true(changed(fixture));
    tree_write(&fixture->tree, "two/task.lua", "return 1");
    assert_true(changed(fixture));
}

static void a_new_link_to_a_directory_is_followed(void **state) {
    struct fixture *fixture = *state;
    tree_directory(&fixture->tree, "shared");
    assert_int_equal(symlink("../shared", tree_path(&fixture->tree, "policies/lib")), 0);
    assert_true(changed(fixture));
    tree_write(&fixture->tree, "shared/help.lua", "return {}");
    assert_true(changed(fixture));
}

static void links_in_a_circle_end(void **state) {
    struct fixture *fixture = *state;
    tree_directory(&fixture->tree, "policies/lib");
    assert_int_equal(symlink("..", tree_path(&fixture->tree, "policies/lib/up")), 0);
    assert_int_equal(symlink("self", tree_path(&fixture->tree, "policies/self")), 0);
    assert_int_equal(symlink("../..", tree_path(&fixture->tree, "policies/lib/out")), 0);
    assert_true(changed(fixture));
    tree_write(&fixture->tree, "policies/lib/help.lua", "return {}");
    assert_true(changed(fixture));
}

static void the_current_directory_can_be_watched(void **state) {
    struct fixture *fixture = *state;
    char before[512];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(tree_path(&fixture->tree, "policies")), 0);
    watch_free(fixture->watch);
    fixture->watch = watch_new(TEXT("."));
    look(fixture);
    tree_write(&fixture->tree, "policies/task.lua", "return 4");
    bool noticed = changed(fixture);
    assert_int_equal(chdir(before), 0);
    assert_true(noticed);
}

static void thousands_of_files_are_taken_in(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 5000; i++) {
        char name[64];
        snprintf(name, sizeof name, "policies/m%d.lua", i);
        tree_write(&fixture->tree, name, "return 1");
    }
    bool matters = false;
    for (int turn = 0; turn < 100 && is_readable(fixture); turn++) {
        matters = watch_read(fixture->watch) || matters;
    }
    assert_true(matters);
    assert_false(changed(fixture));
}

static void what_is_no_directory_is_gone(void **state) {
    struct fixture *fixture = *state;
    watch_free(fixture->watch);
    fixture->watch = watch_new(text_of(tree_path(&fixture->tree, "policies/task.lua")));
    look(fixture);
    assert_true(watch_is_gone(fixture->watch));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_is_written_is_noticed),
        TEST(a_new_and_a_deleted_file_are_noticed),
        TEST(reading_is_not_noticed),
        TEST(an_editors_rename_is_noticed_and_its_swap_file_is_not),
        TEST(a_new_directory_is_watched_too),
        TEST(a_directory_that_was_moved_away_is_no_longer_watched),
        TEST(a_removed_directory_is_gone_until_it_comes_back),
        TEST(a_link_that_is_pointed_elsewhere_is_noticed),
        TEST(a_new_link_to_a_directory_is_followed),
        TEST(links_in_a_circle_end),
        TEST(the_current_directory_can_be_watched),
        TEST(thousands_of_files_are_taken_in),
        TEST(what_is_no_directory_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
