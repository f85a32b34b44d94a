/* api_access_metadata.c: where the calls of the AuthZEN API are (OpenID AuthZEN Authorization API
 * 1.0, section 9). */
#include "server/route.h"

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

void api_access_metadata(struct call *call) {
    struct arena *arena = &call->exchange->arena;
    struct text base = base_of(call);
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
    call_ok(call->exchange, 200, buffer_view(&buffer));
}
