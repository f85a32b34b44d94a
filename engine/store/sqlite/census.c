/* census.c: which machines there are, and which of them the operator let go. */
#include "store/sqlite/entity.h"

static const char LIST_MACHINES[] = "SELECT name FROM machine ORDER BY name";
static const char LIST_GONE[] = "SELECT machine FROM machine_gone ORDER BY machine";
static const char FORGET_GONE[] = "DELETE FROM machine_gone";
static const char ADD_GONE[] = "INSERT INTO machine_gone (machine, since_us) VALUES (?1, ?2)";

static void read_name(struct arena *arena, sqlite3_stmt *statement, void *item) {
    *(struct text *)item = sql_text(arena, statement, 0);
}

static bool list_names(struct sqlite_store *self, const char *text, struct arena *arena,
                       struct text **names, size_t *count, struct fault *fault) {
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, text, fault);
    if (statement == NULL || !sql_collect(&self->sql, statement, arena, read_name, sizeof **names,
                                          &rows, count, fault)) {
        return false;
    }
    *names = rows;
    return true;
}

bool sqlite_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                     struct fault *fault) {
    return list_names(sqlite_of(store), LIST_MACHINES, arena, names, count, fault);
}

/* --- machines that were let go --- */

bool sqlite_list_gone(struct store *store, struct arena *arena, struct text **names, size_t *count,
                      struct fault *fault) {
    return list_names(sqlite_of(store), LIST_GONE, arena, names, count, fault);
}

static bool add_gone(struct sqlite_store *self, const struct text *names, size_t count,
                     int64_t now_us, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *statement = sql_use(&self->sql, ADD_GONE, fault);
        if (statement == NULL) {
            return false;
        }
        sql_put_text(statement, 1, names[i]);
        sql_put_integer(statement, 2, now_us);
        if (!sql_run(&self->sql, statement, fault)) {
            return false;
        }
    }
    return true;
}

bool sqlite_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                      struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool own;
    return sqlite_enter(self, &own, fault) &&
           sqlite_leave(self, own,
                        sql_do(&self->sql, FORGET_GONE, fault) &&
                            add_gone(self, names, count, now_us, fault),
                        fault);
}

/* --- since when --- */

static const char ENTERED[] = "SELECT coalesce(nullif(e.entered_us, 0), e.updated_us) FROM machine "
                              "m JOIN entity e ON e.machine = m.id "
                              "WHERE m.name = ?1 AND e.id = ?2";

bool sqlite_entered(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
                    struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *statement = sql_use(&self->sql, ENTERED, fault);
        if (statement == NULL) {
            return false;
        }
        sql_put_text(statement, 1, keys[i].machine);
        sql_put_text(statement, 2, keys[i].id);
        if (!sql_ask(&self->sql, statement, 0, &out[i], fault)) {
            return false;
        }
    }
    return true;
}
