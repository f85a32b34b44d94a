/* values.c: numbers go in network byte order. An array is: dimensions (1), whether
 * it may hold nulls (1), the type of its elements, how many, the index of the first (1); then each
 * element behind its length, -1 for a null. */
#include "store/postgres/values.h"

#include <endian.h>

#define TYPE_BOOL    16 /* pg_type.dat, as are all of these: fixed for ever */
#define TYPE_BYTEA   17
#define TYPE_BIGINT  20
#define TYPE_TEXT    25
#define COUNT_OFFSET (3 * sizeof(uint32_t))

/* --- parameters --- */

void values_init(struct values *values, struct arena *arena) {
    values->arena = arena;
    values->count = 0;
}

static void add(struct values *values, const char *bytes, size_t length) {
    values->bytes[values->count] = bytes;
    values->lengths[values->count++] = (int)length;
}

void values_add_integer(struct values *values, int64_t value) {
    uint64_t *big = ARENA_NEW(values->arena, uint64_t);
    *big = htobe64((uint64_t)value);
    add(values, (const char *)big, sizeof *big);
}

void values_add_bool(struct values *values, bool value) {
    add(values, value ? "\1" : "\0", 1);
}

void values_add_text(struct values *values, struct text value) {
    add(values, value.bytes, value.length);
}

void values_add_given(struct values *values, struct text value) {
    values_add_text(values, text_given(value) ? value : TEXT(""));
}

void values_add_bytes(struct values *values, const void *bytes, size_t length) {
    add(values, bytes, length);
}

void values_add_array(struct values *values, struct array *array) {
    uint32_t count = htobe32(array->count);
    memcpy(array->buffer.bytes + COUNT_OFFSET, &count, sizeof count);
    add(values, array->buffer.bytes, array->buffer.length);
}

void values_add_texts(struct values *values, const struct text *texts, size_t count) {
    struct array array;
    array_init_texts(&array, values->arena);
    for (size_t i = 0; i < count; i++) {
        array_add_text(&array, texts[i]);
    }
    values_add_array(values, &array);
}

/* --- arrays --- */

static void add_word(struct array *array, uint32_t word) {
    uint32_t big = htobe32(word);
    buffer_add(&array->buffer, &big, sizeof big);
}

static void array_init(struct array *array, struct arena *arena, uint32_t type) {
    buffer_init(&array->buffer, arena);
    array->count = 0;
    add_word(array, 1);
    add_word(array, 1);
    add_word(array, type);
    add_word(array, 0); /* the count, once it is known */
    add_word(array, 1);
}

void array_init_texts(struct array *array, struct arena *arena) {
    array_init(array, arena, TYPE_TEXT);
}

void array_init_bytes(struct array *array, struct arena *arena) {
    array_init(array, arena, TYPE_BYTEA);
}

void array_init_integers(struct array *array, struct arena *arena) {
    array_init(array, arena, TYPE_BIGINT);
}

void array_init_bools(struct array *array, struct arena *arena) {
    array_init(array, arena, TYPE_BOOL);
}

void array_add_null(struct array *array) {
    add_word(array, UINT32_MAX);
    array->count++;
}

void array_add_bytes(struct array *array, const void *bytes, size_t length) {
    add_word(array, (uint32_t)length);
    buffer_add(&array->buffer, bytes, length);
    array->count++;
}

void array_add_text(struct array *array, struct text value) {
    if (text_given(value)) {
        array_add_bytes(array, value.bytes, value.length);
    } else {
        array_add_null(array);
    }
}

void array_add_integer(struct array *array, int64_t value) {
    uint64_t big = htobe64((uint64_t)value);
    array_add_bytes(array, &big, sizeof big);
}

void array_add_bool(struct array *array, bool value) {
    array_add_bytes(array, value ? "\1" : "\0", 1);
}

/* --- columns --- */

int64_t cell_integer(const PGresult *result, int row, int column) {
    uint64_t big = 0;
    cell_bytes(result, row, column, &big, sizeof big);
    return (int64_t)be64toh(big);
}

bool cell_bool(const PGresult *result, int row, int column) {
    return PQgetlength(result, row, column) == 1 && *PQgetvalue(result, row, column) != 0;
}

struct text cell_lent(const PGresult *result, int row, int column) {
    if (PQgetisnull(result, row, column)) {
        return TEXT_NONE;
    }
    return (struct text){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

struct text cell_text(struct arena *arena, const PGresult *result, int row, int column) {
    return text_copy(arena, cell_lent(result, row, column));
}

void cell_bytes(const PGresult *result, int row, int column, void *out, size_t length) {
    struct text bytes = cell_lent(result, row, column);
    if (text_given(bytes) && bytes.length == length) {
        memcpy(out, bytes.bytes, length);
    } else {
        memset(out, 0, length);
    }
}
