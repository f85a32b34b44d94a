/* decide_permission.c: the permissions that an attempt needs: of its transition, and of each field
 * that its patch changes and that says who may. All have to agree; the first that refuses is the
 * answer. What names alone decide needs no Lua and comes first. */
#include "policy/permission.h"
#include "policy/turn.h"

/* --- one demand --- */

static void add_open(struct turn *turn, struct demand *demand) {
    if (turn->open == NULL) {
        turn->open = ARENA_ARRAY(turn->arena, struct demand *, 1 + turn->machine->field_count);
    }
    turn->open[turn->open_count++] = demand;
}

static bool refuse(struct turn *turn, struct demand *demand) {
    turn->demand = demand;
    return permission_refuse(demand);
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

/* --- the whole --- */

static bool check_way(struct turn *turn) {
    const struct way *way = turn->way;
    if (way == NULL || !permission_rule_asks(&way->permission)) {
        return true;
    }
    struct demand *demand = ARENA_NEW(turn->arena, struct demand);
    permission_of_way(demand, turn, way, turn->way_functions, turn->attempt->actor);
    return ask_names(turn, demand);
}

bool permission_check(struct turn *turn) {
    return check_way(turn);
}

bool permission_ask(struct turn *turn) {
    for (size_t i = 0; i < turn->open_count; i++) {
        if (!permission_settle(turn->open[i])) {
            return refuse(turn, turn->open[i]);
        }
    }
    return true;
}

bool permission_allows(struct turn *turn) {
    struct demand demand;
    permission_of_way(&demand, turn, turn->way, turn->way_functions, turn->attempt->actor);
    enum answer known = permission_known(&demand);
    return known == ANSWER_OPEN ? permission_settle(&demand) : known == ANSWER_YES;
}
