/* work.c: the batch's memory.
 * Slots are found by key through one map; the lists are plain arrays in write order. Going back to
 * a mark pops the undo list newest first and cuts the lists, so a failed attempt costs what it did.
 */
#include "core/work.h"

#include <stdlib.h>

#include "core/renaming.h"
#include "core/rows.h"
#include "core/timers.h"

static const struct footprint no_footprint;

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

void work_init(struct work *work, struct core *core, const struct footprint *footprint) {
    *work = (struct work){.core = core,
                          .footprint = footprint != NULL ? footprint : &no_footprint,
                          .now_us = now_wall_us(&core->now)};
    map_init(&work->slots, &core->arena);
    map_init(&work->counts, &core->arena);
    map_init(&work->counted, &core->arena);
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
                      size_t count, bool looked, struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct slot *slots = ARENA_ARRAY(arena, struct slot, count);
    struct row_view *views = ARENA_ARRAY(arena, struct row_view, count);
    struct former_name *names = ARENA_ARRAY(arena, struct former_name, count);
    if (!renaming_find(work, entities, count, names, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        slots[i] = (struct slot){.key = keys[i], .original = entities[i], .looked = looked};
        views[i].looked = looked;
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
    struct store_reading entity;
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

/* All to be held. */
static size_t add_keys(struct work *work, const struct store_key *keys, size_t count,
                       struct wanted *wanted) {
    for (size_t i = 0; i < count; i++) {
        wanted[i] = (struct wanted){
            key_of(&work->core->arena, keys[i].machine, keys[i].id), {keys[i], STORE_HOLD}, i};
    }
    return count;
}

static size_t add_footprint(const struct work *work, struct wanted *wanted) {
    for (size_t i = 0; i < work->footprint->keys.count; i++) {
        const struct map_entry *entry = &work->footprint->keys.entries[i];
        wanted[i] =
            (struct wanted){entry->key, *(const struct store_reading *)entry->value, SIZE_MAX};
    }
    return work->footprint->keys.count;
}

/* The distinct ones, of two wishes for one the stronger; in key order, or in that of the attempts
 * when they are restored, since so they are listed. */
static size_t make_distinct(const struct work *work, struct wanted *wanted, size_t count) {
    size_t distinct = 0;
    qsort(wanted, count, sizeof *wanted, by_key);
    for (size_t i = 0; i < count; i++) {
        if (distinct == 0 || !text_equal(wanted[distinct - 1].key, wanted[i].key)) {
            wanted[distinct++] = wanted[i];
        } else if (wanted[i].entity.hold < wanted[distinct - 1].entity.hold) {
            wanted[distinct - 1].entity.hold = wanted[i].entity.hold;
        }
    }
    if (work->in_order) {
        qsort(wanted, distinct, sizeof *wanted, by_order);
    }
    return distinct;
}

static bool read_wanted(struct work *work, struct wanted *wanted, size_t count,
                        struct fault *fault) {
    struct arena *arena = &work->core->arena;
    size_t distinct = make_distinct(work, wanted, count);
    struct store_reading *readings = ARENA_ARRAY(arena, struct store_reading, distinct);
    struct text *keys = ARENA_ARRAY(arena, struct text, distinct);
    struct entity *entities = ARENA_ARRAY(arena, struct entity, distinct);
    for (size_t i = 0; i < distinct; i++) {
        readings[i] = wanted[i].entity;
        keys[i] = wanted[i].key;
    }
    return store_read_as(work->core->store, arena, readings, distinct, entities, fault) &&
           slots_add(work, keys, entities, distinct, false, fault);
}

bool work_read_keys(struct work *work, const struct store_key *keys, size_t count,
                    struct fault *fault) {
    struct wanted *wanted = ARENA_ARRAY(&work->core->arena, struct wanted, count);
    return read_wanted(work, wanted, add_keys(work, keys, count, wanted), fault);
}

static bool guard(struct work *work, struct fault *fault) {
    const struct map *guards = &work->footprint->guards;
    struct text *machines = ARENA_ARRAY(&work->core->arena, struct text, guards->count);
    for (size_t i = 0; i < guards->count; i++) {
        machines[i] = guards->entries[i].key;
    }
    return store_guard(work->core->store, machines, guards->count, fault);
}

bool work_read(struct work *work, struct member *const *members, size_t count,
               struct fault *fault) {
    struct arena *arena = &work->core->arena;
    size_t most = core_attempts(members, count), total = 0;
    struct store_key *keys = ARENA_ARRAY(arena, struct store_key, most);
    struct wanted *wanted = ARENA_ARRAY(arena, struct wanted, most + work->footprint->keys.count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < members[i]->attempt_count; j++) {
            const struct attempt *attempt = &members[i]->attempts[j];
            work->in_order = work->in_order || attempt->kind == ATTEMPT_RESTORE;
            keys[total++] = (struct store_key){attempt->machine, attempt->id};
        }
    }
    total = add_keys(work, keys, total, wanted);
    total += add_footprint(work, wanted + total);
    return read_wanted(work, wanted, total, fault) && guard(work, fault);
}

bool work_slot(struct work *work, struct text machine, struct text id, struct slot **out,
               struct fault *fault) {
    struct text key = key_of(&work->core->arena, machine, id);
    *out = map_find(&work->slots, key);
    if (*out != NULL) {
        return true;
    }
    struct entity entity;
    struct store_reading wanted = {{machine, id}, STORE_LOOK};
    if (!store_read_as(work->core->store, &work->core->arena, &wanted, 1, &entity, fault) ||
        !slots_add(work, &key, &entity, 1, true, fault)) {
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

bool work_is_written(const struct slot *slot) {
    return slot->body_changed || slot->current.audit_sequence != slot->original.audit_sequence;
}

static size_t changed_entities(struct work *work, struct store_entity_write *writes) {
    size_t count = 0;
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        if (slot->current.exists && work_is_written(slot)) {
            writes[count++] = (struct store_entity_write){
                &slot->current, slot->original.exists ? slot->original.version : 0,
                slot->body_changed};
        }
    }
    return count;
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
    struct timer_writes timers;
    join_notes(work);
    if (!timers_settle(work, &timers, fault)) {
        return false;
    }
    struct store_batch batch = {
        .entities = writes,
        .entity_count = changed_entities(work, writes),
        .records = work->records.items,
        .record_count = work->records.count,
        .outbox = work->outbox.items,
        .outbox_count = work->outbox.count,
        .disarmed = timers.disarmed,
        .disarmed_count = timers.disarmed_count,
        .fired = work->fired.items,
        .fired_count = work->fired.count,
        .deadlines = timers.armed.items,
        .deadline_count = timers.armed.count,
        .answers = work->answers.items,
        .answer_count = work->answers.count,
        .in_order = work->in_order,
    };
    return rows_confirm(work, fault) && store_write(work->core->store, &batch, fault) &&
           rows_write(work, fault);
}
