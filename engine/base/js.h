/* js.h: JSON values as plain data in an arena (RFC 8259), written canonically (RFC 8785).
 * A value is immutable once built; edits make new nodes that share the old ones. The members of an
 * object are always sorted in RFC 8785 order (UTF-16 code units), so look-ups are binary searches,
 * merges are linear, and equal values have equal bytes. Integers are kept exactly as int64. */
#ifndef STATUTE_JS_H
#define STATUTE_JS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fault.h"

enum js_type { JS_NULL, JS_FALSE, JS_TRUE, JS_INTEGER, JS_REAL, JS_STRING, JS_ARRAY, JS_OBJECT };

struct js_member;

struct js {
    enum js_type type;
    union {
        int64_t integer;
        double real; /* always finite */
        struct text string;
        struct {
            const struct js *const *items;
            size_t count;
        } array;
        struct {
            const struct js_member *members; /* sorted, keys unique */
            size_t count;
        } object;
    };
};

struct js_member {
    struct text key;
    const struct js *value;
};

/* Parses one JSON text. FAULT_BAD_REQUEST names line and column; duplicate keys, invalid UTF-8,
 * trailing bytes, numbers out of range (over int64, or a real that overflows or that underflows to
 * zero), reals of over 17 digits, nesting over 64 levels and NUL characters in strings are refused.
 * "-0" reads as 0. Strings are copied into the arena. */
bool js_parse(struct arena *arena, struct text text, const struct js **out,
              struct fault *fault) MUST_CHECK;
/* The same, but reals of any number of digits are taken, and rounded: what another program has
 * computed, such as the average in a column of type numeric. */
bool js_parse_rounding(struct arena *arena, struct text text, const struct js **out,
                       struct fault *fault) MUST_CHECK;

/* --- building --- */
extern const struct js js_null, js_true, js_false, js_empty_object, js_empty_array;
const struct js *js_integer(struct arena *arena, int64_t value);
/* A value that is not finite gives null; whole values stay reals. */
const struct js *js_real(struct arena *arena, double value);
const struct js *js_string(struct arena *arena, struct text value); /* lends the bytes */
/* Lends the items. */
const struct js *js_array(struct arena *arena, const struct js *const *items, size_t count);
/* Sorts `members` in place and lends them; where a key comes twice the later one wins. */
const struct js *js_object(struct arena *arena, struct js_member *members, size_t count);
/* The same, but NULL where a key comes twice; *repeated is then the later of the two. */
const struct js *js_object_of_unique(struct arena *arena, struct js_member *members, size_t count,
                                     struct text *repeated);
/* A copy of `object` (NULL: empty) with `key` set, or without it when value is NULL. */
const struct js *js_with(struct arena *arena, const struct js *object, struct text key,
                         const struct js *value);
/* The members of both objects (NULL: empty); of a key that both have, the one of `over`. */
const struct js *js_over(struct arena *arena, const struct js *under, const struct js *over);
const struct js *js_append(struct arena *arena, const struct js *array, const struct js *item);
/* Deep copy into another arena, strings and all. */
const struct js *js_copy(struct arena *arena, const struct js *value);

/* --- reading --- (all accept NULL values and answer NULL, false or none) */
const struct js *js_find(const struct js *object, struct text key);
/* "a.b": the member of that name, or else the member b of the member a. */
const struct js *js_find_path(const struct js *object, struct text path);
/* Whether for every {path: value} of `wanted` the object has an equal value there; a NULL `wanted`
 * wants nothing. */
bool js_holds(const struct js *object, const struct js *wanted);
bool js_is(const struct js *value, enum js_type type);
bool js_is_bool(const struct js *value);
struct text js_text(const struct js *value);           /* TEXT_NONE unless a string */
bool js_equal(const struct js *a, const struct js *b); /* 1 and 1.0 are equal */
/* RFC 8785 order of keys: below, at or above zero. */
int js_key_order(struct text a, struct text b);
/* "an object", "an array", "a string", "an integer", "a number", "a boolean", "null", "nothing". */
const char *js_type_name(const struct js *value);

/* JSON merge patch (RFC 7396). Neither argument is changed. `target` may be NULL. */
const struct js *js_merge_patch(struct arena *arena, const struct js *target,
                                const struct js *patch);
/* The merge patch that leads from one object to another (either may be NULL: empty). A merge patch
 * cannot set a member to null, so a null member of an object counts as absent. */
const struct js *js_diff(struct arena *arena, const struct js *before, const struct js *after);

/* --- writing --- */
/* Canonical form (RFC 8785): sorted keys, shortest numbers as ECMAScript prints them. Integers
 * beyond 2^53 are printed exactly. */
void js_write(struct buffer *buffer, const struct js *value);
struct text js_print(struct arena *arena, const struct js *value);
void js_write_string(struct buffer *buffer, struct text string); /* quoted and escaped */

/* A writer for answers, in the order in which they read best. It places commas by itself:
 *   js_open(w, '{'); js_key(w, TEXT("state")); js_put_text(w, state); js_close(w, '}'); */
struct js_writer {
    struct buffer *buffer;
    bool needs_comma;
};
void js_writer_init(struct js_writer *writer, struct buffer *buffer);
void js_open(struct js_writer *writer, char bracket);
void js_close(struct js_writer *writer, char bracket);
void js_key(struct js_writer *writer, struct text key);
void js_put(struct js_writer *writer, const struct js *value);  /* NULL puts null */
void js_put_text(struct js_writer *writer, struct text string); /* TEXT_NONE puts null */
void js_put_integer(struct js_writer *writer, int64_t value);
void js_put_real(struct js_writer *writer, double value);
void js_put_bool(struct js_writer *writer, bool value);
void js_put_raw(struct js_writer *writer, struct text json); /* already JSON */

#endif
