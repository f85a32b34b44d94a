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

/* --- changes --- */

static bool is_hidden(const struct work *work, const struct attempt *attempt, struct text key) {
    return clean_text(work, attempt, key).bytes != key.bytes;
}

/* The members of `data` that `changes` speaks of. Cleaning looks at each member by itself, but for
 * names that are personal data and may become one: then all members are wanted. */
static const struct js *touched(struct work *work, const struct attempt *attempt,
                                const struct js *data, const struct js *changes) {
    struct arena *arena = &work->core->arena;
    size_t count = 0, most = changes->object.count;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, most);
    for (size_t i = 0; i < most; i++) {
        struct text key = changes->object.members[i].key;
        const struct js *value = js_find(data, key);
        if (is_hidden(work, attempt, key)) {
            return data;
        }
        if (value != NULL) {
            members[count++] = (struct js_member){key, value};
        }
    }
    return js_object(arena, members, count);
}

static const struct js *clean_data(struct work *work, const struct attempt *attempt,
                                   const struct attempt *cause, const struct js *data,
                                   const struct js *changes) {
    struct attempt raw = *attempt;
    raw.cleaned = false;
    raw.cause = cause;
    return data == NULL ? NULL : clean_value(work, &raw, touched(work, attempt, data, changes), 0);
}

/* Whoever applies the changes of all records in turn has the data, cleaned, at every version: so
 * they lead from cleaned data to cleaned data. (A cleaned patch would not do: a member that is
 * hidden after it may have been in sight before.) What was there is cleaned by the rules of its own
 * machine, what another machine's effect brings by that machine's rules too. */
static const struct js *changes_of(struct work *work, const struct attempt *attempt,
                                   const struct js *before, const struct js *after) {
    struct arena *arena = &work->core->arena;
    const struct js *raw = before == after ? &js_empty_object : js_diff(arena, before, after);
    if (raw->object.count == 0) {
        return raw;
    }
    return js_diff(arena, clean_data(work, attempt, NULL, before, raw),
                   clean_data(work, attempt, attempt->cause, after, raw));
}

/* --- the record --- */

/* The verb of the transition taken; of one that was refused before it was found, the verb sent. */
static struct text verb_of(struct work *work, const struct attempt *attempt,
                           const struct outcome *outcome) {
    const struct decision *decision = outcome->decision;
    bool is_found = decision != NULL && text_given(decision->transition);
    return is_found ? decision->transition : clean_text(work, attempt, attempt->verb);
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
                               const struct attempt *attempt, const struct js *before,
                               const struct outcome *outcome) {
    const struct generation *generation = work->core->policy.generation;
    struct arena *arena = &work->core->arena;
    bool success = outcome->code == FAULT_NONE;
    return (struct record){
        .sequence = slot->current.audit_sequence + 1,
        .machine = slot->current.machine,
        .entity_id = slot->current.id,
        .from_state = outcome->from,
        .to_state = outcome->to,
        .actor = clean_actor(work, attempt),
        .action = action_of(attempt->kind),
        .transition = verb_of(work, attempt, outcome),
        .batch = attempt->batch,
        .reason = attempt->reason,
        .comments = clean_text(work, attempt, attempt->comments),
        .metadata = clean_value(work, attempt, attempt->metadata, 0),
        .patch = clean_patch(work, attempt),
        .changes = changes_of(work, attempt, before, slot->current.data),
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
    row->transition = record->transition;
    row->request_id = record->request_id;
    row->batch = record->batch;
    row->error_code = text_of(record->error_code);
    row->json = chain_record(&work->core->arena, record);
    memcpy(row->previous_hash, slot->current.audit_hash, DIGEST_BYTES);
    chain_hash(row->previous_hash, row->json, row->hash);
    slot->current.audit_sequence = record->sequence;
    memcpy(slot->current.audit_hash, row->hash, DIGEST_BYTES);
}

void audit_append(struct work *work, struct slot *slot, const struct attempt *attempt,
                  const struct js *before, struct outcome *outcome) {
    struct record record = record_of(work, slot, attempt, before, outcome);
    id_uuid7(&work->core->ids, work->now_us, record.uuid);
    store_row(work, &record, slot);
    memcpy(outcome->audit_uuid, record.uuid, ID_LENGTH);
    outcome->audit_uuid[ID_LENGTH] = '\0';
    outcome->audit_sequence = record.sequence;
    digest_hex(slot->current.audit_hash, DIGEST_BYTES, outcome->audit_hash);
    outcome->audit_hash[DIGEST_HEX] = '\0';
}
