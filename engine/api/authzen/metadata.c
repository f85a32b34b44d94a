/* metadata.c: where the calls of the AuthZEN API are (OpenID AuthZEN Authorization API
 * 1.0, section 9). */
#include "api/route.h"

static const struct {
    const char *name, *path;
} endpoints[] = {
    {"access_evaluation_endpoint", "/access/v1/evaluation"},
    {"access_evaluations_endpoint", "/access/v1/evaluations"},
    {"search_subject_endpoint", "/access/v1/search/subject"},
    {"search_resource_endpoint", "/access/v1/search/resource"},
    {"search_action_endpoint", "/access/v1/search/action"},
};

/* As --public-url says; else as the caller came here. */
static struct text base_of(struct call *call) {
    struct text url = call->service->options.public_url;
    if (text_given(url) && url.length > 0) {
        return url;
    }
    return text_print(&call->exchange->arena, "%s://%.*s",
                      call->service->tls != NULL ? "https" : "http",
                      TEXT_ARGS(http_header(call->exchange, "Host")));
}

/* The path that --public-url has, or nothing. */
static struct text path_of(struct text url) {
    const char *scheme = memmem(url.bytes, url.length, "://", 3);
    const char *host = scheme != NULL ? scheme + 3 : url.bytes;
    const char *slash = memchr(host, '/', (size_t)(url.bytes + url.length - host));
    return slash != NULL ? (struct text){slash, (size_t)(url.bytes + url.length - slash)}
                         : TEXT("");
}

/* Callers put the well-known part before the path of the URL that they know; what stands before
 * this server may take that path away. */
static bool is_here(struct call *call, struct text base) {
    struct text path = path_of(base);
    return !text_given(call->parameters[0]) ||
           (path.length > 0 &&
            text_equal(call->exchange->path,
                       text_print(&call->exchange->arena, "/.well-known/authzen-configuration%.*s",
                                  TEXT_ARGS(path))));
}

static struct text document(struct arena *arena, struct text base) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("policy_decision_point"));
    js_put_text(&writer, base);
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        js_key(&writer, text_of(endpoints[i].name));
        js_put_text(&writer, text_print(arena, "%.*s%s", TEXT_ARGS(base), endpoints[i].path));
    }
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

void api_access_metadata(struct call *call) {
    struct text base = base_of(call);
    if (!is_here(call, base)) {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, FAULT_NOT_FOUND,
                  "there is no policy decision point at that path; --public-url sets the path");
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    struct http_answer answer = {.status = 200, .body = document(&call->exchange->arena, base)};
    answer.headers[answer.header_count++] =
        (struct http_header){TEXT("Cache-Control"), TEXT("max-age=300")};
    http_answer(call->exchange, &answer);
}
