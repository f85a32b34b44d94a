/* deadline.h: rows of timers. Private to store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_DEADLINE_H
#define STATUTE_STORE_POSTGRES_DEADLINE_H

#include "store/postgres/driver.h"

bool postgres_due(struct store *store, struct arena *arena, const struct text *machines,
                  size_t machine_count, int64_t now_us, int64_t limit,
                  struct store_deadline **items, size_t *count, struct fault *fault) MUST_CHECK;
bool postgres_next_due(struct store *store, int64_t *due_us, struct fault *fault) MUST_CHECK;
bool postgres_timers_of(struct store *store, struct arena *arena, const struct store_key *keys,
                        size_t count, struct store_deadline **items, size_t *item_count,
                        struct fault *fault) MUST_CHECK;
bool postgres_put_off(struct store *store, const struct text *machines, size_t machine_count,
                      int64_t before_us, int64_t until_us, int64_t most,
                      struct fault *fault) MUST_CHECK;
bool postgres_forget_done(struct store *store, int64_t most, struct fault *fault) MUST_CHECK;

#endif
