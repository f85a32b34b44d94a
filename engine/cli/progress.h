/* progress.h: how far a long command has come, on standard error: a bar that is drawn over itself
 * on a terminal, else a plain line every few seconds. */
#ifndef STATUTE_PROGRESS_H
#define STATUTE_PROGRESS_H

#include "base/now.h"
#include "base/text.h"

struct progress {
    const char *doing;  /* "importing" */
    const char *things; /* "entities" */
    struct now now;
    int64_t started_us, shown_us;
    bool is_terminal;
    bool drawn; /* a bar stands on the current line */
};

void progress_init(struct progress *progress, const char *doing, const char *things);

/* `fraction` is from 0 to 1, negative when the end is not known. Cheap: shows only now and then. */
void progress_update(struct progress *progress, int64_t count, double fraction);

/* Takes the bar away, so that another line can be written. */
void progress_clear(struct progress *progress);

/* "imported 12,345 entities in 3.2 s (3,858/s)" */
void progress_finish(struct progress *progress, const char *done, int64_t count);

#endif
