/* arena.h: memory that is given back all at once.
 * Allocation never fails for the caller: when the system has no memory left the process ends with
 * a message, since every size that reaches an arena is bounded by a limit. Not thread-safe. */
#ifndef STATUTE_ARENA_H
#define STATUTE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *newest; /* chunks in use, newest first */
    char *next;                 /* first free byte of the newest chunk */
    char *end;
    size_t chunk_bytes; /* size of the next ordinary chunk */
};

/* Ordinary chunks are `chunk_bytes` long (0: 8 KiB), doubling up to 1 MiB. */
void arena_init(struct arena *arena, size_t chunk_bytes);
void arena_deinit(struct arena *arena);

/* Frees all but one ordinary chunk, so that a worker's arena stays warm but does not
 * grow for good. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned to 16 bytes. */
void *arena_alloc(struct arena *arena, size_t size_bytes);

/* Zeroed array; ends the process when count * size overflows. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes);

/* Makes the latest allocation, `bytes` of `size_bytes`, `wanted_bytes` long where it stands; the
 * new bytes are not zeroed. False, and nothing is done, when it is not the latest or there is no
 * room behind it. */
bool arena_extend(struct arena *arena, const void *bytes, size_t size_bytes, size_t wanted_bytes);

#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc_array((arena), (count), sizeof(type)))

#endif
