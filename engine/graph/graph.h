/* graph.h: a machine as a picture.
 * Room graph/: labels, layout, and three formats. It uses policy/rules/ and nothing that decides,
 * reads or writes. How to use: one call a format; the text is in the arena. */
#ifndef STATUTE_GRAPH_H
#define STATUTE_GRAPH_H

#include "policy/rules/machine.h"

struct text graph_dot(struct arena *arena, const struct machine *machine);
struct text graph_mermaid(struct arena *arena, const struct machine *machine);
/* Readable without any other program. */
struct text graph_svg(struct arena *arena, const struct machine *machine);

#endif
