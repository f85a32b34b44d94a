/* rows.h: SQL about an application's own table, whose names are known only at run time. Used by the
 * rows.c of each driver only. */
#ifndef STATUTE_STORE_ROWS_H
#define STATUTE_STORE_ROWS_H

#include "base/buffer.h"
#include "model/app_table.h"

/* "name", quoted: no name holds a quote (policy/declare/table.c). */
void rows_put_name(struct buffer *sql, struct text name);
/* "schema"."name", or "name". */
void rows_put_table(struct buffer *sql, const struct app_table *table);
/* The names of a table's columns: fields first, then state, then version if there is one. */
size_t rows_columns(const struct app_table *table, struct text *out);
#define ROWS_COLUMNS_MOST (APP_COLUMNS_MOST + 2)

#endif
