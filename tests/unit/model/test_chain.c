#include "unit/base/check.h"

#include "base/js.h"
#include "model/chain.h"

/* The expected texts and hashes were made by another program (Python's json and hashlib). */
static const char FULL[] =
    "{\"action\":\"transition\",\"actor\":{\"attributes\":{\"site\":\"Pune\"},\"id\":\"u-1\","
    "\"permissions\":[\"task.close\"],\"roles\":[\"technician\",\"näher\"]},"
    "\"batch\":\"01890a5d-ac96-774b-bcce-b302099a8059\","
    "\"caused_by\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"changes\":{\"note\":\"x\"},"
    "\"comments\":\"line\\n\\\"quoted\\\" é €\","
    "\"data_hash\":\"be7d6db86e0c5b0b496c4f424a10de3e76ea9752b7ce20b3e0700e2f24d8089e\","
    "\"entity_id\":\"T-1 \\\"x\\\"\","
    "\"error_code\":null,\"error_message\":null,\"execution_us\":321,\"from_state\":\"ASSIGNED\","
    "\"isolation\":\"read committed\",\"lock_key\":\"state_transition:task:T-1 \\\"x\\\"\","
    "\"lock_us\":12,\"machine\":\"task\",\"metadata\":{\"a\":1,\"b\":[true,null,2.5]},"
    "\"patch\":{\"note\":\"x\"},\"policy\":\"abc123\",\"reason\":\"user_action\","
    "\"request_id\":\"req-9\",\"retries\":0,\"sequence\":2,\"success\":true,"
    "\"timestamp\":\"2025-10-01T03:30:00.5Z\",\"to_state\":\"INPROGRESS\",\"transition\":\"start\","
    "\"uuid\":\"01890a5d-ac96-774b-bcce-b302099a8058\",\"version\":7}";
static const char FULL_HASH[] = "480d8bd54bdc21f086befea69f6d233be6e4e217935ba386a3aae44dbc5cb7d4";

static const char BARE[] =
    "{\"action\":\"create\",\"actor\":null,\"batch\":null,\"caused_by\":null,\"changes\":{},"
    "\"comments\":null,"
    "\"data_hash\":null,\"entity_id\":\"9\",\"error_code\":\"entity_not_found\","
    "\"error_message\":\"there is no task 9\",\"execution_us\":0,\"from_state\":null,"
    "\"isolation\":\"serializable\",\"lock_key\":\"state_transition:task:9\",\"lock_us\":0,"
    "\"machine\":\"task\",\"metadata\":null,\"patch\":null,\"policy\":\"p\",\"reason\":\"api\","
    "\"request_id\":null,\"retries\":3,\"sequence\":1,\"success\":false,"
    "\"timestamp\":\"1970-01-01T00:00:00Z\",\"to_state\":null,\"transition\":null,"
    "\"uuid\":\"00000000-0000-7000-8000-000000000000\",\"version\":0}";
static const char BARE_HASH[] = "42628e6980705dd3c2a15fee108ca2d36936aee1a45bad4e9a3c8250218281c3";

static int with_arena(void **state) {
    struct arena *arena = malloc(sizeof *arena);
    arena_init(arena, 0);
    *state = arena;
    return 0;
}

static int without_arena(void **state) {
    arena_deinit(*state);
    free(*state);
    return 0;
}

static const struct js *parse(struct arena *arena, struct text text) {
    struct fault fault = FAULT_INIT;
    const struct js *value = NULL;
    assert_true(js_parse(arena, text, &value, &fault));
    return value;
}

static const struct js *json(struct arena *arena, const char *text) {
    return parse(arena, text_of(text));
}

static struct text full_record(struct arena *arena) {
    struct actor actor = {
        .id = TEXT("u-1"),
        .roles = json(arena, "[\"technician\",\"näher\"]"),
        .permissions = json(arena, "[\"task.close\"]"),
        .attributes = json(arena, "{\"site\":\"Pune\"}"),
    };
    struct record record = {
        .uuid = "01890a5d-ac96-774b-bcce-b302099a8058",
        .sequence = 2,
        .machine = TEXT("task"),
        .entity_id = TEXT("T-1 \"x\""),
        .from_state = TEXT("ASSIGNED"),
        .to_state = TEXT("INPROGRESS"),
        .actor = &actor,
        .action = TEXT("transition"),
        .reason = TEXT("user_action"),
        .comments = TEXT("line\n\"quoted\" é €"),
        .metadata = json(arena, "{\"b\":[true,null,2.50],\"a\":1}"),
        .transition = TEXT("start"),
        .batch = TEXT("01890a5d-ac96-774b-bcce-b302099a8059"),
        .patch = json(arena, "{\"note\":\"x\"}"),
        .changes = json(arena, "{\"note\":\"x\"}"),
        .version = 7,
        .data_hash = chain_data_hash(arena, TEXT("{\"note\":\"x\"}")),
        .timestamp_us = 1759289400500000,
        .success = true,
        .execution_us = 321,
        .lock_us = 12,
        .isolation = TEXT("read committed"),
        .policy = TEXT("abc123"),
        .request_id = TEXT("req-9"),
        .caused_by = TEXT("01890a5d-ac96-774b-bcce-b302099a8057"),
    };
    return chain_record(arena, &record);
}

static struct text bare_record(struct arena *arena) {
    struct record record = {
        .uuid = "00000000-0000-7000-8000-000000000000",
        .sequence = 1,
        .machine = TEXT("task"),
        .entity_id = TEXT("9"),
        .action = TEXT("create"),
        .changes = &js_empty_object,
        .reason = TEXT("api"),
        .error_code = "entity_not_found",
        .error_message = TEXT("there is no task 9"),
        .isolation = TEXT("serializable"),
        .retries = 3,
        .policy = TEXT("p"),
    };
    return chain_record(arena, &record);
}

static void check_hash(const unsigned char hash[DIGEST_BYTES], const char *expected) {
    char hex[DIGEST_HEX];
    digest_hex(hash, DIGEST_BYTES, hex);
    check_text(((struct text){hex, sizeof hex}), expected);
}

static void a_record_has_fixed_bytes(void **state) {
    check_text(full_record(*state), FULL);
}

static void what_is_not_given_is_null(void **state) {
    check_text(bare_record(*state), BARE);
}

static void a_record_is_canonical(void **state) {
    check_text(js_print(*state, json(*state, FULL)), FULL);
    check_text(js_print(*state, json(*state, BARE)), BARE);
}

static void the_hash_of_data_is_that_of_its_canonical_text(void **state) {
    const struct js *data = json(*state, "{\"z\": [1, 2.50], \"a\": \"é\"}");
    check_text(chain_data_hash(*state, js_print(*state, data)),
               "c6ae404e714c2bf4a85f1b4b5732df6ea39df2044156838bc149d045ad53af7c");
    check_text(chain_data_hash(*state, TEXT("{}")),
               "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

static void an_actor_shows_only_what_it_has(void **state) {
    struct actor actor = {.id = TEXT("u-2")};
    struct record record = {.uuid = "00000000-0000-7000-8000-000000000000", .actor = &actor};
    const struct js *made = parse(*state, chain_record(*state, &record));
    check_text(js_print(*state, js_find(made, TEXT("actor"))), "{\"id\":\"u-2\"}");
}

static void an_actor_without_id_has_a_null_one(void **state) {
    struct actor actor = {.roles = &js_empty_array};
    struct record record = {.uuid = "00000000-0000-7000-8000-000000000000", .actor = &actor};
    const struct js *made = parse(*state, chain_record(*state, &record));
    check_text(js_print(*state, js_find(made, TEXT("actor"))), "{\"id\":null,\"roles\":[]}");
}

static void the_first_hash_follows_zeros(void **state) {
    unsigned char zeros[DIGEST_BYTES] = {0}, hash[DIGEST_BYTES];
    chain_hash(zeros, bare_record(*state), hash);
    check_hash(hash, BARE_HASH);
}

static void a_hash_covers_the_one_before(void **state) {
    unsigned char previous[DIGEST_BYTES], hash[DIGEST_BYTES];
    memset(previous, 0x11, sizeof previous);
    chain_hash(previous, full_record(*state), hash);
    check_hash(hash, FULL_HASH);
}

static void a_shown_record_is_json_with_both_hashes(void **state) {
    unsigned char previous[DIGEST_BYTES] = {0xAB}, hash[DIGEST_BYTES] = {0xCD};
    struct buffer buffer;
    buffer_init(&buffer, *state);
    chain_show(&buffer, full_record(*state), previous, hash);
    const struct js *shown = parse(*state, buffer_view(&buffer));
    assert_true(text_starts(js_text(js_find(shown, TEXT("hash"))), TEXT("cd00000000")));
    assert_true(text_starts(js_text(js_find(shown, TEXT("previous_hash"))), TEXT("ab00000000")));
    shown =
        js_with(*state, js_with(*state, shown, TEXT("hash"), NULL), TEXT("previous_hash"), NULL);
    check_text(js_print(*state, shown), FULL);
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, with_arena, without_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_record_has_fixed_bytes),
        WITH_ARENA(what_is_not_given_is_null),
        WITH_ARENA(a_record_is_canonical),
        WITH_ARENA(the_hash_of_data_is_that_of_its_canonical_text),
        WITH_ARENA(an_actor_shows_only_what_it_has),
        WITH_ARENA(an_actor_without_id_has_a_null_one),
        WITH_ARENA(the_first_hash_follows_zeros),
        WITH_ARENA(a_hash_covers_the_one_before),
        WITH_ARENA(a_shown_record_is_json_with_both_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
