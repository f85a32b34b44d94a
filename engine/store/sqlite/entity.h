/* entity.h: rows of entities, and what a writing transaction knows of them. Private to
 * store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_ENTITY_H
#define STATUTE_STORE_SQLITE_ENTITY_H

#include "store/sqlite/driver.h"

/* An entity as a writing transaction knows it. number 0: it has no row yet. */
struct seen {
    struct machine_name *machine;
    struct text id;
    int64_t number;
    int64_t kind; /* 0: there is no such entity, only its audit chain */
    int64_t audit_sequence;
    int64_t audit_position;
    unsigned char audit_hash[DIGEST_BYTES];
    bool head_moved; /* records were added that its row does not know of */
};

#define ENTITY_COLUMNS                                                                             \
    "number, id, kind, version, fence, audit_sequence, audit_position, audit_hash, created_us, "   \
    "updated_us, data"
/* What only reads does without it, so that it can look at a store that has not been migrated yet.
 */
#define ENTITY_COLUMNS_WRITER ENTITY_COLUMNS ", entered_us"
enum entity_column {
    ENTITY_NUMBER,
    ENTITY_ID,
    ENTITY_KIND,
    ENTITY_VERSION,
    ENTITY_FENCE,
    ENTITY_AUDIT_SEQUENCE,
    ENTITY_AUDIT_POSITION,
    ENTITY_AUDIT_HASH,
    ENTITY_CREATED,
    ENTITY_UPDATED,
    ENTITY_DATA,
    ENTITY_ENTERED /* of ENTITY_COLUMNS_WRITER */
};
/* Reads the row that `statement`, a select of ENTITY_COLUMNS or ..._WRITER, stands on. machine and
 * id are set. */
bool sqlite_entity_of_row(struct sqlite_store *self, struct arena *arena, sqlite3_stmt *statement,
                          struct entity *out, struct fault *fault) MUST_CHECK;

/* What this transaction knows of an entity, looked up the first time. */
bool sqlite_seen(struct sqlite_store *self, struct text machine, struct text id, struct seen **out,
                 struct fault *fault) MUST_CHECK;

/* Writes what is to change of an entity; conditional on the version that was read. The head of the
 * chain must be in `seen` already. */
bool sqlite_write_entity(struct sqlite_store *self, const struct store_entity_write *write,
                         struct fault *fault) MUST_CHECK;
/* The head of the chain alone; makes the row of an entity that is absent. */
bool sqlite_write_head(struct sqlite_store *self, struct seen *seen,
                       struct fault *fault) MUST_CHECK;

#endif
