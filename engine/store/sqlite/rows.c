/* rows.c: rows of an application's own table, in the same file as the store's. SQL is
 * made and prepared for each call. A value is compared as the column would keep it: SQLite applies
 * a column's affinity to the parameter on the other side of IS. */
#include <stdlib.h>

#include "store/rows.h"
#include "store/sqlite/driver.h"

static const char FIND_COLUMN[] = "SELECT count(*) FROM pragma_table_info(?1, ?2) "
                                  "WHERE name = ?3 COLLATE NOCASE";
static const char FIND_TABLE[] = "SELECT count(*) FROM pragma_table_info(?1, ?2)";
static const char FIND_KEY[] =
    "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1, ?2) WHERE name = ?3 COLLATE NOCASE AND pk "
    "= "
    "1 AND (SELECT count(*) FROM pragma_table_info(?1, ?2) WHERE pk > 0) = 1) OR EXISTS (SELECT 1 "
    "FROM pragma_index_list(?1, ?2) l WHERE l.\"unique\" AND NOT l.partial AND (SELECT "
    "group_concat(name) FROM pragma_index_info(l.name, ?2)) = ?3 COLLATE NOCASE)";
static const char MARK[] = "SAVEPOINT row_tried";
static const char BACK_TO_MARK[] = "ROLLBACK TO row_tried";
static const char FORGET_MARK[] = "RELEASE row_tried";

/* --- the catalogue --- */

static bool ask(struct sqlite_store *self, const char *sql, const struct app_table *table,
                struct text column, int64_t *out, struct fault *fault) {
    const char *dot = memchr(table->name.bytes, '.', table->name.length);
    size_t schema = dot != NULL ? (size_t)(dot - table->name.bytes) : 0;
    size_t skipped = dot != NULL ? schema + 1 : 0;
    sqlite3_stmt *statement = sql_use(&self->sql, sql, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1,
                 (struct text){table->name.bytes + skipped, table->name.length - skipped});
    sql_put_text(statement, 2,
                 dot != NULL ? (struct text){table->name.bytes, schema} : TEXT("main"));
    if (text_given(column)) {
        sql_put_text(statement, 3, column);
    }
    return sql_ask(&self->sql, statement, 0, out, fault);
}

static bool check_columns(struct sqlite_store *self, const struct app_table *table,
                          struct fault *fault) {
    struct text names[ROWS_COLUMNS_MOST + 1];
    size_t count = rows_columns(table, names);
    names[count++] = table->id;
    for (size_t i = 0; i < count; i++) {
        int64_t found;
        if (!ask(self, FIND_COLUMN, table, names[i], &found, fault)) {
            return false;
        }
        if (found == 0) {
            return fault_set(fault, FAULT_POLICY_INVALID, "the table '%.*s' has no column '%.*s'",
                             TEXT_ARGS(table->name), TEXT_ARGS(names[i]));
        }
    }
    return true;
}

bool sqlite_check_table(struct store *store, const struct app_table *table, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    int64_t found, unique;
    if (!ask(self, FIND_TABLE, table, TEXT_NONE, &found, fault)) {
        return false;
    }
    if (found == 0) {
        return fault_set(fault, FAULT_POLICY_INVALID, "%s has no table '%.*s'", self->sql.path,
                         TEXT_ARGS(table->name));
    }
    if (!check_columns(self, table, fault) ||
        !ask(self, FIND_KEY, table, table->id, &unique, fault)) {
        return false;
    }
    return unique != 0 ||
           fault_set(fault, FAULT_POLICY_INVALID,
                     "the column '%.*s' of the table '%.*s' has no unique index of its own",
                     TEXT_ARGS(table->id), TEXT_ARGS(table->name));
}

/* --- statements --- */

static sqlite3_stmt *prepare(struct sqlite_store *self, const struct buffer *sql,
                             struct fault *fault) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(self->sql.database, sql->bytes, (int)sql->length, &statement, NULL) !=
        SQLITE_OK) {
        sql_fail(&self->sql, fault);
    }
    return statement;
}

static void put_columns(struct buffer *sql, const struct text *names, size_t count,
                        const char *between, const char *behind, int parameter) {
    for (size_t i = 0; i < count; i++) {
        buffer_print(sql, "%s", i > 0 ? between : "");
        rows_put_name(sql, names[i]);
        if (behind != NULL) {
            buffer_print(sql, "%s?%d", behind, parameter + (int)i);
        }
    }
}

static void bind_value(struct arena *arena, sqlite3_stmt *statement, int parameter,
                       const struct js *value) {
    if (value == NULL || value->type == JS_NULL) {
        sqlite3_bind_null(statement, parameter);
    } else if (js_is_bool(value)) {
        sql_put_integer(statement, parameter, value->type == JS_TRUE);
    } else if (value->type == JS_INTEGER) {
        sql_put_integer(statement, parameter, value->integer);
    } else if (value->type == JS_REAL) {
        sqlite3_bind_double(statement, parameter, value->real);
    } else if (value->type == JS_STRING) {
        sql_put_text(statement, parameter, value->string);
    } else {
        sql_put_text(statement, parameter, js_print(arena, value));
    }
}

/* The id is parameter 1; the columns of rows_columns follow. A parameter that the statement does
 * not have (an insert without that column) is ignored. */
static void bind_row(struct arena *arena, sqlite3_stmt *statement, const struct app_table *table,
                     struct text id, struct text state, int64_t version, const struct js *data) {
    int parameter = 1;
    sql_put_text(statement, parameter++, id);
    for (size_t i = 0; i < table->column_count; i++) {
        bind_value(arena, statement, parameter++, js_find(data, table->columns[i].field));
    }
    sql_put_text(statement, parameter++, state);
    if (text_given(table->version)) {
        sql_put_integer(statement, parameter++, version);
    }
}

/* --- reading --- */

/* Columns of the answer: the id as text, whether all is as known, then those of rows_columns. */
enum row_column { ROW_ID, ROW_AS_KNOWN, ROW_FIRST };

static sqlite3_stmt *prepare_read(struct sqlite_store *self, const struct app_table *table,
                                  struct fault *fault) {
    struct buffer sql;
    struct text names[ROWS_COLUMNS_MOST];
    size_t count = rows_columns(table, names);
    buffer_init(&sql, &self->scratch);
    buffer_print(&sql, "SELECT CAST(");
    rows_put_name(&sql, table->id);
    buffer_print(&sql, " AS TEXT), ");
    put_columns(&sql, names, count, " AND ", " IS ", 2);
    buffer_print(&sql, ", ");
    put_columns(&sql, names, count, ", ", NULL, 0);
    buffer_print(&sql, " FROM ");
    rows_put_table(&sql, table);
    buffer_print(&sql, " WHERE ");
    rows_put_name(&sql, table->id);
    buffer_print(&sql, " = ?1");
    return prepare(self, &sql, fault);
}

static const struct js *value_of(struct arena *arena, sqlite3_stmt *statement, int column,
                                 enum app_value kind) {
    const struct js *parsed;
    struct fault unreadable = FAULT_INIT;
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
        return NULL;
    case SQLITE_INTEGER:
        return kind == APP_BOOLEAN ? (sql_integer(statement, column) != 0 ? &js_true : &js_false)
                                   : js_integer(arena, sql_integer(statement, column));
    case SQLITE_FLOAT:
        return js_real(arena, sqlite3_column_double(statement, column));
    default: {
        struct text text = sql_text(arena, statement, column);
        return kind == APP_JSON && js_parse_rounding(arena, text, &parsed, &unreadable)
                   ? parsed
                   : js_string(arena, text);
    }
    }
}

static void fill_row(struct arena *arena, sqlite3_stmt *statement, const struct app_table *table,
                     struct store_row *row) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, table->column_count);
    size_t count = 0;
    int state = ROW_FIRST + (int)table->column_count;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct js *value =
            value_of(arena, statement, ROW_FIRST + (int)i, table->columns[i].value);
        if (value != NULL) {
            members[count++] = (struct js_member){table->columns[i].field, value};
        }
    }
    row->exists = true;
    row->is_as_known = text_given(row->known_state) && sql_integer(statement, ROW_AS_KNOWN) != 0;
    row->fields = js_object(arena, members, count);
    row->state = sql_text(arena, statement, state);
    row->version = text_given(table->version) ? sql_integer(statement, state + 1) : 0;
}

/* "007" is no id of row 7, though SQLite finds it there. */
static bool read_row(struct sqlite_store *self, struct arena *arena, sqlite3_stmt *statement,
                     const struct app_table *table, struct store_row *row, struct fault *fault) {
    bool found = false;
    row->exists = row->is_as_known = false;
    bind_row(&self->scratch, statement, table, row->id, row->known_state, row->known_version,
             row->known);
    if (!sql_next(&self->sql, statement, &found, fault)) {
        return false;
    }
    if (found && text_equal(sql_lent(statement, ROW_ID), row->id)) {
        fill_row(arena, statement, table, row);
    }
    sql_stop(statement);
    return true;
}

bool sqlite_read_rows(struct store *store, struct arena *arena, const struct app_table *table,
                      struct store_row *rows, size_t count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    arena_reset(&self->scratch);
    sqlite3_stmt *statement = prepare_read(self, table, fault);
    bool fine = statement != NULL;
    for (size_t i = 0; i < count && fine; i++) {
        fine = read_row(self, arena, statement, table, &rows[i], fault);
    }
    sqlite3_finalize(statement);
    return fine;
}

/* --- writing --- */

static sqlite3_stmt *prepare_update(struct sqlite_store *self, const struct app_table *table,
                                    struct fault *fault) {
    struct buffer sql;
    struct text names[ROWS_COLUMNS_MOST];
    size_t count = rows_columns(table, names);
    buffer_init(&sql, &self->scratch);
    buffer_print(&sql, "UPDATE ");
    rows_put_table(&sql, table);
    buffer_print(&sql, " SET ");
    put_columns(&sql, names, count, ", ", " = ", 2);
    buffer_print(&sql, " WHERE ");
    rows_put_name(&sql, table->id);
    buffer_print(&sql, " = ?1");
    return prepare(self, &sql, fault);
}

static bool has_value(const struct app_table *table, size_t column, const struct js *data) {
    return column >= table->column_count || js_find(data, table->columns[column].field) != NULL;
}

/* A column without a value keeps its default. */
static sqlite3_stmt *prepare_insert(struct sqlite_store *self, const struct app_table *table,
                                    const struct js *data, struct fault *fault) {
    struct buffer sql;
    struct text names[ROWS_COLUMNS_MOST];
    size_t count = rows_columns(table, names);
    buffer_init(&sql, &self->scratch);
    buffer_print(&sql, "INSERT INTO ");
    rows_put_table(&sql, table);
    buffer_print(&sql, " (");
    rows_put_name(&sql, table->id);
    for (size_t i = 0; i < count; i++) {
        if (has_value(table, i, data)) {
            buffer_print(&sql, ", ");
            rows_put_name(&sql, names[i]);
        }
    }
    buffer_print(&sql, ") VALUES (?1");
    for (size_t i = 0; i < count; i++) {
        if (has_value(table, i, data)) {
            buffer_print(&sql, ", ?%d", (int)i + 2);
        }
    }
    buffer_print(&sql, ")");
    return prepare(self, &sql, fault);
}

/* Of the statement that has just failed: a constraint, a type of a STRICT table, or a trigger's
 * RAISE is the caller's to hear. */
static bool refuse(struct sqlite_store *self, const struct app_table *table, struct fault *fault) {
    int code = sqlite3_errcode(self->sql.database) & 0xFF;
    if (code != SQLITE_CONSTRAINT && code != SQLITE_MISMATCH) {
        return sql_fail(&self->sql, fault);
    }
    return fault_set(fault, FAULT_VALIDATION_FAILED, "the table '%.*s' refuses it: %s",
                     TEXT_ARGS(table->name), sqlite3_errmsg(self->sql.database));
}

static bool write_row(struct sqlite_store *self, const struct app_table *table,
                      const struct store_row_write *row, struct fault *fault) {
    sqlite3_stmt *statement = row->insert ? prepare_insert(self, table, row->data, fault)
                                          : prepare_update(self, table, fault);
    if (statement == NULL) {
        return false;
    }
    bind_row(&self->scratch, statement, table, row->id, row->state, row->version, row->data);
    bool fine = sqlite3_step(statement) == SQLITE_DONE || refuse(self, table, fault);
    if (fine && sqlite3_changes(self->sql.database) != 1) {
        fine = fault_set(fault, FAULT_STORE_CONFLICT, "a row of the table '%.*s' has gone",
                         TEXT_ARGS(table->name));
    }
    sqlite3_finalize(statement);
    return fine;
}

bool sqlite_write_rows(struct store *store, const struct app_table *table,
                       const struct store_row_write *rows, size_t count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool fine = true;
    for (size_t i = 0; i < count && fine; i++) {
        arena_reset(&self->scratch);
        fine = write_row(self, table, &rows[i], fault);
    }
    return fine;
}

bool sqlite_try_row(struct store *store, const struct app_table *table,
                    const struct store_row_write *row, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    struct fault lost = FAULT_INIT;
    arena_reset(&self->scratch);
    if (!sql_do(&self->sql, MARK, fault)) {
        return false;
    }
    bool fine = write_row(self, table, row, fault);
    if (!sql_do(&self->sql, BACK_TO_MARK, &lost) || !sql_do(&self->sql, FORGET_MARK, &lost)) {
        *fault = lost;
        return false;
    }
    return fine;
}
