/* text.h: byte slices that carry their length.
 * Room base/: bytes, memory, JSON, hashes, clocks, queues, faults, problems, the log; nothing here
 * knows statute. It uses the C library and libcrypto. Begin with text, arena (memory that goes all
 * at once) and fault (what went wrong, as a sentence).
 * A text lends its bytes: it owns nothing and is not terminated by NUL. `bytes == NULL` means
 * "not given", which is different from the empty text. Functions that take an arena return bytes
 * that live as long as the arena. */
#ifndef STATUTE_TEXT_H
#define STATUTE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK                 __attribute__((warn_unused_result))
#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))

struct arena;

struct text {
    const char *bytes;
    size_t length;
};

/* A text of a string literal. */
#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})
#define TEXT_NONE     ((struct text){NULL, 0})

/* For printf: printf("%.*s", TEXT_ARGS(name)). */
#define TEXT_ARGS(text) (int)(text).length, (text).bytes != NULL ? (text).bytes : ""

/* C0 controls and DEL (ISO 646): what would let a text forge a line where it is shown. */
static inline bool text_is_control(char character) {
    return (unsigned char)character < 0x20 || character == 0x7F;
}
bool text_has_control(struct text text);

/* Copies `text` to `out`, which has room for it, with a space for each control character. */
void text_copy_line(struct text text, char *out);

static inline bool text_given(struct text text) {
    return text.bytes != NULL;
}

static inline bool text_equal(struct text a, struct text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

/* Lends a C string; NULL gives TEXT_NONE. */
struct text text_of(const char *string);

/* Byte order, the shorter first where one is the start of the other. <0, 0, >0. */
int text_compare(struct text a, struct text b);

bool text_starts(struct text text, struct text prefix);
bool text_ends(struct text text, struct text suffix);

/* ASCII letters only. */
bool text_equal_ignore_case(struct text a, struct text b);

struct text text_copy(struct arena *arena, struct text text);

/* A NUL-terminated copy. Bytes after an embedded NUL are there but unseen by C. */
const char *text_cstring(struct arena *arena, struct text text);

struct text text_print(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* Decimal digits with an optional '-'; no sign '+', no spaces, no overflow. */
bool text_to_integer(struct text text, int64_t *out) MUST_CHECK;

/* The text, or the start of one of more than `most` bytes: whole characters and, where there are
 * blanks within the last 100 bytes, whole words, the last of them without a digit, so that no part
 * of a number in groups or of an address is left. */
struct text text_cut(struct text text, size_t most);

/* Well-formed UTF-8 (RFC 3629): no surrogates, no overlong forms. */
bool text_is_utf8(struct text text);

/* Puts '?' in place of every byte that keeps `bytes` from being well-formed UTF-8, and of every
 * NUL, which no store keeps and no record may hold. */
void text_mend_utf8(char *bytes, size_t length);

/* The candidate nearest to `word` by edit distance, for "did you mean"; TEXT_NONE when none is
 * near (distance over a third of the length, at least 1). */
struct text text_nearest(struct text word, const struct text *candidates, size_t count);

#endif
