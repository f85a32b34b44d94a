/* census.h: which machines and entities a store has, and since when; for whoever changes the rules
 * (renaming, machines that are gone). Faults and transactions as in store.h. */
#ifndef STATUTE_STORE_CENSUS_H
#define STATUTE_STORE_CENSUS_H

#include "store/store.h"

/* Machines that have, or had, entities or records, in name order. */
bool store_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                    struct fault *fault) MUST_CHECK;

/* Machines that have entities and no rules, which the operator agreed to. */
bool store_list_gone(struct store *store, struct arena *arena, struct text **names, size_t *count,
                     struct fault *fault) MUST_CHECK;

/* These are all machines of store_list_gone from now on. */
bool store_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                     struct fault *fault) MUST_CHECK;

/* Entities of the machine `from` become entities of `to`, with their chains and timers; moved[i]
 * is false for one that is not there, or whose id `to` has already. They were read in this
 * transaction, which writes; so are they to be read again, under the new name. */
bool store_rename(struct store *store, struct text from, struct text to, const struct text *ids,
                  size_t count, bool *moved, struct fault *fault) MUST_CHECK;

/* out[i] is when the entity entered its state; updated_us where that is not known; 0: not there. */
bool store_entered(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
                   struct fault *fault) MUST_CHECK;

#endif
