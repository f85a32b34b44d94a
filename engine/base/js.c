/* js.c: building, reading and merging. Parsing is in js_parse.c, writing in js_write.c.
 *
 * Invariants of every node:
 *  1. members are sorted by `js_key_order` and keys are unique, whoever built them;
 *  2. nobody writes to a node after it was handed out, so that nodes may be shared freely;
 *  3. a real is finite and never -0. */
#include "base/js.h"

#include <math.h>

#define INT64_LIMIT 9223372036854775808.0 /* 2^63 */

const struct js js_null = {.type = JS_NULL};
const struct js js_true = {.type = JS_TRUE};
const struct js js_false = {.type = JS_FALSE};
const struct js js_empty_object = {.type = JS_OBJECT};
const struct js js_empty_array = {.type = JS_ARRAY};

/* The order of UTF-16 code units is the order of code points, which is the order of UTF-8 bytes,
 * but for one thing: surrogates (U+D800..DFFF) come before U+E000..FFFF. So a four-byte character
 * comes before one whose lead byte is 0xEE or 0xEF. */
static int utf16_rank(unsigned char byte) {
    return byte == 0xEE || byte == 0xEF ? byte + 0x100 : byte;
}

static size_t common_start(struct text a, struct text b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    size_t at = 0;
    while (at < shorter && a.bytes[at] == b.bytes[at]) {
        at++;
    }
    return at;
}

int js_key_order(struct text a, struct text b) {
    size_t at = common_start(a, b);
    if (at == a.length || at == b.length) {
        return (a.length > b.length) - (a.length < b.length);
    }
    return utf16_rank((unsigned char)a.bytes[at]) - utf16_rank((unsigned char)b.bytes[at]);
}

/* --- building --- */

static struct js *node_new(struct arena *arena, enum js_type type) {
    struct js *node = ARENA_NEW(arena, struct js);
    node->type = type;
    return node;
}

const struct js *js_integer(struct arena *arena, int64_t value) {
    struct js *node = node_new(arena, JS_INTEGER);
    node->integer = value;
    return node;
}

/* Whether what is printed of a whole number is read back as an integer. */
static bool becomes_integer(struct arena *arena, double value, int64_t *integer) {
    if (value != trunc(value) || fabs(value) >= 0x1p63) {
        return false;
    }
    if (fabs(value) < 0x1p53) {
        *integer = (int64_t)value;
        return true;
    }
    const struct js real = {.type = JS_REAL, .real = value};
    return text_to_integer(js_print(arena, &real), integer);
}

const struct js *js_real(struct arena *arena, double value) {
    int64_t integer;
    if (!isfinite(value)) {
        return &js_null;
    }
    if (becomes_integer(arena, value, &integer)) {
        return js_integer(arena, integer);
    }
    struct js *node = node_new(arena, JS_REAL);
    node->real = value;
    return node;
}

const struct js *js_string(struct arena *arena, struct text value) {
    struct js *node = node_new(arena, JS_STRING);
    node->string = text_given(value) ? value : TEXT("");
    return node;
}

const struct js *js_array(struct arena *arena, const struct js *const *items, size_t count) {
    struct js *node = node_new(arena, JS_ARRAY);
    node->array.items = items;
    node->array.count = count;
    return node;
}

static const struct js *object_of_sorted(struct arena *arena, const struct js_member *members,
                                         size_t count) {
    struct js *node = node_new(arena, JS_OBJECT);
    node->object.members = members;
    node->object.count = count;
    return node;
}

static bool is_strictly_sorted(const struct js_member *members, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (js_key_order(members[i - 1].key, members[i].key) >= 0) {
            return false;
        }
    }
    return true;
}

/* Merges the sorted runs from[start, middle) and from[middle, end); equal keys keep their order. */
static void merge_runs(const struct js_member *from, struct js_member *to, size_t start,
                       size_t middle, size_t end) {
    size_t left = start, right = middle;
    for (size_t at = start; at < end; at++) {
        bool take_left =
            left < middle && (right == end || js_key_order(from[left].key, from[right].key) <= 0);
        to[at] = take_left ? from[left++] : from[right++];
    }
}

static size_t at_most(size_t value, size_t most) {
    return value < most ? value : most;
}

/* A merge sort: stable, and n log n whatever the client sent, which qsort() promises neither of. */
static void sort_members(struct arena *arena, struct js_member *members, size_t count) {
    struct js_member *from = members;
    struct js_member *to = ARENA_ARRAY(arena, struct js_member, count);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            merge_runs(from, to, start, at_most(start + width, count),
                       at_most(start + 2 * width, count));
        }
        struct js_member *merged = to;
        to = from;
        from = merged;
    }
    if (from != members) {
        memcpy(members, from, count * sizeof *members);
    }
}

/* Of equal neighbours only the last stays. */
static size_t drop_repeated(struct js_member *members, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || !text_equal(members[i].key, members[i + 1].key)) {
            members[kept++] = members[i];
        }
    }
    return kept;
}

const struct js *js_object(struct arena *arena, struct js_member *members, size_t count) {
    if (!is_strictly_sorted(members, count)) {
        sort_members(arena, members, count);
        count = drop_repeated(members, count);
    }
    return object_of_sorted(arena, members, count);
}

const struct js *js_object_of_unique(struct arena *arena, struct js_member *members, size_t count,
                                     struct text *repeated) {
    if (!is_strictly_sorted(members, count)) {
        sort_members(arena, members, count);
        for (size_t i = 1; i < count; i++) {
            if (text_equal(members[i - 1].key, members[i].key)) {
                *repeated = members[i].key;
                return NULL;
            }
        }
    }
    return object_of_sorted(arena, members, count);
}

/* The index of the first member whose key is not before `key`. */
static size_t lower_bound(const struct js *object, struct text key) {
    size_t low = 0, high = object->object.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (js_key_order(object->object.members[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has_key_at(const struct js *object, size_t at, struct text key) {
    return at < object->object.count && text_equal(object->object.members[at].key, key);
}

static void copy_members(struct js_member *to, const struct js_member *from, size_t count) {
    if (count > 0) {
        memcpy(to, from, count * sizeof *to);
    }
}

const struct js *js_with(struct arena *arena, const struct js *object, struct text key,
                         const struct js *value) {
    const struct js *old = js_is(object, JS_OBJECT) ? object : &js_empty_object;
    size_t at = lower_bound(old, key);
    size_t replaced = has_key_at(old, at, key) ? 1 : 0;
    size_t added = value != NULL ? 1 : 0;
    if (replaced == 0 && added == 0) {
        return old;
    }
    size_t count = old->object.count - replaced + added;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, count);
    copy_members(members, old->object.members, at);
    if (value != NULL) {
        members[at] = (struct js_member){key, value};
    }
    size_t after = at + replaced;
    if (after < old->object.count) {
        copy_members(members + at + added, old->object.members + after, old->object.count - after);
    }
    return object_of_sorted(arena, members, count);
}

const struct js *js_append(struct arena *arena, const struct js *array, const struct js *item) {
    size_t count = js_is(array, JS_ARRAY) ? array->array.count : 0;
    const struct js **items = ARENA_ARRAY(arena, const struct js *, count + 1);
    if (count > 0) {
        memcpy(items, array->array.items, count * sizeof *items);
    }
    items[count] = item != NULL ? item : &js_null;
    return js_array(arena, items, count + 1);
}

static const struct js *copy_array(struct arena *arena, const struct js *array) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, array->array.count);
    for (size_t i = 0; i < array->array.count; i++) {
        items[i] = js_copy(arena, array->array.items[i]);
    }
    return js_array(arena, items, array->array.count);
}

static const struct js *copy_object(struct arena *arena, const struct js *object) {
    size_t count = object->object.count;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, count);
    for (size_t i = 0; i < count; i++) {
        const struct js_member *member = &object->object.members[i];
        members[i].key = text_copy(arena, member->key);
        members[i].value = js_copy(arena, member->value);
    }
    return object_of_sorted(arena, members, count);
}

const struct js *js_copy(struct arena *arena, const struct js *value) {
    if (value == NULL) {
        return NULL;
    }
    switch (value->type) {
    case JS_NULL:
        return &js_null;
    case JS_FALSE:
        return &js_false;
    case JS_TRUE:
        return &js_true;
    case JS_INTEGER:
        return js_integer(arena, value->integer);
    case JS_REAL:
        return js_real(arena, value->real);
    case JS_STRING:
        return js_string(arena, text_copy(arena, value->string));
    case JS_ARRAY:
        return copy_array(arena, value);
    case JS_OBJECT:
        return copy_object(arena, value);
    }
    return NULL;
}

/* --- reading --- */

const struct js *js_find(const struct js *object, struct text key) {
    if (!js_is(object, JS_OBJECT)) {
        return NULL;
    }
    size_t at = lower_bound(object, key);
    return has_key_at(object, at, key) ? object->object.members[at].value : NULL;
}

const struct js *js_find_path(const struct js *object, struct text path) {
    const struct js *exact = js_find(object, path);
    const char *dot;
    if (exact != NULL) {
        return exact;
    }
    while (object != NULL && (dot = memchr(path.bytes, '.', path.length)) != NULL) {
        struct text head = {path.bytes, (size_t)(dot - path.bytes)};
        object = js_find(object, head);
        path = (struct text){dot + 1, path.length - head.length - 1};
    }
    return js_find(object, path);
}

bool js_holds(const struct js *object, const struct js *wanted) {
    for (size_t i = 0; js_is(wanted, JS_OBJECT) && i < wanted->object.count; i++) {
        const struct js_member *member = &wanted->object.members[i];
        const struct js *value = js_find_path(object, member->key);
        if (value == NULL || !js_equal(value, member->value)) {
            return false;
        }
    }
    return true;
}

bool js_is(const struct js *value, enum js_type type) {
    return value != NULL && value->type == type;
}

bool js_is_bool(const struct js *value) {
    return js_is(value, JS_TRUE) || js_is(value, JS_FALSE);
}

struct text js_text(const struct js *value) {
    return js_is(value, JS_STRING) ? value->string : TEXT_NONE;
}

/* Exact: an integer beyond 2^53 does not equal the real that it would be rounded to. */
static bool integer_equals_real(int64_t integer, double real) {
    return real >= -INT64_LIMIT && real < INT64_LIMIT && real == floor(real) &&
           (int64_t)real == integer;
}

static bool arrays_equal(const struct js *a, const struct js *b) {
    if (a->array.count != b->array.count) {
        return false;
    }
    for (size_t i = 0; i < a->array.count; i++) {
        if (!js_equal(a->array.items[i], b->array.items[i])) {
            return false;
        }
    }
    return true;
}

static bool objects_equal(const struct js *a, const struct js *b) {
    if (a->object.count != b->object.count) {
        return false;
    }
    for (size_t i = 0; i < a->object.count; i++) {
        const struct js_member *left = &a->object.members[i], *right = &b->object.members[i];
        if (!text_equal(left->key, right->key) || !js_equal(left->value, right->value)) {
            return false;
        }
    }
    return true;
}

static bool same_type_equal(const struct js *a, const struct js *b) {
    switch (a->type) {
    case JS_NULL:
    case JS_FALSE:
    case JS_TRUE:
        return true;
    case JS_INTEGER:
        return a->integer == b->integer;
    case JS_REAL:
        return a->real == b->real;
    case JS_STRING:
        return text_equal(a->string, b->string);
    case JS_ARRAY:
        return arrays_equal(a, b);
    case JS_OBJECT:
        return objects_equal(a, b);
    }
    return false;
}

bool js_equal(const struct js *a, const struct js *b) {
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL) {
        return false;
    }
    if (a->type == JS_INTEGER && b->type == JS_REAL) {
        return integer_equals_real(a->integer, b->real);
    }
    if (a->type == JS_REAL && b->type == JS_INTEGER) {
        return integer_equals_real(b->integer, a->real);
    }
    return a->type == b->type && same_type_equal(a, b);
}

const char *js_type_name(const struct js *value) {
    static const char *const names[] = {
        [JS_NULL] = "null",          [JS_FALSE] = "a boolean",  [JS_TRUE] = "a boolean",
        [JS_INTEGER] = "an integer", [JS_REAL] = "a number",    [JS_STRING] = "a string",
        [JS_ARRAY] = "an array",     [JS_OBJECT] = "an object",
    };
    return value != NULL ? names[value->type] : "nothing";
}

/* --- merge patch --- */

/* What a member of `over` leaves behind where there was `old` (NULL: nothing); NULL: no member. */
typedef const struct js *settle_member(struct arena *arena, const struct js *old,
                                       const struct js *over);

static int next_order(const struct js *under, size_t left, const struct js *over, size_t right) {
    if (left == under->object.count) {
        return 1;
    }
    if (right == over->object.count) {
        return -1;
    }
    return js_key_order(under->object.members[left].key, over->object.members[right].key);
}

/* Both lists are sorted, so one walk over the two merges them. */
static const struct js *merge_objects(struct arena *arena, const struct js *under,
                                      const struct js *over, settle_member *settle) {
    size_t most = under->object.count + over->object.count;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, most);
    size_t count = 0, left = 0, right = 0;
    while (left < under->object.count || right < over->object.count) {
        int order = next_order(under, left, over, right);
        if (order < 0) {
            members[count++] = under->object.members[left++];
            continue;
        }
        const struct js *old = order == 0 ? under->object.members[left++].value : NULL;
        const struct js_member *change = &over->object.members[right++];
        const struct js *value = settle(arena, old, change->value);
        if (value != NULL) {
            members[count++] = (struct js_member){change->key, value};
        }
    }
    return object_of_sorted(arena, members, count);
}

static const struct js *settle_over(struct arena *arena, const struct js *old,
                                    const struct js *over) {
    (void)arena;
    (void)old;
    return over;
}

const struct js *js_over(struct arena *arena, const struct js *under, const struct js *over) {
    if (!js_is(over, JS_OBJECT) || over->object.count == 0) {
        return under != NULL ? under : &js_empty_object;
    }
    return js_is(under, JS_OBJECT) ? merge_objects(arena, under, over, settle_over) : over;
}

static const struct js *settle_patch(struct arena *arena, const struct js *old,
                                     const struct js *patch) {
    return js_is(patch, JS_NULL) ? NULL : js_merge_patch(arena, old, patch);
}

const struct js *js_merge_patch(struct arena *arena, const struct js *target,
                                const struct js *patch) {
    if (!js_is(patch, JS_OBJECT)) {
        return patch;
    }
    return merge_objects(arena, js_is(target, JS_OBJECT) ? target : &js_empty_object, patch,
                         settle_patch);
}
