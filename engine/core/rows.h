/* rows.h: entities whose state and data live in an application's own table (model/app_table.h). The
 * store's entity is then what the engine saw last; what counts is the row. Used by engine/core
 * only, but for core_read (batch.h). */
#ifndef STATUTE_ROWS_H
#define STATUTE_ROWS_H

#include "core/work.h"

/* Lays the rows over entities that have just been read: entities[i] becomes what its row says, and
 * views[i] tells what has happened to it. Calls the store once for all neighbours of one machine.
 */
bool rows_overlay(struct core *core, struct arena *arena, struct entity *entities,
                  struct row_view *views, size_t count, struct fault *fault) MUST_CHECK;

/* Records what somebody else has done to the row, in the entity's chain. */
void rows_note(struct work *work, struct slot *slot);

/* Whether the table would take the slot's row as it is now; if not, `out` is refused. False for a
 * fault of the store. */
bool rows_try(struct work *work, struct slot *slot, struct outcome *out,
              struct fault *fault) MUST_CHECK;

/* Whether the rows that were only looked at are still so; holds them. FAULT_STORE_CONFLICT: not so.
 */
bool rows_confirm(struct work *work, struct fault *fault) MUST_CHECK;

/* Writes the rows of all slots that have changed. */
bool rows_write(struct work *work, struct fault *fault) MUST_CHECK;

#endif
