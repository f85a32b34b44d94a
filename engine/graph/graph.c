/* graph.c: a machine as Graphviz dot and as a Mermaid state diagram. */
#include "graph/graph.h"

#include "graph/layout.h"

/* --- labels --- */

/* TEXT_NONE: it has no verb, and no choice leads to it. */
static struct text verbs_of(struct arena *arena, const struct state *state,
                            const struct way *way) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    if (text_given(way->name)) {
        buffer_add_text(&buffer, way->name);
    }
    if (way->internal) {
        buffer_add_text(&buffer, buffer.length > 0 ? TEXT(" (internal)") : TEXT("(internal)"));
    }
    for (size_t i = 0; !way->internal && i < state->choice_count; i++) {
        buffer_print(&buffer, "%s%.*s?", buffer.length > 0 ? ", " : "",
                     TEXT_ARGS(state->choices[i]));
    }
    return buffer.length > 0 ? buffer_view(&buffer) : TEXT_NONE;
}

struct graph_label graph_label_of_way(struct arena *arena, const struct state *state,
                                      const struct way *way) {
    struct graph_label label = {verbs_of(arena, state, way), TEXT_NONE};
    const struct permission_rule *rule = &way->permission;
    if (rule->name_count == 1) {
        label.permission = rule->names[0];
    } else if (rule->name_count > 1) {
        label.permission =
            text_print(arena, "%.*s +%zu", TEXT_ARGS(rule->names[0]), rule->name_count - 1);
    } else if (rule->function_count > 0) {
        label.permission = TEXT("by function");
    }
    return label;
}

struct graph_label graph_label_of_timer(struct arena *arena, const struct state *state,
                                        size_t index) {
    bool has_delay = state->timers != NULL && text_given(state->timers[index].delay);
    struct text verb = has_delay
                           ? text_print(arena, "after %.*s", TEXT_ARGS(state->timers[index].delay))
                           : TEXT("after a while");
    return (struct graph_label){verb, TEXT_NONE};
}

/* --- dot --- */

static void add_quoted(struct buffer *buffer, struct text text) {
    buffer_add_char(buffer, '"');
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (c == '"' || c == '\\') {
            buffer_add_char(buffer, '\\');
        }
        buffer_add_char(buffer, text_is_control(c) ? ' ' : c);
    }
    buffer_add_char(buffer, '"');
}

static void add_dot_state(struct buffer *buffer, const struct state *state) {
    buffer_add_text(buffer, TEXT("  "));
    add_quoted(buffer, state->name);
    buffer_add_text(buffer, state->final ? TEXT(" [peripheries=2") : TEXT(" [peripheries=1"));
    if (text_given(state->doc)) {
        buffer_add_text(buffer, TEXT(", tooltip="));
        add_quoted(buffer, state->doc);
    }
    buffer_add_text(buffer, TEXT("];\n"));
}

static void add_dot_edge(struct buffer *buffer, struct text from, struct text to,
                         const struct graph_label *label, bool is_timer) {
    buffer_add_text(buffer, TEXT("  "));
    add_quoted(buffer, from);
    buffer_add_text(buffer, TEXT(" -> "));
    add_quoted(buffer, to);
    buffer_add_text(buffer, TEXT(" [label="));
    struct text between =
        label->verb.length > 0 && label->permission.length > 0 ? TEXT(": ") : TEXT("");
    add_quoted(buffer, text_print(buffer->arena, "%.*s%.*s%.*s", TEXT_ARGS(label->verb),
                                  TEXT_ARGS(between), TEXT_ARGS(label->permission)));
    buffer_add_text(buffer, is_timer ? TEXT(", style=dashed];\n") : TEXT("];\n"));
}

static void add_dot_edges(struct buffer *buffer, const struct state *state) {
    for (size_t i = 0; i < state->way_count; i++) {
        struct graph_label label = graph_label_of_way(buffer->arena, state, &state->ways[i]);
        add_dot_edge(buffer, state->name, state->ways[i].to, &label, false);
    }
    for (size_t i = 0; i < state->timer_count; i++) {
        struct graph_label label = graph_label_of_timer(buffer->arena, state, i);
        add_dot_edge(buffer, state->name, state->timer_to[i], &label, true);
    }
}

struct text graph_dot(struct arena *arena, const struct machine *machine) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_add_text(&buffer, TEXT("digraph "));
    add_quoted(&buffer, machine->name);
    buffer_add_text(&buffer, TEXT(" {\n  rankdir=LR;\n"
                                  "  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
                                  "  edge [fontname=\"sans-serif\", fontsize=10];\n"
                                  "  \"\" [shape=point, width=0.12];\n"));
    for (size_t i = 0; i < machine->state_count; i++) {
        add_dot_state(&buffer, &machine->states[i]);
    }
    if (machine->state_count > 0) {
        buffer_add_text(&buffer, TEXT("  \"\" -> "));
        add_quoted(&buffer, machine->states[machine->initial].name);
        buffer_add_text(&buffer, TEXT(";\n"));
    }
    for (size_t i = 0; i < machine->state_count; i++) {
        add_dot_edges(&buffer, &machine->states[i]);
    }
    buffer_add_text(&buffer, TEXT("}\n"));
    return buffer_view(&buffer);
}

/* --- Mermaid --- */

static bool is_word(struct text name) {
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return true;
}

static bool is_plain(struct text name) {
    static const char *const reserved[] = {
        "as",   "choice", "class", "classdef", "default", "direction", "end",   "fork", "hide",
        "join", "left",   "note",  "of",       "right",   "scale",     "state", "style"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (text_equal_ignore_case(name, text_of(reserved[i]))) {
            return false;
        }
    }
    return is_word(name) && !text_starts(name, TEXT("state_")); /* our own names begin so */
}

/* A state by its name, or by its number where Mermaid would misread the name. */
static void add_mermaid_name(struct buffer *buffer, const struct machine *machine, size_t index) {
    if (is_plain(machine->states[index].name)) {
        buffer_add_text(buffer, machine->states[index].name);
    } else {
        buffer_print(buffer, "state_%zu_", index + 1);
    }
}

/* Colons, semicolons and '#' mean something to Mermaid. */
static void add_mermaid_text(struct buffer *buffer, struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (strchr(":;#\"<>", c) != NULL) {
            buffer_print(buffer, "#%d;", c);
        } else {
            buffer_add_char(buffer, text_is_control(c) ? ' ' : c);
        }
    }
}

static void add_mermaid_edge(struct buffer *buffer, const struct machine *machine, size_t from,
                             size_t to, const struct graph_label *label) {
    buffer_add_text(buffer, TEXT("    "));
    add_mermaid_name(buffer, machine, from);
    buffer_add_text(buffer, TEXT(" --> "));
    add_mermaid_name(buffer, machine, to);
    if (text_given(label->verb) || text_given(label->permission)) {
        buffer_add_text(buffer, TEXT(" : "));
        add_mermaid_text(buffer, label->verb);
        if (text_given(label->permission)) {
            buffer_add_text(buffer, text_given(label->verb) ? TEXT(" [") : TEXT("["));
            add_mermaid_text(buffer, label->permission);
            buffer_add_char(buffer, ']');
        }
    }
    buffer_add_char(buffer, '\n');
}

static void add_mermaid_state(struct buffer *buffer, const struct machine *machine, size_t index) {
    const struct state *state = &machine->states[index];
    for (size_t i = 0; i < state->way_count; i++) {
        struct graph_label label = graph_label_of_way(buffer->arena, state, &state->ways[i]);
        add_mermaid_edge(buffer, machine, index, state->ways[i].to_index, &label);
    }
    for (size_t i = 0; i < state->timer_count; i++) {
        const struct state *to = machine_state(machine, state->timer_to[i]);
        struct graph_label label = graph_label_of_timer(buffer->arena, state, i);
        if (to != NULL) {
            add_mermaid_edge(buffer, machine, index, (size_t)(to - machine->states), &label);
        }
    }
    if (state->final) {
        buffer_add_text(buffer, TEXT("    "));
        add_mermaid_name(buffer, machine, index);
        buffer_add_text(buffer, TEXT(" --> [*]\n"));
    }
}

struct text graph_mermaid(struct arena *arena, const struct machine *machine) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_add_text(&buffer, TEXT("stateDiagram-v2\n"));
    for (size_t i = 0; i < machine->state_count; i++) {
        if (!is_plain(machine->states[i].name)) {
            buffer_add_text(&buffer, TEXT("    state \""));
            add_mermaid_text(&buffer, machine->states[i].name);
            buffer_print(&buffer, "\" as state_%zu_\n", i + 1);
        }
    }
    if (machine->state_count > 0) {
        buffer_add_text(&buffer, TEXT("    [*] --> "));
        add_mermaid_name(&buffer, machine, machine->initial);
        buffer_add_char(&buffer, '\n');
    }
    for (size_t i = 0; i < machine->state_count; i++) {
        add_mermaid_state(&buffer, machine, i);
    }
    return buffer_view(&buffer);
}
