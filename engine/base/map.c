/* map.c: an insertion-ordered array of entries, and a table of their indices with linear probing,
 * at most half full. Nothing is ever removed, so there are no tombstones.
 * The hash is SipHash-1-3 (Aumasson and Bernstein): fast, and with a secret key nobody outside the
 * process can choose keys that collide. */
#include "base/map.h"

#include "base/arena.h"
#include "base/digest.h"

#include <pthread.h>

#define SLOTS_LEAST 16

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed[2]; /* written once, under seed_once */

static void make_seed(void) {
    digest_random((unsigned char *)seed, sizeof seed);
}

static uint64_t rotate(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_absorb(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t map_hash(struct text key) {
    pthread_once(&seed_once, make_seed);
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261),
                     seed[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word;
    size_t at = 0;
    for (; at + sizeof word <= key.length; at += sizeof word) {
        memcpy(&word, key.bytes + at, sizeof word);
        sip_absorb(v, word);
    }
    word = 0;
    if (at < key.length) {
        memcpy(&word, key.bytes + at, key.length - at);
    }
    sip_absorb(v, word | (uint64_t)key.length << 56);
    v[2] ^= 0xFF;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map, struct arena *arena) {
    *map = (struct map){.arena = arena};
}

/* The slot that holds `key`, or the empty one where it belongs. */
static uint32_t *slot_of(const struct map *map, struct text key, uint64_t hash) {
    size_t mask = map->slot_count - 1;
    size_t at = (size_t)hash & mask;
    while (map->slots[at] != 0) {
        const struct map_entry *entry = &map->entries[map->slots[at] - 1];
        if (entry->hash == hash && text_equal(entry->key, key)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &map->slots[at];
}

void *map_find(const struct map *map, struct text key) {
    if (map->count == 0) {
        return NULL;
    }
    uint32_t index = *slot_of(map, key, map_hash(key));
    return index != 0 ? map->entries[index - 1].value : NULL;
}

static void grow(struct map *map) {
    map->slot_count = map->slot_count == 0 ? SLOTS_LEAST : map->slot_count * 2;
    map->capacity = map->slot_count / 2;
    map->slots = ARENA_ARRAY(map->arena, uint32_t, map->slot_count);
    struct map_entry *entries = ARENA_ARRAY(map->arena, struct map_entry, map->capacity);
    if (map->count > 0) {
        memcpy(entries, map->entries, map->count * sizeof *entries);
    }
    map->entries = entries;
    for (size_t i = 0; i < map->count; i++) {
        *slot_of(map, entries[i].key, entries[i].hash) = (uint32_t)(i + 1);
    }
}

void map_set(struct map *map, struct text key, void *value) {
    if (map->count == map->capacity) {
        grow(map);
    }
    uint64_t hash = map_hash(key);
    uint32_t *slot = slot_of(map, key, hash);
    if (*slot != 0) {
        map->entries[*slot - 1].value = value;
        return;
    }
    map->entries[map->count] = (struct map_entry){key, value, hash};
    map->count++;
    *slot = (uint32_t)map->count;
}
