/* rows.c: see rows.h. */
#include "store/rows.h"

void rows_put_name(struct buffer *sql, struct text name) {
    buffer_print(sql, "\"%.*s\"", TEXT_ARGS(name));
}

void rows_put_table(struct buffer *sql, const struct app_table *table) {
    const char *dot = memchr(table->name.bytes, '.', table->name.length);
    size_t skipped = 0;
    if (dot != NULL) {
        skipped = (size_t)(dot - table->name.bytes) + 1;
        rows_put_name(sql, (struct text){table->name.bytes, skipped - 1});
        buffer_print(sql, ".");
    }
    rows_put_name(sql, (struct text){table->name.bytes + skipped, table->name.length - skipped});
}

size_t rows_columns(const struct app_table *table, struct text *out) {
    size_t count = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        out[count++] = table->columns[i].column;
    }
    out[count++] = table->state;
    if (text_given(table->version)) {
        out[count++] = table->version;
    }
    return count;
}
