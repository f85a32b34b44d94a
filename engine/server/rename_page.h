/* rename_page.h: one page of the walk of renames.h, on a writer's thread: some entities get the
 * names that the rules in force have for their machine and state. */
#ifndef STATUTE_RENAME_PAGE_H
#define STATUTE_RENAME_PAGE_H

#include "core/batch.h"

/* Of a machine: first what is kept under its former name, then what is in states that have another
 * name now. */
enum rename_part { RENAME_MACHINE, RENAME_STATES };

struct rename_walk {
    struct arena arena;  /* of the two texts below */
    struct text machine; /* that the walk has come to; TEXT_NONE: before the first */
    struct text after;   /* id; TEXT_NONE: from the front */
    enum rename_part part;
    int64_t renamed; /* of this machine */
    bool over;       /* no machine is left */
};

/* By the rules that are pinned in the core. After a fault the page is to be tried again. */
bool rename_page(struct rename_walk *walk, struct core *core, struct fault *fault) MUST_CHECK;

#endif
