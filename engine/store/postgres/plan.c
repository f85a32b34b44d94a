/* plan.c: records are linked to the ends of their chains, and each entity becomes an
 * insert, an update or a move of its chain's head. What is not known yet is read and locked first;
 * a batch as the core makes it has read all. From then on `seen` says what the rows will be once
 * the plan has been carried out, which is what a second batch of the same transaction goes by. */
#include "store/postgres/plan.h"
#include "store/conflict.h"

#include <stdlib.h>

static void add_change(struct changes *changes, struct seen *seen, const struct entity *entity,
                       int64_t version_read) {
    seen->written = true;
    changes->items[changes->count++] = (struct change){seen, entity, version_read};
}

/* Looks up whom the batch is about; almost always all have been read already. */
static bool see_all(struct postgres_store *self, const struct store_batch *batch,
                    struct fault *fault) {
    size_t most = batch->entity_count + batch->record_count + batch->disarmed_count +
                  batch->fired_count + batch->deadline_count;
    struct store_key *keys = ARENA_ARRAY(&self->scratch, struct store_key, most);
    size_t count = 0;
    for (size_t i = 0; i < batch->entity_count; i++) {
        const struct entity *entity = batch->entities[i].entity;
        keys[count] = (struct store_key){entity->machine, entity->id};
        count += entity->exists;
    }
    for (size_t i = 0; i < batch->record_count; i++) {
        keys[count++] = (struct store_key){batch->records[i].machine, batch->records[i].entity_id};
    }
    for (size_t i = 0; i < batch->disarmed_count; i++) {
        keys[count++] = batch->disarmed[i];
    }
    for (size_t i = 0; i < batch->fired_count; i++) {
        keys[count++] = (struct store_key){batch->fired[i].machine, batch->fired[i].entity_id};
    }
    for (size_t i = 0; i < batch->deadline_count; i++) {
        const struct store_deadline *deadline = &batch->deadlines[i];
        keys[count++] = (struct store_key){deadline->machine, deadline->entity_id};
    }
    return postgres_see(self, keys, count, fault);
}

static bool link_records(struct postgres_store *self, const struct store_batch *batch,
                         struct fault *fault) {
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct store_record *record = &batch->records[i];
        struct seen *seen = postgres_seen(self, record->machine, record->entity_id);
        if (!conflict_unless_next(record, seen->audit_sequence, seen->audit_hash, fault)) {
            return false;
        }
        seen->audit_sequence = record->sequence;
        memcpy(seen->audit_hash, record->hash, DIGEST_BYTES);
        seen->head_moved = true;
    }
    return true;
}

static bool plan_entity(struct plan *plan, struct seen *seen,
                        const struct store_entity_write *write, struct fault *fault) {
    const struct entity *entity = write->entity;
    bool inserts = write->version_read == 0;
    if (inserts ? seen->exists : seen->version != write->version_read) {
        return conflict_changed(seen->machine, seen->id, fault);
    }
    add_change(seen->number == 0                ? &plan->inserts
               : inserts || write->body_changed ? &plan->updates
                                                : &plan->heads,
               seen, entity, write->version_read);
    seen->exists = true;
    seen->version = inserts || write->body_changed ? entity->version : seen->version;
    seen->audit_sequence = entity->audit_sequence;
    memcpy(seen->audit_hash, entity->audit_hash, DIGEST_BYTES);
    seen->head_moved = false;
    return true;
}

static bool plan_entities(struct postgres_store *self, const struct store_batch *batch,
                          struct plan *plan, struct fault *fault) {
    for (size_t i = 0; i < batch->entity_count; i++) {
        const struct entity *entity = batch->entities[i].entity;
        if (entity->exists && !plan_entity(plan, postgres_seen(self, entity->machine, entity->id),
                                           &batch->entities[i], fault)) {
            return false;
        }
    }
    return true;
}

/* Entities with records that are not themselves written. */
static void plan_heads(struct postgres_store *self, const struct store_batch *batch,
                       struct plan *plan) {
    for (size_t i = 0; i < batch->record_count; i++) {
        struct seen *seen =
            postgres_seen(self, batch->records[i].machine, batch->records[i].entity_id);
        if (seen->head_moved) {
            seen->head_moved = false;
            add_change(seen->number == 0 ? &plan->inserts : &plan->heads, seen, NULL,
                       seen->version);
        }
    }
}

static bool check_deadlines(struct postgres_store *self, const struct store_batch *batch,
                            struct fault *fault) {
    for (size_t i = 0; i < batch->deadline_count; i++) {
        const struct store_deadline *deadline = &batch->deadlines[i];
        if (!postgres_seen(self, deadline->machine, deadline->entity_id)->exists) {
            return fault_set(fault, FAULT_INTERNAL, "a deadline of %.*s %.*s, which is not there",
                             TEXT_ARGS(deadline->machine), TEXT_ARGS(deadline->entity_id));
        }
    }
    return true;
}

static int by_key(const void *a, const void *b) {
    const struct seen *left = ((const struct change *)a)->seen;
    const struct seen *right = ((const struct change *)b)->seen;
    int machines = text_compare(left->machine, right->machine);
    return machines != 0 ? machines : text_compare(left->id, right->id);
}

/* Of two answers to one key the later counts: one statement cannot write a row twice. */
static void plan_answers(struct postgres_store *self, const struct store_batch *batch,
                         struct plan *plan) {
    struct map taken;
    map_init(&taken, &self->scratch);
    plan->answers = ARENA_ARRAY(&self->scratch, const struct store_answer *, batch->answer_count);
    for (size_t i = batch->answer_count; i > 0; i--) {
        const struct store_answer *answer = &batch->answers[i - 1];
        struct text key = text_print(&self->scratch, "%zu %.*s %.*s", answer->scope.length,
                                     TEXT_ARGS(answer->scope), TEXT_ARGS(answer->key));
        if (map_find(&taken, key) == NULL) {
            map_set(&taken, key, self);
            plan->answers[plan->answer_count++] = answer;
        }
    }
}

bool plan_make(struct postgres_store *self, const struct store_batch *batch, struct plan *plan,
               struct fault *fault) {
    *plan = (struct plan){0};
    size_t most = batch->entity_count + batch->record_count;
    plan->inserts.items = ARENA_ARRAY(&self->scratch, struct change, most);
    plan->updates.items = ARENA_ARRAY(&self->scratch, struct change, most);
    plan->heads.items = ARENA_ARRAY(&self->scratch, struct change, most);
    if (!see_all(self, batch, fault) || !link_records(self, batch, fault) ||
        !plan_entities(self, batch, plan, fault) || !check_deadlines(self, batch, fault)) {
        return false;
    }
    plan_heads(self, batch, plan);
    plan_answers(self, batch, plan);
    if (!batch->in_order) {
        qsort(plan->inserts.items, plan->inserts.count, sizeof(struct change), by_key);
    }
    return true;
}
