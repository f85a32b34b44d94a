/* index.c: the server keeps the indexes in the statements that write entities, whatever a node
 * knows of the policies of others; so only what is to be indexed is said here. */
#include "store/postgres/index.h"

static const char FIND[] = "SELECT id FROM index_field WHERE machine = $1 AND field = $2 "
                           "AND built_to < 0 AND wanted";
static const char SLICE[] = "SELECT statute_index_slice($1, $2, $3::bigint)";
static const char DROP[] = "SELECT statute_index_drop($1, $2::text[], $3::bigint)";

bool postgres_index_find(struct postgres_store *self, struct text machine, struct text field,
                         int64_t *id, struct fault *fault) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, machine);
    values_add_text(&values, field);
    if (!postgres_run(self, FIND, &values, fault)) {
        return false;
    }
    const PGresult *rows = wire_result(&self->wire, 0);
    *id = PQntuples(rows) > 0 ? cell_integer(rows, 0, 0) : 0;
    return true;
}

static bool run(struct postgres_store *self, const char *sql, const struct values *values,
                bool *more, struct fault *fault) {
    if (!postgres_run(self, sql, values, fault)) {
        return false;
    }
    *more = cell_bool(wire_result(&self->wire, 0), 0, 0) || *more;
    return true;
}

static bool set_fields(struct postgres_store *self, struct text machine, const struct text *fields,
                       size_t count, int64_t most, bool *more, struct fault *fault) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, machine);
    values_add_texts(&values, fields, count);
    values_add_integer(&values, most);
    bool fine = run(self, DROP, &values, more, fault);
    for (size_t i = 0; fine && i < count; i++) {
        values_init(&values, &self->scratch);
        values_add_text(&values, machine);
        values_add_text(&values, fields[i]);
        values_add_integer(&values, most);
        fine = run(self, SLICE, &values, more, fault);
    }
    return fine;
}

bool postgres_index_fields(struct store *store, struct text machine, const struct text *fields,
                           size_t count, int64_t most, bool *more, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_WRITE, &own, fault) &&
           postgres_leave(self, own, set_fields(self, machine, fields, count, most, more, fault),
                          fault);
}
