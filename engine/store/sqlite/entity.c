/* entity.c: rows of entities.
 *
 * Every entity that was ever attempted has a row, so that its audit chain has a home; `kind` 0 says
 * that there is no such entity. A transaction that writes remembers the rows it read (`seen`), so
 * that the write goes straight to the row and knows whether the state, and with it the packed
 * column of kinds, changes. */
#include "store/sqlite/entity.h"
#include "store/sqlite/index.h"

#include "store/conflict.h"
#include "store/sqlite/facts.h"

#define KINDS_PER_BLOCK 2000

static const char READ_ENTITY[] =
    "SELECT " ENTITY_COLUMNS " FROM entity WHERE machine = ?1 AND id = ?2";
static const char READ_ENTITY_WRITER[] =
    "SELECT " ENTITY_COLUMNS_WRITER " FROM entity WHERE machine = ?1 AND id = ?2";
static const char FIND_ENTITY[] = "SELECT number, kind, audit_sequence, audit_position, audit_hash "
                                  "FROM entity WHERE machine = ?1 AND id = ?2";
static const char INSERT_ENTITY[] =
    "INSERT INTO entity (machine, id, kind, version, fence, audit_sequence, audit_position, "
    "audit_hash, created_us, updated_us, data, entered_us) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
static const char FILL_ENTITY[] =
    "UPDATE entity SET kind = ?3, version = ?4, fence = ?5, audit_sequence = ?6, "
    "audit_position = ?7, audit_hash = ?8, created_us = ?9, updated_us = ?10, data = ?11, "
    "entered_us = ?12 WHERE machine = ?1 AND id = ?2 AND kind = 0";
static const char UPDATE_ENTITY[] =
    "UPDATE entity SET kind = ?3, version = ?4, fence = ?5, audit_sequence = ?6, "
    "audit_position = ?7, audit_hash = ?8, updated_us = ?9, data = ?10, entered_us = ?11 "
    "WHERE number = ?1 AND version = ?2 AND kind <> 0";
static const char UPDATE_HEAD[] = "UPDATE entity SET audit_sequence = ?3, audit_position = ?4, "
                                  "audit_hash = ?5 WHERE number = ?1 AND version = ?2";
static const char MOVE_HEAD[] = "UPDATE entity SET audit_sequence = ?2, audit_position = ?3, "
                                "audit_hash = ?4 WHERE number = ?1";
static const char ADD_BLOCK[] =
    "INSERT OR IGNORE INTO entity_block (block, kinds) VALUES (?1, zeroblob(4000))";

/* --- what a transaction knows --- */

/* The key of `seen`: the machine's number, then the id. */
struct seen_key {
    char bytes[sizeof(int64_t) + ENTITY_ID_MOST];
    struct text text;
};

static bool make_key(struct seen_key *key, const struct machine_name *machine, struct text id,
                     struct fault *fault) {
    if (id.length > ENTITY_ID_MOST) {
        return fault_set(fault, FAULT_INTERNAL, "an entity id of %zu bytes", id.length);
    }
    memcpy(key->bytes, &machine->id, sizeof machine->id);
    memcpy(key->bytes + sizeof machine->id, id.bytes, id.length);
    key->text = (struct text){key->bytes, sizeof machine->id + id.length};
    return true;
}

static struct seen *remember(struct sqlite_store *self, const struct seen_key *key,
                             struct machine_name *machine) {
    struct text kept = text_copy(&self->arena, key->text);
    struct seen *seen = ARENA_NEW(&self->arena, struct seen);
    seen->machine = machine;
    seen->id = (struct text){kept.bytes + sizeof(int64_t), kept.length - sizeof(int64_t)};
    map_set(&self->seen, kept, seen);
    return seen;
}

static bool find_row(struct sqlite_store *self, struct seen *seen, struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_ENTITY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, seen->machine->id);
    sql_put_text(statement, 2, seen->id);
    if (!sql_next(&self->sql, statement, &row, fault)) {
        return false;
    }
    if (row) {
        seen->number = sql_integer(statement, 0);
        seen->kind = sql_integer(statement, 1);
        seen->audit_sequence = sql_integer(statement, 2);
        seen->audit_position = sql_integer(statement, 3);
        sql_bytes(statement, 4, seen->audit_hash, DIGEST_BYTES);
        sql_stop(statement);
    }
    return true;
}

bool sqlite_seen(struct sqlite_store *self, struct text machine, struct text id, struct seen **out,
                 struct fault *fault) {
    struct machine_name *name;
    struct seen_key key;
    if (!names_machine(&self->names, machine, &name, fault) || !make_key(&key, name, id, fault)) {
        return false;
    }
    *out = map_find(&self->seen, key.text);
    if (*out != NULL) {
        return true;
    }
    *out = remember(self, &key, name);
    return find_row(self, *out, fault);
}

/* --- reading --- */

static bool parse_data(struct arena *arena, sqlite3_stmt *statement, struct entity *out,
                       struct fault *fault) {
    if (js_parse(arena, sql_lent(statement, ENTITY_DATA), &out->data, fault)) {
        return true;
    }
    fault->code = FAULT_STORE_UNAVAILABLE;
    return fault_within(fault, "the stored data of %.*s %.*s", TEXT_ARGS(out->machine),
                        TEXT_ARGS(out->id));
}

/* A column that is not there is NULL, which is 0. */
static int64_t entered_us(sqlite3_stmt *statement, int64_t otherwise_us) {
    int64_t known_us = sql_integer(statement, ENTITY_ENTERED);
    return known_us != 0 ? known_us : otherwise_us;
}

bool sqlite_entity_of_row(struct sqlite_store *self, struct arena *arena, sqlite3_stmt *statement,
                          struct entity *out, struct fault *fault) {
    int64_t kind = sql_integer(statement, ENTITY_KIND);
    out->exists = kind != 0;
    out->audit_sequence = sql_integer(statement, ENTITY_AUDIT_SEQUENCE);
    sql_bytes(statement, ENTITY_AUDIT_HASH, out->audit_hash, DIGEST_BYTES);
    if (!out->exists) {
        return true;
    }
    out->version = sql_integer(statement, ENTITY_VERSION);
    out->fence = sql_integer(statement, ENTITY_FENCE);
    out->created_us = sql_integer(statement, ENTITY_CREATED);
    out->updated_us = sql_integer(statement, ENTITY_UPDATED);
    out->entered_us = entered_us(statement, out->updated_us);
    if (!names_state(&self->names, kind, &out->state, fault)) {
        return false;
    }
    out->state = text_copy(arena, out->state);
    return parse_data(arena, statement, out, fault);
}

static bool note_row(struct sqlite_store *self, struct machine_name *machine,
                     sqlite3_stmt *statement, const struct entity *entity, struct fault *fault) {
    struct seen_key key;
    if (!make_key(&key, machine, entity->id, fault)) {
        return false;
    }
    struct seen *seen = map_find(&self->seen, key.text);
    if (seen == NULL) {
        seen = remember(self, &key, machine);
    }
    seen->number = sql_integer(statement, ENTITY_NUMBER);
    seen->kind = sql_integer(statement, ENTITY_KIND);
    seen->audit_sequence = entity->audit_sequence;
    seen->audit_position = sql_integer(statement, ENTITY_AUDIT_POSITION);
    memcpy(seen->audit_hash, entity->audit_hash, DIGEST_BYTES);
    return true;
}

static bool read_row(struct sqlite_store *self, struct arena *arena, struct machine_name *machine,
                     struct entity *out, struct fault *fault) {
    bool row;
    bool writing = self->phase == PHASE_WRITING;
    sqlite3_stmt *statement =
        sql_use(&self->sql, writing ? READ_ENTITY_WRITER : READ_ENTITY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, machine->id);
    sql_put_text(statement, 2, out->id);
    if (!sql_next(&self->sql, statement, &row, fault)) {
        return false;
    }
    if (!row) {
        return true;
    }
    bool fine = sqlite_entity_of_row(self, arena, statement, out, fault) &&
                (!writing || note_row(self, machine, statement, out, fault));
    sql_stop(statement);
    return fine;
}

static bool read_one(struct sqlite_store *self, struct arena *arena, const struct store_key *key,
                     struct entity *out, struct fault *fault) {
    struct machine_name *machine;
    *out =
        (struct entity){.machine = text_copy(arena, key->machine), .id = text_copy(arena, key->id)};
    return names_find_machine(&self->names, key->machine, &machine, fault) &&
           (machine == NULL || read_row(self, arena, machine, out, fault));
}

bool sqlite_read(struct store *store, struct arena *arena, const struct store_key *keys,
                 size_t count, struct entity *out, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        if (!read_one(sqlite_of(store), arena, &keys[i], &out[i], fault)) {
            return false;
        }
    }
    return true;
}

/* Who writes has the whole file. */
bool sqlite_read_as(struct store *store, struct arena *arena, const struct store_reading *readings,
                    size_t count, struct entity *out, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        if (!read_one(sqlite_of(store), arena, &readings[i].key, &out[i], fault)) {
            return false;
        }
    }
    return true;
}

/* --- the packed column of kinds --- */

static bool make_block(struct sqlite_store *self, int64_t number, struct fault *fault) {
    if (number % KINDS_PER_BLOCK != 0) {
        return true; /* made with the block's first number */
    }
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_BLOCK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, number / KINDS_PER_BLOCK);
    return sql_run(&self->sql, statement, fault);
}

static bool set_kind(struct sqlite_store *self, struct seen *seen, int64_t kind,
                     struct fault *fault) {
    if (seen->kind == kind) {
        return true;
    }
    unsigned char bytes[2] = {(unsigned char)kind, (unsigned char)(kind >> 8)};
    size_t offset = (size_t)(seen->number % KINDS_PER_BLOCK) * sizeof bytes;
    seen->kind = kind;
    return sql_blob_move(&self->sql, "entity_block", "kinds", seen->number / KINDS_PER_BLOCK,
                         &self->kinds, fault) &&
           sql_blob_write(&self->sql, self->kinds, offset, bytes, sizeof bytes, fault);
}

/* --- writing --- */

static bool conflict(const struct seen *seen, struct fault *fault) {
    return conflict_changed(seen->machine->name, seen->id, fault);
}

/* Runs an update that must hit its one row. */
static bool run_conditional(struct sqlite_store *self, sqlite3_stmt *statement,
                            const struct seen *seen, struct fault *fault) {
    return sql_run(&self->sql, statement, fault) &&
           (sqlite3_changes(self->sql.database) == 1 || conflict(seen, fault));
}

/* The parameters of INSERT_ENTITY and FILL_ENTITY. */
static void put_whole(sqlite3_stmt *statement, const struct seen *seen, int64_t kind,
                      const struct entity *entity, struct text data) {
    sql_put_integer(statement, 1, seen->machine->id);
    sql_put_text(statement, 2, seen->id);
    sql_put_integer(statement, 3, kind);
    sql_put_integer(statement, 4, entity->version);
    sql_put_integer(statement, 5, entity->fence);
    sql_put_integer(statement, 6, entity->audit_sequence);
    sql_put_integer(statement, 7, seen->audit_position);
    sql_put_bytes(statement, 8, entity->audit_hash, DIGEST_BYTES);
    sql_put_integer(statement, 9, entity->created_us);
    sql_put_integer(statement, 10, entity->updated_us);
    sql_put_given(statement, 11, data);
    sql_put_integer(statement, 12, entity->entered_us);
}

static bool insert_row(struct sqlite_store *self, struct seen *seen, int64_t kind,
                       const struct entity *entity, struct text data, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, INSERT_ENTITY, fault);
    if (statement == NULL) {
        return false;
    }
    put_whole(statement, seen, kind, entity, data);
    if (!sql_run(&self->sql, statement, fault)) {
        return false;
    }
    seen->number = sqlite3_last_insert_rowid(self->sql.database);
    return make_block(self, seen->number, fault);
}

static bool fill_row(struct sqlite_store *self, struct seen *seen, int64_t kind,
                     const struct entity *entity, struct text data, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, FILL_ENTITY, fault);
    if (statement == NULL) {
        return false;
    }
    put_whole(statement, seen, kind, entity, data);
    return run_conditional(self, statement, seen, fault);
}

static bool insert_entity(struct sqlite_store *self, struct seen *seen, int64_t kind,
                          const struct entity *entity, struct text data, struct fault *fault) {
    if (seen->kind != 0) {
        return conflict(seen, fault);
    }
    return seen->number == 0 ? insert_row(self, seen, kind, entity, data, fault)
                             : fill_row(self, seen, kind, entity, data, fault);
}

static bool update_entity(struct sqlite_store *self, struct seen *seen, int64_t kind,
                          const struct store_entity_write *write, struct text data,
                          struct fault *fault) {
    const struct entity *entity = write->entity;
    sqlite3_stmt *statement = sql_use(&self->sql, UPDATE_ENTITY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, seen->number);
    sql_put_integer(statement, 2, write->version_read);
    sql_put_integer(statement, 3, kind);
    sql_put_integer(statement, 4, entity->version);
    sql_put_integer(statement, 5, entity->fence);
    sql_put_integer(statement, 6, entity->audit_sequence);
    sql_put_integer(statement, 7, seen->audit_position);
    sql_put_bytes(statement, 8, entity->audit_hash, DIGEST_BYTES);
    sql_put_integer(statement, 9, entity->updated_us);
    sql_put_text(statement, 10, data);
    sql_put_integer(statement, 11, entity->entered_us);
    return run_conditional(self, statement, seen, fault);
}

static bool update_head(struct sqlite_store *self, struct seen *seen,
                        const struct store_entity_write *write, struct fault *fault) {
    const struct entity *entity = write->entity;
    sqlite3_stmt *statement = sql_use(&self->sql, UPDATE_HEAD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, seen->number);
    sql_put_integer(statement, 2, write->version_read);
    sql_put_integer(statement, 3, entity->audit_sequence);
    sql_put_integer(statement, 4, seen->audit_position);
    sql_put_bytes(statement, 5, entity->audit_hash, DIGEST_BYTES);
    return run_conditional(self, statement, seen, fault);
}

static bool write_body(struct sqlite_store *self, struct seen *seen,
                       const struct store_entity_write *write, struct fault *fault) {
    int64_t kind;
    if (!names_kind(&self->names, seen->machine, write->entity->state, &kind, fault)) {
        return false;
    }
    struct text data = entity_data_json(&self->arena, write->entity);
    bool is_new = write->version_read == 0;
    if (!is_new && !sqlite_index_update(self, write->entity, seen->number, false, fault)) {
        return false;
    }
    bool written = is_new ? insert_entity(self, seen, kind, write->entity, data, fault)
                          : update_entity(self, seen, kind, write, data, fault);
    return written && set_kind(self, seen, kind, fault) &&
           (!is_new || sqlite_index_update(self, write->entity, seen->number, true, fault));
}

bool sqlite_write_entity(struct sqlite_store *self, const struct store_entity_write *write,
                         struct fault *fault) {
    struct seen *seen;
    if (!write->entity->exists) {
        return true;
    }
    if (!sqlite_seen(self, write->entity->machine, write->entity->id, &seen, fault)) {
        return false;
    }
    seen->head_moved = false;
    seen->audit_sequence = write->entity->audit_sequence;
    memcpy(seen->audit_hash, write->entity->audit_hash, DIGEST_BYTES);
    return write->body_changed || write->version_read == 0 ? write_body(self, seen, write, fault)
                                                           : update_head(self, seen, write, fault);
}

bool sqlite_write_head(struct sqlite_store *self, struct seen *seen, struct fault *fault) {
    if (!seen->head_moved) {
        return true;
    }
    seen->head_moved = false;
    if (seen->number == 0) {
        struct entity absent = {.audit_sequence = seen->audit_sequence};
        memcpy(absent.audit_hash, seen->audit_hash, DIGEST_BYTES);
        return insert_row(self, seen, 0, &absent, TEXT_NONE, fault);
    }
    sqlite3_stmt *statement = sql_use(&self->sql, MOVE_HEAD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, seen->number);
    sql_put_integer(statement, 2, seen->audit_sequence);
    sql_put_integer(statement, 3, seen->audit_position);
    sql_put_bytes(statement, 4, seen->audit_hash, DIGEST_BYTES);
    return run_conditional(self, statement, seen, fault);
}

/* --- renaming --- */

static const char SET_MACHINE[] = "UPDATE entity SET machine = ?2, kind = ?3 WHERE number = ?1";
static const char READ_PREVIOUS[] = "SELECT previous FROM audit WHERE position = ?1";

/* Searches by machine find its records under the new name. */
static bool rename_records(struct sqlite_store *self, const struct seen *seen, int64_t machine,
                           struct fault *fault) {
    for (int64_t position = seen->audit_position; position != 0;) {
        if (!facts_set_machine(&self->sql, position, machine, fault)) {
            return false;
        }
        sqlite3_stmt *statement = sql_use(&self->sql, READ_PREVIOUS, fault);
        if (statement == NULL) {
            return false;
        }
        sql_put_integer(statement, 1, position);
        if (!sql_ask(&self->sql, statement, 0, &position, fault)) {
            return false;
        }
    }
    return true;
}

static bool rename_row(struct sqlite_store *self, struct seen *seen, struct machine_name *to,
                       struct fault *fault) {
    struct text state;
    int64_t kind;
    if (!names_state(&self->names, seen->kind, &state, fault) ||
        !names_kind(&self->names, to, text_copy(&self->arena, state), &kind, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, SET_MACHINE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, seen->number);
    sql_put_integer(statement, 2, to->id);
    sql_put_integer(statement, 3, kind);
    return sql_run(&self->sql, statement, fault) && set_kind(self, seen, kind, fault) &&
           sqlite_index_rename(self, seen->machine->name, to->name, seen->number, fault) &&
           rename_records(self, seen, to->id, fault);
}

static bool rename_one(struct sqlite_store *self, struct text from, struct text to, struct text id,
                       bool *moved, struct fault *fault) {
    struct seen *old, *new;
    if (!sqlite_seen(self, from, id, &old, fault) || !sqlite_seen(self, to, id, &new, fault)) {
        return false;
    }
    *moved = old->kind != 0 && new->number == 0;
    if (!*moved) {
        return true;
    }
    if (!rename_row(self, old, new->machine, fault)) {
        return false;
    }
    struct machine_name *machine = new->machine;
    *new = *old;
    new->machine = machine;
    *old = (struct seen){.machine = old->machine, .id = old->id};
    return true;
}

bool sqlite_rename(struct store *store, struct text from, struct text to, const struct text *ids,
                   size_t count, bool *moved, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    bool fine = true;
    for (size_t i = 0; i < count && fine; i++) {
        fine = rename_one(self, from, to, ids[i], &moved[i], fault);
    }
    sqlite3_blob_close(self->kinds);
    self->kinds = NULL;
    return fine;
}
