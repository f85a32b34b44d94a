/* driver.h: what a kind of store implements. Used by engine/store and by test stores only.
 * Every slot does what the function of store.h that bears its name says, faults included; this
 * file adds only what an implementer must know. Arguments are already checked where store.h gives
 * a range. All slots are set; a test store that no URL names has no `open` and nothing to inspect.
 */
#ifndef STATUTE_STORE_DRIVER_H
#define STATUTE_STORE_DRIVER_H

#include "store/bulk_driver.h"
#include "store/census.h"
#include "store/chains.h"
#include "store/inspect.h"
#include "store/lock_driver.h"
#include "store/migration.h"
#include "store/store.h"
#include "store/table.h"
#include "store/timer_driver.h"

struct store_driver {
    const char *kind; /* "sqlite", "postgresql": what store_kind answers */

    /* Opens what stands after "kind:" in the URL. *out has its `driver` set; on a fault nothing
     * is left open. */
    bool (*open)(struct text place, enum store_role role, struct store **out,
                 struct fault *fault) MUST_CHECK;
    /* Rolls back what is open, and frees `store` itself. */
    void (*close)(struct store *store);
    /* How many connections may write at once; asked without opening anything. */
    unsigned writers_most;

    /* --- transactions: at most one at a time --- */
    bool (*begin)(struct store *store, enum store_access access, enum isolation isolation,
                  struct fault *fault) MUST_CHECK;
    /* A failed commit leaves the transaction to `rollback`. FAULT_OUTCOME_UNKNOWN only when it
     * may have happened all the same. */
    bool (*commit)(struct store *store, struct fault *fault) MUST_CHECK;
    /* Cannot fail; afterwards the store is ready for another `begin`. */
    void (*rollback)(struct store *store);
    bool (*ping)(struct store *store, struct fault *fault) MUST_CHECK;

    /* --- the batch --- */
    bool (*read)(struct store *store, struct arena *arena, const struct store_key *keys,
                 size_t count, struct entity *out, struct fault *fault) MUST_CHECK;
    bool (*read_as)(struct store *store, struct arena *arena, const struct store_reading *readings,
                    size_t count, struct entity *out, struct fault *fault) MUST_CHECK;
    bool (*guard)(struct store *store, const struct text *machines, size_t count,
                  struct fault *fault) MUST_CHECK;
    /* Also refuses, as a conflict, records that do not continue their entity's chain. */
    bool (*write)(struct store *store, const struct store_batch *batch,
                  struct fault *fault) MUST_CHECK;
    bool (*settle)(struct store *store, struct text audit_uuid, bool *committed,
                   struct fault *fault) MUST_CHECK;

    /* --- an application's own table; never one of the store's --- */
    bool (*check_table)(struct store *store, const struct app_table *table,
                        struct fault *fault) MUST_CHECK;
    bool (*read_rows)(struct store *store, struct arena *arena, const struct app_table *table,
                      struct store_row *rows, size_t count, struct fault *fault) MUST_CHECK;
    bool (*write_rows)(struct store *store, const struct app_table *table,
                       const struct store_row_write *rows, size_t count,
                       struct fault *fault) MUST_CHECK;
    bool (*try_row)(struct store *store, const struct app_table *table,
                    const struct store_row_write *row, struct fault *fault) MUST_CHECK;

    /* --- queries; `page->limit` is 1..1000 --- */
    bool (*list)(struct store *store, struct arena *arena, struct text machine,
                 const struct store_where *where, const struct store_page *page,
                 struct entity **items, size_t *count, struct text *next,
                 struct fault *fault) MUST_CHECK;
    bool (*count)(struct store *store, struct text machine, const struct store_where *where,
                  int64_t *count, struct fault *fault) MUST_CHECK;
    bool (*list_ids)(struct store *store, struct arena *arena, struct text machine,
                     const struct store_where *where, struct text after, int64_t limit,
                     struct text **ids, size_t *count, struct fault *fault) MUST_CHECK;
    bool (*search_records)(struct store *store, struct arena *arena,
                           const struct store_search *search, const struct store_page *page,
                           struct store_record **items, size_t *count, struct text *next,
                           struct fault *fault) MUST_CHECK;
    bool (*walk_chains)(struct store *store, const struct store_walk *walk, int64_t *settled,
                        struct fault *fault) MUST_CHECK;

    /* --- answers, policies --- */
    bool (*find_answers)(struct store *store, struct arena *arena,
                         const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                         const struct store_answer **out, struct fault *fault) MUST_CHECK;
    bool (*expire_answers)(struct store *store, int64_t oldest_us, int64_t most,
                           struct fault *fault) MUST_CHECK;
    bool (*keep_policy)(struct store *store, struct text generation, struct text files_json,
                        int64_t now_us, struct fault *fault) MUST_CHECK;

    /* --- who is there --- */
    bool (*entered)(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
                    struct fault *fault) MUST_CHECK;
    bool (*machines)(struct store *store, struct arena *arena, struct text **names, size_t *count,
                     struct fault *fault) MUST_CHECK;
    bool (*list_gone)(struct store *store, struct arena *arena, struct text **names, size_t *count,
                      struct fault *fault) MUST_CHECK;
    bool (*keep_gone)(struct store *store, const struct text *names, size_t count, int64_t now_us,
                      struct fault *fault) MUST_CHECK;
    bool (*rename)(struct store *store, struct text from, struct text to, const struct text *ids,
                   size_t count, bool *moved, struct fault *fault) MUST_CHECK;

    /* --- API keys --- */
    bool (*add_api_key)(struct store *store, const struct store_api_key *key,
                        struct fault *fault) MUST_CHECK;
    bool (*list_api_keys)(struct store *store, struct arena *arena, struct store_api_key **items,
                          size_t *count, struct fault *fault) MUST_CHECK;
    bool (*revoke_api_key)(struct store *store, struct text id_or_name, int64_t now_us,
                           struct fault *fault) MUST_CHECK;

    bool (*index_fields)(struct store *store, struct text machine, const struct text *fields,
                         size_t count, int64_t most, bool *more, struct fault *fault) MUST_CHECK;

    const struct store_bulk_driver *bulks;
    const struct store_lock_driver *locks;
    const struct store_timer_driver *timers;

    /* --- inspect.h: on a connection of its own, that is closed again; `place` as for open --- */
    bool (*inspect_file)(struct text place, inspect_report *report, void *context,
                         struct fault *fault) MUST_CHECK;
    bool (*inspect_schema)(struct text place, int64_t *version, struct fault *fault) MUST_CHECK;
    /* migrate.c says what is reported; nothing of an empty store. */
    bool (*inspect_versions)(struct text place, inspect_report *report, void *context,
                             struct fault *fault) MUST_CHECK;
    bool (*inspect_machines)(struct text place, struct arena *arena, struct text **names,
                             size_t *count, struct fault *fault) MUST_CHECK;
    struct text (*library)(struct arena *arena); /* what it is built on: "SQLite 3.40.1" */

    /* --- migrate.h --- */
    const struct migration *(*migrations)(size_t *count); /* all that are known, in order */
    bool (*migrate)(struct text place, migrate_report *report, void *context,
                    struct fault *fault) MUST_CHECK;
};

/* The first member of every driver's own struct. */
struct store {
    const struct store_driver *driver;
};

extern const struct store_driver store_sqlite;
extern const struct store_driver store_postgres;

/* The driver of "kind:place"; NULL, with FAULT_USAGE, when the URL names none. */
const struct store_driver *store_driver_of(struct text url, struct text *place,
                                           struct fault *fault) MUST_CHECK;

#endif
