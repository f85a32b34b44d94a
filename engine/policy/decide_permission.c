/* decide_permission.c: the permissions that an attempt needs: of its transition, its creation or
 * its change of data, and of each field that its patch changes and that says who may. All have to
 * agree; the first that refuses is the answer. What names alone decide needs no Lua and comes
 * first. */
#include "policy/permission.h"

#include "policy/turn.h"

/* --- one demand --- */

static void add_open(struct turn *turn, struct demand *demand) {
    if (turn->open == NULL) {
        turn->open = ARENA_ARRAY(turn->arena, struct demand *, 1 + turn->machine->field_count);
    }
    turn->open[turn->open_count++] = demand;
}

/* A field that is refused is named in `errors`, too. */
static bool refuse(struct turn *turn, struct demand *demand) {
    turn->demand = demand;
    permission_refuse(demand);
    if (turn->field != NULL) {
        turn->out->errors =
            js_with(turn->arena, NULL, turn->field->name,
                    js_string(turn->arena, TEXT("may not be changed by this actor")));
    }
    return false;
}

static bool ask_names(struct turn *turn, struct demand *demand) {
    switch (permission_known(demand)) {
    case ANSWER_NO:
        return refuse(turn, demand);
    case ANSWER_OPEN:
        add_open(turn, demand);
        return true;
    case ANSWER_YES:
        return true;
    }
    return false;
}

/* --- what is asked for --- */

static struct text phrase_of_act(const struct turn *turn) {
    if (turn->act == &turn->machine->read) {
        return text_print(turn->arena, "read this %.*s", TEXT_ARGS(turn->machine->name));
    }
    return turn->attempt->kind == ATTEMPT_CREATE
               ? text_print(turn->arena, "create a %.*s", TEXT_ARGS(turn->machine->name))
               : text_print(turn->arena, "change the data of a %.*s in '%.*s'",
                            TEXT_ARGS(turn->machine->name), TEXT_ARGS(turn->entity->state));
}

static struct text place_of_act(const struct turn *turn) {
    const struct machine *machine = turn->machine;
    if (turn->act == &machine->create) {
        return TEXT("create");
    }
    if (turn->act == &machine->read) {
        return TEXT("read");
    }
    return turn->act == &machine->update
               ? TEXT("update")
               : text_print(turn->arena, "states.%.*s.update", TEXT_ARGS(turn->from->name));
}

static struct text phrase_of_field(const struct turn *turn) {
    return text_print(turn->arena, "change the field '%.*s'", TEXT_ARGS(turn->field->name));
}

static struct text place_of_field(const struct turn *turn) {
    return text_print(turn->arena, "fields.%.*s", TEXT_ARGS(turn->field->name));
}

static const struct deed act_deed = {phrase_of_act, place_of_act, permission_push_arguments};
static const struct deed field_deed = {phrase_of_field, place_of_field, permission_push_arguments};

static bool check_way(struct turn *turn) {
    const struct way *way = turn->way;
    if (way == NULL || !permission_rule_asks(&way->permission)) {
        return true;
    }
    struct demand *demand = ARENA_NEW(turn->arena, struct demand);
    permission_of_way(demand, turn, way, turn->way_functions, turn->attempt->actor);
    return ask_names(turn, demand);
}

static bool check_act(struct turn *turn) {
    const struct act_rule *act = turn->act;
    if (act == NULL || !permission_rule_asks(&act->permission)) {
        return true;
    }
    struct demand *demand = ARENA_NEW(turn->arena, struct demand);
    demand_init(demand, turn, &act_deed, &act->permission, &turn->act_functions->permission,
                turn->attempt->actor);
    return ask_names(turn, demand);
}

static bool check_field(struct turn *turn, size_t index) {
    const struct field *field = &turn->machine->fields[index];
    if (!permission_rule_asks(&field->permission) || !patch_changes(turn, field)) {
        return true;
    }
    struct demand *demand = ARENA_NEW(turn->arena, struct demand);
    turn->field = field;
    demand_init(demand, turn, &field_deed, &field->permission, &turn->functions->fields[index],
                turn->attempt->actor);
    bool may = ask_names(turn, demand);
    turn->field = may ? NULL : field;
    return may;
}

static bool check_fields(struct turn *turn) {
    if (!turn->machine->has_field_permits || !patch_is_bound(turn)) {
        return true;
    }
    for (size_t i = 0; i < turn->machine->field_count; i++) {
        if (!check_field(turn, i)) {
            return false;
        }
    }
    return true;
}

/* --- the whole --- */

bool permission_check(struct turn *turn) {
    return check_way(turn) && check_act(turn) && check_fields(turn);
}

/* The field that a demand is about; NULL: none. */
static const struct field *field_of(const struct turn *turn, const struct demand *demand) {
    for (size_t i = 0; i < turn->machine->field_count; i++) {
        if (demand->rule == &turn->machine->fields[i].permission) {
            return &turn->machine->fields[i];
        }
    }
    return NULL;
}

bool permission_ask(struct turn *turn) {
    for (size_t i = 0; i < turn->open_count; i++) {
        turn->field = field_of(turn, turn->open[i]);
        if (!permission_settle(turn->open[i])) {
            return refuse(turn, turn->open[i]);
        }
    }
    turn->field = NULL;
    return true;
}

bool permission_allows(struct turn *turn) {
    struct demand demand;
    permission_of_way(&demand, turn, turn->way, turn->way_functions, turn->attempt->actor);
    enum answer known = permission_known(&demand);
    return known == ANSWER_OPEN ? permission_settle(&demand) : known == ANSWER_YES;
}
