/* table.c: widths are known when all cells are, so the table is written at its end. */
#include "cli/table.h"

#include "cli/terminal.h"

#define GAP 2

void table_init(struct table *table, struct arena *arena, const char *indent,
                const char *const *headings) {
    *table = (struct table){.arena = arena, .indent = indent};
    while (headings[table->columns] != NULL) {
        table_add(table, text_of(headings[table->columns++]));
    }
}

void table_add(struct table *table, struct text cell) {
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        struct text *cells = ARENA_ARRAY(table->arena, struct text, capacity);
        if (table->count > 0) {
            memcpy(cells, table->cells, table->count * sizeof *cells);
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->count++] = cell;
}

static void put_cell(FILE *stream, struct text cell) {
    for (size_t i = 0; i < cell.length; i++) {
        unsigned char byte = (unsigned char)cell.bytes[i];
        fputc(text_is_control((char)byte) ? '?' : byte, stream);
    }
}

static void measure(const struct table *table, size_t *widths) {
    for (size_t i = 0; i < table->count; i++) {
        size_t columns = terminal_columns(table->cells[i]);
        size_t *width = &widths[i % table->columns];
        *width = columns > *width ? columns : *width;
    }
}

/* Nothing follows the last cell that is not empty, so lines have no blanks at their ends. */
static size_t used_columns(const struct table *table, size_t row) {
    size_t used = table->columns;
    while (used > 0 && table->cells[row * table->columns + used - 1].length == 0) {
        used--;
    }
    return used;
}

static void put_row(const struct table *table, const size_t *widths, size_t row, FILE *stream) {
    size_t used = used_columns(table, row);
    fputs(table->indent, stream);
    for (size_t i = 0; i < used; i++) {
        struct text cell = table->cells[row * table->columns + i];
        put_cell(stream, cell);
        if (i + 1 < used) {
            fprintf(stream, "%*s", (int)(widths[i] + GAP - terminal_columns(cell)), "");
        }
    }
}

void table_write(const struct table *table, FILE *stream) {
    size_t widths[TABLE_COLUMNS] = {0};
    measure(table, widths);
    for (size_t row = 0; row < table->count / table->columns; row++) {
        fputs(row == 0 ? terminal_style(stream, STYLE_DIM) : "", stream);
        put_row(table, widths, row, stream);
        fputs(row == 0 ? terminal_style(stream, STYLE_PLAIN) : "", stream);
        fputc('\n', stream);
    }
}
