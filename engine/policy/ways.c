/* ways.c: permissions, asked while an attempt is decided and to show what is open to an actor. */
#include "lua/value.h"
#include "policy/context.h"
#include "policy/explain.h"
#include "policy/turn.h"

#include <stdlib.h>

/* --- what a way asks for --- */

static const struct js *missing_of(const struct turn *turn, const struct way *way,
                                   const struct actor *actor) {
    struct text *missing = ARENA_ARRAY(turn->arena, struct text, way->permission_count);
    size_t count = 0;
    for (size_t i = 0; i < way->permission_count; i++) {
        if (!roles_permit(&turn->generation->roles, actor, way->permissions[i])) {
            missing[count++] = way->permissions[i];
        }
    }
    return texts_json(turn->arena, missing, count);
}

bool permission_has_all(const struct turn *turn, const struct way *way, const struct actor *actor) {
    for (size_t i = 0; i < way->permission_count; i++) {
        if (!roles_permit(&turn->generation->roles, actor, way->permissions[i])) {
            return false;
        }
    }
    return true;
}

static bool asks_permission(const struct way *way) {
    return way->has_permit_function || way->permission_count > 0;
}

static bool deny(struct turn *turn, struct text message) {
    const struct way *way = turn->way;
    turn_refuse(turn, FAULT_PERMISSION_DENIED, message);
    turn->out->required_permissions =
        texts_json(turn->arena, way->permissions, way->permission_count);
    turn->out->missing_permissions = missing_of(turn, way, turn->attempt->actor);
    return false;
}

static struct text lacks(struct turn *turn, const struct js *missing) {
    struct buffer buffer;
    buffer_init(&buffer, turn->arena);
    buffer_print(&buffer, "'%.*s' may not go from '%.*s' to '%.*s': it needs",
                 TEXT_ARGS(turn->attempt->actor->id), TEXT_ARGS(turn->from->name),
                 TEXT_ARGS(turn->to->name));
    for (size_t i = 0; i < missing->array.count; i++) {
        buffer_print(&buffer, "%s '%.*s'", i > 0 ? "," : "",
                     TEXT_ARGS(missing->array.items[i]->string));
    }
    return buffer_view(&buffer);
}

bool permission_check(struct turn *turn) {
    const struct way *way = turn->way;
    const struct actor *actor = turn->attempt->actor;
    if (way == NULL || turn->attempt->skip_permissions || !asks_permission(way)) {
        return true;
    }
    if (actor == NULL) {
        return deny(turn, text_print(turn->arena,
                                     "going from '%.*s' to '%.*s' needs permission, and there is "
                                     "no actor who could have it",
                                     TEXT_ARGS(turn->from->name), TEXT_ARGS(turn->to->name)));
    }
    return permission_has_all(turn, way, actor) ||
           deny(turn, lacks(turn, missing_of(turn, way, actor)));
}

/* stack: [-0, +0]. Calls permit(actor, data, ctx). */
static bool ask(struct turn *turn, int function, struct text *message) {
    lua_State *lua = turn->lua;
    context_push(turn);                            // stack: ctx
    lua_rawgeti(lua, LUA_REGISTRYINDEX, function); // stack: ctx permit
    lua_getfield(lua, -2, "actor");                // stack: ctx permit actor
    value_push(lua, turn->data);                   // stack: ctx permit actor data
    lua_rotate(lua, -4, -1);                       // stack: permit actor data ctx
    lua_call(lua, 3, 2);                           // stack: ok message
    struct speaker speaker = {"the permit function", TEXT_NONE};
    bool allowed = turn_verdict(turn, speaker, message); // stack:
    explain_function(turn, speaker, function, allowed, *message);
    return allowed;
}

bool permission_ask(struct turn *turn) {
    struct text message;
    if (turn->way == NULL || !turn->way->has_permit_function || turn->attempt->skip_permissions ||
        ask(turn, turn->way_functions->permit, &message)) {
        return true;
    }
    return deny(turn, message);
}

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
    members[3] = (struct js_member){TEXT("required_permissions"),
                                    texts_json(arena, way->permissions, way->permission_count)};
    members[4] = (struct js_member){TEXT("final"),
                                    machine->states[way->to_index].final ? &js_true : &js_false};
    members[5] = (struct js_member){TEXT("doc"),
                                    text_given(way->doc) ? js_string(arena, way->doc) : &js_null};
    return js_object(arena, members, text_given(way->doc) ? 6 : 5);
}

/* Asks a permit function as if this way were being taken. */
static bool ask_for(struct survey *survey, size_t index) {
    struct turn *turn = &survey->turn;
    struct text message;
    turn->way = &turn->from->ways[index];
    turn->to = &turn->machine->states[turn->way->to_index];
    return ask(turn, turn->from_functions->ways[index].permit, &message);
}

static bool is_permitted(struct survey *survey, size_t index) {
    const struct way *way = &survey->turn.from->ways[index];
    if (!asks_permission(way)) {
        return true;
    }
    return survey->actor != NULL && permission_has_all(&survey->turn, way, survey->actor) &&
           (!way->has_permit_function || ask_for(survey, index));
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

static bool has_permit_function(const struct state *state) {
    for (size_t i = 0; i < state->way_count; i++) {
        if (state->ways[i].has_permit_function) {
            return true;
        }
    }
    return false;
}

static bool run_survey(struct survey *survey, const struct actor *actor, struct fault *fault) {
    if (actor == NULL || !has_permit_function(survey->turn.from)) {
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
    if (!run_survey(&survey, actor, fault)) {
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
            for (size_t k = 0; k < way->permission_count; k++, count++) {
                if (out != NULL) {
                    out[count] = way->permissions[k];
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
