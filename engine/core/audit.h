/* audit.h: appends the record of an attempt to its entity's chain. Used by engine/core only. */
#ifndef STATUTE_AUDIT_H
#define STATUTE_AUDIT_H

#include "core/work.h"

/* Appends the record, moves the chain's head in the slot and names the record in the outcome.
 * `before` is the data that the attempt met; NULL: none. Personal data is removed here, before
 * anything is written. */
void audit_append(struct work *work, struct slot *slot, const struct attempt *attempt,
                  const struct js *before, struct outcome *outcome);

#endif
