/* index.c: see the header. */
#include "store/index.h"

#include "base/digest.h"

#define VALUE_MOST 200
#define EXACT_MOST                                                                                 \
    (INT64_C(1) << 53) /* beyond, a real may equal an integer and be written otherwise */

struct text index_value(struct arena *arena, const struct js *value) {
    if (value == NULL || js_is(value, JS_NULL) || js_is(value, JS_OBJECT) ||
        js_is(value, JS_ARRAY)) {
        return TEXT_NONE;
    }
    struct text text = js_print(arena, value);
    if (text.length <= VALUE_MOST) {
        return text;
    }
    unsigned char hash[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    digest_sha256(text, hash);
    digest_hex(hash, DIGEST_BYTES, hex);
    return text_print(arena, "#%.*s", DIGEST_HEX, hex);
}

bool index_finds(const struct js *value) {
    bool is_small =
        js_is(value, JS_INTEGER) && value->integer <= EXACT_MOST && value->integer >= -EXACT_MOST;
    bool is_part = js_is(value, JS_REAL) && value->real != (double)(int64_t)value->real;
    return js_is(value, JS_STRING) || js_is_bool(value) || is_small || is_part;
}

bool index_serves(const struct store_where *where, const struct js_member *condition) {
    return index_finds(condition->value) && !text_given(where->former_machine) &&
           js_find(where->defaults, condition->key) == NULL;
}
