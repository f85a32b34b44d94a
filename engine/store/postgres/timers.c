/* timers.c: counts of timers and states, and how far timers were matched with new rules. */
#include "store/postgres/deadline.h"

/* Numbers that one slice looks at: a bounded time, whatever they belong to. */
#define SLICE_NUMBERS 10000

static const char COUNT_TIMERS[] =
    "SELECT e.machine, count(*), count(*) FILTER (WHERE d.due_us <= $1::bigint), "
    "min(d.due_us) FILTER (WHERE d.due_us <= $1::bigint) "
    "FROM deadline d JOIN entity e ON e.number = d.entity GROUP BY e.machine ORDER BY e.machine";
static const char COUNT_STATES[] =
    "SELECT e.state, count(*), min(coalesce(nullif(e.entered_us, 0), e.updated_us)), coalesce(sum(("
    "SELECT count(*) FROM deadline d WHERE d.entity = e.number AND d.due_us <= $2::bigint)), "
    "0)::bigint FROM entity e WHERE e.machine = $1 AND e.state IS NOT NULL GROUP BY e.state "
    "ORDER BY e.state";
static const char SLICE[] =
    "SELECT e.number, e.id FROM entity e WHERE e.machine = $1 AND e.number > $2::bigint "
    "AND e.number <= $3::bigint AND e.state IS NOT NULL AND e.updated_us >= $4::bigint "
    "AND (e.state = ANY($5::text[]) "
    "OR EXISTS (SELECT FROM deadline d WHERE d.entity = e.number)) "
    "ORDER BY e.number LIMIT $6::bigint";
static const char LAST_NUMBER[] = "SELECT coalesce(max(number), 0) FROM entity";
#define MATCH_COLUMNS                                                                              \
    "machine, rules, position, since_us, again, started_us, finished_us, seen, changed"
static const char LIST_MATCHES[] = "SELECT " MATCH_COLUMNS " FROM timer_match ORDER BY machine";
static const char LOCK_MATCH[] =
    "SELECT " MATCH_COLUMNS " FROM timer_match WHERE machine = $1 FOR UPDATE";
static const char TRY_MATCH[] =
    "SELECT " MATCH_COLUMNS " FROM timer_match WHERE machine = $1 FOR UPDATE SKIP LOCKED";
static const char SAVE_MATCH[] =
    "INSERT INTO timer_match (" MATCH_COLUMNS ") VALUES ($1, $2::bigint, $3::bigint, $4::bigint, "
    "$5::boolean, $6::bigint, $7::bigint, $8::bigint, $9::bigint) ON CONFLICT (machine) DO UPDATE "
    "SET rules = excluded.rules, position = excluded.position, since_us = excluded.since_us, "
    "again = excluded.again, started_us = excluded.started_us, "
    "finished_us = excluded.finished_us, seen = excluded.seen, changed = excluded.changed";

/* --- counts --- */

static bool count_timers(struct postgres_store *self, struct arena *arena, int64_t now_us,
                         struct store_timer_count **items, size_t *count, struct fault *fault) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_integer(&values, now_us);
    if (!postgres_run(self, COUNT_TIMERS, &values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_timer_count, *count);
    for (int row = 0; row < PQntuples(rows); row++) {
        (*items)[row] = (struct store_timer_count){.machine = cell_text(arena, rows, row, 0),
                                                   .pending = cell_integer(rows, row, 1),
                                                   .overdue = cell_integer(rows, row, 2),
                                                   .oldest_due_us = cell_integer(rows, row, 3)};
    }
    return true;
}

static bool postgres_count_timers(struct store *store, struct arena *arena, int64_t now_us,
                                  struct store_timer_count **items, size_t *count,
                                  struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own, count_timers(self, arena, now_us, items, count, fault), fault);
}

static bool count_states(struct postgres_store *self, struct arena *arena, struct text machine,
                         int64_t now_us, struct store_state_count **items, size_t *count,
                         struct fault *fault) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, machine);
    values_add_integer(&values, now_us);
    if (!postgres_run(self, COUNT_STATES, &values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_state_count, *count);
    for (int row = 0; row < PQntuples(rows); row++) {
        (*items)[row] = (struct store_state_count){.state = cell_text(arena, rows, row, 0),
                                                   .entities = cell_integer(rows, row, 1),
                                                   .oldest_us = cell_integer(rows, row, 2),
                                                   .overdue_timers = cell_integer(rows, row, 3)};
    }
    return true;
}

static bool postgres_count_states(struct store *store, struct arena *arena, struct text machine,
                                  int64_t now_us, struct store_state_count **items, size_t *count,
                                  struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own,
                          count_states(self, arena, machine, now_us, items, count, fault), fault);
}

/* --- slices --- */

static bool last_number(struct postgres_store *self, int64_t *number, struct fault *fault) {
    bool found = postgres_run(self, LAST_NUMBER, NULL, fault);
    *number = found ? cell_integer(wire_result(&self->wire, 0), 0, 0) : 0;
    return found;
}

static bool take_slice(struct postgres_store *self, struct arena *arena,
                       const struct store_slice *slice, struct text **ids, size_t *count,
                       int64_t *next, struct fault *fault) {
    struct values values;
    int64_t last, end = slice->after + SLICE_NUMBERS;
    if (!last_number(self, &last, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, slice->machine);
    values_add_integer(&values, slice->after);
    values_add_integer(&values, end);
    values_add_integer(&values, slice->since_us);
    values_add_texts(&values, slice->states, slice->state_count);
    values_add_integer(&values, slice->limit);
    if (!postgres_run(self, SLICE, &values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *count = (size_t)PQntuples(rows);
    *ids = ARENA_ARRAY(arena, struct text, *count);
    for (int row = 0; row < PQntuples(rows); row++) {
        (*ids)[row] = cell_text(arena, rows, row, 1);
    }
    bool full = (int64_t)*count == slice->limit;
    int64_t reached = full ? cell_integer(rows, PQntuples(rows) - 1, 0) : end;
    *next = reached >= last ? -1 : reached;
    return true;
}

static bool postgres_slice(struct store *store, struct arena *arena,
                           const struct store_slice *slice, struct text **ids, size_t *count,
                           int64_t *next, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own, take_slice(self, arena, slice, ids, count, next, fault),
                          fault);
}

/* --- matches --- */

static struct store_match match_of_row(struct arena *arena, const PGresult *rows, int row) {
    return (struct store_match){.machine = cell_text(arena, rows, row, 0),
                                .rules = cell_integer(rows, row, 1),
                                .position = cell_integer(rows, row, 2),
                                .since_us = cell_integer(rows, row, 3),
                                .again = cell_bool(rows, row, 4),
                                .started_us = cell_integer(rows, row, 5),
                                .finished_us = cell_integer(rows, row, 6),
                                .seen = cell_integer(rows, row, 7),
                                .changed = cell_integer(rows, row, 8)};
}

static bool list_matches(struct postgres_store *self, struct arena *arena,
                         struct store_match **items, size_t *count, struct fault *fault) {
    if (!postgres_run(self, LIST_MATCHES, NULL, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_match, *count);
    for (int row = 0; row < PQntuples(rows); row++) {
        (*items)[row] = match_of_row(arena, rows, row);
    }
    return true;
}

static bool postgres_list_matches(struct store *store, struct arena *arena,
                                  struct store_match **items, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_READ, &own, fault) &&
           postgres_leave(self, own, list_matches(self, arena, items, count, fault), fault);
}

static bool postgres_lock_match(struct store *store, struct arena *arena, struct text machine,
                                bool waits, struct store_match *out, bool *found,
                                struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    arena_reset(&self->scratch);
    values_init(&values, &self->scratch);
    values_add_text(&values, machine);
    *found = false;
    if (!postgres_run(self, waits ? LOCK_MATCH : TRY_MATCH, &values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *found = PQntuples(rows) > 0;
    if (*found) {
        *out = match_of_row(arena, rows, 0);
    }
    return true;
}

static bool postgres_save_match(struct store *store, const struct store_match *match,
                                struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, match->machine);
    values_add_integer(&values, match->rules);
    values_add_integer(&values, match->position);
    values_add_integer(&values, match->since_us);
    values_add_bool(&values, match->again);
    values_add_integer(&values, match->started_us);
    values_add_integer(&values, match->finished_us);
    values_add_integer(&values, match->seen);
    values_add_integer(&values, match->changed);
    return postgres_leave(self, own, postgres_run(self, SAVE_MATCH, &values, fault), fault);
}

const struct store_timer_driver postgres_timers = {
    .due = postgres_due,
    .next_due = postgres_next_due,
    .of = postgres_timers_of,
    .count_timers = postgres_count_timers,
    .count_states = postgres_count_states,
    .slice = postgres_slice,
    .list_matches = postgres_list_matches,
    .put_off = postgres_put_off,
    .forget_done = postgres_forget_done,
    .lock_match = postgres_lock_match,
    .save_match = postgres_save_match,
};
