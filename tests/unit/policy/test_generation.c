/* A generation: which files it is made of, its name, its VMs. */
#include "base/digest.h"
#include "unit/policy/fixture.h"

#include <pthread.h>

static const char machine[] = "return machine 'm' { initial = 'A', states = { A = {} } }";

static void an_empty_directory_is_an_empty_generation(void **state) {
    struct fixture *fixture = *state;
    fixture_load(fixture);
    assert_int_equal(generation_machine_count(fixture->generation), 0);
    check_text(generation_files_json(fixture->generation), "{}");
    assert_int_equal(generation_name(fixture->generation).length, DIGEST_HEX);
    assert_true(generation_loaded_us(fixture->generation) > 0);
}

static void a_directory_that_is_not_there_is_a_fault_of_the_environment(void **state) {
    struct fixture *fixture = *state;
    struct generation *generation;
    struct generation_options options = {.directory = TEXT("/nonexistent/policies"),
                                         .limits = vm_limits_default(),
                                         .vm_count = 1,
                                         .now = now_system()};
    assert_false(generation_load(&options, &generation, &fixture->problems, &fixture->fault));
    assert_int_equal(fixture->fault.code, FAULT_ENVIRONMENT);
    check_contains(fixture->fault.message, "/nonexistent/policies");
    fixture_write(fixture, "x", "");
    options.directory = text_print(&fixture->arena, "%s/x", fixture->directory);
    assert_false(generation_load(&options, &generation, &fixture->problems, &fixture->fault));
    assert_int_equal(fixture->fault.code, FAULT_ENVIRONMENT);
}

static void only_policy_files_count(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "a.lua", machine);
    fixture_write(fixture, "a_spec.lua", "this is no Lua");
    fixture_write(fixture, ".hidden.lua", "this is no Lua");
    fixture_write(fixture, ".definitions/statute.lua", "this is no Lua");
    fixture_write(fixture, "notes.txt", "this is no Lua");
    fixture_write(fixture, "sub/b.lua", "return roles { r = {} }");
    fixture_write(fixture, "lib/c.lua", "return 1");
    fixture_write(fixture, "sub/lib/d.lua", "return 1");
    fixture_write(fixture, "lib/c_spec.lua", "this is no Lua");
    fixture_load(fixture);
    check_text(generation_files_json(fixture->generation),
               "{\"a.lua\":\"return machine 'm' { initial = 'A', states = { A = {} } }\","
               "\"lib/c.lua\":\"return 1\",\"sub/b.lua\":\"return roles { r = {} }\","
               "\"sub/lib/d.lua\":\"return 1\"}");
}

static void the_name_is_the_hash_of_the_files(void **state) {
    struct fixture *fixture = *state;
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    fixture_write(fixture, "a.lua", machine);
    fixture_load(fixture);
    digest_sha256(generation_files_json(fixture->generation), digest);
    digest_hex(digest, sizeof digest, hex);
    struct text name = generation_name(fixture->generation);
    assert_true(text_equal(name, (struct text){hex, DIGEST_HEX}));
}

static struct text reload(struct fixture *fixture) {
    if (fixture->generation != NULL) {
        generation_unref(fixture->generation);
    }
    fixture_load(fixture);
    return text_copy(&fixture->arena, generation_name(fixture->generation));
}

static void the_name_changes_with_any_file_and_only_then(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "a.lua", machine);
    fixture_write(fixture, "lib/x.lua", "return 1");
    struct text first = reload(fixture);
    fixture_write(fixture, "a_spec.lua", "--");
    assert_true(text_equal(reload(fixture), first));
    fixture_write(fixture, "lib/x.lua", "return 2");
    assert_false(text_equal(reload(fixture), first));
    fixture_write(fixture, "lib/x.lua", "return 1");
    assert_true(text_equal(reload(fixture), first));
}

static void check_problem_of(struct fixture *fixture, const char *file, int line,
                             const char *part) {
    fixture->problems.count = 0;
    assert_false(fixture_try(fixture));
    assert_int_equal(fixture->fault.code, FAULT_POLICY_INVALID);
    check_text(fixture->problems.items[0].file, file);
    assert_int_equal(fixture->problems.items[0].line, line);
    check_says(fixture, fixture->problems.items[0].message, part);
}

static void a_link_that_leaves_the_directory_is_refused(void **state) {
    struct fixture *fixture = *state;
    char path[128];
    fixture_write(fixture, "a.lua", machine);
    snprintf(path, sizeof path, "%s/passwd.lua", fixture->directory);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    check_problem_of(fixture, "passwd.lua", 0, "the link leaves the policy directory");
    unlink(path);
    assert_int_equal(symlink("/nowhere", path), 0);
    check_problem_of(fixture, "passwd.lua", 0, "cannot be read");
    unlink(path);
    snprintf(path, sizeof path, "%s/etc", fixture->directory);
    assert_int_equal(symlink("/etc", path), 0);
    check_problem_of(fixture, "etc", 0, "the link leaves the policy directory");
    unlink(path);
    snprintf(path, sizeof path, "%s/round", fixture->directory);
    assert_int_equal(symlink(".", path), 0);
    check_problem_of(fixture, "round", 0, "leads back to a folder that it is in");
}

static void a_link_within_the_directory_is_followed(void **state) {
    struct fixture *fixture = *state;
    char path[128];
    fixture_write(fixture, "..data_1/a.lua", machine);
    snprintf(path, sizeof path, "%s/..data", fixture->directory);
    assert_int_equal(symlink("..data_1", path), 0);
    snprintf(path, sizeof path, "%s/a.lua", fixture->directory);
    assert_int_equal(symlink("..data/a.lua", path), 0);
    fixture_write(fixture, "..data_1/lib/tool.lua", "return 'tool.use'");
    snprintf(path, sizeof path, "%s/lib", fixture->directory);
    assert_int_equal(symlink("..data/lib", path), 0);
    fixture_write(fixture, "b.lua", "return roles { user = { require 'lib.tool' } }");
    fixture_load(fixture);
    assert_int_equal(generation_machine_count(fixture->generation), 1);
}

static void strange_files_are_refused(void **state) {
    struct fixture *fixture = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/pipe.lua", fixture->directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_problem_of(fixture, "pipe.lua", 0, "it is not a regular file");
    unlink(path);
    fixture_write(fixture, "b.lua", "return roles {}\n-- \xff\n");
    check_problem_of(fixture, "b.lua", 2, "not UTF-8");
    fixture_write_bytes(fixture, "b.lua", (struct text){"\n\x1bLua\0", 6});
    check_problem_of(fixture, "b.lua", 2, "not UTF-8");
    char *large = calloc(1, 1024 * 1024 + 2);
    memset(large, ' ', 1024 * 1024 + 1);
    fixture_write(fixture, "b.lua", large);
    check_problem_of(fixture, "b.lua", 0, "longer than 1 MiB");
    free(large);
}

static void bytecode_is_refused(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "b.lua", "\x1bLuaX");
    fixture->problems.count = 0;
    assert_false(fixture_try(fixture));
    check_text(fixture->problems.items[0].file, "b.lua");
}

static void folders_may_not_be_nested_for_ever(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/a.lua", machine);
    check_problem_of(fixture, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", 0, "16 deep");
}

static void a_reference_keeps_a_generation(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, machine);
    struct generation *again = generation_ref(fixture->generation);
    assert_ptr_equal(again, fixture->generation);
    generation_unref(fixture->generation);
    check_text(generation_machine_at(again, 0)->name, "m");
}

/* --- threads --- */

struct thread {
    struct generation *generation;
    unsigned vm;
    int allowed;
};

static void *decide_much(void *context) {
    struct thread *thread = context;
    struct arena arena;
    arena_init(&arena, 0);
    for (int i = 0; i < 500; i++) {
        struct entity entity = {.machine = TEXT("m"),
                                .id = TEXT("e"),
                                .exists = true,
                                .state = TEXT("A"),
                                .version = 1,
                                .data = &js_empty_object};
        struct attempt attempt = {.kind = ATTEMPT_TRANSITION,
                                  .machine = TEXT("m"),
                                  .id = TEXT("e"),
                                  .to = TEXT("B"),
                                  .reason = TEXT("api")};
        struct policy_reads none = {0};
        struct decision decision;
        struct fault fault = FAULT_INIT;
        struct policy policy = {thread->generation, thread->vm};
        bool ok = policy_decide(policy, &arena, &attempt, &entity, 1, &none, &decision, &fault);
        thread->allowed += ok && decision.code == FAULT_NONE && decision.data->object.count == 1;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    generation_unref(thread->generation);
    return NULL;
}

static void each_thread_has_a_vm_of_its_own(void **state) {
    struct fixture *fixture = *state;
    struct thread threads[4];
    pthread_t handles[4];
    fixture->vm_count = 4;
    fixture_load_source(
        fixture, "local calls = 0\n"
                 "return machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = {\n"
                 "  guard = function() calls = calls + 1 return true end,\n"
                 "  effect = function(_, ctx) return { set = { calls = calls } } end } } } } }");
    for (unsigned i = 0; i < 4; i++) {
        threads[i] = (struct thread){generation_ref(fixture->generation), i, 0};
        assert_int_equal(pthread_create(&handles[i], NULL, decide_much, &threads[i]), 0);
    }
    generation_unref(fixture->generation);
    fixture->generation = NULL;
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(handles[i], NULL);
        assert_int_equal(threads[i].allowed, 500);
    }
}

static void a_library_is_there_for_functions_that_require_it_late(void **state) {
    struct fixture *fixture = *state;
    fixture->vm_count = 2;
    fixture_write(fixture, "lib/x.lua", "return { ok = true }");
    fixture_load_source(
        fixture, "return machine 'm' { initial = 'A', states = { B = {}, C = {}, A = { to = {\n"
                 "  B = { guard = function() return require('lib.x').ok end },\n"
                 "  C = { guard = function() return require('lib.xx').ok end } } } } }");
    check_allowed(fixture_move(fixture, "A", "B", "{}", NULL));
    struct decision decision = fixture_move(fixture, "A", "C", "{}", NULL);
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(fixture, decision.message, "require finds no 'lib/xx.lua'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(an_empty_directory_is_an_empty_generation),
        fixture_test(a_directory_that_is_not_there_is_a_fault_of_the_environment),
        fixture_test(only_policy_files_count),
        fixture_test(the_name_is_the_hash_of_the_files),
        fixture_test(the_name_changes_with_any_file_and_only_then),
        fixture_test(a_link_that_leaves_the_directory_is_refused),
        fixture_test(a_link_within_the_directory_is_followed),
        fixture_test(strange_files_are_refused),
        fixture_test(bytecode_is_refused),
        fixture_test(folders_may_not_be_nested_for_ever),
        fixture_test(a_reference_keeps_a_generation),
        fixture_test(each_thread_has_a_vm_of_its_own),
        fixture_test(a_library_is_there_for_functions_that_require_it_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
