/* stranded.c: whoever counts goes through all entities of a machine on PostgreSQL, so only those
 * are counted that a publication may have stranded. */
#include "server/stranded.h"

#include "store/census.h"
#include "store/timers.h"
/* --- which machines --- */

static bool is_known(const struct generation *rules, struct text machine) {
    return generation_machine(rules, machine) != NULL ||
           generation_machine_once(rules, machine) != NULL;
}

static bool has_all_states(const struct machine *now, const struct machine *before) {
    for (size_t i = 0; i < before->state_count; i++) {
        if (machine_state(now, before->states[i].name) == NULL) {
            return false;
        }
    }
    return true;
}

static bool was_stranded(const struct stranded_list *last, struct text machine) {
    for (size_t i = 0; last != NULL && i < last->count; i++) {
        if (text_equal(last->items[i].machine, machine)) {
            return true;
        }
    }
    return false;
}

static bool is_suspect(const struct generation *rules, const struct generation *before,
                       const struct stranded_list *last, struct text name) {
    const struct machine *now = generation_machine(rules, name);
    const struct machine *then = before != NULL ? generation_machine(before, name) : NULL;
    return now != NULL ? then == NULL || !has_all_states(now, then) || was_stranded(last, name)
                       : generation_machine_once(rules, name) == NULL;
}

/* --- counting --- */

static struct text suggestion_of(struct arena *arena, const struct generation *rules,
                                 struct text machine, struct text state) {
    const struct machine *now = generation_machine(rules, machine);
    if (now == NULL) {
        return text_print(
            arena,
            "declare %.*s again, or write renamed_from = \"%.*s\" in the machine that "
            "took its place",
            TEXT_ARGS(machine), TEXT_ARGS(machine));
    }
    struct text hint = machine_state_hint(arena, now, state);
    return text_print(arena,
                      "declare the state again, or write renamed_from = \"%.*s\" in the state of "
                      "%.*s that took its place%.*s",
                      TEXT_ARGS(state), TEXT_ARGS(machine), TEXT_ARGS(hint));
}

static bool is_stranded(const struct machine *rules, struct text state) {
    return rules == NULL ||
           (machine_state(rules, state) == NULL && machine_state_once(rules, state) == NULL);
}

static void add(struct arena *arena, struct stranded_list *list, const struct stranded *item) {
    if ((list->count & (list->count - 1)) == 0) {
        struct stranded *items =
            ARENA_ARRAY(arena, struct stranded, list->count == 0 ? 1 : list->count * 2);
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count++] = *item;
}

static bool count_machine(const struct generation *rules, struct store *store, struct arena *arena,
                          struct text machine, struct stranded_list *out, struct fault *fault) {
    const struct machine *now = generation_machine(rules, machine);
    struct store_state_count *states;
    size_t count;
    if (!store_count_states(store, arena, machine, 0, &states, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_stranded(now, states[i].state)) {
            struct stranded item = {.machine = machine,
                                    .state = states[i].state,
                                    .entities = states[i].entities,
                                    .machine_gone = now == NULL,
                                    .suggestion =
                                        suggestion_of(arena, rules, machine, states[i].state)};
            add(arena, out, &item);
        }
    }
    return true;
}

bool stranded_find(const struct generation *rules, const struct generation *before,
                   const struct stranded_list *last, struct store *store, struct arena *arena,
                   struct stranded_list *out, struct fault *fault) {
    struct text *machines;
    size_t count;
    *out = (struct stranded_list){0};
    if (!store_machines(store, arena, &machines, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_suspect(rules, before, last, machines[i]) &&
            !count_machine(rules, store, arena, machines[i], out, fault)) {
            return false;
        }
    }
    return true;
}

/* --- refusing --- */

static bool has_entities(struct store *store, struct arena *arena, struct text machine, bool *has,
                         struct fault *fault) {
    struct text *ids;
    size_t count;
    bool listed = store_list_ids(store, arena, machine, NULL, TEXT_NONE, 1, &ids, &count, fault);
    *has = listed && count > 0;
    return listed;
}

static void report(const struct generation *before, struct text machine, const char *way_out,
                   struct problem_list *problems) {
    const struct machine *then = before != NULL ? generation_machine(before, machine) : NULL;
    problem_add(problems, then != NULL ? then->file : TEXT("."), 0,
                text_print(problems->arena,
                           "there are entities of the machine '%.*s', and no file declares it any "
                           "more: put it back, write renamed_from = \"%.*s\" in the machine that "
                           "took its place, or %s",
                           TEXT_ARGS(machine), TEXT_ARGS(machine), way_out));
}

static bool is_among(const struct text *names, size_t count, struct text name) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

/* Machines that may not go without a word. */
static bool list_candidates(const struct generation *rules, const struct generation *before,
                            struct store *store, struct arena *arena, struct text **out,
                            size_t *count, struct fault *fault) {
    struct text *machines, *gone = NULL;
    size_t machine_count, gone_count = 0;
    if (!store_machines(store, arena, &machines, &machine_count, fault) ||
        (before == NULL && !store_list_gone(store, arena, &gone, &gone_count, fault))) {
        return false;
    }
    *out = machines;
    *count = 0;
    for (size_t i = 0; i < machine_count; i++) {
        bool counts = before != NULL ? is_known(before, machines[i])
                                     : !is_among(gone, gone_count, machines[i]);
        if (counts && !is_known(rules, machines[i])) {
            (*out)[(*count)++] = machines[i];
        }
    }
    return true;
}

bool stranded_refuse(const struct generation *rules, const struct generation *before,
                     struct store *store, const char *way_out, struct problem_list *problems,
                     struct fault *fault) {
    struct text *machines;
    size_t count, refused = 0;
    if (!list_candidates(rules, before, store, problems->arena, &machines, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool has;
        if (!has_entities(store, problems->arena, machines[i], &has, fault)) {
            return false;
        }
        if (has) {
            report(before, machines[i], way_out, problems);
            refused++;
        }
    }
    return refused == 0 || fault_set(fault, FAULT_POLICY_INVALID,
                                     "the policies have lost %zu machine%s with entities", refused,
                                     refused == 1 ? "" : "s");
}

/* --- reading --- */

size_t stranded_gone(const struct stranded_list *list, struct arena *arena, struct text **names) {
    size_t count = 0;
    *names = ARENA_ARRAY(arena, struct text, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].machine_gone && !is_among(*names, count, list->items[i].machine)) {
            (*names)[count++] = list->items[i].machine;
        }
    }
    return count;
}

static const struct js *item_json(struct arena *arena, const struct stranded *item) {
    const struct js *json = js_with(arena, NULL, TEXT("machine"), js_string(arena, item->machine));
    json = js_with(arena, json, TEXT("state"), js_string(arena, item->state));
    json = js_with(arena, json, TEXT("entities"), js_integer(arena, item->entities));
    return js_with(arena, json, TEXT("suggestion"), js_string(arena, item->suggestion));
}

const struct js *stranded_json(const struct stranded_list *list, struct arena *arena) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, list->count);
    for (size_t i = 0; i < list->count; i++) {
        items[i] = item_json(arena, &list->items[i]);
    }
    return js_array(arena, items, list->count);
}

struct stranded_list stranded_copy(const struct stranded_list *list, struct arena *arena) {
    struct stranded_list copy = {.count = list->count};
    copy.items = ARENA_ARRAY(arena, struct stranded, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct stranded *item = &list->items[i];
        copy.items[i] = *item;
        copy.items[i].machine = text_copy(arena, item->machine);
        copy.items[i].state = text_copy(arena, item->state);
        copy.items[i].suggestion = text_copy(arena, item->suggestion);
    }
    return copy;
}
