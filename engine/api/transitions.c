/* transitions.c: attempt a transition, and ask which are open to whom. */
#include "api/attempts.h"
#include "api/reading.h"
#include "server/policy_log.h"

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
                         "expected either `to` (a state) or `transition` (a verb)");
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

static bool read_ways(struct worker *worker, struct call *call, struct entity *entity,
                      const struct js **ways, struct text *extra, struct fault *fault) {
    struct core *core = &worker->core;
    struct arena *arena = &call->exchange->arena;
    struct store_key key = {call->parameters[0], call->parameters[1]};
    struct policy_reads reads = batch_reads(core);
    const struct actor *actor;
    if (!call_query_known(call, reading_queries, fault) || !reading_actor(call, &actor, fault) ||
        !core_read(core, arena, &key, 1, entity, fault)) {
        return false;
    }
    if (!entity->exists) {
        return fault_set(fault, FAULT_ENTITY_NOT_FOUND, "%.*s '%.*s' does not exist",
                         TEXT_ARGS(key.machine), TEXT_ARGS(key.id));
    }
    return reading_allowed(worker, call, actor, entity, extra, fault) &&
           policy_ways(core->policy, arena, entity, actor, now_wall_us(&core->now), &reads, ways,
                       fault);
}

static bool ways_in_transaction(struct worker *worker, struct call *call, struct entity *entity,
                                const struct js **ways, struct text *extra, struct fault *fault) {
    if (!store_begin(worker->core.store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = read_ways(worker, call, entity, ways, extra, fault);
    store_rollback(worker->core.store);
    return read;
}

static void run_ways(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct entity entity;
    const struct js *ways;
    struct text extra = TEXT_NONE;
    struct fault fault = FAULT_INIT;
    if (!ways_in_transaction(worker, call, &entity, &ways, &extra, &fault)) {
        if (fault.code == FAULT_POLICY_ERROR) {
            policy_log(text_print(&call->exchange->arena, "%.*s '%.*s'",
                                  TEXT_ARGS(call->parameters[0]), TEXT_ARGS(call->parameters[1])),
                       text_of(call->exchange->request_id), text_of(fault.message));
        }
        call_fail(call->exchange, &fault, extra);
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
