/* verify_stream.c: records chain by chain, a page at a time, each with its entity.
 *
 * A chain may go on in the next page, and grow between the two: so its entity comes with every one
 * of its records, and the one that came last counts. If the next page has none, then nothing was
 * added between its moment and that of the page before that the entity does not know of. */
#include "core/verify_stream.h"

#include "store/chains.h"

struct stream {
    struct verify *verify;
    verify_proven *proven;
    void *context;
    struct arena arena; /* of the open chain's key and entity */
    struct chain chain;
    struct entity entity; /* of the open chain, as its latest record came with it */
    bool open;
};

static bool is_of(const struct entity *entity, struct store_key key) {
    return text_equal(entity->id, key.id) && text_equal(entity->machine, key.machine);
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

static void begin(struct stream *stream, const struct entity *entity) {
    arena_reset(&stream->arena);
    struct store_key kept = {text_copy(&stream->arena, entity->machine),
                             text_copy(&stream->arena, entity->id)};
    chain_begin(&stream->chain, kept);
    stream->open = true;
}

/* What the open chain's entity has of the page goes with the page, but for this. */
static void keep_entity(struct stream *stream) {
    struct entity *entity = &stream->entity;
    entity->machine = stream->chain.key.machine;
    entity->id = stream->chain.key.id;
    entity->state = text_copy(&stream->arena, entity->state);
    entity->data_json = text_copy(&stream->arena, entity->data_json);
}

static bool each_page(void *context, const struct store_link *links, size_t count,
                      struct fault *fault) {
    struct stream *stream = context;
    (void)fault;
    for (size_t i = 0; i < count; i++) {
        if (!stream->open || !is_of(&links[i].entity, stream->chain.key)) {
            finish(stream);
            begin(stream, &links[i].entity);
        }
        stream->entity = links[i].entity;
        chain_check(&stream->chain, &links[i].record);
    }
    if (stream->open) {
        keep_entity(stream);
    }
    return true;
}

bool verify_stream(struct verify *verify, verify_proven *proven, void *context, int64_t *settled,
                   struct fault *fault) {
    struct stream stream = {.verify = verify, .proven = proven, .context = context};
    struct store_walk walk = {.machine = verify->options->machine,
                              .settled_us = verify->settled_us,
                              .each = each_page,
                              .context = &stream};
    arena_init(&stream.arena, 0);
    chain_init(&stream.chain, verify);
    bool walked = store_walk_chains(verify->store, &walk, settled, fault);
    if (walked) {
        finish(&stream);
    }
    chain_deinit(&stream.chain);
    arena_deinit(&stream.arena);
    return walked;
}
