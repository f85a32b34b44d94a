/* sql.h: one SQLite connection: statements prepared once, parameters, columns, faults.
 * Room store/sqlite/sql/: how store/sqlite/, which alone uses it, speaks to SQLite. It uses base/.
 *
 * How to run a statement: sql_use (its text must be a constant: the pointer is the key), bind every
 * parameter, then sql_run, or sql_next until there is no row. Whoever leaves sql_next early calls
 * sql_stop. Bound bytes are lent until then; columns until the next call on the statement.
 *
 * Faults are FAULT_STORE_UNAVAILABLE with SQLite's message, but a key that is already there is
 * FAULT_STORE_CONFLICT. */
#ifndef STATUTE_STORE_SQLITE_SQL_H
#define STATUTE_STORE_SQLITE_SQL_H

#include <sqlite3.h>

#include "base/fault.h"

#define SQL_SLOTS 256 /* a power of two, well over the number of statements */

struct sql {
    sqlite3 *database;
    char *path; /* owned */
    struct {
        const char *text;
        sqlite3_stmt *statement;
    } slots[SQL_SLOTS];
};

/* The statement of a constant text, ready for its parameters; NULL on a fault. */
sqlite3_stmt *sql_use(struct sql *sql, const char *text, struct fault *fault) MUST_CHECK;

/* Steps once, for what answers no rows. */
bool sql_run(struct sql *sql, sqlite3_stmt *statement, struct fault *fault) MUST_CHECK;

/* *row tells whether there is a row; after the last one the statement is stopped. */
bool sql_next(struct sql *sql, sqlite3_stmt *statement, bool *row, struct fault *fault) MUST_CHECK;
void sql_stop(sqlite3_stmt *statement);

/* sql_use and sql_run of a text without parameters. */
bool sql_do(struct sql *sql, const char *text, struct fault *fault) MUST_CHECK;

/* Sets the fault for the connection's latest error; returns false. */
bool sql_fail(struct sql *sql, struct fault *fault);

/* Resets every statement, as after a fault somewhere in a row of them. */
void sql_stop_all(struct sql *sql);

/* Finalizes all statements and closes the connection. */
void sql_close(struct sql *sql);

/* --- parameters, from 1. A bind fails only for a wrong number or over 1 GB; limits rule out the
 * one, tests the other. --- */
static inline void sql_put_integer(sqlite3_stmt *statement, int parameter, int64_t value) {
    sqlite3_bind_int64(statement, parameter, value);
}
static inline void sql_put_text(sqlite3_stmt *statement, int parameter, struct text value) {
    sqlite3_bind_text64(statement, parameter, value.bytes, value.length, SQLITE_STATIC,
                        SQLITE_UTF8); /* NULL for TEXT_NONE */
}
static inline void sql_put_given(sqlite3_stmt *statement, int parameter, struct text value) {
    sql_put_text(statement, parameter, text_given(value) ? value : TEXT(""));
}
static inline void sql_put_bytes(sqlite3_stmt *statement, int parameter, const void *bytes,
                                 size_t length) {
    sqlite3_bind_blob64(statement, parameter, bytes, length, SQLITE_STATIC);
}

/* --- columns, from 0 --- */
static inline int64_t sql_integer(sqlite3_stmt *statement, int column) {
    return sqlite3_column_int64(statement, column);
}
/* Lent; TEXT_NONE for NULL. */
static inline struct text sql_lent(sqlite3_stmt *statement, int column) {
    const char *bytes = (const char *)sqlite3_column_text(statement, column);
    return (struct text){bytes,
                         bytes != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}
struct text sql_text(struct arena *arena, sqlite3_stmt *statement, int column);
/* Copies a blob of exactly this length; zeros when it has another. */
void sql_bytes(sqlite3_stmt *statement, int column, void *out, size_t length);

/* --- whole answers --- */
/* Reads one row into a zeroed item; what it points to goes to the arena. */
typedef void sql_read(struct arena *arena, sqlite3_stmt *statement, void *item);

/* Steps to the end and makes an array of the rows, of `size` bytes each. */
bool sql_collect(struct sql *sql, sqlite3_stmt *statement, struct arena *arena, sql_read *read,
                 size_t size, void **items, size_t *count, struct fault *fault) MUST_CHECK;

/* The integer in the one row that the statement answers; `otherwise` for no row or NULL. */
bool sql_ask(struct sql *sql, sqlite3_stmt *statement, int64_t otherwise, int64_t *out,
             struct fault *fault) MUST_CHECK;

/* --- a blob of one row, read and written in place --- */
bool sql_blob_open(struct sql *sql, const char *table, const char *column, int64_t row,
                   sqlite3_blob **out, struct fault *fault) MUST_CHECK;
/* Moves an open blob to another row; opens it when *blob is NULL. */
bool sql_blob_move(struct sql *sql, const char *table, const char *column, int64_t row,
                   sqlite3_blob **blob, struct fault *fault) MUST_CHECK;
bool sql_blob_read(struct sql *sql, sqlite3_blob *blob, size_t offset, void *bytes, size_t length,
                   struct fault *fault) MUST_CHECK;
bool sql_blob_write(struct sql *sql, sqlite3_blob *blob, size_t offset, const void *bytes,
                    size_t length, struct fault *fault) MUST_CHECK;

#endif
