/* reach.c: one line a call says where its machine stands. Lists are filtered by their handlers. */
#include "api/reach.h"

#include "api/form.h"
#include "identity/auth.h"
#include "store/bulk.h"

typedef bool reach_rule(struct call *call, struct fault *fault);

/* --- rules --- */

static bool reaches_all(struct call *call, struct fault *fault) {
    (void)call, (void)fault;
    return true;
}

static bool reaches_parameter(struct call *call, struct fault *fault) {
    return auth_need_machine(&call->caller, call->parameters[0], fault);
}

/* Of what has no machine, or names it wrongly, the handler speaks. */
static bool reaches_body(struct call *call, struct fault *fault) {
    struct text machine = js_text(js_find(call->body, TEXT("machine")));
    return !text_given(machine) || auth_need_machine(&call->caller, machine, fault);
}

/* "state_transition:{machine}:{id}" is the engine's own key. */
static bool reaches_lock(struct call *call, struct fault *fault) {
    struct text key = call->parameters[0], prefix = TEXT("state_transition:");
    if (!text_starts(key, prefix)) {
        return true;
    }
    struct text rest = {key.bytes + prefix.length, key.length - prefix.length};
    const char *colon = rest.length > 0 ? memchr(rest.bytes, ':', rest.length) : NULL;
    struct text machine = {rest.bytes, colon != NULL ? (size_t)(colon - rest.bytes) : rest.length};
    return auth_need_machine(&call->caller, machine, fault);
}

/* A type of AuthZEN's that is a machine has its entities for subjects and resources. */
static bool reaches_type(const struct call *call, const struct generation *generation,
                         const struct js *object, struct text part, struct fault *fault) {
    struct text type = js_text(js_find(js_find(object, part), TEXT("type")));
    return !text_given(type) || generation_machine(generation, type) == NULL ||
           auth_need_machine(&call->caller, type, fault);
}

static bool reaches_parties(const struct call *call, const struct generation *generation,
                            const struct js *object, struct fault *fault) {
    return reaches_type(call, generation, object, TEXT("subject"), fault) &&
           reaches_type(call, generation, object, TEXT("resource"), fault);
}

static bool reaches_questions(struct call *call, struct fault *fault) {
    struct generation *generation = published_take(call->service->published);
    const struct js *all = js_find(call->body, TEXT("evaluations"));
    bool reaches = reaches_parties(call, generation, call->body, fault);
    for (size_t i = 0; reaches && js_is(all, JS_ARRAY) && i < all->array.count; i++) {
        reaches = reaches_parties(call, generation, all->array.items[i], fault);
    }
    generation_unref(generation);
    return reaches;
}

/* --- calls --- */

static const struct {
    route_handler *handler;
    reach_rule *rule;
} reaches[] = {
    {api_entity_create, reaches_parameter},
    {api_entity_list, reaches_parameter},
    {api_entity_read, reaches_parameter},
    {api_entity_update, reaches_parameter},
    {api_transition, reaches_parameter},
    {api_transition_list, reaches_parameter},
    {api_history, reaches_parameter},
    {api_audit_search, reaches_all}, /* reach_search */
    {api_batch_create, reaches_body},
    {api_batch_list, reaches_all}, /* reach_bulk, as the four below */
    {api_batch_read, reaches_all},
    {api_batch_pause, reaches_all},
    {api_batch_resume, reaches_all},
    {api_batch_cancel, reaches_all},
    {api_machine_list, reaches_all}, /* caller_reaches */
    {api_machine_read, reaches_parameter},
    {api_machine_diagram, reaches_parameter},
    {api_stats_states, reaches_parameter},
    {api_sanitize, reaches_body},
    {api_lock_acquire, reaches_lock},
    {api_lock_renew, reaches_lock},
    {api_lock_release, reaches_lock},
    {api_access_evaluation, reaches_questions},
    {api_access_evaluations, reaches_questions},
    {api_access_search_subject, reaches_questions},
    {api_access_search_resource, reaches_questions},
    {api_access_search_action, reaches_questions},
    {api_time_normalize, reaches_all},
    {api_time_denormalize, reaches_all},
    {api_time_parse, reaches_all},
    {api_time_offset, reaches_all},
    {api_time_zones, reaches_all},
};

bool reach_check(struct call *call, struct fault *fault) {
    if (call->route->open || call->caller.machines == NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof reaches / sizeof reaches[0]; i++) {
        if (reaches[i].handler == call->route->handler) {
            return reaches[i].rule(call, fault);
        }
    }
    return fault_set(fault, FAULT_PERMISSION_DENIED,
                     "the %s '%.*s' is bound to machines, and this call is about more than these",
                     caller_noun(&call->caller), TEXT_ARGS(call->caller.name));
}

bool reach_bulk(const struct call *call, const struct store_bulk *bulk) {
    struct fault ignored = FAULT_INIT;
    const struct js *request = NULL;
    return call->caller.machines == NULL ||
           (js_parse(&call->exchange->arena, bulk->request, &request, &ignored) &&
            caller_reaches(&call->caller, js_text(js_find(request, TEXT("machine")))));
}

bool reach_search(const struct call *call, struct text *machine, struct fault *fault) {
    const struct js *machines = call->caller.machines;
    if (machines == NULL || text_given(*machine)) {
        return machines == NULL || auth_need_machine(&call->caller, *machine, fault);
    }
    if (machines->array.count != 1) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "machine: missing; the %s '%.*s' is bound to several machines: name one",
                         caller_noun(&call->caller), TEXT_ARGS(call->caller.name));
    }
    *machine = js_text(machines->array.items[0]);
    return true;
}
