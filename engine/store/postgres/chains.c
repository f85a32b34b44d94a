/* chains.c: all records in the order of the index audit_chain, a page in a transaction. The next
 * page is asked for before a page is handed out, so that the server works while its reader does.
 * Records are cut to a page before their entities are joined, so that a page never costs more than
 * a page, however long a chain is. Only the newest record carries the entity's data, which may be
 * large. All is lent by the answer. */
#include "store/postgres/chains.h"

#define PAGE_RECORDS 1000

static const char CHAINS[] =
    "SELECT a.entity, a.sequence, a.from_state, a.to_state, a.actor, a.reason, a.uuid::text, "
    "a.timestamp_us, a.success, a.json, a.previous_hash, a.hash, e.machine, e.id, e.state, "
    "e.version, e.audit_sequence, e.audit_hash, "
    "CASE WHEN a.sequence = e.audit_sequence THEN e.data END "
    "FROM (SELECT * FROM audit r WHERE (r.entity, r.sequence) > ($1::bigint, $2::bigint) "
    "AND ($3::text IS NULL OR (SELECT machine FROM entity WHERE number = r.entity) = $3) "
    "ORDER BY r.entity, r.sequence LIMIT $4::bigint) a "
    "LEFT JOIN entity e ON e.number = a.entity ORDER BY a.entity, a.sequence";

/* By the index, always: a plan that sorts reads the rest of the audit for each page, and compiling
 * one takes longer than the page. */
static const char GO_BY_INDEX[] =
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true), "
    "set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)";

enum column {
    ENTITY,
    SEQUENCE,
    FROM,
    TO,
    ACTOR,
    REASON,
    UUID,
    TIMESTAMP,
    SUCCESS,
    JSON,
    PREVIOUS_HASH,
    HASH,
    MACHINE,
    ID,
    STATE,
    VERSION,
    HEAD_SEQUENCE,
    HEAD_HASH,
    DATA
};

struct chains {
    struct postgres_store *self;
    const struct store_walk *walk;
    int64_t entity, sequence; /* of the last record that was read */
    PGresult *rows;           /* the page at hand; owned */
    struct arena arena;       /* of the page */
    int64_t settled;
};

static struct store_record record_of_row(const PGresult *rows, int row) {
    struct text uuid = cell_lent(rows, row, UUID);
    struct store_record record = {
        .machine = cell_lent(rows, row, MACHINE),
        .entity_id = cell_lent(rows, row, ID),
        .from_state = cell_lent(rows, row, FROM),
        .to_state = cell_lent(rows, row, TO),
        .actor_id = cell_lent(rows, row, ACTOR),
        .reason = cell_lent(rows, row, REASON),
        .sequence = cell_integer(rows, row, SEQUENCE),
        .timestamp_us = cell_integer(rows, row, TIMESTAMP),
        .success = cell_bool(rows, row, SUCCESS),
        .json = cell_lent(rows, row, JSON),
    };
    memcpy(record.uuid, uuid.bytes,
           uuid.length < sizeof record.uuid ? uuid.length : sizeof record.uuid);
    cell_bytes(rows, row, PREVIOUS_HASH, record.previous_hash, DIGEST_BYTES);
    cell_bytes(rows, row, HASH, record.hash, DIGEST_BYTES);
    return record;
}

static struct entity entity_of_row(const PGresult *rows, int row) {
    struct entity entity = {
        .machine = cell_lent(rows, row, MACHINE),
        .id = cell_lent(rows, row, ID),
        .state = cell_lent(rows, row, STATE),
        .version = cell_integer(rows, row, VERSION),
        .audit_sequence = cell_integer(rows, row, HEAD_SEQUENCE),
        .data_json = cell_lent(rows, row, DATA),
    };
    entity.exists = text_given(entity.state);
    cell_bytes(rows, row, HEAD_HASH, entity.audit_hash, DIGEST_BYTES);
    return entity;
}

/* Of a connection that was lost between two pages there is another. */
static bool ask_page(struct chains *chains, struct fault *fault) {
    struct postgres_store *self = chains->self;
    struct values values;
    if (!wire_ready(&self->wire, fault)) {
        return false;
    }
    arena_reset(&self->scratch);
    values_init(&values, &self->scratch);
    values_add_integer(&values, chains->entity);
    values_add_integer(&values, chains->sequence);
    values_add_text(&values, chains->walk->machine);
    values_add_integer(&values, PAGE_RECORDS);
    postgres_queue_whole(self, GO_BY_INDEX, CHAINS, &values);
    wire_send(&self->wire);
    return true;
}

static bool take_page(struct chains *chains, struct fault *fault) {
    if (!wire_finish(&chains->self->wire, fault)) {
        return false;
    }
    PQclear(chains->rows);
    chains->rows = wire_take(&chains->self->wire, 1);
    int count = PQntuples(chains->rows);
    if (count > 0) {
        chains->entity = cell_integer(chains->rows, count - 1, ENTITY);
        chains->sequence = cell_integer(chains->rows, count - 1, SEQUENCE);
    }
    return true;
}

/* But for records whose entity's row is gone, which are in no chain. */
static bool hand_out(struct chains *chains, struct fault *fault) {
    int rows = PQntuples(chains->rows);
    size_t count = 0;
    arena_reset(&chains->arena);
    struct store_link *links = ARENA_ARRAY(&chains->arena, struct store_link, (size_t)rows);
    for (int row = 0; row < rows; row++) {
        if (!PQgetisnull(chains->rows, row, MACHINE)) {
            struct store_link *link = &links[count++];
            link->record = record_of_row(chains->rows, row);
            link->entity = entity_of_row(chains->rows, row);
            chains->settled += link->record.timestamp_us < chains->walk->settled_us;
        }
    }
    return chains->walk->each(chains->walk->context, links, count, fault);
}

static bool walk_pages(struct chains *chains, struct fault *fault) {
    bool more = true;
    bool fine = ask_page(chains, fault);
    while (fine && more) {
        fine = take_page(chains, fault);
        more = fine && PQntuples(chains->rows) == PAGE_RECORDS;
        fine = fine && (!more || ask_page(chains, fault)) && hand_out(chains, fault);
    }
    return fine;
}

bool postgres_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                          struct fault *fault) {
    struct chains chains = {.self = postgres_of(store), .walk = walk};
    arena_init(&chains.arena, 0);
    bool fine = walk_pages(&chains, fault);
    *settled = chains.settled;
    PQclear(chains.rows);
    arena_deinit(&chains.arena);
    return fine;
}
