/* driver.h: what the files of the SQLite store share. Room store/sqlite/: the driver of
 * `sqlite:PATH`; with its room sql/ the sole user of sqlite3. It uses store/, and is reached
 * through the table store_sqlite alone. One struct sqlite_store is one connection of one thread; a
 * file has at most one writer, and only it writes and checkpoints. */
#ifndef STATUTE_STORE_SQLITE_H
#define STATUTE_STORE_SQLITE_H

#include "store/driver.h"
#include "store/sqlite/names.h"
#include "store/sqlite/sql/file.h"
#include "store/sqlite/sql/sql.h"
#include "store/sqlite/tags.h"

#define STORE_BUSY_MS 1000 /* how long another program may hold SQLite's lock */

enum sqlite_phase { PHASE_IDLE, PHASE_READING, PHASE_WRITING };

struct sqlite_store {
    struct store store; /* first */
    struct sql sql;
    struct names names;
    enum store_role role;
    enum sqlite_phase phase;
    struct file_marks files;
    unsigned index_known;  /* enum known of index.c, of the writer */
    int lock_descriptor;   /* holds PATH.lock for the writer; -1 */
    int file_descriptor;   /* holds the file itself for the writer; -1 */
    struct arena arena;    /* of the open transaction: `seen` */
    struct map seen;       /* what a writing transaction knows of entities */
    struct arena scratch;  /* of one row or call; reset at will by whoever uses it */
    sqlite3_blob *kinds;   /* open only while store_write runs */
    int log_pages;         /* in the write-ahead log after the latest commit */
    int log_limit;         /* at so many pages readers are waited for, to start the log anew */
    struct tags_tail tags; /* of the audit, of the writer */
    int64_t unsure_after;  /* records behind this position are those of the latest store_write */
};

static inline struct sqlite_store *sqlite_of(struct store *store) {
    return (struct sqlite_store *)store;
}

/* --- open.c --- */
bool sqlite_open(struct text place, enum store_role role, struct store **out,
                 struct fault *fault) MUST_CHECK;
const struct migration *sqlite_migrations(size_t *count);
bool sqlite_migrate(struct text place, migrate_report *report, void *context,
                    struct fault *fault) MUST_CHECK;
void sqlite_close(struct store *store);

/* --- driver.c: transactions --- */
/* From now on the pages of the log are counted; for a writer that has just been opened. */
void sqlite_watch_log(struct sqlite_store *self);
/* A change in several statements joins the open transaction, or gets one of its own: sqlite_enter,
 * then sqlite_leave with what came of the change. */
bool sqlite_enter(struct sqlite_store *self, bool *own, struct fault *fault) MUST_CHECK;
bool sqlite_leave(struct sqlite_store *self, bool own, bool fine, struct fault *fault) MUST_CHECK;

/* --- entity.c; the rest of it is in entity.h --- */
bool sqlite_read(struct store *store, struct arena *arena, const struct store_key *keys,
                 size_t count, struct entity *out, struct fault *fault) MUST_CHECK;
bool sqlite_read_as(struct store *store, struct arena *arena, const struct store_reading *readings,
                    size_t count, struct entity *out, struct fault *fault) MUST_CHECK;

/* --- batch.c --- */
bool sqlite_write(struct store *store, const struct store_batch *batch,
                  struct fault *fault) MUST_CHECK;
bool sqlite_settle(struct store *store, struct text audit_uuid, bool *committed,
                   struct fault *fault) MUST_CHECK;

/* --- rows.c --- */
bool sqlite_check_table(struct store *store, const struct app_table *table,
                        struct fault *fault) MUST_CHECK;
bool sqlite_read_rows(struct store *store, struct arena *arena, const struct app_table *table,
                      struct store_row *rows, size_t count, struct fault *fault) MUST_CHECK;
bool sqlite_write_rows(struct store *store, const struct app_table *table,
                       const struct store_row_write *rows, size_t count,
                       struct fault *fault) MUST_CHECK;
bool sqlite_try_row(struct store *store, const struct app_table *table,
                    const struct store_row_write *row, struct fault *fault) MUST_CHECK;

/* --- list.c --- */
bool sqlite_list(struct store *store, struct arena *arena, struct text machine,
                 const struct store_where *where, const struct store_page *page,
                 struct entity **items, size_t *count, struct text *next,
                 struct fault *fault) MUST_CHECK;
bool sqlite_count(struct store *store, struct text machine, const struct store_where *where,
                  int64_t *count, struct fault *fault) MUST_CHECK;
bool sqlite_list_ids(struct store *store, struct arena *arena, struct text machine,
                     const struct store_where *where, struct text after, int64_t limit,
                     struct text **ids, size_t *count, struct fault *fault) MUST_CHECK;

/* --- search.c --- */
bool sqlite_search_records(struct store *store, struct arena *arena,
                           const struct store_search *search, const struct store_page *page,
                           struct store_record **items, size_t *count, struct text *next,
                           struct fault *fault) MUST_CHECK;

/* --- answer.c --- */
bool sqlite_write_answer(struct sqlite_store *self, const struct store_answer *answer,
                         struct fault *fault) MUST_CHECK;
bool sqlite_find_answers(struct store *store, struct arena *arena,
                         const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                         const struct store_answer **out, struct fault *fault) MUST_CHECK;
bool sqlite_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                           struct fault *fault) MUST_CHECK;

/* --- timers.c; what it shares with deadline.c is in deadline.h --- */
extern const struct store_timer_driver sqlite_timers;

/* --- key.c --- */
bool sqlite_keep_policy(struct store *store, struct text generation, struct text files_json,
                        int64_t now_us, struct fault *fault) MUST_CHECK;
bool sqlite_add_api_key(struct store *store, const struct store_api_key *key,
                        struct fault *fault) MUST_CHECK;
bool sqlite_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                          size_t *count, struct fault *fault) MUST_CHECK;
bool sqlite_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                           struct fault *fault) MUST_CHECK;

/* --- lock.c --- */
extern const struct store_lock_driver sqlite_locks;
extern const struct store_bulk_driver sqlite_bulks; /* bulk.c */

/* --- inspect.c --- */
bool sqlite_inspect_file(struct text place, inspect_report *report, void *context,
                         struct fault *fault) MUST_CHECK;
bool sqlite_inspect_schema(struct text place, int64_t *version, struct fault *fault) MUST_CHECK;
bool sqlite_inspect_versions(struct text place, inspect_report *report, void *context,
                             struct fault *fault) MUST_CHECK;
bool sqlite_inspect_machines(struct text place, struct arena *arena, struct text **names,
                             size_t *count, struct fault *fault) MUST_CHECK;
struct text sqlite_library(struct arena *arena);

/* --- census.c --- */
bool sqlite_entered(struct store *store, const struct store_key *keys, size_t count, int64_t *out,
                    struct fault *fault) MUST_CHECK;
bool sqlite_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                     struct fault *fault) MUST_CHECK;
bool sqlite_list_gone(struct store *store, struct arena *arena, struct text **names, size_t *count,
                      struct fault *fault) MUST_CHECK;
bool sqlite_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                      struct fault *fault) MUST_CHECK;
bool sqlite_rename(struct store *store, struct text from, struct text to, const struct text *ids,
                   size_t count, bool *moved, struct fault *fault) MUST_CHECK;

#endif
