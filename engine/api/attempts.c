/* attempts.c: from a call to an attempt on its way. */
#include "api/attempts.h"

#define KEY_MOST      255
#define COMMENTS_MOST (64 * 1024)

static bool unknown_machine(const struct generation *generation, struct arena *arena,
                            struct text name, struct fault *fault) {
    size_t count = generation_machine_count(generation);
    struct text *names = ARENA_ARRAY(arena, struct text, count + 1);
    for (size_t i = 0; i < count; i++) {
        names[i] = generation_machine_at(generation, i)->name;
    }
    struct text near = text_nearest(name, names, count);
    if (text_given(near)) {
        return fault_set(fault, FAULT_UNKNOWN_MACHINE,
                         "no machine '%.*s' is loaded; did you mean '%.*s'?", TEXT_ARGS(name),
                         TEXT_ARGS(near));
    }
    return fault_set(fault, FAULT_UNKNOWN_MACHINE,
                     "no machine '%.*s' is loaded; GET /v1/machines lists those that are",
                     TEXT_ARGS(name));
}

bool call_machine(struct call *call, struct text name, struct fault *fault) {
    struct generation *generation = published_take(call->service->published);
    bool known = generation_machine(generation, name) != NULL ||
                 unknown_machine(generation, &call->exchange->arena, name, fault);
    generation_unref(generation);
    return known;
}

static struct text fresh_id(struct call *call) {
    char *id = arena_alloc(&call->exchange->arena, ID_LENGTH);
    id_uuid7(&call->service->ids, now_wall_us(&call->service->now), id);
    return (struct text){id, ID_LENGTH};
}

static bool check_id(struct text id, struct fault *fault) {
    return entity_is_id(id) ||
           fault_set(
               fault, FAULT_BAD_REQUEST,
               "id: expected 1 to %d bytes of UTF-8 without control characters, not '.' or '..'",
               ENTITY_ID_MOST);
}

static struct attempt attempt_default(const struct call *call, enum attempt_kind kind) {
    return (struct attempt){
        .kind = kind,
        .machine = call->parameters[0],
        .reason = TEXT("user_action"),
        .lock = true,
        .blocking_timeout_ms = -1,
        .max_retries = -1,
        .request_id = text_of(call->exchange->request_id),
    };
}

bool attempt_job_new(struct call *call, enum attempt_kind kind, struct text id,
                     struct attempt_job **out, struct fault *fault) {
    if (!call_machine(call, call->parameters[0], fault) ||
        (text_given(id) && !check_id(id, fault))) {
        return false;
    }
    struct attempt_job *job = ARENA_NEW(&call->exchange->arena, struct attempt_job);
    job->call = call;
    job->attempt = attempt_default(call, kind);
    job->attempt.id = text_given(id) ? id : fresh_id(call);
    job->job.exchange = call->exchange;
    job->job.done = answer_done;
    job->job.member = (struct member){
        .attempts = &job->attempt, .attempt_count = 1, .render = answer_render, .context = job};
    *out = job;
    return true;
}

/* --- who asks --- */

/* Without act_as, a key speaks for itself and for nobody else. */
static bool choose_actor(struct call *call, const struct actor *sent, struct attempt *attempt,
                         struct fault *fault) {
    attempt->actor = sent != NULL ? sent : call->caller.self;
    return sent == NULL || auth_need(&call->caller, SCOPE_ACT_AS, fault);
}

static bool check_reason(const struct form *form, const struct attempt *attempt) {
    return attempt_is_reason(attempt->reason) ||
           fault_set(form->fault, FAULT_BAD_REQUEST,
                     "reason: '%.*s' is none of user_action, system_auto, batch, migration, api, "
                     "timer, webhook, admin_override",
                     (int)(attempt->reason.length > 60 ? 60 : attempt->reason.length),
                     attempt->reason.bytes);
}

bool attempt_read_context(struct call *call, const struct form *form, struct attempt *attempt,
                          struct fault *fault) {
    const struct actor *sent = NULL;
    return form_actor(form, "actor", &sent) && choose_actor(call, sent, attempt, fault) &&
           form_text(form, "reason", 100, &attempt->reason) && check_reason(form, attempt) &&
           form_text(form, "comments", COMMENTS_MOST, &attempt->comments) &&
           form_object(form, "metadata", &attempt->metadata);
}

/* --- headers --- */

/* Cuts the next entity tag off a list; false for what is none. A weak one never matches. */
static bool next_tag(struct text *list, int64_t *version) {
    bool is_weak = text_starts(*list, TEXT("W/"));
    struct text rest = {list->bytes + (is_weak ? 2 : 0), list->length - (is_weak ? 2 : 0)};
    const char *end = rest.length > 1 ? memchr(rest.bytes + 1, '"', rest.length - 1) : NULL;
    if (end == NULL || rest.bytes[0] != '"') {
        return false;
    }
    struct text tag = {rest.bytes + 1, (size_t)(end - rest.bytes) - 1};
    if (is_weak || !text_to_integer(tag, version) || *version < 1) {
        *version = is_weak ? VERSION_WEAK : VERSION_NONE;
    }
    const char *after = end + 1, *stop = rest.bytes + rest.length;
    while (after < stop && (*after == ' ' || *after == '\t' || *after == ',')) {
        after++;
    }
    *list = (struct text){after, (size_t)(stop - after)};
    return true;
}

/* Both were sent: the one of the body has to be among those of the header, and is what counts. */
static bool agrees(const struct attempt *attempt, const int64_t *versions, size_t count,
                   struct fault *fault) {
    struct attempt header = {.if_versions = versions, .if_version_count = count};
    return attempt_wants_version(&header, attempt->if_versions[0]) ||
           fault_set(fault, FAULT_BAD_REQUEST, "If-Match and if_version differ");
}

/* If-Match (RFC 9110 section 13.1.1): *, or a list of tags as ETag gave them, of which one has to
 * match. The shortest tag has two bytes. */
static bool read_if_match(struct call *call, struct attempt *attempt, struct fault *fault) {
    struct text list = http_header(call->exchange, "If-Match");
    if (!text_given(list) || text_equal(list, TEXT("*"))) {
        return true;
    }
    int64_t *versions = ARENA_ARRAY(&call->exchange->arena, int64_t, list.length / 2 + 1);
    size_t count = 0;
    do {
        if (!next_tag(&list, &versions[count++])) {
            return fault_set(fault, FAULT_BAD_REQUEST,
                             "If-Match: expected versions in quotes, as ETag gave them: \"3\"");
        }
    } while (list.length > 0);
    if (attempt->if_version_count > 0) {
        return agrees(attempt, versions, count, fault);
    }
    attempt->if_versions = versions;
    attempt->if_version_count = count;
    return true;
}

static bool is_key(struct text key) {
    for (size_t i = 0; i < key.length; i++) {
        if (key.bytes[i] < 0x20 || key.bytes[i] > 0x7e) {
            return false;
        }
    }
    return key.length > 0 && key.length <= KEY_MOST;
}

/* Caller, method and target: the path as it is, and a query by its hash, since the scope is kept
 * and nobody looks at what a query has in it. */
static struct text scope_of(struct call *call) {
    struct http_exchange *exchange = call->exchange;
    struct text target = exchange->target;
    struct text caller = caller_identity(&exchange->arena, &call->caller);
    struct text scope = text_print(&exchange->arena, "%.*s %.*s ", TEXT_ARGS(caller),
                                   TEXT_ARGS(exchange->method_name));
    const char *query = memchr(target.bytes, '?', target.length);
    if (query == NULL) {
        return text_print(&exchange->arena, "%.*s%.*s", TEXT_ARGS(scope), TEXT_ARGS(target));
    }
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    size_t path = (size_t)(query - target.bytes);
    digest_sha256((struct text){query, target.length - path}, digest);
    digest_hex(digest, sizeof digest, hex);
    return text_print(&exchange->arena, "%.*s%.*s?%.*s", TEXT_ARGS(scope), (int)path, target.bytes,
                      DIGEST_HEX, hex);
}

/* Equal JSON values are one request, whatever their white space and the order of members. */
static void hash_body(struct call *call, unsigned char hash[DIGEST_BYTES]) {
    struct text body = call->exchange->body;
    digest_sha256(call->body != NULL ? js_print(&call->exchange->arena, call->body) : body, hash);
}

bool attempt_read_key(struct call *call, struct store_answer *out, struct fault *fault) {
    struct text key;
    if (!http_header_once(call->exchange, "Idempotency-Key", &key, fault)) {
        return false;
    }
    if (!text_given(key)) {
        return true;
    }
    if (!is_key(key)) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "Idempotency-Key: expected 1 to %d printable ASCII characters", KEY_MOST);
    }
    out->key = key;
    out->scope = scope_of(call);
    hash_body(call, out->body_hash);
    return true;
}

static bool read_idempotency_key(struct call *call, struct attempt_job *job, struct fault *fault) {
    struct member *member = &job->job.member;
    struct store_answer kept = {0};
    if (job->attempt.dry_run) {
        return true;
    }
    if (!attempt_read_key(call, &kept, fault)) {
        return false;
    }
    member->idempotency_key = kept.key;
    member->idempotency_scope = kept.scope;
    memcpy(member->body_hash, kept.body_hash, DIGEST_BYTES);
    return true;
}

bool attempt_read_headers(struct call *call, struct attempt_job *job, struct fault *fault) {
    return read_if_match(call, &job->attempt, fault) && read_idempotency_key(call, job, fault);
}

void attempt_post(struct call *call, struct attempt_job *job) {
    if (job->attempt.dry_run) {
        workers_post_decider(&call->service->workers, &job->job);
    } else {
        workers_post(&call->service->workers,
                     workers_home(&call->service->workers, job->attempt.machine, job->attempt.id),
                     &job->job);
    }
}
