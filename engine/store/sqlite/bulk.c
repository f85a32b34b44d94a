/* bulk.c: long-running bulk work: what was asked, its members in order, its errors. */
#include "store/sqlite/driver.h"

#include "store/cursor.h"

#define BULK_COLUMNS                                                                               \
    "id, request, status, total, position, succeeded, failed, created_us, updated_us, "            \
    "execution_us, skipped"
#define BULK_READ BULK_COLUMNS ", number"

static const char ADD_BULK[] =
    "INSERT INTO bulk (" BULK_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
static const char ADD_MEMBER[] =
    "INSERT INTO bulk_member (bulk, position, entity_id) VALUES (?1, ?2, ?3)";
static const char FIND_BULK[] = "SELECT " BULK_READ " FROM bulk WHERE id = ?1";
static const char LIST_BULKS[] = "SELECT " BULK_READ " FROM bulk WHERE status = ?1 ORDER BY number";
static const char PAGE_BULKS[] =
    "SELECT " BULK_READ " FROM bulk WHERE number < ?1 AND (?2 < 0 OR status = ?2) "
    "AND (?3 IS NULL OR json_extract(request, '$.machine') = ?3) ORDER BY number DESC LIMIT ?4";
static const char NUMBER_OF_BULK[] = "SELECT number FROM bulk WHERE id = ?1";
static const char LIST_MEMBERS[] = "SELECT entity_id FROM bulk_member WHERE bulk = ?1 "
                                   "AND position >= ?2 ORDER BY position LIMIT ?3";
static const char SAVE_BULK[] =
    "UPDATE bulk SET status = ?2, total = ?3, position = ?4, succeeded = ?5, failed = ?6, "
    "updated_us = ?7, execution_us = ?8, skipped = ?9 WHERE number = ?1";
static const char ADD_ERROR[] =
    "INSERT INTO bulk_error (bulk, entity_id, code, message) VALUES (?1, ?2, ?3, ?4)";
static const char LIST_ERRORS[] = "SELECT entity_id, code, message FROM bulk_error WHERE bulk = ?1 "
                                  "ORDER BY number LIMIT ?2";

/* 0 when there is no such bulk. */
static bool number_of(struct sqlite_store *self, struct text id, int64_t *number,
                      struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, NUMBER_OF_BULK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, id);
    return sql_ask(&self->sql, statement, 0, number, fault);
}

/* --- adding --- */

static bool add_row(struct sqlite_store *self, const struct store_bulk *bulk, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_BULK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, bulk->id);
    sql_put_given(statement, 2, bulk->request);
    sql_put_integer(statement, 3, bulk->status);
    sql_put_integer(statement, 4, bulk->total);
    sql_put_integer(statement, 5, bulk->position);
    sql_put_integer(statement, 6, bulk->succeeded);
    sql_put_integer(statement, 7, bulk->failed);
    sql_put_integer(statement, 8, bulk->created_us);
    sql_put_integer(statement, 9, bulk->updated_us);
    sql_put_integer(statement, 10, bulk->execution_us);
    sql_put_integer(statement, 11, bulk->skipped);
    return sql_run(&self->sql, statement, fault);
}

static bool add_members(struct sqlite_store *self, int64_t number, const struct text *ids,
                        size_t count, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_MEMBER, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, number);
    for (size_t i = 0; i < count; i++) {
        sql_put_integer(statement, 2, (int64_t)i);
        sql_put_text(statement, 3, ids[i]);
        if (!sql_run(&self->sql, statement, fault)) {
            return false;
        }
    }
    return true;
}

static bool add_whole(struct sqlite_store *self, const struct store_bulk *bulk,
                      const struct text *ids, size_t count, struct fault *fault) {
    if (!add_row(self, bulk, fault)) {
        return false;
    }
    int64_t number = sqlite3_last_insert_rowid(self->sql.database);
    return add_members(self, number, ids, count, fault);
}

static bool add_bulk(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                     size_t count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool own;
    return sqlite_enter(self, &own, fault) &&
           sqlite_leave(self, own, add_whole(self, bulk, ids, count, fault), fault);
}

/* --- saving --- */

static bool save_row(struct sqlite_store *self, int64_t number, const struct store_bulk *bulk,
                     struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, SAVE_BULK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, number);
    sql_put_integer(statement, 2, bulk->status);
    sql_put_integer(statement, 3, bulk->total);
    sql_put_integer(statement, 4, bulk->position);
    sql_put_integer(statement, 5, bulk->succeeded);
    sql_put_integer(statement, 6, bulk->failed);
    sql_put_integer(statement, 7, bulk->updated_us);
    sql_put_integer(statement, 8, bulk->execution_us);
    sql_put_integer(statement, 9, bulk->skipped);
    return sql_run(&self->sql, statement, fault);
}

static bool add_errors(struct sqlite_store *self, int64_t number,
                       const struct store_bulk_error *errors, size_t count, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_ERROR, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, number);
    for (size_t i = 0; i < count; i++) {
        sql_put_given(statement, 2, errors[i].entity_id);
        sql_put_given(statement, 3, errors[i].code);
        sql_put_given(statement, 4, errors[i].message);
        if (!sql_run(&self->sql, statement, fault)) {
            return false;
        }
    }
    return true;
}

static bool save_whole(struct sqlite_store *self, const struct store_bulk *bulk,
                       const struct store_bulk_error *errors, size_t count, struct fault *fault) {
    int64_t number;
    if (!number_of(self, bulk->id, &number, fault)) {
        return false;
    }
    if (number == 0) {
        return fault_set(fault, FAULT_NOT_FOUND, "there is no batch %.*s", TEXT_ARGS(bulk->id));
    }
    return save_row(self, number, bulk, fault) && add_errors(self, number, errors, count, fault);
}

static bool save_bulk(struct store *store, const struct store_bulk *bulk,
                      const struct store_bulk_error *errors, size_t error_count,
                      struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool own;
    return sqlite_enter(self, &own, fault) &&
           sqlite_leave(self, own, save_whole(self, bulk, errors, error_count, fault), fault);
}

/* --- reading --- */

static void read_bulk(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_bulk *bulk = item;
    bulk->id = sql_text(arena, statement, 0);
    bulk->request = sql_text(arena, statement, 1);
    bulk->status = (enum bulk_status)sql_integer(statement, 2);
    bulk->total = sql_integer(statement, 3);
    bulk->position = sql_integer(statement, 4);
    bulk->succeeded = sql_integer(statement, 5);
    bulk->failed = sql_integer(statement, 6);
    bulk->created_us = sql_integer(statement, 7);
    bulk->updated_us = sql_integer(statement, 8);
    bulk->execution_us = sql_integer(statement, 9);
    bulk->skipped = sql_integer(statement, 10);
    bulk->number = sql_integer(statement, 11);
}

static bool find_bulk(struct store *store, struct arena *arena, struct text id,
                      struct store_bulk **out, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    void *rows;
    size_t count;
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_BULK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, id);
    if (!sql_collect(&self->sql, statement, arena, read_bulk, sizeof **out, &rows, &count, fault)) {
        return false;
    }
    *out = rows; /* NULL when there is none */
    return true;
}

static bool list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                       struct store_bulk **items, size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, LIST_BULKS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, status);
    if (!sql_collect(&self->sql, statement, arena, read_bulk, sizeof **items, &rows, count,
                     fault)) {
        return false;
    }
    *items = rows;
    return true;
}

static bool page_bulks(struct store *store, struct arena *arena,
                       const struct store_bulk_search *search, const struct store_page *page,
                       struct store_bulk **items, size_t *count, struct text *next,
                       struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    int64_t before;
    void *rows;
    *next = TEXT_NONE;
    if (!cursor_parse(page->cursor, CURSOR_BULKS, &before, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, PAGE_BULKS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, before != 0 ? before : INT64_MAX);
    sql_put_integer(statement, 2, search->status);
    sql_put_text(statement, 3, search->machine);
    sql_put_integer(statement, 4, page->limit + 1);
    if (!sql_collect(&self->sql, statement, arena, read_bulk, sizeof **items, &rows, count,
                     fault)) {
        return false;
    }
    *items = rows;
    cursor_cut_bulks(arena, page, *items, count, next);
    return true;
}

static void read_member(struct arena *arena, sqlite3_stmt *statement, void *item) {
    *(struct text *)item = sql_text(arena, statement, 0);
}

static bool bulk_members(struct store *store, struct arena *arena, struct text id, int64_t position,
                         int64_t limit, struct text **ids, size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    int64_t number;
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, LIST_MEMBERS, fault);
    if (statement == NULL || !number_of(self, id, &number, fault)) {
        return false;
    }
    sql_put_integer(statement, 1, number);
    sql_put_integer(statement, 2, position);
    sql_put_integer(statement, 3, limit);
    if (!sql_collect(&self->sql, statement, arena, read_member, sizeof **ids, &rows, count,
                     fault)) {
        return false;
    }
    *ids = rows;
    return true;
}

static void read_error(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_bulk_error *error = item;
    error->entity_id = sql_text(arena, statement, 0);
    error->code = sql_text(arena, statement, 1);
    error->message = sql_text(arena, statement, 2);
}

static bool bulk_errors(struct store *store, struct arena *arena, struct text id, int64_t limit,
                        struct store_bulk_error **items, size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    int64_t number;
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, LIST_ERRORS, fault);
    if (statement == NULL || !number_of(self, id, &number, fault)) {
        return false;
    }
    sql_put_integer(statement, 1, number);
    sql_put_integer(statement, 2, limit);
    if (!sql_collect(&self->sql, statement, arena, read_error, sizeof **items, &rows, count,
                     fault)) {
        return false;
    }
    *items = rows;
    return true;
}

const struct store_bulk_driver sqlite_bulks = {
    .add = add_bulk,
    .find = find_bulk,
    .members = bulk_members,
    .save = save_bulk,
    .errors = bulk_errors,
    .list = list_bulks,
    .page = page_bulks,
};
