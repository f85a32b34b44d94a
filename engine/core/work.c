/* work.c: the batch's memory.
 * Slots are found by key through one map; the lists are plain arrays in write order. Going back to
 * a mark pops the undo list newest first and cuts the lists, so a failed attempt costs what it did.
 */
#include "core/work.h"

#include <stdlib.h>

#include "core/renaming.h"
#include "core/rows.h"

const struct machine *core_machine(const struct core *core, const struct attempt *attempt) {
    return generation_machine(core->policy.generation, attempt->machine);
}

enum isolation core_isolation(const struct core *core, const struct attempt *attempt) {
    const struct machine *machine = core_machine(core, attempt);
    return attempt->isolation == ISOLATION_DEFAULT && machine != NULL ? machine->isolation
                                                                      : attempt->isolation;
}

size_t core_attempts(struct member *const *members, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += members[i]->attempt_count;
    }
    return total;
}

void work_init(struct work *work, struct core *core) {
    *work = (struct work){.core = core, .now_us = now_wall_us(&core->now)};
    map_init(&work->slots, &core->arena);
}

void *work_add(struct work *work, struct list *list, size_t size) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        void *items = arena_alloc_array(&work->core->arena, capacity, size);
        if (list->count > 0) {
            memcpy(items, list->items, list->count * size);
        }
        list->items = items;
        list->capacity = capacity;
    }
    void *item = (char *)list->items + list->count++ * size;
    memset(item, 0, size);
    return item;
}

static struct text key_of(struct arena *arena, struct text machine, struct text id) {
    char *bytes = arena_alloc(arena, machine.length + 1 + id.length);
    memcpy(bytes, machine.bytes, machine.length);
    memcpy(bytes + machine.length + 1, id.bytes, id.length);
    return (struct text){bytes, machine.length + 1 + id.length};
}

void work_note(struct work *work) {
    struct store_record *records = work->records.items;
    struct store_record *note = work_add(work, &work->notes, sizeof *note);
    *note = records[--work->records.count];
}

/* Makes slots of entities that have just been read; what their rows say is laid over them. */
static bool slots_add(struct work *work, const struct text *keys, struct entity *entities,
                      size_t count, struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct slot *slots = ARENA_ARRAY(arena, struct slot, count);
    struct row_view *views = ARENA_ARRAY(arena, struct row_view, count);
    struct former_name *names = ARENA_ARRAY(arena, struct former_name, count);
    if (!renaming_find(work, entities, count, names, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        slots[i] = (struct slot){.key = keys[i], .original = entities[i]};
    }
    if (!rows_overlay(work->core, arena, entities, views, count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        slots[i].current = entities[i];
        slots[i].view = views[i];
        slots[i].gone = views[i].gone;
        map_set(&work->slots, keys[i], &slots[i]);
        if (views[i].noticed) {
            rows_note(work, &slots[i]);
            work_note(work);
        }
        renaming_note(work, &slots[i], &names[i]);
    }
    return true;
}

const struct entity *work_present(struct work *work, const struct slot *slot) {
    if (!slot->gone) {
        return &slot->current;
    }
    struct entity *absent = ARENA_NEW(&work->core->arena, struct entity);
    *absent = slot->current;
    absent->exists = false;
    return absent;
}

/* --- reading --- */

struct wanted {
    struct text key;
    struct store_key entity;
    size_t order; /* of the first attempt on it */
};

static int by_key(const void *a, const void *b) {
    const struct wanted *left = a, *right = b;
    int order = text_compare(left->key, right->key);
    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

static int by_order(const void *a, const void *b) {
    const struct wanted *left = a, *right = b;
    return (left->order > right->order) - (left->order < right->order);
}

/* The distinct entities that the members name, in key order; in that of the attempts when they are
 * restored, since so they are listed. */
static size_t wanted_of(struct work *work, struct member *const *members, size_t count,
                        struct wanted *wanted) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < members[i]->attempt_count; j++) {
            const struct attempt *attempt = &members[i]->attempts[j];
            wanted[total] =
                (struct wanted){.key = key_of(&work->core->arena, attempt->machine, attempt->id),
                                .entity = {attempt->machine, attempt->id},
                                .order = total};
            work->in_order = work->in_order || attempt->kind == ATTEMPT_RESTORE;
            total++;
        }
    }
    qsort(wanted, total, sizeof *wanted, by_key);
    size_t distinct = 0;
    for (size_t i = 0; i < total; i++) {
        if (distinct == 0 || !text_equal(wanted[distinct - 1].key, wanted[i].key)) {
            wanted[distinct++] = wanted[i];
        }
    }
    if (work->in_order) {
        qsort(wanted, distinct, sizeof *wanted, by_order);
    }
    return distinct;
}

bool work_read(struct work *work, struct member *const *members, size_t count,
               struct fault *fault) {
    struct arena *arena = &work->core->arena;
    size_t most = core_attempts(members, count);
    struct wanted *wanted = ARENA_ARRAY(arena, struct wanted, most);
    size_t distinct = wanted_of(work, members, count, wanted);
    struct store_key *names = ARENA_ARRAY(arena, struct store_key, distinct);
    struct text *keys = ARENA_ARRAY(arena, struct text, distinct);
    struct entity *entities = ARENA_ARRAY(arena, struct entity, distinct);
    for (size_t i = 0; i < distinct; i++) {
        names[i] = wanted[i].entity;
        keys[i] = wanted[i].key;
    }
    return store_read(work->core->store, arena, names, distinct, entities, fault) &&
           slots_add(work, keys, entities, distinct, fault);
}

bool work_slot(struct work *work, struct text machine, struct text id, struct slot **out,
               struct fault *fault) {
    struct text key = key_of(&work->core->arena, machine, id);
    *out = map_find(&work->slots, key);
    if (*out != NULL) {
        return true;
    }
    struct entity entity;
    struct store_key wanted = {machine, id};
    if (!store_read(work->core->store, &work->core->arena, &wanted, 1, &entity, fault) ||
        !slots_add(work, &key, &entity, 1, fault)) {
        return false;
    }
    *out = map_find(&work->slots, key);
    return true;
}

/* --- marks --- */

struct mark work_mark(const struct work *work) {
    return (struct mark){work->records.count, work->outbox.count, work->undo.count};
}

void work_back(struct work *work, struct mark mark) {
    const struct undo *undo = work->undo.items;
    for (size_t i = work->undo.count; i > mark.undo; i--) {
        *undo[i - 1].slot = undo[i - 1].before;
    }
    work->undo.count = mark.undo;
    work->records.count = mark.records;
    work->outbox.count = mark.outbox;
}

void work_touch(struct work *work, struct slot *slot) {
    struct undo *undo = work_add(work, &work->undo, sizeof *undo);
    undo->slot = slot;
    undo->before = *slot;
}

/* --- writing --- */

static size_t changed_entities(struct work *work, struct store_entity_write *writes) {
    size_t count = 0;
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        bool moved = slot->current.audit_sequence != slot->original.audit_sequence;
        if (slot->current.exists && (slot->body_changed || moved)) {
            writes[count++] = (struct store_entity_write){
                &slot->current, slot->original.exists ? slot->original.version : 0,
                slot->body_changed};
        }
    }
    return count;
}

static size_t disarmed_entities(struct work *work, struct store_key *keys) {
    size_t count = 0;
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        if (slot->disarm && slot->original.exists) {
            keys[count++] = (struct store_key){slot->current.machine, slot->current.id};
        }
    }
    return count;
}

/* A restored entity has the timers that it had, those that are done with too. */
static void restored_deadlines(struct work *work, const struct slot *slot, struct list *deadlines) {
    const struct restore *restore = slot->restore;
    for (size_t i = 0; restore != NULL && i < restore->timer_count; i++) {
        const struct restored_timer *timer = &restore->timers[i];
        struct list *list = timer->done_us != 0 ? &work->fired : deadlines;
        struct store_deadline *deadline = work_add(work, list, sizeof *deadline);
        *deadline = (struct store_deadline){.machine = slot->current.machine,
                                            .entity_id = slot->current.id,
                                            .due_us = timer->due_us,
                                            .to_state = timer->to,
                                            .reason = timer->reason,
                                            .comments = timer->comments,
                                            .entity_version = slot->current.version,
                                            .attempts = timer->attempts,
                                            .next_us = timer->next_us,
                                            .chain = timer->chain,
                                            .rules = timer->rules,
                                            .done_us = timer->done_us};
    }
}

/* The timers that are armed when all is decided: those of the last state entered. */
static void armed_deadlines(struct work *work, struct list *deadlines) {
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        restored_deadlines(work, slot, deadlines);
        for (size_t j = 0; j < slot->timer_count; j++) {
            struct store_deadline *deadline = work_add(work, deadlines, sizeof *deadline);
            deadline->machine = slot->current.machine;
            deadline->entity_id = slot->current.id;
            deadline->due_us = slot->timers[j].due_us;
            deadline->to_state = slot->timers[j].to;
            deadline->reason = slot->timers[j].reason;
            deadline->comments = slot->timers[j].comments;
            deadline->entity_version = slot->current.version;
        }
    }
}

static void note_earliest(struct core *core, const struct list *deadlines) {
    const struct store_deadline *items = deadlines->items;
    for (size_t i = 0; i < deadlines->count; i++) {
        if (items[i].due_us < core->earliest_deadline_us) {
            core->earliest_deadline_us = items[i].due_us;
        }
    }
}

/* From now on `records` holds them all. */
static void join_notes(struct work *work) {
    const struct store_record *records = work->records.items;
    size_t count = work->records.count;
    if (work->notes.count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        *(struct store_record *)work_add(work, &work->notes, sizeof *records) = records[i];
    }
    work->records = work->notes;
    work->notes.count = 0;
}

bool work_write(struct work *work, struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct store_entity_write *writes =
        ARENA_ARRAY(arena, struct store_entity_write, work->slots.count + 1);
    struct store_key *disarmed = ARENA_ARRAY(arena, struct store_key, work->slots.count + 1);
    struct list deadlines = {0};
    join_notes(work);
    armed_deadlines(work, &deadlines);
    note_earliest(work->core, &deadlines);
    struct store_batch batch = {
        .entities = writes,
        .entity_count = changed_entities(work, writes),
        .records = work->records.items,
        .record_count = work->records.count,
        .outbox = work->outbox.items,
        .outbox_count = work->outbox.count,
        .disarmed = disarmed,
        .disarmed_count = disarmed_entities(work, disarmed),
        .fired = work->fired.items,
        .fired_count = work->fired.count,
        .deadlines = deadlines.items,
        .deadline_count = deadlines.count,
        .answers = work->answers.items,
        .answer_count = work->answers.count,
        .in_order = work->in_order,
    };
    return store_write(work->core->store, &batch, fault) && rows_write(work, fault);
}
