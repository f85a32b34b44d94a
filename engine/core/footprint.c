/* footprint.c: what a batch that lost a race holds from the start when it is run again. */
#include "core/work.h"

void footprint_init(struct footprint *footprint, struct core *core) {
    map_init(&footprint->keys, &core->arena);
    map_init(&footprint->guards, &core->arena);
}

static void add_key(struct footprint *footprint, const struct slot *slot) {
    enum store_hold hold = work_is_written(slot) ? STORE_HOLD : STORE_SHARE;
    struct store_reading *reading = map_find(&footprint->keys, slot->key);
    if (reading == NULL) {
        reading = ARENA_NEW(footprint->keys.arena, struct store_reading);
        *reading = (struct store_reading){{slot->current.machine, slot->current.id}, hold};
        map_set(&footprint->keys, slot->key, reading);
    } else if (hold < reading->hold) {
        reading->hold = hold;
    }
}

void footprint_add(struct footprint *footprint, const struct work *work) {
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        if (slot->looked || map_find(&footprint->keys, slot->key) != NULL) {
            add_key(footprint, slot);
        }
        if (slot->body_changed && work->counted.count > 0) {
            map_set(&footprint->guards, slot->current.machine, footprint);
        }
    }
    for (size_t i = 0; i < work->counted.count; i++) {
        map_set(&footprint->guards, work->counted.entries[i].key, footprint);
    }
}
