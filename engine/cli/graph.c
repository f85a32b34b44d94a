/* graph.c: `statute graph`: a machine as a picture. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "graph/graph.h"
#include "server/service.h"

struct graph_values {
    struct text policies;
    struct text output;
    unsigned format;
};

static const struct option rows[] = {
    {"policies", OPTION_TEXT, offsetof(struct graph_values, policies), "DIR", 0, 0,
     "the policy files"},
    {"format", OPTION_CHOICE, offsetof(struct graph_values, format), "svg|dot|mmd", 0, 0,
     "SVG, Graphviz or Mermaid"},
    {"output", OPTION_TEXT, offsetof(struct graph_values, output), "FILE", 0, 0,
     "where to write, instead of standard output"},
};

static void defaults(void *values) {
    ((struct graph_values *)values)->policies = service_options_default().policies;
}

static bool draw(struct invocation *invocation, const struct generation *generation,
                 struct fault *fault) {
    typedef struct text drawing(struct arena * arena, const struct machine *machine);
    static drawing *const drawings[] = {graph_svg, graph_dot, graph_mermaid};
    const struct graph_values *graph = invocation->values;
    const struct machine *machine;
    FILE *stream;
    if (!policies_machine(generation, invocation->arena, invocation->arguments[0], &machine,
                          fault) ||
        !output_open(graph->output, &stream, fault)) {
        return false;
    }
    struct text picture = drawings[graph->format](invocation->arena, machine);
    fwrite(picture.bytes, 1, picture.length, stream);
    if (!text_ends(picture, TEXT("\n"))) {
        fputc('\n', stream);
    }
    return output_close(graph->output, stream, fault);
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct graph_values *graph = invocation->values;
    struct generation *generation;
    if (!policies_load_or_tell(graph->policies, invocation->arena, &generation, fault)) {
        return false;
    }
    bool drawn = draw(invocation, generation, fault);
    generation_unref(generation);
    return drawn;
}

const struct command command_graph = {
    .name = "graph",
    .arguments = "MACHINE",
    .arguments_least = 1,
    .arguments_most = 1,
    .summary = "draw a machine",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct graph_values),
    .defaults = defaults,
    .run = run,
};
