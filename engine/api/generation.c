/* generation.c: see the header; an answer is a function of the path and the generation, which
 * is why the generation's name can stand for it. */
#include "api/generation.h"

struct generation *call_generation(struct call *call) {
    struct generation *generation = published_take(call->service->published);
    if (generation == NULL) {
        struct fault fault = FAULT_INIT;
        fault_set(&fault, FAULT_OVERLOADED, "no policies are loaded yet; try again soon");
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
    return generation;
}

/* Tags are compared weakly: what stands around the quotes does not matter. */
static bool has_tag(struct text list, struct text tag) {
    return text_equal(list, TEXT("*")) ||
           (text_given(list) && memmem(list.bytes, list.length, tag.bytes, tag.length) != NULL);
}

bool call_has_tag(const struct call *call, struct text tag) {
    return has_tag(http_header(call->exchange, "If-None-Match"), tag);
}

void answer_generation(struct call *call, const struct generation *generation,
                       struct text content_type, struct text body) {
    struct text tag =
        text_print(&call->exchange->arena, "\"%.*s\"", TEXT_ARGS(generation_name(generation)));
    struct http_answer answer = {.status = 200, .content_type = content_type, .body = body};
    if (call_has_tag(call, tag)) {
        answer.status = 304;
        answer.body = TEXT("");
    }
    answer.headers[answer.header_count++] = (struct http_header){TEXT("ETag"), tag};
    answer.headers[answer.header_count++] =
        (struct http_header){TEXT("Cache-Control"), TEXT("no-cache")};
    http_answer(call->exchange, &answer);
}
