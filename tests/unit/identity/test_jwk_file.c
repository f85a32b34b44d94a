/* The key file: what is in force while it changes, also for who took the keys before. */
#include "unit/identity/token_maker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "identity/jwk_file.h"
#include "identity/jwt_seen.h"

#define ROUNDS 200

struct fixture {
    char directory[64];
    char path[96];
    struct arena arena;
    struct jwk_file *file;
    struct fault fault;
    atomic_bool done;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/statute-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/jwks.json", fixture->directory);
    arena_init(&fixture->arena, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[128];
    jwk_file_close(fixture->file);
    arena_deinit(&fixture->arena);
    snprintf(command, sizeof command, "rm -r '%s'", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static void write_text(struct fixture *fixture, struct text text) {
    FILE *file = fopen(fixture->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.bytes, 1, text.length, file), text.length);
    assert_int_equal(fclose(file), 0);
}

/* `count` secrets, with the ids "0", "1"... */
static void write_keys(struct fixture *fixture, int count) {
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    buffer_add_text(&buffer, TEXT("{\"keys\":["));
    for (int i = 0; i < count; i++) {
        const char *more = text_print(&fixture->arena, ",\"kid\":\"%d\"", i).bytes;
        buffer_add_text(&buffer, i > 0 ? TEXT(",") : TEXT(""));
        buffer_add_text(&buffer, maker_secret_jwk(&fixture->arena, TEXT(MAKER_SECRET), more));
    }
    buffer_add_text(&buffer, TEXT("]}"));
    write_text(fixture, buffer_view(&buffer));
}

static void open_file(struct fixture *fixture) {
    if (!jwk_file_open(text_of(fixture->path), &fixture->file, &fixture->fault)) {
        fail_msg("%s", fixture->fault.message);
    }
}

static void what_it_says_is_in_force_after_a_look(void **state) {
    struct fixture *fixture = *state;
    write_keys(fixture, 2);
    open_file(fixture);
    assert_int_equal(jwk_file_count(fixture->file), 2);
    write_keys(fixture, 3);
    assert_int_equal(jwk_file_count(fixture->file), 2);
    jwk_file_look(fixture->file, false);
    assert_int_equal(jwk_file_count(fixture->file), 3);
    write_keys(fixture, 0);
    jwk_file_look(fixture->file, false);
    assert_int_equal(jwk_file_count(fixture->file), 0);
}

static void a_bad_or_missing_file_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    write_keys(fixture, 2);
    open_file(fixture);
    write_text(fixture, TEXT("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}"));
    jwk_file_look(fixture->file, false);
    assert_int_equal(jwk_file_count(fixture->file), 2);
    assert_int_equal(remove(fixture->path), 0);
    jwk_file_look(fixture->file, false);
    assert_int_equal(jwk_file_count(fixture->file), 2);
    write_keys(fixture, 1);
    jwk_file_look(fixture->file, false);
    assert_int_equal(jwk_file_count(fixture->file), 1);
}

static void keys_that_were_taken_stay_until_they_are_dropped(void **state) {
    struct fixture *fixture = *state;
    unsigned char hash[DIGEST_BYTES] = {1};
    write_keys(fixture, 2);
    open_file(fixture);
    struct jwks *old = jwk_file_take(fixture->file);
    web_token_seen_add(old->seen, hash);
    write_keys(fixture, 1);
    jwk_file_look(fixture->file, false);
    struct jwks *new = jwk_file_take(fixture->file);
    assert_non_null(jwk_set_find(&old->set, TEXT("1"), JWK_HS256));
    assert_null(jwk_set_find(&new->set, TEXT("1"), JWK_HS256));
    assert_true(web_token_seen_has(old->seen, hash));
    assert_false(web_token_seen_has(new->seen, hash));
    jwk_file_drop(old);
    jwk_file_drop(new);
}

static void the_same_content_leaves_the_keys_alone(void **state) {
    struct fixture *fixture = *state;
    write_keys(fixture, 1);
    open_file(fixture);
    struct jwks *before = jwk_file_take(fixture->file);
    write_keys(fixture, 1);
    jwk_file_look(fixture->file, false);
    struct jwks *after = jwk_file_take(fixture->file);
    assert_ptr_equal(before, after);
    jwk_file_drop(before);
    jwk_file_drop(after);
}

static void what_cannot_be_read_is_named(void **state) {
    struct fixture *fixture = *state;
    struct text path = text_of(fixture->path);
    assert_false(jwk_file_open(path, &fixture->file, &fixture->fault));
    assert_int_equal(fixture->fault.code, FAULT_ENVIRONMENT);
    check_contains(fixture->fault.message, "jwks.json' cannot be read: No such file");
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_false(jwk_file_open(path, &fixture->file, &fixture->fault));
    check_contains(fixture->fault.message, "it is not a file");
    assert_int_equal(remove(fixture->path), 0);
    char *blank = arena_alloc(&fixture->arena, 1024 * 1024 + 1);
    memset(blank, ' ', 1024 * 1024 + 1);
    write_text(fixture, (struct text){blank, 1024 * 1024 + 1});
    assert_false(jwk_file_open(path, &fixture->file, &fixture->fault));
    check_contains(fixture->fault.message, "longer than 1 MiB");
}

static void *use_keys(void *context) {
    struct fixture *fixture = context;
    unsigned char hash[DIGEST_BYTES] = {2};
    size_t found = 0;
    while (!atomic_load(&fixture->done)) {
        struct jwks *keys = jwk_file_take(fixture->file);
        found += jwk_set_find(&keys->set, TEXT("0"), JWK_HS256) != NULL;
        web_token_seen_add(keys->seen, hash);
        found += web_token_seen_has(keys->seen, hash);
        jwk_file_drop(keys);
    }
    return (void *)(uintptr_t)found;
}

static void threads_use_keys_while_they_change(void **state) {
    struct fixture *fixture = *state;
    pthread_t threads[3];
    void *found;
    write_keys(fixture, 1);
    open_file(fixture);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_keys, fixture), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        write_keys(fixture, 1 + round % 3);
        jwk_file_look(fixture->file, false);
    }
    atomic_store(&fixture->done, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], &found);
        assert_true((uintptr_t)found > 0);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_it_says_is_in_force_after_a_look),
        CASE(a_bad_or_missing_file_changes_nothing),
        CASE(keys_that_were_taken_stay_until_they_are_dropped),
        CASE(the_same_content_leaves_the_keys_alone),
        CASE(what_cannot_be_read_is_named),
        CASE(threads_use_keys_while_they_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
