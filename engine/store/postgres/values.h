/* values.h: parameters of a statement and columns of an answer, in PostgreSQL's
 * binary format: text as its bytes, bigint as 8 bytes, boolean as one, bytea as it is; arrays as
 * src/backend/utils/adt/arrayfuncs.c, array_recv, reads them. No text is quoted, and none is
 * printed.
 *
 * How to use: values_init, one values_add_... a parameter in order; the statement casts each
 * parameter whose type it does not imply ($1::bigint[]). Bytes are lent until the statement is
 * queued. Private to store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_VALUES_H
#define STATUTE_STORE_POSTGRES_VALUES_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/buffer.h"

#define VALUES_MOST 24

struct values {
    struct arena *arena; /* of what must be built */
    int count;
    const char *bytes[VALUES_MOST]; /* NULL: null */
    int lengths[VALUES_MOST];
};

/* One array, of texts, byte strings, integers or booleans; a parameter of its own. */
struct array {
    struct buffer buffer;
    uint32_t count;
};

void values_init(struct values *values, struct arena *arena);
void values_add_integer(struct values *values, int64_t value);
void values_add_bool(struct values *values, bool value);
void values_add_text(struct values *values, struct text value);  /* TEXT_NONE is null */
void values_add_given(struct values *values, struct text value); /* TEXT_NONE is "" */
void values_add_bytes(struct values *values, const void *bytes, size_t length);
/* The array is complete, and lent. */
void values_add_array(struct values *values, struct array *array);
/* The same of texts at hand. */
void values_add_texts(struct values *values, const struct text *texts, size_t count);

void array_init_texts(struct array *array, struct arena *arena);
void array_init_bytes(struct array *array, struct arena *arena);
void array_init_integers(struct array *array, struct arena *arena);
void array_init_bools(struct array *array, struct arena *arena);
void array_add_null(struct array *array);
void array_add_text(struct array *array, struct text value); /* TEXT_NONE is null */
void array_add_bytes(struct array *array, const void *bytes, size_t length);
void array_add_integer(struct array *array, int64_t value);
void array_add_bool(struct array *array, bool value);

/* --- columns of a row, from 0; the answer must be binary --- */
int64_t cell_integer(const PGresult *result, int row, int column); /* 0 for null */
bool cell_bool(const PGresult *result, int row, int column);
/* Lent by the result; TEXT_NONE for null. */
struct text cell_lent(const PGresult *result, int row, int column);
struct text cell_text(struct arena *arena, const PGresult *result, int row, int column);
/* Copies a byte string of exactly this length; zeros when it has another. */
void cell_bytes(const PGresult *result, int row, int column, void *out, size_t length);

#endif
