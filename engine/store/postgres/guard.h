/* guard.h: what a writing transaction read without a lock still holds when it writes. Private to
 * store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_GUARD_H
#define STATUTE_STORE_POSTGRES_GUARD_H

#include "store/postgres/plan.h"

/* Queues the first statement of a write: it guards the machines that the plan writes, confirms what
 * was looked at, and answers the transaction's id. It fails with FAULT_STORE_CONFLICT. */
void guard_queue_confirm(struct postgres_store *self, const struct plan *plan);

/* It went well: what was confirmed is held from now on. */
void guard_confirmed(struct postgres_store *self);

#endif
