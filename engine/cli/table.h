/* table.h: cells in aligned columns. Cells are lent and must outlive the table; control characters
 * in them are shown as '?', so that what is in a store cannot play tricks on a terminal. */
#ifndef STATUTE_TABLE_H
#define STATUTE_TABLE_H

#include <stdio.h>

#include "base/arena.h"
#include "base/text.h"

#define TABLE_COLUMNS 8

struct table {
    struct arena *arena;
    size_t columns;
    const char *indent;
    struct text *cells; /* row by row; the first row is the heading */
    size_t count, capacity;
};

/* `headings` ends with NULL; at most TABLE_COLUMNS of them. */
void table_init(struct table *table, struct arena *arena, const char *indent,
                const char *const *headings);
void table_add(struct table *table, struct text cell); /* next cell, left to right */
void table_write(const struct table *table, FILE *stream);

#endif
