/* deadline.c: timers that entities armed: what is due, and those of some entities. */
#include "store/postgres/deadline.h"

#define DEADLINE_COLUMNS                                                                           \
    "d.due_us, d.to_state, d.reason, d.comments, d.entity_version, d.attempts, d.next_us, "        \
    "d.chain, d.rules"

static const char DUE[] = "SELECT e.machine, e.id, e.state, " DEADLINE_COLUMNS ", 0::bigint "
                          "FROM deadline d JOIN entity e ON e.number = d.entity "
                          "WHERE coalesce(d.next_us, d.due_us) <= $1::bigint "
                          "AND ($3::text[] IS NULL OR e.machine = ANY($3::text[])) "
                          "ORDER BY coalesce(d.next_us, d.due_us) LIMIT $2::bigint";
static const char NEXT_DUE[] = "SELECT min(due_us) FROM deadline";
static const char TIMERS[] =
    "SELECT k.machine, k.id, NULL::text, t.* "
    "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k(machine, id, n) "
    "JOIN entity e ON e.machine = k.machine AND e.id = k.id CROSS JOIN LATERAL "
    "(SELECT " DEADLINE_COLUMNS ", 0::bigint FROM deadline d WHERE d.entity = e.number UNION ALL "
    "SELECT due_us, to_state, NULL, NULL, 0, 0, NULL, 0, NULL, done_us FROM deadline_done "
    "WHERE entity = e.number) t ORDER BY k.n, t.due_us, t.to_state";
/* Several nodes may put off at once: each takes what no other has in hand. */
static const char PUT_OFF[] =
    "UPDATE deadline SET next_us = $3::bigint WHERE ctid = ANY(ARRAY(SELECT d.ctid FROM deadline d "
    "JOIN entity e ON e.number = d.entity WHERE coalesce(d.next_us, d.due_us) < $2::bigint "
    "AND NOT e.machine = ANY($1::text[]) ORDER BY coalesce(d.next_us, d.due_us) "
    "LIMIT $4::bigint FOR UPDATE OF d SKIP LOCKED))";
static const char FORGET_DONE[] =
    "DELETE FROM deadline_done WHERE ctid = ANY(ARRAY(SELECT t.ctid FROM deadline_done t "
    "JOIN entity e ON e.number = t.entity WHERE e.entered_us > t.done_us LIMIT $1::bigint "
    "FOR UPDATE OF t SKIP LOCKED))";

static struct store_deadline deadline_of_row(struct arena *arena, const PGresult *rows, int row) {
    return (struct store_deadline){.machine = cell_text(arena, rows, row, 0),
                                   .entity_id = cell_text(arena, rows, row, 1),
                                   .state = cell_text(arena, rows, row, 2),
                                   .due_us = cell_integer(rows, row, 3),
                                   .to_state = cell_text(arena, rows, row, 4),
                                   .reason = cell_text(arena, rows, row, 5),
                                   .comments = cell_text(arena, rows, row, 6),
                                   .entity_version = cell_integer(rows, row, 7),
                                   .attempts = cell_integer(rows, row, 8),
                                   .next_us = cell_integer(rows, row, 9),
                                   .chain = cell_integer(rows, row, 10),
                                   .rules = cell_integer(rows, row, 11),
                                   .done_us = cell_integer(rows, row, 12)};
}

/* Runs what answers deadlines; `values` may be of the scratch. */
static bool read_deadlines(struct postgres_store *self, const char *sql,
                           const struct values *values, struct arena *arena,
                           struct store_deadline **items, size_t *count, struct fault *fault) {
    if (!postgres_run(self, sql, values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_deadline, *count);
    for (size_t i = 0; i < *count; i++) {
        (*items)[i] = deadline_of_row(arena, rows, (int)i);
    }
    return true;
}

bool postgres_due(struct store *store, struct arena *arena, const struct text *machines,
                  size_t machine_count, int64_t now_us, int64_t limit,
                  struct store_deadline **items, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    *count = 0;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_integer(&values, now_us);
    values_add_integer(&values, limit);
    if (machines != NULL) {
        values_add_texts(&values, machines, machine_count);
    } else {
        values_add_text(&values, TEXT_NONE);
    }
    return postgres_leave(self, own, read_deadlines(self, DUE, &values, arena, items, count, fault),
                          fault);
}

bool postgres_next_due(struct store *store, int64_t *due_us, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    bool found = postgres_run(self, NEXT_DUE, NULL, fault);
    const PGresult *rows = found ? wire_result(&self->wire, 0) : NULL;
    bool any = found && !PQgetisnull(rows, 0, 0);
    *due_us = any ? cell_integer(rows, 0, 0) : INT64_MAX;
    return postgres_leave(self, own, found, fault);
}

bool postgres_timers_of(struct store *store, struct arena *arena, const struct store_key *keys,
                        size_t count, struct store_deadline **items, size_t *item_count,
                        struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    struct array machines, ids;
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    array_init_texts(&machines, &self->scratch);
    array_init_texts(&ids, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        array_add_text(&machines, keys[i].machine);
        array_add_text(&ids, keys[i].id);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &machines);
    values_add_array(&values, &ids);
    return postgres_leave(
        self, own, read_deadlines(self, TIMERS, &values, arena, items, item_count, fault), fault);
}

bool postgres_put_off(struct store *store, const struct text *machines, size_t machine_count,
                      int64_t before_us, int64_t until_us, int64_t most, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_texts(&values, machines, machine_count);
    values_add_integer(&values, before_us);
    values_add_integer(&values, until_us);
    values_add_integer(&values, most);
    return postgres_leave(self, own, postgres_run(self, PUT_OFF, &values, fault), fault);
}

bool postgres_forget_done(struct store *store, int64_t most, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_integer(&values, most);
    return postgres_leave(self, own, postgres_run(self, FORGET_DONE, &values, fault), fault);
}
