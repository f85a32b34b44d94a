/* export.c: `statute export`: entities as lines of JSON, as `statute import` reads them. */
#include <stdio.h>
#include <stdlib.h>

#include "api/answer.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "core/pages.h"
#include "server/service.h"
#include "store/census.h"
#include "store/inspect.h"
#include "store/timers.h"
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
     "only this machine"},
    {"output", OPTION_TEXT, offsetof(struct export_values, output), "FILE", 0, 0,
     "where to write, instead of standard output"},
};

static void defaults(void *values) {
    ((struct export_values *)values)->store = service_options_default().store;
}

/* One run. */
struct outlet {
    struct store *store;
    FILE *stream;
    struct progress progress;
    struct arena arena; /* of one page */
    bool timed;         /* the store can say what timers are pending */
    int64_t written;
    int64_t expected; /* 0: not known */
};

/* Of a page of entities. */
struct timers {
    int64_t *entered_us; /* as the entities */
    struct store_deadline *items;
    size_t count;
};

static void put_given(struct js_writer *writer, struct text key, struct text value) {
    if (text_given(value)) {
        js_key(writer, key);
        js_put_text(writer, value);
    }
}

static void put_count(struct js_writer *writer, struct text key, int64_t value) {
    if (value != 0) {
        js_key(writer, key);
        js_put_integer(writer, value);
    }
}

static void put_time(struct js_writer *writer, struct text key, int64_t instant_us) {
    char instant[INSTANT_TEXT];
    if (instant_us != 0) {
        js_key(writer, key);
        js_put_text(writer, instant_print(instant_us, instant));
    }
}

static void put_timer(struct js_writer *writer, const struct store_deadline *deadline) {
    char instant[INSTANT_TEXT];
    js_open(writer, '{');
    js_key(writer, TEXT("to"));
    js_put_text(writer, deadline->to_state);
    js_key(writer, TEXT("due_at"));
    js_put_text(writer, instant_print(deadline->due_us, instant));
    put_given(writer, TEXT("reason"), deadline->reason);
    put_given(writer, TEXT("comments"), deadline->comments);
    put_count(writer, TEXT("attempts"), deadline->attempts);
    put_time(writer, TEXT("next_at"), deadline->next_us);
    put_count(writer, TEXT("chain"), deadline->chain);
    put_count(writer, TEXT("rules"), deadline->rules);
    put_time(writer, TEXT("done_at"), deadline->done_us);
    js_close(writer, '}');
}

/* By entity, and so that an export of the same is the same. */
static int by_place(const void *a, const void *b) {
    const struct store_deadline *left = a, *right = b;
    int order = text_compare(left->entity_id, right->entity_id);
    order = order != 0 ? order : (left->due_us > right->due_us) - (left->due_us < right->due_us);
    return order != 0 ? order : text_compare(left->to_state, right->to_state);
}

/* The first that is not of an entity before this one. */
static size_t first_of(const struct timers *timers, struct text id) {
    size_t low = 0, high = timers->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool before = text_compare(timers->items[middle].entity_id, id) < 0;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

static void put_timers(struct js_writer *writer, const struct entity *entity,
                       const struct timers *timers) {
    js_key(writer, TEXT("timers"));
    js_open(writer, '[');
    for (size_t i = first_of(timers, entity->id);
         i < timers->count && text_equal(timers->items[i].entity_id, entity->id); i++) {
        put_timer(writer, &timers->items[i]);
    }
    js_close(writer, ']');
}

/* `timers` NULL: the store is too old to say. */
static struct text line_of(struct arena *arena, const struct entity *entity,
                           const struct timers *timers, int64_t entered_us) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    answer_members(&writer, entity);
    if (timers != NULL) {
        put_time(&writer, TEXT("entered_at"), entered_us);
        put_timers(&writer, entity, timers);
    }
    js_close(&writer, '}');
    buffer_add_char(&buffer, '\n');
    return buffer_view(&buffer);
}

static bool read_timers(struct outlet *outlet, const struct entity *entities, size_t count,
                        struct timers *timers, struct fault *fault) {
    struct store_key *keys = ARENA_ARRAY(&outlet->arena, struct store_key, count);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct store_key){entities[i].machine, entities[i].id};
    }
    timers->entered_us = ARENA_ARRAY(&outlet->arena, int64_t, count);
    if (!store_entered(outlet->store, keys, count, timers->entered_us, fault) ||
        !store_timers(outlet->store, &outlet->arena, keys, count, &timers->items, &timers->count,
                      fault)) {
        return false;
    }
    if (timers->count > 1) {
        qsort(timers->items, timers->count, sizeof *timers->items, by_place);
    }
    return true;
}

static bool write_line(struct outlet *outlet, struct text line, struct fault *fault) {
    bool written = fwrite(line.bytes, 1, line.length, outlet->stream) == line.length;
    outlet->written++;
    progress_update(&outlet->progress, outlet->written,
                    outlet->expected > 0 ? (double)outlet->written / (double)outlet->expected : -1);
    return written || fault_set(fault, FAULT_ENVIRONMENT, "the output cannot be written");
}

static bool write_page(void *context, const struct entity *entities, size_t count,
                       struct fault *fault) {
    struct outlet *outlet = context;
    struct timers timers;
    bool timed = outlet->timed;
    bool written = !timed || read_timers(outlet, entities, count, &timers, fault);
    for (size_t i = 0; i < count && written; i++) {
        written = write_line(outlet,
                             line_of(&outlet->arena, &entities[i], timed ? &timers : NULL,
                                     timed ? timers.entered_us[i] : 0),
                             fault);
    }
    arena_reset(&outlet->arena);
    return written;
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
        written = pages_entity_pages(outlet->store, machines[i], write_page, outlet, fault);
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
    if (!inspect_is_current(values->store, &outlet->timed, fault)) {
        return false;
    }
    if (!outlet->timed) {
        fputs("warning: the store has an older schema, so the export has no timers; to include "
              "them, run 'statute migrate up' first\n",
              stderr);
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
    .details = "Each line is {\"machine\", \"id\", \"state\", \"version\", \"data\", "
               "\"created_at\", \"updated_at\", \"timers\"}:\n"
               "all that 'statute import' needs to restore the entity. The audit is not included. "
               "Works beside a\n"
               "running server. An entity that changes meanwhile is written once, as it is when "
               "its turn comes.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct export_values),
    .defaults = defaults,
    .run = run,
};
