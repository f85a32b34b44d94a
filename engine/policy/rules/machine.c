/* machine.c: looking things up in a machine, and the machine as JSON for discovery. */
#include "base/problem.h"
#include "policy/rules/fields.h"
#include "policy/rules/roles.h"

const struct state *machine_state(const struct machine *machine, struct text name) {
    size_t low = 0, high = machine->state_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(machine->states[middle].name, name);
        if (order == 0) {
            return &machine->states[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

const struct state *machine_state_once(const struct machine *machine, struct text name) {
    for (size_t i = 0; machine->has_renamed_states && i < machine->state_count; i++) {
        if (text_given(machine->states[i].renamed_from) &&
            text_equal(machine->states[i].renamed_from, name)) {
            return &machine->states[i];
        }
    }
    return NULL;
}

bool way_fits(const struct way *way, struct text to, struct text verb) {
    return (!text_given(to) || text_equal(way->to, to)) &&
           (!text_given(verb) || (text_given(way->name) && text_equal(way->name, verb)));
}

const struct way *machine_way(const struct state *state, struct text to, struct text verb) {
    for (size_t i = 0; (text_given(to) || text_given(verb)) && i < state->way_count; i++) {
        if (way_fits(&state->ways[i], to, verb)) {
            return &state->ways[i];
        }
    }
    return NULL;
}

bool state_chooses(const struct state *state, struct text verb, size_t *index) {
    for (*index = 0; text_given(verb) && *index < state->choice_count; (*index)++) {
        if (text_equal(state->choices[*index], verb)) {
            return true;
        }
    }
    return false;
}

bool machine_has_verb(const struct machine *machine, struct text verb) {
    size_t index;
    for (size_t i = 0; i < machine->state_count; i++) {
        if (machine_way(&machine->states[i], TEXT_NONE, verb) != NULL ||
            state_chooses(&machine->states[i], verb, &index)) {
            return true;
        }
    }
    return false;
}

bool machine_has_update(const struct machine *machine) {
    for (size_t i = 0; i < machine->state_count; i++) {
        if (machine->states[i].update.is_there) {
            return true;
        }
    }
    return machine->update.is_there;
}

const struct act_rule *machine_update(const struct machine *machine, const struct state *state) {
    return state != NULL && state->update.is_there ? &state->update : &machine->update;
}

struct text machine_state_hint(struct arena *arena, const struct machine *machine,
                               struct text name) {
    struct text *names = ARENA_ARRAY(arena, struct text, machine->state_count);
    for (size_t i = 0; i < machine->state_count; i++) {
        names[i] = machine->states[i].name;
    }
    return problem_hint(arena, name, names, machine->state_count);
}

/* --- as JSON: objects are built member by member; a member whose value is NULL is left out --- */

struct members {
    struct js_member items[24];
    size_t count;
};

static void add(struct members *members, struct text key, const struct js *value) {
    if (value != NULL) {
        members->items[members->count++] = (struct js_member){key, value};
    }
}

static const struct js *text_or_none(struct arena *arena, struct text text) {
    return text_given(text) ? js_string(arena, text) : NULL;
}

static const struct js *flag(bool value) {
    return value ? &js_true : &js_false;
}

static const struct js *object_of(struct arena *arena, const struct members *members) {
    struct js_member *copy = ARENA_ARRAY(arena, struct js_member, members->count);
    memcpy(copy, members->items, members->count * sizeof *copy);
    return js_object(arena, copy, members->count);
}

/* NULL when it is not there. */
static const struct js *act_json(struct arena *arena, const struct act_rule *act) {
    struct members members = {.count = 0};
    if (!act->is_there) {
        return NULL;
    }
    const struct permission_rule *rule = &act->permission;
    add(&members, TEXT("required_permissions"), texts_json(arena, rule->names, rule->name_count));
    add(&members, TEXT("permit"), permission_json(arena, rule->permit));
    add(&members, TEXT("permit_function"), flag(rule->function_count > 0));
    add(&members, TEXT("denies"), flag(rule->deny_count > 0));
    add(&members, TEXT("guarded"), flag(act->has_guard));
    return object_of(arena, &members);
}

static const struct js *field_json(struct arena *arena, const void *item) {
    const struct field *field = item;
    struct members members = {.count = 0};
    add(&members, TEXT("name"), js_string(arena, field->name));
    add(&members, TEXT("doc"), text_or_none(arena, field->doc));
    add(&members, TEXT("type"), js_string(arena, field_type_names[field->type]));
    add(&members, TEXT("required"), flag(field->required));
    add(&members, TEXT("enum"), field->choices);
    add(&members, TEXT("default"), field->default_value);
    add(&members, TEXT("min"), field->min);
    add(&members, TEXT("max"), field->max);
    add(&members, TEXT("immutable"), field->immutable ? &js_true : NULL);
    add(&members, TEXT("editable_in"),
        field->has_editable_in ? texts_json(arena, field->editable_in, field->editable_count)
                               : NULL);
    add(&members, TEXT("permit"), permission_json(arena, field->permission.permit));
    add(&members, TEXT("index"), field->index ? &js_true : NULL);
    return object_of(arena, &members);
}

static const struct js *way_json(struct arena *arena, const void *item) {
    const struct way *way = item;
    struct members members = {.count = 0};
    add(&members, TEXT("to"), js_string(arena, way->to));
    add(&members, TEXT("name"), text_or_none(arena, way->name));
    add(&members, TEXT("doc"), text_or_none(arena, way->doc));
    add(&members, TEXT("required_permissions"),
        texts_json(arena, way->permission.names, way->permission.name_count));
    add(&members, TEXT("permit_function"), flag(way->permission.function_count > 0));
    add(&members, TEXT("permit"), permission_json(arena, way->permission.permit));
    add(&members, TEXT("denies"), flag(way->permission.deny_count > 0));
    add(&members, TEXT("guarded"), flag(way->has_guard));
    add(&members, TEXT("effect"), flag(way->has_effect));
    add(&members, TEXT("accepts"),
        way->has_accepts ? texts_json(arena, way->accepts, way->accept_count) : NULL);
    add(&members, TEXT("internal"), way->internal ? &js_true : NULL);
    add(&members, TEXT("from_any"), way->is_from_any ? &js_true : NULL);
    return object_of(arena, &members);
}

static const struct js *timer_json(struct arena *arena, const void *item) {
    const struct timer_rule *timer = item;
    struct members members = {.count = 0};
    add(&members, TEXT("to"), js_string(arena, timer->to));
    add(&members, TEXT("delay"),
        timer->has_delay_function ? &js_null : text_or_none(arena, timer->delay));
    add(&members, TEXT("reason"), text_or_none(arena, timer->reason));
    add(&members, TEXT("comments"), text_or_none(arena, timer->comments));
    add(&members, TEXT("retry"), text_or_none(arena, timer->retry));
    return object_of(arena, &members);
}

typedef const struct js *item_json(struct arena *arena, const void *item);

static const struct js *list_json(struct arena *arena, const void *items, size_t size, size_t count,
                                  item_json *item) {
    const struct js **list = ARENA_ARRAY(arena, const struct js *, count);
    for (size_t i = 0; i < count; i++) {
        list[i] = item(arena, (const char *)items + i * size);
    }
    return js_array(arena, list, count);
}

static const struct js *state_json(struct arena *arena, const void *item) {
    const struct state *state = item;
    struct members members = {.count = 0};
    add(&members, TEXT("name"), js_string(arena, state->name));
    add(&members, TEXT("doc"), text_or_none(arena, state->doc));
    add(&members, TEXT("final"), flag(state->final));
    add(&members, TEXT("guarded"), flag(state->has_require));
    add(&members, TEXT("on_enter"), flag(state->has_on_enter));
    add(&members, TEXT("on_exit"), flag(state->has_on_exit));
    add(&members, TEXT("to"),
        list_json(arena, state->ways, sizeof *state->ways, state->way_count, way_json));
    add(&members, TEXT("after"),
        list_json(arena, state->timers, sizeof *state->timers,
                  state->timers != NULL ? state->timer_count : 0, timer_json));
    add(&members, TEXT("update"), act_json(arena, &state->update));
    add(&members, TEXT("choose"),
        state->choice_count > 0 ? texts_json(arena, state->choices, state->choice_count) : NULL);
    return object_of(arena, &members);
}

static const struct js *lock_json(struct arena *arena, const struct machine *machine) {
    struct members members = {.count = 0};
    add(&members, TEXT("timeout_ms"), js_integer(arena, machine->lock_timeout_ms));
    add(&members, TEXT("wait_ms"), js_integer(arena, machine->lock_wait_ms));
    return object_of(arena, &members);
}

const struct js *machine_json(struct arena *arena, const struct machine *machine) {
    struct members members = {.count = 0};
    struct text initial =
        machine->state_count > 0 ? machine->states[machine->initial].name : TEXT_NONE;
    add(&members, TEXT("name"), js_string(arena, machine->name));
    add(&members, TEXT("doc"), text_or_none(arena, machine->doc));
    add(&members, TEXT("initial"), text_or_none(arena, initial));
    add(&members, TEXT("strict"), flag(machine->strict));
    add(&members, TEXT("fields"),
        list_json(arena, machine->fields, sizeof *machine->fields, machine->field_count,
                  field_json));
    add(&members, TEXT("states"),
        list_json(arena, machine->states, sizeof *machine->states, machine->state_count,
                  state_json));
    add(&members, TEXT("create"), act_json(arena, &machine->create));
    add(&members, TEXT("update"), act_json(arena, &machine->update));
    add(&members, TEXT("read"), act_json(arena, &machine->read));
    add(&members, TEXT("within"), within_json(arena, &machine->within));
    add(&members, TEXT("isolation"), js_string(arena, isolation_name(machine->isolation)));
    add(&members, TEXT("lock"), lock_json(arena, machine));
    add(&members, TEXT("retries"), js_integer(arena, machine->retries));
    add(&members, TEXT("table"),
        text_or_none(arena, machine->table != NULL ? machine->table->name : TEXT_NONE));
    add(&members, TEXT("file"), text_or_none(arena, machine->file));
    add(&members, TEXT("line"), js_integer(arena, machine->line));
    return object_of(arena, &members);
}
