/* decide_timers.c: the timers of an entity, from its state, its data and its times.
 *
 * A duration counts from the instant at which the entity entered its state. ctx.now of a delay
 * function is the time of the latest change of the entity. So what comes out is the same whenever
 * it is asked, as long as neither the entity nor the rules have changed: asking again, at a change
 * of the data or because the rules are new, never starts a timer anew. */
#include "policy/turn.h"

#include "timezone/instant.h"

static int64_t later(int64_t from_us, int64_t delay_us) {
    int64_t due_us;
    return __builtin_add_overflow(from_us, delay_us, &due_us) ? INT64_MAX : due_us;
}

/* A duration, an instant, or an instant as RFC 3339 text. */
static bool read_due(struct turn *turn, const struct js *answer, int64_t *due_us) {
    struct fault fault = FAULT_INIT;
    int64_t time_us;
    int offset_minutes;
    if (js_is(answer, JS_INTEGER)) {
        *due_us = answer->integer;
        return true;
    }
    if (!js_is(answer, JS_STRING)) {
        return turn_fail(turn, "a timer's delay must be a duration or an instant, not %s",
                         js_type_name(answer));
    }
    if (instant_parse(answer->string, &time_us, &offset_minutes, &fault)) {
        *due_us = time_us;
        return true;
    }
    if (!instant_parse_duration(answer->string, &time_us, &fault)) {
        return turn_fail(turn, "a timer's delay must be a duration or an instant: %s",
                         fault.message);
    }
    *due_us = later(turn->entered_us, time_us);
    return true;
}

/* nil arms nothing. */
static bool ask_due(struct turn *turn, int function, bool *is_armed, int64_t *due_us) {
    const struct js *answer;
    turn_call(turn, function, 1); // stack: answer
    if (!turn_read(turn, (struct speaker){"a timer's delay", TEXT_NONE}, &answer)) { // stack:
        return false;
    }
    *is_armed = answer != NULL && answer->type != JS_FALSE;
    return !*is_armed || read_due(turn, answer, due_us);
}

/* The state whose timers may be others afterwards; NULL: nothing happens to them. */
static const struct state *asked_state(const struct turn *turn) {
    if (turn->to != NULL) {
        return turn->to;
    }
    return turn->from != NULL && state_asks_delay(turn->from) ? turn->from : NULL;
}

bool timers_ask(const struct turn *turn) {
    const struct state *state = asked_state(turn);
    return state != NULL && state_asks_delay(state);
}

static bool arm(struct turn *turn, const struct state *state, const int *delays) {
    struct timer *timers = ARENA_ARRAY(turn->arena, struct timer, state->timer_count);
    size_t count = 0;
    for (size_t i = 0; i < state->timer_count; i++) {
        const struct timer_rule *rule = &state->timers[i];
        int64_t due_us = later(turn->entered_us, rule->delay_us);
        bool is_armed = true;
        if (rule->has_delay_function && !ask_due(turn, delays[i], &is_armed, &due_us)) {
            return false;
        }
        if (is_armed) {
            timers[count++] = (struct timer){due_us, rule->to, rule->reason, rule->comments,
                                             rule->has_delay_function};
        }
    }
    turn->out->timers = timers;
    turn->out->timer_count = count;
    return true;
}

bool timers_arm(struct turn *turn) {
    const struct state *state = asked_state(turn);
    const struct state_functions *functions =
        turn->to != NULL ? turn->to_functions : turn->from_functions;
    return state == NULL || arm(turn, state, functions->delays);
}

/* --- of an entity that stays as it is --- */

static int arm_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    arm(turn, turn->from, turn->from_functions->delays);
    turn->lua = NULL;
    return 0;
}

static void arm_all(struct turn *turn) {
    struct fault fault = FAULT_INIT;
    if (!state_asks_delay(turn->from)) {
        arm(turn, turn->from, turn->from_functions->delays);
    } else if (!turn_run(turn, arm_protected, &fault)) {
        turn_fail(turn, "%s", fault.message);
    }
}

bool policy_timers(struct policy policy, struct arena *arena, const struct entity *entity,
                   const struct policy_reads *reads, struct decision *out, struct fault *fault) {
    const struct machine *machine = generation_machine(policy.generation, entity->machine);
    struct attempt attempt = {.kind = ATTEMPT_UPDATE, .machine = entity->machine, .id = entity->id};
    struct turn turn;
    *out = (struct decision){.from = entity->state, .to = entity->state};
    if (machine == NULL) {
        out->code = FAULT_UNKNOWN_MACHINE;
        return true;
    }
    turn_init(&turn, policy, arena, machine, entity);
    turn.attempt = &attempt;
    turn.now_us = entity->updated_us;
    turn.entered_us = entity->entered_us;
    turn.reads = reads;
    turn.out = out;
    if (turn.from == NULL) {
        out->code = FAULT_INVALID_TRANSITION;
        return true;
    }
    arm_all(&turn);
    if (turn.read_fault.code != FAULT_NONE) {
        *fault = turn.read_fault;
        return false;
    }
    return true;
}
