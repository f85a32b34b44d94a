/* bulletin.h: what anybody may read of the policies of this process: the generations that were
 * published, what is on disk, and whom the rules in force strand. Written by the reload thread,
 * read by any; its mutex guards all of it. */
#ifndef STATUTE_BULLETIN_H
#define STATUTE_BULLETIN_H

#include "base/js.h"
#include "server/stranded.h"

struct bulletin;

struct bulletin *bulletin_new(void);
void bulletin_free(struct bulletin *bulletin);

/* `by`: "start", "watch", "SIGHUP", or who asked for the reload. `before` was in force until then;
 * NULL: nothing. */
void bulletin_publish(struct bulletin *bulletin, const struct generation *generation,
                      const struct generation *before, struct text by, int64_t at_us);
/* What the latest load found. `name`: the hash of the files; TEXT_NONE: they could not be read. */
void bulletin_found(struct bulletin *bulletin, struct text name,
                    const struct problem_list *problems);
void bulletin_strand(struct bulletin *bulletin, const struct stranded_list *list);

/* Members of an object: on_disk {generation, problems}, generations [{generation, published_at,
 * loaded_at, by, files_changed, machines, current}] (newest last, at most 20), warnings. */
void bulletin_put(struct bulletin *bulletin, struct js_writer *writer);

/* What is wrong with the files on disk, in one sentence in the arena; TEXT_NONE: nothing. */
struct text bulletin_trouble(struct bulletin *bulletin, struct arena *arena);

size_t bulletin_problems(struct bulletin *bulletin);
struct stranded_list bulletin_stranded(struct bulletin *bulletin, struct arena *arena);

#endif
