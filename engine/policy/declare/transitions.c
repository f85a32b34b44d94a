/* transitions.c: a value of `to` is `true`, one transition, or a list of them, each with a verb of
 * its own. The state ["*"] is no state: what it says is copied into every state that takes it, so
 * that nobody else has to know of it. */
#include "policy/declare/transitions.h"

#include "model/entity.h"
#include "policy/declare/permission.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define GUARD_EXPECTED                                                                             \
    "a function (data, ctx) -> ok, message, or a list of up to 100 such functions"
#define EFFECT_EXPECTED "a function (data, ctx) -> effects, or a list of up to 100 such functions"
#define TO_EXPECTED     "STATE = true, STATE = {...} or STATE = { {...}, {...} }"

static const struct key_rule way_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"name", KIND_TEXT, "a string"},
    PERMIT_KEY,
    DENY_KEY,
    {"guard", KIND_FUNCTIONS, GUARD_EXPECTED},
    {"effect", KIND_FUNCTIONS, EFFECT_EXPECTED},
    {"accepts", KIND_TABLE, "a list of fields"},
    {"internal", KIND_BOOLEAN, "true or false"},
};

/* --- one transition --- */

static void read_verb(struct check *check, int table, const struct key_path *at, struct way *out) {
    struct key_path path = {at, TEXT("name"), 0};
    out->name = check_text(check, table, "name");
    if (text_given(out->name) && !entity_is_name(out->name)) {
        check_problem(
            check, &path,
            "'%.*s' is not a verb; use a letter or '_', then letters, digits, '_', '-' and '.'",
            TEXT_ARGS(out->name));
    }
}

static void read_accepts(struct check *check, int table, const struct key_path *at,
                         struct way *out) {
    struct key_path path = {at, TEXT("accepts"), 0};
    if (check_push(check, table, path.name) == LUA_TTABLE) { // stack: accepts
        out->has_accepts = true;
        out->accept_count = check_texts(check, -1, &path, &out->accepts);
    }
    lua_pop(check->lua, 1); // stack:
}

/* stack: [-0, +0]. The transition is on top. */
static void read_way(struct check *check, const struct key_path *at, struct way *out) {
    int table = lua_gettop(check->lua);
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        bool is_true = lua_isboolean(check->lua, table) && lua_toboolean(check->lua, table);
        if (!is_true) {
            check_problem(check, at, "it must be true or a table such as { permit = '...' }");
        }
        return;
    }
    check_keys(check, table, at, way_keys, COUNT(way_keys));
    out->doc = check_text(check, table, "doc");
    out->internal = check_flag(check, table, "internal");
    out->has_guard = check_has_function(check, table, at, "guard");
    out->has_effect = check_has_function(check, table, at, "effect");
    read_verb(check, table, at, out);
    declare_permission(check, table, at, &out->permission);
    read_accepts(check, table, at, out);
}

/* --- the transitions to one state --- */

/* stack: [-0, +0]. One of a list is on top: only its verb tells it from its neighbours. */
static void read_listed(struct check *check, const struct key_path *at, struct way *out) {
    read_way(check, at, out);
    if (lua_type(check->lua, -1) != LUA_TTABLE) {
        check_problem(check, at, "in a list, each is a table with a `name`: { name = 'approve' }");
    } else if (!out->internal && !check_has(check, lua_gettop(check->lua), "name")) {
        check_problem(check, at, "in a list, each needs a `name`: the verb that requests send");
    }
}

/* stack: [-0, +0]. The list is on top; *out has `to` set, and the rest is filled like it. */
static void read_list(struct check *check, const struct key_path *at, struct way *out,
                      size_t count) {
    struct way one = *out;
    if (!check_is_list(check, -1)) {
        check_problem(check, at, "a list of transitions has no keys beside its items");
    }
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, TEXT_NONE, i + 1};
        out[i] = one;
        out[i].position = i + 1;
        lua_rawgeti(check->lua, -1, (lua_Integer)i + 1); // stack: list transition
        read_listed(check, &path, &out[i]);
        lua_pop(check->lua, 1); // stack: list
    }
}

/* The transitions under `name`: 0, in a list, as many as it has, else 1. */
static size_t listed(struct check *check, int table, struct text name) {
    check_push(check, table, name); // stack: transition
    size_t count = lua_istable(check->lua, -1) ? lua_rawlen(check->lua, -1) : 0;
    lua_pop(check->lua, 1); // stack:
    return count;
}

static size_t count_all(struct check *check, int table, const struct text *names, size_t count) {
    size_t all = count;
    for (size_t i = 0; i < count; i++) {
        all += listed(check, table, names[i]);
    }
    return all;
}

/* stack: [-0, +0]. The `to` table is on top. How many there are at out[0] and on. */
static size_t read_target(struct check *check, const struct key_path *at, struct text name,
                          size_t to_index, struct way *out) {
    struct key_path path = {at, name, 0};
    size_t count = listed(check, lua_gettop(check->lua), name);
    *out = (struct way){.to = name, .to_index = to_index};
    check_push(check, -1, name); // stack: to transition
    if (count > 0) {
        read_list(check, &path, out, count);
    } else {
        read_way(check, &path, out);
        count = 1;
    }
    lua_pop(check->lua, 1); // stack: to
    return count;
}

void transitions_read(struct check *check, const struct key_path *at, struct names states,
                      struct state *out) {
    struct text *names;
    size_t count = check_names(check, -1, at, TO_EXPECTED, &names);
    size_t most = count_all(check, lua_gettop(check->lua), names, count), known = 0;
    if (!check_afford(check, at, most - count)) {
        return;
    }
    struct way *ways = ARENA_ARRAY(check->arena, struct way, most);
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, names[i], 0};
        int64_t index =
            check_reference(check, &path, "state", names[i], states.items, states.count);
        size_t read =
            read_target(check, at, names[i], index >= 0 ? (size_t)index : 0, ways + known);
        known += index >= 0 ? read : 0;
    }
    out->ways = ways;
    out->way_count = known;
}

/* --- choose --- */

void choices_read(struct check *check, const struct key_path *at, struct state *out) {
    struct text *names;
    size_t count = check_names(check, -1, at, "verb = function (data, ctx) -> state", &names);
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, names[i], 0};
        if (check_push(check, -1, names[i]) != LUA_TFUNCTION) { // stack: choose function
            check_problem(check, &path, "it must be a function (data, ctx) -> state");
        }
        if (!entity_is_name(names[i])) {
            check_problem(
                check, &path,
                "'%.*s' is not a verb; use a letter or '_', then letters, digits, '_', '-' and '.'",
                TEXT_ARGS(names[i]));
        }
        lua_pop(check->lua, 1); // stack: choose
    }
    out->choices = names;
    out->choice_count = count;
}

/* --- the transitions of every state --- */

static void report_doubled(struct check *check, const struct key_path *at,
                           const struct state *state, const struct way *way, struct text other) {
    struct key_path from = {at, way->is_from_any ? TEXT("*") : state->name, 0};
    struct key_path to = {&from, TEXT("to"), 0}, target = {&to, way->to, 0};
    struct key_path item = {&target, TEXT_NONE, way->position};
    struct key_path name = {way->position > 0 ? &item : &target, TEXT("name"), 0};
    check_problem(check, &name, "from '%.*s' the verb '%.*s' also leads to %.*s",
                  TEXT_ARGS(state->name), TEXT_ARGS(way->name), TEXT_ARGS(other));
}

static void report_doubled_verbs(struct check *check, const struct key_path *at,
                                 const struct state *state) {
    size_t index;
    for (size_t i = 0; i < state->way_count; i++) {
        const struct way *way = &state->ways[i];
        if (state_chooses(state, way->name, &index)) {
            report_doubled(check, at, state, way, TEXT("what `choose` answers"));
        }
        for (size_t j = 0; text_given(way->name) && j < i; j++) {
            if (text_equal(way->name, state->ways[j].name)) {
                report_doubled(
                    check, at, state, way,
                    text_print(check->problems->arena, "'%.*s'", TEXT_ARGS(state->ways[j].to)));
            }
        }
    }
}

static bool takes(const struct state *state, const struct way *way) {
    return !text_equal(way->to, state->name) && machine_way(state, way->to, TEXT_NONE) == NULL;
}

/* Both are in order of their targets, and have none in common. */
static size_t merge(const struct state *state, const struct state *any, struct way *out) {
    size_t count = 0, own = 0;
    for (size_t i = 0; i < any->way_count; i++) {
        const struct way *way = &any->ways[i];
        while (own < state->way_count && text_compare(state->ways[own].to, way->to) < 0) {
            out[count++] = state->ways[own++];
        }
        if (takes(state, way)) {
            out[count] = *way;
            out[count++].is_from_any = true;
        }
    }
    while (own < state->way_count) {
        out[count++] = state->ways[own++];
    }
    return count;
}

static void spread_to(struct check *check, const struct key_path *at, const struct state *any,
                      struct state *state) {
    struct key_path path = {at, state->name, 0};
    size_t most = state->way_count + any->way_count;
    if (!state->final && any->way_count > 0 && check_afford(check, &path, any->way_count)) {
        struct way *ways = ARENA_ARRAY(check->arena, struct way, most);
        state->way_count = merge(state, any, ways);
        state->ways = ways;
    }
}

void transitions_spread(struct check *check, const struct key_path *at, const struct state *any,
                        struct state *states, size_t count) {
    for (size_t i = 0; i < count; i++) {
        spread_to(check, at, any, &states[i]);
        report_doubled_verbs(check, at, &states[i]);
        if (states[i].choice_count > 0 && states[i].way_count == 0) {
            struct key_path state = {at, states[i].name, 0}, path = {&state, TEXT("choose"), 0};
            check_problem(check, &path,
                          "the state has no `to`, so there is nothing to choose from");
        }
    }
}
