/* cursor.h: a place in a text that is being parsed. A step either advances it or says, once, what
 * is wrong; whoever began the parse names the text. Private to the parsers of this folder. */
#ifndef STATUTE_CURSOR_H
#define STATUTE_CURSOR_H

#include "base/text.h"

struct cursor {
    struct text text;
    size_t at;
    const char *problem; /* set by the first step that fails; lives for ever */
};

static inline bool cursor_fail(struct cursor *cursor, const char *problem) {
    cursor->problem = problem;
    return false;
}

static inline bool cursor_is_at_end(const struct cursor *cursor) {
    return cursor->at == cursor->text.length;
}

/* '\0' at the end, which no format has. */
static inline char cursor_peek(const struct cursor *cursor) {
    return cursor_is_at_end(cursor) ? '\0' : cursor->text.bytes[cursor->at];
}

static inline bool cursor_is_at_digit(const struct cursor *cursor) {
    char character = cursor_peek(cursor);
    return character >= '0' && character <= '9';
}

static inline bool cursor_skip(struct cursor *cursor, char character) {
    bool there = !cursor_is_at_end(cursor) && cursor_peek(cursor) == character;
    cursor->at += there;
    return there;
}

#endif
