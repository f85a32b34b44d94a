/* policies.c: the generations of this process, and the reload. */
#include "api/form.h"
#include "api/generation.h"

#include "timezone/instant.h"

static struct text list_json(struct call *call, const struct generation *generation) {
    char instant[INSTANT_TEXT];
    struct arena *arena = &call->exchange->arena;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("generation"));
    js_put_text(&writer, generation_name(generation));
    js_key(&writer, TEXT("loaded_at"));
    js_put_text(&writer, instant_print(generation_loaded_us(generation), instant));
    js_key(&writer, TEXT("machines"));
    js_put_integer(&writer, (int64_t)generation_machine_count(generation));
    bulletin_put(call->service->bulletin, &writer);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

void api_policy_list(struct call *call) {
    struct generation *generation = call_generation(call);
    if (generation != NULL) {
        call_ok(call->exchange, 200, list_json(call, generation));
        generation_unref(generation);
    }
}

static bool read_reload(struct call *call, bool *force, struct fault *fault) {
    static const char *const keys[] = {"force", NULL};
    const struct form form = {&call->exchange->arena, call->body, "", fault};
    *force = false;
    return form_known(&form, keys) && form_bool(&form, "force", force);
}

void api_policy_reload(struct call *call) {
    bool force;
    struct fault fault = FAULT_INIT;
    if (!read_reload(call, &force, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    reload_answer(call->service->reload, call->exchange, force, call->caller.name);
}
