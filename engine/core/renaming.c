/* renaming.c: an entity is renamed when it is first read in a batch, before anything is decided
 * about it. Its version and times stay: nobody changed it. The record (action "rename") comes
 * before all others of the batch (work_note), so that no attempt that is undone takes it along. */
#include "core/renaming.h"

#include "core/audit.h"
#include "core/follow.h"
#include "store/census.h"

static bool move(struct work *work, struct entity *entity, struct text former,
                 struct fault *fault) {
    bool moved;
    return store_rename(work->core->store, former, entity->machine, &entity->id, 1, &moved,
                        fault) &&
           (moved || fault_set(fault, FAULT_STORE_CONFLICT, "%.*s '%.*s' was made meanwhile",
                               TEXT_ARGS(entity->machine), TEXT_ARGS(entity->id)));
}

bool renaming_find(struct work *work, struct entity *entities, size_t count,
                   struct former_name *names, struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct text *kept = ARENA_ARRAY(arena, struct text, count);
    if (!follow_find(work->core, arena, entities, count, kept, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = (struct former_name){.machine = kept[i]};
        if (text_given(kept[i]) && !work->core->read_only &&
            !move(work, &entities[i], kept[i], fault)) {
            return false;
        }
    }
    return true;
}

static const struct js *former_json(struct arena *arena, const struct former_name *name) {
    const struct js *former = NULL;
    if (text_given(name->machine)) {
        former = js_with(arena, former, TEXT("machine"), js_string(arena, name->machine));
    }
    if (text_given(name->state)) {
        former = js_with(arena, former, TEXT("state"), js_string(arena, name->state));
    }
    return js_with(arena, NULL, TEXT("renamed_from"), former);
}

static void record(struct work *work, struct slot *slot, const struct former_name *name,
                   struct text from) {
    struct outcome outcome = {.from = from, .to = slot->current.state};
    struct attempt attempt = {
        .kind = ATTEMPT_RENAME,
        .machine = slot->current.machine,
        .id = slot->current.id,
        .reason = TEXT("system_auto"),
        .metadata = former_json(&work->core->arena, name),
    };
    slot->current.data_json = entity_data_json(&work->core->arena, &slot->current);
    audit_append(work, slot, &attempt, slot->current.data, &outcome);
    work_note(work);
}

void renaming_note(struct work *work, struct slot *slot, const struct former_name *name) {
    const struct machine *rules =
        generation_machine(work->core->policy.generation, slot->current.machine);
    struct former_name former = *name;
    struct text from = slot->current.state;
    if (!slot->current.exists || slot->gone) {
        return;
    }
    slot->current.state = follow_state(rules, from);
    if (!text_equal(slot->current.state, from)) {
        former.state = from;
        slot->body_changed = true;
        slot->row_due = true;
    }
    if (text_given(former.machine) || text_given(former.state)) {
        record(work, slot, &former, from);
        slot->renamed = true;
    }
}
