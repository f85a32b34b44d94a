/* bulk_driver.h: what a kind of store implements of bulk.h; as driver.h, of which it is a part.
 * Every slot does what the function of bulk.h does that ends or begins with its name. */
#ifndef STATUTE_STORE_BULK_DRIVER_H
#define STATUTE_STORE_BULK_DRIVER_H

#include "store/bulk.h"

struct store_bulk_driver {
    bool (*add)(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                size_t count, struct fault *fault) MUST_CHECK;
    bool (*find)(struct store *store, struct arena *arena, struct text id, struct store_bulk **out,
                 struct fault *fault) MUST_CHECK;
    bool (*members)(struct store *store, struct arena *arena, struct text id, int64_t position,
                    int64_t limit, struct text **ids, size_t *count,
                    struct fault *fault) MUST_CHECK;
    bool (*save)(struct store *store, const struct store_bulk *bulk,
                 const struct store_bulk_error *errors, size_t error_count,
                 struct fault *fault) MUST_CHECK;
    bool (*errors)(struct store *store, struct arena *arena, struct text id, int64_t limit,
                   struct store_bulk_error **items, size_t *count, struct fault *fault) MUST_CHECK;
    bool (*list)(struct store *store, struct arena *arena, enum bulk_status status,
                 struct store_bulk **items, size_t *count, struct fault *fault) MUST_CHECK;
    bool (*page)(struct store *store, struct arena *arena, const struct store_bulk_search *search,
                 const struct store_page *page, struct store_bulk **items, size_t *count,
                 struct text *next, struct fault *fault) MUST_CHECK;
};

#endif
