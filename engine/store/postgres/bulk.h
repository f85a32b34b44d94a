/* bulk.h: the slots of the driver that long-running bulk work has. Private to store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_BULK_H
#define STATUTE_STORE_POSTGRES_BULK_H

#include "store/postgres/driver.h"

bool postgres_add_bulk(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                       size_t count, struct fault *fault) MUST_CHECK;
bool postgres_find_bulk(struct store *store, struct arena *arena, struct text id,
                        struct store_bulk **out, struct fault *fault) MUST_CHECK;
bool postgres_bulk_members(struct store *store, struct arena *arena, struct text id,
                           int64_t position, int64_t limit, struct text **ids, size_t *count,
                           struct fault *fault) MUST_CHECK;
bool postgres_save_bulk(struct store *store, const struct store_bulk *bulk,
                        const struct store_bulk_error *errors, size_t error_count,
                        struct fault *fault) MUST_CHECK;
bool postgres_bulk_errors(struct store *store, struct arena *arena, struct text id, int64_t limit,
                          struct store_bulk_error **items, size_t *count,
                          struct fault *fault) MUST_CHECK;
bool postgres_list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                         struct store_bulk **items, size_t *count, struct fault *fault) MUST_CHECK;
bool postgres_page_bulks(struct store *store, struct arena *arena,
                         const struct store_bulk_search *search, const struct store_page *page,
                         struct store_bulk **items, size_t *count, struct text *next,
                         struct fault *fault) MUST_CHECK;

#endif
