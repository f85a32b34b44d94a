/* decide_way.c: which way an attempt asks for, or why there is none. */
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
        return refuse_way(turn, text_print(arena,
                                           "%.*s cannot go from '%.*s' to '%.*s': '%.*s' "
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
    const struct state *state =
        text_given(wanted) ? machine_state(machine, wanted) : &machine->states[machine->initial];
    if (state == NULL) {
        struct text hint = machine_state_hint(turn->arena, machine, wanted);
        return refuse_way(turn,
                          text_print(turn->arena, "%.*s has no state '%.*s'%.*s",
                                     TEXT_ARGS(machine->name), TEXT_ARGS(wanted), TEXT_ARGS(hint)));
    }
    enter(turn, (size_t)(state - machine->states));
    return true;
}

/* Does the attempt ask for where the entity is? A verb does, if some way of that name leads here.
 */
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

bool way_resolve(struct turn *turn) {
    switch (turn->attempt->kind) {
    case ATTEMPT_CREATE:
        return resolve_create(turn);
    case ATTEMPT_UPDATE:
        turn->out->to = turn->entity->state;
        return true;
    case ATTEMPT_TRANSITION:
        return resolve_transition(turn);
    case ATTEMPT_NOTICE:
        break; /* is not decided about */
    }
    return false;
}
