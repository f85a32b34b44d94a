/* api_sanitize.c: what the audit would store of metadata and comments, so that an app can show it
 * before it is sent. Nothing is stored. */
#include "server/api_generation.h"
#include "server/form.h"

#define COMMENTS_MOST (64 * 1024)

struct wanted {
    const struct js *metadata; /* NULL: not sent */
    struct text comments;      /* TEXT_NONE: not sent */
};

static bool read_wanted(struct call *call, struct wanted *wanted, struct fault *fault) {
    static const char *const keys[] = {"metadata", "comments", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    return form_known(&form, keys) && form_object(&form, "metadata", &wanted->metadata) &&
           form_text(&form, "comments", COMMENTS_MOST, &wanted->comments);
}

static struct text cleaned_json(struct arena *arena, const struct generation *generation,
                                const struct wanted *wanted) {
    struct text comments = wanted->comments;
    if (text_given(comments)) {
        comments = generation_clean_text(generation, arena, comments);
    }
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("metadata"));
    js_put(&writer, generation_clean(generation, arena, wanted->metadata));
    js_key(&writer, TEXT("comments"));
    js_put_text(&writer, comments);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

void api_sanitize(struct call *call) {
    struct wanted wanted = {NULL, TEXT_NONE};
    struct fault fault = FAULT_INIT;
    if (!read_wanted(call, &wanted, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    struct generation *generation = call_generation(call);
    if (generation != NULL) {
        call_ok(call->exchange, 200, cleaned_json(&call->exchange->arena, generation, &wanted));
        generation_unref(generation);
    }
}
