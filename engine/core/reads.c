/* reads.c: what a policy may read while it decides: ctx:find and ctx:count, inside the batch's own
 * transaction and with the batch's own changes. The store counts what is on disk, once a batch, for
 * nobody else changes it until the batch ends (store_guard); entities that this batch changed are
 * then taken out as they were and put in as they are. */
#include "core/follow.h"
#include "core/work.h"

static bool find(void *context, struct arena *arena, struct text machine, struct text id,
                 const struct entity **out, struct fault *fault) {
    (void)arena;
    struct slot *slot;
    if (!work_slot(context, machine, id, &slot, fault)) {
        return false;
    }
    *out = slot->current.exists && !slot->gone ? &slot->current : NULL;
    return true;
}

static bool has_state(const struct store_where *where, struct text state) {
    for (size_t i = 0; i < where->state_count; i++) {
        if (text_equal(where->states[i], state)) {
            return true;
        }
    }
    return where->state_count == 0;
}

static bool is_old_enough(const struct store_where *where, int64_t updated_us) {
    return where->updated_before_us == 0 || updated_us < where->updated_before_us;
}

static bool matches(struct arena *arena, const struct entity *entity,
                    const struct store_where *where) {
    const struct js *data =
        where->defaults != NULL ? js_over(arena, where->defaults, entity->data) : entity->data;
    return entity->exists && has_state(where, entity->state) &&
           is_old_enough(where, entity->updated_us) && js_holds(data, where->data);
}

bool work_fits(struct work *work, const struct slot *slot, const struct store_where *where) {
    if (where == NULL || slot->gone) {
        return where == NULL;
    }
    struct store_where today = *where;
    follow_where(work->core, &work->core->arena, slot->current.machine, &today);
    return matches(&work->core->arena, &slot->current, &today);
}

static int64_t changes_since(const struct work *work, struct text machine,
                             const struct store_where *where) {
    int64_t difference = 0;
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        if (slot->body_changed && text_equal(slot->current.machine, machine)) {
            struct arena *arena = &work->core->arena;
            difference +=
                matches(arena, &slot->current, where) - matches(arena, &slot->original, where);
        }
    }
    return difference;
}

/* What is counted, as a text. */
static struct text name_of(struct arena *arena, struct text machine,
                           const struct store_where *where) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    js_write_string(&buffer, machine);
    for (size_t i = 0; i < where->state_count; i++) {
        js_write_string(&buffer, where->states[i]);
    }
    if (where->data != NULL) {
        js_write(&buffer, where->data);
    }
    return buffer_view(&buffer);
}

static bool count_stored(struct work *work, struct text machine, const struct store_where *where,
                         int64_t *out, struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct text name = name_of(arena, machine, where);
    const int64_t *known = map_find(&work->counts, name);
    if (known != NULL) {
        *out = *known;
        return true;
    }
    map_set(&work->counted, text_copy(arena, machine), work);
    if (!store_count(work->core->store, machine, where, out, fault)) {
        return false;
    }
    int64_t *kept = ARENA_NEW(arena, int64_t);
    *kept = *out;
    map_set(&work->counts, name, kept);
    return true;
}

static bool count(void *context, struct text machine, const struct text *states, size_t state_count,
                  const struct js *data, int64_t *out, struct fault *fault) {
    struct work *work = context;
    struct store_where where = {.states = states, .state_count = state_count, .data = data};
    follow_where(work->core, &work->core->arena, machine, &where);
    if (!count_stored(work, machine, &where, out, fault)) {
        return false;
    }
    *out += changes_since(work, machine, &where);
    return true;
}

struct policy_reads work_reads(struct work *work) {
    return (struct policy_reads){find, count, work};
}

struct policy_reads batch_reads(struct core *core) {
    struct work *nothing_changed = ARENA_NEW(&core->arena, struct work);
    work_init(nothing_changed, core, NULL);
    return work_reads(nothing_changed);
}
