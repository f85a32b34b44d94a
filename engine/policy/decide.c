/* decide.c: one attempt, from the question to the decision.
 *
 *   policy_decide
 *     way_resolve       which transition? ── invalid_transition, or "already there"
 *     permission_check  names alone       ── permission_denied
 *     judge             in one vm_call when any function takes part, else directly:
 *       way_settle ─ permission_ask ─ prepare_data ─ validate ─ guard ─ effects_run ─ timers_arm ─
 *       settle
 *     warn              what to say of it, when it is allowed
 *
 * Every step returns false once the decision is made. The budget is one for the whole attempt.
 *
 * Rules that the contract leaves open:
 *  1. A permit function sees the stored data: if it saw the patch, a request could make its
 *     sender the owner of what it asks for. The patch is in ctx.patch. Without an actor it is not
 *     even asked. At a creation nothing is stored, and it sees what is sent, with defaults.
 *  2. `require` is a guard on the ways into a state, so a creation does not ask the initial
 *     state's; on_enter and timers of the state created in do run.
 *  3. Data is what C computed (patch, prepare's answer, set and unset), never what a function wrote
 *     into the table it was given: each is given its own.
 *  4. When prepare or validate fails on data that the fields refuse anyway, the fields have the
 *     word: a client's wrong type is not the policy's error.
 *  5. warn sees what the guards saw, before the effects. It is called last, with a budget of its
 * own: if it fails, that is a warning, and stops nobody.
 *  6. A timer's target is a transition of its own, without guard or effect, open only to attempts
 *     that the engine makes for it (attempt.by_engine, which no request can say), with the timer's
 *     reason, and caused by no other attempt.
 *  7. A verb of `choose` is asked before any permit, for it says which permit is meant. It sees the
 *     data as prepared, not yet checked; when it fails on data that the fields refuse, see 4.
 *  8. An attempt that is idempotent and already there changes nothing: no permission is asked, its
 *     patch is not looked at. */
#include <lauxlib.h>

#include "lua/value.h"
#include "policy/explain.h"
#include "policy/permission.h"
#include "policy/rules/fields.h"
#include "policy/turn.h"

static const struct js *strings(struct arena *arena, const struct js *list, struct text text) {
    return js_append(arena, list, js_string(arena, text));
}

/* --- data --- */

static bool has_patch(const struct turn *turn) {
    return js_is(turn->attempt->patch, JS_OBJECT);
}

static void merge(struct turn *turn) {
    if (has_patch(turn)) {
        turn->data = js_merge_patch(turn->arena, turn->stored, turn->attempt->patch);
    }
    if (turn->attempt->kind == ATTEMPT_CREATE) {
        turn->data = fields_with_defaults(turn->arena, turn->machine, turn->data);
    }
}

bool prepare_data(struct turn *turn) {
    bool writes_data = turn->attempt->kind != ATTEMPT_TRANSITION || has_patch(turn);
    const struct js *prepared;
    if (turn->is_prepared) {
        return true;
    }
    turn->is_prepared = true;
    merge(turn);
    if (!turn->machine->has_prepare || !writes_data) {
        return true;
    }
    turn->stage = STAGE_PREPARE;
    turn_call(turn, turn->functions->prepare, 1); // stack: data
    turn->stage = STAGE_LATER;
    if (!turn_read(turn, (struct speaker){"prepare", TEXT_NONE}, &prepared)) { // stack:
        return false;
    }
    if (!js_is(prepared, JS_OBJECT)) {
        return turn_fail(turn, "prepare must return the data, a table, but returned %s",
                         js_type_name(prepared));
    }
    turn->data = fields_settle(turn->arena, turn->machine, turn->data, prepared);
    return true;
}

static bool refuse_data(struct turn *turn, const struct js *errors) {
    struct buffer buffer;
    buffer_init(&buffer, turn->arena);
    buffer_add_text(&buffer, TEXT("the data is not valid: "));
    for (size_t i = 0; i < errors->object.count; i++) {
        const struct js_member *error = &errors->object.members[i];
        buffer_print(&buffer, "%s%.*s %.*s", i > 0 ? "; " : "", TEXT_ARGS(error->key),
                     TEXT_ARGS(js_text(error->value)));
    }
    turn_refuse(turn, FAULT_VALIDATION_FAILED, buffer_view(&buffer));
    turn->out->errors = errors;
    return false;
}

/* validate's own errors, apart from those of the fields. */
static void explain_validate(struct turn *turn, const struct js *before) {
    bool allowed = turn->errors == before;
    explain_function(turn, (struct speaker){"validate", TEXT_NONE}, turn->functions->validate,
                     allowed, TEXT_NONE);
}

/* The fields' own word on a field stands. */
static const struct js *under_errors(const struct turn *turn, const struct js *said) {
    const struct js *all = js_over(turn->arena, said, turn->errors);
    bool is_new = turn->errors == NULL || all->object.count > turn->errors->object.count;
    return is_new ? all : turn->errors;
}

/* Adds what validate said. */
static bool add_errors(struct turn *turn, const struct js *said) {
    if (said != NULL && said->type == JS_ARRAY && said->array.count == 0) {
        return true;
    }
    if (said != NULL && said->type != JS_OBJECT) {
        return turn_fail(turn, "validate must return { field = message } or nil, not %s",
                         js_type_name(said));
    }
    for (size_t i = 0; said != NULL && i < said->object.count; i++) {
        const struct js_member *error = &said->object.members[i];
        if (error->value->type != JS_STRING) {
            return turn_fail(turn, "validate must return a message for '%.*s', not %s",
                             TEXT_ARGS(error->key), js_type_name(error->value));
        }
    }
    if (said != NULL && said->object.count > 0) {
        turn->errors = under_errors(turn, said);
    }
    return true;
}

static bool ask_validate(struct turn *turn) {
    const struct js *said;
    turn->stage = STAGE_VALIDATE;
    turn_call(turn, turn->functions->validate, 1); // stack: errors
    turn->stage = STAGE_LATER;
    const struct js *before = turn->errors;
    if (!turn_read(turn, (struct speaker){"validate", TEXT_NONE}, &said) || // stack:
        !add_errors(turn, said)) {
        return false;
    }
    explain_validate(turn, before);
    return true;
}

static bool validate(struct turn *turn) {
    turn->data = fields_check(turn->arena, turn->machine, turn->data, &turn->errors);
    patch_check(turn);
    if (turn->machine->has_validate && !ask_validate(turn)) {
        return false;
    }
    return turn->errors == NULL || refuse_data(turn, turn->errors);
}

/* --- guards --- */

static const struct js *ask_all(struct turn *turn, struct functions guards, struct speaker speaker,
                                const struct js *refusals) {
    for (size_t i = 0; i < guards.count; i++) {
        struct text message;
        turn_call(turn, guards.references[i], 2);             // stack: ok message
        bool allowed = turn_verdict(turn, speaker, &message); // stack:
        explain_function(turn, speaker, guards.references[i], allowed, message);
        if (!allowed) {
            refusals = strings(turn->arena, refusals, message);
        }
    }
    return refusals;
}

static const struct js *ask_guards(struct turn *turn) {
    if (turn->act != NULL) {
        bool creates = turn->attempt->kind == ATTEMPT_CREATE;
        struct speaker of_act = {creates ? "the guard of create" : "the guard of update",
                                 TEXT_NONE};
        return ask_all(turn, turn->act_functions->guards, of_act, NULL);
    }
    struct speaker guards = {"the guard of the transition to", turn->to->name};
    struct speaker requires = {"the requirement of", turn->to->name};
    const struct js *refusals = NULL;
    if (turn->way_functions != NULL) {
        refusals = ask_all(turn, turn->way_functions->guards, guards, refusals);
    }
    return ask_all(turn, turn->to_functions->requires, requires, refusals);
}

bool guards_ask(struct turn *turn) {
    const struct js *refusals = ask_guards(turn);
    if (refusals == NULL) {
        return true;
    }
    turn_refuse(turn, FAULT_GUARD_REJECTED, turn_join(turn->arena, refusals));
    turn->out->messages = refusals;
    return false;
}

static bool guard(struct turn *turn) {
    turn->guarded = turn->data;
    bool is_guarded = turn->act != NULL && turn->act->has_guard;
    return (turn->attempt->kind != ATTEMPT_TRANSITION && !is_guarded) || guards_ask(turn);
}

/* --- warnings --- */

static bool is_list_of_strings(const struct js *value) {
    for (size_t i = 0; i < value->array.count; i++) {
        if (value->array.items[i]->type != JS_STRING) {
            return false;
        }
    }
    return true;
}

static bool says_nothing(const struct js *said) {
    return said == NULL || said->type == JS_FALSE ||
           (said->type == JS_OBJECT && said->object.count == 0);
}

/* stack: [-1, +0]. Raises what cannot be a warning. */
static void keep_warnings(struct turn *turn) {
    const struct js *said = NULL;
    struct fault fault = FAULT_INIT;
    bool is_read =
        lua_isnil(turn->lua, -1) || value_read(turn->lua, -1, turn->arena, &said, &fault);
    lua_pop(turn->lua, 1); // stack:
    if (!is_read) {
        luaL_error(turn->lua, "%s", fault.message);
    } else if (js_is(said, JS_STRING)) {
        turn->out->warnings = strings(turn->arena, NULL, said->string);
    } else if (js_is(said, JS_ARRAY) && is_list_of_strings(said)) {
        turn->out->warnings = said;
    } else if (!says_nothing(said)) {
        luaL_error(turn->lua, "it must return a string or a list of strings, not %s",
                   js_type_name(said));
    }
}

static int warn_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    turn_call(turn, turn->functions->warn, 1); // stack: warnings
    keep_warnings(turn);                       // stack:
    turn->lua = NULL;
    return 0;
}

/* Rule 5. */
static void warn(struct turn *turn) {
    struct fault fault = FAULT_INIT;
    turn->data = turn->guarded;
    if (!turn_run(turn, warn_protected, &fault)) {
        turn->out->warnings = strings(
            turn->arena, NULL,
            text_print(turn->arena, "the policy's warn function failed: %s", fault.message));
    }
    turn->data = turn->out->data;
}

/* --- the whole --- */

static bool settle(struct turn *turn) {
    turn->out->data = turn->attempt->kind == ATTEMPT_CREATE
                          ? turn->data
                          : fields_without_defaults(turn->arena, turn->machine, turn->data);
    turn->out->warnings = &js_empty_array;
    turn->out->changed =
        turn->attempt->kind != ATTEMPT_UPDATE || !js_equal(turn->data, turn->stored);
    turn->out->timers_changed = turn->attempt->kind != ATTEMPT_UPDATE;
    turn->out->timers_asked = turn->attempt->kind == ATTEMPT_UPDATE && timers_ask(turn);
    return true;
}

static bool judge(struct turn *turn) {
    return way_settle(turn) && permission_ask(turn) && prepare_data(turn) && validate(turn) &&
           guard(turn) && effects_run(turn) && timers_arm(turn) && settle(turn);
}

static int judge_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    judge(turn);
    turn->lua = NULL;
    return 0;
}

static bool has_way_function(const struct turn *turn) {
    bool is_transition = turn->attempt->kind == ATTEMPT_TRANSITION;
    const struct way *way = turn->way;
    return turn->is_choice || turn->is_ambiguous || turn->open_count > 0 ||
           (turn->act != NULL && turn->act->has_guard) ||
           (way != NULL && (way->has_guard || way->has_effect)) ||
           (is_transition && turn->from->has_on_exit) ||
           (turn->to != NULL &&
            ((is_transition && turn->to->has_require) || turn->to->has_on_enter)) ||
           timers_ask(turn);
}

static bool needs_lua(const struct turn *turn) {
    const struct machine *machine = turn->machine;
    return machine->has_prepare || machine->has_validate || has_way_function(turn);
}

/* Lua failed. Rule 4: bad data has the word before the function that stumbled over it. */
static void blame(struct turn *turn, const struct fault *fault) {
    const struct js *errors = turn->errors;
    bool is_early = turn->stage == STAGE_PREPARE || turn->stage == STAGE_CHOOSE;
    if (is_early) {
        (void)fields_check(turn->arena, turn->machine, turn->data, &errors);
    }
    if (errors != NULL && (is_early || turn->stage == STAGE_VALIDATE)) {
        refuse_data(turn, errors);
    } else {
        turn_fail(turn, "%s", fault->message);
    }
}

static bool refuse_machine(struct turn *turn, struct text name) {
    return turn_refuse(
        turn, FAULT_UNKNOWN_MACHINE,
        text_print(turn->arena, "no machine '%.*s' is loaded%.*s", TEXT_ARGS(name),
                   TEXT_ARGS(generation_machine_hint(turn->generation, turn->arena, name))));
}

static void decide(struct turn *turn) {
    struct fault fault = FAULT_INIT;
    if (!way_resolve(turn)) {
        return;
    }
    bool is_late = turn->is_ambiguous || turn->is_choice; /* way_settle checks */
    if (turn->attempt->kind == ATTEMPT_CREATE && turn->act != NULL) {
        merge(turn); /* for permits: rule 1 */
    }
    if (!is_late && !permission_check(turn)) {
        return;
    }
    if (!needs_lua(turn)) {
        judge(turn);
    } else if (!turn_run(turn, judge_protected, &fault)) {
        blame(turn, &fault);
    }
    if (turn->out->code == FAULT_NONE && turn->machine->has_warn) {
        warn(turn);
    }
}

bool policy_decide(struct policy policy, struct arena *arena, const struct attempt *attempt,
                   const struct entity *entity, int64_t now_us, const struct policy_reads *reads,
                   struct decision *out, struct fault *fault) {
    const struct machine *machine = generation_machine(policy.generation, attempt->machine);
    struct turn turn = {.generation = policy.generation, .arena = arena, .out = out};
    struct explanation explanation = {&js_empty_array, &js_empty_array};
    *out = (struct decision){.from = entity->exists ? entity->state : TEXT_NONE};
    if (machine == NULL) {
        refuse_machine(&turn, attempt->machine);
        return true;
    }
    turn_init(&turn, policy, arena, machine, entity);
    turn.attempt = attempt;
    turn.now_us = now_us;
    turn.entered_us = attempt->kind == ATTEMPT_UPDATE ? entity->entered_us : now_us;
    turn.reads = reads;
    turn.out = out;
    turn.explanation = attempt->explain ? &explanation : NULL;
    decide(&turn);
    if (turn.read_fault.code != FAULT_NONE) {
        *fault = turn.read_fault;
        return false;
    }
    if (attempt->explain) {
        out->explanation = explain(&turn);
    }
    return true;
}
