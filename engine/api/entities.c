/* entities.c: create, read, list and change entities. */
#include "api/attempts.h"
#include "api/generation.h"
#include "api/reading.h"

#include "store/timers.h"
#include "timezone/instant.h"

/* --- create --- */

static bool read_create(struct call *call, struct attempt_job **job, struct fault *fault) {
    static const char *const keys[] = {"id",       "data",     "state",  "actor",
                                       "comments", "metadata", "reason", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    struct text id = TEXT_NONE;
    if (!form_known(&form, keys) || !form_text(&form, "id", ENTITY_ID_MOST, &id) ||
        !attempt_job_new(call, ATTEMPT_CREATE, id, job, fault)) {
        return false;
    }
    struct attempt *attempt = &(*job)->attempt;
    return form_object(&form, "data", &attempt->patch) &&
           form_text(&form, "state", 100, &attempt->to) &&
           attempt_read_context(call, &form, attempt, fault) &&
           attempt_read_headers(call, *job, fault);
}

/* A state of one's own choice is for imports; the initial state by name is fine. */
static bool may_choose_state(struct call *call, const struct attempt *attempt,
                             struct fault *fault) {
    if (!text_given(attempt->to)) {
        return true;
    }
    struct generation *generation = published_take(call->service->published);
    const struct machine *machine = generation_machine(generation, attempt->machine);
    bool is_initial =
        machine != NULL && text_equal(machine->states[machine->initial].name, attempt->to);
    generation_unref(generation);
    return is_initial || auth_need(&call->caller, SCOPE_SYSTEM, fault);
}

void api_entity_create(struct call *call) {
    struct attempt_job *job;
    struct fault fault = FAULT_INIT;
    if (!read_create(call, &job, &fault) || !may_choose_state(call, &job->attempt, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    attempt_post(call, job);
}

/* --- change data --- */

static bool read_update(struct call *call, struct attempt_job **job, struct fault *fault) {
    static const char *const keys[] = {"data",   "actor",   "comments", "metadata",
                                       "reason", "options", NULL};
    static const char *const options[] = {"dry_run", "if_version", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    const struct js *object = NULL;
    if (!form_known(&form, keys) || !form_object(&form, "options", &object) ||
        !attempt_job_new(call, ATTEMPT_UPDATE, call->parameters[1], job, fault)) {
        return false;
    }
    struct attempt *attempt = &(*job)->attempt;
    struct form inner = {&call->exchange->arena, object, "options", fault};
    return form_object(&form, "data", &attempt->patch) && form_known(&inner, options) &&
           form_bool(&inner, "dry_run", &attempt->dry_run) &&
           form_version(&inner, "if_version", attempt) &&
           attempt_read_context(call, &form, attempt, fault) &&
           attempt_read_headers(call, *job, fault);
}

void api_entity_update(struct call *call) {
    struct attempt_job *job;
    struct fault fault = FAULT_INIT;
    if (read_update(call, &job, &fault) && job->attempt.patch == NULL) {
        fault_set(&fault, FAULT_BAD_REQUEST,
                  "data: missing; expected an object, a JSON merge patch");
    }
    if (fault.code != FAULT_NONE) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    attempt_post(call, job);
}

/* --- read one --- */

struct shown {
    struct entity entity;
    struct store_deadline *timers; /* done ones too */
    size_t timer_count;
};

static bool find_one(struct worker *worker, struct call *call, struct entity *entity,
                     struct text *extra, struct fault *fault) {
    struct store_key key = {call->parameters[0], call->parameters[1]};
    const struct actor *actor;
    if (!call_query_known(call, reading_queries, fault) || !reading_actor(call, &actor, fault) ||
        !core_read(&worker->core, &call->exchange->arena, &key, 1, entity, fault)) {
        return false;
    }
    if (!entity->exists) {
        return fault_set(fault, FAULT_ENTITY_NOT_FOUND, "%.*s '%.*s' does not exist",
                         TEXT_ARGS(key.machine), TEXT_ARGS(key.id));
    }
    return reading_allowed(worker, call, actor, entity, extra, fault);
}

static bool read_one(struct worker *worker, struct call *call, struct shown *shown,
                     struct text *extra, struct fault *fault) {
    struct store *store = worker->core.store;
    struct store_key key = {call->parameters[0], call->parameters[1]};
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = find_one(worker, call, &shown->entity, extra, fault) &&
                store_timers(store, &call->exchange->arena, &key, 1, &shown->timers,
                             &shown->timer_count, fault);
    store_rollback(store);
    return read;
}

static void put_timer(struct js_writer *writer, const struct store_deadline *timer) {
    char instant[INSTANT_TEXT];
    js_open(writer, '{');
    js_key(writer, TEXT("to"));
    js_put_text(writer, timer->to_state);
    js_key(writer, TEXT("due_at"));
    js_put_text(writer, instant_print(timer->due_us, instant));
    js_key(writer, TEXT("attempts"));
    js_put_integer(writer, timer->attempts);
    js_close(writer, '}');
}

static struct text entity_json(struct arena *arena, const struct shown *shown) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    answer_members(&writer, &shown->entity);
    js_key(&writer, TEXT("timers"));
    js_open(&writer, '[');
    for (size_t i = 0; i < shown->timer_count; i++) {
        if (shown->timers[i].done_us == 0) {
            put_timer(&writer, &shown->timers[i]);
        }
    }
    js_close(&writer, ']');
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

static void run_read(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct arena *arena = &call->exchange->arena;
    struct shown shown;
    struct text extra = TEXT_NONE;
    struct fault fault = FAULT_INIT;
    if (!read_one(worker, call, &shown, &extra, &fault)) {
        call_fail(call->exchange, &fault, extra);
        return;
    }
    struct text tag = answer_etag(arena, shown.entity.version);
    bool is_known = call_has_tag(call, tag);
    struct http_answer answer = {.status = is_known ? 304 : 200,
                                 .body = is_known ? TEXT("") : entity_json(arena, &shown),
                                 .headers = {{TEXT("ETag"), tag}},
                                 .header_count = 1};
    http_answer(call->exchange, &answer);
}

void api_entity_read(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (!call_machine(call, call->parameters[0], &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_read);
}
