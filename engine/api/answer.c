/* answer.c: one function a shape. Rendering happens inside the batch, before the commit, because an
 * answer with an idempotency key is stored in the same transaction; sending happens after it. */
#include "api/answer.h"

#include "timezone/instant.h"

void answer_members(struct js_writer *writer, const struct entity *entity) {
    char instant[INSTANT_TEXT];
    js_key(writer, TEXT("machine"));
    js_put_text(writer, entity->machine);
    js_key(writer, TEXT("id"));
    js_put_text(writer, entity->id);
    js_key(writer, TEXT("state"));
    js_put_text(writer, entity->state);
    js_key(writer, TEXT("version"));
    js_put_integer(writer, entity->version);
    js_key(writer, TEXT("data"));
    js_put_raw(writer, entity_data_json(writer->buffer->arena, entity));
    js_key(writer, TEXT("created_at"));
    js_put_text(writer, instant_print(entity->created_us, instant));
    js_key(writer, TEXT("updated_at"));
    js_put_text(writer, instant_print(entity->updated_us, instant));
}

void answer_entity(struct js_writer *writer, const struct entity *entity) {
    js_open(writer, '{');
    answer_members(writer, entity);
    js_close(writer, '}');
}

struct text answer_etag(struct arena *arena, int64_t version) {
    return text_print(arena, "\"%lld\"", (long long)version);
}

/* --- success --- */

static void put_given(struct js_writer *writer, struct text key, const struct js *value) {
    if (value != NULL) {
        js_key(writer, key);
        js_put(writer, value);
    }
}

static void put_warnings(struct js_writer *writer, const struct outcome *outcome) {
    const struct js *warnings = outcome->decision->warnings;
    js_key(writer, TEXT("warnings"));
    js_put(writer, warnings != NULL ? warnings : &js_empty_array);
}

static void put_audit(struct js_writer *writer, const struct outcome *outcome) {
    bool recorded = outcome->audit_uuid[0] != '\0';
    js_key(writer, TEXT("audit_id"));
    js_put_text(writer, recorded ? text_of(outcome->audit_uuid) : TEXT_NONE);
    js_key(writer, TEXT("audit_sequence"));
    if (recorded) {
        js_put_integer(writer, outcome->audit_sequence);
    } else {
        js_put(writer, NULL);
    }
    js_key(writer, TEXT("audit_hash"));
    js_put_text(writer, recorded ? text_of(outcome->audit_hash) : TEXT_NONE);
}

static void put_timing(struct js_writer *writer, const struct outcome *outcome, int64_t total_us) {
    js_key(writer, TEXT("timing"));
    js_open(writer, '{');
    js_key(writer, TEXT("lock_us"));
    js_put_integer(writer, outcome->lock_us);
    js_key(writer, TEXT("execute_us"));
    js_put_integer(writer, outcome->execute_us);
    js_key(writer, TEXT("total_us"));
    js_put_integer(writer, total_us);
    js_close(writer, '}');
}

static void put_moved(struct js_writer *writer, const struct attempt *attempt,
                      const struct outcome *outcome) {
    js_key(writer, TEXT("success"));
    js_put_bool(writer, true);
    js_key(writer, TEXT("changed"));
    js_put_bool(writer, outcome->changed);
    if (attempt->dry_run) {
        js_key(writer, TEXT("dry_run"));
        js_put_bool(writer, true);
    }
    js_key(writer, TEXT("machine"));
    js_put_text(writer, attempt->machine);
    js_key(writer, TEXT("id"));
    js_put_text(writer, attempt->id);
    js_key(writer, TEXT("from"));
    js_put_text(writer, outcome->from);
    js_key(writer, TEXT("to"));
    js_put_text(writer, outcome->to);
    js_key(writer, TEXT("version"));
    js_put_integer(writer, outcome->version);
    js_key(writer, TEXT("data"));
    js_put_raw(writer, entity_data_json(writer->buffer->arena, outcome->entity));
}

static void put_transition(struct js_writer *writer, const struct attempt *attempt,
                           const struct outcome *outcome, struct text policy, int64_t total_us) {
    js_open(writer, '{');
    put_moved(writer, attempt, outcome);
    put_warnings(writer, outcome);
    put_audit(writer, outcome);
    put_timing(writer, outcome, total_us);
    js_key(writer, TEXT("retries"));
    js_put_integer(writer, outcome->retries);
    js_key(writer, TEXT("policy"));
    js_put_text(writer, policy);
    put_given(writer, TEXT("explanation"), outcome->decision->explanation);
    js_close(writer, '}');
}

static void put_written(struct js_writer *writer, const struct outcome *outcome) {
    js_open(writer, '{');
    answer_members(writer, outcome->entity);
    js_key(writer, TEXT("changed"));
    js_put_bool(writer, outcome->changed);
    put_warnings(writer, outcome);
    put_audit(writer, outcome);
    js_close(writer, '}');
}

/* --- refusal --- */

static void put_details(struct js_writer *writer, const struct decision *decision) {
    put_given(writer, TEXT("allowed"), decision->allowed);
    put_given(writer, TEXT("required_permissions"), decision->required_permissions);
    put_given(writer, TEXT("missing_permissions"), decision->missing_permissions);
    if (text_given(decision->denied_by)) {
        js_key(writer, TEXT("denied_by"));
        js_put_text(writer, decision->denied_by);
    }
    put_given(writer, TEXT("messages"), decision->messages);
    put_given(writer, TEXT("errors"), decision->errors);
    put_given(writer, TEXT("explanation"), decision->explanation);
}

struct text answer_extra(struct arena *arena, const struct outcome *outcome) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_key(&writer, TEXT("success"));
    js_put_bool(&writer, false);
    if (text_given(outcome->from)) {
        js_key(&writer, TEXT("current_state"));
        js_put_text(&writer, outcome->from);
        js_key(&writer, TEXT("current_version"));
        js_put_integer(&writer, outcome->version);
    }
    if (outcome->decision != NULL) {
        put_details(&writer, outcome->decision);
    }
    put_audit(&writer, outcome);
    return buffer_view(&buffer);
}

static struct text unknown_extra(enum fault_code code) {
    if (code == FAULT_OUTCOME_UNKNOWN) {
        return TEXT("\"outcome\":\"unknown\"");
    }
    return fault_status(code) >= 500 ? TEXT("\"outcome\":\"not_executed\"") : TEXT_NONE;
}

/* --- the job of one attempt --- */

static struct attempt_job *attempt_job_of(struct member *member) {
    return member->context;
}

static void render_refusal(struct attempt_job *job, const struct outcome *outcome,
                           struct http_answer *answer) {
    struct http_exchange *exchange = job->job.exchange;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, outcome->code, "%.*s", TEXT_ARGS(outcome->message));
    http_problem(exchange, &fault, answer_extra(&exchange->arena, outcome), answer);
}

static void add_header(struct http_answer *answer, struct text name, struct text value) {
    answer->headers[answer->header_count++] = (struct http_header){name, value};
}

/* The identifier as one segment of a path (RFC 3986 section 2.3). */
static void put_segment(struct buffer *buffer, struct text text) {
    static const char unreserved[] = "-._~";
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z') ||
                     (byte != 0 && strchr(unreserved, byte) != NULL);
        if (plain) {
            buffer_add_char(buffer, (char)byte);
        } else {
            buffer_print(buffer, "%%%02X", byte);
        }
    }
}

static struct text location_of(struct arena *arena, const struct attempt *attempt) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_print(&buffer, "/v1/entities/%.*s/", TEXT_ARGS(attempt->machine));
    put_segment(&buffer, attempt->id);
    return buffer_view(&buffer);
}

static void render_success(struct attempt_job *job, const struct outcome *outcome,
                           struct core *core, struct http_answer *answer) {
    struct arena *arena = &job->job.exchange->arena;
    const struct attempt *attempt = &job->attempt;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    if (attempt->kind == ATTEMPT_TRANSITION) {
        int64_t total_us = now_monotonic_us(&core->now) - job->job.exchange->received_us;
        put_transition(&writer, attempt, outcome, generation_name(core->policy.generation),
                       total_us);
    } else {
        put_written(&writer, outcome);
    }
    answer->body = buffer_view(&buffer);
    answer->status = attempt->kind == ATTEMPT_CREATE ? 201 : 200;
    if (!attempt->dry_run) {
        add_header(answer, TEXT("ETag"), answer_etag(arena, outcome->version));
    }
    if (attempt->kind == ATTEMPT_CREATE) {
        add_header(answer, TEXT("Location"), location_of(arena, attempt));
    }
}

static struct http_answer render(struct attempt_job *job, struct core *core) {
    struct http_answer answer = {0};
    const struct outcome *outcome = &job->job.member.outcomes[0];
    if (outcome->code != FAULT_NONE) {
        render_refusal(job, outcome, &answer);
    } else {
        render_success(job, outcome, core, &answer);
    }
    return answer;
}

/* --- answers that are kept --- */

static struct text headers_json(struct arena *arena, const struct http_answer *answer) {
    const struct js *object = &js_empty_object;
    for (size_t i = 0; i < answer->header_count; i++) {
        object = js_with(arena, object, answer->headers[i].name,
                         js_string(arena, answer->headers[i].value));
    }
    return js_print(arena, object);
}

/* Another member of the batch, with the same key, may be answered with it when this exchange has
 * been sent and is gone: so it lives in the batch's arena. */
void answer_render(struct member *member, struct core *core) {
    struct http_answer answer = render(attempt_job_of(member), core);
    member->answer.status = answer.status;
    member->answer.headers = headers_json(&core->arena, &answer);
    member->answer.body = text_copy(&core->arena, answer.body);
}

static void replayed_headers(struct arena *arena, struct text json, struct http_answer *answer) {
    const struct js *headers;
    struct fault fault = FAULT_INIT;
    if (!js_parse(arena, json, &headers, &fault) || !js_is(headers, JS_OBJECT)) {
        return;
    }
    for (size_t i = 0; i < headers->object.count && i < 6; i++) {
        add_header(answer, headers->object.members[i].key,
                   js_text(headers->object.members[i].value));
    }
}

static struct http_answer kept_answer(struct attempt_job *job) {
    struct arena *arena = &job->job.exchange->arena;
    const struct member *member = &job->job.member;
    struct http_answer answer = {.status = member->answer.status,
                                 .body = text_copy(arena, member->answer.body)};
    replayed_headers(arena, text_copy(arena, member->answer.headers), &answer);
    if (member->replayed) {
        add_header(&answer, TEXT("Idempotency-Replayed"), TEXT("true"));
    }
    return answer;
}

/* --- sending --- */

static bool is_without_outcome(const struct member *member) {
    return member->fault != FAULT_NONE && member->fault != FAULT_LOCK_TIMEOUT;
}

static void fail_whole(struct job *job, struct worker *worker) {
    struct fault fault = FAULT_INIT;
    fault_set(&fault, job->member.fault, "%.*s", TEXT_ARGS(job->member.fault_message));
    metrics_attempt(worker->options->metrics, fault.code);
    call_fail(job->exchange, &fault, unknown_extra(fault.code));
}

void answer_done(struct job *job, struct worker *worker) {
    struct member *member = &job->member;
    struct attempt_job *attempt_job = attempt_job_of(member);
    if (is_without_outcome(member)) {
        fail_whole(job, worker);
        return;
    }
    if (!member->replayed) {
        metrics_attempt(worker->options->metrics, member->outcomes[0].code);
    }
    struct http_answer answer =
        member->answer.status != 0 ? kept_answer(attempt_job) : render(attempt_job, &worker->core);
    http_answer(job->exchange, &answer);
}
