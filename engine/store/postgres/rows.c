/* rows.c: rows of an application's own table. They travel as JSON, one object a row
 * under the columns' names, which the server turns into a row of the table's own type: so a value
 * is compared and stored as what its column holds, however it is written ("10:00Z", "10:00+00:00").
 *
 * A table may refuse a value. That is the caller's to hear, not a fault of the store. Constraints
 * that wait for COMMIT (a foreign key of Django's does) are called in at once, for the same reason.
 */
#include <stdio.h>

#include "store/postgres/driver.h"
#include "store/rows.h"

static const char FIND_COLUMNS[] =
    "SELECT k.name, a.attname IS NOT NULL FROM unnest($2::text[]) k(name) LEFT JOIN pg_attribute a "
    "ON a.attrelid = to_regclass($1) AND a.attname = k.name AND a.attnum > 0 AND NOT "
    "a.attisdropped";
static const char FIND_KEY[] =
    "SELECT to_regclass($1) IS NOT NULL, EXISTS (SELECT FROM pg_index i JOIN pg_attribute a "
    "ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass($1) "
    "AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = $2), "
    "coalesce(has_table_privilege(to_regclass($1)::oid, 'SELECT') AND "
    "has_table_privilege(to_regclass($1)::oid, 'INSERT') AND "
    "has_table_privilege(to_regclass($1)::oid, 'UPDATE'), false)";
static const char CALL_IN_CONSTRAINTS[] = "SET CONSTRAINTS ALL IMMEDIATE";
static const char MARK[] = "SAVEPOINT row_tried";
static const char BACK_TO_MARK[] = "ROLLBACK TO SAVEPOINT row_tried";

/* --- the catalogue --- */

static bool check_key(struct postgres_store *self, const struct app_table *table,
                      const PGresult *result, struct fault *fault) {
    if (!cell_bool(result, 0, 0)) {
        return fault_set(fault, FAULT_POLICY_INVALID, "%s has no table '%.*s'", self->wire.name,
                         TEXT_ARGS(table->name));
    }
    if (!cell_bool(result, 0, 1)) {
        return fault_set(fault, FAULT_POLICY_INVALID,
                         "the column '%.*s' of the table '%.*s' has no unique index of its own",
                         TEXT_ARGS(table->id), TEXT_ARGS(table->name));
    }
    return cell_bool(result, 0, 2) ||
           fault_set(
               fault, FAULT_POLICY_INVALID,
               "the engine's database user may not SELECT, INSERT and UPDATE the table '%.*s'",
               TEXT_ARGS(table->name));
}

static bool check_columns(const struct app_table *table, const PGresult *result,
                          struct fault *fault) {
    for (int row = 0; row < PQntuples(result); row++) {
        if (!cell_bool(result, row, 1)) {
            return fault_set(fault, FAULT_POLICY_INVALID, "the table '%.*s' has no column '%.*s'",
                             TEXT_ARGS(table->name), TEXT_ARGS(cell_lent(result, row, 0)));
        }
    }
    return true;
}

static bool check(struct postgres_store *self, const struct app_table *table, struct fault *fault) {
    struct values key, columns;
    struct buffer name;
    struct text names[ROWS_COLUMNS_MOST + 1];
    size_t count = rows_columns(table, names);
    names[count++] = table->id;
    buffer_init(&name, &self->scratch);
    rows_put_table(&name, table);
    values_init(&key, &self->scratch);
    values_add_text(&key, buffer_view(&name));
    values_add_text(&key, table->id);
    values_init(&columns, &self->scratch);
    values_add_text(&columns, buffer_view(&name));
    values_add_texts(&columns, names, count);
    postgres_queue(self, FIND_KEY, &key);
    if (!postgres_run(self, FIND_COLUMNS, &columns, fault)) {
        return false;
    }
    const PGresult *keys = wire_result(&self->wire, 0);
    return (!cell_bool(keys, 0, 0) || check_columns(table, wire_result(&self->wire, 1), fault)) &&
           check_key(self, table, keys, fault);
}

bool postgres_check_table(struct store *store, const struct app_table *table, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own, check(self, table, fault), fault);
}

/* --- what a table refuses --- */

/* Classes of SQLSTATE: 22 data exception, 23 integrity constraint, P0 raised by a trigger. */
static const PGresult *refused_result(const struct postgres_store *self, const char **state) {
    for (size_t i = 0; i < WIRE_QUEUE_MOST; i++) {
        const PGresult *result = wire_result(&self->wire, i);
        *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
        if (*state != NULL) {
            bool refused = memcmp(*state, "22", 2) == 0 || memcmp(*state, "23", 2) == 0 ||
                           memcmp(*state, "P0", 2) == 0;
            return refused ? result : NULL;
        }
    }
    return NULL;
}

/* Turns a fault of the latest round trip into the caller's, where it is; returns false. */
static bool refuse(struct postgres_store *self, const struct app_table *table, enum fault_code code,
                   struct fault *fault) {
    const char *state;
    const PGresult *result = refused_result(self, &state);
    if (result == NULL) {
        return false;
    }
    return fault_set(fault, code, "the table '%.*s' refuses it: %s", TEXT_ARGS(table->name),
                     PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/* --- SQL --- */

static const char *finished(struct buffer *sql) {
    buffer_add_char(sql, '\0');
    return sql->bytes;
}

static void put_column(struct buffer *sql, const char *alias, struct text column) {
    buffer_print(sql, "%s", alias);
    rows_put_name(sql, column);
}

static void put_rows(struct buffer *sql, const struct app_table *table) {
    buffer_print(sql, "jsonb_populate_recordset(NULL::");
    rows_put_table(sql, table);
    buffer_print(sql, ", $1::text::jsonb) r");
}

static void put_comparison(struct buffer *sql, struct text column) {
    buffer_print(sql, " AND to_jsonb(");
    put_column(sql, "a.", column);
    buffer_print(sql, ") IS NOT DISTINCT FROM to_jsonb(");
    put_column(sql, "r.", column);
    buffer_print(sql, ")");
}

enum row_column { ROW_ID, ROW_STATE, ROW_VERSION, ROW_FIELDS, ROW_AS_KNOWN };

static const char *read_sql(struct arena *arena, const struct app_table *table, const char *lock) {
    struct buffer sql;
    struct text names[ROWS_COLUMNS_MOST];
    size_t count = rows_columns(table, names);
    buffer_init(&sql, arena);
    buffer_print(&sql, "SELECT ");
    put_column(&sql, "a.", table->id);
    put_column(&sql, "::text, a.", table->state);
    buffer_print(&sql, "::text, ");
    put_column(&sql, text_given(table->version) ? "a." : "NULL::int AS ",
               text_given(table->version) ? table->version : TEXT("version"));
    buffer_print(&sql, "%s, json_build_array(", text_given(table->version) ? "::bigint" : "");
    for (size_t i = 0; i < table->column_count; i++) {
        put_column(&sql, i > 0 ? ", a." : "a.", names[i]);
    }
    buffer_print(&sql, ")::text, true");
    for (size_t i = 0; i < count; i++) {
        put_comparison(&sql, names[i]);
    }
    buffer_print(&sql, " FROM ");
    put_rows(&sql, table);
    buffer_print(&sql, " JOIN ");
    rows_put_table(&sql, table);
    put_column(&sql, " a ON a.", table->id);
    put_column(&sql, " = r.", table->id);
    put_column(&sql, " ORDER BY a.", table->id);
    buffer_print(&sql, "%s", lock);
    return finished(&sql);
}

static const char *update_sql(struct arena *arena, const struct app_table *table) {
    struct buffer sql;
    struct text names[ROWS_COLUMNS_MOST];
    size_t count = rows_columns(table, names);
    buffer_init(&sql, arena);
    buffer_print(&sql, "UPDATE ");
    rows_put_table(&sql, table);
    buffer_print(&sql, " a SET ");
    for (size_t i = 0; i < count; i++) {
        put_column(&sql, i > 0 ? ", " : "", names[i]);
        put_column(&sql, " = r.", names[i]);
    }
    buffer_print(&sql, " FROM ");
    put_rows(&sql, table);
    put_column(&sql, " WHERE a.", table->id);
    put_column(&sql, " = r.", table->id);
    return finished(&sql);
}

/* A column without a value keeps its default. */
static const char *insert_sql(struct arena *arena, const struct app_table *table,
                              const struct js *row) {
    struct buffer sql;
    buffer_init(&sql, arena);
    buffer_print(&sql, "INSERT INTO ");
    rows_put_table(&sql, table);
    for (size_t i = 0; i < row->object.count; i++) {
        put_column(&sql, i > 0 ? ", " : " (", row->object.members[i].key);
    }
    buffer_print(&sql, ") SELECT ");
    for (size_t i = 0; i < row->object.count; i++) {
        put_column(&sql, i > 0 ? ", r." : "r.", row->object.members[i].key);
    }
    buffer_print(&sql, " FROM ");
    put_rows(&sql, table);
    return finished(&sql);
}

/* --- rows as JSON --- */

static const struct js *row_json(struct arena *arena, const struct app_table *table, struct text id,
                                 struct text state, int64_t version, const struct js *data) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, table->column_count + 3);
    size_t count = 0;
    members[count++] = (struct js_member){table->id, js_string(arena, id)};
    if (text_given(state)) {
        members[count++] = (struct js_member){table->state, js_string(arena, state)};
    }
    if (text_given(table->version)) {
        members[count++] = (struct js_member){table->version, js_integer(arena, version)};
    }
    for (size_t i = 0; i < table->column_count; i++) {
        const struct js *value = js_find(data, table->columns[i].field);
        if (value != NULL) {
            members[count++] = (struct js_member){table->columns[i].column, value};
        }
    }
    return js_object(arena, members, count);
}

static void add_rows(struct values *values, struct arena *arena, const struct js *const *rows,
                     size_t count) {
    values_init(values, arena);
    values_add_text(values, js_print(arena, js_array(arena, rows, count)));
}

/* --- reading --- */

static bool fields_of_row(struct arena *arena, const struct app_table *table, struct text json,
                          const struct js **out, struct fault *fault) {
    const struct js *values;
    if (!js_parse_rounding(arena, json, &values, fault)) {
        fault->code = FAULT_STORE_UNAVAILABLE;
        return fault_within(fault, "a row of the table '%.*s'", TEXT_ARGS(table->name));
    }
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, table->column_count);
    size_t count = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!js_is(values->array.items[i], JS_NULL)) {
            members[count++] = (struct js_member){table->columns[i].field, values->array.items[i]};
        }
    }
    *out = js_object(arena, members, count);
    return true;
}

static bool fill_row(struct arena *arena, const struct app_table *table, const PGresult *result,
                     int number, struct store_row *row, struct fault *fault) {
    row->exists = true;
    row->state = cell_text(arena, result, number, ROW_STATE);
    row->version = text_given(table->version) ? cell_integer(result, number, ROW_VERSION) : 0;
    row->is_as_known = text_given(row->known_state) && cell_bool(result, number, ROW_AS_KNOWN);
    return fields_of_row(arena, table, cell_lent(result, number, ROW_FIELDS), &row->fields, fault);
}

/* Rows come in the order of the column's type, so they are found by what their id is as text: "007"
 * is no id of row 7. */
static bool fill_rows(struct postgres_store *self, struct arena *arena,
                      const struct app_table *table, struct store_row *rows, size_t count,
                      struct fault *fault) {
    const PGresult *result = wire_result(&self->wire, 0);
    struct map numbers;
    map_init(&numbers, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        map_set(&numbers, rows[i].id, &rows[i]);
    }
    for (int number = 0; number < PQntuples(result); number++) {
        struct store_row *row = map_find(&numbers, cell_lent(result, number, ROW_ID));
        if (row != NULL && !fill_row(arena, table, result, number, row, fault)) {
            return false;
        }
    }
    return true;
}

static const char *lock_of(enum store_hold hold) {
    static const char *const locks[] = {[STORE_HOLD] = " FOR UPDATE OF a",
                                        [STORE_SHARE] = " FOR UPDATE OF a",
                                        [STORE_LOOK] = "",
                                        [STORE_TRY] = " FOR UPDATE OF a SKIP LOCKED"};
    return locks[hold];
}

static bool read_rows(struct postgres_store *self, struct arena *arena,
                      const struct app_table *table, struct store_row *rows, size_t count,
                      struct fault *fault) {
    struct values values;
    const struct js **json = ARENA_ARRAY(&self->scratch, const struct js *, count);
    for (size_t i = 0; i < count; i++) {
        const struct store_row *row = &rows[i];
        rows[i].exists = rows[i].is_as_known = false;
        json[i] = row_json(&self->scratch, table, row->id, row->known_state, row->known_version,
                           row->known);
    }
    add_rows(&values, &self->scratch, json, count);
    const char *sql =
        read_sql(&self->scratch, table, self->phase == PG_WRITING ? lock_of(rows[0].hold) : "");
    if (!postgres_run(self, sql, &values, fault)) {
        return refuse(self, table, FAULT_BAD_REQUEST, fault);
    }
    return fill_rows(self, arena, table, rows, count, fault);
}

bool postgres_read_rows(struct store *store, struct arena *arena, const struct app_table *table,
                        struct store_row *rows, size_t count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own, read_rows(self, arena, table, rows, count, fault), fault);
}

/* --- writing --- */

static const struct js *write_json(struct arena *arena, const struct app_table *table,
                                   const struct store_row_write *row) {
    return row_json(arena, table, row->id, row->state, row->version, row->data);
}

static void queue_insert(struct postgres_store *self, const struct app_table *table,
                         const struct store_row_write *row) {
    struct values values;
    const struct js *json = write_json(&self->scratch, table, row);
    add_rows(&values, &self->scratch, &json, 1);
    postgres_queue(self, insert_sql(&self->scratch, table, json), &values);
}

static bool insert_rows(struct postgres_store *self, const struct app_table *table,
                        const struct store_row_write *rows, size_t count, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].insert) {
            continue;
        }
        queue_insert(self, table, &rows[i]);
        if (!postgres_run(self, CALL_IN_CONSTRAINTS, NULL, fault)) {
            return false;
        }
    }
    return true;
}

static bool update_rows(struct postgres_store *self, const struct app_table *table,
                        const struct store_row_write *rows, size_t count, struct fault *fault) {
    struct values values;
    const struct js **json = ARENA_ARRAY(&self->scratch, const struct js *, count);
    size_t updates = 0;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].insert) {
            json[updates++] = write_json(&self->scratch, table, &rows[i]);
        }
    }
    if (updates == 0) {
        return true;
    }
    add_rows(&values, &self->scratch, json, updates);
    postgres_queue(self, update_sql(&self->scratch, table), &values);
    if (!postgres_run(self, CALL_IN_CONSTRAINTS, NULL, fault)) {
        return false;
    }
    return wire_changed(&self->wire, 0) == updates ||
           fault_set(fault, FAULT_STORE_CONFLICT, "rows of the table '%.*s' have gone",
                     TEXT_ARGS(table->name));
}

/* A key that is there already may be a row that somebody has just made: run again, and see it. */
bool postgres_write_rows(struct store *store, const struct app_table *table,
                         const struct store_row_write *rows, size_t count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    arena_reset(&self->scratch);
    if (insert_rows(self, table, rows, count, fault) &&
        update_rows(self, table, rows, count, fault)) {
        return true;
    }
    return fault->code != FAULT_STORE_CONFLICT &&
           refuse(self, table, FAULT_VALIDATION_FAILED, fault);
}

bool postgres_try_row(struct store *store, const struct app_table *table,
                      const struct store_row_write *row, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct fault lost = FAULT_INIT;
    arena_reset(&self->scratch);
    postgres_queue(self, MARK, NULL);
    bool fine = row->insert ? insert_rows(self, table, row, 1, fault)
                            : update_rows(self, table, row, 1, fault);
    if (!fine) {
        refuse(self, table, FAULT_VALIDATION_FAILED, fault);
    }
    if (!postgres_run(self, BACK_TO_MARK, NULL, &lost)) {
        *fault = lost;
        return false;
    }
    return fine;
}
