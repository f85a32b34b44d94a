/* svg.c: the layout as SVG, without scripts, fonts or anything else from outside. Colours are
 * CSS variables, which the reader's colour scheme sets. A label is written where it meets no other;
 * one that finds no place is still in the line's title. */
#include "graph/graph.h"

#include "graph/layout.h"

#include <stdlib.h>

#define LABEL_CHARACTERS 32
#define LINE_HEIGHT      12
#define LABELS_MOST      600 /* beyond it nobody could read them */
#define GUESSES          27

static const char style[] =
    "<style>"
    "svg{--paper:#fff;--ink:#1b2430;--muted:#5b6775;--line:#8a96a3;--box:#f4f6f9;--accent:#1f6feb;"
    "--final:#1a7f52}"
    "@media (prefers-color-scheme:dark){svg{--paper:#12161c;--ink:#e6ebf1;--muted:#9aa7b5;"
    "--line:#6b7785;--box:#1d242d;--accent:#6ea8fe;--final:#5ed3a0}}"
    "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink)}"
    ".paper{fill:var(--paper)}"
    ".name{font-size:13px;font-weight:600;text-anchor:middle;dominant-baseline:central}"
    ".label{font-size:11px;text-anchor:middle;paint-order:stroke;stroke:var(--paper);"
    "stroke-width:4px;stroke-linejoin:round}"
    ".permission{font-size:10px;fill:var(--muted)}"
    ".box{fill:var(--box);stroke:var(--line);stroke-width:1.3}"
    ".initial .box{stroke:var(--accent);stroke-width:2}"
    ".final .box,.final .inner{stroke:var(--final)}"
    ".inner{fill:none;stroke-width:1.3}"
    ".edge{fill:none;stroke:var(--line);stroke-width:1.4}"
    ".timer .edge{stroke-dasharray:5 4}"
    ".head{fill:var(--line)}"
    ".dot{fill:var(--accent)}"
    "g.way:hover .edge{stroke:var(--accent);stroke-width:2.2}"
    "</style>\n";

struct box {
    int left, top, right, bottom;
};

struct drawing {
    struct graph_layout layout;
    struct buffer *buffer;
    struct box *labels; /* written so far */
    size_t label_count;
};

/* --- text --- */

static void add_escaped(struct buffer *buffer, struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        switch (c) {
        case '<':
            buffer_add_text(buffer, TEXT("&lt;"));
            break;
        case '>':
            buffer_add_text(buffer, TEXT("&gt;"));
            break;
        case '&':
            buffer_add_text(buffer, TEXT("&amp;"));
            break;
        case '"':
            buffer_add_text(buffer, TEXT("&quot;"));
            break;
        default: /* XML knows no control characters */
            buffer_add_char(buffer, text_is_control(c) ? ' ' : c);
        }
    }
}

static void add_title(struct buffer *buffer, struct text title) {
    buffer_add_text(buffer, TEXT("<title>"));
    add_escaped(buffer, title);
    buffer_add_text(buffer, TEXT("</title>"));
}

/* The text, or its start and an ellipsis. */
static struct text shortened(struct arena *arena, struct text text) {
    size_t characters = 0, at = 0;
    for (; at < text.length; at++) {
        characters += ((unsigned char)text.bytes[at] & 0xC0) != 0x80;
        if (characters == LABEL_CHARACTERS) {
            break;
        }
    }
    return at + 1 >= text.length ? text : text_print(arena, "%.*s…", (int)at, text.bytes);
}

/* --- states --- */

static void draw_name(struct drawing *drawing, const struct graph_node *node) {
    buffer_print(drawing->buffer, "<text class=\"name\" x=\"%d\" y=\"%d\">",
                 node->x + node->width / 2, node->y + node->height / 2);
    add_escaped(drawing->buffer, node->state->name);
    buffer_add_text(drawing->buffer, TEXT("</text>"));
}

static void draw_rectangle(struct drawing *drawing, const struct graph_node *node,
                           const char *class, int inset) {
    buffer_print(drawing->buffer,
                 "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>",
                 class, node->x + inset, node->y + inset, node->width - 2 * inset,
                 node->height - 2 * inset, 9 - inset);
}

static void draw_start(struct drawing *drawing, const struct graph_node *node) {
    int y = node->y + node->height / 2;
    buffer_print(drawing->buffer,
                 "<circle class=\"dot\" cx=\"%d\" cy=\"%d\" r=\"5\"/>"
                 "<path class=\"edge\" d=\"M%d %dH%d\" marker-end=\"url(#head)\"/>",
                 node->x - 30, y, node->x - 25, y, node->x - 2);
}

static void draw_state(struct drawing *drawing, size_t index) {
    const struct graph_node *node = &drawing->layout.nodes[index];
    bool is_initial = index == drawing->layout.machine->initial;
    struct text title = node->state->name;
    if (text_given(node->state->doc)) {
        title = text_print(drawing->layout.arena, "%.*s: %.*s", TEXT_ARGS(title),
                           TEXT_ARGS(node->state->doc));
    }
    buffer_print(drawing->buffer, "<g class=\"state%s%s\">", is_initial ? " initial" : "",
                 node->state->final ? " final" : "");
    add_title(drawing->buffer, title);
    draw_rectangle(drawing, node, "box", 0);
    if (node->state->final) {
        draw_rectangle(drawing, node, "inner", 4);
    }
    draw_name(drawing, node);
    if (is_initial) {
        draw_start(drawing, node);
    }
    buffer_add_text(drawing->buffer, TEXT("</g>\n"));
}

/* --- lines --- */

static bool goes_left(const struct drawing *drawing, const struct graph_edge *edge) {
    return drawing->layout.nodes[edge->from].layer > drawing->layout.nodes[edge->to].layer;
}

static bool stays_in_column(const struct drawing *drawing, const struct graph_edge *edge) {
    return drawing->layout.nodes[edge->from].layer == drawing->layout.nodes[edge->to].layer;
}

static void draw_loop(struct drawing *drawing, const struct graph_node *node) {
    int x = node->x + node->width / 2, y = node->y;
    buffer_print(drawing->buffer, "M%d %dC%d %d %d %d %d %d", x - 14, y, x - 26, y - 26, x + 26,
                 y - 26, x + 14, y - 2);
}

static void draw_arc(struct drawing *drawing, const struct graph_edge *edge) {
    const struct graph_node *from = &drawing->layout.nodes[edge->from];
    const struct graph_node *to = &drawing->layout.nodes[edge->to];
    int x = from->x + from->width, end = to->x + to->width + 2;
    int bend = (x > end ? x : end) + edge->spread;
    buffer_print(drawing->buffer, "M%d %dC%d %d %d %d %d %d", x, edge->from_y, bend, edge->from_y,
                 bend, edge->to_y, end, edge->to_y);
}

/* The two sides of a node, in the direction of travel; a passing line crosses its whole column. */
static int side_of(const struct drawing *drawing, size_t index, bool right) {
    const struct graph_layout *layout = &drawing->layout;
    const struct graph_node *node = &layout->nodes[index];
    int left = node->state != NULL ? node->x : layout->layer_x[node->layer];
    int width = node->state != NULL ? node->width : layout->layer_width[node->layer];
    return right ? left + width : left;
}

static void draw_curve(struct drawing *drawing, int from_x, int from_y, int to_x, int to_y) {
    int middle = (from_x + to_x) / 2;
    buffer_print(drawing->buffer, "C%d %d %d %d %d %d", middle, from_y, middle, to_y, to_x, to_y);
}

static void draw_across(struct drawing *drawing, const struct graph_edge *edge) {
    bool left = goes_left(drawing, edge);
    int x = side_of(drawing, edge->from, !left), y = edge->from_y;
    buffer_print(drawing->buffer, "M%d %d", x, y);
    for (size_t i = 1; i < edge->path_length; i++) {
        const struct graph_node *node = &drawing->layout.nodes[edge->path[i]];
        bool is_end = i + 1 == edge->path_length;
        int next_y = is_end ? edge->to_y : node->y;
        int near = side_of(drawing, edge->path[i], left) + (is_end ? (left ? 2 : -2) : 0);
        draw_curve(drawing, x, y, near, next_y);
        x = side_of(drawing, edge->path[i], !left);
        y = next_y;
        if (!is_end) {
            buffer_print(drawing->buffer, "H%d", x);
        }
    }
}

static void draw_line(struct drawing *drawing, const struct graph_edge *edge) {
    buffer_add_text(drawing->buffer, TEXT("<path class=\"edge\" d=\""));
    if (edge->from == edge->to) {
        draw_loop(drawing, &drawing->layout.nodes[edge->from]);
    } else if (stays_in_column(drawing, edge)) {
        draw_arc(drawing, edge);
    } else {
        draw_across(drawing, edge);
    }
    buffer_add_text(drawing->buffer, TEXT("\" marker-end=\"url(#head)\"/>"));
}

/* --- labels --- */

static bool overlap(const struct box *a, const struct box *b) {
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

static bool is_free(const struct drawing *drawing, const struct box *box) {
    for (size_t i = 0; i < drawing->label_count; i++) {
        if (overlap(box, &drawing->labels[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < drawing->layout.machine->state_count; i++) {
        const struct graph_node *node = &drawing->layout.nodes[i];
        struct box state = {node->x, node->y, node->x + node->width, node->y + node->height};
        if (overlap(box, &state)) {
            return false;
        }
    }
    return true;
}

/* A point on the curve between two columns, `percent` of the way. */
static void point_on(int percent, const int from[2], const int to[2], int out[2]) {
    double t = percent / 100.0, s = 1 - t;
    double middle = (from[0] + to[0]) / 2.0;
    out[0] = (int)(s * s * s * from[0] + 3 * s * t * middle + t * t * t * to[0]);
    out[1] = (int)((s * s * s + 3 * s * s * t) * from[1] + (3 * s * t * t + t * t * t) * to[1]);
}

/* Where the label may stand: the `attempt`th guess, at first on the line, later beside it. */
static void guess(const struct drawing *drawing, const struct graph_edge *edge, int attempt,
                  int out[2]) {
    static const int percents[] = {50, 40, 60, 30, 70, 22, 78, 15, 85};
    static const int shifts[] = {0, -11, 11};
    int percent = percents[attempt % 9];
    const struct graph_node *from = &drawing->layout.nodes[edge->from];
    if (edge->from == edge->to) {
        out[0] = from->x + from->width / 2;
        out[1] = from->y - 24 - attempt % 9 * 4;
    } else if (stays_in_column(drawing, edge)) {
        int end = drawing->layout.nodes[edge->to].x + drawing->layout.nodes[edge->to].width;
        int base = from->x + from->width > end ? from->x + from->width : end;
        out[0] = base + edge->spread * 3 / 4;
        out[1] = edge->from_y + (edge->to_y - edge->from_y) * percent / 100;
    } else {
        bool left = goes_left(drawing, edge), is_end = edge->path_length == 2;
        size_t next = edge->path[1];
        int start[2] = {side_of(drawing, edge->from, !left), edge->from_y};
        int end[2] = {side_of(drawing, next, left),
                      is_end ? edge->to_y : drawing->layout.nodes[next].y};
        point_on(percent, start, end, out);
    }
    out[1] += shifts[attempt / 9];
}

static int line_count(const struct graph_label *label) {
    return text_given(label->verb) + text_given(label->permission);
}

static bool find_place(struct drawing *drawing, const struct graph_edge *edge,
                       const struct graph_label *label, int at[2]) {
    int verb = graph_text_width(label->verb), permission = graph_text_width(label->permission);
    int half = (verb > permission ? verb : permission) / 2 + 2;
    int height = line_count(label) * LINE_HEIGHT + 3;
    for (int attempt = 0; attempt < GUESSES; attempt++) {
        guess(drawing, edge, attempt, at);
        struct box box = {at[0] - half, at[1] - height / 2, at[0] + half, at[1] + height / 2};
        if (is_free(drawing, &box)) {
            drawing->labels[drawing->label_count++] = box;
            return true;
        }
    }
    return false;
}

static void draw_words(struct drawing *drawing, struct text text, const char *class, int x, int y) {
    buffer_print(drawing->buffer, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
    add_escaped(drawing->buffer, text);
    buffer_add_text(drawing->buffer, TEXT("</text>"));
}

static void draw_label(struct drawing *drawing, const struct graph_edge *edge) {
    struct arena *arena = drawing->layout.arena;
    struct graph_label label = {shortened(arena, edge->label.verb),
                                shortened(arena, edge->label.permission)};
    int at[2];
    if (line_count(&label) == 0 || !find_place(drawing, edge, &label, at)) {
        return;
    }
    int y = at[1] - line_count(&label) * LINE_HEIGHT / 2 + LINE_HEIGHT - 3;
    if (text_given(label.verb)) {
        draw_words(drawing, label.verb, "label", at[0], y);
        y += LINE_HEIGHT;
    }
    if (text_given(label.permission)) {
        draw_words(drawing, label.permission, "label permission", at[0], y);
    }
}

static void draw_edges(struct drawing *drawing) {
    for (size_t i = 0; i < drawing->layout.edge_count; i++) {
        const struct graph_edge *edge = &drawing->layout.edges[i];
        buffer_add_text(drawing->buffer, edge->is_timer ? TEXT("<g class=\"way timer\">")
                                                        : TEXT("<g class=\"way\">"));
        add_title(drawing->buffer, edge->title);
        draw_line(drawing, edge);
        buffer_add_text(drawing->buffer, TEXT("</g>\n"));
    }
    for (size_t i = 0; i < drawing->layout.edge_count && i < LABELS_MOST; i++) {
        draw_label(drawing, &drawing->layout.edges[i]);
    }
    buffer_add_char(drawing->buffer, '\n');
}

/* --- the whole --- */

static void open_picture(struct drawing *drawing) {
    const struct graph_layout *layout = &drawing->layout;
    struct buffer *buffer = drawing->buffer;
    buffer_print(buffer,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                 "viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"title desc\">\n",
                 layout->width, layout->height, layout->width, layout->height);
    buffer_add_text(buffer, TEXT("<title id=\"title\">"));
    add_escaped(buffer, layout->machine->name);
    buffer_add_text(buffer, TEXT("</title>\n<desc id=\"desc\">"));
    add_escaped(buffer, layout->machine->doc);
    buffer_print(
        buffer,
        "%sState machine with %zu states and %zu transitions. The dot leads to the initial state, "
        "a double border marks a final state, a dashed line is a timer.</desc>\n",
        text_given(layout->machine->doc) ? " " : "", layout->machine->state_count,
        layout->edge_count);
    buffer_add_text(buffer, text_of(style));
    buffer_add_text(buffer,
                    TEXT("<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
                         "markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\" "
                         "markerUnits=\"userSpaceOnUse\"><path class=\"head\" "
                         "d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"));
    buffer_print(buffer, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", layout->width,
                 layout->height);
}

struct text graph_svg(struct arena *arena, const struct machine *machine) {
    struct buffer buffer;
    struct drawing drawing = {.layout = graph_layout(arena, machine), .buffer = &buffer};
    buffer_init(&buffer, arena);
    drawing.labels = ARENA_ARRAY(arena, struct box, drawing.layout.edge_count);
    open_picture(&drawing);
    draw_edges(&drawing);
    for (size_t i = 0; i < machine->state_count; i++) {
        draw_state(&drawing, i);
    }
    buffer_add_text(&buffer, TEXT("</svg>\n"));
    return buffer_view(&buffer);
}
