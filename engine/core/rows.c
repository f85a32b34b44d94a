/* rows.c: an application's row is the truth about its entity.
 *
 *   row        entity in the store   what it means
 *   as known   there                 nothing has happened
 *   other      there                 somebody changed the row: the entity follows, and the chain
 *                                    says so (action "notice") before anything is decided
 *   there      absent                the engine meets it for the first time: likewise
 *   absent     there                 somebody deleted it: the entity is not found
 *
 * In a transaction that writes, the row is locked from here on, or looked at and confirmed before
 * the write, so what is written at the end is written over what was decided about. The version goes
 * on growing: with a version column both sides count together, and the larger number wins. */
#include "core/rows.h"

#include "core/audit.h"
#include "core/follow.h"

/* --- reading --- */

static const struct app_table *table_of(const struct core *core, struct text machine) {
    const struct machine *found = generation_machine(core->policy.generation, machine);
    return found != NULL ? found->table : NULL;
}

static struct store_row known_row(const struct entity *entity) {
    return (struct store_row){.id = entity->id,
                              .known_state = entity->exists ? entity->state : TEXT_NONE,
                              .known_version = entity->version,
                              .known = entity->exists ? entity->data : NULL};
}

/* The entity's data with what the columns hold; fields without a column stay. */
static const struct js *merged(struct arena *arena, const struct app_table *table,
                               const struct js *data, const struct js *fields) {
    for (size_t i = 0; i < table->column_count; i++) {
        struct text field = table->columns[i].field;
        data = js_with(arena, data, field, js_find(fields, field));
    }
    return data != NULL ? data : &js_empty_object;
}

static void follow_row(struct arena *arena, const struct row_view *view, int64_t now_us,
                       struct entity *entity) {
    const struct store_row *row = &view->row;
    if (!entity->exists) {
        entity->exists = true;
        entity->created_us = now_us;
    }
    if (!text_equal(entity->state, row->state)) {
        entity->entered_us = now_us;
    }
    entity->version = row->version > entity->version ? row->version : entity->version + 1;
    entity->state = row->state;
    entity->data = merged(arena, view->table, entity->data, row->fields);
    entity->data_json = TEXT_NONE;
    entity->updated_us = now_us;
}

static void settle(struct core *core, struct arena *arena, struct row_view *view,
                   struct entity *entity) {
    const struct store_row *row = &view->row;
    bool is_there = row->exists && text_given(row->state);
    view->gone = entity->exists && !is_there;
    view->noticed = is_there && !row->is_as_known;
    if (view->noticed) {
        follow_row(arena, view, now_wall_us(&core->now), entity);
    }
}

static bool overlay_one_table(struct core *core, struct arena *arena, struct entity *entities,
                              struct row_view *views, size_t count, struct fault *fault) {
    struct store_row *rows = ARENA_ARRAY(arena, struct store_row, count);
    for (size_t i = 0; i < count; i++) {
        rows[i] = known_row(&entities[i]);
        rows[i].hold = views[i].looked ? STORE_LOOK : STORE_HOLD;
    }
    if (!store_read_rows(core->store, arena, views[0].table, rows, count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        views[i].row = rows[i];
        settle(core, arena, &views[i], &entities[i]);
    }
    return true;
}

bool rows_overlay(struct core *core, struct arena *arena, struct entity *entities,
                  struct row_view *views, size_t count, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        views[i].table = table_of(core, entities[i].machine);
    }
    for (size_t i = 0, next; i < count; i = next) {
        next = i + 1;
        while (next < count && views[next].table == views[i].table) {
            next++;
        }
        if (views[i].table != NULL &&
            !overlay_one_table(core, arena, &entities[i], &views[i], next - i, fault)) {
            return false;
        }
    }
    return true;
}

bool core_refresh(struct core *core, struct arena *arena, struct entity *entities, size_t count,
                  struct fault *fault) {
    struct row_view *views = ARENA_ARRAY(arena, struct row_view, count);
    if (!rows_overlay(core, arena, entities, views, count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        entities[i].exists = entities[i].exists && !views[i].gone;
    }
    follow_present(core, arena, entities, count);
    return true;
}

bool core_read(struct core *core, struct arena *arena, const struct store_key *keys, size_t count,
               struct entity *out, struct fault *fault) {
    struct text *kept = ARENA_ARRAY(arena, struct text, count);
    return store_read(core->store, arena, keys, count, out, fault) &&
           follow_find(core, arena, out, count, kept, fault) &&
           core_refresh(core, arena, out, count, fault);
}

/* --- what somebody else did --- */

void rows_note(struct work *work, struct slot *slot) {
    struct arena *arena = &work->core->arena;
    const struct app_table *table = slot->view.table;
    struct outcome outcome = {
        .from = slot->original.exists ? slot->original.state : TEXT_NONE,
        .to = slot->current.state,
    };
    struct attempt attempt = {
        .kind = ATTEMPT_NOTICE,
        .machine = slot->current.machine,
        .id = slot->current.id,
        .comments = text_print(arena, "the row in the table '%.*s' was %s by another program",
                               TEXT_ARGS(table->name), slot->original.exists ? "changed" : "made"),
        .patch = slot->view.row.fields,
    };
    slot->body_changed = true;
    slot->row_due = text_given(table->version) && slot->view.row.version != slot->current.version;
    slot->current.data_json = entity_data_json(arena, &slot->current);
    audit_append(work, slot, &attempt, slot->original.data, &outcome);
}

/* --- what was only looked at --- */

static bool is_same(const struct store_row *now, const struct store_row *read) {
    return now->exists == read->exists &&
           (!now->exists || (text_given(now->state) == text_given(read->state) &&
                             text_equal(now->state, read->state) && now->version == read->version &&
                             js_equal(now->fields, read->fields)));
}

static bool confirm(struct work *work, struct slot *slot, struct fault *fault) {
    struct store_row row = {.id = slot->current.id, .hold = STORE_TRY};
    if (!store_read_rows(work->core->store, &work->core->arena, slot->view.table, &row, 1, fault)) {
        return false;
    }
    slot->view.looked = false;
    return is_same(&row, &slot->view.row) ||
           fault_set(fault, FAULT_STORE_CONFLICT, "the row '%.*s' of the table '%.*s' was changed",
                     TEXT_ARGS(row.id), TEXT_ARGS(slot->view.table->name));
}

bool rows_confirm(struct work *work, struct fault *fault) {
    for (size_t i = 0; i < work->slots.count; i++) {
        struct slot *slot = work->slots.entries[i].value;
        if (slot->view.looked && slot->view.table != NULL && !confirm(work, slot, fault)) {
            return false;
        }
    }
    return true;
}

/* --- writing --- */

static struct store_row_write write_of(const struct slot *slot) {
    return (struct store_row_write){.id = slot->current.id,
                                    .insert = !slot->view.row.exists,
                                    .state = slot->current.state,
                                    .version = slot->current.version,
                                    .data = slot->current.data};
}

bool rows_try(struct work *work, struct slot *slot, struct outcome *out, struct fault *fault) {
    struct store_row_write write = write_of(slot);
    struct fault refusal = FAULT_INIT;
    if (store_try_row(work->core->store, slot->view.table, &write, &refusal)) {
        return true;
    }
    if (refusal.code != FAULT_VALIDATION_FAILED && refusal.code != FAULT_STORE_CONFLICT) {
        *fault = refusal;
        return false;
    }
    out->code = FAULT_VALIDATION_FAILED;
    out->message = text_copy(&work->core->arena, text_of(refusal.message));
    return true;
}

static bool is_due(const struct slot *slot) {
    return slot->row_due && slot->view.table != NULL && !slot->gone;
}

/* All rows of the table that the first of these slots has. */
static bool write_table(struct work *work, size_t first, struct store_row_write *writes,
                        struct fault *fault) {
    const struct slot *one = work->slots.entries[first].value;
    size_t count = 0;
    for (size_t i = first; i < work->slots.count; i++) {
        struct slot *slot = work->slots.entries[i].value;
        if (is_due(slot) && slot->view.table == one->view.table) {
            writes[count++] = write_of(slot);
            slot->row_due = false;
        }
    }
    return store_write_rows(work->core->store, one->view.table, writes, count, fault);
}

bool rows_write(struct work *work, struct fault *fault) {
    struct store_row_write *writes = NULL;
    for (size_t i = 0; i < work->slots.count; i++) {
        if (!is_due(work->slots.entries[i].value)) {
            continue;
        }
        if (writes == NULL) {
            writes = ARENA_ARRAY(&work->core->arena, struct store_row_write, work->slots.count);
        }
        if (!write_table(work, i, writes, fault)) {
            return false;
        }
    }
    return true;
}
