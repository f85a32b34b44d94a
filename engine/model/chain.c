/* chain.c: the record's JSON is canonical by construction: the members stand in the order of their
 * keys, each a literal here, so nothing is sorted or looked up; a record costs one pass. Whoever
 * adds a member must keep the order (RFC 8785 section 3.2.3), which the test checks. */
#include "model/chain.h"

#include "timezone/instant.h"

/* `key` is the literal between two values: ,"name": */
static void add_text(struct buffer *buffer, struct text key, struct text value) {
    buffer_add_text(buffer, key);
    if (text_given(value)) {
        js_write_string(buffer, value);
    } else {
        buffer_add_text(buffer, TEXT("null"));
    }
}

static void add_integer(struct buffer *buffer, struct text key, int64_t value) {
    buffer_add_text(buffer, key);
    js_write(buffer, &(struct js){.type = JS_INTEGER, .integer = value});
}

static void add_js(struct buffer *buffer, struct text key, const struct js *value) {
    buffer_add_text(buffer, key);
    js_write(buffer, value);
}

static void add_bool(struct buffer *buffer, struct text key, bool value) {
    add_js(buffer, key, value ? &js_true : &js_false);
}

static void add_actor(struct buffer *buffer, const struct actor *actor) {
    if (actor == NULL) {
        buffer_add_text(buffer, TEXT(",\"actor\":null"));
        return;
    }
    buffer_add_text(buffer, TEXT(",\"actor\":{"));
    if (actor->attributes != NULL) {
        add_js(buffer, TEXT("\"attributes\":"), actor->attributes);
        buffer_add_char(buffer, ',');
    }
    add_text(buffer, TEXT("\"id\":"), actor->id);
    if (actor->permissions != NULL) {
        add_js(buffer, TEXT(",\"permissions\":"), actor->permissions);
    }
    if (actor->roles != NULL) {
        add_js(buffer, TEXT(",\"roles\":"), actor->roles);
    }
    buffer_add_char(buffer, '}');
}

static void add_lock_key(struct buffer *buffer, const struct record *record) {
    struct buffer name;
    buffer_init(&name, buffer->arena);
    buffer_add_text(&name, TEXT("state_transition:"));
    buffer_add_text(&name, record->machine);
    buffer_add_char(&name, ':');
    buffer_add_text(&name, record->entity_id);
    add_text(buffer, TEXT(",\"lock_key\":"), buffer_view(&name));
}

static void add_timestamp(struct buffer *buffer, int64_t timestamp_us) {
    char digits[INSTANT_TEXT];
    add_text(buffer, TEXT(",\"timestamp\":"), instant_print(timestamp_us, digits));
}

struct text chain_data_hash(struct arena *arena, struct text data_json) {
    unsigned char hash[DIGEST_BYTES];
    char *hex = arena_alloc(arena, DIGEST_HEX);
    digest_sha256(data_json, hash);
    digest_hex(hash, DIGEST_BYTES, hex);
    return (struct text){hex, DIGEST_HEX};
}

struct text chain_record(struct arena *arena, const struct record *record) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    add_text(&buffer, TEXT("{\"action\":"), record->action);
    add_actor(&buffer, record->actor);
    add_text(&buffer, TEXT(",\"batch\":"), record->batch);
    add_text(&buffer, TEXT(",\"caused_by\":"), record->caused_by);
    add_js(&buffer, TEXT(",\"changes\":"), record->changes);
    add_text(&buffer, TEXT(",\"comments\":"), record->comments);
    add_text(&buffer, TEXT(",\"data_hash\":"), record->data_hash);
    add_text(&buffer, TEXT(",\"entity_id\":"), record->entity_id);
    add_text(&buffer, TEXT(",\"error_code\":"), text_of(record->error_code));
    add_text(&buffer, TEXT(",\"error_message\":"), record->error_message);
    add_integer(&buffer, TEXT(",\"execution_us\":"), record->execution_us);
    add_text(&buffer, TEXT(",\"from_state\":"), record->from_state);
    add_text(&buffer, TEXT(",\"isolation\":"), record->isolation);
    add_lock_key(&buffer, record);
    add_integer(&buffer, TEXT(",\"lock_us\":"), record->lock_us);
    add_text(&buffer, TEXT(",\"machine\":"), record->machine);
    add_js(&buffer, TEXT(",\"metadata\":"), record->metadata);
    add_js(&buffer, TEXT(",\"patch\":"), record->patch);
    add_text(&buffer, TEXT(",\"policy\":"), record->policy);
    add_text(&buffer, TEXT(",\"reason\":"), record->reason);
    add_text(&buffer, TEXT(",\"request_id\":"), record->request_id);
    add_integer(&buffer, TEXT(",\"retries\":"), record->retries);
    add_integer(&buffer, TEXT(",\"sequence\":"), record->sequence);
    add_bool(&buffer, TEXT(",\"success\":"), record->success);
    add_timestamp(&buffer, record->timestamp_us);
    add_text(&buffer, TEXT(",\"to_state\":"), record->to_state);
    add_text(&buffer, TEXT(",\"transition\":"), record->transition);
    add_text(&buffer, TEXT(",\"uuid\":"), (struct text){record->uuid, ID_LENGTH});
    add_integer(&buffer, TEXT(",\"version\":"), record->version);
    buffer_add_char(&buffer, '}');
    return buffer_view(&buffer);
}

void chain_hash(const unsigned char previous[DIGEST_BYTES], struct text record_json,
                unsigned char out[DIGEST_BYTES]) {
    char hex[DIGEST_HEX];
    digest_hex(previous, DIGEST_BYTES, hex);
    digest_sha256_two((struct text){hex, sizeof hex}, record_json, out);
}

static void add_hash(struct buffer *buffer, struct text key,
                     const unsigned char hash[DIGEST_BYTES]) {
    char hex[DIGEST_HEX];
    digest_hex(hash, DIGEST_BYTES, hex);
    buffer_add_text(buffer, key);
    buffer_add(buffer, hex, sizeof hex);
}

/* The two hashes go last: the record's own bytes stay together and untouched. */
void chain_show(struct buffer *buffer, struct text record_json,
                const unsigned char previous[DIGEST_BYTES],
                const unsigned char hash[DIGEST_BYTES]) {
    buffer_add(buffer, record_json.bytes, record_json.length - 1);
    add_hash(buffer, TEXT(",\"hash\":\""), hash);
    add_hash(buffer, TEXT("\",\"previous_hash\":\""), previous);
    buffer_add_text(buffer, TEXT("\"}"));
}
