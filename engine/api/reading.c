/* reading.c: `read` of a machine is asked in the transaction that read the entity, so what is shown
 * is what was asked about. */
#include "api/reading.h"

#include "api/answer.h"
#include "api/form.h"
#include "core/batch.h"
#include "model/grant.h"

/* --- whose reading --- */

const char *const reading_queries[] = {"actor", "roles", "permissions", NULL};

/* "a,b" as an array of strings. */
static const struct js *split(struct arena *arena, struct text list) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, list.length);
    size_t count = 0;
    while (text_given(list) && list.length > 0) {
        const char *comma = memchr(list.bytes, ',', list.length);
        size_t length = comma != NULL ? (size_t)(comma - list.bytes) : list.length;
        items[count++] = js_string(arena, (struct text){list.bytes, length});
        size_t used = comma != NULL ? length + 1 : length;
        list = (struct text){list.bytes + used, list.length - used};
    }
    return js_array(arena, items, count);
}

static bool actor_of_json(struct call *call, struct text json, const struct actor **out,
                          struct fault *fault) {
    struct arena *arena = &call->exchange->arena;
    const struct js *value = NULL;
    if (!js_parse(arena, json, &value, fault)) {
        return fault_within(fault, "actor");
    }
    struct form form = {arena, js_with(arena, NULL, TEXT("actor"), value), "", fault};
    return form_actor(&form, "actor", out);
}

static const struct actor *actor_of_names(struct call *call, struct text id, struct text roles,
                                          struct text permissions) {
    struct arena *arena = &call->exchange->arena;
    struct actor *actor = ARENA_NEW(arena, struct actor);
    actor->id = text_given(id) ? id : call->caller.name;
    actor->roles = held_roles_of_names(arena, split(arena, roles));
    actor->permissions = split(arena, permissions);
    return actor;
}

bool reading_actor(struct call *call, const struct actor **out, struct fault *fault) {
    struct text actor = TEXT_NONE, roles = TEXT_NONE, permissions = TEXT_NONE;
    *out = call->caller.self;
    if (!call_query(call, "actor", &actor, fault) || !call_query(call, "roles", &roles, fault) ||
        !call_query(call, "permissions", &permissions, fault)) {
        return false;
    }
    if (!text_given(actor) && !text_given(roles) && !text_given(permissions)) {
        return true;
    }
    if (text_starts(actor, TEXT("{"))) {
        return actor_of_json(call, actor, out, fault) &&
               auth_need(&call->caller, SCOPE_ACT_AS, fault);
    }
    *out = actor_of_names(call, actor, roles, permissions);
    return auth_need(&call->caller, SCOPE_ACT_AS, fault);
}

/* --- whether it may --- */

static bool decide(struct worker *worker, struct arena *arena, const struct actor *actor,
                   const struct entity *entity, struct decision *out, struct fault *fault) {
    struct core *core = &worker->core;
    struct policy_reads reads = batch_reads(core);
    return policy_read(core->policy, arena, entity, actor, now_wall_us(&core->now), &reads, out,
                       fault);
}

bool reading_allowed(struct worker *worker, struct call *call, const struct actor *actor,
                     const struct entity *entity, struct text *extra, struct fault *fault) {
    struct decision decision;
    if (!decide(worker, &call->exchange->arena, actor, entity, &decision, fault)) {
        return false;
    }
    *extra =
        decision.code != FAULT_NONE ? answer_details(&call->exchange->arena, &decision) : TEXT_NONE;
    return decision.code == FAULT_NONE ||
           fault_set(fault, decision.code, "%.*s", TEXT_ARGS(decision.message));
}

bool reading_shows(struct worker *worker, struct arena *arena, const struct actor *actor,
                   const struct entity *entity, bool *shows, struct fault *fault) {
    struct decision decision;
    bool decided = decide(worker, arena, actor, entity, &decision, fault);
    *shows = decided && decision.code == FAULT_NONE;
    return decided;
}
