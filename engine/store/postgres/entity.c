/* entity.c: reading rows of entities, in one statement however many they are.
 *
 * A writing transaction locks what it holds in the order of keys, so that two that want the same
 * entities never wait for each other in a circle; what it only looks at waits for nobody, and is
 * confirmed when it writes (guard.c). It remembers the rows (`seen`), so that the write goes to
 * them by number and knows the ends of their chains. */
#include "store/postgres/entity.h"

/* What only reads is plain SQL, so that it can look at a store that has not been migrated yet. */
static const char READ[] =
    "SELECT " ENTITY_COLUMNS "e.data FROM unnest($1::text[], $2::text[]) k(machine, id) "
    "JOIN entity e ON e.machine = k.machine AND e.id = k.id ORDER BY e.machine, e.id";
/* schema/postgres_005.sql; the same columns, and entered_us */
static const char READ_AND_LOCK[] = "SELECT * FROM statute_read_and_lock_5($1::text[], $2::text[])";
static const char READ_AND_HOLD[] =
    "SELECT * FROM statute_read_and_hold($1::text[], $2::text[], $3::boolean[])";
static const char LOOK[] = "SELECT * FROM statute_look($1::text[], $2::text[])";

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
    seen->number = cell_integer(result, row, ENTITY_NUMBER);
    seen->exists = !PQgetisnull(result, row, ENTITY_STATE);
    seen->version = cell_integer(result, row, ENTITY_VERSION);
    seen->audit_sequence = cell_integer(result, row, ENTITY_AUDIT_SEQUENCE);
    seen->version_read = seen->version;
    seen->sequence_read = seen->audit_sequence;
    cell_bytes(result, row, ENTITY_AUDIT_HASH, seen->audit_hash, DIGEST_BYTES);
}

static void note_absent(struct seen *seen, enum store_hold hold) {
    struct text machine = seen->machine, id = seen->id;
    *seen = (struct seen){.machine = machine, .id = id, .hold = hold, .known = true};
}

static void note_rows(struct postgres_store *self, const struct store_reading *readings,
                      size_t count, const PGresult *result) {
    for (size_t i = 0; i < count; i++) {
        const struct store_key *key = &readings[i].key;
        note_absent(remember(self, key->machine, key->id), readings[i].hold);
    }
    for (int row = 0; row < PQntuples(result); row++) {
        note_row(remember(self, cell_lent(result, row, ENTITY_MACHINE),
                          cell_lent(result, row, ENTITY_ID)),
                 result, row);
    }
}

/* --- reading --- */

static bool is_any_shared(const struct store_reading *readings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (readings[i].hold == STORE_SHARE) {
            return true;
        }
    }
    return false;
}

static void add_keys(struct postgres_store *self, struct values *values,
                     const struct store_reading *readings, size_t count) {
    struct array machines, ids;
    array_init_texts(&machines, &self->scratch);
    array_init_texts(&ids, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        array_add_text(&machines, readings[i].key.machine);
        array_add_text(&ids, readings[i].key.id);
    }
    values_init(values, &self->scratch);
    values_add_array(values, &machines);
    values_add_array(values, &ids);
}

static void add_shared(struct postgres_store *self, struct values *values,
                       const struct store_reading *readings, size_t count) {
    struct array shared;
    array_init_bools(&shared, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        array_add_bool(&shared, readings[i].hold == STORE_SHARE);
    }
    values_add_array(values, &shared);
}

static const char *reading_sql(const struct postgres_store *self,
                               const struct store_reading *readings, bool mixed) {
    if (self->phase != PG_WRITING) {
        return READ;
    }
    return mixed ? READ_AND_HOLD : readings[0].hold == STORE_LOOK ? LOOK : READ_AND_LOCK;
}

static bool ask_rows(struct postgres_store *self, const struct store_reading *readings,
                     size_t count, struct fault *fault) {
    struct values values;
    bool writing = self->phase == PG_WRITING;
    bool mixed = writing && is_any_shared(readings, count);
    add_keys(self, &values, readings, count);
    if (mixed) {
        add_shared(self, &values, readings, count);
    }
    if (!postgres_run(self, reading_sql(self, readings, mixed), &values, fault)) {
        return false;
    }
    if (writing) {
        note_rows(self, readings, count, wire_result(&self->wire, 0));
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

static bool read_all(struct postgres_store *self, struct arena *arena,
                     const struct store_reading *readings, size_t count, struct entity *out,
                     struct fault *fault) {
    if (!ask_rows(self, readings, count, fault)) {
        return false;
    }
    const PGresult *result = wire_result(&self->wire, 0);
    struct map rows = map_rows(&self->scratch, result);
    for (size_t i = 0; i < count; i++) {
        const struct store_key *key = &readings[i].key;
        out[i] = (struct entity){.machine = text_copy(arena, key->machine),
                                 .id = text_copy(arena, key->id)};
        const int *row = map_find(&rows, key_of(&self->scratch, key->machine, key->id));
        if (row != NULL && !postgres_entity_of_row(arena, result, *row, &out[i], fault)) {
            return false;
        }
    }
    return true;
}

bool postgres_read_as(struct store *store, struct arena *arena,
                      const struct store_reading *readings, size_t count, struct entity *out,
                      struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return count == 0 ||
           (postgres_enter(self, STORE_READ, &own, fault) &&
            postgres_leave(self, own, read_all(self, arena, readings, count, out, fault), fault));
}

/* All to be held. */
static struct store_reading *readings_of(struct arena *arena, const struct store_key *keys,
                                         size_t count) {
    struct store_reading *readings = ARENA_ARRAY(arena, struct store_reading, count);
    for (size_t i = 0; i < count; i++) {
        readings[i] = (struct store_reading){keys[i], STORE_HOLD};
    }
    return readings;
}

bool postgres_read(struct store *store, struct arena *arena, const struct store_key *keys,
                   size_t count, struct entity *out, struct fault *fault) {
    return postgres_read_as(store, arena, readings_of(arena, keys, count), count, out, fault);
}

bool postgres_see(struct postgres_store *self, const struct store_key *keys, size_t count,
                  struct fault *fault) {
    struct store_reading *unknown = ARENA_ARRAY(&self->scratch, struct store_reading, count);
    size_t unknown_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct seen *seen = postgres_seen(self, keys[i].machine, keys[i].id);
        if (seen == NULL || !seen->known) {
            unknown[unknown_count++] = (struct store_reading){keys[i], STORE_HOLD};
        }
    }
    return unknown_count == 0 || ask_rows(self, unknown, unknown_count, fault);
}

void postgres_see_renamed(struct postgres_store *self, struct text from, struct text to,
                          struct text id) {
    struct seen *old = postgres_seen(self, from, id), *new = remember(self, to, id);
    if (old != NULL) {
        struct text machine = new->machine;
        *new = *old;
        new->machine = machine;
        note_absent(old, old->hold);
    }
}
