/* problem.h: collects what is wrong in files that people write: policies, keys. */
#ifndef STATUTE_PROBLEM_H
#define STATUTE_PROBLEM_H

#include "base/js.h"

/* One thing wrong in a file that people write. */
struct problem {
    struct text file;    /* as the reader knows it: relative to the policy directory */
    int line;            /* 0: the file as a whole */
    struct text message; /* names the key, and what was expected */
};
struct problem_list {
    struct arena *arena;
    struct problem *items;
    size_t count, capacity;
};

#define PROBLEMS_MOST 1000 /* the rest of a hopeless directory is counted, not listed */

/* Adds one, unless it is there already. `file` and `message` are copied into the list's arena; a
 * message becomes one line of well-formed text. */
void problem_add(struct problem_list *list, struct text file, int line, struct text message);

/* Whether more would not be listed: then it need not be worked out either. */
bool problem_is_full(const struct problem_list *list);

/* By file, line, message. */
void problem_sort(struct problem_list *list);

/* [{file, line, message}] */
void problem_put(struct js_writer *writer, const struct problem_list *list);

/* Problems read "; did you mean 'task'?": the hint, or "" when nothing is near. */
struct text problem_hint(struct arena *arena, struct text word, const struct text *candidates,
                         size_t count);

#endif
