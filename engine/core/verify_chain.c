/* verify_chain.c: a record is wrong by itself (its hash, or a column that says otherwise than the
 * JSON that was hashed), wrong in its place (a gap, a link), or the last one contradicts the
 * entity. Each is one sentence, since each is a different kind of damage. */
#include "core/verify_chain.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/pages.h"
#include "model/chain.h"
#include "timezone/instant.h"

void verify_report(struct verify *verify, struct store_key key, int64_t sequence,
                   const char *format, ...) {
    char message[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct text text = {message,
                        (size_t)length < sizeof message ? (size_t)length : sizeof message - 1};
    struct verify_problem problem = {key.machine, key.id, sequence, text};
    verify->counts.problems++;
    verify->options->report(verify->options->context, &problem);
}

#define REPORT(chain, record, ...)                                                                 \
    verify_report((chain)->verify, (chain)->key, (record)->sequence, __VA_ARGS__)

/* --- a record by itself --- */

static void check_hash(struct chain *chain, const struct store_record *record) {
    unsigned char hash[DIGEST_BYTES];
    chain_hash(record->previous_hash, record->json, hash);
    if (memcmp(hash, record->hash, DIGEST_BYTES) != 0) {
        REPORT(chain, record, "the hash does not match the record: the record was changed");
    }
}

/* TEXT_NONE in a column is null in the JSON. */
static void check_text(struct chain *chain, const struct store_record *record,
                       const struct js *json, const char *name, struct text column) {
    struct text text = js_text(js_find(json, text_of(name)));
    if (text_given(text) != text_given(column) || !text_equal(text, column)) {
        REPORT(chain, record, "the column %s says '%.*s', but the record says '%.*s'", name,
               TEXT_ARGS(column), TEXT_ARGS(text));
    }
}

static void check_numbers(struct chain *chain, const struct store_record *record,
                          const struct js *json) {
    char instant[INSTANT_TEXT];
    const struct js *sequence = js_find(json, TEXT("sequence"));
    const struct js *success = js_find(json, TEXT("success"));
    if (!js_is(sequence, JS_INTEGER) || sequence->integer != record->sequence) {
        REPORT(chain, record, "the column sequence differs from the record's");
    }
    if (!js_is(success, record->success ? JS_TRUE : JS_FALSE)) {
        REPORT(chain, record, "the column success differs from the record's");
    }
    check_text(chain, record, json, "timestamp", instant_print(record->timestamp_us, instant));
}

/* History keeps its words: a record names the machine as it was called then, and what it is called
 * later begins with a record that says so. */
static void check_machine(struct chain *chain, const struct store_record *record,
                          const struct js *json) {
    struct text machine = js_text(js_find(json, TEXT("machine")));
    struct text former = js_text(
        js_find(js_find(js_find(json, TEXT("metadata")), TEXT("renamed_from")), TEXT("machine")));
    bool is_renamed = text_equal(js_text(js_find(json, TEXT("action"))), TEXT("rename")) &&
                      text_given(former) && text_equal(former, chain->machine);
    if (text_given(chain->machine) && !text_equal(machine, chain->machine) && !is_renamed) {
        REPORT(chain, record,
               "the record belongs to the machine '%.*s', the records before it to '%.*s'",
               TEXT_ARGS(machine), TEXT_ARGS(chain->machine));
    }
}

static void check_columns(struct chain *chain, const struct store_record *record,
                          const struct js *json) {
    struct text actor_id = js_text(js_find(js_find(json, TEXT("actor")), TEXT("id")));
    check_machine(chain, record, json);
    check_text(chain, record, json, "entity_id", record->entity_id);
    check_text(chain, record, json, "from_state", record->from_state);
    check_text(chain, record, json, "to_state", record->to_state);
    check_text(chain, record, json, "reason", record->reason);
    check_text(chain, record, json, "uuid", (struct text){record->uuid, sizeof record->uuid});
    check_numbers(chain, record, json);
    if (!text_equal(actor_id, record->actor_id)) {
        REPORT(chain, record, "the column actor_id says '%.*s', but the record says '%.*s'",
               TEXT_ARGS(record->actor_id), TEXT_ARGS(actor_id));
    }
}

/* --- a record in its place --- */

static void check_link(struct chain *chain, const struct store_record *record) {
    if (record->sequence != chain->sequence + 1) {
        REPORT(chain, record, "the record before it is %lld: records are missing",
               (long long)chain->sequence);
    } else if (memcmp(record->previous_hash, chain->hash, DIGEST_BYTES) != 0) {
        REPORT(chain, record, "previous_hash is not the hash of the record before");
    }
}

/* What the record says of the entity after it: a refused attempt leaves it where it was. */
static void remember(struct chain *chain, const struct store_record *record,
                     const struct js *json) {
    const struct js *version = js_find(json, TEXT("version"));
    struct text state =
        js_text(js_find(json, record->success ? TEXT("to_state") : TEXT("from_state")));
    chain->sequence = record->sequence;
    chain->version = js_is(version, JS_INTEGER) ? version->integer : 0;
    memcpy(chain->hash, record->hash, DIGEST_BYTES);
    arena_reset(&chain->arena);
    chain->state = text_copy(&chain->arena, state);
    chain->machine = text_copy(&chain->arena, js_text(js_find(json, TEXT("machine"))));
    chain->data_hash = text_copy(&chain->arena, js_text(js_find(json, TEXT("data_hash"))));
}

static void advance(struct verify *verify, const struct store_record *record) {
    verify->counts.records++;
    verify->walked_settled += record->timestamp_us < verify->settled_us;
    verify->options->advance(verify->options->context, &verify->counts);
}

void chain_init(struct chain *chain, struct verify *verify) {
    *chain = (struct chain){.verify = verify};
    arena_init(&chain->arena, 0);
    arena_init(&chain->scratch, 0);
}

void chain_begin(struct chain *chain, struct store_key key) {
    arena_reset(&chain->arena);
    chain->key = key;
    chain->sequence = chain->version = 0;
    chain->machine = chain->state = chain->data_hash = TEXT_NONE;
    memset(chain->hash, 0, sizeof chain->hash);
}

void chain_deinit(struct chain *chain) {
    arena_deinit(&chain->arena);
    arena_deinit(&chain->scratch);
}

void chain_check(struct chain *chain, const struct store_record *record) {
    const struct js *json = NULL;
    struct fault unreadable = FAULT_INIT;
    arena_reset(&chain->scratch);
    check_link(chain, record);
    check_hash(chain, record);
    if (js_parse(&chain->scratch, record->json, &json, &unreadable)) {
        check_columns(chain, record, json);
    } else {
        REPORT(chain, record, "the record is not JSON: %s", unreadable.message);
    }
    remember(chain, record, json);
    advance(chain->verify, record);
}

/* --- the entity --- */

static bool is_hashed(struct chain *chain, struct text data_json) {
    return text_equal(chain_data_hash(&chain->scratch, data_json), chain->data_hash);
}

/* Stored data is canonical; what is only written otherwise is the same all the same. */
static void check_data(struct chain *chain, const struct entity *entity) {
    const struct js *data = entity->data;
    struct fault unreadable = FAULT_INIT;
    arena_reset(&chain->scratch);
    if (text_given(entity->data_json) && is_hashed(chain, entity->data_json)) {
        return;
    }
    if (data == NULL && !js_parse(&chain->scratch, entity->data_json, &data, &unreadable)) {
        verify_report(chain->verify, chain->key, 0, "the entity's data is not JSON: %s",
                      unreadable.message);
    } else if (!is_hashed(chain, js_print(&chain->scratch, data))) {
        verify_report(
            chain->verify, chain->key, 0,
            "the entity's data does not match the hash in its newest record: the data was changed");
    }
}

static void check_content(struct chain *chain, const struct entity *entity) {
    struct verify *verify = chain->verify;
    if (entity->version != chain->version) {
        verify_report(verify, chain->key, 0,
                      "the entity has version %lld, but its newest record says %lld",
                      (long long)entity->version, (long long)chain->version);
    }
    if (!text_equal(entity->state, chain->state)) {
        verify_report(verify, chain->key, 0,
                      "the entity is in state '%.*s', but its newest record says '%.*s'",
                      TEXT_ARGS(entity->state), TEXT_ARGS(chain->state));
    }
    check_data(chain, entity);
}

static void check_head(struct chain *chain, const struct entity *entity) {
    struct verify *verify = chain->verify;
    if (chain->sequence != 0 && !text_equal(chain->machine, entity->machine)) {
        verify_report(verify, chain->key, 0,
                      "the entity belongs to the machine '%.*s', but its newest record says '%.*s'",
                      TEXT_ARGS(entity->machine), TEXT_ARGS(chain->machine));
    }
    if (chain->sequence == 0) {
        verify_report(verify, chain->key, 0, "the entity has no audit record at all");
    } else if (entity->audit_sequence != chain->sequence) {
        verify_report(verify, chain->key, 0,
                      "the entity's newest record should be %lld, but the chain ends with %lld",
                      (long long)entity->audit_sequence, (long long)chain->sequence);
    } else if (memcmp(entity->audit_hash, chain->hash, DIGEST_BYTES) != 0) {
        verify_report(verify, chain->key, 0,
                      "the entity does not have the hash of its newest record");
    } else {
        check_content(chain, entity);
    }
}

static void check_policy(struct chain *chain, const struct entity *entity) {
    const struct generation *policies = chain->verify->options->policies;
    if (policies == NULL) {
        return;
    }
    const struct machine *machine = generation_machine(policies, entity->machine);
    if (machine == NULL) {
        verify_report(chain->verify, chain->key, 0, "no machine of that name is loaded");
    } else if (machine_state(machine, entity->state) == NULL) {
        verify_report(chain->verify, chain->key, 0,
                      "the entity is in state '%.*s', which the machine does not have",
                      TEXT_ARGS(entity->state));
    }
}

static void check_entity(struct chain *chain, const struct entity *entity) {
    if (entity->exists) {
        check_head(chain, entity);
        check_policy(chain, entity);
    } else if (chain->version > 0) {
        verify_report(chain->verify, chain->key, 0,
                      "the entity is gone, but its newest record says that it is in state '%.*s'",
                      TEXT_ARGS(chain->state));
    } else if (chain->sequence == 0) {
        verify_report(chain->verify, chain->key, 0,
                      "there is no such entity, and no record of one");
    }
}

void chain_end(struct chain *chain, const struct entity *entity) {
    check_entity(chain, entity);
    chain->verify->counts.chains += chain->sequence > 0;
}

/* --- a chain by itself --- */

static bool check_record(void *context, const struct store_record *record, struct fault *fault) {
    (void)fault;
    chain_check(context, record);
    return true;
}

bool verify_chain(struct verify *verify, struct store_key key, bool *has_entity,
                  struct fault *fault) {
    struct chain chain;
    struct entity entity = {.exists = false};
    struct store_search search = {.machine = key.machine, .entity_id = key.id, .success = -1};
    struct arena arena;
    arena_init(&arena, 0);
    chain_init(&chain, verify);
    chain_begin(&chain, key);
    bool walked =
        pages_records(verify->store, PAGES_OPEN, &search, 0, check_record, &chain, fault) &&
        store_read(verify->store, &arena, &key, 1, &entity, fault);
    *has_entity = walked && entity.exists;
    if (walked) {
        chain_end(&chain, &entity);
    }
    chain_deinit(&chain);
    arena_deinit(&arena);
    return walked;
}
