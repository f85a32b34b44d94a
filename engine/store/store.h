/* store.h: where entities live. The one interface to SQLite and PostgreSQL.
 * Room store/: what all stores share; their drivers are the rooms inside it. It uses model/.
 * How to use: store_open once a thread; a struct store is never shared. A writer runs
 *   store_begin, store_read, decide, store_write, store_commit
 * and a reader store_begin(STORE_READ), queries, store_rollback. Results live in the arena given.
 * Every fault is FAULT_STORE_UNAVAILABLE unless a function says more (FAULT_BAD_REQUEST: a text
 * that PostgreSQL refuses, not UTF-8 or with NUL); after any fault inside a transaction only
 * store_rollback is allowed. store_commit may answer FAULT_OUTCOME_UNKNOWN: then store_settle tells
 * what happened. */
#ifndef STATUTE_STORE_H
#define STATUTE_STORE_H

#include "base/fault.h"
#include "base/now.h"
#include "store/data.h"

struct store;

enum store_role { STORE_WRITER, STORE_READER }; /* of a connection */
enum store_access { STORE_READ, STORE_WRITE };  /* of a transaction; a reader's only STORE_READ */

/* `url` is "sqlite:PATH", or "postgresql://..." (also "postgres://...") as libpq has it;
 * FAULT_USAGE for any other. Opening a writer creates and migrates the schema. A file that a reader
 * does not find, a server or database that cannot be reached, one that is no store, whose schema is
 * too new for this program (migrate.h), or that another writer has open is a FAULT_ENVIRONMENT that
 * says so: of a SQLite file there is one writer, in one process; readers, of any process, are as
 * many as you like, and so are writers of a PostgreSQL database. */
bool store_open(struct text url, enum store_role role, struct store **out,
                struct fault *fault) MUST_CHECK;
void store_close(struct store *store);             /* rolls back; NULL is fine */
const char *store_kind(const struct store *store); /* "sqlite", "postgresql" */

/* The URL as it may be shown to anybody: without its password, and without its parameters, which
 * may hold one. Whatever might be a password is left out, also of what names no store. */
struct text store_url_show(struct arena *arena, struct text url);

/* How many workers of one process may write at once: 1 for SQLite. */
unsigned store_writers_most(struct text url);

bool store_begin(struct store *store, enum store_access access, enum isolation isolation,
                 struct fault *fault) MUST_CHECK;
bool store_commit(struct store *store, struct fault *fault) MUST_CHECK;
void store_rollback(struct store *store); /* harmless outside a transaction */

/* A cheap round trip, for readiness. */
bool store_ping(struct store *store, struct fault *fault) MUST_CHECK;

/* --- the batch --- */

/* Reads `count` entities, rows locked in key order when the transaction writes. out[i] is always
 * set; entity.exists tells whether it is there; an absent one still has the end of its chain. */
bool store_read(struct store *store, struct arena *arena, const struct store_key *keys,
                size_t count, struct entity *out, struct fault *fault) MUST_CHECK;
/* The same, each held as it says when the transaction writes. */
bool store_read_as(struct store *store, struct arena *arena, const struct store_reading *readings,
                   size_t count, struct entity *out, struct fault *fault) MUST_CHECK;

/* From here to its end the transaction, which writes, is alone in changing what store_count says of
 * these machines. store_count of a writing transaction does the same for the one it counts. Locks
 * are waited for in one order; FAULT_STORE_CONFLICT when one that comes earlier in it is not free
 * (roll back, and ask for all machines at once), or when the isolation is more than read committed
 * and the store cannot do both: what was read stays confirmed by store_write, so nothing is lost by
 * counting under read committed. */
bool store_guard(struct store *store, const struct text *machines, size_t count,
                 struct fault *fault) MUST_CHECK;

/* Everything a batch writes, in one call. FAULT_STORE_CONFLICT when a row no longer has the version
 * that was read (or exists already), what was looked at has changed or is held by somebody else, or
 * a record does not continue its entity's chain: roll back and run again. */
bool store_write(struct store *store, const struct store_batch *batch,
                 struct fault *fault) MUST_CHECK;

/* After FAULT_OUTCOME_UNKNOWN and store_rollback: whether the record with this uuid is there. */
bool store_settle(struct store *store, struct text audit_uuid, bool *committed,
                  struct fault *fault) MUST_CHECK;

/* --- queries: inside a transaction they all see one moment --- */

/* In the order of creation; so are ids. `where` may be NULL. */
bool store_list(struct store *store, struct arena *arena, struct text machine,
                const struct store_where *where, const struct store_page *page,
                struct entity **items, size_t *count, struct text *next,
                struct fault *fault) MUST_CHECK;
/* The same until the end of a transaction that writes (store_guard). */
bool store_count(struct store *store, struct text machine, const struct store_where *where,
                 int64_t *count, struct fault *fault) MUST_CHECK;

/* Ids of one machine behind `after` (TEXT_NONE: from the start; FAULT_BAD_REQUEST if there is no
 * such entity), which need not fit itself: for bulk selection and export. */
bool store_list_ids(struct store *store, struct arena *arena, struct text machine,
                    const struct store_where *where, struct text after, int64_t limit,
                    struct text **ids, size_t *count, struct fault *fault) MUST_CHECK;

/* Oldest first; with machine and entity_id given: the entity's history, in chain order. */
bool store_search_records(struct store *store, struct arena *arena,
                          const struct store_search *search, const struct store_page *page,
                          struct store_record **items, size_t *count, struct text *next,
                          struct fault *fault) MUST_CHECK;

/* out[i] is the stored answer to keys[i] that is not older than `oldest_us`; NULL when there is
 * none.
 */
bool store_find_answers(struct store *store, struct arena *arena,
                        const struct store_answer_key *keys, size_t count, int64_t oldest_us,
                        const struct store_answer **out, struct fault *fault) MUST_CHECK;

/* --- changes beside the batch: of a writer; each joins the open transaction, or is one --- */

/* Deletes answers older than `oldest_us`, at most `most` of them, oldest first. */
bool store_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                          struct fault *fault) MUST_CHECK;

/* Says which fields of a machine have an index, and does a slice of the work that this makes: at
 * most `most` entities of each are added, or entries removed. *more is set while something is left
 * to do; it stays as it is otherwise. Lists and counts use an index when it is whole, and find the
 * same without one. */
bool store_index_fields(struct store *store, struct text machine, const struct text *fields,
                        size_t count, int64_t most, bool *more, struct fault *fault) MUST_CHECK;

/* Keeps the files of a generation for ever, so that old records can be explained. Idempotent. */
bool store_keep_policy(struct store *store, struct text generation, struct text files_json,
                       int64_t now_us, struct fault *fault) MUST_CHECK;

bool store_add_api_key(struct store *store, const struct store_api_key *key,
                       struct fault *fault) MUST_CHECK; /* FAULT_ALREADY_EXISTS: that name or id */
bool store_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                         size_t *count, struct fault *fault) MUST_CHECK;
/* By id or name; the first time counts. FAULT_NOT_FOUND when there is none. */
bool store_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                          struct fault *fault) MUST_CHECK;

#endif
