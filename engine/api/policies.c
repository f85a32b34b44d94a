/* policies.c: the generations of this process, and the reload. */
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
    js_key(&writer, TEXT("generations"));
    js_put(&writer, reload_history(call->service->reload, arena));
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

void api_policy_reload(struct call *call) {
    reload_answer(call->service->reload, call->exchange);
}
