/* buffer.c: doubling growth, in place while nothing else was allocated since. Outgrown bytes stay
 * in the arena until it is reset, so a buffer costs at most twice its final capacity, and texts
 * viewed earlier stay valid. */
#include "base/buffer.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#define CAPACITY_LEAST 64

void buffer_init(struct buffer *buffer, struct arena *arena) {
    *buffer = (struct buffer){.arena = arena};
}

static void move(struct buffer *buffer, size_t capacity) {
    char *bytes = arena_alloc(buffer->arena, capacity);
    if (buffer->length > 0) {
        memcpy(bytes, buffer->bytes, buffer->length);
    }
    buffer->bytes = bytes;
}

/* Makes room for `more` bytes and returns where they go. */
static char *buffer_room(struct buffer *buffer, size_t more) {
    if (buffer->capacity - buffer->length < more) {
        size_t needed = buffer->length + more;
        size_t doubled = buffer->capacity * 2;
        size_t capacity = needed > doubled ? needed : doubled;
        capacity = capacity < CAPACITY_LEAST ? CAPACITY_LEAST : capacity;
        if (!arena_extend(buffer->arena, buffer->bytes, buffer->capacity, capacity)) {
            move(buffer, capacity);
        }
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->length;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length) {
    if (length > 0) {
        memcpy(buffer_room(buffer, length), bytes, length);
        buffer->length += length;
    }
}

void buffer_add_text(struct buffer *buffer, struct text text) {
    buffer_add(buffer, text.bytes, text.length);
}

char *buffer_extend(struct buffer *buffer, size_t length) {
    char *room = buffer_room(buffer, length);
    buffer->length += length;
    return room;
}

void buffer_print(struct buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = buffer->capacity - buffer->length;
    int length = vsnprintf(room > 0 ? buffer->bytes + buffer->length : NULL, room, format, args);
    if (length > 0) {
        size_t with_nul = (size_t)length + 1;
        if (with_nul > room) {
            vsnprintf(buffer_room(buffer, with_nul), with_nul, format, again);
        }
        buffer->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

struct text buffer_view(const struct buffer *buffer) {
    return (struct text){buffer->bytes != NULL ? buffer->bytes : "", buffer->length};
}
