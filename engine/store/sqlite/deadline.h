/* deadline.h: rows of timers. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_DEADLINE_H
#define STATUTE_STORE_SQLITE_DEADLINE_H

#include "store/sqlite/entity.h"

bool sqlite_disarm(struct sqlite_store *self, const struct store_key *key,
                   struct fault *fault) MUST_CHECK;
bool sqlite_fired(struct sqlite_store *self, const struct store_deadline *deadline,
                  struct fault *fault) MUST_CHECK;
bool sqlite_arm(struct sqlite_store *self, const struct store_deadline *deadline,
                struct fault *fault) MUST_CHECK;
bool sqlite_due(struct store *store, struct arena *arena, const struct text *machines,
                size_t machine_count, int64_t now_us, int64_t limit, struct store_deadline **items,
                size_t *count, struct fault *fault) MUST_CHECK;
bool sqlite_next_due(struct store *store, int64_t *due_us, struct fault *fault) MUST_CHECK;
bool sqlite_timers_of(struct store *store, struct arena *arena, const struct store_key *keys,
                      size_t count, struct store_deadline **items, size_t *item_count,
                      struct fault *fault) MUST_CHECK;
/* A JSON array of names, for json_each; TEXT_NONE of NULL. */
struct text sqlite_names(struct arena *arena, const struct text *names, size_t count);

#endif
