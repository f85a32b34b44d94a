/* exchange.c: the pool holds few exchanges, and none with a large arena: what a burst or a
 * large body needed is given back to the system. */
#include "http/exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"

#define IDLE_MOST        64
#define ARENA_BYTES      ((size_t)8 << 10)
#define ARENA_BYTES_MOST ((size_t)64 << 10) /* of an idle exchange */

static void pool_random(void *context, unsigned char *out, size_t length) {
    struct http_pool *pool = context;
    if (pool->random_left < length) {
        digest_random(pool->random, sizeof pool->random);
        pool->random_left = sizeof pool->random;
    }
    pool->random_left -= length;
    memcpy(out, pool->random + pool->random_left, length);
}

void http_pool_init(struct http_pool *pool, struct http_thread *thread) {
    *pool = (struct http_pool){.thread = thread};
    pool->ids = (struct id_source){pool_random, pool};
}

void http_pool_deinit(struct http_pool *pool) {
    while (pool->idle != NULL) {
        struct http_slot *slot = pool->idle;
        pool->idle = slot->next;
        http_slot_free(slot);
    }
    pool->idle_count = 0;
}

static struct http_slot *slot_new(struct http_thread *thread) {
    struct http_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        fputs("statute: out of memory for a request\n", stderr);
        abort();
    }
    slot->thread = thread;
    arena_init(&slot->exchange.arena, ARENA_BYTES);
    return slot;
}

void http_slot_free(struct http_slot *slot) {
    arena_deinit(&slot->exchange.arena);
    free(slot);
}

struct http_slot *http_pool_take(struct http_pool *pool) {
    struct http_slot *slot = pool->idle;
    if (slot == NULL) {
        return slot_new(pool->thread);
    }
    pool->idle = slot->next;
    pool->idle_count--;
    slot->next = NULL;
    return slot;
}

static void cool(struct arena *arena) {
    arena_reset(arena);
    if ((size_t)(arena->end - arena->next) > ARENA_BYTES_MOST) {
        arena_deinit(arena);
    }
    if (arena->newest == NULL) {
        arena_init(arena, ARENA_BYTES);
    }
}

void http_pool_put(struct http_pool *pool, struct http_slot *slot) {
    if (pool->idle_count >= IDLE_MOST) {
        http_slot_free(slot);
        return;
    }
    cool(&slot->exchange.arena);
    struct arena arena = slot->exchange.arena;
    slot->exchange = (struct http_exchange){.arena = arena};
    slot->request = NULL;
    slot->next = pool->idle;
    pool->idle = slot;
    pool->idle_count++;
}

static void choose_request_id(struct http_pool *pool, struct text given, int64_t wall_us,
                              char *out) {
    size_t length = given.length;
    if (text_given(given)) {
        memcpy(out, given.bytes, length);
    } else {
        id_uuid7(&pool->ids, wall_us, out);
        length = ID_LENGTH;
    }
    out[length] = '\0';
}

void http_slot_fill(struct http_pool *pool, struct http_slot *slot, const struct http_head *head,
                    int64_t wall_us) {
    struct http_exchange *exchange = &slot->exchange;
    exchange->method = head->method;
    exchange->method_name = head->method_name;
    exchange->target = head->target;
    exchange->path = head->path;
    exchange->query = head->query;
    exchange->body = TEXT("");
    exchange->headers = head->headers;
    exchange->header_count = head->header_count;
    exchange->slot = slot;
    choose_request_id(pool, head->request_id, wall_us, exchange->request_id);
}

/* The first of that name from `from` on; header_count: there is none. */
static size_t find_header(const struct http_exchange *exchange, struct text name, size_t from) {
    while (from < exchange->header_count &&
           !text_equal_ignore_case(exchange->headers[from].name, name)) {
        from++;
    }
    return from;
}

struct text http_header(const struct http_exchange *exchange, const char *name) {
    size_t at = find_header(exchange, text_of(name), 0);
    return at < exchange->header_count ? exchange->headers[at].value : TEXT_NONE;
}

bool http_header_once(const struct http_exchange *exchange, const char *name, struct text *value,
                      struct fault *fault) {
    size_t at = find_header(exchange, text_of(name), 0);
    *value = at < exchange->header_count ? exchange->headers[at].value : TEXT_NONE;
    return at == exchange->header_count ||
           find_header(exchange, text_of(name), at + 1) == exchange->header_count ||
           fault_set(fault, FAULT_BAD_REQUEST, "There is more than one %s header", name);
}
