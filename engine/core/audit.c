/* audit.c: every attempt becomes a record, the refused ones too. The record's JSON is made once,
 * here: what is hashed, what is stored and what the API shows are the same bytes. */
#include "core/audit.h"

#include "core/clean.h"
#include "model/chain.h"

/* The actor without what is personal in its attributes. */
static const struct actor *clean_actor(struct work *work, const struct attempt *attempt) {
    const struct actor *actor = attempt->actor;
    if (actor == NULL || actor->attributes == NULL) {
        return actor;
    }
    struct actor *copy = ARENA_NEW(&work->core->arena, struct actor);
    *copy = *actor;
    copy->attributes = clean_value(work, attempt, actor->attributes, 0);
    return copy;
}

/* A stored batch keeps it as it was sent. */
static const struct js *clean_patch(struct work *work, const struct attempt *attempt) {
    struct attempt raw = *attempt;
    raw.cleaned = false;
    return clean_value(work, &raw, attempt->patch, 0);
}

static struct text action_of(enum attempt_kind kind) {
    switch (kind) {
    case ATTEMPT_CREATE:
        return TEXT("create");
    case ATTEMPT_UPDATE:
        return TEXT("update");
    case ATTEMPT_TRANSITION:
        return TEXT("transition");
    case ATTEMPT_NOTICE:
        return TEXT("notice");
    }
    return TEXT_NONE;
}

static struct record record_of(struct work *work, const struct slot *slot,
                               const struct attempt *attempt, const struct outcome *outcome) {
    const struct generation *generation = work->core->policy.generation;
    struct arena *arena = &work->core->arena;
    bool success = outcome->code == FAULT_NONE;
    return (struct record){
        .sequence = slot->current.audit_sequence + 1,
        .machine = slot->current.machine,
        .entity_id = slot->current.id,
        .from_state = outcome->from,
        .to_state = outcome->to,
        .transition = outcome->transition,
        .actor = clean_actor(work, attempt),
        .action = action_of(attempt->kind),
        .reason = attempt->reason,
        .comments = clean_text(work, attempt, attempt->comments),
        .metadata = clean_value(work, attempt, attempt->metadata, 0),
        .patch = clean_patch(work, attempt),
        .version = slot->current.version,
        .data_hash =
            slot->current.exists ? chain_data_hash(arena, slot->current.data_json) : TEXT_NONE,
        .timestamp_us = work->now_us,
        .success = success,
        .error_code = success ? NULL : fault_name(outcome->code),
        .error_message = success ? TEXT_NONE : outcome->message,
        .execution_us = outcome->execute_us,
        .lock_us = outcome->lock_us,
        .isolation = isolation_name(core_isolation(work->core, attempt)),
        .retries = outcome->retries,
        .policy = generation_name(generation),
        .request_id = attempt->request_id,
        .caused_by = attempt->caused_by,
    };
}

static void store_row(struct work *work, const struct record *record, struct slot *slot) {
    struct store_record *row = work_add(work, &work->records, sizeof *row);
    row->machine = record->machine;
    row->entity_id = record->entity_id;
    row->from_state = record->from_state;
    row->to_state = record->to_state;
    row->actor_id = record->actor != NULL ? record->actor->id : TEXT_NONE;
    row->reason = record->reason;
    memcpy(row->uuid, record->uuid, ID_LENGTH);
    row->sequence = record->sequence;
    row->timestamp_us = record->timestamp_us;
    row->success = record->success;
    row->json = chain_record(&work->core->arena, record);
    memcpy(row->previous_hash, slot->current.audit_hash, DIGEST_BYTES);
    chain_hash(row->previous_hash, row->json, row->hash);
    slot->current.audit_sequence = record->sequence;
    memcpy(slot->current.audit_hash, row->hash, DIGEST_BYTES);
}

void audit_append(struct work *work, struct slot *slot, const struct attempt *attempt,
                  struct outcome *outcome) {
    struct record record = record_of(work, slot, attempt, outcome);
    id_uuid7(&work->core->ids, work->now_us, record.uuid);
    store_row(work, &record, slot);
    memcpy(outcome->audit_uuid, record.uuid, ID_LENGTH);
    outcome->audit_uuid[ID_LENGTH] = '\0';
    outcome->audit_sequence = record.sequence;
    digest_hex(slot->current.audit_hash, DIGEST_BYTES, outcome->audit_hash);
    outcome->audit_hash[DIGEST_HEX] = '\0';
}
