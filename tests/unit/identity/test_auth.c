/* API keys: who gets in, with which scopes, and what a store that fails changes about it. */
#include "unit/base/check.h"

#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "identity/token.h"

#define NOW_US   INT64_C(1764000000000000)
#define HOUR_US  (3600 * NOW_SECOND)
#define PATIENCE 50 /* tenths of a second; the keys are read again every second */

struct fixture {
    char directory[64];
    struct arena arena;
    struct text url;
    struct store *store; /* writer */
    struct auth *auth;
    int64_t wall_us;
    struct fault fault;
};

static int64_t wall(void *context) {
    return ((struct fixture *)context)->wall_us;
}

static int64_t monotonic(void *context) {
    (void)context;
    return 0;
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/statute-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    arena_init(&fixture->arena, 0);
    fixture->wall_us = NOW_US;
    fixture->url = text_print(&fixture->arena, "sqlite:%s/store.db", fixture->directory);
    if (!store_open(fixture->url, STORE_WRITER, &fixture->store, &fixture->fault)) {
        fail_msg("%s", fixture->fault.message);
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[128];
    auth_close(fixture->auth);
    store_close(fixture->store);
    arena_deinit(&fixture->arena);
    snprintf(command, sizeof command, "rm -r '%s'", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* Makes a key and returns the header that proves it. */
static struct text make_key(struct fixture *fixture, const char *name, unsigned scopes,
                            int64_t expires_us) {
    struct token_request request = {
        .name = text_of(name), .scopes = scopes, .expires_us = expires_us};
    const struct js *role = js_string(&fixture->arena, TEXT("technician"));
    request.roles = js_array(&fixture->arena, &role, 1);
    struct store_api_key key;
    char token[AUTH_TOKEN_MOST];
    assert_true(token_new(&fixture->arena, &request, NOW_US, &key, token, &fixture->fault));
    if (!token_add(fixture->store, &key, &fixture->fault)) {
        fail_msg("%s", fixture->fault.message);
    }
    return text_print(&fixture->arena, "Bearer %s", token);
}

static void start(struct fixture *fixture) {
    struct now now = {.wall_us = wall, .monotonic_us = monotonic, .context = fixture};
    struct auth_options options = {
        .mode = TEXT("keys"), .listen = TEXT("0.0.0.0:80"), .store_url = fixture->url};
    assert_true(auth_open(&options, now, &fixture->auth, &fixture->fault));
    if (!auth_start(fixture->auth, &fixture->fault)) {
        fail_msg("%s", fixture->fault.message);
    }
}

static bool check(struct fixture *fixture, struct text header, struct caller *caller) {
    fixture->fault = FAULT_INIT;
    return auth_check(fixture->auth, &fixture->arena, header, caller, &fixture->fault);
}

/* RFC 6750 section 3.1: who sent no bearer is not told that it is invalid. */
static void check_refused(struct fixture *fixture, struct text header) {
    static const size_t scheme = sizeof "Bearer " - 1;
    bool has_bearer = header.length > scheme &&
                      text_equal_ignore_case((struct text){header.bytes, scheme}, TEXT("Bearer "));
    struct caller caller;
    assert_false(check(fixture, header, &caller));
    assert_int_equal(fixture->fault.code, has_bearer ? FAULT_INVALID_TOKEN : FAULT_UNAUTHENTICATED);
    assert_int_equal(fault_status(fixture->fault.code), 401);
}

static bool becomes(struct fixture *fixture, struct text header, bool valid) {
    struct timespec pause = {0, 100000000};
    struct caller caller;
    for (int i = 0; i < PATIENCE; i++) {
        if (check(fixture, header, &caller) == valid) {
            return true;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

static void a_key_is_known_by_its_name_scopes_and_roles(void **state) {
    struct fixture *fixture = *state;
    struct text header = make_key(fixture, "pump", SCOPE_READ | SCOPE_AUDIT, 0);
    struct caller caller;
    start(fixture);
    assert_int_equal(auth_key_count(fixture->auth), 1);
    assert_true(check(fixture, header, &caller));
    check_text(caller.name, "pump");
    assert_int_equal(caller.scopes, SCOPE_READ | SCOPE_AUDIT);
    check_text(caller.self->id, "pump");
    check_text(js_print(&fixture->arena, caller.self->roles), "[\"technician\"]");
    check_text(js_print(&fixture->arena, caller.self->permissions), "[]");
}

static void the_scheme_may_be_in_any_case(void **state) {
    struct fixture *fixture = *state;
    struct text header = make_key(fixture, "pump", SCOPE_READ, 0);
    struct text token = {header.bytes + 7, header.length - 7};
    struct caller caller;
    start(fixture);
    assert_true(
        check(fixture, text_print(&fixture->arena, "bearer %.*s", TEXT_ARGS(token)), &caller));
    assert_true(
        check(fixture, text_print(&fixture->arena, "BEARER  %.*s ", TEXT_ARGS(token)), &caller));
    check_refused(fixture, token);
    check_refused(fixture, text_print(&fixture->arena, "Basic %.*s", TEXT_ARGS(token)));
    check_refused(fixture, text_print(&fixture->arena, "Bearer%.*s", TEXT_ARGS(token)));
}

static void every_character_of_a_token_counts(void **state) {
    struct fixture *fixture = *state;
    struct text header = make_key(fixture, "pump", SCOPE_READ, 0);
    start(fixture);
    for (size_t i = 0; i <= header.length; i++) {
        char *changed = arena_alloc(&fixture->arena, header.length + 1);
        memcpy(changed, header.bytes, header.length);
        if (i < header.length) {
            changed[i] = header.bytes[i] == '0' ? '1' : '0';
        }
        check_refused(
            fixture, (struct text){changed, i < header.length ? header.length : header.length - 1});
    }
}

static void what_is_wrong_is_not_told_but_that_a_key_is_needed_is(void **state) {
    struct fixture *fixture = *state;
    struct text expired = make_key(fixture, "old", SCOPE_READ, NOW_US + 1);
    start(fixture);
    fixture->wall_us = NOW_US + 1;
    char first[sizeof fixture->fault.message];
    check_refused(fixture, expired);
    memcpy(first, fixture->fault.message, sizeof first);
    check_refused(fixture, TEXT("Bearer st_0123456789abcdef_"
                                "0123456789012345678901234567890123456789012"));
    assert_string_equal(fixture->fault.message, first);
    check_refused(fixture, TEXT("Bearer x"));
    assert_string_equal(fixture->fault.message, first);
    check_refused(fixture, TEXT_NONE);
    check_contains(fixture->fault.message, "Authorization: Bearer");
}

static void a_key_works_until_it_expires(void **state) {
    struct fixture *fixture = *state;
    struct text header = make_key(fixture, "brief", SCOPE_READ, NOW_US + HOUR_US);
    struct caller caller;
    start(fixture);
    fixture->wall_us = NOW_US + HOUR_US - 1;
    assert_true(check(fixture, header, &caller));
    fixture->wall_us = NOW_US + HOUR_US;
    check_refused(fixture, header);
    assert_int_equal(auth_key_count(fixture->auth), 0);
}

static void a_new_key_works_and_a_revoked_one_does_not_without_a_restart(void **state) {
    struct fixture *fixture = *state;
    struct text old = make_key(fixture, "old", SCOPE_READ, 0);
    start(fixture);
    struct text new = make_key(fixture, "new", SCOPE_READ, 0);
    assert_true(becomes(fixture, new, true));
    assert_true(token_revoke(fixture->store, TEXT("old"), NOW_US, &fixture->fault));
    assert_true(becomes(fixture, old, false));
    assert_int_equal(auth_key_count(fixture->auth), 1);
}

static void an_update_counts_at_once(void **state) {
    struct fixture *fixture = *state;
    struct text old = make_key(fixture, "old", SCOPE_READ, 0);
    struct caller caller;
    start(fixture);
    struct text new = make_key(fixture, "new", SCOPE_READ, 0);
    assert_true(auth_update(fixture->auth, fixture->store, &fixture->fault));
    assert_true(check(fixture, new, &caller));
    assert_true(token_revoke(fixture->store, TEXT("old"), NOW_US, &fixture->fault));
    assert_true(auth_update(fixture->auth, fixture->store, &fixture->fault));
    check_refused(fixture, old);
    assert_true(check(fixture, new, &caller));
}

/* Long enough for the reader thread to come by a few times while the updates go on. */
static void updates_are_never_undone_by_a_read_that_began_before(void **state) {
    struct fixture *fixture = *state;
    struct timespec begun, now;
    struct caller caller;
    char name[16];
    start(fixture);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = 0; i == 0 || now.tv_sec - begun.tv_sec < 4; i++) {
        snprintf(name, sizeof name, "key %d", i);
        struct text header = make_key(fixture, name, SCOPE_READ, 0);
        assert_true(auth_update(fixture->auth, fixture->store, &fixture->fault));
        assert_true(check(fixture, header, &caller));
        assert_true(token_revoke(fixture->store, text_of(name), NOW_US, &fixture->fault));
        assert_true(auth_update(fixture->auth, fixture->store, &fixture->fault));
        for (int again = 0; again < 20; again++) {
            check_refused(fixture, header);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

/* Behind the back of the store, as a disk that fails would. */
static void run_sql(struct fixture *fixture, const char *sql) {
    sqlite3 *database;
    const char *path = text_cstring(&fixture->arena, fixture->url) + strlen("sqlite:");
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    sqlite3_busy_timeout(database, 5000);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static void a_store_that_fails_leaves_the_known_keys_in_force(void **state) {
    struct fixture *fixture = *state;
    struct text header = make_key(fixture, "pump", SCOPE_READ, 0);
    struct text later = make_key(fixture, "later", SCOPE_READ, 0);
    struct timespec three_turns = {3, 200000000};
    struct caller caller;
    start(fixture);
    run_sql(fixture, "ALTER TABLE api_key RENAME TO hidden");
    nanosleep(&three_turns, NULL);
    assert_true(check(fixture, header, &caller));
    run_sql(fixture, "UPDATE hidden SET revoked_us = 1 WHERE name = 'later'");
    assert_true(check(fixture, later, &caller));
    run_sql(fixture, "ALTER TABLE hidden RENAME TO api_key");
    assert_true(becomes(fixture, later, false));
    assert_true(check(fixture, header, &caller));
}

static void an_update_that_fails_leaves_the_known_keys_in_force(void **state) {
    struct fixture *fixture = *state;
    struct text header = make_key(fixture, "pump", SCOPE_READ, 0);
    struct caller caller;
    start(fixture);
    run_sql(fixture, "ALTER TABLE api_key RENAME TO hidden");
    assert_false(auth_update(fixture->auth, fixture->store, &fixture->fault));
    assert_true(check(fixture, header, &caller));
    run_sql(fixture, "ALTER TABLE hidden RENAME TO api_key");
    fixture->fault = FAULT_INIT;
    assert_true(auth_update(fixture->auth, fixture->store, &fixture->fault));
    assert_true(check(fixture, header, &caller));
}

static void without_a_store_it_does_not_start(void **state) {
    struct fixture *fixture = *state;
    struct now now = {.wall_us = wall, .monotonic_us = monotonic, .context = fixture};
    struct auth_options options = {.mode = TEXT("keys"),
                                   .listen = TEXT("127.0.0.1:80"),
                                   .store_url = TEXT("sqlite:/nonexistent/x.db")};
    assert_true(auth_open(&options, now, &fixture->auth, &fixture->fault));
    assert_false(auth_start(fixture->auth, &fixture->fault));
    check_contains(fixture->fault.message, "API keys");
}

static bool opens(struct fixture *fixture, const char *mode, const char *listen) {
    struct now now = {.wall_us = wall, .monotonic_us = monotonic, .context = fixture};
    auth_close(fixture->auth);
    fixture->auth = NULL;
    fixture->fault = FAULT_INIT;
    struct auth_options options = {
        .mode = text_of(mode), .listen = text_of(listen), .store_url = fixture->url};
    return auth_open(&options, now, &fixture->auth, &fixture->fault);
}

static void mode_none_is_for_loopback_addresses(void **state) {
    static const char *const fine[] = {"127.0.0.1:80", "127.1.2.3:0", "[::1]:80", "localhost:80"};
    static const char *const wrong[] = {"0.0.0.0:80",   "[::]:80", "10.0.0.1:80",
                                        ":80",          "80",      "127.0.0.1.example.org:80",
                                        "1270.0.0.1:80"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        assert_true(opens(fixture, "none", fine[i]));
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(opens(fixture, "none", wrong[i]));
        assert_int_equal(fixture->fault.code, FAULT_USAGE);
        check_contains(fixture->fault.message, "loopback");
        assert_true(opens(fixture, "keys", wrong[i]));
    }
}

static void mode_none_believes_everybody(void **state) {
    struct fixture *fixture = *state;
    struct caller caller;
    assert_true(opens(fixture, "none", "127.0.0.1:80"));
    assert_true(auth_is_open(fixture->auth));
    assert_true(auth_start(fixture->auth, &fixture->fault));
    assert_true(auth_update(fixture->auth, fixture->store, &fixture->fault));
    assert_true(check(fixture, TEXT_NONE, &caller));
    check_text(caller.name, "anonymous");
    assert_int_equal(caller.scopes, SCOPE_ALL);
    assert_null(caller.self);
    assert_int_equal(auth_key_count(fixture->auth), 0);
}

static void another_mode_is_the_path_of_a_file(void **state) {
    struct fixture *fixture = *state;
    assert_false(opens(fixture, "/nonexistent/jwks.json", "127.0.0.1:80"));
    assert_int_equal(fixture->fault.code, FAULT_ENVIRONMENT);
    check_contains(fixture->fault.message, "'keys', 'none' or the path of a JWK Set");
    check_contains(fixture->fault.message, "'/nonexistent/jwks.json'");
    assert_false(opens(fixture, "", "127.0.0.1:80"));
    assert_int_equal(fixture->fault.code, FAULT_USAGE);
}

static void rules_for_tokens_need_a_file(void **state) {
    struct fixture *fixture = *state;
    struct now now = {.wall_us = wall, .monotonic_us = monotonic, .context = fixture};
    static const char *const modes[] = {"keys", "none"};
    for (size_t i = 0; i < 2 * COUNT_OF(modes); i++) {
        struct text name = TEXT("somebody");
        struct auth_options options = {.mode = text_of(modes[i / 2]),
                                       .listen = TEXT("127.0.0.1:80"),
                                       .store_url = fixture->url,
                                       .issuer = i % 2 == 0 ? name : TEXT_NONE,
                                       .audience = i % 2 == 1 ? name : TEXT_NONE};
        assert_false(auth_open(&options, now, &fixture->auth, &fixture->fault));
        assert_int_equal(fixture->fault.code, FAULT_USAGE);
        check_contains(fixture->fault.message, "--auth FILE");
    }
}

static void scopes_are_read_from_a_list(void **state) {
    struct fault fault = FAULT_INIT;
    unsigned scopes;
    (void)state;
    assert_true(scope_parse(TEXT("read"), &scopes, &fault));
    assert_int_equal(scopes, SCOPE_READ);
    assert_true(scope_parse(TEXT(" read, admin,act_as "), &scopes, &fault));
    assert_int_equal(scopes, SCOPE_READ | SCOPE_ADMIN | SCOPE_ACT_AS);
    assert_true(scope_parse(TEXT("read,transition,act_as,system,audit,admin"), &scopes, &fault));
    assert_int_equal(scopes, SCOPE_ALL);
    assert_false(scope_parse(TEXT("read,admim"), &scopes, &fault));
    assert_int_equal(fault.code, FAULT_USAGE);
    check_contains(fault.message,
                   "'admim' (did you mean 'admin'?); the scopes are read, transition");
    assert_false(scope_parse(TEXT(""), &scopes, &fault));
    assert_false(scope_parse(TEXT("read,"), &scopes, &fault));
    assert_false(scope_parse(TEXT_NONE, &scopes, &fault));
}

static void a_missing_scope_is_named(void **state) {
    struct fault fault = FAULT_INIT;
    struct caller caller = {.name = TEXT("pump"), .scopes = SCOPE_ADMIN};
    (void)state;
    assert_true(auth_need(&caller, SCOPE_ADMIN, &fault));
    assert_false(auth_need(&caller, SCOPE_READ, &fault));
    assert_int_equal(fault.code, FAULT_PERMISSION_DENIED);
    check_contains(fault.message, "'read'");
    check_contains(fault.message, "'pump'");
}

static void tokens_are_one_word_and_never_the_same(void **state) {
    char token[AUTH_TOKEN_MOST], other[AUTH_TOKEN_MOST], id[17];
    unsigned char hash[DIGEST_BYTES], again[DIGEST_BYTES];
    (void)state;
    for (int i = 0; i < 200; i++) {
        keys_make(token, id, hash);
        keys_make(other, id, again);
        assert_int_equal(strlen(token), 63);
        assert_int_equal(strspn(token + 20, "0123456789abcdefghijklmnopqrstuvwxyz"
                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                         43);
        assert_string_not_equal(token, other);
        assert_memory_not_equal(hash, again, DIGEST_BYTES);
    }
    digest_sha256(text_of(other + 20), hash);
    assert_memory_equal(hash, again, DIGEST_BYTES);
}

static void a_name_that_reads_as_an_id_is_refused(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"0123456789abcdef", "", "a\nb"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct token_request request = {.name = text_of(names[i]), .scopes = SCOPE_READ};
        struct store_api_key key;
        char token[AUTH_TOKEN_MOST];
        assert_false(token_new(&fixture->arena, &request, NOW_US, &key, token, &fixture->fault));
        assert_int_equal(fixture->fault.code, FAULT_BAD_REQUEST);
    }
}

static void names_are_used_once(void **state) {
    struct fixture *fixture = *state;
    struct token_request request = {.name = TEXT("pump"), .scopes = SCOPE_READ};
    struct store_api_key key;
    char token[AUTH_TOKEN_MOST];
    make_key(fixture, "pump", SCOPE_READ, 0);
    assert_true(token_new(&fixture->arena, &request, NOW_US, &key, token, &fixture->fault));
    assert_false(token_add(fixture->store, &key, &fixture->fault));
    assert_int_equal(fixture->fault.code, FAULT_ALREADY_EXISTS);
    assert_false(token_revoke(fixture->store, TEXT("nobody"), NOW_US, &fixture->fault));
    assert_int_equal(fixture->fault.code, FAULT_NOT_FOUND);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_key_is_known_by_its_name_scopes_and_roles),
        CASE(the_scheme_may_be_in_any_case),
        CASE(every_character_of_a_token_counts),
        CASE(what_is_wrong_is_not_told_but_that_a_key_is_needed_is),
        CASE(a_key_works_until_it_expires),
        CASE(a_new_key_works_and_a_revoked_one_does_not_without_a_restart),
        CASE(an_update_counts_at_once),
        CASE(updates_are_never_undone_by_a_read_that_began_before),
        CASE(a_store_that_fails_leaves_the_known_keys_in_force),
        CASE(an_update_that_fails_leaves_the_known_keys_in_force),
        CASE(without_a_store_it_does_not_start),
        CASE(mode_none_is_for_loopback_addresses),
        CASE(mode_none_believes_everybody),
        CASE(another_mode_is_the_path_of_a_file),
        CASE(rules_for_tokens_need_a_file),
        CASE(scopes_are_read_from_a_list),
        CASE(a_missing_scope_is_named),
        CASE(tokens_are_one_word_and_never_the_same),
        CASE(a_name_that_reads_as_an_id_is_refused),
        CASE(names_are_used_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
