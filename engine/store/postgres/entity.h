/* entity.h: rows of entities, and what a writing transaction knows of them. Private to
 * store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_ENTITY_H
#define STATUTE_STORE_POSTGRES_ENTITY_H

#include "store/postgres/driver.h"

/* An entity as a writing transaction knows it; there may be no row (number 0). */
struct seen {
    struct text machine, id;
    enum store_hold hold; /* of its row */
    bool written;         /* by the batch that is being written */
    bool known;           /* false: to be read before anything else is believed */
    int64_t number;
    bool exists; /* false: only its audit chain is there */
    int64_t version;
    int64_t audit_sequence;
    unsigned char audit_hash[DIGEST_BYTES];
    bool head_moved;                     /* records were added that its row does not know of */
    int64_t version_read, sequence_read; /* what the row had when it was read */
};

/* Columns as postgres_entity_of_row wants them, of a table or alias e. */
#define ENTITY_COLUMNS                                                                             \
    "e.number, e.machine, e.id, e.state, e.version, e.fence, e.audit_sequence, e.audit_hash, "     \
    "e.created_us, e.updated_us, "
enum entity_column {
    ENTITY_NUMBER,
    ENTITY_MACHINE,
    ENTITY_ID,
    ENTITY_STATE,
    ENTITY_VERSION,
    ENTITY_FENCE,
    ENTITY_AUDIT_SEQUENCE,
    ENTITY_AUDIT_HASH,
    ENTITY_CREATED,
    ENTITY_UPDATED,
    ENTITY_DATA,   /* follows the columns above */
    ENTITY_ENTERED /* of a writing transaction alone */
};

/* machine and id are set already. FAULT_STORE_UNAVAILABLE: its data is no JSON. */
bool postgres_entity_of_row(struct arena *arena, const PGresult *result, int row,
                            struct entity *out, struct fault *fault) MUST_CHECK;

/* What this transaction knows of an entity; NULL: nothing yet. */
struct seen *postgres_seen(struct postgres_store *self, struct text machine, struct text id);

/* An entity that has been read has become one of another machine: what is known of it is, too. */
void postgres_see_renamed(struct postgres_store *self, struct text from, struct text to,
                          struct text id);

/* Reads and locks those of `keys` that this transaction does not know. */
bool postgres_see(struct postgres_store *self, const struct store_key *keys, size_t count,
                  struct fault *fault) MUST_CHECK;

#endif
