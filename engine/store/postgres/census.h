/* census.h: the slots of the driver for store/census.h. Private to store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_CENSUS_H
#define STATUTE_STORE_POSTGRES_CENSUS_H

#include "store/postgres/driver.h"

/* --- census.c --- */
bool postgres_entered(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
                      struct fault *fault) MUST_CHECK;
bool postgres_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                       struct fault *fault) MUST_CHECK;
bool postgres_list_gone(struct store *store, struct arena *arena, struct text **names,
                        size_t *count, struct fault *fault) MUST_CHECK;
bool postgres_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                        struct fault *fault) MUST_CHECK;
bool postgres_rename(struct store *store, struct text from, struct text to, const struct text *ids,
                     size_t count, bool *moved, struct fault *fault) MUST_CHECK;

#endif
