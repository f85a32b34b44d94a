/* tokens.c: API keys of a running server. Making and revoking are ordinary jobs of the first
 * writer, since of SQLite there is one writer a process. A new key works, and a revoked one does
 * not work any more, before the answer is sent. */
#include "api/form.h"
#include "api/route.h"
#include "base/log.h"
#include "identity/token.h"
#include "timezone/instant.h"

#define LIFETIME_MOST_US (INT64_C(36500) * 24 * 3600 * NOW_SECOND)

struct token_job {
    struct job job;
    struct call *call;
    struct token_request request;
};

static void post_to_writer(struct call *call, struct token_job *job, job_run *run) {
    job->call = call;
    job->job.exchange = call->exchange;
    job->job.run = run;
    job->job.context = job;
    workers_post(&call->service->workers, &call->service->workers.writers[0], &job->job);
}

/* The change is committed and stays, so a fault is only told: auth.c reads again by itself. */
static void put_in_force(struct call *call, struct worker *worker) {
    struct fault fault = FAULT_INIT;
    if (!auth_update(call->service->auth, worker->core.store, &fault)) {
        log_line(LOG_WARNING, "keys_late",
                 "changed API keys take effect within a second, not at once: %s", fault.message);
    }
}

/* --- create --- */

static bool read_scopes(const struct form *form, unsigned *scopes) {
    const struct js *names = &js_empty_array;
    if (!form_texts(form, "scopes", &names)) {
        return false;
    }
    struct buffer list;
    buffer_init(&list, form->arena);
    for (size_t i = 0; i < names->array.count; i++) {
        buffer_add_text(&list, i > 0 ? TEXT(",") : TEXT(""));
        buffer_add_text(&list, js_text(names->array.items[i]));
    }
    if (!scope_parse(buffer_view(&list), scopes, form->fault)) {
        form->fault->code = FAULT_BAD_REQUEST;
        return fault_within(form->fault, "scopes");
    }
    return true;
}

static bool read_expires_in(const struct form *form, int64_t now_us, int64_t *expires_us) {
    struct text text = TEXT_NONE;
    int64_t lifetime_us;
    if (!form_text(form, "expires_in", 60, &text) || !text_given(text)) {
        return form->fault->code == FAULT_NONE;
    }
    if (!instant_parse_duration(text, &lifetime_us, form->fault)) {
        form->fault->code = FAULT_BAD_REQUEST;
        return fault_within(form->fault, "expires_in");
    }
    *expires_us = now_us + (lifetime_us < LIFETIME_MOST_US ? lifetime_us : LIFETIME_MOST_US);
    return true;
}

static bool read_expires_at(const struct form *form, int64_t *expires_us) {
    struct text text = TEXT_NONE;
    int offset;
    if (!form_text(form, "expires_at", 60, &text) || !text_given(text)) {
        return form->fault->code == FAULT_NONE;
    }
    if (!instant_parse(text, expires_us, &offset, form->fault)) {
        form->fault->code = FAULT_BAD_REQUEST;
        return fault_within(form->fault, "expires_at");
    }
    return true;
}

/* `expires_at` is an instant, `expires_in` a duration from now; neither: never. */
static bool read_expiry(const struct form *form, int64_t now_us, int64_t *expires_us) {
    int64_t at_us = 0, in_us = 0;
    if (!read_expires_at(form, &at_us) || !read_expires_in(form, now_us, &in_us)) {
        return false;
    }
    if (at_us != 0 && in_us != 0) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "expires_at and expires_in exclude each other");
    }
    *expires_us = at_us != 0 ? at_us : in_us;
    return *expires_us == 0 || *expires_us > now_us ||
           fault_set(form->fault, FAULT_BAD_REQUEST, "the key would have expired already");
}

static bool read_request(struct call *call, struct token_request *request, struct fault *fault) {
    static const char *const keys[] = {"name",     "scopes",     "roles",      "permissions",
                                       "machines", "expires_at", "expires_in", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    int64_t now_us = now_wall_us(&call->service->now);
    return form_known(&form, keys) && form_text(&form, "name", 200, &request->name) &&
           read_scopes(&form, &request->scopes) && form_roles(&form, "roles", &request->roles) &&
           form_texts(&form, "permissions", &request->permissions) &&
           form_texts(&form, "machines", &request->machines) &&
           read_expiry(&form, now_us, &request->expires_us);
}

static void answer_created(struct call *call, const struct store_api_key *key, const char *token) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    token_members(&writer, key);
    js_key(&writer, TEXT("token"));
    js_put_text(&writer, text_of(token));
    js_close(&writer, '}');
    struct http_answer answer = {.status = 201, .body = buffer_view(&buffer)};
    answer.headers[answer.header_count++] =
        (struct http_header){TEXT("Cache-Control"), TEXT("no-store")};
    http_answer(call->exchange, &answer);
}

static void run_create(struct job *job, struct worker *worker) {
    struct token_job *token_job = job->context;
    struct call *call = token_job->call;
    struct store_api_key key;
    char token[AUTH_TOKEN_MOST];
    struct fault fault = FAULT_INIT;
    if (!token_new(&call->exchange->arena, &token_job->request, now_wall_us(&worker->core.now),
                   &key, token, &fault) ||
        !token_add(worker->core.store, &key, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    put_in_force(token_job->call, worker);
    log_line(LOG_INFO, "key_created", "API key '%.*s' was made by the %s '%.*s'",
             TEXT_ARGS(key.name), caller_noun(&call->caller), TEXT_ARGS(call->caller.name));
    answer_created(call, &key, token);
}

void api_token_create(struct call *call) {
    struct token_job *job = ARENA_NEW(&call->exchange->arena, struct token_job);
    struct fault fault = FAULT_INIT;
    if (!read_request(call, &job->request, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    post_to_writer(call, job, run_create);
}

/* --- list --- */

static void run_list(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct store_api_key *items;
    size_t count;
    struct fault fault = FAULT_INIT;
    if (!token_list(worker->core.store, &call->exchange->arena, &items, &count, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_ok(call->exchange, 200, token_list_json(&call->exchange->arena, items, count));
}

void api_token_list(struct call *call) {
    static const char *const names[] = {NULL};
    struct fault fault = FAULT_INIT;
    if (!call_query_known(call, names, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_list);
}

/* --- revoke --- */

/* The first time counts. */
static bool revoked_when(struct worker *worker, struct call *call, int64_t *out,
                         struct fault *fault) {
    struct store_api_key *items;
    size_t count;
    if (!token_list(worker->core.store, &call->exchange->arena, &items, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (text_equal(items[i].name, call->parameters[0]) ||
            text_equal(items[i].id, call->parameters[0])) {
            *out = items[i].revoked_us;
        }
    }
    return true;
}

static void answer_revoked(struct call *call, int64_t revoked_us) {
    char instant[INSTANT_TEXT];
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("name"));
    js_put_text(&writer, call->parameters[0]);
    js_key(&writer, TEXT("revoked_at"));
    js_put_text(&writer, instant_print(revoked_us, instant));
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

static void run_revoke(struct job *job, struct worker *worker) {
    struct token_job *token_job = job->context;
    struct call *call = token_job->call;
    int64_t now_us = now_wall_us(&worker->core.now);
    struct fault fault = FAULT_INIT;
    int64_t revoked_us = now_us;
    if (!token_revoke(worker->core.store, call->parameters[0], now_us, &fault) ||
        !revoked_when(worker, call, &revoked_us, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    put_in_force(token_job->call, worker);
    log_line(LOG_INFO, "key_revoked", "API key '%.*s' was revoked by the %s '%.*s'",
             TEXT_ARGS(call->parameters[0]), caller_noun(&call->caller),
             TEXT_ARGS(call->caller.name));
    answer_revoked(call, revoked_us);
}

void api_token_revoke(struct call *call) {
    post_to_writer(call, ARENA_NEW(&call->exchange->arena, struct token_job), run_revoke);
}
