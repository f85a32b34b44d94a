/* deadline.c: timers that entities armed. */
#include "store/sqlite/entity.h"

static const char DISARM[] = "DELETE FROM deadline WHERE entity = ?1";
static const char FIRED[] =
    "DELETE FROM deadline WHERE entity = ?1 AND due_us = ?2 AND to_state = ?3";
/* Two timers of one entity to one state at one instant are one. */
static const char ARM[] = "INSERT OR REPLACE INTO deadline (entity, due_us, to_state, reason, "
                          "comments, entity_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char DUE[] =
    "SELECT m.name, e.id, d.due_us, d.to_state, d.reason, d.comments, d.entity_version "
    "FROM deadline d JOIN entity e ON e.number = d.entity JOIN machine m ON m.id = e.machine "
    "WHERE d.due_us <= ?1 ORDER BY d.due_us LIMIT ?2";
static const char NEXT_DUE[] = "SELECT min(due_us) FROM deadline";

/* The statement with the entity's number as its first parameter. */
static sqlite3_stmt *use_for(struct sqlite_store *self, const char *text, const struct seen *seen,
                             struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, text, fault);
    if (statement != NULL) {
        sql_put_integer(statement, 1, seen->number);
    }
    return statement;
}

bool sqlite_disarm(struct sqlite_store *self, const struct store_key *key, struct fault *fault) {
    struct seen *seen;
    if (!sqlite_seen(self, key->machine, key->id, &seen, fault)) {
        return false;
    }
    sqlite3_stmt *statement = use_for(self, DISARM, seen, fault);
    return statement != NULL && sql_run(&self->sql, statement, fault);
}

bool sqlite_fired(struct sqlite_store *self, const struct store_deadline *deadline,
                  struct fault *fault) {
    struct seen *seen;
    if (!sqlite_seen(self, deadline->machine, deadline->entity_id, &seen, fault)) {
        return false;
    }
    sqlite3_stmt *statement = use_for(self, FIRED, seen, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 2, deadline->due_us);
    sql_put_text(statement, 3, deadline->to_state);
    return sql_run(&self->sql, statement, fault);
}

bool sqlite_arm(struct sqlite_store *self, const struct store_deadline *deadline,
                struct fault *fault) {
    struct seen *seen;
    if (!sqlite_seen(self, deadline->machine, deadline->entity_id, &seen, fault)) {
        return false;
    }
    if (seen->kind == 0) {
        return fault_set(fault, FAULT_INTERNAL, "a deadline of %.*s %.*s, which is not there",
                         TEXT_ARGS(deadline->machine), TEXT_ARGS(deadline->entity_id));
    }
    sqlite3_stmt *statement = use_for(self, ARM, seen, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 2, deadline->due_us);
    sql_put_text(statement, 3, deadline->to_state);
    sql_put_text(statement, 4, deadline->reason);
    sql_put_text(statement, 5, deadline->comments);
    sql_put_integer(statement, 6, deadline->entity_version);
    return sql_run(&self->sql, statement, fault);
}

static void read_deadline(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_deadline *deadline = item;
    deadline->machine = sql_text(arena, statement, 0);
    deadline->entity_id = sql_text(arena, statement, 1);
    deadline->due_us = sql_integer(statement, 2);
    deadline->to_state = sql_text(arena, statement, 3);
    deadline->reason = sql_text(arena, statement, 4);
    deadline->comments = sql_text(arena, statement, 5);
    deadline->entity_version = sql_integer(statement, 6);
}

bool sqlite_due(struct store *store, struct arena *arena, int64_t now_us, int64_t limit,
                struct store_deadline **items, size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, DUE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, now_us);
    sql_put_integer(statement, 2, limit);
    if (!sql_collect(&self->sql, statement, arena, read_deadline, sizeof **items, &rows, count,
                     fault)) {
        return false;
    }
    *items = rows;
    return true;
}

bool sqlite_next_due(struct store *store, int64_t *due_us, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, NEXT_DUE, fault);
    return statement != NULL && sql_ask(&self->sql, statement, INT64_MAX, due_us, fault);
}
