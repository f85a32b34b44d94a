/* verify_stream.c: records chain by chain, a page at a time, and the entities of each page in one
 * call: two round trips for a thousand records.
 *
 * A chain may go on in the next page, and grow between the two: so its entity is read with every
 * page that has a part of it, and the newest one counts. If the next page has none, then nothing
 * was added between its moment and that of the page before that the entity does not know of. */
#include "core/verify_stream.h"

#include "core/pages.h"

struct stream {
    struct verify *verify;
    verify_proven *proven;
    void *context;
    struct arena arena; /* of the open chain's key and entity */
    struct chain chain;
    struct entity entity; /* of the open chain, as the latest page saw it */
    bool open;
};

static bool is_of(const struct store_record *record, struct store_key key) {
    return text_equal(record->entity_id, key.id) && text_equal(record->machine, key.machine);
}

/* The keys of the chains in the page, in its order. */
static size_t keys_of(const struct store_record *records, size_t count, struct store_key *keys) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (found == 0 || !is_of(&records[i], keys[found - 1])) {
            keys[found++] = (struct store_key){records[i].machine, records[i].entity_id};
        }
    }
    return found;
}

static void finish(struct stream *stream) {
    if (!stream->open) {
        return;
    }
    stream->open = false;
    struct store_key key = stream->chain.key;
    chain_end(&stream->chain, &stream->entity);
    stream->proven(stream->context, key, stream->entity.exists);
}

static void begin(struct stream *stream, struct store_key key) {
    arena_reset(&stream->arena);
    struct store_key kept = {text_copy(&stream->arena, key.machine),
                             text_copy(&stream->arena, key.id)};
    chain_init(&stream->chain, stream->verify, kept);
    stream->open = true;
}

/* What the open chain's entity has of the page goes with the page, but for this. */
static void keep_entity(struct stream *stream, const struct entity *entity) {
    const struct js *data = entity->exists ? js_copy(&stream->arena, entity->data) : NULL;
    stream->entity = *entity;
    stream->entity.machine = stream->chain.key.machine;
    stream->entity.id = stream->chain.key.id;
    stream->entity.state = text_copy(&stream->arena, entity->state);
    stream->entity.data = data;
    stream->entity.data_json = TEXT_NONE;
}

static void walk(struct stream *stream, const struct store_record *records, size_t count,
                 const struct entity *entities) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!stream->open || !is_of(&records[i], stream->chain.key)) {
            finish(stream);
            begin(stream, (struct store_key){records[i].machine, records[i].entity_id});
        }
        at += i > 0 && !is_of(&records[i - 1], stream->chain.key);
        stream->entity = entities[at];
        chain_check(&stream->chain, &records[i]);
    }
    if (count > 0) {
        keep_entity(stream, &entities[at]);
    }
}

static bool each_page(void *context, const struct store_record *records, size_t count,
                      struct fault *fault) {
    struct stream *stream = context;
    struct arena arena;
    arena_init(&arena, 0);
    struct store_key *keys = ARENA_ARRAY(&arena, struct store_key, count);
    struct entity *entities = ARENA_ARRAY(&arena, struct entity, count);
    size_t found = keys_of(records, count, keys);
    bool read = store_read(stream->verify->store, &arena, keys, found, entities, fault);
    if (read) {
        walk(stream, records, count, entities);
    }
    arena_deinit(&arena);
    return read;
}

bool verify_stream(struct verify *verify, verify_proven *proven, void *context,
                   struct fault *fault) {
    struct store_search search = {
        .machine = verify->options->machine, .success = -1, .by_chain = true};
    struct stream stream = {.verify = verify, .proven = proven, .context = context};
    arena_init(&stream.arena, 0);
    bool walked = pages_whole(verify->store, &search, each_page, &stream, fault);
    if (walked) {
        finish(&stream);
    } else if (stream.open) {
        chain_drop(&stream.chain);
    }
    arena_deinit(&stream.arena);
    return walked;
}
