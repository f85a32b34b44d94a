/* index.c: the one writer keeps the indexes in the transaction that changes the data. Most stores
 * have none: that is remembered, so that it costs them nothing. */
#include "store/sqlite/index.h"

#include "store/index.h"

enum known { INDEX_UNKNOWN, INDEX_NONE, INDEX_SOME };

static const char ANY_FIELD[] = "SELECT 1 FROM index_field LIMIT 1";
static const char LIST_FIELDS[] = "SELECT id, field FROM index_field WHERE machine = ?1 AND wanted";
static const char FIND_FIELD[] =
    "SELECT id FROM index_field WHERE machine = ?1 AND field = ?2 AND built_to < 0 AND wanted";
static const char READ_DATA[] = "SELECT data FROM entity WHERE number = ?1 AND kind <> 0";
static const char ADD_VALUE[] =
    "INSERT OR IGNORE INTO index_value (field, value, number) VALUES (?1, ?2, ?3)";
static const char DROP_VALUE[] =
    "DELETE FROM index_value WHERE field = ?1 AND value = ?2 AND number = ?3";
static const char ADD_FIELD[] =
    "INSERT INTO index_field (machine, field) VALUES (?1, ?2) "
    "ON CONFLICT DO UPDATE SET built_to = 0, wanted = 1 WHERE NOT wanted";
static const char PROGRESS[] =
    "SELECT id, built_to FROM index_field WHERE machine = ?1 AND field = ?2";
static const char READ_SLICE[] =
    "SELECT e.number, e.data FROM entity e JOIN machine m ON m.id = e.machine "
    "WHERE e.number > ?1 AND e.number <= ?2 AND m.name = ?3 AND e.kind <> 0";
static const char LAST_NUMBER[] = "SELECT max(number) FROM entity";
static const char SAVE_PROGRESS[] = "UPDATE index_field SET built_to = ?2 WHERE id = ?1";
static const char ALL_FIELDS[] = "SELECT id, field FROM index_field WHERE machine = ?1";
static const char UNWANT[] = "UPDATE index_field SET wanted = 0 WHERE id = ?1";
static const char DROP_SLICE[] =
    "DELETE FROM index_value WHERE field = ?1 AND (value, number) IN "
    "(SELECT value, number FROM index_value WHERE field = ?1 LIMIT ?2)";
static const char DROP_FIELD[] = "DELETE FROM index_field WHERE id = ?1";

struct indexed {
    int64_t id;
    struct text field;
};

static void read_indexed(struct arena *arena, sqlite3_stmt *row, void *item) {
    struct indexed *indexed = item;
    *indexed = (struct indexed){sql_integer(row, 0), sql_text(arena, row, 1)};
}

static bool list(struct sqlite_store *self, const char *sql, struct text machine,
                 struct arena *arena, struct indexed **out, size_t *count, struct fault *fault) {
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, sql, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, machine);
    if (!sql_collect(&self->sql, statement, arena, read_indexed, sizeof **out, &rows, count,
                     fault)) {
        return false;
    }
    *out = rows;
    return true;
}

/* --- one entity --- */

static bool run_value(struct sqlite_store *self, const char *sql, int64_t field, struct text value,
                      int64_t number, struct fault *fault) {
    sqlite3_stmt *statement = text_given(value) ? sql_use(&self->sql, sql, fault) : NULL;
    if (statement == NULL) {
        return !text_given(value);
    }
    sql_put_integer(statement, 1, field);
    sql_put_text(statement, 2, value);
    sql_put_integer(statement, 3, number);
    return sql_run(&self->sql, statement, fault);
}

static bool read_before(struct sqlite_store *self, struct arena *arena, int64_t number,
                        const struct js **data, struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(&self->sql, READ_DATA, fault);
    *data = NULL;
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, number);
    if (!sql_next(&self->sql, statement, &row, fault)) {
        return false;
    }
    struct text text = row ? sql_text(arena, statement, 0) : TEXT_NONE;
    if (row) {
        sql_stop(statement);
    }
    return !text_given(text) || js_parse(arena, text, data, fault);
}

static bool replace(struct sqlite_store *self, struct arena *arena, const struct indexed *indexed,
                    int64_t number, const struct js *before, const struct js *after,
                    struct fault *fault) {
    struct text old = index_value(arena, js_find(before, indexed->field));
    struct text new = index_value(arena, js_find(after, indexed->field));
    if (text_given(old) && text_given(new) && text_equal(old, new)) {
        new = TEXT_NONE; /* it may not be built yet: the slice adds it */
        old = TEXT_NONE;
    }
    return run_value(self, DROP_VALUE, indexed->id, old, number, fault) &&
           run_value(self, ADD_VALUE, indexed->id, new, number, fault);
}

static bool has_any(struct sqlite_store *self, bool *any, struct fault *fault) {
    if (self->index_known == INDEX_UNKNOWN) {
        int64_t found;
        sqlite3_stmt *statement = sql_use(&self->sql, ANY_FIELD, fault);
        if (statement == NULL || !sql_ask(&self->sql, statement, 0, &found, fault)) {
            return false;
        }
        self->index_known = found != 0 ? INDEX_SOME : INDEX_NONE;
    }
    *any = self->index_known == INDEX_SOME;
    return true;
}

static bool replace_all(struct sqlite_store *self, const struct entity *entity, int64_t number,
                        bool is_new, struct fault *fault) {
    struct arena *arena = &self->arena;
    struct indexed *indexed;
    const struct js *before = NULL;
    size_t count;
    if (!list(self, LIST_FIELDS, entity->machine, arena, &indexed, &count, fault) ||
        (count > 0 && !is_new && !read_before(self, arena, number, &before, fault))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!replace(self, arena, &indexed[i], number, before, entity->data, fault)) {
            return false;
        }
    }
    return true;
}

bool sqlite_index_update(struct sqlite_store *self, const struct entity *entity, int64_t number,
                         bool is_new, struct fault *fault) {
    bool any;
    return has_any(self, &any, fault) && (!any || replace_all(self, entity, number, is_new, fault));
}

/* Runs `sql` for the entity's value in each index of the machine. */
static bool run_all(struct sqlite_store *self, const char *sql, struct text machine, int64_t number,
                    const struct js *data, struct fault *fault) {
    struct indexed *indexed;
    size_t count;
    if (!list(self, LIST_FIELDS, machine, &self->arena, &indexed, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct text value = index_value(&self->arena, js_find(data, indexed[i].field));
        if (!run_value(self, sql, indexed[i].id, value, number, fault)) {
            return false;
        }
    }
    return true;
}

bool sqlite_index_rename(struct sqlite_store *self, struct text from, struct text to,
                         int64_t number, struct fault *fault) {
    bool any;
    const struct js *data = NULL;
    return has_any(self, &any, fault) &&
           (!any || (read_before(self, &self->arena, number, &data, fault) &&
                     run_all(self, DROP_VALUE, from, number, data, fault) &&
                     run_all(self, ADD_VALUE, to, number, data, fault)));
}

/* --- looking up --- */

bool sqlite_index_find(struct sqlite_store *self, struct text machine, struct text field,
                       int64_t *id, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_FIELD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, machine);
    sql_put_text(statement, 2, field);
    return sql_ask(&self->sql, statement, 0, id, fault);
}

/* --- building, a slice at a time --- */

static bool run_on(struct sqlite_store *self, const char *sql, int64_t id, int64_t second,
                   struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, sql, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, id);
    if (sqlite3_bind_parameter_count(statement) > 1) {
        sql_put_integer(statement, 2, second);
    }
    return sql_run(&self->sql, statement, fault);
}

static bool add_field(struct sqlite_store *self, struct text machine, struct text field,
                      struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_FIELD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, machine);
    sql_put_text(statement, 2, field);
    return sql_run(&self->sql, statement, fault);
}

static bool read_progress(struct sqlite_store *self, struct text machine, struct text field,
                          int64_t *id, int64_t *built_to, struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(&self->sql, PROGRESS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, machine);
    sql_put_text(statement, 2, field);
    if (!sql_next(&self->sql, statement, &row, fault)) {
        return false;
    }
    *id = row ? sql_integer(statement, 0) : 0;
    *built_to = row ? sql_integer(statement, 1) : 0;
    sql_stop(statement);
    return true;
}

static bool add_row(struct sqlite_store *self, sqlite3_stmt *row, int64_t id, struct text field,
                    struct fault *fault) {
    const struct js *data;
    arena_reset(&self->scratch);
    return js_parse(&self->scratch, sql_lent(row, 1), &data, fault) &&
           run_value(self, ADD_VALUE, id, index_value(&self->scratch, js_find(data, field)),
                     sql_integer(row, 0), fault);
}

static bool build_slice(struct sqlite_store *self, struct text machine, struct text field,
                        int64_t id, int64_t from, int64_t to, struct fault *fault) {
    bool row = true;
    sqlite3_stmt *statement = sql_use(&self->sql, READ_SLICE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, from);
    sql_put_integer(statement, 2, to);
    sql_put_text(statement, 3, machine);
    while (row) {
        if (!sql_next(&self->sql, statement, &row, fault) ||
            (row && !add_row(self, statement, id, field, fault))) {
            sql_stop(statement);
            return false;
        }
    }
    return true;
}

static bool build(struct sqlite_store *self, struct text machine, struct text field, int64_t most,
                  bool *more, struct fault *fault) {
    int64_t id, from, last;
    if (!add_field(self, machine, field, fault) ||
        !read_progress(self, machine, field, &id, &from, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, LAST_NUMBER, fault);
    if (statement == NULL || !sql_ask(&self->sql, statement, 0, &last, fault)) {
        return false;
    }
    if (from < 0) {
        return true;
    }
    bool is_last = from + most >= last;
    *more = *more || !is_last;
    return build_slice(self, machine, field, id, from, from + most, fault) &&
           run_on(self, SAVE_PROGRESS, id, is_last ? -1 : from + most, fault);
}

static bool is_declared(const struct text *fields, size_t count, struct text field) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(fields[i], field)) {
            return true;
        }
    }
    return false;
}

static bool drop(struct sqlite_store *self, int64_t id, int64_t most, bool *more,
                 struct fault *fault) {
    if (!run_on(self, UNWANT, id, 0, fault) || !run_on(self, DROP_SLICE, id, most, fault)) {
        return false;
    }
    bool is_empty = sqlite3_changes(self->sql.database) == 0;
    *more = *more || !is_empty;
    return !is_empty || run_on(self, DROP_FIELD, id, 0, fault);
}

static bool set_fields(struct sqlite_store *self, struct text machine, const struct text *fields,
                       size_t count, int64_t most, bool *more, struct fault *fault) {
    struct indexed *there;
    size_t there_count;
    if (!list(self, ALL_FIELDS, machine, &self->arena, &there, &there_count, fault)) {
        return false;
    }
    for (size_t i = 0; i < there_count; i++) {
        if (!is_declared(fields, count, there[i].field) &&
            !drop(self, there[i].id, most, more, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!build(self, machine, fields[i], most, more, fault)) {
            return false;
        }
    }
    return true;
}

bool sqlite_index_fields(struct store *store, struct text machine, const struct text *fields,
                         size_t count, int64_t most, bool *more, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool own;
    self->index_known = INDEX_UNKNOWN;
    return sqlite_enter(self, &own, fault) &&
           sqlite_leave(self, own, set_fields(self, machine, fields, count, most, more, fault),
                        fault);
}
