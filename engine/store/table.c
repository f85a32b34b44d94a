/* table.c: keeps the store's own tables out of reach, and passes on. */
#include "store/driver.h"

/* A policy may not reach the store's own tables, nor the database's. */
static bool is_reserved(struct text name) {
    static const char *const own[] = {"entity",         "audit",         "deadline",   "outbox",
                                      "answer",         "policy_source", "api_key",    "bulk",
                                      "bulk_member",    "bulk_error",    "lock",       "lease",
                                      "schema_version", "deadline_done", "timer_match"};
    const char *dot = memchr(name.bytes, '.', name.length);
    size_t schema = dot != NULL ? (size_t)(dot - name.bytes) + 1 : 0;
    struct text bare = {name.bytes + schema, name.length - schema};
    bool reserved = text_starts(bare, TEXT("sqlite_")) || text_starts(bare, TEXT("pg_")) ||
                    (dot != NULL && text_starts(name, TEXT("information_schema.")));
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        reserved = reserved || text_equal_ignore_case(bare, text_of(own[i]));
    }
    return reserved;
}

bool store_check_table(struct store *store, const struct app_table *table, struct fault *fault) {
    if (is_reserved(table->name)) {
        return fault_set(fault, FAULT_POLICY_INVALID,
                         "the table '%.*s' is not an application's: it belongs to the store",
                         TEXT_ARGS(table->name));
    }
    return store->driver->check_table(store, table, fault);
}

bool store_read_rows(struct store *store, struct arena *arena, const struct app_table *table,
                     struct store_row *rows, size_t count, struct fault *fault) {
    return count == 0 || store->driver->read_rows(store, arena, table, rows, count, fault);
}

bool store_write_rows(struct store *store, const struct app_table *table,
                      const struct store_row_write *rows, size_t count, struct fault *fault) {
    return count == 0 || store->driver->write_rows(store, table, rows, count, fault);
}

bool store_try_row(struct store *store, const struct app_table *table,
                   const struct store_row_write *row, struct fault *fault) {
    return store->driver->try_row(store, table, row, fault);
}
