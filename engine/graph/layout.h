/* layout.h: what the pictures of a machine share. Private to graph/. */
#ifndef STATUTE_GRAPH_LAYOUT_H
#define STATUTE_GRAPH_LAYOUT_H

#include "base/buffer.h"
#include "policy/rules/machine.h"

/* What is written at a way or a timer: at most two short lines, either may be TEXT_NONE. */
struct graph_label {
    struct text verb;       /* "start", "start, review?" where a choice may lead here too, "pay
                               (internal)"; "after 30d" for a timer */
    struct text permission; /* "task.start", "task.start +1", "by function" */
};
struct graph_label graph_label_of_way(struct arena *arena, const struct state *state,
                                      const struct way *way);
struct graph_label graph_label_of_timer(struct arena *arena, const struct state *state,
                                        size_t index);

/* --- layout (layout.c): in pixels, from the top left --- */

/* A state, or a place where a long line passes through a column. */
struct graph_node {
    const struct state *state; /* NULL: only a line passes */
    int layer;                 /* column: steps from the initial state */
    int rank;                  /* place in the column, from the top */
    int x, y;                  /* top left */
    int width, height;
    int left_ports, right_ports;
};

/* A way or a timer. `path` goes from the source to the target, one node a column. */
struct graph_edge {
    size_t from, to; /* nodes */
    bool is_timer;
    struct graph_label label;
    struct text title; /* all there is to say */
    const size_t *path;
    size_t path_length;
    int from_y, to_y; /* where the line leaves and arrives */
    int spread;       /* how far a line within one column bends out */
};

struct graph_layout {
    struct arena *arena;
    const struct machine *machine;
    struct graph_node *nodes; /* the states first, in the machine's order */
    size_t node_count;
    struct graph_edge *edges;
    size_t edge_count;
    int layer_count;
    int *layer_x, *layer_width;
    int width, height;
};

struct graph_layout graph_layout(struct arena *arena, const struct machine *machine);

/* The width of a text in the picture, estimated. */
int graph_text_width(struct text text);

#endif
