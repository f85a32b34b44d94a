/* ways.c: permissions, asked while an attempt is decided. */
#include "lua/value.h"
#include "policy/context.h"
#include "policy/explain.h"
#include "policy/turn.h"

#include <stdlib.h>

/* --- what a way asks for --- */

static const struct js *missing_of(const struct turn *turn, const struct way *way,
                                   const struct actor *actor) {
    struct text *missing = ARENA_ARRAY(turn->arena, struct text, way->permission_count);
    size_t count = 0;
    for (size_t i = 0; i < way->permission_count; i++) {
        if (!roles_permit(&turn->generation->roles, actor, way->permissions[i])) {
            missing[count++] = way->permissions[i];
        }
    }
    return texts_json(turn->arena, missing, count);
}

bool permission_has_all(const struct turn *turn, const struct way *way, const struct actor *actor) {
    for (size_t i = 0; i < way->permission_count; i++) {
        if (!roles_permit(&turn->generation->roles, actor, way->permissions[i])) {
            return false;
        }
    }
    return true;
}

static bool asks_permission(const struct way *way) {
    return way->has_permit_function || way->permission_count > 0;
}

static bool deny(struct turn *turn, struct text message) {
    const struct way *way = turn->way;
    turn_refuse(turn, FAULT_PERMISSION_DENIED, message);
    turn->out->required_permissions =
        texts_json(turn->arena, way->permissions, way->permission_count);
    turn->out->missing_permissions = missing_of(turn, way, turn->attempt->actor);
    return false;
}

static struct text lacks(struct turn *turn, const struct js *missing) {
    struct buffer buffer;
    buffer_init(&buffer, turn->arena);
    buffer_print(&buffer, "'%.*s' may not go from '%.*s' to '%.*s': it needs",
                 TEXT_ARGS(turn->attempt->actor->id), TEXT_ARGS(turn->from->name),
                 TEXT_ARGS(turn->to->name));
    for (size_t i = 0; i < missing->array.count; i++) {
        buffer_print(&buffer, "%s '%.*s'", i > 0 ? "," : "",
                     TEXT_ARGS(missing->array.items[i]->string));
    }
    return buffer_view(&buffer);
}

bool permission_check(struct turn *turn) {
    const struct way *way = turn->way;
    const struct actor *actor = turn->attempt->actor;
    if (way == NULL || turn->attempt->skip_permissions || !asks_permission(way)) {
        return true;
    }
    if (actor == NULL) {
        return deny(turn, text_print(turn->arena,
                                     "going from '%.*s' to '%.*s' needs permission, and there is "
                                     "no actor who could have it",
                                     TEXT_ARGS(turn->from->name), TEXT_ARGS(turn->to->name)));
    }
    return permission_has_all(turn, way, actor) ||
           deny(turn, lacks(turn, missing_of(turn, way, actor)));
}

/* Rule 1 of decide.c: what is stored. Of an entity that is being created nothing is. */
static const struct js *permit_data(const struct turn *turn) {
    return turn->attempt->kind == ATTEMPT_CREATE ? turn->data : turn->stored;
}

/* stack: [-0, +0]. Calls permit(actor, data, ctx). */
static bool ask(struct turn *turn, int function, struct text *message) {
    lua_State *lua = turn->lua;
    context_push(turn);                            // stack: ctx
    lua_rawgeti(lua, LUA_REGISTRYINDEX, function); // stack: ctx permit
    lua_getfield(lua, -2, "actor");                // stack: ctx permit actor
    value_push(lua, permit_data(turn));            // stack: ctx permit actor data
    lua_rotate(lua, -4, -1);                       // stack: permit actor data ctx
    lua_call(lua, 3, 2);                           // stack: ok message
    struct speaker speaker = {"the permit function", TEXT_NONE};
    bool allowed = turn_verdict(turn, speaker, message); // stack:
    explain_function(turn, speaker, function, allowed, *message);
    return allowed;
}

bool permission_ask(struct turn *turn) {
    struct text message;
    if (turn->way == NULL || !turn->way->has_permit_function || turn->attempt->skip_permissions ||
        ask(turn, turn->way_functions->permit, &message)) {
        return true;
    }
    return deny(turn, message);
}

bool permission_allows(struct turn *turn, const struct way *way) {
    const struct actor *actor = turn->attempt->actor;
    struct text message;
    if (!asks_permission(way)) {
        return true;
    }
    return actor != NULL && permission_has_all(turn, way, actor) &&
           (!way->has_permit_function || ask(turn, turn->way_functions->permit, &message));
}

/* --- every permission that is named --- */

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static size_t gather(const struct machine *machine, struct text *out) {
    size_t count = 0;
    for (size_t i = 0; i < machine->state_count; i++) {
        for (size_t j = 0; j < machine->states[i].way_count; j++) {
            const struct way *way = &machine->states[i].ways[j];
            for (size_t k = 0; k < way->permission_count; k++, count++) {
                if (out != NULL) {
                    out[count] = way->permissions[k];
                }
            }
        }
    }
    return count;
}

const struct js *generation_permissions(const struct generation *generation, struct arena *arena) {
    size_t most = 0, count = 0, kept = 0;
    for (size_t i = 0; i < generation->machine_count; i++) {
        most += gather(&generation->machines[i], NULL);
    }
    struct text *names = ARENA_ARRAY(arena, struct text, most);
    for (size_t i = 0; i < generation->machine_count; i++) {
        count += gather(&generation->machines[i], names + count);
    }
    if (count > 1) {
        qsort(names, count, sizeof *names, by_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !text_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    return texts_json(arena, names, kept);
}
