/* entity.c: reading rows of entities, in one statement however many they are.
 *
 * A writing transaction locks what it reads, in the order of keys, so that two that want the same
 * entities never wait for each other in a circle; and it remembers the rows (`seen`), so that the
 * write goes to them by number and knows the ends of their chains. */
#include "store/postgres/entity.h"

/* What only reads is plain SQL, so that it can look at a store that has not been migrated yet. */
static const char READ[] =
    "SELECT " ENTITY_COLUMNS "e.data FROM unnest($1::text[], $2::text[]) k(machine, id) "
    "JOIN entity e ON e.machine = k.machine AND e.id = k.id ORDER BY e.machine, e.id";
/* schema/postgres_005.sql; the same columns, and entered_us */
static const char READ_AND_LOCK[] = "SELECT * FROM statute_read_and_lock_5($1::text[], $2::text[])";

/* --- keys --- */

/* machine, NUL, id: neither holds a NUL. */
static struct text key_of(struct arena *arena, struct text machine, struct text id) {
    char *bytes = arena_alloc(arena, machine.length + 1 + id.length);
    memcpy(bytes, machine.bytes, machine.length);
    memcpy(bytes + machine.length + 1, id.bytes, id.length);
    return (struct text){bytes, machine.length + 1 + id.length};
}

struct seen *postgres_seen(struct postgres_store *self, struct text machine, struct text id) {
    return map_find(&self->seen, key_of(&self->scratch, machine, id));
}

static struct seen *remember(struct postgres_store *self, struct text machine, struct text id) {
    struct seen *seen = postgres_seen(self, machine, id);
    if (seen == NULL) {
        struct text key = key_of(&self->arena, machine, id);
        seen = ARENA_NEW(&self->arena, struct seen);
        seen->machine = (struct text){key.bytes, machine.length};
        seen->id = (struct text){key.bytes + machine.length + 1, id.length};
        map_set(&self->seen, key, seen);
    }
    return seen;
}

/* --- rows --- */

static bool parse_data(struct arena *arena, struct text data, struct entity *out,
                       struct fault *fault) {
    if (js_parse(arena, data, &out->data, fault)) {
        return true;
    }
    fault->code = FAULT_STORE_UNAVAILABLE;
    return fault_within(fault, "the stored data of %.*s %.*s", TEXT_ARGS(out->machine),
                        TEXT_ARGS(out->id));
}

static int64_t entered_us(const PGresult *result, int row, int64_t otherwise_us) {
    int64_t known_us =
        PQnfields(result) > ENTITY_ENTERED ? cell_integer(result, row, ENTITY_ENTERED) : 0;
    return known_us != 0 ? known_us : otherwise_us;
}

bool postgres_entity_of_row(struct arena *arena, const PGresult *result, int row,
                            struct entity *out, struct fault *fault) {
    out->state = cell_text(arena, result, row, ENTITY_STATE);
    out->exists = text_given(out->state);
    out->audit_sequence = cell_integer(result, row, ENTITY_AUDIT_SEQUENCE);
    cell_bytes(result, row, ENTITY_AUDIT_HASH, out->audit_hash, DIGEST_BYTES);
    if (!out->exists) {
        return true;
    }
    out->version = cell_integer(result, row, ENTITY_VERSION);
    out->fence = cell_integer(result, row, ENTITY_FENCE);
    out->created_us = cell_integer(result, row, ENTITY_CREATED);
    out->updated_us = cell_integer(result, row, ENTITY_UPDATED);
    out->entered_us = entered_us(result, row, out->updated_us);
    return parse_data(arena, cell_lent(result, row, ENTITY_DATA), out, fault);
}

static void note_row(struct seen *seen, const PGresult *result, int row) {
    seen->known = true;
    seen->head_moved = false;
    seen->number = cell_integer(result, row, ENTITY_NUMBER);
    seen->exists = !PQgetisnull(result, row, ENTITY_STATE);
    seen->version = cell_integer(result, row, ENTITY_VERSION);
    seen->audit_sequence = cell_integer(result, row, ENTITY_AUDIT_SEQUENCE);
    cell_bytes(result, row, ENTITY_AUDIT_HASH, seen->audit_hash, DIGEST_BYTES);
}

static void note_absent(struct seen *seen) {
    struct text machine = seen->machine, id = seen->id;
    *seen = (struct seen){.machine = machine, .id = id, .known = true};
}

static void note_rows(struct postgres_store *self, const struct store_key *keys, size_t count,
                      const PGresult *result) {
    for (size_t i = 0; i < count; i++) {
        note_absent(remember(self, keys[i].machine, keys[i].id));
    }
    for (int row = 0; row < PQntuples(result); row++) {
        note_row(remember(self, cell_lent(result, row, ENTITY_MACHINE),
                          cell_lent(result, row, ENTITY_ID)),
                 result, row);
    }
}

/* --- reading --- */

static bool ask_rows(struct postgres_store *self, const struct store_key *keys, size_t count,
                     struct fault *fault) {
    struct values values;
    struct array machines, ids;
    array_init_texts(&machines, &self->scratch);
    array_init_texts(&ids, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        array_add_text(&machines, keys[i].machine);
        array_add_text(&ids, keys[i].id);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &machines);
    values_add_array(&values, &ids);
    bool writing = self->phase == PG_WRITING;
    if (!postgres_run(self, writing ? READ_AND_LOCK : READ, &values, fault)) {
        return false;
    }
    if (writing) {
        note_rows(self, keys, count, wire_result(&self->wire, 0));
    }
    return true;
}

/* Rows by key; a row number is kept plus one, since a map has no NULL. */
static struct map map_rows(struct arena *arena, const PGresult *result) {
    struct map rows;
    map_init(&rows, arena);
    for (int row = 0; row < PQntuples(result); row++) {
        int *number = ARENA_NEW(arena, int);
        *number = row;
        map_set(&rows,
                key_of(arena, cell_lent(result, row, ENTITY_MACHINE),
                       cell_lent(result, row, ENTITY_ID)),
                number);
    }
    return rows;
}

static bool read_all(struct postgres_store *self, struct arena *arena, const struct store_key *keys,
                     size_t count, struct entity *out, struct fault *fault) {
    if (!ask_rows(self, keys, count, fault)) {
        return false;
    }
    const PGresult *result = wire_result(&self->wire, 0);
    struct map rows = map_rows(&self->scratch, result);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct entity){.machine = text_copy(arena, keys[i].machine),
                                 .id = text_copy(arena, keys[i].id)};
        const int *row = map_find(&rows, key_of(&self->scratch, keys[i].machine, keys[i].id));
        if (row != NULL && !postgres_entity_of_row(arena, result, *row, &out[i], fault)) {
            return false;
        }
    }
    return true;
}

bool postgres_read(struct store *store, struct arena *arena, const struct store_key *keys,
                   size_t count, struct entity *out, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return count == 0 ||
           (postgres_enter(self, STORE_READ, &own, fault) &&
            postgres_leave(self, own, read_all(self, arena, keys, count, out, fault), fault));
}

bool postgres_see(struct postgres_store *self, const struct store_key *keys, size_t count,
                  struct fault *fault) {
    struct store_key *unknown = ARENA_ARRAY(&self->scratch, struct store_key, count);
    size_t unknown_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct seen *seen = postgres_seen(self, keys[i].machine, keys[i].id);
        if (seen == NULL || !seen->known) {
            unknown[unknown_count++] = keys[i];
        }
    }
    return unknown_count == 0 || ask_rows(self, unknown, unknown_count, fault);
}
