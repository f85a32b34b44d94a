/* batch.c: everything a batch writes.
 *
 * Order matters: records are linked first, which finds their entities and moves the heads of their
 * chains in memory; then entities are written with the new heads, which gives new ones a number;
 * then what carries that number. A fault on the way leaves it all to rollback. */
#include "store/sqlite/deadline.h"

#include "store/conflict.h"
#include "store/sqlite/facts.h"

static const char LAST_POSITION[] = "SELECT max(position) FROM audit";
static const char ADD_RECORD[] =
    "INSERT INTO audit (position, entity, sequence, previous, timestamp_us, success, uuid, "
    "from_state, to_state, actor, reason, previous_hash, hash, json) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
static const char LAST_EVENT[] = "SELECT max(position) FROM outbox";
static const char ADD_EVENT[] =
    "INSERT INTO outbox (position, id, type, machine, entity_id, timestamp_us, json) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
static const char FIND_RECORD[] = "SELECT 1 FROM audit WHERE position > ?1 AND uuid = ?2 "
                                  "ORDER BY position DESC LIMIT 1";

/* The place of a record in its entity's chain. */
struct link {
    struct seen *entity;
    int64_t previous; /* position of the record before */
};

static bool read_last(struct sqlite_store *self, const char *text, int64_t *last,
                      struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, text, fault);
    return statement != NULL && sql_ask(&self->sql, statement, 0, last, fault);
}

/* --- records --- */

static bool link_record(struct sqlite_store *self, const struct store_record *record,
                        int64_t position, struct link *link, struct fault *fault) {
    struct seen *seen;
    if (!sqlite_seen(self, record->machine, record->entity_id, &seen, fault) ||
        !conflict_unless_next(record, seen->audit_sequence, seen->audit_hash, fault)) {
        return false;
    }
    *link = (struct link){seen, seen->audit_position};
    seen->audit_sequence = record->sequence;
    seen->audit_position = position;
    memcpy(seen->audit_hash, record->hash, DIGEST_BYTES);
    seen->head_moved = true;
    return true;
}

static bool link_records(struct sqlite_store *self, const struct store_batch *batch, int64_t first,
                         struct link *links, struct fault *fault) {
    for (size_t i = 0; i < batch->record_count; i++) {
        if (!link_record(self, &batch->records[i], first + (int64_t)i, &links[i], fault)) {
            return false;
        }
    }
    return true;
}

static bool add_record(struct sqlite_store *self, const struct store_record *record,
                       const struct link *link, int64_t position, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_RECORD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, position);
    sql_put_integer(statement, 2, link->entity->number);
    sql_put_integer(statement, 3, record->sequence);
    sql_put_integer(statement, 4, link->previous);
    sql_put_integer(statement, 5, record->timestamp_us);
    sql_put_integer(statement, 6, record->success);
    sql_put_text(statement, 7, (struct text){record->uuid, sizeof record->uuid});
    sql_put_text(statement, 8, record->from_state);
    sql_put_text(statement, 9, record->to_state);
    sql_put_text(statement, 10, record->actor_id);
    sql_put_text(statement, 11, record->reason);
    sql_put_bytes(statement, 12, record->previous_hash, DIGEST_BYTES);
    sql_put_bytes(statement, 13, record->hash, DIGEST_BYTES);
    sql_put_text(statement, 14, record->json);
    return sql_run(&self->sql, statement, fault);
}

static bool add_records(struct sqlite_store *self, const struct store_batch *batch, int64_t first,
                        const struct link *links, struct fault *fault) {
    struct facts *facts = ARENA_ARRAY(&self->arena, struct facts, batch->record_count);
    struct tags *tags = ARENA_ARRAY(&self->arena, struct tags, batch->record_count);
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct seen *entity = links[i].entity;
        if (!add_record(self, &batch->records[i], &links[i], first + (int64_t)i, fault)) {
            return false;
        }
        facts[i] = facts_of(&batch->records[i], entity->number, entity->machine->id);
        tags[i] = tags_of(&batch->records[i]);
    }
    return facts_write(&self->sql, first, facts, batch->records, batch->record_count, fault) &&
           tags_write(&self->sql, &self->scratch, &self->tags, first, tags, batch->record_count,
                      fault);
}

/* --- entities --- */

static bool write_entities(struct sqlite_store *self, const struct store_batch *batch,
                           const struct link *links, struct fault *fault) {
    for (size_t i = 0; i < batch->entity_count; i++) {
        if (!sqlite_write_entity(self, &batch->entities[i], fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < batch->record_count; i++) {
        if (!sqlite_write_head(self, links[i].entity, fault)) {
            return false;
        }
    }
    return true;
}

static bool write_chains(struct sqlite_store *self, const struct store_batch *batch,
                         struct fault *fault) {
    int64_t last;
    struct link *links = ARENA_ARRAY(&self->arena, struct link, batch->record_count);
    if (!read_last(self, LAST_POSITION, &last, fault)) {
        return false;
    }
    self->unsure_after = last;
    return link_records(self, batch, last + 1, links, fault) &&
           write_entities(self, batch, links, fault) &&
           add_records(self, batch, last + 1, links, fault);
}

/* --- the rest --- */

static bool add_event(struct sqlite_store *self, const struct store_outbox *event, int64_t position,
                      struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_EVENT, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, position);
    sql_put_text(statement, 2, event->id);
    sql_put_text(statement, 3, event->type);
    sql_put_text(statement, 4, event->machine);
    sql_put_text(statement, 5, event->entity_id);
    sql_put_integer(statement, 6, event->timestamp_us);
    sql_put_text(statement, 7, event->json);
    return sql_run(&self->sql, statement, fault);
}

static bool add_events(struct sqlite_store *self, const struct store_batch *batch,
                       struct fault *fault) {
    int64_t last;
    if (batch->outbox_count == 0) {
        return true;
    }
    if (!read_last(self, LAST_EVENT, &last, fault)) {
        return false;
    }
    for (size_t i = 0; i < batch->outbox_count; i++) {
        int64_t time = batch->outbox[i].timestamp_us;
        last = time > last ? time : last + 1;
        if (!add_event(self, &batch->outbox[i], last, fault)) {
            return false;
        }
    }
    return true;
}

static bool write_deadlines(struct sqlite_store *self, const struct store_batch *batch,
                            struct fault *fault) {
    for (size_t i = 0; i < batch->disarmed_count; i++) {
        if (!sqlite_disarm(self, &batch->disarmed[i], fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < batch->fired_count; i++) {
        if (!sqlite_fired(self, &batch->fired[i], fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < batch->deadline_count; i++) {
        if (!sqlite_arm(self, &batch->deadlines[i], fault)) {
            return false;
        }
    }
    return true;
}

static bool write_answers(struct sqlite_store *self, const struct store_batch *batch,
                          struct fault *fault) {
    for (size_t i = 0; i < batch->answer_count; i++) {
        if (!sqlite_write_answer(self, &batch->answers[i], fault)) {
            return false;
        }
    }
    return true;
}

bool sqlite_write(struct store *store, const struct store_batch *batch, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    if (self->phase != PHASE_WRITING || sqlite3_get_autocommit(self->sql.database)) {
        return fault_set(fault, FAULT_INTERNAL, "%s: write outside a writing transaction",
                         self->sql.path);
    }
    bool fine = write_chains(self, batch, fault);
    sqlite3_blob_close(self->kinds);
    self->kinds = NULL;
    return fine && add_events(self, batch, fault) && write_deadlines(self, batch, fault) &&
           write_answers(self, batch, fault);
}

/* Only the records of the latest store_write can be in doubt, so only those behind the position it
 * began at are looked through: all of them in a store that was opened since. */
bool sqlite_settle(struct store *store, struct text audit_uuid, bool *committed,
                   struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_RECORD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, self->unsure_after);
    sql_put_text(statement, 2, audit_uuid);
    int64_t found;
    if (!sql_ask(&self->sql, statement, 0, &found, fault)) {
        return false;
    }
    *committed = found != 0;
    return true;
}
