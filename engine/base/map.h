/* map.h: a hash map from text to pointer, in an arena. Keys are lent and must outlive the map.
 * The hash is seeded at random once per process, so that hostile keys cannot be made to collide.
 * Iteration goes in insertion order. */
#ifndef STATUTE_MAP_H
#define STATUTE_MAP_H

#include "base/text.h"

struct map_entry {
    struct text key;
    void *value;
    uint64_t hash;
};

struct map {
    struct arena *arena;
    struct map_entry *entries; /* in insertion order */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* open addressing: index + 1 into entries, 0 for empty */
    size_t slot_count;
};

void map_init(struct map *map, struct arena *arena);
void *map_find(const struct map *map, struct text key); /* NULL when absent */
void map_set(struct map *map, struct text key, void *value);

/* The hash that map uses, for whoever shards by key. */
uint64_t map_hash(struct text key);

#endif
