/* chains.h: the walk through all chains, as store/chains.h has it. Private to store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_CHAINS_H
#define STATUTE_STORE_POSTGRES_CHAINS_H

#include "store/postgres/driver.h"

bool postgres_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                          struct fault *fault) MUST_CHECK;

#endif
