/* follow.c: names and defaults. Machines that nothing was renamed in cost one look each. */
#include "core/follow.h"

#include "policy/rules/fields.h"

static const struct machine *machine_of(const struct core *core, struct text name) {
    return generation_machine(core->policy.generation, name);
}

struct text follow_machine(const struct generation *generation, struct text name) {
    const struct machine *today = generation_machine(generation, name) == NULL
                                      ? generation_machine_once(generation, name)
                                      : NULL;
    return today != NULL ? today->name : name;
}

struct text follow_state(const struct machine *machine, struct text name) {
    const struct state *today =
        machine != NULL && machine->has_renamed_states ? machine_state_once(machine, name) : NULL;
    return today != NULL ? today->name : name;
}

/* --- questions --- */

static bool asks_for(const struct store_where *where, struct text state) {
    for (size_t i = 0; i < where->state_count; i++) {
        if (text_equal(where->states[i], state)) {
            return true;
        }
    }
    return false;
}

/* The states that are asked for, and what they were called before. */
static void add_former_states(struct arena *arena, const struct machine *machine,
                              struct store_where *where) {
    size_t count = where->state_count;
    struct text *states = ARENA_ARRAY(arena, struct text, count + machine->state_count);
    if (count > 0) {
        memcpy(states, where->states, count * sizeof *states);
    }
    for (size_t i = 0; i < machine->state_count; i++) {
        const struct state *state = &machine->states[i];
        if (text_given(state->renamed_from) && asks_for(where, state->name)) {
            states[count++] = state->renamed_from;
        }
    }
    where->states = states;
    where->state_count = count;
}

static const struct js *defaults_of(struct arena *arena, const struct machine *machine) {
    return fields_with_defaults(arena, machine, &js_empty_object);
}

void follow_where(const struct core *core, struct arena *arena, struct text machine,
                  struct store_where *where) {
    const struct machine *rules = machine_of(core, machine);
    if (rules == NULL) {
        return;
    }
    where->former_machine = rules->renamed_from;
    if (rules->has_renamed_states && where->state_count > 0) {
        add_former_states(arena, rules, where);
    }
    if (rules->has_defaults && where->data != NULL) {
        where->defaults = defaults_of(arena, rules);
    }
}

/* --- answers --- */

static void present(const struct core *core, struct arena *arena, struct entity *entity) {
    const struct machine *rules = machine_of(core, entity->machine);
    if (rules == NULL || !entity->exists) {
        return;
    }
    entity->state = follow_state(rules, entity->state);
    if (rules->has_defaults && js_is(entity->data, JS_OBJECT)) {
        const struct js *data = fields_with_defaults(arena, rules, entity->data);
        entity->data_json = data != entity->data ? TEXT_NONE : entity->data_json;
        entity->data = data;
    }
}

void follow_present(const struct core *core, struct arena *arena, struct entity *entities,
                    size_t count) {
    for (size_t i = 0; i < count; i++) {
        present(core, arena, &entities[i]);
    }
}

static bool is_sought(const struct core *core, const struct entity *entity) {
    const struct machine *rules =
        !entity->exists && entity->audit_sequence == 0 ? machine_of(core, entity->machine) : NULL;
    return rules != NULL && text_given(rules->renamed_from);
}

bool follow_find(struct core *core, struct arena *arena, struct entity *entities, size_t count,
                 struct text *kept, struct fault *fault) {
    struct store_key *keys = NULL;
    size_t *places = NULL, sought = 0;
    for (size_t i = 0; i < count; i++) {
        kept[i] = TEXT_NONE;
        if (!is_sought(core, &entities[i])) {
            continue;
        }
        if (keys == NULL) {
            keys = ARENA_ARRAY(arena, struct store_key, count);
            places = ARENA_ARRAY(arena, size_t, count);
        }
        const struct machine *rules = machine_of(core, entities[i].machine);
        keys[sought] = (struct store_key){rules->renamed_from, entities[i].id};
        places[sought++] = i;
    }
    if (sought == 0) {
        return true;
    }
    struct entity *found = ARENA_ARRAY(arena, struct entity, sought);
    if (!store_read(core->store, arena, keys, sought, found, fault)) {
        return false;
    }
    for (size_t i = 0; i < sought; i++) {
        struct entity *entity = &entities[places[i]];
        if (found[i].exists) {
            struct text today = entity->machine;
            kept[places[i]] = found[i].machine;
            *entity = found[i];
            entity->machine = today;
        }
    }
    return true;
}
