/* permission.c: permission rules asked of an actor. Rules:
 *  1. A request without an actor has no permission, and no function of a permit is called for it.
 *  2. Names are asked before functions, so a request that names refuse costs no Lua; then what
 *     denies, then the functions of the permit, in order, as far as they decide anything.
 *  3. What denies is asked of everybody: also of attempts that skip permissions, also of nobody,
 *     who is then an actor with nothing in it. Only `true` denies, but any other value than true,
 *     false and nil is an error, for a slip must not let anybody pass. */
#include "policy/permission.h"

#include "lua/value.h"
#include "policy/context.h"
#include "policy/explain.h"

#include <lauxlib.h>

void demand_init(struct demand *demand, struct turn *turn, const struct deed *deed,
                 const struct permission_rule *rule, const struct permission_functions *functions,
                 const struct actor *actor) {
    *demand =
        (struct demand){.turn = turn,
                        .deed = deed,
                        .rule = rule,
                        .functions = functions,
                        .actor = actor,
                        .skips_permit = turn->attempt != NULL && turn->attempt->skip_permissions};
}

/* --- names --- */

static bool has_scoped_role(const struct actor *actor) {
    const struct js *roles = actor != NULL ? actor->roles : NULL;
    for (size_t i = 0; js_is(roles, JS_ARRAY) && i < roles->array.count; i++) {
        if (js_is(roles->array.items[i], JS_OBJECT)) {
            return true;
        }
    }
    return false;
}

/* An entity that is there has the tenant it had before the attempt: else a patch could choose it.
 */
static const struct js *tenant_data(const struct turn *turn) {
    if (turn->tenancy.data != NULL) {
        return turn->tenancy.data;
    }
    return turn->entity != NULL && turn->entity->exists ? turn->stored : turn->data;
}

static void ask_tenant(struct turn *turn) {
    struct tenancy *tenancy = &turn->tenancy;
    lua_State *lua = turn->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, tenancy->function); // stack: function
    if (tenancy->argument != NULL) {
        tenancy->argument(turn); // stack: function argument
    } else {
        value_push(lua, tenant_data(turn)); // stack: function data
    }
    lua_call(lua, 1, 1); // stack: tenant
    if (!lua_isnil(lua, -1) && lua_type(lua, -1) != LUA_TSTRING) {
        luaL_error(lua, "within returned a %s; it must be a string or nil", luaL_typename(lua, -1));
    }
    tenancy->tenant = turn_words(turn, -1);
    tenancy->is_known = turn->entity == NULL || turn->entity->exists;
    lua_pop(lua, 1); // stack:
}

/* False: a function has to be asked, and this is not inside vm_call. */
static bool read_tenant(struct turn *turn, struct text *out) {
    const struct within_rule *rule = turn->tenancy.rule;
    *out = TEXT_NONE;
    if (rule == NULL || !rule->has_function) {
        bool has_field = rule != NULL && text_given(rule->field);
        *out = has_field ? js_text(js_find(tenant_data(turn), rule->field)) : TEXT_NONE;
        return true;
    }
    if (!turn->tenancy.is_known && turn->lua == NULL) {
        return false;
    }
    if (!turn->tenancy.is_known) {
        ask_tenant(turn);
    }
    *out = turn->tenancy.tenant;
    return true;
}

enum answer permission_held(struct turn *turn, const struct actor *actor, struct text permission) {
    const struct roles *roles = &turn->generation->roles;
    struct text tenant = TEXT_NONE;
    if (roles_permit(roles, actor, TEXT_NONE, permission)) {
        return ANSWER_YES;
    }
    if (!has_scoped_role(actor)) {
        return ANSWER_NO;
    }
    if (!read_tenant(turn, &tenant)) {
        return ANSWER_OPEN;
    }
    return roles_permit(roles, actor, tenant, permission) ? ANSWER_YES : ANSWER_NO;
}

static bool is_held(struct turn *turn, const struct actor *actor,
                    const struct permission *permission) {
    switch (permission->kind) {
    case PERMISSION_NAME:
        return permission_held(turn, actor, permission->name) == ANSWER_YES;
    case PERMISSION_ALL:
        for (size_t i = 0; i < permission->count; i++) {
            if (!is_held(turn, actor, &permission->items[i])) {
                return false;
            }
        }
        return true;
    case PERMISSION_ANY:
        for (size_t i = 0; i < permission->count; i++) {
            if (is_held(turn, actor, &permission->items[i])) {
                return true;
            }
        }
        return false;
    case PERMISSION_FUNCTION:
        return false;
    }
    return false;
}

bool permission_granted(struct turn *turn, const struct permission_rule *rule,
                        const struct actor *actor) {
    if (rule->deny_count > 0 || rule->permit == NULL || turn->attempt->skip_permissions) {
        return rule->deny_count == 0;
    }
    return actor != NULL && is_held(turn, actor, rule->permit);
}

static enum answer name_answer(const void *context, struct text name) {
    const struct demand *demand = context;
    return permission_held(demand->turn, demand->actor, name);
}

static struct permission_view view_of(const struct demand *demand) {
    return (struct permission_view){name_answer, demand, demand->verdicts};
}

static enum answer permit_known(const struct demand *demand) {
    const struct permission_view view = view_of(demand);
    if (demand->rule->permit == NULL || demand->skips_permit) {
        return ANSWER_YES;
    }
    return demand->actor == NULL ? ANSWER_NO : permission_answer(demand->rule->permit, &view);
}

/* --- refusals --- */

static struct text who(const struct demand *demand) {
    struct arena *arena = demand->turn->arena;
    return demand->actor != NULL && text_given(demand->actor->id)
               ? text_print(arena, "'%.*s'", TEXT_ARGS(demand->actor->id))
               : TEXT("this actor");
}

static struct text refusal_of_names(const struct demand *demand) {
    struct arena *arena = demand->turn->arena;
    const struct permission_view view = view_of(demand);
    struct text deed = demand->deed->phrase(demand->turn);
    if (demand->actor == NULL) {
        return text_print(arena, "permission is needed to %.*s, and the request has no actor",
                          TEXT_ARGS(deed));
    }
    struct text missing = permission_missing_phrase(arena, demand->rule->permit, &view);
    return missing.length == 0
               ? TEXT("")
               : text_print(arena, "%.*s may not %.*s: it needs %.*s", TEXT_ARGS(who(demand)),
                            TEXT_ARGS(deed), TEXT_ARGS(missing));
}

/* What names lack, and what functions said. */
static struct text refusal_of_permit(const struct demand *demand) {
    struct text names = refusal_of_names(demand);
    if (demand->refusals == NULL) {
        return names;
    }
    struct text said = turn_join(demand->turn->arena, demand->refusals);
    return names.length == 0
               ? said
               : text_print(demand->turn->arena, "%.*s; %.*s", TEXT_ARGS(names), TEXT_ARGS(said));
}

const struct js *permission_required(const struct demand *demand) {
    return texts_json(demand->turn->arena, demand->rule->names, demand->rule->name_count);
}

/* Without an actor all names are missing, whatever functions might have said (rule 1). */
const struct js *permission_lacking(const struct demand *demand) {
    const struct permission_view view = view_of(demand);
    if (demand->actor == NULL && !demand->skips_permit) {
        return permission_required(demand);
    }
    return permission_missing(demand->turn->arena,
                              demand->skips_permit ? NULL : demand->rule->permit, &view);
}

bool permission_refuse(const struct demand *demand) {
    struct decision *out = demand->turn->out;
    turn_refuse(demand->turn, FAULT_PERMISSION_DENIED, demand->message);
    out->required_permissions = permission_required(demand);
    out->missing_permissions = permission_lacking(demand);
    out->denied_by = demand->denied_by;
    return false;
}

enum answer permission_known(struct demand *demand) {
    enum answer answer = permit_known(demand);
    if (answer == ANSWER_NO) {
        demand->message = refusal_of_permit(demand);
    }
    return answer == ANSWER_YES && demand->rule->deny_count > 0 ? ANSWER_OPEN : answer;
}

bool permission_may(struct turn *turn, const struct permission_rule *rule,
                    const struct actor *actor) {
    struct demand demand;
    demand_init(&demand, turn, NULL, rule, NULL, actor);
    return permit_known(&demand) != ANSWER_NO;
}

/* --- functions; inside vm_call --- */

/* stack: [-0, +2] */
static void call(const struct demand *demand, int function) {
    lua_State *lua = demand->turn->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, function); // stack: function
    demand->deed->arguments(demand->turn);         // stack: function actor data ctx
    lua_call(lua, 3, 2);                           // stack: answer message
}

/* stack: [-0, +0] */
static enum answer ask_permit(struct demand *demand, size_t number) {
    static const struct speaker speaker = {"the permit function", {NULL, 0}};
    struct turn *turn = demand->turn;
    int function = demand->functions->permits.references[number];
    struct text message;
    call(demand, function);                               // stack: answer message
    bool allowed = turn_verdict(turn, speaker, &message); // stack:
    explain_function(turn, speaker, function, allowed, message);
    if (!allowed) {
        demand->refusals =
            js_append(turn->arena, demand->refusals, js_string(turn->arena, message));
    }
    demand->verdicts[number] = allowed ? ANSWER_YES : ANSWER_NO;
    return demand->verdicts[number];
}

/* Calls functions as far as they decide something. */
static enum answer settle(struct demand *demand, const struct permission *permission) {
    const struct permission_view view = view_of(demand);
    enum answer answer = permission_answer(permission, &view);
    if (answer == ANSWER_OPEN && permission->kind == PERMISSION_FUNCTION) {
        return ask_permit(demand, permission->function);
    }
    for (size_t i = 0; answer == ANSWER_OPEN && i < permission->count; i++) {
        (void)settle(demand, &permission->items[i]);
        answer = permission_answer(permission, &view);
    }
    return answer;
}

/* stack: [-2, +0] */
static bool read_denial(struct turn *turn, struct text *message) {
    lua_State *lua = turn->lua;
    int type = lua_type(lua, -2);
    if (type != LUA_TBOOLEAN && type != LUA_TNIL) {
        luaL_error(lua, "deny returned a %s; it must return true or false",
                   lua_typename(lua, type));
    }
    bool denies = type == LUA_TBOOLEAN && lua_toboolean(lua, -2);
    *message = turn_words(turn, -1);
    lua_pop(lua, 2); // stack:
    return denies;
}

static void deny(struct demand *demand, size_t number, struct text message) {
    struct arena *arena = demand->turn->arena;
    struct text place = demand->deed->place(demand->turn);
    const char *dot = place.length > 0 ? "." : "";
    demand->denied_by =
        demand->rule->deny_count == 1
            ? text_print(arena, "%.*s%sdeny", TEXT_ARGS(place), dot)
            : text_print(arena, "%.*s%sdeny[%zu]", TEXT_ARGS(place), dot, number + 1);
    demand->message =
        text_given(message)
            ? message
            : text_print(arena, "%.*s may not %.*s: %.*s says so", TEXT_ARGS(who(demand)),
                         TEXT_ARGS(demand->deed->phrase(demand->turn)),
                         TEXT_ARGS(demand->denied_by));
}

static bool is_denied(struct demand *demand) {
    static const struct speaker speaker = {"the deny function", {NULL, 0}};
    for (size_t i = 0; i < demand->rule->deny_count; i++) {
        int function = demand->functions->denies.references[i];
        struct text message;
        call(demand, function);                            // stack: answer message
        bool denies = read_denial(demand->turn, &message); // stack:
        explain_function(demand->turn, speaker, function, !denies, denies ? message : TEXT_NONE);
        if (denies) {
            deny(demand, i, message);
            return true;
        }
    }
    return false;
}

bool permission_settle(struct demand *demand) {
    if (is_denied(demand)) {
        return false;
    }
    if (permit_known(demand) == ANSWER_OPEN && demand->rule->function_count > 0) {
        demand->verdicts =
            ARENA_ARRAY(demand->turn->arena, enum answer, demand->rule->function_count);
        (void)settle(demand, demand->rule->permit);
    }
    if (permit_known(demand) == ANSWER_YES) {
        return true;
    }
    demand->message = refusal_of_permit(demand);
    return false;
}

/* --- ways --- */

static struct text phrase_of_way(const struct turn *turn) {
    return text_print(turn->arena, "go from '%.*s' to '%.*s'", TEXT_ARGS(turn->from->name),
                      TEXT_ARGS(turn->to->name));
}

static struct text place_of_way(const struct turn *turn) {
    const struct way *way = turn->way;
    struct text from = way->is_from_any ? TEXT("*") : turn->from->name;
    if (way->position > 0) {
        return text_print(turn->arena, "states.%.*s.to.%.*s[%zu]", TEXT_ARGS(from),
                          TEXT_ARGS(way->to), way->position);
    }
    return text_print(turn->arena, "states.%.*s.to.%.*s", TEXT_ARGS(from), TEXT_ARGS(way->to));
}

/* Rule 1 of decide.c: what is stored. Of an entity that is being created nothing is. */
static const struct js *permit_data(const struct turn *turn) {
    return turn->attempt->kind == ATTEMPT_CREATE ? turn->data : turn->stored;
}

void permission_push_arguments(struct turn *turn) {
    lua_State *lua = turn->lua;
    context_push(turn);                                // stack: ctx
    if (lua_getfield(lua, -1, "actor") == LUA_TNIL) {  // stack: ctx actor
        lua_pop(lua, 1);                               // stack: ctx
        context_push_actor(lua, turn->attempt->actor); // stack: ctx actor
    }
    value_push(lua, permit_data(turn)); // stack: ctx actor data
    lua_rotate(lua, -3, -1);            // stack: actor data ctx
}

void permission_of_way(struct demand *demand, struct turn *turn, const struct way *way,
                       const struct way_functions *functions, const struct actor *actor) {
    static const struct deed deed = {phrase_of_way, place_of_way, permission_push_arguments};
    demand_init(demand, turn, &deed, &way->permission, &functions->permission, actor);
}
