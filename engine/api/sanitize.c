/* sanitize.c: what the audit would store of metadata and comments, so that an app can show it
 * before it is sent, and the hashes that a value has had, so that an operator can find it. Nothing
 * is stored. */
#include "api/attempts.h"
#include "api/generation.h"

#define COMMENTS_MOST (64 * 1024)

struct wanted {
    struct text machine;       /* TEXT_NONE: by what holds for all */
    const struct js *metadata; /* NULL: not sent */
    struct text comments;      /* TEXT_NONE: not sent */
};

static bool read_wanted(struct call *call, struct wanted *wanted, struct fault *fault) {
    static const char *const keys[] = {"machine", "metadata", "comments", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    return form_known(&form, keys) && form_text(&form, "machine", 100, &wanted->machine) &&
           form_object(&form, "metadata", &wanted->metadata) &&
           form_text(&form, "comments", COMMENTS_MOST, &wanted->comments) &&
           (!text_given(wanted->machine) || call_machine(call, wanted->machine, fault));
}

/* Who can guess a value could prove it by its hash. */
static bool may_see_hashes(const struct call *call) {
    return (call->caller.scopes & (SCOPE_AUDIT | SCOPE_ADMIN)) != 0;
}

static struct text cleaned_json(const struct call *call, const struct generation *generation,
                                const struct wanted *wanted) {
    struct arena *arena = &call->exchange->arena;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("metadata"));
    js_put(&writer, generation_clean(generation, wanted->machine, arena, wanted->metadata));
    js_key(&writer, TEXT("comments"));
    js_put_text(&writer,
                generation_clean_text(generation, wanted->machine, arena, wanted->comments));
    if (may_see_hashes(call)) {
        js_key(&writer, TEXT("hashes"));
        js_put(&writer, generation_hashes(generation, wanted->machine, arena, wanted->metadata));
    }
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

void api_sanitize(struct call *call) {
    struct wanted wanted = {TEXT_NONE, NULL, TEXT_NONE};
    struct fault fault = FAULT_INIT;
    if (!read_wanted(call, &wanted, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    struct generation *generation = call_generation(call);
    if (generation != NULL) {
        call_ok(call->exchange, 200, cleaned_json(call, generation, &wanted));
        generation_unref(generation);
    }
}
