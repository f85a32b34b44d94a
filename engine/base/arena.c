/* arena.c: bump allocation in chunks.
 *
 * Invariants:
 *  1. Between calls `next` and `end` describe the free part of the newest chunk; both are NULL
 *     while there is none.
 *  2. What does not fit an ordinary chunk gets one of its own, put second in the list so that the
 *     newest chunk keeps its free space.
 *  3. Under AddressSanitizer all bytes not handed out are poisoned, padding included, so an
 *     overrun of a single byte is reported although the arena owns the memory. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(bytes, length)   ASAN_POISON_MEMORY_REGION((bytes), (length))
#define UNPOISON(bytes, length) ASAN_UNPOISON_MEMORY_REGION((bytes), (length))
#else
#define POISON(bytes, length)   ((void)(bytes), (void)(length))
#define UNPOISON(bytes, length) ((void)(bytes), (void)(length))
#endif

#define ALIGNMENT           16
#define CHUNK_BYTES_DEFAULT ((size_t)8 << 10)
#define CHUNK_BYTES_MOST    ((size_t)1 << 20)

struct arena_chunk {
    struct arena_chunk *older;
    size_t size_bytes;
    _Alignas(ALIGNMENT) char bytes[];
};

static _Noreturn void out_of_memory(size_t size_bytes) {
    fprintf(stderr, "statute: out of memory allocating %zu bytes\n", size_bytes);
    abort();
}

static struct arena_chunk *chunk_new(size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2) {
        out_of_memory(size_bytes);
    }
    struct arena_chunk *chunk = malloc(sizeof *chunk + size_bytes);
    if (chunk == NULL) {
        out_of_memory(size_bytes);
    }
    chunk->older = NULL;
    chunk->size_bytes = size_bytes;
    POISON(chunk->bytes, size_bytes);
    return chunk;
}

static void chunk_free(struct arena_chunk *chunk) {
    UNPOISON(chunk->bytes, chunk->size_bytes);
    free(chunk);
}

static void chunk_use(struct arena *arena, struct arena_chunk *chunk) {
    chunk->older = arena->newest;
    arena->newest = chunk;
    arena->next = chunk->bytes;
    arena->end = chunk->bytes + chunk->size_bytes;
}

static void chunk_free_all(struct arena_chunk *chunk, const struct arena_chunk *kept) {
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        if (chunk != kept) {
            chunk_free(chunk);
        }
        chunk = older;
    }
}

/* Even nothing takes some room, so that no two allocations share an address. */
static size_t pad(size_t size_bytes) {
    size_t least = size_bytes > 0 ? size_bytes : 1;
    return (least + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void arena_init(struct arena *arena, size_t chunk_bytes) {
    size_t wanted = chunk_bytes != 0 ? chunk_bytes : CHUNK_BYTES_DEFAULT;
    if (wanted > CHUNK_BYTES_MOST) {
        wanted = CHUNK_BYTES_MOST;
    }
    *arena = (struct arena){.chunk_bytes = pad(wanted)};
}

void arena_deinit(struct arena *arena) {
    chunk_free_all(arena->newest, NULL);
    arena->newest = NULL;
    arena->next = arena->end = NULL;
}

/* The largest ordinary chunk, which is the one that makes the next batch need no other. */
static struct arena_chunk *chunk_to_keep(struct arena_chunk *chunk) {
    struct arena_chunk *kept = NULL;
    for (; chunk != NULL; chunk = chunk->older) {
        bool ordinary = chunk->size_bytes <= CHUNK_BYTES_MOST;
        if (ordinary && (kept == NULL || chunk->size_bytes > kept->size_bytes)) {
            kept = chunk;
        }
    }
    return kept;
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *kept = chunk_to_keep(arena->newest);
    chunk_free_all(arena->newest, kept);
    arena->newest = NULL;
    arena->next = arena->end = NULL;
    if (kept != NULL) {
        POISON(kept->bytes, kept->size_bytes);
        chunk_use(arena, kept);
    }
}

static void *alloc_alone(struct arena *arena, size_t padded_bytes) {
    struct arena_chunk *chunk = chunk_new(padded_bytes);
    if (arena->newest == NULL) {
        chunk_use(arena, chunk);
        arena->next = arena->end;
    } else {
        chunk->older = arena->newest->older;
        arena->newest->older = chunk;
    }
    return chunk->bytes;
}

static void *alloc_in_newest(struct arena *arena, size_t padded_bytes) {
    if ((size_t)(arena->end - arena->next) < padded_bytes) {
        chunk_use(arena, chunk_new(arena->chunk_bytes));
        if (arena->chunk_bytes < CHUNK_BYTES_MOST) {
            arena->chunk_bytes *= 2;
        }
    }
    void *bytes = arena->next;
    arena->next += padded_bytes;
    return bytes;
}

void *arena_alloc(struct arena *arena, size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2) {
        out_of_memory(size_bytes);
    }
    size_t padded = pad(size_bytes);
    bool fits = padded <= (size_t)(arena->end - arena->next);
    bool alone = !fits && padded > arena->chunk_bytes / 2;
    void *bytes = alone ? alloc_alone(arena, padded) : alloc_in_newest(arena, padded);
    UNPOISON(bytes, size_bytes);
    memset(bytes, 0, size_bytes);
    return bytes;
}

bool arena_extend(struct arena *arena, const void *bytes, size_t size_bytes, size_t wanted_bytes) {
    const char *start = bytes;
    bool is_latest = start != NULL && start + pad(size_bytes) == arena->next;
    if (!is_latest || wanted_bytes < size_bytes || wanted_bytes > SIZE_MAX / 2 ||
        pad(wanted_bytes) > (size_t)(arena->end - start)) {
        return false;
    }
    UNPOISON(start, wanted_bytes);
    arena->next += pad(wanted_bytes) - pad(size_bytes);
    return true;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total)) {
        out_of_memory(SIZE_MAX);
    }
    return arena_alloc(arena, total);
}
