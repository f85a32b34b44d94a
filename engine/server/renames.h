/* renames.h: gives every entity the names that the rules in force have for its machine and state
 * (`renamed_from`), page by page, beside the traffic. Whoever meets an entity before its turn sees
 * it renamed all the same (core/follow.h), so nothing waits for this; it can end at any time and
 * begin anew. The pages are jobs of the first writer. Owned by the reload thread. */
#ifndef STATUTE_RENAMES_H
#define STATUTE_RENAMES_H

#include "server/rename_page.h"

struct renames;
struct worker;

/* One page; rename_page, but for tests. */
typedef bool renames_page(struct rename_walk *walk, struct core *core, struct fault *fault);

struct renames *renames_new(struct worker *writer, renames_page *page);
void renames_free(struct renames *renames); /* after the writers have stopped */

/* These rules have been published: go through all that they renamed. */
void renames_begin(struct renames *renames, const struct generation *rules);

/* Readable when a page is done: call renames_collect. */
int renames_descriptor(struct renames *renames);
void renames_collect(struct renames *renames);

/* Posts the next page when it is time. Monotonic: when to call it again; 0: no need. */
int64_t renames_go_on(struct renames *renames, int64_t now_us);

#endif
