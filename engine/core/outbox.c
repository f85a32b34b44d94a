/* outbox.c: rows that whoever delivers events (webhooks, the event stream) reads in order. */
#include "core/outbox.h"

#include "core/clean.h"

static void append(struct work *work, const struct attempt *attempt, const struct js *event) {
    struct arena *arena = &work->core->arena;
    char *id = arena_alloc(arena, ID_LENGTH);
    id_uuid7(&work->core->ids, work->now_us, id);
    const struct js *data =
        clean_value(work, attempt, js_find(event, TEXT("data")), CLEAN_ANYWHERE);
    struct store_outbox *row = work_add(work, &work->outbox, sizeof *row);
    row->id = (struct text){id, ID_LENGTH};
    row->type = js_text(js_find(event, TEXT("type")));
    row->machine = attempt->machine;
    row->entity_id = attempt->id;
    row->timestamp_us = work->now_us;
    row->json = js_print(arena, data != NULL ? data : &js_empty_object);
}

void outbox_append(struct work *work, const struct attempt *attempt,
                   const struct outcome *outcome) {
    const struct js *emit = outcome->decision->emit;
    for (size_t i = 0; emit != NULL && i < emit->array.count; i++) {
        append(work, attempt, emit->array.items[i]);
    }
}
