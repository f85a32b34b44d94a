/* machines.c: what is loaded. Machines are plain data of a generation, so everything here is
 * answered on the HTTP thread; what is shown is copied before the generation is given back. The
 * ETag is the generation: as long as no policy changes, neither do these answers. */
#include "api/attempts.h"
#include "api/generation.h"
#include "graph/graph.h"

/* --- the list --- */

static void put_states(struct js_writer *writer, const struct machine *machine) {
    js_open(writer, '[');
    for (size_t i = 0; i < machine->state_count; i++) {
        js_put_text(writer, machine->states[i].name);
    }
    js_close(writer, ']');
}

static void put_summary(struct js_writer *writer, const struct machine *machine) {
    js_open(writer, '{');
    js_key(writer, TEXT("name"));
    js_put_text(writer, machine->name);
    js_key(writer, TEXT("doc"));
    js_put_text(writer, machine->doc);
    js_key(writer, TEXT("initial"));
    js_put_text(writer, machine->states[machine->initial].name);
    js_key(writer, TEXT("states"));
    put_states(writer, machine);
    js_key(writer, TEXT("file"));
    js_put_text(writer, machine->file);
    js_key(writer, TEXT("line"));
    js_put_integer(writer, machine->line);
    js_close(writer, '}');
}

static struct text list_json(const struct call *call, const struct generation *generation) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("machines"));
    js_open(&writer, '[');
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        const struct machine *machine = generation_machine_at(generation, i);
        if (caller_reaches(&call->caller, machine->name)) {
            put_summary(&writer, machine);
        }
    }
    js_close(&writer, ']');
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

void api_machine_list(struct call *call) {
    struct generation *generation = call_generation(call);
    if (generation != NULL) {
        answer_generation(call, generation, TEXT_NONE, list_json(call, generation));
        generation_unref(generation);
    }
}

/* --- one machine --- */

/* Answers 404 and gives NULL when the call's machine is not loaded. */
static const struct machine *find_machine(struct call *call, const struct generation *generation) {
    const struct machine *machine = generation_machine(generation, call->parameters[0]);
    struct fault fault = FAULT_INIT;
    if (machine == NULL) {
        if (call_machine(call, call->parameters[0], &fault)) {
            fault_set(&fault, FAULT_UNKNOWN_MACHINE, "'%.*s' was loaded just now; try again",
                      TEXT_ARGS(call->parameters[0]));
        }
        call_fail(call->exchange, &fault, TEXT_NONE);
    }
    return machine;
}

static void read_machine(struct call *call, const struct generation *generation) {
    struct arena *arena = &call->exchange->arena;
    const struct machine *machine = find_machine(call, generation);
    if (machine != NULL) {
        answer_generation(call, generation, TEXT_NONE,
                          js_print(arena, machine_json(arena, machine)));
    }
}

void api_machine_read(struct call *call) {
    struct generation *generation = call_generation(call);
    if (generation != NULL) {
        read_machine(call, generation);
        generation_unref(generation);
    }
}

/* --- its picture --- */

struct diagram {
    const char *name;
    const char *content_type;
    struct text (*draw)(struct arena *arena, const struct machine *machine);
};
static const struct diagram diagrams[] = {
    {"diagram.svg", "image/svg+xml", graph_svg},
    {"diagram.dot", "text/vnd.graphviz; charset=utf-8", graph_dot},
    {"diagram.mmd", "text/vnd.mermaid; charset=utf-8", graph_mermaid},
};

static const struct diagram *find_diagram(struct call *call) {
    for (size_t i = 0; i < sizeof diagrams / sizeof diagrams[0]; i++) {
        if (text_equal(call->parameters[1], text_of(diagrams[i].name))) {
            return &diagrams[i];
        }
    }
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_NOT_FOUND,
              "a machine has only diagram.svg, diagram.dot and diagram.mmd");
    call_fail(call->exchange, &fault, TEXT_NONE);
    return NULL;
}

static void draw_machine(struct call *call, const struct generation *generation) {
    const struct machine *machine = find_machine(call, generation);
    const struct diagram *diagram = machine != NULL ? find_diagram(call) : NULL;
    if (diagram != NULL) {
        answer_generation(call, generation, text_of(diagram->content_type),
                          diagram->draw(&call->exchange->arena, machine));
    }
}

void api_machine_diagram(struct call *call) {
    struct generation *generation = call_generation(call);
    if (generation != NULL) {
        draw_machine(call, generation);
        generation_unref(generation);
    }
}
