/* export.c: `statute export`: entities as lines of JSON, as `statute import` reads them. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "core/pages.h"
#include "server/service.h"
#include "store/inspect.h"
#include "timezone/instant.h"

struct export_values {
    struct text store;
    struct text machine;
    struct text output;
};

static const struct option rows[] = {
    {"store", OPTION_TEXT, offsetof(struct export_values, store), "URL", 0, 0,
     "where the entities are: sqlite:PATH or postgresql://..."},
    {"machine", OPTION_TEXT, offsetof(struct export_values, machine), "NAME", 0, 0,
     "of this machine only"},
    {"output", OPTION_TEXT, offsetof(struct export_values, output), "FILE", 0, 0,
     "written instead of standard output"},
};

static void defaults(void *values) {
    ((struct export_values *)values)->store = service_options_default().store;
}

/* One run. */
struct outlet {
    struct store *store;
    FILE *stream;
    struct progress progress;
    struct arena arena; /* of one line */
    int64_t written;
    int64_t expected; /* 0: not known */
};

static struct text line_of(struct arena *arena, const struct entity *entity) {
    char instant[INSTANT_TEXT];
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("machine"));
    js_put_text(&writer, entity->machine);
    js_key(&writer, TEXT("id"));
    js_put_text(&writer, entity->id);
    js_key(&writer, TEXT("state"));
    js_put_text(&writer, entity->state);
    js_key(&writer, TEXT("version"));
    js_put_integer(&writer, entity->version);
    js_key(&writer, TEXT("data"));
    js_put_raw(&writer, entity_data_json(writer.buffer->arena, entity));
    js_key(&writer, TEXT("created_at"));
    js_put_text(&writer, instant_print(entity->created_us, instant));
    js_key(&writer, TEXT("updated_at"));
    js_put_text(&writer, instant_print(entity->updated_us, instant));
    js_close(&writer, '}');
    buffer_add_char(&buffer, '\n');
    return buffer_view(&buffer);
}

static bool write_entity(void *context, const struct entity *entity, struct fault *fault) {
    struct outlet *outlet = context;
    struct text line = line_of(&outlet->arena, entity);
    bool written = fwrite(line.bytes, 1, line.length, outlet->stream) == line.length;
    arena_reset(&outlet->arena);
    outlet->written++;
    progress_update(&outlet->progress, outlet->written,
                    outlet->expected > 0 ? (double)outlet->written / (double)outlet->expected : -1);
    return written || fault_set(fault, FAULT_ENVIRONMENT, "the output cannot be written");
}

static bool count_all(struct outlet *outlet, const struct text *machines, size_t count,
                      struct fault *fault) {
    static const struct store_where everything = {0};
    if (!store_begin(outlet->store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool counted = true;
    for (size_t i = 0; i < count && counted; i++) {
        int64_t entities = 0;
        counted = store_count(outlet->store, machines[i], &everything, &entities, fault);
        outlet->expected += entities;
    }
    store_rollback(outlet->store);
    return counted;
}

static bool write_all(struct outlet *outlet, const struct text *machines, size_t count,
                      struct fault *fault) {
    bool written = count_all(outlet, machines, count, fault);
    for (size_t i = 0; i < count && written; i++) {
        written = pages_entities(outlet->store, machines[i], write_entity, outlet, fault);
    }
    return written;
}

static bool run_on_stream(struct invocation *invocation, struct outlet *outlet,
                          struct fault *fault) {
    const struct export_values *values = invocation->values;
    struct text only = values->machine;
    struct text *machines = &only;
    size_t count = 1;
    if (!text_given(only) &&
        !inspect_machines(values->store, invocation->arena, &machines, &count, fault)) {
        return false;
    }
    progress_init(&outlet->progress, "exporting", "entities");
    arena_init(&outlet->arena, 64 * 1024);
    bool written = write_all(outlet, machines, count, fault);
    arena_deinit(&outlet->arena);
    progress_finish(&outlet->progress, "exported", outlet->written);
    return written;
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct export_values *values = invocation->values;
    struct outlet outlet = {0};
    if (!store_open(values->store, STORE_READER, &outlet.store, fault)) {
        return false;
    }
    bool done = output_open(values->output, &outlet.stream, fault);
    if (done) {
        bool written = run_on_stream(invocation, &outlet, fault);
        struct fault closing = FAULT_INIT;
        done = output_close(values->output, outlet.stream, &closing) && written;
        *fault = written ? closing : *fault;
    }
    store_close(outlet.store);
    return done;
}

const struct command command_export = {
    .name = "export",
    .arguments = "",
    .summary = "write all entities as lines of JSON",
    .details =
        "Works beside a running server. An entity that changes meanwhile is written once, as "
        "it is when\nits turn comes.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct export_values),
    .defaults = defaults,
    .run = run,
};
