/* route.c: from an exchange to the function that answers it.
 * route_call reads like the life of a request: find the route, authenticate, check the scope, parse
 * the body, hand over. Everything is made in the exchange's arena, which the answer frees. */
#include <limits.h>

#include "api/route.h"

#include "api/batch_answer.h"
#include "api/gate.h"
#include "api/reach.h"
#include "base/log.h"

/* clang-format off */
const struct route route_table[] = {
    {HTTP_POST,   "/v1/entities/{machine}",                  api_entity_create,    SCOPE_TRANSITION, false, true, false},
    {HTTP_GET,    "/v1/entities/{machine}",                  api_entity_list,      SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/entities/{machine}/{id}",             api_entity_read,      SCOPE_READ,       false, false, false},
    {HTTP_PATCH,  "/v1/entities/{machine}/{id}",             api_entity_update,    SCOPE_TRANSITION, false, true, false},
    {HTTP_POST,   "/v1/entities/{machine}/{id}/transitions", api_transition,       SCOPE_TRANSITION, false, true, false},
    {HTTP_GET,    "/v1/entities/{machine}/{id}/transitions", api_transition_list,  SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/entities/{machine}/{id}/history",     api_history,          SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/audit",                               api_audit_search,     SCOPE_AUDIT,      false, false, false},
    {HTTP_POST,   "/v1/batches",                             api_batch_create,     SCOPE_TRANSITION, false, true, false},
    {HTTP_GET,    "/v1/batches",                             api_batch_list,       SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/batches/{id}",                        api_batch_read,       SCOPE_READ,       false, false, false},
    {HTTP_POST,   "/v1/batches/{id}/pause",                  api_batch_pause,      SCOPE_TRANSITION, false, false, false},
    {HTTP_POST,   "/v1/batches/{id}/resume",                 api_batch_resume,     SCOPE_TRANSITION, false, false, false},
    {HTTP_POST,   "/v1/batches/{id}/cancel",                 api_batch_cancel,     SCOPE_TRANSITION, false, false, false},
    {HTTP_GET,    "/v1/machines",                            api_machine_list,     SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/machines/{machine}",                  api_machine_read,     SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/machines/{machine}/{diagram}",        api_machine_diagram,  SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/policies",                            api_policy_list,      SCOPE_READ,       false, false, false},
    {HTTP_POST,   "/v1/policies/reload",                     api_policy_reload,    SCOPE_ADMIN,      false, true, false},
    {HTTP_GET,    "/v1/stats/states/{machine}",              api_stats_states,     SCOPE_READ,       false, false, false},
    {HTTP_POST,   "/v1/sanitize",                            api_sanitize,         SCOPE_READ,       false, true, false},
    {HTTP_POST,   "/v1/locks/{key}",                         api_lock_acquire,     SCOPE_TRANSITION, false, true, false},
    {HTTP_PUT,    "/v1/locks/{key}",                         api_lock_renew,       SCOPE_TRANSITION, false, true, false},
    {HTTP_DELETE, "/v1/locks/{key}",                         api_lock_release,     SCOPE_TRANSITION, false, true, false},
    {HTTP_POST,   "/v1/tokens",                              api_token_create,     SCOPE_ADMIN,      false, true, false},
    {HTTP_GET,    "/v1/tokens",                              api_token_list,       SCOPE_ADMIN,      false, false, false},
    {HTTP_DELETE, "/v1/tokens/{name}",                       api_token_revoke,     SCOPE_ADMIN,      false, false, false},
    {HTTP_POST,   "/v1/time/normalize",                      api_time_normalize,   SCOPE_READ,       false, true, false},
    {HTTP_POST,   "/v1/time/denormalize",                    api_time_denormalize, SCOPE_READ,       false, true, false},
    {HTTP_POST,   "/v1/time/parse",                          api_time_parse,       SCOPE_READ,       false, true, false},
    {HTTP_GET,    "/v1/time/offsets/{offset}",               api_time_offset,      SCOPE_READ,       false, false, false},
    {HTTP_GET,    "/v1/time/zones",                          api_time_zones,       SCOPE_READ,       false, false, false},
    {HTTP_POST,   "/access/v1/evaluation",                   api_access_evaluation, SCOPE_READ,      false, true, true},
    {HTTP_POST,   "/access/v1/evaluations",                  api_access_evaluations, SCOPE_READ,     false, true, true},
    {HTTP_POST,   "/access/v1/search/subject",               api_access_search_subject, SCOPE_READ,  false, true, true},
    {HTTP_POST,   "/access/v1/search/resource",              api_access_search_resource, SCOPE_READ, false, true, true},
    {HTTP_POST,   "/access/v1/search/action",                api_access_search_action, SCOPE_READ,   false, true, true},
    {HTTP_GET,    "/.well-known/authzen-configuration",      api_access_metadata,  0,                true,  false, false},
    {HTTP_GET,    "/.well-known/authzen-configuration/{path}", api_access_metadata,  0,                true,  false, false},
    {HTTP_GET,    "/openapi.json",                           api_openapi,          0,                true,  false, false},
    {HTTP_GET,    "/livez",                                  api_livez,            0,                true,  false, false},
    {HTTP_GET,    "/readyz",                                 api_readyz,           0,                true,  false, false},
    {HTTP_GET,    "/version",                                api_version,          0,                true,  false, false},
    {HTTP_GET,    "/metrics",                                api_metrics,          0,                true,  false, false},
};
/* clang-format on */
const size_t route_count = sizeof route_table / sizeof *route_table;

/* In the order of enum http_method. */
static const char *const method_names[] = {"GET",   "HEAD",   "POST",   "PUT",
                                           "PATCH", "DELETE", "OPTIONS"};

/* --- paths --- */

/* Cuts the next segment off a path that begins with '/'. */
static struct text next_segment(struct text *path) {
    const char *start = path->bytes + 1;
    size_t rest = path->length - 1;
    const char *slash = memchr(start, '/', rest);
    size_t length = slash != NULL ? (size_t)(slash - start) : rest;
    *path = (struct text){start + length, rest - length};
    return (struct text){start, length};
}

/* Whether the raw path has the pattern's form; `raw` gets its parameters, still encoded. */
static bool path_matches(const char *pattern, struct text path, struct text *raw) {
    struct text rest = text_of(pattern);
    size_t parameters = 0;
    raw[0] = raw[1] = TEXT_NONE;
    while (rest.length > 0 && path.length > 0) {
        struct text wanted = next_segment(&rest);
        struct text given = next_segment(&path);
        if (wanted.bytes[0] == '{') {
            raw[parameters++] = given;
        } else if (!text_equal(wanted, given)) {
            return false;
        }
    }
    return rest.length == 0 && path.length == 0;
}

static int hex_digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    character = (char)(character | 0x20);
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* Percent-decoding (RFC 3986 section 2.1); '+' is a space in queries only. */
static bool decode(struct arena *arena, struct text raw, bool is_query, struct text *out) {
    char *bytes = arena_alloc(arena, raw.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < raw.length; i++) {
        char character = raw.bytes[i];
        if (character == '%') {
            int first = i + 2 < raw.length ? hex_digit(raw.bytes[i + 1]) : -1;
            int second = i + 2 < raw.length ? hex_digit(raw.bytes[i + 2]) : -1;
            if (first < 0 || second < 0) {
                return false;
            }
            character = (char)(first * 16 + second);
            i += 2;
        } else if (character == '+' && is_query) {
            character = ' ';
        }
        bytes[length++] = character;
    }
    *out = (struct text){bytes, length};
    return text_is_utf8(*out) && memchr(bytes, '\0', length) == NULL;
}

static bool decode_parameters(struct call *call, const struct text *raw, struct fault *fault) {
    for (size_t i = 0; i < ROUTE_PARAMETERS && text_given(raw[i]); i++) {
        if (!decode(&call->exchange->arena, raw[i], false, &call->parameters[i])) {
            return fault_set(fault, FAULT_BAD_REQUEST,
                             "the path is not percent-encoded UTF-8; encode each byte of an "
                             "identifier as %%XX");
        }
    }
    return true;
}

static bool is_method(const struct route *route, enum http_method method) {
    return route->method == method || (method == HTTP_HEAD && route->method == HTTP_GET);
}

/* NULL when nothing matches; `allow` collects the methods that the path would take. */
static const struct route *find_route(enum http_method method, struct text path, struct text *raw,
                                      struct buffer *allow) {
    for (size_t i = 0; i < route_count; i++) {
        if (!path_matches(route_table[i].path, path, raw)) {
            continue;
        }
        if (is_method(&route_table[i], method)) {
            return &route_table[i];
        }
        if (allow != NULL) {
            buffer_print(allow, "%s%s%s", allow->length > 0 ? ", " : "",
                         method_names[route_table[i].method],
                         route_table[i].method == HTTP_GET ? ", HEAD" : "");
        }
    }
    return NULL;
}

/* --- queries --- */

/* Who reads the query, and refuses what it does not know. All others take none. */
static route_handler *const query_readers[] = {
    api_entity_read, api_entity_list,  api_transition, api_transition_list,
    api_history,     api_audit_search, api_batch_list, api_lock_acquire,
    api_lock_renew,  api_lock_release, api_token_list, api_stats_states,
};

static bool reads_query(const struct route *route) {
    for (size_t i = 0; i < sizeof query_readers / sizeof *query_readers; i++) {
        if (query_readers[i] == route->handler) {
            return true;
        }
    }
    return false;
}

static bool check_query(struct call *call, struct fault *fault) {
    static const char *const none[] = {NULL};
    return reads_query(call->route) || call_query_known(call, none, fault);
}

/* --- one request --- */

/* Who guesses at keys shows in the log; who sends none does not. */
static void tell_refusal(const struct call *call) {
    const struct http_exchange *exchange = call->exchange;
    if (text_given(call->caller.refusal)) {
        bool is_token = call->caller.kind == CALLER_TOKEN;
        log_line(LOG_WARNING, is_token ? "token_refused" : "key_refused",
                 "%.*s (from %.*s, request %s)", TEXT_ARGS(call->caller.refusal),
                 TEXT_ARGS(exchange->peer), exchange->request_id);
    }
}

static bool identify(struct call *call, struct fault *fault) {
    bool is_known = auth_check(call->service->auth, &call->exchange->arena,
                               http_header(call->exchange, "Authorization"), &call->caller, fault);
    if (is_known) {
        return true;
    }
    struct fault over = FAULT_INIT;
    if (text_given(call->caller.refusal) && !gate_count_guess(call, &over)) {
        *fault = over;
    } else {
        tell_refusal(call);
    }
    return false;
}

/* Operators read what is wrong in the answer; others are told where it is written. */
static void note_trust(struct call *call) {
    call->exchange->trusts_caller =
        auth_is_open(call->service->auth) || (call->caller.scopes & SCOPE_ADMIN) != 0;
}

static bool has_scope(const struct call *call, struct fault *fault) {
    return call->route->scope == 0 ||
           auth_need(&call->caller, (enum scope)call->route->scope, fault);
}

/* Whoever may not enter counts too, so that a key that is guessed at costs an address its calls. */
static bool enter(struct call *call, struct fault *fault) {
    if (call->route->open) {
        note_trust(call);
        return gate_origin(call, fault);
    }
    struct fault over = FAULT_INIT;
    bool is_known = gate_origin(call, fault) && identify(call, fault);
    if (!gate_count(call, is_known, &over)) {
        *fault = over;
        return false;
    }
    note_trust(call);
    return is_known && has_scope(call, fault);
}

/* What a browser sends from a foreign page without asking first is refused. */
static bool check_media_type(struct call *call, struct fault *fault) {
    struct text type = http_header(call->exchange, "Content-Type");
    const char *semicolon = text_given(type) ? memchr(type.bytes, ';', type.length) : NULL;
    struct text media = {type.bytes,
                         semicolon != NULL ? (size_t)(semicolon - type.bytes) : type.length};
    while (media.length > 0 && media.bytes[media.length - 1] == ' ') {
        media.length--;
    }
    if (call->route->is_authzen) {
        return text_equal_ignore_case(media, TEXT("application/json")) ||
               fault_set(fault, FAULT_BAD_REQUEST,
                         "the body must be JSON: send Content-Type: application/json");
    }
    return !text_given(type) || text_equal_ignore_case(media, TEXT("application/json")) ||
           text_ends(media, TEXT("+json")) ||
           fault_set(fault, FAULT_UNSUPPORTED_MEDIA,
                     "the body must be JSON: send Content-Type: application/json");
}

static bool parse_body(struct call *call, struct fault *fault) {
    if (!call->route->has_body || call->exchange->body.length == 0) {
        return true;
    }
    if (!check_media_type(call, fault) ||
        !js_parse(&call->exchange->arena, call->exchange->body, &call->body, fault)) {
        return false;
    }
    return js_is(call->body, JS_OBJECT) ||
           fault_set(fault, FAULT_BAD_REQUEST, "the body: expected an object, not %s",
                     js_type_name(call->body));
}

static void no_route(struct http_exchange *exchange, const struct buffer *allow) {
    struct fault fault = FAULT_INIT;
    struct http_answer answer = {0};
    bool known_path = allow->length > 0;
    if (known_path) {
        fault_set(&fault, FAULT_METHOD_NOT_ALLOWED, "%.*s is not allowed here; use %.*s",
                  TEXT_ARGS(exchange->method_name), (int)allow->length, allow->bytes);
    } else {
        fault_set(&fault, FAULT_NOT_FOUND,
                  "no call has this path; GET /openapi.json lists all calls");
    }
    http_problem(exchange, &fault, TEXT_NONE, &answer);
    if (known_path) {
        answer.headers[answer.header_count++] =
            (struct http_header){TEXT("Allow"), buffer_view(allow)};
    }
    http_answer(exchange, &answer);
}

/* Asked by a browser before a call: no key comes with it, and it does nothing, so nothing counts.
 */
static void preflight(struct call *call, struct text methods) {
    struct fault fault = FAULT_INIT;
    if (gate_origin(call, &fault)) {
        cors_permit(call->exchange, methods);
    } else {
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
}

static void refuse_route(struct call *call, const struct buffer *allow) {
    struct fault fault = FAULT_INIT;
    if (allow->length > 0 && call->service->cors != NULL && cors_is_preflight(call->exchange)) {
        preflight(call, buffer_view(allow));
    } else if (!gate_count(call, false, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
    } else {
        no_route(call->exchange, allow);
    }
}

static struct call *call_new(struct service *service, struct http_exchange *exchange) {
    struct call *call = ARENA_NEW(&exchange->arena, struct call);
    *call = (struct call){.service = service, .exchange = exchange};
    exchange->context = call;
    return call;
}

static void route_call(void *context, struct http_exchange *exchange) {
    struct call *call = call_new(context, exchange);
    struct text raw[ROUTE_PARAMETERS] = {{NULL, 0}};
    struct fault fault = FAULT_INIT;
    struct buffer allow;
    buffer_init(&allow, &exchange->arena);
    call->route = find_route(exchange->method, exchange->path, raw, &allow);
    if (call->route == NULL) {
        refuse_route(call, &allow);
    } else if (enter(call, &fault) && decode_parameters(call, raw, &fault) &&
               check_query(call, &fault) && parse_body(call, &fault) && reach_check(call, &fault)) {
        call->route->handler(call);
    } else {
        call_fail(exchange, &fault, TEXT_NONE);
    }
}

/* Who may enter is counted when the request is whole; who may not, here. */
static bool route_admit(void *context, struct http_exchange *exchange, struct fault *fault) {
    struct service *service = context;
    struct text raw[ROUTE_PARAMETERS];
    const struct route *route = find_route(exchange->method, exchange->path, raw, NULL);
    if (auth_is_open(service->auth) || (route != NULL && route->open)) {
        return true;
    }
    struct call *call = call_new(service, exchange);
    struct fault over = FAULT_INIT;
    bool is_known = identify(call, fault);
    if (!is_known && !gate_count(call, false, &over)) {
        *fault = over;
    }
    return is_known;
}

/* The path without its query, which may hold what is personal. */
static void tell_access(const struct http_exchange *exchange, int64_t took_us) {
    const struct call *call = exchange->context;
    struct text path = {exchange->target.bytes, exchange->target.length};
    const char *query = memchr(path.bytes, '?', path.length);
    path.length = query != NULL ? (size_t)(query - path.bytes) : path.length;
    bool is_named = call != NULL && text_given(call->caller.name);
    struct text caller = is_named ? call->caller.name : TEXT("-");
    log_line_most(LOG_INFO, UINT_MAX, "access", "%.*s %.*s %.*s %d %zu bytes %lld us %.*s %s",
                  TEXT_ARGS(exchange->peer), TEXT_ARGS(exchange->method_name), TEXT_ARGS(path),
                  exchange->answer.status, exchange->answer.body.length, (long long)took_us,
                  TEXT_ARGS(caller), exchange->request_id);
}

static void route_observe(void *context, const struct http_exchange *exchange) {
    struct service *service = context;
    const struct call *call = exchange->context;
    unsigned index = call != NULL && call->route != NULL ? (unsigned)(call->route - route_table)
                                                         : (unsigned)route_count;
    metrics_request(service->metrics, index, exchange->answer.status,
                    now_monotonic_us(&service->now) - exchange->received_us);
    if (service->options.access_log) {
        tell_access(exchange, now_monotonic_us(&service->now) - exchange->received_us);
    }
}

static bool route_label(size_t index, const char **method, const char **path) {
    if (index >= route_count) {
        return false;
    }
    *method = method_names[route_table[index].method];
    *path = route_table[index].path;
    return true;
}

const struct service_calls route_calls = {
    .handler = route_call,
    .admission = route_admit,
    .finisher = gate_finish,
    .observer = route_observe,
    .bulk_answer = batch_answer_done,
    .label = route_label,
};

/* --- for handlers --- */

void call_ok(struct http_exchange *exchange, int status, struct text json) {
    http_reply(exchange, status, json);
}

/* A problem's detail quotes what came in, and may pass through other hands' logs. */
static struct fault clean_fault(struct http_exchange *exchange, const struct fault *fault) {
    const struct call *call = exchange->context;
    struct fault clean = FAULT_INIT;
    struct generation *generation = call != NULL ? published_take(call->service->published) : NULL;
    if (generation == NULL) {
        return *fault;
    }
    struct text message =
        generation_clean_text(generation, TEXT_NONE, &exchange->arena, text_of(fault->message));
    fault_set(&clean, fault->code, "%.*s", TEXT_ARGS(message));
    generation_unref(generation);
    return clean;
}

void call_fail(struct http_exchange *exchange, const struct fault *fault, struct text extra) {
    struct fault clean = clean_fault(exchange, fault);
    http_fail(exchange, &clean, extra);
}

void call_decide(struct call *call, job_run *run) {
    struct job *job = ARENA_NEW(&call->exchange->arena, struct job);
    job->exchange = call->exchange;
    job->run = run;
    job->context = call;
    workers_post_decider(&call->service->workers, job);
}

/* --- queries --- */

struct pair {
    struct text name, value;
};

/* Cuts the next name=value off the query; false at its end. */
static bool next_pair(struct text *query, struct pair *pair) {
    if (!text_given(*query) || query->length == 0) {
        return false;
    }
    const char *ampersand = memchr(query->bytes, '&', query->length);
    size_t length = ampersand != NULL ? (size_t)(ampersand - query->bytes) : query->length;
    size_t used = ampersand != NULL ? length + 1 : length;
    const char *equals = memchr(query->bytes, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - query->bytes) : length;
    pair->name = (struct text){query->bytes, name_length};
    pair->value = equals != NULL ? (struct text){equals + 1, length - name_length - 1}
                                 : (struct text){query->bytes + length, 0};
    *query = (struct text){query->bytes + used, query->length - used};
    return true;
}

bool call_query(struct call *call, const char *name, struct text *out, struct fault *fault) {
    struct text query = call->exchange->query;
    struct pair pair;
    bool found = false;
    while (next_pair(&query, &pair)) {
        if (!text_equal(pair.name, text_of(name))) {
            continue;
        }
        if (found) {
            return fault_set(fault, FAULT_BAD_REQUEST, "%s: given twice", name);
        }
        if (!decode(&call->exchange->arena, pair.value, true, out)) {
            return fault_set(fault, FAULT_BAD_REQUEST, "%s: not percent-encoded UTF-8", name);
        }
        found = true;
    }
    return true;
}

bool call_query_known(struct call *call, const char *const *names, struct fault *fault) {
    struct text query = call->exchange->query;
    struct pair pair;
    while (next_pair(&query, &pair)) {
        const char *const *name = names;
        while (*name != NULL && !text_equal(pair.name, text_of(*name))) {
            name++;
        }
        if (*name == NULL) {
            return fault_set(fault, FAULT_BAD_REQUEST, "%.*s: unknown query parameter",
                             (int)(pair.name.length > 60 ? 60 : pair.name.length), pair.name.bytes);
        }
    }
    return true;
}

bool call_query_name(struct call *call, struct text *query, struct text *name,
                     struct fault *fault) {
    struct pair pair;
    if (!next_pair(query, &pair)) {
        return false;
    }
    return decode(&call->exchange->arena, pair.name, true, name) ||
           fault_set(fault, FAULT_BAD_REQUEST, "the query is not percent-encoded UTF-8");
}

bool call_query_integer(struct call *call, const char *name, int64_t least, int64_t most,
                        int64_t fallback, int64_t *out, struct fault *fault) {
    struct text value = TEXT_NONE;
    *out = fallback;
    if (!call_query(call, name, &value, fault) || !text_given(value)) {
        return fault->code == FAULT_NONE;
    }
    if (!text_to_integer(value, out) || *out < least || *out > most) {
        return fault_set(fault, FAULT_BAD_REQUEST, "%s: expected an integer from %lld to %lld",
                         name, (long long)least, (long long)most);
    }
    return true;
}
