/* follow.h: what is stored, as the rules in force see it. Rules may call a machine or a state
 * otherwise than before (`renamed_from`), and a field's default holds for entities that were made
 * before the field was. Whoever only reads sees it so at once (follow_read, follow_present,
 * follow_where); a batch renames what it reads for good (work.c), and server/renames sees to it
 * that all is renamed in the end. */
#ifndef STATUTE_FOLLOW_H
#define STATUTE_FOLLOW_H

#include "core/batch.h"

/* What the machine, or the state of the machine, is called today; the name itself when the rules do
 * not know it. */
struct text follow_machine(const struct generation *generation, struct text name);
struct text follow_state(const struct machine *machine, struct text name);

/* Completes a question about the entities of a machine, so that those which are kept under a former
 * name, or lack a field that has a default, are found. */
void follow_where(const struct core *core, struct arena *arena, struct text machine,
                  struct store_where *where);

/* Entities that a reader has read: states as they are called today, fields with their defaults. */
void follow_present(const struct core *core, struct arena *arena, struct entity *entities,
                    size_t count);

/* Looks under the former name of their machine for those that are not there. kept[i] is the
 * former name under which it was found; TEXT_NONE: it was not looked for, or is not there. */
bool follow_find(struct core *core, struct arena *arena, struct entity *entities, size_t count,
                 struct text *kept, struct fault *fault) MUST_CHECK;

#endif
