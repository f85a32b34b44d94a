/* buffer.h: bytes that grow in an arena. What buffer_view lends lives as long as the arena. */
#ifndef STATUTE_BUFFER_H
#define STATUTE_BUFFER_H

#include "base/text.h"

struct buffer {
    struct arena *arena;
    char *bytes;
    size_t length;
    size_t capacity;
};

void buffer_init(struct buffer *buffer, struct arena *arena);
void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_add_text(struct buffer *buffer, struct text text);

/* Room for `length` more bytes, which the caller writes at once: they count already. */
char *buffer_extend(struct buffer *buffer, size_t length);

static inline void buffer_add_char(struct buffer *buffer, char character) {
    if (buffer->length < buffer->capacity) {
        buffer->bytes[buffer->length++] = character;
    } else {
        *buffer_extend(buffer, 1) = character;
    }
}

void buffer_print(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
struct text buffer_view(const struct buffer *buffer);

#endif
