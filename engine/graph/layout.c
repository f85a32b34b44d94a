/* layout.c: a layered drawing, after Sugiyama, in integers.
 *   1. a state's column is its distance from the initial state, so a way forward spans one column
 *      at most; only ways back are long, and they get a place in every column that they pass
 *   2. columns are ordered by the mean rank of their neighbours, a few times there and back
 *   3. states are stacked, then pulled towards their neighbours as far as the order allows
 *   4. the lines at a side of a state are spread over it, in the order of their other ends
 * States that nothing leads to begin a walk of their own, in the first column. */
#include "graph/layout.h"

#include <limits.h>
#include <stdlib.h>

#define SWEEPS      8
#define NODES_MOST  5000 /* places for long lines; beyond it they go straight */
#define MARGIN      24
#define BOX_HEIGHT  40
#define BOX_GAP     34
#define LINE_GAP    16
#define PORT_GAP    18
#define COLUMN_GAP  64
#define LABEL_MOST  210
#define START_WIDTH 34 /* the dot before the initial state */

int graph_text_width(struct text text) {
    int characters = 0;
    for (size_t i = 0; i < text.length; i++) {
        characters += ((unsigned char)text.bytes[i] & 0xC0) != 0x80;
    }
    return characters * 13 / 2;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* --- edges --- */

static struct text way_title(struct arena *arena, const struct state *state,
                             const struct way *way) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_print(&buffer, "%.*s to %.*s", TEXT_ARGS(state->name), TEXT_ARGS(way->to));
    if (text_given(way->name)) {
        buffer_print(&buffer, " (%.*s)", TEXT_ARGS(way->name));
    }
    struct text permit = permission_phrase(arena, way->permission.permit);
    if (permit.length > 0) {
        buffer_print(&buffer, "; needs %.*s", TEXT_ARGS(permit));
    }
    buffer_add_text(&buffer, way->has_guard ? TEXT("; guarded") : TEXT(""));
    buffer_add_text(&buffer, way->internal ? TEXT("; by effects and timers only") : TEXT(""));
    buffer_add_text(&buffer, way->is_from_any ? TEXT("; from every state") : TEXT(""));
    for (size_t i = 0; !way->internal && i < state->choice_count; i++) {
        buffer_print(&buffer, "; if '%.*s' chooses it", TEXT_ARGS(state->choices[i]));
    }
    if (text_given(way->doc)) {
        buffer_print(&buffer, ". %.*s", TEXT_ARGS(way->doc));
    }
    return buffer_view(&buffer);
}

static void add_ways(struct graph_layout *layout, size_t from) {
    const struct state *state = &layout->machine->states[from];
    for (size_t i = 0; i < state->way_count; i++) {
        layout->edges[layout->edge_count++] = (struct graph_edge){
            .from = from,
            .to = state->ways[i].to_index,
            .label = graph_label_of_way(layout->arena, state, &state->ways[i]),
            .title = way_title(layout->arena, state, &state->ways[i]),
        };
    }
}

static void add_timers(struct graph_layout *layout, size_t from) {
    const struct state *state = &layout->machine->states[from];
    for (size_t i = 0; i < state->timer_count; i++) {
        const struct state *to = machine_state(layout->machine, state->timer_to[i]);
        if (to == NULL) {
            continue;
        }
        struct graph_label label = graph_label_of_timer(layout->arena, state, i);
        layout->edges[layout->edge_count++] = (struct graph_edge){
            .from = from,
            .to = (size_t)(to - layout->machine->states),
            .is_timer = true,
            .label = label,
            .title = text_print(layout->arena, "%.*s to %.*s, %.*s", TEXT_ARGS(state->name),
                                TEXT_ARGS(to->name), TEXT_ARGS(label.verb)),
        };
    }
}

static void collect_edges(struct graph_layout *layout) {
    size_t most = 0;
    for (size_t i = 0; i < layout->machine->state_count; i++) {
        most += layout->machine->states[i].way_count + layout->machine->states[i].timer_count;
    }
    layout->edges = ARENA_ARRAY(layout->arena, struct graph_edge, most);
    for (size_t i = 0; i < layout->machine->state_count; i++) {
        add_ways(layout, i);
        add_timers(layout, i);
    }
}

/* --- columns --- */

/* Walks on from `start`; edges of a state lie together, as collect_edges made them. */
static void walk(struct graph_layout *layout, size_t start, size_t *queue,
                 const size_t *first_edge) {
    size_t head = 0, tail = 0;
    layout->nodes[start].layer = 0;
    queue[tail++] = start;
    while (head < tail) {
        size_t from = queue[head++];
        for (size_t i = first_edge[from]; i < first_edge[from + 1]; i++) {
            struct graph_node *to = &layout->nodes[layout->edges[i].to];
            if (to->layer < 0) {
                to->layer = layout->nodes[from].layer + 1;
                layout->layer_count = larger(layout->layer_count, to->layer + 1);
                queue[tail++] = layout->edges[i].to;
            }
        }
    }
}

static void assign_layers(struct graph_layout *layout) {
    size_t count = layout->machine->state_count;
    size_t *queue = ARENA_ARRAY(layout->arena, size_t, count);
    size_t *first_edge = ARENA_ARRAY(layout->arena, size_t, count + 1);
    for (size_t i = 0; i < layout->edge_count; i++) {
        first_edge[layout->edges[i].from + 1]++;
    }
    for (size_t i = 0; i < count; i++) {
        first_edge[i + 1] += first_edge[i];
        layout->nodes[i].layer = -1;
    }
    layout->layer_count = 1;
    walk(layout, layout->machine->initial, queue, first_edge);
    for (size_t i = 0; i < count; i++) {
        if (layout->nodes[i].layer < 0) {
            walk(layout, i, queue, first_edge);
        }
    }
}

/* --- paths --- */

static int layer_of(const struct graph_layout *layout, size_t node) {
    return layout->nodes[node].layer;
}

static size_t places_needed(const struct graph_layout *layout) {
    size_t places = 0;
    for (size_t i = 0; i < layout->edge_count; i++) {
        int span =
            abs(layer_of(layout, layout->edges[i].from) - layer_of(layout, layout->edges[i].to));
        places += span > 1 ? (size_t)span - 1 : 0;
    }
    return places;
}

/* Gives the edge its nodes, new ones in the columns between its ends if `winding`. */
static void make_path(struct graph_layout *layout, struct graph_edge *edge, bool winding) {
    int from = layer_of(layout, edge->from), to = layer_of(layout, edge->to);
    int step = from > to ? -1 : 1;
    size_t between = winding && abs(from - to) > 1 ? (size_t)abs(from - to) - 1 : 0;
    size_t *path = ARENA_ARRAY(layout->arena, size_t, between + 2);
    size_t length = 0;
    path[length++] = edge->from;
    for (int layer = from + step; length <= between; layer += step) {
        layout->nodes[layout->node_count] =
            (struct graph_node){.layer = layer, .height = 2, .width = 2};
        path[length++] = layout->node_count++;
    }
    path[length++] = edge->to;
    edge->path = path;
    edge->path_length = length;
}

static void make_paths(struct graph_layout *layout) {
    size_t places = places_needed(layout), states = layout->node_count;
    bool winding = places <= NODES_MOST;
    struct graph_node *nodes =
        ARENA_ARRAY(layout->arena, struct graph_node, states + (winding ? places : 0));
    memcpy(nodes, layout->nodes, states * sizeof *nodes);
    layout->nodes = nodes;
    for (size_t i = 0; i < layout->edge_count; i++) {
        make_path(layout, &layout->edges[i], winding);
    }
}

/* --- order: neighbours are counted in arrays indexed by node --- */

struct pull {
    long sum;
    int count;
};

/* What neighbours in the columns before (or after) say of each node: the sum of `value`. */
static void gather_pull(const struct graph_layout *layout, bool from_before,
                        int (*value)(const struct graph_node *node), struct pull *pulls) {
    memset(pulls, 0, layout->node_count * sizeof *pulls);
    for (size_t i = 0; i < layout->edge_count; i++) {
        const struct graph_edge *edge = &layout->edges[i];
        for (size_t j = 0; j + 1 < edge->path_length; j++) {
            size_t a = edge->path[j], b = edge->path[j + 1];
            size_t before = layer_of(layout, a) < layer_of(layout, b) ? a : b;
            size_t after = before == a ? b : a;
            size_t pulled = from_before ? after : before, pulling = from_before ? before : after;
            if (layer_of(layout, a) != layer_of(layout, b)) {
                pulls[pulled].sum += value(&layout->nodes[pulling]);
                pulls[pulled].count++;
            }
        }
    }
}

static int rank_of(const struct graph_node *node) {
    return node->rank * 16;
}

static int middle_of(const struct graph_node *node) {
    return node->y + node->height / 2;
}

struct placing {
    size_t node;
    long wanted;
    int rank; /* to keep the order of equals */
};

static int by_wish(const void *a, const void *b) {
    const struct placing *left = a, *right = b;
    int order = (left->wanted > right->wanted) - (left->wanted < right->wanted);
    return order != 0 ? order : left->rank - right->rank;
}

static int by_layer_and_rank(const void *a, const void *b) {
    const struct placing *left = a, *right = b;
    int order = (left->wanted > right->wanted) - (left->wanted < right->wanted);
    return order != 0 ? order : left->rank - right->rank;
}

/* All nodes, column by column and from the top; starts[layer] is where a column begins. */
static struct placing *columns(const struct graph_layout *layout, size_t *starts) {
    struct placing *all = ARENA_ARRAY(layout->arena, struct placing, layout->node_count);
    for (size_t i = 0; i < layout->node_count; i++) {
        all[i] = (struct placing){i, layer_of(layout, i), layout->nodes[i].rank};
        starts[layer_of(layout, i) + 1]++;
    }
    qsort(all, layout->node_count, sizeof *all, by_layer_and_rank);
    for (int i = 0; i < layout->layer_count; i++) {
        starts[i + 1] += starts[i];
    }
    return all;
}

static void set_ranks(struct graph_layout *layout, const struct placing *column, size_t count) {
    for (size_t i = 0; i < count; i++) {
        layout->nodes[column[i].node].rank = (int)i;
    }
}

static void sweep(struct graph_layout *layout, struct placing *all, const size_t *starts,
                  struct pull *pulls) {
    for (int layer = 0; layer < layout->layer_count; layer++) {
        struct placing *column = all + starts[layer];
        size_t count = starts[layer + 1] - starts[layer];
        for (size_t i = 0; i < count; i++) {
            const struct pull *pull = &pulls[column[i].node];
            const struct graph_node *node = &layout->nodes[column[i].node];
            column[i].rank = node->rank;
            column[i].wanted = pull->count > 0 ? pull->sum / pull->count : rank_of(node);
        }
        qsort(column, count, sizeof *column, by_wish);
        set_ranks(layout, column, count);
    }
}

static void order_columns(struct graph_layout *layout, struct placing *all, const size_t *starts,
                          struct pull *pulls) {
    for (int i = 0; i < layout->layer_count; i++) {
        set_ranks(layout, all + starts[i], starts[i + 1] - starts[i]);
    }
    for (int i = 0; i < SWEEPS; i++) {
        gather_pull(layout, i % 2 == 0, rank_of, pulls);
        sweep(layout, all, starts, pulls);
    }
}

/* --- sizes and places --- */

static void count_ports(struct graph_layout *layout) {
    for (size_t i = 0; i < layout->edge_count; i++) {
        const struct graph_edge *edge = &layout->edges[i];
        struct graph_node *from = &layout->nodes[edge->from], *to = &layout->nodes[edge->to];
        if (edge->from == edge->to) {
            continue;
        }
        *(from->layer > to->layer ? &from->left_ports : &from->right_ports) += 1;
        *(from->layer >= to->layer ? &to->right_ports : &to->left_ports) += 1;
    }
}

static void size_boxes(struct graph_layout *layout) {
    count_ports(layout);
    for (size_t i = 0; i < layout->machine->state_count; i++) {
        struct graph_node *node = &layout->nodes[i];
        int ports = larger(node->left_ports, node->right_ports);
        node->width = larger(84, graph_text_width(node->state->name) * 5 / 4 + 36);
        node->height = larger(BOX_HEIGHT, 10 + ports * PORT_GAP);
    }
}

static int gap_between(const struct graph_node *above, const struct graph_node *below) {
    return above->state != NULL && below->state != NULL ? BOX_GAP : LINE_GAP;
}

/* Puts the column's nodes where they want to be, as near as order and gaps allow. */
static void settle_column(struct graph_layout *layout, const struct placing *column, size_t count,
                          const struct pull *pulls) {
    long error = 0;
    for (size_t i = 0; i < count; i++) {
        struct graph_node *node = &layout->nodes[column[i].node];
        const struct pull *pull = &pulls[column[i].node];
        int wanted = pull->count > 0 ? (int)(pull->sum / pull->count) - node->height / 2 : node->y;
        node->y = wanted;
        if (i > 0) {
            const struct graph_node *above = &layout->nodes[column[i - 1].node];
            node->y = larger(wanted, above->y + above->height + gap_between(above, node));
        }
        error += node->y - wanted;
    }
    for (size_t i = 0; i < count; i++) {
        layout->nodes[column[i].node].y -= (int)(error / (long)count);
    }
}

static void place_rows(struct graph_layout *layout, const struct placing *all, const size_t *starts,
                       struct pull *pulls) {
    memset(pulls, 0, layout->node_count * sizeof *pulls);
    for (int pass = 0; pass < SWEEPS; pass++) {
        for (int layer = 0; layer < layout->layer_count; layer++) {
            size_t count = starts[layer + 1] - starts[layer];
            if (count > 0) {
                settle_column(layout, all + starts[layer], count, pulls);
            }
        }
        gather_pull(layout, pass % 2 == 0, middle_of, pulls);
    }
}

static int label_width(const struct graph_label *label) {
    int width = larger(graph_text_width(label->verb), graph_text_width(label->permission));
    return smaller(width, LABEL_MOST);
}

/* Lines within the last column bend out beyond it. */
static int room_after_last(const struct graph_layout *layout) {
    for (size_t i = 0; i < layout->edge_count; i++) {
        const struct graph_edge *edge = &layout->edges[i];
        if (edge->from != edge->to && layer_of(layout, edge->from) == layout->layer_count - 1 &&
            layer_of(layout, edge->to) == layout->layer_count - 1) {
            return COLUMN_GAP;
        }
    }
    return 0;
}

/* The gap after each column is as wide as the widest label in it. */
static void place_columns(struct graph_layout *layout) {
    int *gaps = ARENA_ARRAY(layout->arena, int, (size_t)layout->layer_count);
    layout->layer_x = ARENA_ARRAY(layout->arena, int, (size_t)layout->layer_count);
    layout->layer_width = ARENA_ARRAY(layout->arena, int, (size_t)layout->layer_count);
    for (size_t i = 0; i < layout->node_count; i++) {
        int *width = &layout->layer_width[layer_of(layout, i)];
        *width = larger(*width, layout->nodes[i].width);
    }
    for (size_t i = 0; i < layout->edge_count; i++) {
        const struct graph_edge *edge = &layout->edges[i];
        int from = layer_of(layout, edge->from), to = layer_of(layout, edge->to);
        int *gap = &gaps[from > to ? from - 1 : from];
        *gap = larger(*gap, edge->from == edge->to ? 0 : label_width(&edge->label));
    }
    int x = MARGIN + START_WIDTH;
    for (int i = 0; i < layout->layer_count; i++) {
        layout->layer_x[i] = x;
        x += layout->layer_width[i] + COLUMN_GAP + gaps[i];
    }
    layout->width = x - COLUMN_GAP + room_after_last(layout) + MARGIN;
}

static void move_into_view(struct graph_layout *layout) {
    int top = INT_MAX, bottom = INT_MIN;
    for (size_t i = 0; i < layout->node_count; i++) {
        top = smaller(top, layout->nodes[i].y);
        bottom = larger(bottom, layout->nodes[i].y + layout->nodes[i].height);
    }
    for (size_t i = 0; i < layout->node_count; i++) {
        struct graph_node *node = &layout->nodes[i];
        node->y += MARGIN * 2 - top;
        node->x =
            layout->layer_x[node->layer] + (layout->layer_width[node->layer] - node->width) / 2;
    }
    layout->height = bottom - top + MARGIN * 3;
}

/* --- ports: one end of an edge --- */

struct port {
    struct graph_edge *edge;
    bool is_target;
    size_t node;
    bool is_right;
    int other_y; /* of the next node on the path */
};

static int by_side(const void *a, const void *b) {
    const struct port *left = a, *right = b;
    if (left->node != right->node) {
        return left->node < right->node ? -1 : 1;
    }
    if (left->is_right != right->is_right) {
        return left->is_right ? 1 : -1;
    }
    int order = (left->other_y > right->other_y) - (left->other_y < right->other_y);
    return order != 0 ? order : (left->edge > right->edge) - (left->edge < right->edge);
}

static struct port port_of(const struct graph_layout *layout, struct graph_edge *edge,
                           bool is_target) {
    size_t node = is_target ? edge->to : edge->from;
    size_t next = is_target ? edge->path[edge->path_length - 2] : edge->path[1];
    int difference = layer_of(layout, edge->to) - layer_of(layout, edge->from);
    bool is_right = is_target ? difference <= 0 : difference >= 0;
    return (struct port){edge, is_target, node, is_right, middle_of(&layout->nodes[next])};
}

static bool is_same_side(const struct port *a, const struct port *b) {
    return a->node == b->node && a->is_right == b->is_right;
}

static void place_port(const struct graph_layout *layout, const struct port *port, int index,
                       int count) {
    int y = middle_of(&layout->nodes[port->node]) + index * PORT_GAP - (count - 1) * PORT_GAP / 2;
    *(port->is_target ? &port->edge->to_y : &port->edge->from_y) = y;
}

static void place_ports(struct graph_layout *layout) {
    struct port *ports = ARENA_ARRAY(layout->arena, struct port, layout->edge_count * 2);
    size_t count = 0;
    for (size_t i = 0; i < layout->edge_count; i++) {
        struct graph_edge *edge = &layout->edges[i];
        if (edge->from != edge->to) {
            ports[count++] = port_of(layout, edge, false);
            ports[count++] = port_of(layout, edge, true);
        }
    }
    qsort(ports, count, sizeof *ports, by_side);
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start; end < count && is_same_side(&ports[start], &ports[end]); end++) {
        }
        for (size_t i = start; i < end; i++) {
            place_port(layout, &ports[i], (int)(i - start), (int)(end - start));
        }
    }
}

/* Lines within a column bend out the further the longer they are. */
static void spread_arcs(struct graph_layout *layout) {
    for (size_t i = 0; i < layout->edge_count; i++) {
        struct graph_edge *edge = &layout->edges[i];
        edge->spread = smaller(34 + abs(edge->to_y - edge->from_y) / 8, COLUMN_GAP + 20);
    }
}

/* --- the whole --- */

struct graph_layout graph_layout(struct arena *arena, const struct machine *machine) {
    struct graph_layout layout = {.arena = arena, .machine = machine};
    collect_edges(&layout);
    layout.nodes = ARENA_ARRAY(arena, struct graph_node, machine->state_count);
    layout.node_count = machine->state_count;
    for (size_t i = 0; i < machine->state_count; i++) {
        layout.nodes[i].state = &machine->states[i];
    }
    assign_layers(&layout);
    make_paths(&layout);
    size_t *starts = ARENA_ARRAY(arena, size_t, (size_t)layout.layer_count + 1);
    struct pull *pulls = ARENA_ARRAY(arena, struct pull, layout.node_count);
    struct placing *all = columns(&layout, starts);
    order_columns(&layout, all, starts, pulls);
    size_boxes(&layout);
    place_rows(&layout, all, starts, pulls);
    place_columns(&layout);
    move_into_view(&layout);
    place_ports(&layout);
    spread_arcs(&layout);
    return layout;
}
