/* driver.h: what the files of the PostgreSQL store share.
 * Room store/postgres/: the driver behind URLs `postgresql://`; sole user of libpq. It uses store/,
 * which reaches it through the table store_postgres alone; no other room includes it.
 * One struct postgres_store is one connection and belongs to one thread; any number of writers, in
 * any number of processes, share a database. */
#ifndef STATUTE_STORE_POSTGRES_H
#define STATUTE_STORE_POSTGRES_H

#include "base/map.h"
#include "store/driver.h"
#include "store/postgres/wire.h"

#define XID_MOST 24 /* digits of a transaction id, with NUL */

enum postgres_phase { PG_IDLE, PG_READING, PG_WRITING };

/* An advisory lock of a machine that the open transaction has (guard.c). */
struct guard {
    int32_t key;
    bool exclusive;
};

struct postgres_store {
    struct store store; /* first */
    struct wire wire;
    enum store_role role;
    enum postgres_phase phase;
    enum isolation isolation; /* of the open transaction */
    bool begun;               /* the server knows of it */
    struct arena arena;       /* of the open transaction: `seen` */
    struct map seen;          /* what a writing transaction knows of entities */
    struct guard *guards;     /* of the open transaction, in its arena */
    size_t guard_count, guard_capacity;
    int64_t answers_from_us;  /* it looked for answers that are as old; INT64_MAX: for none */
    char xid[XID_MOST];       /* of the latest transaction that wrote a batch; "": none */
    struct arena scratch;     /* of one call */
    migrate_report *migrated; /* told while opening */
    void *migrated_context;
};

static inline struct postgres_store *postgres_of(struct store *store) {
    return (struct postgres_store *)store;
}

/* --- open.c --- */
bool postgres_open(struct text place, enum store_role role, struct store **out,
                   struct fault *fault) MUST_CHECK;
const struct migration *postgres_migrations(size_t *count);
bool postgres_migrate(struct text place, migrate_report *report, void *context,
                      struct fault *fault) MUST_CHECK;
void postgres_close(struct store *store);

/* --- driver.c: transactions --- */
/* Opens and names the transaction in the first round trip of it; then as wire_queue. */
void postgres_queue(struct postgres_store *self, const char *sql, const struct values *values);
/* Queues nothing else, and runs: one statement in one round trip. */
bool postgres_run(struct postgres_store *self, const char *sql, const struct values *values,
                  struct fault *fault) MUST_CHECK;
/* Queues a transaction of its own that reads: `first`, without values, then `sql`, whose answer is
 * wire_result 1. */
void postgres_queue_whole(struct postgres_store *self, const char *first, const char *sql,
                          const struct values *values);
/* What a statement needs joins the open transaction, or gets one of its own, which leave ends:
 *   bool own; return postgres_enter(self, access, &own, fault) &&
 *                    postgres_leave(self, own, work(...), fault)
 * The answers of the work are gone afterwards. */
bool postgres_enter(struct postgres_store *self, enum store_access access, bool *own,
                    struct fault *fault) MUST_CHECK;
bool postgres_leave(struct postgres_store *self, bool own, bool fine,
                    struct fault *fault) MUST_CHECK;

/* --- entity.c; the rest of it is in entity.h --- */
bool postgres_read_as(struct store *store, struct arena *arena,
                      const struct store_reading *readings, size_t count, struct entity *out,
                      struct fault *fault) MUST_CHECK;
bool postgres_read(struct store *store, struct arena *arena, const struct store_key *keys,
                   size_t count, struct entity *out, struct fault *fault) MUST_CHECK;

/* --- guard.c --- */
bool postgres_guard(struct store *store, const struct text *machines, size_t count,
                    struct fault *fault) MUST_CHECK;

/* --- batch.c --- */
bool postgres_write(struct store *store, const struct store_batch *batch,
                    struct fault *fault) MUST_CHECK;

/* --- settle.c --- */
bool postgres_settle(struct store *store, struct text audit_uuid, bool *committed,
                     struct fault *fault) MUST_CHECK;

/* --- rows.c --- */
bool postgres_check_table(struct store *store, const struct app_table *table,
                          struct fault *fault) MUST_CHECK;
bool postgres_read_rows(struct store *store, struct arena *arena, const struct app_table *table,
                        struct store_row *rows, size_t count, struct fault *fault) MUST_CHECK;
bool postgres_write_rows(struct store *store, const struct app_table *table,
                         const struct store_row_write *rows, size_t count,
                         struct fault *fault) MUST_CHECK;
bool postgres_try_row(struct store *store, const struct app_table *table,
                      const struct store_row_write *row, struct fault *fault) MUST_CHECK;

/* --- list.c --- */
bool postgres_list(struct store *store, struct arena *arena, struct text machine,
                   const struct store_where *where, const struct store_page *page,
                   struct entity **items, size_t *count, struct text *next,
                   struct fault *fault) MUST_CHECK;
bool postgres_count(struct store *store, struct text machine, const struct store_where *where,
                    int64_t *count, struct fault *fault) MUST_CHECK;
bool postgres_list_ids(struct store *store, struct arena *arena, struct text machine,
                       const struct store_where *where, struct text after, int64_t limit,
                       struct text **ids, size_t *count, struct fault *fault) MUST_CHECK;

/* --- search.c --- */
bool postgres_search_records(struct store *store, struct arena *arena,
                             const struct store_search *search, const struct store_page *page,
                             struct store_record **items, size_t *count, struct text *next,
                             struct fault *fault) MUST_CHECK;

/* --- kept.c --- */
bool postgres_find_answers(struct store *store, struct arena *arena,
                           const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                           const struct store_answer **out, struct fault *fault) MUST_CHECK;
bool postgres_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                             struct fault *fault) MUST_CHECK;
bool postgres_keep_policy(struct store *store, struct text generation, struct text files_json,
                          int64_t now_us, struct fault *fault) MUST_CHECK;
bool postgres_add_api_key(struct store *store, const struct store_api_key *key,
                          struct fault *fault) MUST_CHECK;
bool postgres_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                            size_t *count, struct fault *fault) MUST_CHECK;
bool postgres_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                             struct fault *fault) MUST_CHECK;

/* --- lock.c; timers.c, which shares deadline.h with deadline.c --- */
extern const struct store_lock_driver postgres_locks;
extern const struct store_bulk_driver postgres_bulks; /* bulk.c */
extern const struct store_timer_driver postgres_timers;

/* --- inspect.c --- */
bool postgres_inspect_file(struct text place, inspect_report *report, void *context,
                           struct fault *fault) MUST_CHECK;
bool postgres_inspect_schema(struct text place, int64_t *version, struct fault *fault) MUST_CHECK;
bool postgres_inspect_versions(struct text place, inspect_report *report, void *context,
                               struct fault *fault) MUST_CHECK;
bool postgres_inspect_machines(struct text place, struct arena *arena, struct text **names,
                               size_t *count, struct fault *fault) MUST_CHECK;
struct text postgres_library(struct arena *arena);

#endif
