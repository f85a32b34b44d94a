/* decide_way.c: which transition an attempt asks for, or why there is none.
 *
 *   a verb of `choose`    its function says to which state, once it is asked (way_settle)
 *   a verb, or a state    the transition that fits; `internal` ones are for the engine, which
 *                         prefers them
 *   a state that several  the first whose permit allows the actor; the engine takes the first. If
 *   verbs lead to         none is permitted, the refusal is that of the first */
#include "policy/explain.h"
#include "policy/turn.h"

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
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct way *way = &turn->from->ways[i];
        bool is_known = kept > 0 && text_equal(names[kept - 1], way->to);
        if (!way->internal && !is_known) {
            names[kept++] = way->to;
        }
    }
    return texts_json(turn->arena, names, kept);
}

static bool refuse_way(struct turn *turn, struct text message) {
    turn_refuse(turn, FAULT_INVALID_TRANSITION, message);
    turn->out->allowed = reachable(turn);
    return false;
}

static struct text nearest_verb(const struct turn *turn, struct text verb) {
    const struct state *from = turn->from;
    struct text *verbs =
        ARENA_ARRAY(turn->arena, struct text, from->way_count + from->choice_count);
    size_t count = 0;
    for (size_t i = 0; i < from->way_count; i++) {
        if (text_given(from->ways[i].name) && !from->ways[i].internal) {
            verbs[count++] = from->ways[i].name;
        }
    }
    for (size_t i = 0; i < from->choice_count; i++) {
        verbs[count++] = from->choices[i];
    }
    return problem_hint(turn->arena, verb, verbs, count);
}

static bool refuse_verb(struct turn *turn) {
    struct text verb = turn->attempt->verb;
    return refuse_way(turn,
                      text_print(turn->arena, "%.*s has no transition '%.*s' from '%.*s'%.*s",
                                 TEXT_ARGS(turn->machine->name), TEXT_ARGS(verb),
                                 TEXT_ARGS(turn->from->name), TEXT_ARGS(nearest_verb(turn, verb))));
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
        return refuse_way(
            turn,
            text_print(arena, "%.*s cannot go from '%.*s' to '%.*s': '%.*s' has no transitions",
                       TEXT_ARGS(machine), TEXT_ARGS(from), TEXT_ARGS(to), TEXT_ARGS(from)));
    }
    return refuse_way(turn, text_print(arena, "%.*s cannot go from '%.*s' to '%.*s', only to %s",
                                       TEXT_ARGS(machine), TEXT_ARGS(from), TEXT_ARGS(to),
                                       list_states(turn, allowed)));
}

static bool refuse_internal(struct turn *turn, const struct way *way) {
    return refuse_way(turn,
                      text_print(turn->arena,
                                 "%.*s goes from '%.*s' to '%.*s' only through effects and timers: "
                                 "this transition is internal, and no request may take it",
                                 TEXT_ARGS(turn->machine->name), TEXT_ARGS(turn->from->name),
                                 TEXT_ARGS(way->to)));
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
    const struct state *state =
        text_given(wanted) ? machine_state(machine, wanted) : &machine->states[machine->initial];
    if (state == NULL) {
        struct text hint = machine_state_hint(turn->arena, machine, wanted);
        return refuse_way(turn,
                          text_print(turn->arena, "%.*s has no state '%.*s'%.*s",
                                     TEXT_ARGS(machine->name), TEXT_ARGS(wanted), TEXT_ARGS(hint)));
    }
    enter(turn, (size_t)(state - machine->states));
    if (machine->create.is_there && !patch_is_import(turn)) {
        turn->act = &machine->create;
        turn->act_functions = &turn->functions->create;
    }
    return true;
}

static bool resolve_update(struct turn *turn) {
    const struct act_rule *act = machine_update(turn->machine, turn->from);
    turn->out->to = turn->entity->state;
    if (act->is_there) {
        bool is_states_own = act != &turn->machine->update;
        turn->act = act;
        turn->act_functions =
            is_states_own ? &turn->from_functions->update : &turn->functions->update;
    }
    return true;
}

/* Whether the verb leads from some state to where the entity is. A choice does, if it may. */
static bool leads_here(const struct turn *turn, struct text verb) {
    struct text here = turn->entity->state;
    size_t index;
    for (size_t i = 0; i < turn->machine->state_count; i++) {
        const struct state *state = &turn->machine->states[i];
        bool may_choose = state != turn->from && state_chooses(state, verb, &index) &&
                          machine_way(state, here, TEXT_NONE) != NULL;
        if (may_choose || machine_way(state, here, verb) != NULL) {
            return true;
        }
    }
    return false;
}

/* Does the attempt ask for where the entity is? A verb does, if some transition of that name leads
 * here, unless it is a choice that is open here too. */
static bool is_there_already(const struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    size_t index;
    if (text_given(attempt->to) && !text_equal(attempt->to, turn->entity->state)) {
        return false;
    }
    if (!text_given(attempt->verb)) {
        return text_given(attempt->to);
    }
    bool is_open_here = turn->from != NULL && state_chooses(turn->from, attempt->verb, &index);
    return !is_open_here && leads_here(turn, attempt->verb);
}

/* The decision is that nothing happens. */
static bool stay(struct turn *turn) {
    *turn->out = (struct decision){.from = turn->entity->state,
                                   .to = turn->entity->state,
                                   .transition = turn->attempt->verb,
                                   .data = turn->entity->data,
                                   .warnings = &js_empty_array};
    return false;
}

/* A timer of this state that the engine has come to carry out; NULL: there is none. */
static const struct timer_rule *timer_way(const struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    bool is_timer =
        attempt->by_engine && !text_given(attempt->caused_by) && !text_given(attempt->verb);
    for (size_t i = 0; is_timer && i < turn->from->timer_count; i++) {
        const struct timer_rule *timer = &turn->from->timers[i];
        if (text_equal(timer->to, attempt->to) && text_equal(timer->reason, attempt->reason)) {
            return timer;
        }
    }
    return NULL;
}

/* The first transition that fits and is, or is not, internal; NULL: none. */
static const struct way *find_way(const struct turn *turn, struct text to, struct text verb,
                                  bool internal) {
    for (size_t i = 0; i < turn->from->way_count; i++) {
        const struct way *way = &turn->from->ways[i];
        if (way->internal == internal && way_fits(way, to, verb)) {
            return way;
        }
    }
    return NULL;
}

static void take(struct turn *turn, const struct way *way) {
    turn->way = way;
    turn->way_functions = &turn->from_functions->ways[way - turn->from->ways];
    enter(turn, way->to_index);
    turn->out->transition = turn_verb(turn);
}

/* Takes the transition to a state; more than one verb may lead there, and then way_settle takes
 * another if it has to. False: none is open to this attempt. */
static bool take_first(struct turn *turn, struct text to, struct text verb) {
    bool is_engines = turn_is_engines(turn);
    const struct way *way = is_engines ? find_way(turn, to, verb, true) : NULL;
    way = way != NULL ? way : find_way(turn, to, verb, false);
    if (way == NULL) {
        return false;
    }
    take(turn, way);
    turn->is_ambiguous =
        way->position > 0 && !text_given(verb) && !is_engines && !turn->attempt->skip_permissions;
    return true;
}

static bool refuse(struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    const struct way *internal = find_way(turn, attempt->to, attempt->verb, true);
    if (internal != NULL) {
        return refuse_internal(turn, internal);
    }
    return text_given(attempt->verb) ? refuse_verb(turn) : refuse_target(turn);
}

static bool take_way(struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    turn->is_choice = state_chooses(turn->from, attempt->verb, &turn->choice);
    if (turn->is_choice) {
        turn->out->transition = attempt->verb;
        return true;
    }
    if (take_first(turn, attempt->to, attempt->verb)) {
        return true;
    }
    const struct timer_rule *timer = timer_way(turn);
    if (timer != NULL) {
        enter(turn, timer->to_index);
        return true;
    }
    return refuse(turn);
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

bool way_resolve(struct turn *turn) {
    switch (turn->attempt->kind) {
    case ATTEMPT_CREATE:
        return resolve_create(turn);
    case ATTEMPT_UPDATE:
        return resolve_update(turn);
    case ATTEMPT_TRANSITION:
        return resolve_transition(turn);
    case ATTEMPT_RESTORE:
    case ATTEMPT_RENAME:
    case ATTEMPT_NOTICE:
        break; /* is not decided about */
    }
    return false;
}

/* --- what only Lua can say --- */

static const char *list_targets(struct turn *turn) {
    return list_states(turn, reachable(turn));
}

/* stack: [-1, +0]. Reads the state that a choice answered, and takes the transition there. */
static bool read_choice(struct turn *turn, struct text verb) {
    const struct js *answer;
    if (!turn_read(turn, (struct speaker){"the choice", verb}, &answer)) { // stack:
        return false;
    }
    struct text name = js_text(answer);
    if (!text_given(name)) {
        return turn_fail(turn, "the choose function '%.*s' must return a state, not %s",
                         TEXT_ARGS(verb), js_type_name(answer));
    }
    turn->is_choice = false;
    if (!take_first(turn, name, TEXT_NONE)) {
        return turn_fail(turn, "the choose function '%.*s' returned '%.*s', which is not one of %s",
                         TEXT_ARGS(verb), TEXT_ARGS(name), list_targets(turn));
    }
    return true;
}

static bool choose(struct turn *turn) {
    int function = turn->from_functions->choices[turn->choice];
    struct text verb = turn->from->choices[turn->choice];
    if (!prepare_data(turn)) {
        return false;
    }
    turn->stage = STAGE_CHOOSE;
    turn_call(turn, function, 1); // stack: state
    turn->stage = STAGE_LATER;
    bool is_fine = read_choice(turn, verb); // stack:
    explain_function(turn, (struct speaker){"the choice", verb}, function, is_fine,
                     is_fine ? TEXT_NONE : turn->out->message);
    return is_fine;
}

/* Another verb to the same state, if the first is not permitted; else the first stays, to refuse.
 */
static void prefer_permitted(struct turn *turn) {
    const struct way *first = turn->way;
    for (size_t i = 0; i < turn->from->way_count; i++) {
        const struct way *way = &turn->from->ways[i];
        if (!way->internal && text_equal(way->to, first->to)) {
            take(turn, way);
            if (permission_allows(turn)) {
                return;
            }
        }
    }
    take(turn, first);
}

bool way_settle(struct turn *turn) {
    bool is_late = turn->is_choice || turn->is_ambiguous;
    if (turn->is_choice && !choose(turn)) {
        return false;
    }
    if (turn->is_ambiguous) {
        prefer_permitted(turn);
    }
    return !is_late || permission_check(turn);
}
