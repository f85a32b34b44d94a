/* batch.c: everything a batch writes, in one round trip.
 *
 * First all is planned in memory (plan.c). The rows are locked, or confirmed by the first statement
 * (guard.c), so the plan holds; each statement is conditional all the same, and its count of rows
 * is compared. Every kind of row is one statement over arrays. New entities are inserted in the
 * order of their keys, as rows are locked, so that transactions which make the same ones wait in
 * one direction only; those of a restore in their own order, by which they are listed (two restores
 * of the same entities at once may deadlock, which the server breaks, and one runs again). */
#include "store/postgres/guard.h"
#include "store/postgres/plan.h"

#include <stdio.h>

/* The statements of every batch are functions of schema/postgres_004.sql and postgres_005.sql. */
static const char INSERT_ENTITIES[] =
    "SELECT statute_insert_entities_6($1::text[], $2::text[], $3::text[], $4::bigint[], "
    "$5::bigint[], $6::bigint[], $7::bytea[], $8::bigint[], $9::bigint[], $10::text[], "
    "$11::bigint[])";
static const char UPDATE_ENTITIES[] =
    "SELECT statute_update_entities_6($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], "
    "$5::bigint[], $6::bigint[], $7::bytea[], $8::bigint[], $9::bigint[], $10::text[], "
    "$11::bigint[])";
static const char MOVE_HEADS[] =
    "SELECT statute_move_heads($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])";
static const char ADD_RECORDS[] =
    "SELECT statute_add_records_2($1::bigint[], $2::text[], $3::text[], $4::bigint[], "
    "$5::bigint[], "
    "$6::boolean[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[], "
    "$13::bytea[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[])";
static const char ADD_EVENTS[] = "SELECT statute_add_events($1::text[], $2::text[], $3::text[], "
                                 "$4::text[], $5::bigint[], $6::text[])";
/* The number of an entity that the same batch inserts is looked up by its key. */
#define NUMBER_OF_ROW                                                                              \
    "coalesce(u.entity, (SELECT number FROM entity e WHERE e.machine = u.machine AND e.id = "      \
    "u.id))"

static const char DISARM[] = "DELETE FROM deadline WHERE entity = ANY($1::bigint[])";
static const char FIRED[] =
    "DELETE FROM deadline d USING unnest($1::bigint[], $2::bigint[], $3::text[]) "
    "u(entity, due_us, to_state) "
    "WHERE d.entity = u.entity AND d.due_us = u.due_us AND d.to_state = u.to_state";
static const char REMEMBER_DONE[] =
    "INSERT INTO deadline_done (entity, due_us, to_state, done_us) SELECT DISTINCT ON (entity, "
    "due_us, to_state) entity, due_us, to_state, done_us FROM unnest($1::bigint[], $2::bigint[], "
    "$3::text[], $4::bigint[]) u(entity, due_us, to_state, done_us) WHERE done_us <> 0 "
    "ORDER BY entity, due_us, to_state, done_us DESC "
    "ON CONFLICT (entity, due_us, to_state) DO UPDATE SET done_us = excluded.done_us";
/* Two timers of one entity to one state at one instant are one: the later. */
static const char ARM[] =
    "INSERT INTO deadline (entity, due_us, to_state, reason, comments, entity_version, attempts, "
    "next_us, chain, rules) "
    "SELECT DISTINCT ON (number, due_us, to_state) number, due_us, to_state, reason, comments, "
    "entity_version, attempts, nullif(next_us, 0), chain, nullif(rules, 0) "
    "FROM (SELECT " NUMBER_OF_ROW " AS number, u.* FROM "
    "unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], "
    "$7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) WITH "
    "ORDINALITY u(entity, machine, id, due_us, to_state, reason, comments, entity_version, "
    "attempts, next_us, chain, rules, n)) v ORDER BY number, due_us, to_state, n DESC "
    "ON CONFLICT (entity, due_us, to_state) DO UPDATE SET reason = excluded.reason, "
    "comments = excluded.comments, entity_version = excluded.entity_version, "
    "attempts = excluded.attempts, next_us = excluded.next_us, chain = excluded.chain, "
    "rules = excluded.rules";
static const char KEEP_ANSWERS[] =
    "SELECT statute_keep_answers($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[], "
    "$6::text[], $7::text[], $8::bigint)";

/* --- entities --- */

/* The arrays that inserts and updates have in common, in the order of their parameters. */
struct bodies {
    struct array states, versions, fences, sequences, hashes, created, updated, data, entered;
};

static void bodies_init(struct bodies *bodies, struct arena *arena) {
    array_init_texts(&bodies->states, arena);
    array_init_integers(&bodies->versions, arena);
    array_init_integers(&bodies->fences, arena);
    array_init_integers(&bodies->sequences, arena);
    array_init_bytes(&bodies->hashes, arena);
    array_init_integers(&bodies->created, arena);
    array_init_integers(&bodies->updated, arena);
    array_init_texts(&bodies->data, arena);
    array_init_integers(&bodies->entered, arena);
}

/* The head of a chain stands in `seen`: the same as in the entity, or later. */
static void add_body(struct bodies *bodies, struct arena *arena, const struct change *change) {
    static const struct entity absent;
    const struct entity *entity = change->entity != NULL ? change->entity : &absent;
    array_add_text(&bodies->states, entity->state);
    array_add_integer(&bodies->versions, entity->version);
    array_add_integer(&bodies->fences, entity->fence);
    array_add_integer(&bodies->sequences, change->seen->audit_sequence);
    array_add_bytes(&bodies->hashes, change->seen->audit_hash, DIGEST_BYTES);
    array_add_integer(&bodies->created, entity->created_us);
    array_add_integer(&bodies->updated, entity->updated_us);
    array_add_text(&bodies->data, entity == &absent ? TEXT_NONE : entity_data_json(arena, entity));
    array_add_integer(&bodies->entered, entity->entered_us);
}

static void add_bodies(struct values *values, struct bodies *bodies) {
    values_add_array(values, &bodies->states);
    values_add_array(values, &bodies->versions);
    values_add_array(values, &bodies->fences);
    values_add_array(values, &bodies->sequences);
    values_add_array(values, &bodies->hashes);
    values_add_array(values, &bodies->created);
    values_add_array(values, &bodies->updated);
    values_add_array(values, &bodies->data);
    values_add_array(values, &bodies->entered);
}

static void queue_inserts(struct postgres_store *self, const struct changes *inserts) {
    struct values values;
    struct array machines, ids;
    struct bodies bodies;
    array_init_texts(&machines, &self->scratch);
    array_init_texts(&ids, &self->scratch);
    bodies_init(&bodies, &self->scratch);
    for (size_t i = 0; i < inserts->count; i++) {
        array_add_text(&machines, inserts->items[i].seen->machine);
        array_add_text(&ids, inserts->items[i].seen->id);
        add_body(&bodies, &self->scratch, &inserts->items[i]);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &machines);
    values_add_array(&values, &ids);
    add_bodies(&values, &bodies);
    postgres_queue(self, INSERT_ENTITIES, &values);
}

static void queue_updates(struct postgres_store *self, const struct changes *updates) {
    struct values values;
    struct array numbers, versions_read;
    struct bodies bodies;
    array_init_integers(&numbers, &self->scratch);
    array_init_integers(&versions_read, &self->scratch);
    bodies_init(&bodies, &self->scratch);
    for (size_t i = 0; i < updates->count; i++) {
        array_add_integer(&numbers, updates->items[i].seen->number);
        array_add_integer(&versions_read, updates->items[i].version_read);
        add_body(&bodies, &self->scratch, &updates->items[i]);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &numbers);
    values_add_array(&values, &versions_read);
    add_bodies(&values, &bodies);
    postgres_queue(self, UPDATE_ENTITIES, &values);
}

static void queue_heads(struct postgres_store *self, const struct changes *heads) {
    struct values values;
    struct array numbers, versions_read, sequences, hashes;
    array_init_integers(&numbers, &self->scratch);
    array_init_integers(&versions_read, &self->scratch);
    array_init_integers(&sequences, &self->scratch);
    array_init_bytes(&hashes, &self->scratch);
    for (size_t i = 0; i < heads->count; i++) {
        array_add_integer(&numbers, heads->items[i].seen->number);
        array_add_integer(&versions_read, heads->items[i].version_read);
        array_add_integer(&sequences, heads->items[i].seen->audit_sequence);
        array_add_bytes(&hashes, heads->items[i].seen->audit_hash, DIGEST_BYTES);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &numbers);
    values_add_array(&values, &versions_read);
    values_add_array(&values, &sequences);
    values_add_array(&values, &hashes);
    postgres_queue(self, MOVE_HEADS, &values);
}

/* --- what carries an entity's number --- */

/* The three arrays that name an entity: its number, or, if it has none yet, its key. */
struct names {
    struct array numbers, machines, ids;
};

static void names_init(struct names *names, struct arena *arena) {
    array_init_integers(&names->numbers, arena);
    array_init_texts(&names->machines, arena);
    array_init_texts(&names->ids, arena);
}

static void add_name(struct names *names, const struct seen *seen) {
    bool numbered = seen->number != 0;
    if (numbered) {
        array_add_integer(&names->numbers, seen->number);
    } else {
        array_add_null(&names->numbers);
    }
    array_add_text(&names->machines, numbered ? TEXT_NONE : seen->machine);
    array_add_text(&names->ids, numbered ? TEXT_NONE : seen->id);
}

static void add_names(struct values *values, struct names *names) {
    values_add_array(values, &names->numbers);
    values_add_array(values, &names->machines);
    values_add_array(values, &names->ids);
}

/* Of ADD_RECORDS, behind the names. */
struct record_arrays {
    struct array sequences, times, successes, uuids, from, to, actors, reasons, previous, hashes,
        json, transitions, requests, batches, codes;
};

static void record_arrays_init(struct record_arrays *arrays, struct arena *arena) {
    array_init_integers(&arrays->sequences, arena);
    array_init_integers(&arrays->times, arena);
    array_init_bools(&arrays->successes, arena);
    array_init_texts(&arrays->uuids, arena);
    array_init_texts(&arrays->from, arena);
    array_init_texts(&arrays->to, arena);
    array_init_texts(&arrays->actors, arena);
    array_init_texts(&arrays->reasons, arena);
    array_init_bytes(&arrays->previous, arena);
    array_init_bytes(&arrays->hashes, arena);
    array_init_texts(&arrays->json, arena);
    array_init_texts(&arrays->transitions, arena);
    array_init_texts(&arrays->requests, arena);
    array_init_texts(&arrays->batches, arena);
    array_init_texts(&arrays->codes, arena);
}

static void add_record(struct record_arrays *arrays, const struct store_record *record) {
    array_add_integer(&arrays->sequences, record->sequence);
    array_add_integer(&arrays->times, record->timestamp_us);
    array_add_bool(&arrays->successes, record->success);
    array_add_bytes(&arrays->uuids, record->uuid, sizeof record->uuid);
    array_add_text(&arrays->from, record->from_state);
    array_add_text(&arrays->to, record->to_state);
    array_add_text(&arrays->actors, record->actor_id);
    array_add_text(&arrays->reasons, record->reason);
    array_add_bytes(&arrays->previous, record->previous_hash, DIGEST_BYTES);
    array_add_bytes(&arrays->hashes, record->hash, DIGEST_BYTES);
    array_add_text(&arrays->json, record->json);
    array_add_text(&arrays->transitions, record->transition);
    array_add_text(&arrays->requests, record->request_id);
    array_add_text(&arrays->batches, record->batch);
    array_add_text(&arrays->codes, record->error_code);
}

static void add_record_arrays(struct values *values, struct record_arrays *arrays) {
    values_add_array(values, &arrays->sequences);
    values_add_array(values, &arrays->times);
    values_add_array(values, &arrays->successes);
    values_add_array(values, &arrays->uuids);
    values_add_array(values, &arrays->from);
    values_add_array(values, &arrays->to);
    values_add_array(values, &arrays->actors);
    values_add_array(values, &arrays->reasons);
    values_add_array(values, &arrays->previous);
    values_add_array(values, &arrays->hashes);
    values_add_array(values, &arrays->json);
    values_add_array(values, &arrays->transitions);
    values_add_array(values, &arrays->requests);
    values_add_array(values, &arrays->batches);
    values_add_array(values, &arrays->codes);
}

static void queue_records(struct postgres_store *self, const struct store_batch *batch) {
    struct values values;
    struct names names;
    struct record_arrays arrays;
    names_init(&names, &self->scratch);
    record_arrays_init(&arrays, &self->scratch);
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct store_record *record = &batch->records[i];
        add_name(&names, postgres_seen(self, record->machine, record->entity_id));
        add_record(&arrays, record);
    }
    values_init(&values, &self->scratch);
    add_names(&values, &names);
    add_record_arrays(&values, &arrays);
    postgres_queue(self, ADD_RECORDS, &values);
}

static void queue_disarmed(struct postgres_store *self, const struct store_batch *batch) {
    struct values values;
    struct array numbers;
    array_init_integers(&numbers, &self->scratch);
    for (size_t i = 0; i < batch->disarmed_count; i++) {
        const struct store_key *key = &batch->disarmed[i];
        array_add_integer(&numbers, postgres_seen(self, key->machine, key->id)->number);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &numbers);
    postgres_queue(self, DISARM, &values);
}

static void queue_fired(struct postgres_store *self, const struct store_batch *batch) {
    struct values values;
    struct array numbers, due, states, done;
    bool any_done = false;
    array_init_integers(&numbers, &self->scratch);
    array_init_integers(&due, &self->scratch);
    array_init_texts(&states, &self->scratch);
    array_init_integers(&done, &self->scratch);
    for (size_t i = 0; i < batch->fired_count; i++) {
        const struct store_deadline *fired = &batch->fired[i];
        array_add_integer(&numbers, postgres_seen(self, fired->machine, fired->entity_id)->number);
        array_add_integer(&due, fired->due_us);
        array_add_text(&states, fired->to_state);
        array_add_integer(&done, fired->done_us);
        any_done = any_done || fired->done_us != 0;
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &numbers);
    values_add_array(&values, &due);
    values_add_array(&values, &states);
    postgres_queue(self, FIRED, &values);
    values_add_array(&values, &done);
    if (any_done) {
        postgres_queue(self, REMEMBER_DONE, &values);
    }
}

/* Of ARM, behind the names. */
struct timer_arrays {
    struct array due, states, reasons, comments, versions, attempts, next, chains, rules;
};

static void timer_arrays_init(struct timer_arrays *arrays, struct arena *arena) {
    array_init_integers(&arrays->due, arena);
    array_init_texts(&arrays->states, arena);
    array_init_texts(&arrays->reasons, arena);
    array_init_texts(&arrays->comments, arena);
    array_init_integers(&arrays->versions, arena);
    array_init_integers(&arrays->attempts, arena);
    array_init_integers(&arrays->next, arena);
    array_init_integers(&arrays->chains, arena);
    array_init_integers(&arrays->rules, arena);
}

static void add_timer(struct timer_arrays *arrays, const struct store_deadline *deadline) {
    array_add_integer(&arrays->due, deadline->due_us);
    array_add_text(&arrays->states, deadline->to_state);
    array_add_text(&arrays->reasons, deadline->reason);
    array_add_text(&arrays->comments, deadline->comments);
    array_add_integer(&arrays->versions, deadline->entity_version);
    array_add_integer(&arrays->attempts, deadline->attempts);
    array_add_integer(&arrays->next, deadline->next_us);
    array_add_integer(&arrays->chains, deadline->chain);
    array_add_integer(&arrays->rules, deadline->rules);
}

static void add_timer_arrays(struct values *values, struct timer_arrays *arrays) {
    values_add_array(values, &arrays->due);
    values_add_array(values, &arrays->states);
    values_add_array(values, &arrays->reasons);
    values_add_array(values, &arrays->comments);
    values_add_array(values, &arrays->versions);
    values_add_array(values, &arrays->attempts);
    values_add_array(values, &arrays->next);
    values_add_array(values, &arrays->chains);
    values_add_array(values, &arrays->rules);
}

static void queue_deadlines(struct postgres_store *self, const struct store_batch *batch) {
    struct values values;
    struct names names;
    struct timer_arrays arrays;
    names_init(&names, &self->scratch);
    timer_arrays_init(&arrays, &self->scratch);
    for (size_t i = 0; i < batch->deadline_count; i++) {
        const struct store_deadline *deadline = &batch->deadlines[i];
        add_name(&names, postgres_seen(self, deadline->machine, deadline->entity_id));
        add_timer(&arrays, deadline);
    }
    values_init(&values, &self->scratch);
    add_names(&values, &names);
    add_timer_arrays(&values, &arrays);
    postgres_queue(self, ARM, &values);
}

/* --- the rest --- */

static void queue_events(struct postgres_store *self, const struct store_batch *batch) {
    struct values values;
    struct array ids, types, machines, entities, times, json;
    array_init_texts(&ids, &self->scratch);
    array_init_texts(&types, &self->scratch);
    array_init_texts(&machines, &self->scratch);
    array_init_texts(&entities, &self->scratch);
    array_init_integers(&times, &self->scratch);
    array_init_texts(&json, &self->scratch);
    for (size_t i = 0; i < batch->outbox_count; i++) {
        const struct store_outbox *event = &batch->outbox[i];
        array_add_text(&ids, event->id);
        array_add_text(&types, event->type);
        array_add_text(&machines, event->machine);
        array_add_text(&entities, event->entity_id);
        array_add_integer(&times, event->timestamp_us);
        array_add_text(&json, event->json);
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &ids);
    values_add_array(&values, &types);
    values_add_array(&values, &machines);
    values_add_array(&values, &entities);
    values_add_array(&values, &times);
    values_add_array(&values, &json);
    postgres_queue(self, ADD_EVENTS, &values);
}

static struct text given(struct text text) {
    return text_given(text) ? text : TEXT("");
}

static void queue_answers(struct postgres_store *self, const struct plan *plan) {
    struct values values;
    struct array scopes, keys, hashes, statuses, created, headers, bodies;
    array_init_texts(&scopes, &self->scratch);
    array_init_texts(&keys, &self->scratch);
    array_init_bytes(&hashes, &self->scratch);
    array_init_integers(&statuses, &self->scratch);
    array_init_integers(&created, &self->scratch);
    array_init_texts(&headers, &self->scratch);
    array_init_texts(&bodies, &self->scratch);
    for (size_t i = 0; i < plan->answer_count; i++) {
        const struct store_answer *answer = plan->answers[i];
        array_add_text(&scopes, answer->scope);
        array_add_text(&keys, answer->key);
        array_add_bytes(&hashes, answer->body_hash, DIGEST_BYTES);
        array_add_integer(&statuses, answer->status);
        array_add_integer(&created, answer->created_us);
        array_add_text(&headers, given(answer->headers));
        array_add_text(&bodies, given(answer->body));
    }
    values_init(&values, &self->scratch);
    values_add_array(&values, &scopes);
    values_add_array(&values, &keys);
    values_add_array(&values, &hashes);
    values_add_array(&values, &statuses);
    values_add_array(&values, &created);
    values_add_array(&values, &headers);
    values_add_array(&values, &bodies);
    values_add_integer(&values, self->answers_from_us);
    postgres_queue(self, KEEP_ANSWERS, &values);
}

/* --- all of it --- */

/* How many rows the statements behind the first changed that must change as many as they were
 * given. */
struct tally {
    size_t statements;
    size_t rows[4];
};

static void expect(struct tally *tally, size_t rows) {
    tally->rows[tally->statements++] = rows;
}

/* Those that are counted come before the rest. */
static void queue_counted(struct postgres_store *self, const struct plan *plan,
                          struct tally *tally) {
    if (plan->inserts.count > 0) {
        queue_inserts(self, &plan->inserts);
        expect(tally, plan->inserts.count);
    }
    if (plan->updates.count > 0) {
        queue_updates(self, &plan->updates);
        expect(tally, plan->updates.count);
    }
    if (plan->heads.count > 0) {
        queue_heads(self, &plan->heads);
        expect(tally, plan->heads.count);
    }
    if (plan->answer_count > 0) {
        queue_answers(self, plan);
        expect(tally, plan->answer_count);
    }
}

static void queue_rest(struct postgres_store *self, const struct store_batch *batch) {
    if (batch->record_count > 0) {
        queue_records(self, batch);
    }
    if (batch->outbox_count > 0) {
        queue_events(self, batch);
    }
    if (batch->disarmed_count > 0) {
        queue_disarmed(self, batch);
    }
    if (batch->fired_count > 0) {
        queue_fired(self, batch);
    }
    if (batch->deadline_count > 0) {
        queue_deadlines(self, batch);
    }
}

static bool check_tally(const struct postgres_store *self, const struct tally *tally,
                        struct fault *fault) {
    for (size_t i = 0; i < tally->statements; i++) {
        size_t rows = (size_t)cell_integer(wire_result(&self->wire, 1 + i), 0, 0);
        if (rows != tally->rows[i]) {
            return fault_set(fault, FAULT_STORE_CONFLICT,
                             "%s: %zu of %zu rows were changed meanwhile", self->wire.name,
                             tally->rows[i] - rows, tally->rows[i]);
        }
    }
    return true;
}

/* Keeps the transaction's id, and forgets what was told of rows that have got their number now. */
static void note_written(struct postgres_store *self, const struct plan *plan) {
    struct text xid = cell_lent(wire_result(&self->wire, 0), 0, 0);
    snprintf(self->xid, sizeof self->xid, "%.*s", TEXT_ARGS(xid));
    guard_confirmed(self);
    for (size_t i = 0; i < plan->inserts.count; i++) {
        plan->inserts.items[i].seen->known = false;
    }
}

static bool write_all(struct postgres_store *self, const struct store_batch *batch,
                      struct fault *fault) {
    struct plan plan;
    struct tally tally = {0};
    if (!plan_make(self, batch, &plan, fault)) {
        return false;
    }
    guard_queue_confirm(self, &plan);
    queue_counted(self, &plan, &tally);
    queue_rest(self, batch);
    if (!wire_run(&self->wire, fault) || !check_tally(self, &tally, fault)) {
        return false;
    }
    note_written(self, &plan);
    return true;
}

bool postgres_write(struct store *store, const struct store_batch *batch, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    if (self->phase != PG_WRITING) {
        return fault_set(fault, FAULT_INTERNAL, "%s: write outside a writing transaction",
                         self->wire.name);
    }
    arena_reset(&self->scratch);
    return write_all(self, batch, fault);
}
