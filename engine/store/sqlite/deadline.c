/* deadline.c: timers that entities armed. */
#include "store/sqlite/deadline.h"

static const char DISARM[] = "DELETE FROM deadline WHERE entity = ?1";
static const char FIRED[] =
    "DELETE FROM deadline WHERE entity = ?1 AND due_us = ?2 AND to_state = ?3";
/* Two timers of one entity to one state at one instant are one. */
static const char ARM[] =
    "INSERT OR REPLACE INTO deadline (entity, due_us, to_state, reason, comments, entity_version, "
    "attempts, next_us, chain, rules) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, nullif(?8, 0), ?9, "
    "nullif(?10, 0))";
static const char REMEMBER_DONE[] =
    "INSERT OR REPLACE INTO deadline_done (entity, due_us, to_state, done_us) "
    "VALUES (?1, ?2, ?3, ?4)";
#define DEADLINE_COLUMNS                                                                           \
    "d.due_us, d.to_state, d.reason, d.comments, d.entity_version, d.attempts, d.next_us, "        \
    "d.chain, d.rules"
/* Names come as a JSON array; NULL: any. The first two joins keep to the order of the index. */
static const char DUE[] =
    "SELECT m.name, e.id, k.state, " DEADLINE_COLUMNS ", 0 FROM deadline d "
    "CROSS JOIN entity e ON e.number = d.entity CROSS JOIN machine m ON m.id = e.machine "
    "LEFT JOIN kind k ON k.id = e.kind WHERE coalesce(d.next_us, d.due_us) <= ?1 "
    "AND (?3 IS NULL OR m.name IN (SELECT value FROM json_each(?3))) "
    "ORDER BY coalesce(d.next_us, d.due_us) LIMIT ?2";
static const char TIMERS[] =
    "SELECT ?1, ?2, NULL, " DEADLINE_COLUMNS ", 0 FROM deadline d WHERE d.entity = ?3 UNION ALL "
    "SELECT ?1, ?2, NULL, due_us, to_state, NULL, NULL, 0, 0, NULL, 0, NULL, done_us "
    "FROM deadline_done WHERE entity = ?3 ORDER BY 4, 5";
static const char FIND_NUMBER[] = "SELECT number FROM entity WHERE machine = ?1 AND id = ?2";
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

static bool remember_done(struct sqlite_store *self, const struct seen *seen,
                          const struct store_deadline *deadline, struct fault *fault) {
    sqlite3_stmt *statement = use_for(self, REMEMBER_DONE, seen, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 2, deadline->due_us);
    sql_put_text(statement, 3, deadline->to_state);
    sql_put_integer(statement, 4, deadline->done_us);
    return sql_run(&self->sql, statement, fault);
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
    return sql_run(&self->sql, statement, fault) &&
           (deadline->done_us == 0 || remember_done(self, seen, deadline, fault));
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
    sql_put_integer(statement, 7, deadline->attempts);
    sql_put_integer(statement, 8, deadline->next_us);
    sql_put_integer(statement, 9, deadline->chain);
    sql_put_integer(statement, 10, deadline->rules);
    return sql_run(&self->sql, statement, fault);
}

static void read_deadline(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_deadline *deadline = item;
    deadline->machine = sql_text(arena, statement, 0);
    deadline->entity_id = sql_text(arena, statement, 1);
    deadline->state = sql_text(arena, statement, 2);
    deadline->due_us = sql_integer(statement, 3);
    deadline->to_state = sql_text(arena, statement, 4);
    deadline->reason = sql_text(arena, statement, 5);
    deadline->comments = sql_text(arena, statement, 6);
    deadline->entity_version = sql_integer(statement, 7);
    deadline->attempts = sql_integer(statement, 8);
    deadline->next_us = sql_integer(statement, 9);
    deadline->chain = sql_integer(statement, 10);
    deadline->rules = sql_integer(statement, 11);
    deadline->done_us = sql_integer(statement, 12);
}

struct text sqlite_names(struct arena *arena, const struct text *names, size_t count) {
    struct buffer buffer;
    struct js_writer writer;
    if (names == NULL) {
        return TEXT_NONE;
    }
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '[');
    for (size_t i = 0; i < count; i++) {
        js_put_text(&writer, names[i]);
    }
    js_close(&writer, ']');
    return buffer_view(&buffer);
}

bool sqlite_due(struct store *store, struct arena *arena, const struct text *machines,
                size_t machine_count, int64_t now_us, int64_t limit, struct store_deadline **items,
                size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    void *rows;
    sqlite3_stmt *statement = sql_use(&self->sql, DUE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, now_us);
    sql_put_integer(statement, 2, limit);
    sql_put_text(statement, 3, sqlite_names(arena, machines, machine_count));
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

/* --- of some entities --- */

static bool find_number(struct sqlite_store *self, const struct store_key *key, int64_t *number,
                        struct fault *fault) {
    struct machine_name *machine;
    *number = 0;
    if (!names_find_machine(&self->names, key->machine, &machine, fault)) {
        return false;
    }
    if (machine == NULL) {
        return true;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_NUMBER, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, machine->id);
    sql_put_text(statement, 2, key->id);
    return sql_ask(&self->sql, statement, 0, number, fault);
}

static bool timers_of(struct sqlite_store *self, struct arena *arena, const struct store_key *key,
                      struct store_deadline **items, size_t *count, struct fault *fault) {
    int64_t number;
    void *rows;
    if (!find_number(self, key, &number, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, TIMERS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, key->machine);
    sql_put_text(statement, 2, key->id);
    sql_put_integer(statement, 3, number);
    if (!sql_collect(&self->sql, statement, arena, read_deadline, sizeof **items, &rows, count,
                     fault)) {
        return false;
    }
    *items = rows;
    return true;
}

bool sqlite_timers_of(struct store *store, struct arena *arena, const struct store_key *keys,
                      size_t count, struct store_deadline **items, size_t *item_count,
                      struct fault *fault) {
    struct store_deadline **parts = ARENA_ARRAY(arena, struct store_deadline *, count);
    size_t *counts = ARENA_ARRAY(arena, size_t, count);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!timers_of(sqlite_of(store), arena, &keys[i], &parts[i], &counts[i], fault)) {
            return false;
        }
        total += counts[i];
    }
    *items = ARENA_ARRAY(arena, struct store_deadline, total);
    *item_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < counts[i]; j++) {
            (*items)[(*item_count)++] = parts[i][j];
        }
    }
    return true;
}
