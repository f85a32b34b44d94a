/* lines.h: where in a policy file a key stands, for the line number of a problem. Used by
 * engine/policy only. A best effort: it reads the text of the file, never runs it. */
#ifndef STATUTE_LINES_H
#define STATUTE_LINES_H

#include "base/arena.h"
#include "base/text.h"

struct token;

struct lines {
    struct arena *arena;
    struct text text;
    struct token *tokens; /* made when first asked for */
    size_t token_count;
};

/* The way to a key from the table of a declaration: `states`, then `DRAFT`, then `to`... */
struct key_path {
    const struct key_path *parent; /* NULL: the declaration's own table */
    struct text name;              /* TEXT_NONE: a position in a list */
    size_t position;               /* 1, 2, 3... */
};

/* `text` and `arena` must outlive the lines. */
void lines_init(struct lines *lines, struct arena *arena, struct text text);

/* The line of the last part of `path` that can be found in the table that follows the word
 * `constructor` on `line`; `line` itself when nothing can be found. A value that is the name of a
 * local variable is looked for in that variable's own table. */
int lines_find(struct lines *lines, struct text constructor, int line, const struct key_path *path);

#endif
