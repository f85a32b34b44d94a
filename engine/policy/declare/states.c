/* states.c: the states of a machine and their timers. Transitions are in transitions.c. */
#include "policy/declare/declare.h"
#include "policy/declare/transitions.h"

#include "timezone/instant.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TIMERS_MOST  100 /* in one state */
#define GUARD_EXPECTED                                                                             \
    "a function (data, ctx) -> ok, message, or a list of up to 100 such functions"
#define EFFECT_EXPECTED "a function (data, ctx) -> effects, or a list of up to 100 such functions"

static const struct key_rule state_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"final", KIND_BOOLEAN, "true or false"},
    {"to", KIND_TABLE, "a table of STATE = true or STATE = {...}"},
    {"update", KIND_TABLE,
     "a table such as { permit = '...', guard = function (data, ctx) -> ok }"},
    {"choose", KIND_TABLE, "a table of verb = function (data, ctx) -> state"},
    {"require", KIND_FUNCTIONS, GUARD_EXPECTED},
    {"on_enter", KIND_FUNCTIONS, EFFECT_EXPECTED},
    {"on_exit", KIND_FUNCTIONS, EFFECT_EXPECTED},
    {"renamed_from", KIND_TEXT, "the name that the state had before"},
    {"after", KIND_TABLE, "a timer { delay =, to = } or a list of timers"},
};

/* The state ["*"]. */
static const struct key_rule any_keys[] = {
    {"to", KIND_TABLE, "a table of STATE = true or STATE = {...}"},
};

static const struct key_rule timer_keys[] = {
    {"delay", KIND_TEXT | KIND_FUNCTION,
     "a duration such as '24h', or a function (data, ctx) -> duration or instant"},
    {"to", KIND_TEXT, "the name of a state"},
    {"reason", KIND_TEXT, "a string"},
    {"comments", KIND_TEXT, "a string"},
    {"retry", KIND_TEXT, "a duration such as '1h'"},
};

/* --- timers --- */

static void read_delay(struct check *check, int table, const struct key_path *at,
                       struct timer_rule *out) {
    struct key_path path = {at, TEXT("delay"), 0};
    out->has_delay_function = check_has_function(check, table, at, "delay");
    out->delay = check_text(check, table, "delay");
    out->delay_us = check_duration(check, table, at, "delay", 0);
    if (!check_has(check, table, "delay")) {
        check_problem(check, at, "'delay' is missing: a duration such as '24h', or a function");
    } else if (out->delay_us < 0) {
        check_problem(check, &path, "a timer cannot fire before it is armed");
    }
}

static void read_retry(struct check *check, int table, const struct key_path *at,
                       struct timer_rule *out) {
    struct key_path path = {at, TEXT("retry"), 0};
    out->retry = check_text(check, table, "retry");
    if (!text_given(out->retry)) {
        return;
    }
    out->retry_us = check_duration(check, table, at, "retry", 1);
    if (out->retry_us <= 0) {
        check_problem(check, &path, "it must be longer than zero");
    }
}

/* stack: [-0, +0]. The timer is on top. */
static void read_timer(struct check *check, const struct key_path *at, struct names states,
                       struct timer_rule *out) {
    int table = lua_gettop(check->lua);
    struct key_path to = {at, TEXT("to"), 0};
    *out = (struct timer_rule){.reason = TEXT("system_auto")};
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        check_problem(check, at, "it must be a timer { delay =, to = }");
        return;
    }
    check_keys(check, table, at, timer_keys, COUNT(timer_keys));
    read_delay(check, table, at, out);
    read_retry(check, table, at, out);
    out->comments = check_text(check, table, "comments");
    struct text reason = check_text(check, table, "reason");
    out->reason = text_given(reason) ? reason : out->reason;
    if (text_given(reason) && !attempt_is_reason(reason)) {
        struct key_path path = {at, TEXT("reason"), 0};
        check_reference(check, &path, "reason", reason, attempt_reasons, attempt_reason_count);
    }
    out->to = check_text(check, table, "to");
    if (text_given(out->to)) {
        int64_t index = check_reference(check, &to, "state", out->to, states.items, states.count);
        out->to_index = index >= 0 ? (size_t)index : 0;
    } else if (!check_has(check, table, "to")) {
        check_problem(check, at, "'to' is missing: the state that the timer leads to");
    }
}

static void keep_timers(struct check *check, struct timer_rule *timers, size_t count,
                        struct state *out) {
    struct text *targets = ARENA_ARRAY(check->arena, struct text, count);
    for (size_t i = 0; i < count; i++) {
        targets[i] = timers[i].to;
    }
    out->timers = timers;
    out->timer_to = targets;
    out->timer_count = count;
}

/* stack: [-0, +0]. The value of `after` is on top: a list, if it has a first item. */
static void read_timers(struct check *check, const struct key_path *at, struct names states,
                        struct state *out) {
    size_t length = lua_rawlen(check->lua, -1);
    if (length > TIMERS_MOST) {
        check_problem(check, at, "there are more than %d timers", TIMERS_MOST);
        return;
    }
    if (!check_afford(check, at, length + 1)) {
        return;
    }
    struct timer_rule *timers = ARENA_ARRAY(check->arena, struct timer_rule, length + 1);
    if (length == 0) {
        read_timer(check, at, states, &timers[0]);
        keep_timers(check, timers, 1, out);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        struct key_path path = {at, TEXT_NONE, i + 1};
        lua_rawgeti(check->lua, -1, (lua_Integer)i + 1); // stack: after timer
        read_timer(check, &path, states, &timers[i]);
        lua_pop(check->lua, 1); // stack: after
    }
    keep_timers(check, timers, length, out);
}

/* --- states --- */

static void report_ends(struct check *check, const struct key_path *at, const struct state *state) {
    if (state->final && state->way_count > 0) {
        struct key_path path = {at, TEXT("to"), 0};
        check_problem(check, &path, "a final state has no transitions");
    }
    if (state->final && state->choice_count > 0) {
        struct key_path path = {at, TEXT("choose"), 0};
        check_problem(check, &path,
                      "a final state has no transitions, so there is nothing to choose");
    }
    if (state->final && state->timer_count > 0) {
        struct key_path path = {at, TEXT("after"), 0};
        check_problem(check, &path, "a final state has no timers, because it has no transitions");
    }
}

/* Transitions, choices and timers of the state whose table is at `table`. */
static void read_exits(struct check *check, int table, const struct key_path *at,
                       struct names states, struct state *out) {
    struct key_path to = {at, TEXT("to"), 0}, choose = {at, TEXT("choose"), 0},
                    after = {at, TEXT("after"), 0};
    if (check_push(check, table, to.name) == LUA_TTABLE) { // stack: to
        transitions_read(check, &to, states, out);
    }
    if (check_push(check, table, choose.name) == LUA_TTABLE) { // stack: to choose
        choices_read(check, &choose, out);
    }
    if (check_push(check, table, after.name) == LUA_TTABLE) { // stack: to choose after
        read_timers(check, &after, states, out);
    }
    lua_pop(check->lua, 3); // stack:
}

/* stack: [-0, +0]. The state's table is on top. */
static void read_state(struct check *check, const struct key_path *at, struct names states,
                       struct state *out) {
    int table = lua_gettop(check->lua);
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        check_problem(check, at, "it must be a table such as { to = { STATE = true } }");
        return;
    }
    check_keys(check, table, at, state_keys, COUNT(state_keys));
    out->doc = check_text(check, table, "doc");
    out->renamed_from = check_text(check, table, "renamed_from");
    out->final = check_flag(check, table, "final");
    out->has_require = check_has_function(check, table, at, "require");
    out->has_on_enter = check_has_function(check, table, at, "on_enter");
    out->has_on_exit = check_has_function(check, table, at, "on_exit");
    declare_check_act(check, table, at, "update", true, &out->update);
    read_exits(check, table, at, states, out);
    report_ends(check, at, out);
}

/* A former name leads to one state, which is not what it says. */
static void check_former_name(struct check *check, const struct key_path *at,
                              const struct machine *machine, const struct state *state) {
    struct key_path path = {&(struct key_path){at, state->name, 0}, TEXT("renamed_from"), 0};
    struct text former = state->renamed_from;
    if (!entity_is_state(former)) {
        check_problem(check, &path, "'%.*s' is not a state name", TEXT_ARGS(former));
    } else if (machine_state(machine, former) != NULL) {
        check_problem(check, &path,
                      "the state '%.*s' is still declared; rename it or keep it, not both",
                      TEXT_ARGS(former));
    } else if (machine_state_once(machine, former) != state) {
        check_problem(check, &path, "'%.*s' has also become '%.*s'; choose one of the two",
                      TEXT_ARGS(former), TEXT_ARGS(machine_state_once(machine, former)->name));
    }
}

static void check_former_names(struct check *check, const struct key_path *at,
                               struct machine *out) {
    for (size_t i = 0; i < out->state_count; i++) {
        out->has_renamed_states =
            out->has_renamed_states || text_given(out->states[i].renamed_from);
    }
    for (size_t i = 0; i < out->state_count; i++) {
        if (text_given(out->states[i].renamed_from)) {
            check_former_name(check, at, out, &out->states[i]);
        }
    }
}

/* stack: [-0, +0]. The table of ["*"] is on top. */
static void read_any(struct check *check, const struct key_path *at, struct names states,
                     struct state *out) {
    int table = lua_gettop(check->lua);
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        check_problem(check, at, "it must be a table such as { to = { STATE = true } }");
        return;
    }
    check_keys(check, table, at, any_keys, COUNT(any_keys));
    read_exits(check, table, at, states, out);
}

/* Takes ["*"], which is no state, out of the names. Whether it was there. */
static bool take_any(struct names *states) {
    struct text *items = (struct text *)(uintptr_t)states->items;
    for (size_t i = 0; i < states->count; i++) {
        if (text_equal(items[i], TEXT("*"))) {
            memmove(items + i, items + i + 1, (--states->count - i) * sizeof *items);
            return true;
        }
    }
    return false;
}

/* stack: [-0, +0]. The table of states is on top. */
static struct state read_any_of(struct check *check, const struct key_path *at,
                                struct names *states) {
    struct state any = {.name = TEXT("*")};
    struct key_path path = {at, any.name, 0};
    if (take_any(states)) {
        check_push(check, -1, any.name); // stack: states any
        read_any(check, &path, *states, &any);
        lua_pop(check->lua, 1); // stack: states
    }
    return any;
}

static void read_states(struct check *check, const struct key_path *at, struct machine *out) {
    struct text *names;
    struct names states = {.count = check_names(check, -1, at, "STATE = {...}", &names)};
    states.items = names;
    struct state any = read_any_of(check, at, &states);
    struct state *items = ARENA_ARRAY(check->arena, struct state, states.count);
    for (size_t i = 0; i < states.count; i++) {
        struct key_path path = {at, names[i], 0};
        items[i].name = names[i];
        if (!entity_is_state(names[i])) {
            check_problem(check, &path,
                          "a state's name has 1 to 100 bytes, no control characters and no space "
                          "at either end");
        }
        check_push(check, -1, names[i]); // stack: states state
        read_state(check, &path, states, &items[i]);
        lua_pop(check->lua, 1); // stack: states
    }
    transitions_spread(check, at, &any, items, states.count);
    out->states = items;
    out->state_count = states.count;
    check_former_names(check, at, out);
}

void declare_check_states(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("states"), 0};
    int type = check_push(check, table, at.name); // stack: states
    if (type == LUA_TTABLE) {
        read_states(check, &at, out);
    }
    if (type == LUA_TNIL) {
        check_problem(check, NULL, "'states' is missing: a table of STATE = {...}");
    } else if (type == LUA_TTABLE && out->state_count == 0) {
        check_problem(check, &at, "a machine has at least one state");
    }
    lua_pop(check->lua, 1); // stack:
}
