/* transitions.c: attempt a transition, and ask which are open to whom. */
#include "api/attempts.h"
#include "model/grant.h"

static bool read_isolation(const struct form *form, struct attempt *attempt) {
    struct text name = TEXT_NONE;
    if (!form_text(form, "isolation", 40, &name)) {
        return false;
    }
    if (text_given(name)) {
        attempt->isolation = isolation_of_name(name);
        if (attempt->isolation == ISOLATION_DEFAULT) {
            return fault_set(form->fault, FAULT_BAD_REQUEST,
                             "options.isolation: expected \"read committed\", \"repeatable "
                             "read\" or \"serializable\"");
        }
    }
    return true;
}

static bool read_options(const struct form *form, struct attempt *attempt) {
    static const char *const keys[] = {
        "dry_run",   "lock",       "lock_timeout_ms", "blocking_timeout_ms", "max_retries",
        "isolation", "if_version", "idempotent",      "skip_permissions",    NULL};
    return form_known(form, keys) && form_bool(form, "dry_run", &attempt->dry_run) &&
           form_bool(form, "lock", &attempt->lock) &&
           form_integer(form, "lock_timeout_ms", 1, 600000, &attempt->lock_timeout_ms) &&
           form_integer(form, "blocking_timeout_ms", 0, 60000, &attempt->blocking_timeout_ms) &&
           form_integer(form, "max_retries", 0, 10, &attempt->max_retries) &&
           read_isolation(form, attempt) && form_version(form, "if_version", attempt) &&
           form_bool(form, "idempotent", &attempt->idempotent) &&
           form_bool(form, "skip_permissions", &attempt->skip_permissions);
}

static bool read_target(const struct form *form, struct attempt *attempt) {
    if (!form_text(form, "to", 100, &attempt->to) ||
        !form_text(form, "transition", 100, &attempt->verb)) {
        return false;
    }
    if (text_given(attempt->to) == text_given(attempt->verb)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "expected one of `to` (a state) and `transition` (a verb)");
    }
    return true;
}

static bool read_attempt(struct call *call, struct attempt_job *job, struct fault *fault) {
    static const char *const keys[] = {"to",       "transition", "actor",   "reason", "comments",
                                       "metadata", "data",       "options", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    struct form options = {&call->exchange->arena, NULL, "options", fault};
    struct attempt *attempt = &job->attempt;
    return form_known(&form, keys) && read_target(&form, attempt) &&
           form_object(&form, "data", &attempt->patch) &&
           form_object(&form, "options", &options.object) && read_options(&options, attempt) &&
           attempt_read_context(call, &form, attempt, fault) &&
           attempt_read_headers(call, job, fault) &&
           (!attempt->skip_permissions || auth_need(&call->caller, SCOPE_SYSTEM, fault));
}

/* ?explain=true */
static bool read_explain(struct call *call, struct attempt *attempt, struct fault *fault) {
    static const char *const names[] = {"explain", NULL};
    struct text value = TEXT_NONE;
    if (!call_query_known(call, names, fault) || !call_query(call, "explain", &value, fault)) {
        return false;
    }
    attempt->explain = text_equal(value, TEXT("true"));
    return attempt->explain || !text_given(value) || text_equal(value, TEXT("false")) ||
           fault_set(fault, FAULT_BAD_REQUEST, "explain: expected true or false");
}

void api_transition(struct call *call) {
    struct attempt_job *job;
    struct fault fault = FAULT_INIT;
    if (!attempt_job_new(call, ATTEMPT_TRANSITION, call->parameters[1], &job, &fault) ||
        !read_explain(call, &job->attempt, &fault) || !read_attempt(call, job, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    attempt_post(call, job);
}

/* --- which are open --- */

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

/* The actor of a GET: the caller's own; or, for who may act as others, `actor` (a name or a JSON
 * object), `roles` and `permissions` (comma-separated) in the query. */
static bool read_actor(struct call *call, const struct actor **out, struct fault *fault) {
    static const char *const names[] = {"actor", "roles", "permissions", NULL};
    struct text actor = TEXT_NONE, roles = TEXT_NONE, permissions = TEXT_NONE;
    *out = call->caller.self;
    if (!call_query_known(call, names, fault) || !call_query(call, "actor", &actor, fault) ||
        !call_query(call, "roles", &roles, fault) ||
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

static bool read_ways(struct worker *worker, struct call *call, struct entity *entity,
                      const struct js **ways, struct fault *fault) {
    struct core *core = &worker->core;
    struct arena *arena = &call->exchange->arena;
    struct store_key key = {call->parameters[0], call->parameters[1]};
    struct policy_reads reads = batch_reads(core);
    const struct actor *actor;
    if (!read_actor(call, &actor, fault) || !core_read(core, arena, &key, 1, entity, fault)) {
        return false;
    }
    if (!entity->exists) {
        return fault_set(fault, FAULT_ENTITY_NOT_FOUND, "%.*s '%.*s' does not exist",
                         TEXT_ARGS(key.machine), TEXT_ARGS(key.id));
    }
    return policy_ways(core->policy, arena, entity, actor, now_wall_us(&core->now), &reads, ways,
                       fault);
}

static bool ways_in_transaction(struct worker *worker, struct call *call, struct entity *entity,
                                const struct js **ways, struct fault *fault) {
    if (!store_begin(worker->core.store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = read_ways(worker, call, entity, ways, fault);
    store_rollback(worker->core.store);
    return read;
}

static void run_ways(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct entity entity;
    const struct js *ways;
    struct fault fault = FAULT_INIT;
    if (!ways_in_transaction(worker, call, &entity, &ways, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("state"));
    js_put_text(&writer, entity.state);
    js_key(&writer, TEXT("transitions"));
    js_put(&writer, ways);
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

void api_transition_list(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (!call_machine(call, call->parameters[0], &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_ways);
}
