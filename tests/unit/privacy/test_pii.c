/* Personal data: what is dropped, masked, hashed and redacted. */
#include "base/digest.h"
#include "privacy/redact.h"
#include "unit/policy/fixture.h"

static void check_clean(struct fixture *fixture, const char *value, const char *expected) {
    check_json(fixture,
               generation_clean(fixture->generation, TEXT_NONE, &fixture->arena,
                                fixture_json(fixture, value)),
               expected);
}

static void check_clean_of(struct fixture *fixture, const char *machine, const char *value,
                           const char *expected) {
    check_json(fixture,
               generation_clean(fixture->generation, text_of(machine), &fixture->arena,
                                fixture_json(fixture, value)),
               expected);
}

static void keys_are_dropped_at_any_depth_in_any_letter_case(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'password', 'Token' } }");
    check_clean(
        fixture,
        "{\"PassWord\":1,\"a\":[{\"TOKEN\":{\"x\":1},\"b\":2}],\"tokens\":3,\"pass\":\"password\"}",
        "{\"a\":[{\"b\":2}],\"pass\":\"password\",\"tokens\":3}");
    check_clean(fixture, "[{\"token\":1},\"token\",null,true]", "[{},\"token\",null,true]");
}

static void without_a_declaration_the_usual_secrets_go(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return roles {}");
    check_clean(fixture,
                "{\"password\":1,\"token\":1,\"secret\":1,\"api_key\":1,\"SSN\":1,\"credit_card\":"
                "1,\"phone\":\"1\"}",
                "{\"phone\":\"1\"}");
}

static void a_declaration_replaces_the_usual_ones(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'x' } }");
    check_clean(fixture, "{\"password\":1,\"x\":1}", "{\"password\":1}");
}

static void what_holds_nothing_personal_is_not_copied(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'x' }, redact = { 'email' } }");
    const struct js *value = fixture_json(fixture, "{\"a\":[1,\"text\",{\"b\":null}]}");
    assert_ptr_equal(generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, value),
                     value);
    assert_null(generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, NULL));
    assert_false(text_given(
        generation_clean_text(fixture->generation, TEXT_NONE, &fixture->arena, TEXT_NONE)));
}

static void masks_leave_the_end(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { mask = { phone = 'last4', email = 'domain' } }");
    check_clean(fixture, "{\"phone\":\"555-867-5309\"}", "{\"phone\":\"****5309\"}");
    check_clean(fixture, "{\"phone\":\"5309\"}", "{\"phone\":\"****\"}");
    check_clean(fixture, "{\"phone\":\"\"}", "{\"phone\":\"****\"}");
    check_clean(fixture, "{\"phone\":\"\\u00e4\\u00f6\\u00fc\\u00df\\u00e9\"}",
                "{\"phone\":\"****\u00f6\u00fc\u00df\u00e9\"}");
    check_clean(fixture, "{\"PHONE\":15551234567}", "{\"PHONE\":\"****4567\"}");
    check_clean(fixture, "{\"phone\":[\"123456\",7654321,{\"a\":1},null]}",
                "{\"phone\":[\"****3456\",\"****4321\",null]}");
    check_clean(fixture, "{\"phone\":{\"home\":\"1\"},\"a\":{\"phone\":true}}",
                "{\"a\":{\"phone\":\"****\"}}");
    check_clean(fixture, "{\"email\":\"ann@example.com\"}", "{\"email\":\"***@example.com\"}");
    check_clean(fixture, "{\"email\":\"a@b@example.com\"}", "{\"email\":\"***@example.com\"}");
    check_clean(fixture, "{\"email\":\"nobody\"}", "{\"email\":\"***\"}");
}

static void hashes_are_keyed(void **state) {
    struct fixture *fixture = *state;
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    fixture->hash_key = TEXT("the key");
    fixture_load_source(fixture, "return pii { hash = { 'employee_code' } }");
    digest_hmac(TEXT("the key"), TEXT("E77"), digest);
    digest_hex(digest, sizeof digest, hex);
    const struct js *clean = generation_clean(
        fixture->generation, TEXT_NONE, &fixture->arena,
        fixture_json(fixture, "{\"Employee_Code\":\"E77\",\"b\":{\"employee_code\":[77,77]}}"));
    struct text code = js_text(js_find(clean, TEXT("Employee_Code")));
    assert_true(text_equal(code, (struct text){hex, DIGEST_HEX}));
    const struct js *list = js_find(js_find(clean, TEXT("b")), TEXT("employee_code"));
    assert_int_equal(list->array.count, 2);
    assert_true(js_equal(list->array.items[0], list->array.items[1]));
    assert_int_equal(list->array.items[0]->string.length, DIGEST_HEX);
}

/* --- paths --- */

struct path_case {
    const char *rules, *value, *expected;
};

static void paths_begin_at_the_root(void **state) {
    static const struct path_case cases[] = {
        {"drop = { 'a.b' }", "{\"a\":{\"b\":1,\"c\":2},\"b\":3,\"x\":{\"a\":{\"b\":4}}}",
         "{\"a\":{\"c\":2},\"b\":3,\"x\":{\"a\":{\"b\":4}}}"},
        {"drop = { 'Customer.ADDRESS.street' }",
         "{\"CUSTOMER\":{\"address\":{\"Street\":\"x\",\"zip\":1}}}",
         "{\"CUSTOMER\":{\"address\":{\"zip\":1}}}"},
        {"drop = { 'a.*.b' }", "{\"a\":[{\"b\":1,\"c\":2},{\"b\":3}],\"d\":[{\"b\":4}]}",
         "{\"a\":[{\"c\":2},{}],\"d\":[{\"b\":4}]}"},
        {"drop = { 'a.*.b' }", "{\"a\":{\"b\":1,\"x\":{\"b\":2,\"c\":3}}}",
         "{\"a\":{\"b\":1,\"x\":{\"c\":3}}}"},
        {"drop = { '*.b' }", "{\"b\":1,\"a\":{\"b\":2,\"a\":{\"b\":3}}}",
         "{\"a\":{\"a\":{\"b\":3}},\"b\":1}"},
        {"drop = { '**.note.text' }",
         "{\"note\":{\"text\":1},\"a\":[[{\"note\":{\"text\":2,\"by\":3}}]],\"text\":4}",
         "{\"a\":[[{\"note\":{\"by\":3}}]],\"note\":{},\"text\":4}"},
        {"drop = { 'a.**.z' }", "{\"a\":{\"z\":1,\"b\":{\"c\":[{\"z\":2}]}},\"z\":3}",
         "{\"a\":{\"b\":{\"c\":[{}]}},\"z\":3}"},
        {"drop = { 'a.**.b.**.c' }", "{\"a\":{\"c\":1,\"b\":{\"c\":2,\"b\":{\"x\":{\"c\":3}}}}}",
         "{\"a\":{\"b\":{\"b\":{\"x\":{}}},\"c\":1}}"},
        {"drop = { '**.**.**.z' }", "{\"z\":1,\"a\":{\"z\":2},\"b\":3}", "{\"a\":{},\"b\":3}"},
        {"drop = { 'a.**' }", "{\"a\":{\"b\":{\"c\":1}},\"d\":1}", "{\"a\":{},\"d\":1}"},
        {"drop = { '**.**.**' }", "{\"a\":{\"b\":1},\"c\":1}", "{}"},
        {"drop = { 'a.*' }", "{\"a\":[1,[2],{\"b\":3}]}", "{\"a\":[]}"},
        {"drop = { '*' }", "{\"a\":1}", "{}"},
        {"mask = { ['a.*.phone'] = 'last4' }",
         "{\"a\":[{\"phone\":\"555-1234\"}],\"phone\":\"555-1234\"}",
         "{\"a\":[{\"phone\":\"****1234\"}],\"phone\":\"555-1234\"}"},
        {"drop = { 'a.b' }", "{\"x\":{\"A.b\":1,\"c\":2}}", "{\"x\":{\"c\":2}}"},
        {"drop = { 'a.b' }", "{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1}]}"},
        {"drop = { 'a.b.c', 'a.b' }", "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{}}"},
        {"drop = { 'a.b.c', 'x.b' }", "{\"a\":{\"b\":{\"c\":1,\"d\":2}},\"x\":{\"b\":3}}",
         "{\"a\":{\"b\":{\"d\":2}},\"x\":{}}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture *fixture = *state;
        fixture_load_source(
            fixture, text_cstring(&fixture->arena, text_print(&fixture->arena, "return pii { %s }",
                                                              cases[i].rules)));
        check_clean(fixture, cases[i].value, cases[i].expected);
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
}

static void in_events_paths_begin_anywhere(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { drop = { 'a.*.b', 'c.**.d' } }");
    const struct js *clean = generation_clean_as(
        fixture->generation, TEXT_NONE, &fixture->arena,
        fixture_json(fixture, "{\"x\":[{\"a\":[{\"b\":1,\"e\":2}]}],\"a\":{\"y\":{\"b\":3}},"
                              "\"f\":{\"c\":{\"g\":[{\"d\":4}]}},\"b\":5}"),
        CLEAN_ANYWHERE);
    check_json(fixture, clean,
               "{\"a\":{\"y\":{}},\"b\":5,\"f\":{\"c\":{\"g\":[{}]}},\"x\":[{\"a\":[{\"e\":2}]}]}");
}

static void the_strictest_rule_holds(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { mask = { phone = 'last4', ['*.mail'] = 'domain' }, "
                                 "drop = { 'a.phone', 'b.mail' }, hash = { 'c.phone' } }");
    check_clean(fixture, "{\"a\":{\"phone\":\"12345678\"},\"b\":{\"mail\":\"a@b.de\"}}",
                "{\"a\":{},\"b\":{}}");
    const struct js *clean = generation_clean(
        fixture->generation, TEXT_NONE, &fixture->arena,
        fixture_json(fixture, "{\"c\":{\"phone\":\"12345678\",\"mail\":\"a@b.de\"}}"));
    const struct js *inside = js_find(clean, TEXT("c"));
    assert_int_equal(js_text(js_find(inside, TEXT("phone"))).length, DIGEST_HEX);
    check_text(js_text(js_find(inside, TEXT("mail"))), "***@b.de");
}

static void wrong_paths_are_refused(void **state) {
    static const char *const wrongs[][2] = {
        {"''", "a key is not empty"},
        {"'a..b'", "a part between its dots that is empty"},
        {"'.a'", "a part between its dots that is empty"},
        {"'a.'", "a part between its dots that is empty"},
        {"'.'", "a part between its dots that is empty"},
        {"'a.b*'", "stands for itself between dots"},
        {"'***'", "stands for itself between dots"},
        {"'pass*'", "stands for itself between dots"},
        {"('a.'):rep(32) .. 'b'", "32 parts at most"},
        {"('a'):rep(257)", "256 bytes at most"},
    };
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        struct fixture *fixture = *state;
        fixture->problems.count = 0;
        fixture_write(fixture, "test.lua",
                      text_cstring(&fixture->arena,
                                   text_print(&fixture->arena, "return pii { drop = { %s } }",
                                              wrongs[i][0])));
        assert_false(fixture_try(fixture));
        assert_int_equal(fixture->problems.count, 1);
        check_says(fixture, fixture->problems.items[0].message, wrongs[i][1]);
    }
}

/* {"a":{"a":...{"z":1}}} */
static const struct js *nested(struct arena *arena, size_t depth) {
    const struct js *value = js_with(arena, NULL, TEXT("z"), js_integer(arena, 1));
    for (size_t i = 0; i < depth; i++) {
        value = js_with(arena, NULL, TEXT("a"), value);
        value = js_with(arena, value, TEXT("b"), js_integer(arena, 1));
    }
    return value;
}

static void many_rules_and_deep_values_take_little_time(void **state) {
    struct fixture *fixture = *state;
    struct now now = now_system();
    fixture->limits.wall_us = 5 * NOW_SECOND; /* the file takes long where a sanitizer watches */
    fixture_load_source(
        fixture,
        "local drop = {}\n"
        "for i = 1, 9000 do drop[i] = ('k%d.x%d.y'):format(i, i) end\n"
        "for i = 1, 900 do drop[#drop + 1] = ('**.a.**.a.**.q%d.*.a.**.r%d'):format(i, i) end\n"
        "drop[#drop + 1] = '**.a.**.a.**.z'\n"
        "return pii { drop = drop }");
    const struct js *deep = nested(&fixture->arena, 128);
    int64_t start_us = now_thread_us(&now);
    const struct js *clean =
        generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, deep);
    assert_true(now_thread_us(&now) - start_us < NOW_SECOND);
    struct text json = js_print(&fixture->arena, clean);
    assert_null(memmem(json.bytes, json.length, "\"z\"", 3));
    assert_int_equal(js_print(&fixture->arena, deep).length - json.length, strlen("\"z\":1"));
}

static void too_many_wildcards_are_refused(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "test.lua",
                  "local drop = {}\nfor i = 1, 1001 do drop[i] = '*.a' .. i end\n"
                  "return pii { drop = drop }");
    assert_false(fixture_try(fixture));
    check_says(fixture, fixture->problems.items[0].message, "more than 1000 paths");
}

/* --- machines --- */

#define MACHINE(name) "machine '" name "' { initial = 'A', states = { A = {} } }"

static void a_machine_has_rules_of_its_own(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "a.lua",
                  "return { " MACHINE("ticket") ", " MACHINE("task") ", " MACHINE("visit") " }");
    fixture_write(
        fixture, "b.lua",
        "return { pii { machines = { 'ticket', 'task', 'task' }, drop = { 'room', 'a.b' },"
        " redact = { 'email' } },\n"
        "pii { machines = { 'ticket' }, mask = { phone = 'last4' } } }");
    fixture_write(fixture, "c.lua",
                  "return pii { drop = { 'password', 'c.d' }, redact = { 'ssn' } }");
    fixture_load(fixture);
    const char *value = "{\"a\":{\"b\":1},\"c\":{\"d\":1},\"password\":1,\"phone\":\"55512345\","
                        "\"room\":1,\"text\":\"a@b.de 123-45-6789\"}";
    check_clean_of(fixture, "ticket", value,
                   "{\"a\":{},\"c\":{},\"phone\":\"****2345\",\"text\":\"[email] [ssn]\"}");
    check_clean_of(fixture, "task", value,
                   "{\"a\":{},\"c\":{},\"phone\":\"55512345\",\"text\":\"[email] [ssn]\"}");
    const char *others = "{\"a\":{\"b\":1},\"c\":{},\"phone\":\"55512345\",\"room\":1,"
                         "\"text\":\"a@b.de [ssn]\"}";
    check_clean_of(fixture, "visit", value, others);
    check_clean_of(fixture, "nobody", value, others);
    check_clean(fixture, value, others);
    check_text(
        generation_clean_text(fixture->generation, TEXT("task"), &fixture->arena, TEXT("a@b.de")),
        "[email]");
    check_text(
        generation_clean_text(fixture->generation, TEXT("visit"), &fixture->arena, TEXT("a@b.de")),
        "a@b.de");
}

static void machines_of_a_declaration_are_there(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "a.lua",
                  "return { " MACHINE("ticket") ",\npii {\nmachines = { 'tiket' } },\n"
                                                "pii { machines = {} } }");
    assert_false(fixture_try(fixture));
    assert_int_equal(fixture->problems.count, 2);
    check_says(fixture, fixture->problems.items[0].message,
               "machines[1]: there is no machine 'tiket'; did you mean 'ticket'?");
    check_says(fixture, fixture->problems.items[1].message, "names no machine");
}

static void a_machine_cannot_have_a_key_two_ways(void **state) {
    struct fixture *fixture = *state;
    fixture_write(
        fixture, "a.lua",
        "return { " MACHINE("ticket") ", pii { machines = { 'ticket' }, drop = { 'a.b' } },"
                                      " pii { machines = { 'ticket' }, hash = { 'A.b' } } }");
    assert_false(fixture_try(fixture));
    check_says(fixture, fixture->problems.items[0].message, "'A.b' already has another treatment");
}

/* --- keys of hashes --- */

#define SECRET_1 "0123456789abcdef-one"
#define SECRET_2 "0123456789abcdef-two"

static bool load_with_keys(struct fixture *fixture, const char *keys) {
    fixture_write(fixture, "test.lua", "return pii { hash = { 'code' }, mask = { a = 'last4' } }");
    fixture_write(fixture, "keys", keys);
    struct generation_options options = {
        .directory = text_of(fixture->directory),
        .limits = fixture->limits,
        .vm_count = 1,
        .now = now_system(),
        .hash_keys = text_print(&fixture->arena, "%s/keys", fixture->directory)};
    return generation_load(&options, &fixture->generation, &fixture->problems, &fixture->fault);
}

static struct text hash_of(struct fixture *fixture, const char *prefix, const char *secret,
                           const char *value) {
    unsigned char digest[DIGEST_BYTES];
    char *hex = arena_alloc(&fixture->arena, DIGEST_HEX + 1);
    digest_hmac(text_of(secret), text_of(value), digest);
    digest_hex(digest, sizeof digest, hex);
    return text_print(&fixture->arena, "%s%s", prefix, hex);
}

static void the_first_key_hashes_and_bears_its_name(void **state) {
    struct fixture *fixture = *state;
    assert_true(load_with_keys(fixture, "# keys\n\n new_2  " SECRET_2 "\r\n\tOld-1\t" SECRET_1));
    const struct js *clean = generation_clean(fixture->generation, TEXT_NONE, &fixture->arena,
                                              fixture_json(fixture, "{\"code\":\"E77\"}"));
    struct text hash = js_text(js_find(clean, TEXT("code")));
    assert_true(text_equal(hash, hash_of(fixture, "new_2:", SECRET_2, "E77")));
}

static void every_key_gives_a_candidate(void **state) {
    struct fixture *fixture = *state;
    assert_true(load_with_keys(fixture, "b " SECRET_2 "\na " SECRET_1 "\n"));
    const struct js *hashes = generation_hashes(
        fixture->generation, TEXT_NONE, &fixture->arena,
        fixture_json(fixture, "{\"x\":[{\"code\":[\"E77\",{\"y\":1}]}],\"a\":\"12345\"}"));
    assert_int_equal(hashes->object.count, 1);
    const struct js *list = js_find(hashes, TEXT("x.0.code.0"));
    assert_int_equal(list->array.count, 2);
    assert_true(text_equal(list->array.items[0]->string, hash_of(fixture, "b:", SECRET_2, "E77")));
    assert_true(text_equal(list->array.items[1]->string, hash_of(fixture, "a:", SECRET_1, "E77")));
    assert_int_equal(
        generation_hashes(fixture->generation, TEXT_NONE, &fixture->arena, NULL)->object.count, 0);
}

static void wrong_key_files_are_told_without_their_secrets(void **state) {
    static const struct {
        const char *keys;
        int line;
        const char *message;
    } wrongs[] = {
        {"", 0, "no key in the file"},
        {"# nothing\n", 0, "no key in the file"},
        {"a " SECRET_1 "\nb tooshortsecret1\n", 2, "shorter than 16 bytes"},
        {"a\n", 1, "shorter than 16 bytes"},
        {"a/b " SECRET_1, 1, "expected a key's id"},
        {"a " SECRET_1 "\n\na " SECRET_2, 3, "the same id"},
        {"a " SECRET_1 " more", 1, "a space in it"},
    };
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        struct fixture *fixture = *state;
        fixture->problems.count = 0;
        assert_false(load_with_keys(fixture, wrongs[i].keys));
        assert_int_equal(fixture->problems.count, 1);
        struct problem problem = fixture->problems.items[0];
        assert_int_equal(problem.line, wrongs[i].line);
        check_says(fixture, problem.message, wrongs[i].message);
        assert_null(memmem(problem.message.bytes, problem.message.length, "0123456789abcdef", 16));
        assert_null(memmem(problem.message.bytes, problem.message.length, "tooshort", 8));
    }
}

static void a_key_file_that_is_not_there_is_a_problem(void **state) {
    struct fixture *fixture = *state;
    fixture_write(fixture, "test.lua", "return roles {}");
    struct generation_options options = {.directory = text_of(fixture->directory),
                                         .limits = fixture->limits,
                                         .now = now_system(),
                                         .hash_keys = TEXT("/nowhere/keys")};
    assert_false(
        generation_load(&options, &fixture->generation, &fixture->problems, &fixture->fault));
    check_says(fixture, fixture->problems.items[0].message, "cannot be read: No such file");
}

/* --- properties --- */

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static const struct js *random_text(struct arena *arena, uint32_t *random) {
    static const char *const pieces[] = {"a@b.de",
                                         "4111 1111 1111 1111",
                                         "-",
                                         " ",
                                         "123-45-6789",
                                         "+1 (415) 555-2671",
                                         "x",
                                         ".",
                                         "@",
                                         "7",
                                         "DE89370400440532013000",
                                         "(",
                                         "/",
                                         "4111111111111111"};
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (uint32_t count = next_random(random) % 6; count > 0; count--) {
        buffer_add_text(&buffer, text_of(pieces[next_random(random) % COUNT_OF(pieces)]));
    }
    return js_string(arena, buffer_view(&buffer));
}

static const struct js *random_value(struct arena *arena, uint32_t *random, int depth,
                                     const char *const *keys, uint32_t key_count) {
    uint32_t kind = next_random(random) % (depth > 0 ? 6 : 4);
    if (kind < 2) {
        return random_text(arena, random);
    }
    if (kind < 4) {
        return js_integer(arena, next_random(random));
    }
    const struct js *value = kind == 4 ? &js_empty_object : &js_empty_array;
    for (uint32_t count = next_random(random) % 5; count > 0; count--) {
        const struct js *inside = random_value(arena, random, depth - 1, keys, key_count);
        value = kind == 4
                    ? js_with(arena, value, text_of(keys[next_random(random) % key_count]), inside)
                    : js_append(arena, value, inside);
    }
    return value;
}

static void cleaning_twice_is_cleaning_once(void **state) {
    static const char *const keys[] = {"code", "phone", "mail", "gone", "a", "b", "c", "a@b.de"};
    struct fixture *fixture = *state;
    fixture_write(fixture, "test.lua",
                  "return pii { drop = { 'gone', 'a.*.b' }, hash = { 'code', '**.c.c' },\n"
                  "mask = { phone = 'last4', ['**.a.mail'] = 'domain' },\n"
                  "redact = { 'email', 'card', 'ssn', 'phone', 'iban' } }");
    fixture_write(fixture, "keys", "k1 " SECRET_1);
    struct generation_options options = {
        .directory = text_of(fixture->directory),
        .limits = fixture->limits,
        .vm_count = 1,
        .now = now_system(),
        .hash_keys = text_print(&fixture->arena, "%s/keys", fixture->directory)};
    assert_true(
        generation_load(&options, &fixture->generation, &fixture->problems, &fixture->fault));
    uint32_t random = 7;
    for (int i = 0; i < 5000; i++) {
        struct arena *arena = &fixture->arena;
        const struct js *value = random_value(arena, &random, 5, keys, COUNT_OF(keys));
        const struct js *once = generation_clean(fixture->generation, TEXT_NONE, arena, value);
        const struct js *twice = generation_clean(fixture->generation, TEXT_NONE, arena, once);
        check_text(js_print(arena, twice), text_cstring(arena, js_print(arena, once)));
        const struct js *again =
            generation_clean_as(fixture->generation, TEXT_NONE, arena, once, CLEAN_AGAIN);
        assert_true(js_equal(again, once));
    }
}

static void a_value_without_personal_keys_is_the_same_value(void **state) {
    static const char *const keys[] = {"d", "e", "f", "Phones", "co", "codes", "aa"};
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return pii { drop = { 'gone', 'a.*.b', '**.x.**.y' }, hash = { 'code' } }");
    uint32_t random = 11;
    for (int i = 0; i < 2000; i++) {
        const struct js *value = random_value(&fixture->arena, &random, 5, keys, COUNT_OF(keys));
        assert_ptr_equal(generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, value),
                         value);
    }
}

static void a_plain_hash_is_kept_only_when_it_was_cleaned_before(void **state) {
    struct fixture *fixture = *state;
    fixture->hash_key = TEXT("the key");
    fixture_load_source(fixture, "return pii { hash = { 'code' } }");
    const struct js *once = generation_clean(fixture->generation, TEXT_NONE, &fixture->arena,
                                             fixture_json(fixture, "{\"code\":\"E77\"}"));
    assert_true(js_equal(
        generation_clean_as(fixture->generation, TEXT_NONE, &fixture->arena, once, CLEAN_AGAIN),
        once));
    assert_false(
        js_equal(generation_clean(fixture->generation, TEXT_NONE, &fixture->arena, once), once));
}

/* --- what a policy says --- */

static struct decision said(struct fixture *fixture, const char *guard, const char *data,
                            const char *metadata) {
    fixture_load_source(
        fixture,
        text_cstring(
            &fixture->arena,
            text_print(
                &fixture->arena,
                "return { pii { drop = { 'password' }, hash = { 'meta.code' }, redact = { "
                "'email' } },\nmachine 'm' { initial = 'A', states = { A = { to = { B = { guard "
                "= function(data, ctx) %s end } } }, B = {} } } }",
                guard)));
    struct attempt attempt = fixture_attempt("B");
    struct entity entity = fixture_entity(fixture, "A", data);
    attempt.metadata = fixture_json(fixture, metadata);
    struct decision decision = fixture_decide(fixture, &attempt, &entity);
    generation_clean_decision(fixture->generation, &fixture->arena, &attempt, &entity, &decision);
    return decision;
}

static void refusals_do_not_quote_what_is_personal(void **state) {
    struct decision decision = said(
        *state,
        "return false, 'no ' .. data.password .. ' for ' .. ctx.metadata.meta.code .. ' at a@b.de'",
        "{\"password\":{\"old\":[\"hunter2\",1]}, \"x\":1}", "{\"meta\":{\"code\":\"E-4711\"}}");
    check_refused(decision, FAULT_POLICY_ERROR); /* a table cannot be joined: says Lua */
    struct fixture *fixture = *state;
    generation_unref(fixture->generation);
    decision = said(
        *state,
        "return false, 'no ' .. data.password .. ' for ' .. ctx.metadata.meta.code .. ' at a@b.de'",
        "{\"password\":\"hunter2\"}", "{\"meta\":{\"code\":4711}}");
    check_refused(decision, FAULT_GUARD_REJECTED);
    check_json(fixture, decision.messages, "[\"no [hidden] for [hidden] at [email]\"]");
    assert_null(memmem(decision.message.bytes, decision.message.length, "hunter2", 7));
}

static void errors_of_lua_do_not_quote_what_is_personal(void **state) {
    struct decision decision = said(*state, "error('no customer ' .. data.password.old[1])",
                                    "{\"password\":{\"old\":[\"hunter2\",1]}}", "{}");
    check_refused(decision, FAULT_POLICY_ERROR);
    check_says(*state, decision.message, "no customer [hidden]");
}

static void all_that_is_personal_is_looked_for_however_much_is_sent(void **state) {
    struct fixture *fixture = *state;
    struct buffer json;
    buffer_init(&json, &fixture->arena);
    buffer_print(&json, "{\"password\":[");
    for (int i = 0; i < 5000; i++) {
        buffer_print(&json, "\"junk-%d\",", i);
    }
    buffer_add(&json, "1]}\0", 4);
    struct decision decision = said(fixture, "return false, 'no ' .. data.password .. '!'",
                                    "{\"password\":\"hunter2\"}", buffer_view(&json).bytes);
    check_json(fixture, decision.messages, "[\"no [hidden]!\"]");
}

static void quotes_are_hidden_whole_where_they_overlap(void **state) {
    static const struct {
        const char *said, *expected;
    } cases[] = {
        {"abcdefgh", "[hidden]"},
        {"xabcdex", "x[hidden]x"},
        {"abcdeabcde", "[hidden][hidden]"},
        {"abcdabcdab", "[hidden]"},
        {"abcdefg", "[hidden]g"},
        {"hidden", "[hidden]"},
        {"abc", "abc"},
        {"zabcd", "z[hidden]"},
        {"abcdx", "[hidden]x"},
        {"[hidden]", "[[hidden]]"},
        {"cdefg abc", "cdefg abc"},
        {"abca", "abca"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *guard = text_cstring(
            &fixture->arena, text_print(&fixture->arena, "return false, '%s'", cases[i].said));
        const char *expected = text_cstring(
            &fixture->arena, text_print(&fixture->arena, "[\"%s\"]", cases[i].expected));
        struct decision decision =
            said(fixture, guard,
                 "{\"password\":[\"abcde\",\"cdefgh\",\"abcd\",\"abcdef\",\"cdabcdab\",\"hidden\","
                 "\"abc\",\"abcdabcx\"]}",
                 "{}");
        check_json(fixture, decision.messages, expected);
        check_text(decision.message, cases[i].expected);
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
}

/* The message ends within the quote: each number of its bytes. */
static void what_is_cut_off_a_message_leaves_no_start_of_a_quote(void **state) {
    struct fixture *fixture = *state;
    for (int length = 370; length < 400; length++) {
        const char *guard = text_cstring(
            &fixture->arena,
            text_print(&fixture->arena, "error(('x'):rep(%d) .. data.password)", length));
        struct decision decision = said(fixture, guard, "{\"password\":\"hunter2-secret\"}", "{}");
        check_refused(decision, FAULT_POLICY_ERROR);
        assert_null(memmem(decision.message.bytes, decision.message.length, "hunt", 4));
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
    struct decision decision = said(fixture, "return false, ('x'):rep(1994) .. data.password",
                                    "{\"password\":\"hunter2-secret\"}", "{}");
    assert_null(memmem(decision.message.bytes, decision.message.length, "hunt", 4));
}

static void what_is_cut_off_a_message_leaves_no_start_of_a_pattern(void **state) {
    static const char *const personal[] = {"ann.smith@firm.example",
                                           "write to ann.smith@firm.example"};
    struct fixture *fixture = *state;
    for (int length = 360; length < 400; length++) {
        const char *guard = text_cstring(
            &fixture->arena, text_print(&fixture->arena, "error(('x'):rep(%d) .. ' %s')", length,
                                        personal[length % 2]));
        struct decision decision = said(fixture, guard, "{}", "{}");
        assert_null(memmem(decision.message.bytes, decision.message.length, "ann", 3));
        generation_unref(fixture->generation);
        fixture->generation = NULL;
    }
}

static void an_error_is_one_line_and_so_is_what_it_quotes(void **state) {
    struct decision decision = said(*state, "error('lives at ' .. data.password)",
                                    "{\"password\":\"1 Road\\n2 Town\"}", "{}");
    check_says(*state, decision.message, "lives at [hidden]");
}

static void explanations_do_not_quote_what_is_personal(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture, "return { pii { drop = { 'password' }, redact = { 'email' } },\n"
                 "machine 'm' { initial = 'A', states = { B = {}, A = { to = { B = { guard =\n"
                 "function(data, ctx) return data[ctx.metadata.password] ~= nil and\n"
                 "data[ctx.metadata.mail] ~= nil, 'no ' .. ctx.metadata.password end } } } } } }");
    struct attempt attempt = fixture_attempt("B");
    struct entity entity = fixture_entity(fixture, "A", "{}");
    attempt.explain = true;
    static const char *const sent[] = {"{\"password\":\"hunter2\"}",
                                       "{\"password\":\"hunter2\",\"mail\":\"ann@firm.example\"}"};
    for (size_t i = 0; i < COUNT_OF(sent); i++) {
        attempt.metadata = fixture_json(fixture, sent[i]);
        entity = fixture_entity(fixture, "A", i == 0 ? "{}" : "{\"hunter2\":1}");
        struct decision decision = fixture_decide(fixture, &attempt, &entity);
        generation_clean_decision(fixture->generation, &fixture->arena, &attempt, &entity,
                                  &decision);
        check_json(fixture, js_find(js_find(decision.explanation, TEXT("nearest")), TEXT("fields")),
                   i == 0 ? "[\"[hidden]\"]" : "[\"[email]\"]");
        struct text all = js_print(&fixture->arena, decision.explanation);
        assert_null(memmem(all.bytes, all.length, "hunter2", 7));
        assert_null(memmem(all.bytes, all.length, "firm.example", 12));
    }
}

/* --- free text --- */

struct text_case {
    const char *text, *expected;
};

static void check_texts(void **state, const char *patterns, const struct text_case *cases,
                        size_t count) {
    struct fixture *fixture = *state;
    fixture_load_source(
        fixture,
        text_cstring(&fixture->arena,
                     text_print(&fixture->arena, "return pii { redact = { %s } }", patterns)));
    for (size_t i = 0; i < count; i++) {
        check_text(generation_clean_text(fixture->generation, TEXT_NONE, &fixture->arena,
                                         text_of(cases[i].text)),
                   cases[i].expected);
    }
}

static void email_addresses_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"write to ann@example.com now", "write to [email] now"},
        {"ann@example.com", "[email]"},
        {"<ann.b+c_d%e-f@mail.example.co.uk>, bob@x.io.", "<[email]>, [email]."},
        {"mailto:Ann@Example.COM?x", "mailto:[email]?x"},
        {"jos\u00e9@ex\u00e4mple.com", "[email]"},
        {"o'brien@example.com", "[email]"},
        {"root@localhost", "root@localhost"},
        {"a@b.c", "a@b.c"},
        {"@example.com", "@example.com"},
        {"a@@example.com", "a@@example.com"},
        {"a@.com", "a@.com"},
        {"x@y@example.com", "x@[email]"},
        {"ends with @", "ends with @"},
        {"", ""},
    };
    check_texts(state, "'email'", cases, COUNT_OF(cases));
}

static void cards_are_redacted_by_luhn(void **state) {
    static const struct text_case cases[] = {
        {"card 4111111111111111.", "card [card]."},
        {"4111 1111 1111 1111", "[card]"},
        {"4111-1111-1111-1111 and 5500 0000 0000 0004", "[card] and [card]"},
        {"378282246310005", "[card]"},
        {"6011000990139424", "[card]"},
        {"4111111111111112", "4111111111111112"},
        {"4222222222222", "[card]"},
        {"order 12 4111111111111111", "order 12 [card]"},
        {"41111111111111110000000", "41111111111111110000000"},
        {"1234567890", "1234567890"},
        {"4111  1111 - 1111 1111", "[card]"},
        {"4111/1111/1111/1111", "4111/1111/1111/1111"},
        {"4111.1111.1111.1111.", "[card]."},
        {"no. 3.4111111111111111", "no. 3.[card]"},
        {"6304000000000000000", "[card]"},
        {"63040000000000000000", "63040000000000000000"},
        {"42222222222", "42222222222"},
        {"12345678901234567890 4111111111111111", "12345678901234567890 [card]"},
        {"\u0664111111111111111", "\u0664111111111111111"},
        {"\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11"
         "\uff11"
         "\uff11",
         "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11"
         "\uff11"
         "\uff11"},
        {"4111 1111 1111 1111 4111 1111 1111 1111", "[card] [card]"},
    };
    check_texts(state, "'card'", cases, COUNT_OF(cases));
}

static void numbers_that_are_cards_are_redacted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { redact = { 'card' } }");
    check_clean(fixture, "{\"a\":4111111111111111,\"b\":[378282246310005,4111111111111112]}",
                "{\"a\":\"[card]\",\"b\":[\"[card]\",4111111111111112]}");
    check_clean(fixture,
                "{\"a\":4111111111111111.0,\"b\":[4.111111111111111e15,4.5e15,-4.5e15,1e300]}",
                "{\"a\":\"[card]\",\"b\":[\"[card]\",4500000000000000,-4500000000000000,1e+300]}");
    check_clean(fixture, "{\"at\":1759289400000007,\"n\":-4111111111111111,\"small\":0}",
                "{\"at\":1759289400000007,\"n\":-4111111111111111,\"small\":0}");
}

static void ibans_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"to DE89370400440532013000, please", "to [iban], please"},
        {"to DE89 3704 0044 0532 0130 00 please", "to [iban] please"},
        {"GB82WEST12345698765432", "[iban]"},
        {"gb82 west 1234 5698 7654 32", "[iban]"},
        {"NO9386011117947", "[iban]"},
        {"MT84MALT011000012345MTLCAST001S", "[iban]"},
        {"DE88370400440532013000", "DE88370400440532013000"},
        {"XDE89370400440532013000", "XDE89370400440532013000"},
        {"DE89  3704 0044 0532 0130 00", "DE89  3704 0044 0532 0130 00"},
        {"DE89", "DE89"},
        {"D", "D"},
    };
    check_texts(state, "'iban'", cases, COUNT_OF(cases));
}

static void ssns_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"ssn 123-45-6789!", "ssn [ssn]!"}, {"123-45-67890", "123-45-67890"},
        {"0123-45-6789", "0123-45-6789"},   {"123-456-789", "123-456-789"},
        {"123-45-678", "123-45-678"},       {"123-45-6789,123-45-6789", "[ssn],[ssn]"},
    };
    check_texts(state, "'ssn'", cases, COUNT_OF(cases));
}

static void phone_numbers_are_redacted(void **state) {
    static const struct text_case cases[] = {
        {"call +1 (415) 555-2671 now", "call [phone] now"},
        {"(415) 555-2671", "[phone]"},
        {"415.555.2671", "[phone]"},
        {"+91 98765 43210", "[phone]"},
        {"+49 30 1234", "[phone]"},
        {"room 1234567", "room 1234567"},
        {"on 2025-10-01 03:30", "on 2025-10-01 03:30"},
        {"2025-10-01T03:30:00Z", "2025-10-01T03:30:00Z"},
        {"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"},
        {"1234567890123456", "1234567890123456"},
    };
    check_texts(state, "'phone'", cases, COUNT_OF(cases));
}

static void patterns_work_together(void **state) {
    static const struct text_case cases[] = {
        {"4111111111111111@example.com 123-45-6789 4111111111111111", "[email] [ssn] [card]"},
        {"a1b2@example.com4111111111111111", "[email]"},
    };
    check_texts(state, "'email', 'card', 'ssn'", cases, COUNT_OF(cases));
}

static void strings_and_keys_within_values_are_redacted(void **state) {
    struct fixture *fixture = *state;
    fixture_load_source(fixture, "return pii { redact = { 'email' }, drop = { 'x' } }");
    check_clean(fixture, "{\"note\":\"to ann@example.com\",\"ann@example.com\":[\"a@b.de\",1]}",
                "{\"[email]\":[\"[email]\",1],\"note\":\"to [email]\"}");
}

#define LINEAR_SMALL (64 * 1024)
#define LINEAR_TIMES 8 /* how much larger the other one is */
#define LINEAR_SLACK 2 /* a quadratic pass would need LINEAR_TIMES times as much again */
#define LINEAR_FLOOR (2 * NOW_MILLISECOND)
#define LINEAR_RUNS  10

static void fill_with(char *bytes, size_t size, const char *piece) {
    for (size_t at = 0; at < size; at++) {
        bytes[at] = piece[at % strlen(piece)];
    }
}

/* The thread's own time, as other programs run beside this one; `least_us` keeps the least. */
static void time_redaction(struct text text, int64_t *least_us) {
    struct now now = now_system();
    struct arena arena;
    arena_init(&arena, 0);
    int64_t start_us = now_thread_us(&now);
    redact(&arena, text, REDACT_EMAIL | REDACT_CARD | REDACT_SSN | REDACT_PHONE | REDACT_IBAN);
    int64_t took_us = now_thread_us(&now) - start_us;
    arena_deinit(&arena);
    *least_us = took_us < *least_us ? took_us : *least_us;
}

/* What disturbs a run makes it longer, never shorter: each size counts by its best run, and there
 * are more runs only while the best ones do not show it. */
static bool is_linear(const char *bytes) {
    int64_t small_us = INT64_MAX, large_us = INT64_MAX;
    bool linear = false;
    for (int run = 0; run < LINEAR_RUNS && !linear; run++) {
        time_redaction((struct text){bytes, LINEAR_SMALL}, &small_us);
        time_redaction((struct text){bytes, (size_t)LINEAR_SMALL * LINEAR_TIMES}, &large_us);
        int64_t base_us = small_us > LINEAR_FLOOR ? small_us : LINEAR_FLOOR;
        linear = large_us <= LINEAR_SLACK * LINEAR_TIMES * base_us;
    }
    return linear;
}

/* The worst texts for each pattern: eight times as much takes eight times as long, not 64 times. */
static void redaction_takes_linear_time(void **state) {
    (void)state;
    static const char *const pieces[] = {"a",     "1",    "1 ",    "@",     "a@",   "1-",
                                         "a.",    "+1",   "(1",    "@a",    "a@a.", "111-11-111",
                                         "4111 ", "DE11", "DE11 ", "AA11a "};
    char *bytes = malloc((size_t)LINEAR_SMALL * LINEAR_TIMES);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        fill_with(bytes, (size_t)LINEAR_SMALL * LINEAR_TIMES, pieces[i]);
        assert_true(is_linear(bytes));
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        fixture_test(keys_are_dropped_at_any_depth_in_any_letter_case),
        fixture_test(without_a_declaration_the_usual_secrets_go),
        fixture_test(a_declaration_replaces_the_usual_ones),
        fixture_test(what_holds_nothing_personal_is_not_copied),
        fixture_test(masks_leave_the_end),
        fixture_test(hashes_are_keyed),
        fixture_test(paths_begin_at_the_root),
        fixture_test(in_events_paths_begin_anywhere),
        fixture_test(the_strictest_rule_holds),
        fixture_test(wrong_paths_are_refused),
        fixture_test(many_rules_and_deep_values_take_little_time),
        fixture_test(too_many_wildcards_are_refused),
        fixture_test(a_machine_has_rules_of_its_own),
        fixture_test(machines_of_a_declaration_are_there),
        fixture_test(a_machine_cannot_have_a_key_two_ways),
        fixture_test(the_first_key_hashes_and_bears_its_name),
        fixture_test(every_key_gives_a_candidate),
        fixture_test(wrong_key_files_are_told_without_their_secrets),
        fixture_test(a_key_file_that_is_not_there_is_a_problem),
        fixture_test(cleaning_twice_is_cleaning_once),
        fixture_test(a_value_without_personal_keys_is_the_same_value),
        fixture_test(a_plain_hash_is_kept_only_when_it_was_cleaned_before),
        fixture_test(refusals_do_not_quote_what_is_personal),
        fixture_test(errors_of_lua_do_not_quote_what_is_personal),
        fixture_test(all_that_is_personal_is_looked_for_however_much_is_sent),
        fixture_test(quotes_are_hidden_whole_where_they_overlap),
        fixture_test(what_is_cut_off_a_message_leaves_no_start_of_a_quote),
        fixture_test(what_is_cut_off_a_message_leaves_no_start_of_a_pattern),
        fixture_test(an_error_is_one_line_and_so_is_what_it_quotes),
        fixture_test(explanations_do_not_quote_what_is_personal),
        fixture_test(numbers_that_are_cards_are_redacted),
        fixture_test(ibans_are_redacted),
        fixture_test(email_addresses_are_redacted),
        fixture_test(cards_are_redacted_by_luhn),
        fixture_test(ssns_are_redacted),
        fixture_test(phone_numbers_are_redacted),
        fixture_test(patterns_work_together),
        fixture_test(strings_and_keys_within_values_are_redacted),
        fixture_test(redaction_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
