/* store.h: where entities live. The one interface to SQLite (and later PostgreSQL).
 * How to use: store_open once a thread; a struct store is never shared. A writer runs
 *   store_begin, store_read, decide, store_write, store_commit
 * and a reader store_begin(STORE_READ), queries, store_rollback. Results live in the arena given.
 * Every fault is FAULT_STORE_UNAVAILABLE unless a function says more; after any fault inside a
 * transaction only store_rollback is allowed. store_commit may answer FAULT_OUTCOME_UNKNOWN: then
 * store_settle tells what happened. */
#ifndef STATUTE_STORE_H
#define STATUTE_STORE_H

#include "base/digest.h"
#include "base/now.h"
#include "model/attempt.h"
#include "model/entity.h"

struct store;

enum store_role { STORE_WRITER, STORE_READER }; /* of a connection. Of SQLite there is one writer a process. */
enum store_access { STORE_READ, STORE_WRITE };  /* of a transaction */

/* `url` is "sqlite:PATH". Opening a writer creates and migrates the schema; a schema newer than this
 * program is a FAULT_ENVIRONMENT that says so, and so is a file another writer process has open. */
bool store_open(struct text url, enum store_role role, struct store **out, struct fault *fault)
    MUST_CHECK;
void store_close(struct store *store);
const char *store_kind(const struct store *store); /* "sqlite" */

/* How many workers may write at once: 1 for SQLite. */
unsigned store_writers_most(struct text url);

bool store_begin(struct store *store, enum store_access access, enum isolation isolation,
                 struct fault *fault) MUST_CHECK;
bool store_commit(struct store *store, struct fault *fault) MUST_CHECK;
void store_rollback(struct store *store); /* harmless outside a transaction */

/* A cheap round trip, for readiness. */
bool store_ping(struct store *store, struct fault *fault) MUST_CHECK;

/* --- entities --- */
struct store_key {
    struct text machine;
    struct text id;
};

/* Reads `count` entities, rows locked in key order when the transaction writes. out[i] is always
 * set; entity.exists tells whether it is there; an absent one still has the end of its audit chain. */
bool store_read(struct store *store, struct arena *arena, const struct store_key *keys,
                size_t count, struct entity *out, struct fault *fault) MUST_CHECK;

/* --- everything a batch writes, in one call --- */
struct store_entity_write {
    const struct entity *entity; /* as it is to be, audit head included */
    int64_t version_read;        /* 0: it was absent, insert (a head of an absent entity is not written: exists == false is skipped) */
    bool body_changed;           /* false: only the audit head moved */
};
struct store_record {
    struct text machine, entity_id, from_state, to_state, actor_id, reason; /* TEXT_NONE is NULL */
    char uuid[36];
    int64_t sequence;
    int64_t timestamp_us;
    bool success;
    struct text json; /* canonical, without hashes (model/chain.h) */
    unsigned char previous_hash[DIGEST_BYTES];
    unsigned char hash[DIGEST_BYTES];
};
struct store_outbox {
    struct text id;     /* uuid */
    struct text type;   /* CloudEvents type: "transition.succeeded", or what the policy emitted */
    struct text machine, entity_id;
    int64_t timestamp_us;
    struct text json;   /* the event's data */
};
struct store_deadline {
    struct text machine, entity_id;
    int64_t due_us;
    struct text to_state, reason, comments;
    int64_t entity_version; /* the version that armed it: fires only if the entity still has not left the state */
};
struct store_answer {
    struct text scope;  /* caller, method and target */
    struct text key;
    unsigned char body_hash[DIGEST_BYTES];
    int status;
    struct text headers; /* JSON object */
    struct text body;
    int64_t created_us;
};
struct store_batch {
    const struct store_entity_write *entities;
    size_t entity_count;
    const struct store_record *records; /* written in this order: `position` grows */
    size_t record_count;
    const struct store_outbox *outbox;
    size_t outbox_count;
    const struct store_key *disarmed; /* entities whose deadlines go, before `deadlines` are added */
    size_t disarmed_count;
    const struct store_deadline *fired; /* single deadlines that go: same entity, due_us and to_state */
    size_t fired_count;
    const struct store_deadline *deadlines;
    size_t deadline_count;
    const struct store_answer *answers;
    size_t answer_count;
};
/* FAULT_STORE_CONFLICT when a row no longer has the version that was read (or exists already):
 * roll back and run again. */
bool store_write(struct store *store, const struct store_batch *batch, struct fault *fault)
    MUST_CHECK;

/* After FAULT_OUTCOME_UNKNOWN, on a new transaction: whether the record with this uuid is there. */
bool store_settle(struct store *store, struct text audit_uuid, bool *committed,
                  struct fault *fault) MUST_CHECK;

/* --- queries --- */
struct store_page {
    int64_t limit;      /* 1..1000 */
    struct text cursor; /* what an earlier page gave as next; TEXT_NONE: from the start. Opaque, URL-safe; FAULT_BAD_REQUEST if it is none of ours */
};
struct store_where {
    const struct text *states; /* any of these; none: all */
    size_t state_count;
    const struct js *data;     /* {field: value}: all equal; NULL: all. Fields may be dotted paths */
    int64_t updated_before_us; /* 0: any */
};
bool store_list(struct store *store, struct arena *arena, struct text machine,
                const struct store_where *where, const struct store_page *page,
                struct entity **items, size_t *count, struct text *next, struct fault *fault)
    MUST_CHECK;
bool store_count(struct store *store, struct text machine, const struct store_where *where,
                 int64_t *count, struct fault *fault) MUST_CHECK;

/* Ids of one machine after `after` in id order: for bulk selection and export. */
bool store_list_ids(struct store *store, struct arena *arena, struct text machine,
                    const struct store_where *where, struct text after, int64_t limit,
                    struct text **ids, size_t *count, struct fault *fault) MUST_CHECK;

struct store_search {
    struct text machine, entity_id, from_state, to_state, actor_id, reason; /* TEXT_NONE: any */
    int success;         /* 1, 0, or -1: any */
    int64_t since_us;    /* inclusive; 0: any */
    int64_t until_us;    /* exclusive; 0: any */
};
/* Oldest first; with machine and entity_id given: the entity's history, in chain order. */
bool store_search_records(struct store *store, struct arena *arena, const struct store_search *search,
                  const struct store_page *page, struct store_record **items, size_t *count,
                  struct text *next, struct fault *fault) MUST_CHECK;

/* A stored answer for (scope, key) not older than `oldest_us`; *out NULL when there is none. */
bool store_find_answer(struct store *store, struct arena *arena, struct text scope, struct text key,
                       int64_t oldest_us, const struct store_answer **out, struct fault *fault)
    MUST_CHECK;
/* Deletes answers older than `oldest_us`, at most `most` of them. Own transaction needed. */
bool store_expire_answers(struct store *store, int64_t oldest_us, int64_t most, struct fault *fault)
    MUST_CHECK;

bool store_due(struct store *store, struct arena *arena, int64_t now_us, int64_t limit,
               struct store_deadline **items, size_t *count, struct fault *fault) MUST_CHECK;
/* The earliest deadline; INT64_MAX when there is none. */
bool store_next_due(struct store *store, int64_t *due_us, struct fault *fault) MUST_CHECK;

/* Keeps the files of a generation for ever, so that old records can be explained. Idempotent. */
bool store_keep_policy(struct store *store, struct text generation, struct text files_json,
                       int64_t now_us, struct fault *fault) MUST_CHECK;

/* --- API keys (server/auth.c says what they mean) --- */
struct store_api_key {
    struct text id;   /* public part */
    struct text name;
    unsigned char hash[DIGEST_BYTES]; /* of the secret part */
    struct text scopes, roles, permissions; /* JSON arrays */
    int64_t created_us, expires_us, revoked_us; /* 0: never */
};
bool store_add_api_key(struct store *store, const struct store_api_key *key, struct fault *fault)
    MUST_CHECK; /* FAULT_ALREADY_EXISTS: that name */
bool store_list_api_keys(struct store *store, struct arena *arena, struct store_api_key **items,
                         size_t *count, struct fault *fault) MUST_CHECK;
/* By id or name. FAULT_NOT_FOUND when there is none. */
bool store_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                          struct fault *fault) MUST_CHECK;

/* --- bulk (core/bulk.c says what they mean) --- */
enum bulk_status { BULK_RUNNING, BULK_PAUSED, BULK_CANCELLED, BULK_COMPLETED, BULK_FAILED };
struct store_bulk {
    struct text id;
    struct text request; /* JSON: what was asked, with actor and caller */
    enum bulk_status status;
    int64_t total, position, succeeded, failed; /* position: members already attempted */
    int64_t created_us, updated_us, execution_us;
};
struct store_bulk_error {
    struct text entity_id, code, message;
};
/* Inserts the bulk and its members, in the order of `ids`. */
bool store_add_bulk(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                    size_t count, struct fault *fault) MUST_CHECK;
bool store_find_bulk(struct store *store, struct arena *arena, struct text id,
                     struct store_bulk **out, struct fault *fault) MUST_CHECK; /* *out NULL: none */
bool store_bulk_members(struct store *store, struct arena *arena, struct text id, int64_t position,
                        int64_t limit, struct text **ids, size_t *count, struct fault *fault)
    MUST_CHECK;
bool store_save_bulk(struct store *store, const struct store_bulk *bulk,
                     const struct store_bulk_error *errors, size_t error_count,
                     struct fault *fault) MUST_CHECK;
bool store_bulk_errors(struct store *store, struct arena *arena, struct text id, int64_t limit,
                       struct store_bulk_error **items, size_t *count, struct fault *fault)
    MUST_CHECK;
bool store_list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                      struct store_bulk **items, size_t *count, struct fault *fault) MUST_CHECK;

#endif
