/* survey.c: what is open to an actor now. Each transition is tried as if it were being taken with
 * no patch, up to its guards, in a call of its own: a policy that fails on one says nothing about
 * the others. Internal ones are open to nobody and are left out. */
#include "policy/explain.h"
#include "policy/turn.h"

#define SURVEY_US (200 * NOW_MILLISECOND) /* of one list; what is left then is not asked */

struct survey {
    struct policy policy;
    struct arena *arena;
    const struct machine *machine;
    const struct entity *entity;
    const struct actor *actor;
    int64_t now_us;
    const struct policy_reads *reads;
    int64_t until_us; /* monotonic */
};

/* One transition while it is tried. The turn is first: the Lua side knows no more. */
struct trial {
    struct turn turn;
    struct attempt attempt;
    struct decision decision;
    bool is_permitted;
};

/* --- trying one --- */

static void try_it(struct trial *trial) {
    struct turn *turn = &trial->turn;
    if (way_settle(turn) && permission_ask(turn)) {
        trial->is_permitted = true;
        guards_ask(turn);
    }
}

static int try_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    try_it((struct trial *)turn);
    turn->lua = NULL;
    return 0;
}

static bool needs_lua(const struct turn *turn) {
    const struct way *way = turn->way;
    return turn->is_choice || turn->open_count > 0 || (way != NULL && way->has_guard) ||
           turn->to->has_require;
}

static void run(struct trial *trial) {
    struct fault fault = FAULT_INIT;
    struct turn *turn = &trial->turn;
    if (!way_resolve(turn) || !permission_check(turn)) {
        return;
    }
    if (!needs_lua(turn)) {
        try_it(trial);
    } else if (!turn_run(turn, try_protected, &fault)) {
        turn_fail(turn, "%s", fault.message);
    }
}

/* False only when a read failed. */
static bool try_one(const struct survey *survey, struct text to, struct text verb,
                    struct trial *trial, struct fault *fault) {
    const struct generation *generation = survey->policy.generation;
    *trial = (struct trial){.attempt = {.kind = ATTEMPT_TRANSITION,
                                        .machine = survey->machine->name,
                                        .id = survey->entity->id,
                                        .to = to,
                                        .verb = verb,
                                        .actor = survey->actor,
                                        .dry_run = true}};
    struct turn *turn = &trial->turn;
    turn_init(turn, survey->policy, survey->arena, survey->machine, survey->entity);
    turn->attempt = &trial->attempt;
    turn->actor = survey->actor;
    turn->now_us = survey->now_us;
    turn->reads = survey->reads;
    turn->out = &trial->decision;
    if (now_monotonic_us(&generation->now) > survey->until_us) {
        turn_fail(turn, "it was not evaluated, because the transitions before it took too long");
        return true;
    }
    run(trial);
    *fault = turn->read_fault;
    generation_clean_decision(generation, survey->arena, &trial->attempt, survey->entity,
                              &trial->decision);
    return fault->code == FAULT_NONE;
}

/* --- as JSON --- */

static const struct js *messages_of(struct arena *arena, const struct decision *decision) {
    if (decision->code == FAULT_NONE) {
        return &js_empty_array;
    }
    return decision->messages != NULL
               ? decision->messages
               : js_append(arena, &js_empty_array, js_string(arena, decision->message));
}

static const struct js *flag(bool value) {
    return value ? &js_true : &js_false;
}

static const struct js *text_or_null(struct arena *arena, struct text text) {
    return text_given(text) ? js_string(arena, text) : &js_null;
}

/* `way` is NULL for a choice that did not get so far as to say which. */
static const struct js *item_of(const struct survey *survey, const struct trial *trial,
                                struct text verb) {
    struct arena *arena = survey->arena;
    const struct way *way = trial->turn.way;
    const struct decision *decision = &trial->decision;
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 8);
    size_t count = 0;
    members[count++] =
        (struct js_member){TEXT("to"), way != NULL ? js_string(arena, way->to) : &js_null};
    members[count++] = (struct js_member){TEXT("name"), text_or_null(arena, verb)};
    members[count++] = (struct js_member){TEXT("permitted"), flag(trial->is_permitted)};
    members[count++] = (struct js_member){TEXT("allowed"), flag(decision->code == FAULT_NONE)};
    members[count++] = (struct js_member){TEXT("messages"), messages_of(arena, decision)};
    members[count++] = (struct js_member){
        TEXT("required_permissions"),
        way != NULL ? texts_json(arena, way->permission.names, way->permission.name_count)
                    : &js_empty_array};
    members[count++] = (struct js_member){
        TEXT("final"), flag(way != NULL && survey->machine->states[way->to_index].final)};
    if (way != NULL && text_given(way->doc)) {
        members[count++] = (struct js_member){TEXT("doc"), js_string(arena, way->doc)};
    }
    return js_object(arena, members, count);
}

static bool add(const struct survey *survey, struct text to, struct text verb,
                const struct js **item, struct fault *fault) {
    struct trial trial;
    if (!try_one(survey, to, verb, &trial, fault)) {
        return false;
    }
    *item = item_of(survey, &trial, verb);
    return true;
}

static bool list(const struct survey *survey, const struct state *from, const struct js **out,
                 struct fault *fault) {
    const struct js **items =
        ARENA_ARRAY(survey->arena, const struct js *, from->way_count + from->choice_count);
    size_t count = 0;
    for (size_t i = 0; i < from->way_count; i++) {
        const struct way *way = &from->ways[i];
        if (!way->internal && !add(survey, way->to, way->name, &items[count++], fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < from->choice_count; i++) {
        if (!add(survey, TEXT_NONE, from->choices[i], &items[count++], fault)) {
            return false;
        }
    }
    *out = js_array(survey->arena, items, count);
    return true;
}

bool policy_ways(struct policy policy, struct arena *arena, const struct entity *entity,
                 const struct actor *actor, int64_t now_us, const struct policy_reads *reads,
                 const struct js **out, struct fault *fault) {
    const struct machine *machine = generation_machine(policy.generation, entity->machine);
    if (machine == NULL) {
        return fault_set(fault, FAULT_UNKNOWN_MACHINE, "no machine '%.*s' is loaded",
                         TEXT_ARGS(entity->machine));
    }
    const struct state *from = machine_state(machine, entity->state);
    struct survey survey = {policy, arena, machine, entity, actor, now_us, reads, 0};
    survey.until_us = now_monotonic_us(&policy.generation->now) + SURVEY_US;
    *out = &js_empty_array;
    return from == NULL || list(&survey, from, out, fault);
}
