/* bulk.h: long-running work on many entities, in a store (store.h); core/bulk.c says what its parts
 * mean. Faults and transactions as in store.h; each change joins the open transaction, or is one.
 */
#ifndef STATUTE_STORE_BULK_H
#define STATUTE_STORE_BULK_H

#include "store/store.h"

/* --- bulk (core/bulk.c says what they mean) --- */
/* These numbers are on disk: add only at the end. */
enum bulk_status { BULK_RUNNING, BULK_PAUSED, BULK_CANCELLED, BULK_COMPLETED, BULK_FAILED };

struct store_bulk {
    int64_t number; /* grows in the order of making; of what is read only */
    struct text id;
    struct text request; /* JSON: what was asked, with actor and caller */
    enum bulk_status status;
    int64_t total, position, succeeded, failed, skipped; /* position: members done with */
    int64_t created_us, updated_us, execution_us;
};

struct store_bulk_search {
    int status;          /* enum bulk_status, or -1: any */
    struct text machine; /* TEXT_NONE: any */
};

struct store_bulk_error {
    struct text entity_id, code, message;
};

/* Inserts the bulk and its members, in the order of `ids`. FAULT_STORE_CONFLICT: that id. */
bool store_add_bulk(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                    size_t count, struct fault *fault) MUST_CHECK;
bool store_find_bulk(struct store *store, struct arena *arena, struct text id,
                     struct store_bulk **out, struct fault *fault) MUST_CHECK; /* *out NULL: none */
bool store_bulk_members(struct store *store, struct arena *arena, struct text id, int64_t position,
                        int64_t limit, struct text **ids, size_t *count,
                        struct fault *fault) MUST_CHECK;
/* All but id, request and created_us; `errors` are added. FAULT_NOT_FOUND: no such bulk. */
bool store_save_bulk(struct store *store, const struct store_bulk *bulk,
                     const struct store_bulk_error *errors, size_t error_count,
                     struct fault *fault) MUST_CHECK;
bool store_bulk_errors(struct store *store, struct arena *arena, struct text id, int64_t limit,
                       struct store_bulk_error **items, size_t *count,
                       struct fault *fault) MUST_CHECK;
bool store_list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                      struct store_bulk **items, size_t *count, struct fault *fault) MUST_CHECK;
/* A page of them, the newest first; page->newest is not looked at. */
bool store_page_bulks(struct store *store, struct arena *arena,
                      const struct store_bulk_search *search, const struct store_page *page,
                      struct store_bulk **items, size_t *count, struct text *next,
                      struct fault *fault) MUST_CHECK;

#endif
