/* decide.c: one attempt, from the question to the decision.
 *
 *   policy_decide
 *     resolve           which way?        ── invalid_transition, or "already there"
 *     permission_check  permissions        ── permission_denied
 *     judge             in one vm_call when any function takes part, else directly:
 *       permission_ask ─ prepare ─ validate ─ guard ─ warn ─ effects_run ─ effects_arm ─ settle
 *
 * Every step returns false once the decision is made. The budget is one for the whole attempt.
 *
 * Rules that the contract leaves open:
 *  1. A permit function sees the stored data: if it saw the patch, a request could make its sender the
 *     owner of what it asks for. The patch is in ctx.patch. Without an actor it is not even asked.
 *  2. `require` is a guard on the ways into a state, so a creation does not ask the initial state's;
 *     on_enter and timers of the state created in do run.
 *  3. Data is what C computed (patch, prepare's answer, set and unset), never what a function wrote
 *     into the table it was lent.
 *  4. When prepare or validate fails on data that the fields refuse anyway, the fields have the word:
 *     a client's wrong type is not the policy's error.
 *  5. warn sees what the guards saw, before the effects.
 *  6. A timer's target is a way of its own, without guard or effect, open only to attempts that the
 *     engine makes for it: skip_permissions, the timer's reason, and caused by no other attempt.
 *  7. An attempt that is idempotent and already there changes nothing: no permission is asked, its
 *     patch is not looked at. */
#include "policy/bridge.h"
#include "policy/context.h"
#include "policy/fields.h"
#include "policy/turn.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_BYTES_MOST 2000

/* --- answers --- */

bool turn_refuse(struct turn *turn, enum fault_code code, struct text message) {
    struct decision *out = turn->out;
    *out = (struct decision){
        .code = code, .message = message, .from = out->from, .to = out->to};
    return false;
}

bool turn_fail(struct turn *turn, const char *format, ...) {
    char sentence[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    text_mend_utf8(sentence, strlen(sentence));
    return turn_refuse(turn, FAULT_POLICY_ERROR,
                       text_print(turn->arena, "the policy of '%.*s' failed: %s",
                                  TEXT_ARGS(turn->machine->name), sentence));
}

static const struct js *strings(struct arena *arena, const struct js *list, struct text text) {
    return js_append(arena, list, js_string(arena, text));
}

/* --- calling --- */

void turn_push_context(struct turn *turn) {
    if (!turn->has_context) {
        context_push(turn);                   // stack: ctx
        lua_replace(turn->lua, TURN_CONTEXT); // stack:
        turn->has_context = true;
    }
}

void turn_push_data(struct turn *turn) {
    if (turn->pushed != turn->data) {
        bridge_push(turn->lua, turn->data); // stack: data
        lua_replace(turn->lua, TURN_DATA);  // stack:
        turn->pushed = turn->data;
    }
}

void turn_call(struct turn *turn, int function, int results) {
    turn_push_data(turn);
    turn_push_context(turn);
    lua_rawgeti(turn->lua, LUA_REGISTRYINDEX, function); // stack: function
    lua_pushvalue(turn->lua, TURN_DATA);                 // stack: function data
    lua_pushvalue(turn->lua, TURN_CONTEXT);              // stack: function data ctx
    lua_call(turn->lua, 2, results);                     // stack: results
}

/* A policy's words: well-formed, and not a novel. TEXT_NONE when there is no string. */
static struct text words_at(struct turn *turn, int index) {
    struct text raw;
    if (lua_type(turn->lua, index) != LUA_TSTRING) {
        return TEXT_NONE;
    }
    raw.bytes = lua_tolstring(turn->lua, index, &raw.length);
    raw.length = raw.length < MESSAGE_BYTES_MOST ? raw.length : MESSAGE_BYTES_MOST;
    char *bytes = arena_alloc(turn->arena, raw.length + 1);
    memcpy(bytes, raw.bytes, raw.length);
    text_mend_utf8(bytes, raw.length);
    return raw.length > 0 ? (struct text){bytes, raw.length} : TEXT_NONE;
}

bool turn_verdict(struct turn *turn, const char *what, struct text *message) {
    lua_State *lua = turn->lua;
    int type = lua_type(lua, -2);
    bool allows = type == LUA_TBOOLEAN && lua_toboolean(lua, -2);
    *message = TEXT_NONE;
    if (type != LUA_TBOOLEAN && type != LUA_TNIL) {
        *message = text_print(turn->arena, "%s answered with a %s; only true allows", what,
                              lua_typename(lua, type));
    } else if (!allows) {
        *message = words_at(turn, -1);
        if (!text_given(*message)) {
            *message = text_print(turn->arena, "%s refused and gave no message", what);
        }
    }
    lua_pop(lua, 2); // stack:
    return allows;
}

bool turn_read(struct turn *turn, const char *what, const struct js **out) {
    struct fault fault = FAULT_INIT;
    *out = NULL;
    bool is_read = lua_isnil(turn->lua, -1) ||
                   bridge_read(turn->lua, -1, turn->arena, out, &fault);
    lua_pop(turn->lua, 1); // stack:
    return is_read || turn_fail(turn, "%s gave what cannot be stored: %s", what, fault.message);
}

/* --- which way --- */

static const char *list_states(struct turn *turn, const struct js *names) {
    struct buffer buffer;
    buffer_init(&buffer, turn->arena);
    for (size_t i = 0; i < names->array.count; i++) {
        buffer_print(&buffer, "%s'%.*s'", i > 0 ? ", " : "",
                     TEXT_ARGS(names->array.items[i]->string));
    }
    return text_cstring(turn->arena, buffer_view(&buffer));
}

static const struct js *reachable(struct turn *turn) {
    size_t count = turn->from != NULL ? turn->from->way_count : 0;
    struct text *names = ARENA_ARRAY(turn->arena, struct text, count);
    for (size_t i = 0; i < count; i++) {
        names[i] = turn->from->ways[i].to;
    }
    return texts_json(turn->arena, names, count);
}

static bool refuse_way(struct turn *turn, struct text message) {
    turn_refuse(turn, FAULT_INVALID_TRANSITION, message);
    turn->out->allowed = reachable(turn);
    return false;
}

static struct text nearest_verb(const struct turn *turn, struct text verb) {
    struct text *verbs = ARENA_ARRAY(turn->arena, struct text, turn->from->way_count);
    size_t count = 0;
    for (size_t i = 0; i < turn->from->way_count; i++) {
        if (text_given(turn->from->ways[i].name)) {
            verbs[count++] = turn->from->ways[i].name;
        }
    }
    return problem_hint(turn->arena, verb, verbs, count);
}

static bool refuse_verb(struct turn *turn) {
    struct text verb = turn->attempt->verb;
    return refuse_way(turn, text_print(turn->arena,
                                       "%.*s has no transition '%.*s' from '%.*s'%.*s",
                                       TEXT_ARGS(turn->machine->name), TEXT_ARGS(verb),
                                       TEXT_ARGS(turn->from->name),
                                       TEXT_ARGS(nearest_verb(turn, verb))));
}

static bool refuse_target(struct turn *turn) {
    struct arena *arena = turn->arena;
    struct text machine = turn->machine->name, to = turn->attempt->to, from = turn->from->name;
    const struct js *allowed = reachable(turn);
    if (machine_state(turn->machine, to) == NULL) {
        struct text hint = machine_state_hint(arena, turn->machine, to);
        return refuse_way(turn, text_print(arena, "%.*s has no state '%.*s'%.*s",
                                           TEXT_ARGS(machine), TEXT_ARGS(to), TEXT_ARGS(hint)));
    }
    if (allowed->array.count == 0) {
        return refuse_way(turn, text_print(arena, "%.*s cannot go from '%.*s' to '%.*s': '%.*s' "
                                                  "has no way out",
                                           TEXT_ARGS(machine), TEXT_ARGS(from), TEXT_ARGS(to),
                                           TEXT_ARGS(from)));
    }
    return refuse_way(turn, text_print(arena, "%.*s cannot go from '%.*s' to '%.*s', only to %s",
                                       TEXT_ARGS(machine), TEXT_ARGS(from), TEXT_ARGS(to),
                                       list_states(turn, allowed)));
}

/* Sets what belongs to the state entered. */
static void enter(struct turn *turn, size_t to_index) {
    turn->to = &turn->machine->states[to_index];
    turn->to_functions = &turn->functions->states[to_index];
    turn->out->to = turn->to->name;
}

static bool resolve_create(struct turn *turn) {
    const struct machine *machine = turn->machine;
    struct text wanted = turn->attempt->to;
    const struct state *state = text_given(wanted) ? machine_state(machine, wanted)
                                                   : &machine->states[machine->initial];
    if (state == NULL) {
        struct text hint = machine_state_hint(turn->arena, machine, wanted);
        return refuse_way(turn, text_print(turn->arena, "%.*s has no state '%.*s'%.*s",
                                           TEXT_ARGS(machine->name), TEXT_ARGS(wanted),
                                           TEXT_ARGS(hint)));
    }
    enter(turn, (size_t)(state - machine->states));
    return true;
}

/* Does the attempt ask for where the entity is? A verb does, if some way of that name leads here. */
static bool is_there_already(const struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    if (text_given(attempt->to) && !text_equal(attempt->to, turn->entity->state)) {
        return false;
    }
    for (size_t i = 0; text_given(attempt->verb) && i < turn->machine->state_count; i++) {
        if (machine_way(&turn->machine->states[i], turn->entity->state, attempt->verb) != NULL) {
            return true;
        }
    }
    return !text_given(attempt->verb) && text_given(attempt->to);
}

/* The decision is that nothing happens. */
static bool stay(struct turn *turn) {
    *turn->out = (struct decision){.from = turn->entity->state,
                                   .to = turn->entity->state,
                                   .data = turn->stored,
                                   .warnings = &js_empty_array};
    return false;
}

/* A timer of this state that the engine has come to carry out; NULL: there is none. */
static const struct timer_rule *timer_way(const struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    bool is_engine = attempt->skip_permissions && !text_given(attempt->caused_by) &&
                     !text_given(attempt->verb);
    for (size_t i = 0; is_engine && i < turn->from->timer_count; i++) {
        const struct timer_rule *timer = &turn->from->timers[i];
        if (text_equal(timer->to, attempt->to) && text_equal(timer->reason, attempt->reason)) {
            return timer;
        }
    }
    return NULL;
}

static bool take_way(struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    turn->way = machine_way(turn->from, attempt->to, attempt->verb);
    if (turn->way != NULL) {
        turn->way_functions = &turn->from_functions->ways[turn->way - turn->from->ways];
        enter(turn, turn->way->to_index);
        return true;
    }
    const struct timer_rule *timer = timer_way(turn);
    if (timer != NULL) {
        enter(turn, timer->to_index);
        return true;
    }
    return text_given(attempt->verb) ? refuse_verb(turn) : refuse_target(turn);
}

static bool resolve_transition(struct turn *turn) {
    if (turn->attempt->idempotent && is_there_already(turn)) {
        return stay(turn);
    }
    if (turn->from == NULL) {
        return refuse_way(turn, text_print(turn->arena, "%.*s has no state '%.*s' any more",
                                           TEXT_ARGS(turn->machine->name),
                                           TEXT_ARGS(turn->entity->state)));
    }
    return take_way(turn);
}

static bool resolve(struct turn *turn) {
    switch (turn->attempt->kind) {
    case ATTEMPT_CREATE:
        return resolve_create(turn);
    case ATTEMPT_UPDATE:
        turn->out->to = turn->entity->state;
        return true;
    case ATTEMPT_TRANSITION:
        return resolve_transition(turn);
    }
    return false;
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

static bool prepare(struct turn *turn) {
    bool writes_data = turn->attempt->kind != ATTEMPT_TRANSITION || has_patch(turn);
    const struct js *prepared;
    merge(turn);
    if (!turn->machine->has_prepare || !writes_data) {
        return true;
    }
    turn->stage = STAGE_PREPARE;
    turn_call(turn, turn->functions->prepare, 1); // stack: data
    turn->stage = STAGE_LATER;
    if (!turn_read(turn, "prepare", &prepared)) { // stack:
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

/* Adds what validate said; the fields' own word on a field stands. */
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
        if (js_find(turn->errors, error->key) == NULL) {
            turn->errors = js_with(turn->arena, turn->errors, error->key, error->value);
        }
    }
    return true;
}

static bool ask_validate(struct turn *turn) {
    const struct js *said;
    turn->stage = STAGE_VALIDATE;
    turn_call(turn, turn->functions->validate, 1); // stack: errors
    turn->stage = STAGE_LATER;
    return turn_read(turn, "validate", &said) && add_errors(turn, said); // stack:
}

static bool validate(struct turn *turn) {
    turn->data = fields_check(turn->arena, turn->machine, turn->data, &turn->errors);
    if (turn->machine->has_validate && !ask_validate(turn)) {
        return false;
    }
    return turn->errors == NULL || refuse_data(turn, turn->errors);
}

/* --- guards --- */

static const struct js *ask_all(struct turn *turn, struct functions guards, const char *what,
                                const struct js *refusals) {
    for (size_t i = 0; i < guards.count; i++) {
        struct text message;
        turn_call(turn, guards.references[i], 2);  // stack: ok message
        if (!turn_verdict(turn, what, &message)) { // stack:
            refusals = strings(turn->arena, refusals, message);
        }
    }
    return refusals;
}

static struct text join(struct arena *arena, const struct js *messages) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < messages->array.count; i++) {
        buffer_add_text(&buffer, i > 0 ? TEXT("; ") : TEXT(""));
        buffer_add_text(&buffer, messages->array.items[i]->string);
    }
    return buffer_view(&buffer);
}

static const struct js *ask_guards(struct turn *turn) {
    char what[512];
    const struct js *refusals = NULL;
    if (turn->way_functions != NULL && turn->way_functions->guards.count > 0) {
        snprintf(what, sizeof what, "the guard from '%.*s' to '%.*s'", TEXT_ARGS(turn->from->name),
                 TEXT_ARGS(turn->to->name));
        refusals = ask_all(turn, turn->way_functions->guards, what, refusals);
    }
    if (turn->to_functions->requires.count > 0) {
        snprintf(what, sizeof what, "the requirement of '%.*s'", TEXT_ARGS(turn->to->name));
        refusals = ask_all(turn, turn->to_functions->requires, what, refusals);
    }
    return refusals;
}

static bool guard(struct turn *turn) {
    if (turn->attempt->kind != ATTEMPT_TRANSITION) {
        return true;
    }
    const struct js *refusals = ask_guards(turn);
    if (refusals == NULL) {
        return true;
    }
    turn_refuse(turn, FAULT_GUARD_REJECTED, join(turn->arena, refusals));
    turn->out->messages = refusals;
    return false;
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

static bool keep_warnings(struct turn *turn, const struct js *said) {
    if (said == NULL || said->type == JS_FALSE ||
        (said->type == JS_OBJECT && said->object.count == 0)) {
        return true;
    }
    if (said->type == JS_STRING) {
        turn->out->warnings = strings(turn->arena, NULL, said->string);
    } else if (said->type == JS_ARRAY && is_list_of_strings(said)) {
        turn->out->warnings = said;
    } else {
        return turn_fail(turn, "warn must return a string or a list of strings, not %s",
                         js_type_name(said));
    }
    return true;
}

static bool warn(struct turn *turn) {
    const struct js *said;
    turn->out->warnings = &js_empty_array;
    if (!turn->machine->has_warn) {
        return true;
    }
    turn_call(turn, turn->functions->warn, 1); // stack: warnings
    return turn_read(turn, "warn", &said) && keep_warnings(turn, said);
}

/* --- the whole --- */

static bool settle(struct turn *turn) {
    turn->out->data = turn->data;
    turn->out->changed =
        turn->attempt->kind != ATTEMPT_UPDATE || !js_equal(turn->data, turn->stored);
    turn->out->timers_changed = turn->attempt->kind != ATTEMPT_UPDATE;
    return true;
}

static bool judge(struct turn *turn) {
    return permission_ask(turn) && prepare(turn) && validate(turn) && guard(turn) && warn(turn) &&
           effects_run(turn) && effects_arm(turn) && settle(turn);
}

static int judge_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    lua_settop(lua, TURN_CONTEXT); // stack: turn data ctx
    judge(turn);
    turn->lua = NULL;
    return 0;
}

static bool has_timer_function(const struct state *state) {
    for (size_t i = 0; i < state->timer_count; i++) {
        if (state->timers[i].has_delay_function) {
            return true;
        }
    }
    return false;
}

static bool has_way_function(const struct turn *turn) {
    bool is_transition = turn->attempt->kind == ATTEMPT_TRANSITION;
    const struct way *way = turn->way;
    return (way != NULL && (way->has_permit_function || way->has_guard || way->has_effect)) ||
           (is_transition && turn->from->has_on_exit) ||
           (turn->to != NULL && ((is_transition && turn->to->has_require) ||
                                 turn->to->has_on_enter || has_timer_function(turn->to)));
}

static bool needs_lua(const struct turn *turn) {
    const struct machine *machine = turn->machine;
    return machine->has_prepare || machine->has_validate || machine->has_warn ||
           has_way_function(turn);
}

/* Lua failed. Rule 4: bad data has the word before the function that stumbled over it. */
static void blame(struct turn *turn, const struct fault *fault) {
    const struct js *errors = turn->errors;
    if (turn->stage == STAGE_PREPARE) {
        (void)fields_check(turn->arena, turn->machine, turn->data, &errors);
    }
    if (errors != NULL && (turn->stage == STAGE_PREPARE || turn->stage == STAGE_VALIDATE)) {
        refuse_data(turn, errors);
    } else {
        turn_fail(turn, "%s", fault->message);
    }
}

bool turn_run(struct turn *turn, lua_CFunction body, struct fault *fault) {
    struct vm *vm = turn->seat->vm;
    lua_State *lua = vm_lua(vm);
    vm_set_now(vm, turn->now_us);
    turn->seat->turn = turn;
    lua_pushcfunction(lua, body);       // stack: body
    lua_pushlightuserdata(lua, turn);   // stack: body turn
    bool ok = vm_call(vm, 1, 0, fault); // stack:
    turn->seat->turn = NULL;
    turn->lua = NULL;
    return ok;
}

void turn_init(struct turn *turn, struct policy policy, struct arena *arena,
               const struct machine *machine, const struct entity *entity) {
    const struct generation *generation = policy.generation;
    *turn = (struct turn){.generation = generation,
                          .seat = &policy.generation->seats[policy.vm],
                          .arena = arena,
                          .machine = machine,
                          .entity = entity};
    turn->functions = &turn->seat->machines[machine - generation->machines];
    turn->stored = js_is(entity->data, JS_OBJECT) ? entity->data : &js_empty_object;
    if (entity->exists) {
        turn->from = machine_state(machine, entity->state);
    } else {
        turn->stored = &js_empty_object;
    }
    if (turn->from != NULL) {
        turn->from_functions = &turn->functions->states[turn->from - machine->states];
    }
    turn->data = turn->stored;
}

static bool refuse_machine(struct turn *turn, struct text name) {
    return turn_refuse(
        turn, FAULT_UNKNOWN_MACHINE,
        text_print(turn->arena, "no machine '%.*s' is loaded%.*s", TEXT_ARGS(name),
                   TEXT_ARGS(generation_machine_hint(turn->generation, turn->arena, name))));
}

static void decide(struct turn *turn) {
    struct fault fault = FAULT_INIT;
    if (!resolve(turn) || !permission_check(turn)) {
        return;
    }
    if (!needs_lua(turn)) {
        judge(turn);
    } else if (!turn_run(turn, judge_protected, &fault)) {
        blame(turn, &fault);
    }
}

bool policy_decide(struct policy policy, struct arena *arena, const struct attempt *attempt,
                   const struct entity *entity, int64_t now_us, const struct policy_reads *reads,
                   struct decision *out, struct fault *fault) {
    const struct machine *machine = generation_machine(policy.generation, attempt->machine);
    struct turn turn = {.generation = policy.generation, .arena = arena, .out = out};
    *out = (struct decision){.from = entity->exists ? entity->state : TEXT_NONE};
    if (machine == NULL) {
        refuse_machine(&turn, attempt->machine);
        return true;
    }
    turn_init(&turn, policy, arena, machine, entity);
    turn.attempt = attempt;
    turn.now_us = now_us;
    turn.reads = reads;
    turn.out = out;
    decide(&turn);
    if (turn.read_fault.code != FAULT_NONE) {
        *fault = turn.read_fault;
        return false;
    }
    return true;
}
