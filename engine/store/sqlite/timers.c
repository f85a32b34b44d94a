/* timers.c: counts of timers and states, and how far timers were matched with new rules. */
#include "store/sqlite/deadline.h"

/* Numbers that one slice looks at: a bounded time, whatever they belong to. */
#define SLICE_NUMBERS 10000

static const char COUNT_TIMERS[] =
    "SELECT m.name, count(*), sum(d.due_us <= ?1), min(CASE WHEN d.due_us <= ?1 THEN d.due_us END) "
    "FROM deadline d JOIN entity e ON e.number = d.entity JOIN machine m ON m.id = e.machine "
    "GROUP BY m.name ORDER BY m.name";
static const char COUNT_STATES[] =
    "SELECT k.state, count(*), min(coalesce(nullif(e.entered_us, 0), e.updated_us)), sum((SELECT "
    "count(*) "
    "FROM deadline d WHERE d.entity = e.number AND d.due_us <= ?2)) FROM entity e "
    "JOIN machine m ON m.id = e.machine JOIN kind k ON k.id = e.kind WHERE m.name = ?1 "
    "GROUP BY k.state ORDER BY k.state";
static const char SLICE[] =
    "SELECT e.number, e.id FROM entity e WHERE e.number > ?2 AND e.number <= ?3 "
    "AND e.machine = (SELECT id FROM machine WHERE name = ?1) AND e.kind <> 0 "
    "AND e.updated_us >= ?4 AND (e.kind IN (SELECT k.id FROM kind k JOIN machine m "
    "ON m.id = k.machine WHERE m.name = ?1 AND k.state IN (SELECT value FROM json_each(?5))) "
    "OR EXISTS (SELECT 1 FROM deadline d WHERE d.entity = e.number)) ORDER BY e.number LIMIT ?6";
static const char LAST_NUMBER[] = "SELECT max(number) FROM entity";
#define MATCH_COLUMNS                                                                              \
    "machine, rules, position, since_us, again, started_us, finished_us, seen, changed"
static const char LIST_MATCHES[] = "SELECT " MATCH_COLUMNS " FROM timer_match ORDER BY machine";
static const char FIND_MATCH[] = "SELECT " MATCH_COLUMNS " FROM timer_match WHERE machine = ?1";
static const char SAVE_MATCH[] = "INSERT OR REPLACE INTO timer_match (" MATCH_COLUMNS
                                 ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
static const char PUT_OFF[] =
    "UPDATE deadline SET next_us = ?3 WHERE (entity, due_us, to_state) IN (SELECT d.entity, "
    "d.due_us, d.to_state FROM deadline d CROSS JOIN entity e ON e.number = d.entity "
    "CROSS JOIN machine m ON m.id = e.machine WHERE coalesce(d.next_us, d.due_us) < ?2 "
    "AND m.name NOT IN (SELECT value FROM json_each(?1)) "
    "ORDER BY coalesce(d.next_us, d.due_us) LIMIT ?4)";
static const char FORGET_DONE[] =
    "DELETE FROM deadline_done WHERE (entity, due_us, to_state) IN (SELECT t.entity, t.due_us, "
    "t.to_state FROM deadline_done t JOIN entity e ON e.number = t.entity "
    "WHERE e.entered_us > t.done_us LIMIT ?1)";

/* Everything that a statement answers, as an array. */
static bool collect(struct sqlite_store *self, sqlite3_stmt *statement, struct arena *arena,
                    sql_read *read, size_t size, void *items, size_t *count, struct fault *fault) {
    void *rows;
    if (!sql_collect(&self->sql, statement, arena, read, size, &rows, count, fault)) {
        return false;
    }
    memcpy(items, &rows, sizeof rows);
    return true;
}

/* --- counts --- */

static void read_timer_count(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_timer_count *timers = item;
    timers->machine = sql_text(arena, statement, 0);
    timers->pending = sql_integer(statement, 1);
    timers->overdue = sql_integer(statement, 2);
    timers->oldest_due_us = sql_integer(statement, 3);
}

static bool sqlite_count_timers(struct store *store, struct arena *arena, int64_t now_us,
                                struct store_timer_count **items, size_t *count,
                                struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, COUNT_TIMERS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, now_us);
    return collect(self, statement, arena, read_timer_count, sizeof **items, items, count, fault);
}

static void read_state_count(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_state_count *state = item;
    state->state = sql_text(arena, statement, 0);
    state->entities = sql_integer(statement, 1);
    state->oldest_us = sql_integer(statement, 2);
    state->overdue_timers = sql_integer(statement, 3);
}

static bool sqlite_count_states(struct store *store, struct arena *arena, struct text machine,
                                int64_t now_us, struct store_state_count **items, size_t *count,
                                struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, COUNT_STATES, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, machine);
    sql_put_integer(statement, 2, now_us);
    return collect(self, statement, arena, read_state_count, sizeof **items, items, count, fault);
}

/* --- slices --- */

struct numbered {
    int64_t number;
    struct text id;
};

static void read_numbered(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct numbered *numbered = item;
    numbered->number = sql_integer(statement, 0);
    numbered->id = sql_text(arena, statement, 1);
}

static bool last_number(struct sqlite_store *self, int64_t *number, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, LAST_NUMBER, fault);
    return statement != NULL && sql_ask(&self->sql, statement, 0, number, fault);
}

static bool take_slice(struct sqlite_store *self, struct arena *arena,
                       const struct store_slice *slice, int64_t end, struct numbered **found,
                       size_t *count, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, SLICE, fault);
    if (statement == NULL) {
        return false;
    }
    static const struct text none;
    sql_put_text(statement, 1, slice->machine);
    sql_put_integer(statement, 2, slice->after);
    sql_put_integer(statement, 3, end);
    sql_put_integer(statement, 4, slice->since_us);
    sql_put_text(
        statement, 5,
        sqlite_names(arena, slice->state_count > 0 ? slice->states : &none, slice->state_count));
    sql_put_integer(statement, 6, slice->limit);
    return collect(self, statement, arena, read_numbered, sizeof **found, found, count, fault);
}

static bool sqlite_slice(struct store *store, struct arena *arena, const struct store_slice *slice,
                         struct text **ids, size_t *count, int64_t *next, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    struct numbered *found;
    int64_t last, end = slice->after + SLICE_NUMBERS;
    if (!last_number(self, &last, fault) ||
        !take_slice(self, arena, slice, end, &found, count, fault)) {
        return false;
    }
    *ids = ARENA_ARRAY(arena, struct text, *count);
    for (size_t i = 0; i < *count; i++) {
        (*ids)[i] = found[i].id;
    }
    int64_t reached = (int64_t)*count == slice->limit ? found[*count - 1].number : end;
    *next = reached >= last ? -1 : reached;
    return true;
}

/* --- matches --- */

static void read_match(struct arena *arena, sqlite3_stmt *statement, void *item) {
    struct store_match *match = item;
    match->machine = sql_text(arena, statement, 0);
    match->rules = sql_integer(statement, 1);
    match->position = sql_integer(statement, 2);
    match->since_us = sql_integer(statement, 3);
    match->again = sql_integer(statement, 4) != 0;
    match->started_us = sql_integer(statement, 5);
    match->finished_us = sql_integer(statement, 6);
    match->seen = sql_integer(statement, 7);
    match->changed = sql_integer(statement, 8);
}

static bool sqlite_list_matches(struct store *store, struct arena *arena,
                                struct store_match **items, size_t *count, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, LIST_MATCHES, fault);
    return statement != NULL &&
           collect(self, statement, arena, read_match, sizeof **items, items, count, fault);
}

/* There is one writer, so nobody else has it. */
static bool sqlite_lock_match(struct store *store, struct arena *arena, struct text machine,
                              bool waits, struct store_match *out, bool *found,
                              struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    struct store_match *matches;
    size_t count;
    (void)waits;
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_MATCH, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, machine);
    if (!collect(self, statement, arena, read_match, sizeof *matches, &matches, &count, fault)) {
        return false;
    }
    *found = count > 0;
    if (*found) {
        *out = matches[0];
    }
    return true;
}

static bool sqlite_save_match(struct store *store, const struct store_match *match,
                              struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, SAVE_MATCH, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, match->machine);
    sql_put_integer(statement, 2, match->rules);
    sql_put_integer(statement, 3, match->position);
    sql_put_integer(statement, 4, match->since_us);
    sql_put_integer(statement, 5, match->again);
    sql_put_integer(statement, 6, match->started_us);
    sql_put_integer(statement, 7, match->finished_us);
    sql_put_integer(statement, 8, match->seen);
    sql_put_integer(statement, 9, match->changed);
    return sql_run(&self->sql, statement, fault);
}

/* --- maintenance --- */

static bool sqlite_put_off(struct store *store, const struct text *machines, size_t machine_count,
                           int64_t before_us, int64_t until_us, int64_t most, struct fault *fault) {
    static const struct text none;
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, PUT_OFF, fault);
    if (statement == NULL) {
        return false;
    }
    arena_reset(&self->scratch);
    sql_put_text(statement, 1,
                 sqlite_names(&self->scratch, machine_count > 0 ? machines : &none, machine_count));
    sql_put_integer(statement, 2, before_us);
    sql_put_integer(statement, 3, until_us);
    sql_put_integer(statement, 4, most);
    return sql_run(&self->sql, statement, fault);
}

static bool sqlite_forget_done(struct store *store, int64_t most, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, FORGET_DONE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, most);
    return sql_run(&self->sql, statement, fault);
}

const struct store_timer_driver sqlite_timers = {
    .due = sqlite_due,
    .next_due = sqlite_next_due,
    .of = sqlite_timers_of,
    .count_timers = sqlite_count_timers,
    .count_states = sqlite_count_states,
    .slice = sqlite_slice,
    .list_matches = sqlite_list_matches,
    .put_off = sqlite_put_off,
    .forget_done = sqlite_forget_done,
    .lock_match = sqlite_lock_match,
    .save_match = sqlite_save_match,
};
