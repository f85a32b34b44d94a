/* ways.c: what is open to an actor, and every permission that is named. */
#include "policy/permission.h"

#include <stdlib.h>

/* --- the ways out of a state --- */

/* What the one vm_call of policy_ways works on. */
struct survey {
    struct turn turn;
    const struct actor *actor;
    const struct js **items;
};

static const struct js *item_of(struct arena *arena, const struct machine *machine,
                                const struct way *way, bool is_permitted) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 6);
    members[0] = (struct js_member){TEXT("to"), js_string(arena, way->to)};
    members[1] = (struct js_member){TEXT("name"),
                                    text_given(way->name) ? js_string(arena, way->name) : &js_null};
    members[2] = (struct js_member){TEXT("permitted"), is_permitted ? &js_true : &js_false};
    members[3] =
        (struct js_member){TEXT("required_permissions"),
                           texts_json(arena, way->permission.names, way->permission.name_count)};
    members[4] = (struct js_member){TEXT("final"),
                                    machine->states[way->to_index].final ? &js_true : &js_false};
    members[5] = (struct js_member){TEXT("doc"),
                                    text_given(way->doc) ? js_string(arena, way->doc) : &js_null};
    return js_object(arena, members, text_given(way->doc) ? 6 : 5);
}

/* Asks as if this way were being taken. */
static bool is_permitted(struct survey *survey, size_t index) {
    struct turn *turn = &survey->turn;
    struct demand demand;
    turn->way = &turn->from->ways[index];
    turn->to = &turn->machine->states[turn->way->to_index];
    permission_of_way(&demand, turn, turn->way, &turn->from_functions->ways[index], survey->actor);
    enum answer known = permission_known(&demand);
    return known == ANSWER_OPEN ? permission_settle(&demand) : known == ANSWER_YES;
}

static void list_ways(struct survey *survey) {
    const struct state *from = survey->turn.from;
    for (size_t i = 0; i < from->way_count; i++) {
        survey->items[i] = item_of(survey->turn.arena, survey->turn.machine, &from->ways[i],
                                   is_permitted(survey, i));
    }
}

static int list_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    list_ways((struct survey *)turn);
    return 0;
}

static bool has_function(const struct state *state) {
    for (size_t i = 0; i < state->way_count; i++) {
        if (permission_rule_has_function(&state->ways[i].permission)) {
            return true;
        }
    }
    return false;
}

static bool run_survey(struct survey *survey, struct fault *fault) {
    if (!has_function(survey->turn.from)) {
        list_ways(survey);
        return true;
    }
    if (turn_run(&survey->turn, list_protected, fault)) {
        return true;
    }
    if (survey->turn.read_fault.code != FAULT_NONE) {
        *fault = survey->turn.read_fault;
    } else {
        generation_clean_fault(survey->turn.generation, survey->turn.arena, survey->turn.attempt,
                               survey->turn.entity, fault);
    }
    return false;
}

bool policy_ways(struct policy policy, struct arena *arena, const struct entity *entity,
                 const struct actor *actor, int64_t now_us, const struct policy_reads *reads,
                 const struct js **out, struct fault *fault) {
    const struct machine *machine = generation_machine(policy.generation, entity->machine);
    const struct attempt attempt = {.kind = ATTEMPT_TRANSITION,
                                    .machine = entity->machine,
                                    .id = entity->id,
                                    .actor = actor,
                                    .dry_run = true};
    struct survey survey = {.actor = actor};
    if (machine == NULL) {
        return fault_set(fault, FAULT_UNKNOWN_MACHINE, "no machine '%.*s' is loaded",
                         TEXT_ARGS(entity->machine));
    }
    *out = &js_empty_array;
    turn_init(&survey.turn, policy, arena, machine, entity);
    survey.turn.attempt = &attempt;
    survey.turn.now_us = now_us;
    survey.turn.reads = reads;
    if (survey.turn.from == NULL) {
        return true;
    }
    survey.items = ARENA_ARRAY(arena, const struct js *, survey.turn.from->way_count);
    if (!run_survey(&survey, fault)) {
        return false;
    }
    *out = js_array(arena, survey.items, survey.turn.from->way_count);
    return true;
}

/* --- every permission that is named --- */

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static size_t gather(const struct machine *machine, struct text *out) {
    size_t count = 0;
    for (size_t i = 0; i < machine->state_count; i++) {
        for (size_t j = 0; j < machine->states[i].way_count; j++) {
            const struct way *way = &machine->states[i].ways[j];
            for (size_t k = 0; k < way->permission.name_count; k++, count++) {
                if (out != NULL) {
                    out[count] = way->permission.names[k];
                }
            }
        }
    }
    return count;
}

const struct js *generation_permissions(const struct generation *generation, struct arena *arena) {
    size_t most = 0, count = 0, kept = 0;
    for (size_t i = 0; i < generation->machine_count; i++) {
        most += gather(&generation->machines[i], NULL);
    }
    struct text *names = ARENA_ARRAY(arena, struct text, most);
    for (size_t i = 0; i < generation->machine_count; i++) {
        count += gather(&generation->machines[i], names + count);
    }
    if (count > 1) {
        qsort(names, count, sizeof *names, by_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !text_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    return texts_json(arena, names, kept);
}
