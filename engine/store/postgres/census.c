/* census.c: which machines there are, which of them the operator let go, and how entities come to
 * be of another machine. */
#include "store/postgres/census.h"
#include "store/postgres/entity.h"

/* One look into the index for each machine, however many entities they have. */
static const char LIST_MACHINES[] =
    "WITH RECURSIVE m AS ((SELECT machine FROM entity ORDER BY machine LIMIT 1) UNION ALL "
    "SELECT (SELECT e.machine FROM entity e WHERE e.machine > m.machine ORDER BY e.machine LIMIT "
    "1) "
    "FROM m WHERE m.machine IS NOT NULL) SELECT machine FROM m WHERE machine IS NOT NULL";
static const char LIST_GONE[] = "SELECT machine FROM machine_gone ORDER BY machine";
static const char FORGET_GONE[] = "DELETE FROM machine_gone WHERE NOT machine = ANY($1::text[])";
static const char ADD_GONE[] =
    "INSERT INTO machine_gone (machine, since_us) "
    "SELECT m, $2::bigint FROM unnest($1::text[]) m ON CONFLICT DO NOTHING";
static const char RENAME[] =
    "UPDATE entity e SET machine = $2 FROM unnest($3::text[]) u(id) WHERE e.machine = $1 "
    "AND e.id = u.id AND e.state IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM entity n WHERE n.machine = $2 AND n.id = u.id) RETURNING e.id";

/* Afterwards: the entities leave the indexes of the one machine, and are in those of the other,
 * which may have been built without them. */
static const char LEAVE_INDEXES[] =
    "DELETE FROM index_value i USING index_field f, entity e WHERE f.machine = $1 "
    "AND e.machine = $2 AND e.id = ANY($3::text[]) AND i.field = f.id AND i.number = e.number "
    "AND i.value = statute_index_value(e.data, f.field)";
static const char ENTER_INDEXES[] = "SELECT statute_index_entities(ARRAY(SELECT number FROM entity "
                                    "WHERE machine = $1 AND id = ANY($2::text[])))";

static void take_names(struct arena *arena, const PGresult *rows, struct text **names,
                       size_t *count) {
    *count = (size_t)PQntuples(rows);
    *names = ARENA_ARRAY(arena, struct text, *count);
    for (size_t i = 0; i < *count; i++) {
        (*names)[i] = cell_text(arena, rows, (int)i, 0);
    }
}

static bool list_names(struct store *store, const char *sql, struct arena *arena,
                       struct text **names, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    bool found = postgres_run(self, sql, NULL, fault);
    take_names(arena, found ? wire_result(&self->wire, 0) : NULL, names, count);
    return postgres_leave(self, own, found, fault);
}

bool postgres_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                       struct fault *fault) {
    return list_names(store, LIST_MACHINES, arena, names, count, fault);
}

/* --- machines that were let go --- */

bool postgres_list_gone(struct store *store, struct arena *arena, struct text **names,
                        size_t *count, struct fault *fault) {
    return list_names(store, LIST_GONE, arena, names, count, fault);
}

static bool keep_gone(struct postgres_store *self, const struct text *names, size_t count,
                      int64_t now_us, struct fault *fault) {
    struct values forgotten, added;
    values_init(&forgotten, &self->scratch);
    values_add_texts(&forgotten, names, count);
    values_init(&added, &self->scratch);
    values_add_texts(&added, names, count);
    values_add_integer(&added, now_us);
    return postgres_run(self, FORGET_GONE, &forgotten, fault) &&
           postgres_run(self, ADD_GONE, &added, fault);
}

bool postgres_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                        struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_WRITE, &own, fault) &&
           postgres_leave(self, own, keep_gone(self, names, count, now_us, fault), fault);
}

/* --- renaming --- */

static void note_moved(struct postgres_store *self, struct text from, struct text to,
                       const struct text *ids, size_t count, bool *moved) {
    const PGresult *rows = wire_result(&self->wire, 0);
    for (size_t i = 0; i < count; i++) {
        moved[i] = false;
        for (int row = 0; !moved[i] && row < PQntuples(rows); row++) {
            moved[i] = text_equal(cell_lent(rows, row, 0), ids[i]);
        }
        if (moved[i]) {
            postgres_see_renamed(self, from, to, ids[i]);
        }
    }
}

static bool move_in_indexes(struct postgres_store *self, struct text from, struct text to,
                            const struct text *ids, size_t count, struct fault *fault) {
    struct values leaving, entering;
    values_init(&leaving, &self->scratch);
    values_add_text(&leaving, from);
    values_add_text(&leaving, to);
    values_add_texts(&leaving, ids, count);
    values_init(&entering, &self->scratch);
    values_add_text(&entering, to);
    values_add_texts(&entering, ids, count);
    postgres_queue(self, LEAVE_INDEXES, &leaving);
    return postgres_run(self, ENTER_INDEXES, &entering, fault);
}

bool postgres_rename(struct store *store, struct text from, struct text to, const struct text *ids,
                     size_t count, bool *moved, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, from);
    values_add_text(&values, to);
    values_add_texts(&values, ids, count);
    if (!postgres_run(self, RENAME, &values, fault)) {
        return false;
    }
    note_moved(self, from, to, ids, count, moved);
    return move_in_indexes(self, from, to, ids, count, fault);
}

/* --- since when --- */

static const char ENTERED[] =
    "SELECT k.n, coalesce(nullif(e.entered_us, 0), e.updated_us) FROM unnest($1::text[], "
    "$2::text[]) "
    "WITH ORDINALITY k(machine, id, n) JOIN entity e ON e.machine = k.machine AND e.id = k.id";

bool postgres_entered(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
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
        out[i] = 0;
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &machines);
    values_add_array(&values, &ids);
    bool found = postgres_run(self, ENTERED, &values, fault);
    const PGresult *rows = found ? wire_result(&self->wire, 0) : NULL;
    for (int row = 0; row < PQntuples(rows); row++) {
        out[cell_integer(rows, row, 0) - 1] = cell_integer(rows, row, 1);
    }
    return postgres_leave(self, own, found, fault);
}
