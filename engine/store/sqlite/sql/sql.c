/* sql.c: statements are kept in a table that is keyed by the address of their text, so
 * that each file can have its SQL as constants next to their use, and finding one costs a probe. */
#include "store/sqlite/sql/sql.h"

#include <stdlib.h>

#include "base/arena.h"

static size_t slot_of(const struct sql *sql, const char *text) {
    size_t at = ((uintptr_t)text >> 4) % SQL_SLOTS;
    while (sql->slots[at].text != NULL && sql->slots[at].text != text) {
        at = (at + 1) % SQL_SLOTS;
    }
    return at;
}

sqlite3_stmt *sql_use(struct sql *sql, const char *text, struct fault *fault) {
    size_t at = slot_of(sql, text);
    if (sql->slots[at].statement == NULL) {
        if (sqlite3_prepare_v3(sql->database, text, -1, SQLITE_PREPARE_PERSISTENT,
                               &sql->slots[at].statement, NULL) != SQLITE_OK) {
            sql_fail(sql, fault);
            return NULL;
        }
        sql->slots[at].text = text;
    }
    return sql->slots[at].statement;
}

static bool is_taken_key(int code) {
    return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
           code == SQLITE_CONSTRAINT_ROWID;
}

bool sql_fail(struct sql *sql, struct fault *fault) {
    int code = sqlite3_extended_errcode(sql->database);
    return fault_set(fault, is_taken_key(code) ? FAULT_STORE_CONFLICT : FAULT_STORE_UNAVAILABLE,
                     "the store %s: %s (%d)", sql->path, sqlite3_errmsg(sql->database), code);
}

void sql_stop(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
}

bool sql_run(struct sql *sql, sqlite3_stmt *statement, struct fault *fault) {
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        sql_fail(sql, fault);
        sqlite3_reset(statement);
        return false;
    }
    sqlite3_reset(statement);
    return true;
}

bool sql_next(struct sql *sql, sqlite3_stmt *statement, bool *row, struct fault *fault) {
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (*row) {
        return true;
    }
    bool fine = code == SQLITE_DONE || sql_fail(sql, fault);
    sqlite3_reset(statement);
    return fine;
}

bool sql_do(struct sql *sql, const char *text, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(sql, text, fault);
    return statement != NULL && sql_run(sql, statement, fault);
}

void sql_stop_all(struct sql *sql) {
    for (size_t i = 0; i < SQL_SLOTS; i++) {
        sqlite3_reset(sql->slots[i].statement);
    }
}

void sql_close(struct sql *sql) {
    for (size_t i = 0; i < SQL_SLOTS; i++) {
        sqlite3_finalize(sql->slots[i].statement);
    }
    sqlite3_close(sql->database);
    free(sql->path);
}

struct text sql_text(struct arena *arena, sqlite3_stmt *statement, int column) {
    return text_copy(arena, sql_lent(statement, column));
}

void sql_bytes(sqlite3_stmt *statement, int column, void *out, size_t length) {
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes != NULL && (size_t)sqlite3_column_bytes(statement, column) == length) {
        memcpy(out, bytes, length);
    } else {
        memset(out, 0, length);
    }
}

/* Room for one more item; those before it may move. */
static void *next_item(struct arena *arena, void **items, size_t count, size_t *capacity,
                       size_t size) {
    if (count == *capacity) {
        *capacity = count == 0 ? 16 : count * 2;
        void *grown = arena_alloc_array(arena, *capacity, size);
        if (count > 0) {
            memcpy(grown, *items, count * size);
        }
        *items = grown;
    }
    return (char *)*items + count * size;
}

bool sql_collect(struct sql *sql, sqlite3_stmt *statement, struct arena *arena, sql_read *read,
                 size_t size, void **items, size_t *count, struct fault *fault) {
    size_t capacity = 0;
    *items = NULL;
    *count = 0;
    for (;;) {
        bool row;
        if (!sql_next(sql, statement, &row, fault)) {
            return false;
        }
        if (!row) {
            return true;
        }
        read(arena, statement, next_item(arena, items, *count, &capacity, size));
        ++*count;
    }
}

bool sql_ask(struct sql *sql, sqlite3_stmt *statement, int64_t otherwise, int64_t *out,
             struct fault *fault) {
    bool row;
    if (!sql_next(sql, statement, &row, fault)) {
        return false;
    }
    bool given = row && sqlite3_column_type(statement, 0) != SQLITE_NULL;
    *out = given ? sql_integer(statement, 0) : otherwise;
    sql_stop(statement);
    return true;
}

bool sql_blob_open(struct sql *sql, const char *table, const char *column, int64_t row,
                   sqlite3_blob **out, struct fault *fault) {
    int code = sqlite3_blob_open(sql->database, "main", table, column, row, 1, out);
    return code == SQLITE_OK || sql_fail(sql, fault);
}

bool sql_blob_move(struct sql *sql, const char *table, const char *column, int64_t row,
                   sqlite3_blob **blob, struct fault *fault) {
    if (*blob == NULL) {
        return sql_blob_open(sql, table, column, row, blob, fault);
    }
    return sqlite3_blob_reopen(*blob, row) == SQLITE_OK || sql_fail(sql, fault);
}

bool sql_blob_read(struct sql *sql, sqlite3_blob *blob, size_t offset, void *bytes, size_t length,
                   struct fault *fault) {
    int code = sqlite3_blob_read(blob, bytes, (int)length, (int)offset);
    return code == SQLITE_OK || sql_fail(sql, fault);
}

bool sql_blob_write(struct sql *sql, sqlite3_blob *blob, size_t offset, const void *bytes,
                    size_t length, struct fault *fault) {
    int code = sqlite3_blob_write(blob, bytes, (int)length, (int)offset);
    return code == SQLITE_OK || sql_fail(sql, fault);
}
