/* table.h: rows of an application's own table (model/app_table.h), in the same transaction as
 * the store's. A row is known by its id, as text. Faults as in store.h unless a function says more.
 */
#ifndef STATUTE_STORE_TABLE_H
#define STATUTE_STORE_TABLE_H

#include "model/app_table.h"
#include "store/store.h"

/* A row as the engine knew it last, and as it is. */
struct store_row {
    struct text id;
    /* known, in */
    struct text known_state; /* TEXT_NONE: the engine has never seen this row */
    int64_t known_version;   /* compared only if the table has a column for it */
    const struct js *known;  /* the entity's data: what is in the table's columns is compared */
    enum store_hold hold;    /* in a transaction that writes; of all rows of a call the same */
    /* out */
    bool exists;
    bool is_as_known; /* compared as values of the columns' types */
    struct text state;
    int64_t version;         /* 0: there is no column, or it is null */
    const struct js *fields; /* {field: value} of all columns, without nulls */
};

struct store_row_write {
    struct text id;
    bool insert;
    struct text state;
    int64_t version;
    const struct js *data; /* the entity's; a field that has a column and is not there becomes null,
                              or, when the row is inserted, the column's default */
};

/* Whether the database has that table, with those columns and a unique index on its id, and lets
 * the engine read and write it; FAULT_POLICY_INVALID says what is missing. */
bool store_check_table(struct store *store, const struct app_table *table,
                       struct fault *fault) MUST_CHECK;

/* Fills the `out` part of each row; in a transaction that writes the rows are held as they say, in
 * the order of ids: STORE_SHARE is STORE_HOLD, and a row that STORE_TRY does not get does not
 * exist. FAULT_BAD_REQUEST: an id that the column's type cannot hold. */
bool store_read_rows(struct store *store, struct arena *arena, const struct app_table *table,
                     struct store_row *rows, size_t count, struct fault *fault) MUST_CHECK;

/* Of a writing transaction. FAULT_VALIDATION_FAILED: the table refuses a value (a type, a
 * constraint, a trigger). */
bool store_write_rows(struct store *store, const struct app_table *table,
                      const struct store_row_write *rows, size_t count,
                      struct fault *fault) MUST_CHECK;

/* The same for one row, but undone at once; the transaction goes on whatever the answer is, but for
 * FAULT_STORE_UNAVAILABLE. */
bool store_try_row(struct store *store, const struct app_table *table,
                   const struct store_row_write *row, struct fault *fault) MUST_CHECK;

#endif
