/* outbox.h: the events that a policy emitted, written in the transition's own transaction.
 * The transitions themselves are not repeated here: their audit records are their events. Used by
 * engine/core only. */
#ifndef STATUTE_OUTBOX_H
#define STATUTE_OUTBOX_H

#include "core/work.h"

/* One row for each {type, data} of `decision.emit`, free of personal data. */
void outbox_append(struct work *work, const struct attempt *attempt, const struct outcome *outcome);

#endif
