/* search.c: audit records.
 *
 * The history of one entity goes by its chain, all else by position. Conditions that are not given
 * are NULL; the server plans each statement with its values, so that they cost nothing.
 *
 * Records of one entity are written one transaction after the other, so that the order of their
 * positions is that of the chain. Between entities it is the order of writing, not of commits: with
 * several writers at once a record may become visible after others with higher positions, and a
 * page that has shown those will not show it. */
#include "store/cursor.h"
#include "store/postgres/driver.h"

#define PIECE 64 /* records asked for at once */

#define COLUMNS                                                                                    \
    "SELECT a.position, e.machine, e.id, a.from_state, a.to_state, a.actor, a.reason, "            \
    "a.uuid::text, a.sequence, a.timestamp_us, a.success, a.json, a.previous_hash, a.hash "        \
    "FROM audit a JOIN entity e ON e.number = a.entity WHERE "
#define CONDITIONS                                                                                 \
    "AND ($3::text IS NULL OR a.from_state = $3) AND ($4::text IS NULL OR a.to_state = $4) "       \
    "AND ($5::text IS NULL OR a.actor = $5) AND ($6::text IS NULL OR a.reason = $6) "              \
    "AND ($7::boolean IS NULL OR a.success = $7) "                                                 \
    "AND ($8::bigint = 0 OR a.timestamp_us >= $8) AND ($9::bigint = 0 OR a.timestamp_us < $9) "

/* Asked for only when they are wanted: readers may meet a schema that has not got them yet. */
#define TAGS                                                                                       \
    "AND ($12::text IS NULL OR a.transition = $12) AND ($13::text IS NULL OR a.request_id = $13) " \
    "AND ($14::text IS NULL OR a.batch = $14) AND ($15::text IS NULL OR a.error_code = $15) "
#define PLACE "($1::text IS NULL OR e.machine = $1) AND ($2::text IS NULL OR e.id = $2) "
#define SEARCH(side, tags, order)                                                                  \
    COLUMNS "a.position " side " $11::bigint AND " PLACE CONDITIONS tags                           \
            "ORDER BY a.position " order " LIMIT $10::bigint"
#define ENTITY "(SELECT number FROM entity WHERE machine = $1 AND id = $2)"
#define HISTORY(side, tags, order, end)                                                            \
    COLUMNS "a.entity = " ENTITY " AND a.sequence " side                                           \
            " coalesce((SELECT sequence FROM audit WHERE position = $11::bigint), " end            \
            ") " CONDITIONS tags "ORDER BY a.sequence " order " LIMIT $10::bigint"
#define LAST "9223372036854775807"

/* [history][newest][tagged] */
static const char *const statements[2][2][2] = {
    {{SEARCH(">", "", "ASC"), SEARCH(">", TAGS, "ASC")},
     {SEARCH("<", "", "DESC"), SEARCH("<", TAGS, "DESC")}},
    {{HISTORY(">", "", "ASC", "0"), HISTORY(">", TAGS, "ASC", "0")},
     {HISTORY("<", "", "DESC", LAST), HISTORY("<", TAGS, "DESC", LAST)}},
};

/* Whether the record that a cursor names is of this entity. */
static const char FIND_PLACE[] =
    "SELECT 1 FROM audit WHERE position = $3::bigint AND entity = " ENTITY;

enum column {
    POSITION,
    MACHINE,
    ID,
    FROM,
    TO,
    ACTOR,
    REASON,
    UUID,
    SEQUENCE,
    TIMESTAMP,
    SUCCESS,
    JSON,
    PREVIOUS_HASH,
    HASH
};

static struct store_record record_of_row(struct arena *arena, const PGresult *rows, int row) {
    struct text uuid = cell_lent(rows, row, UUID);
    struct store_record record = {
        .machine = cell_text(arena, rows, row, MACHINE),
        .entity_id = cell_text(arena, rows, row, ID),
        .from_state = cell_text(arena, rows, row, FROM),
        .to_state = cell_text(arena, rows, row, TO),
        .actor_id = cell_text(arena, rows, row, ACTOR),
        .reason = cell_text(arena, rows, row, REASON),
        .sequence = cell_integer(rows, row, SEQUENCE),
        .timestamp_us = cell_integer(rows, row, TIMESTAMP),
        .success = cell_bool(rows, row, SUCCESS),
        .json = cell_text(arena, rows, row, JSON),
    };
    memcpy(record.uuid, uuid.bytes,
           uuid.length < sizeof record.uuid ? uuid.length : sizeof record.uuid);
    cell_bytes(rows, row, PREVIOUS_HASH, record.previous_hash, DIGEST_BYTES);
    cell_bytes(rows, row, HASH, record.hash, DIGEST_BYTES);
    return record;
}

static bool is_history(const struct store_search *search) {
    return text_given(search->machine) && text_given(search->entity_id);
}

static void queue_place(struct postgres_store *self, const struct store_search *search,
                        int64_t after) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, search->machine);
    values_add_text(&values, search->entity_id);
    values_add_integer(&values, after);
    postgres_queue(self, FIND_PLACE, &values);
}

static bool is_tagged(const struct store_search *search) {
    return text_given(search->transition) || text_given(search->request_id) ||
           text_given(search->batch) || text_given(search->error_code);
}

static void queue_search(struct postgres_store *self, const struct store_search *search,
                         const struct store_page *page, int64_t after) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, search->machine);
    values_add_text(&values, search->entity_id);
    values_add_text(&values, search->from_state);
    values_add_text(&values, search->to_state);
    values_add_text(&values, search->actor_id);
    values_add_text(&values, search->reason);
    if (search->success < 0) {
        values_add_text(&values, TEXT_NONE);
    } else {
        values_add_bool(&values, search->success != 0);
    }
    values_add_integer(&values, search->since_us);
    values_add_integer(&values, search->until_us);
    values_add_integer(&values, page->limit + 1);
    values_add_integer(&values, page->newest && after == 0 ? INT64_MAX : after);
    if (is_tagged(search)) {
        values_add_text(&values, search->transition);
        values_add_text(&values, search->request_id);
        values_add_text(&values, search->batch);
        values_add_text(&values, search->error_code);
    }
    postgres_queue(self, statements[is_history(search)][page->newest][is_tagged(search)], &values);
}

/* *rows is lent until the next statement. */
static bool ask(struct postgres_store *self, const struct store_search *search,
                const struct store_page *page, int64_t after, const PGresult **rows,
                struct fault *fault) {
    bool placed = is_history(search) && after != 0;
    if (placed) {
        queue_place(self, search, after);
    }
    queue_search(self, search, page, after);
    if (!wire_run(&self->wire, fault)) {
        return false;
    }
    *rows = wire_result(&self->wire, placed ? 1 : 0);
    return !placed || PQntuples(wire_result(&self->wire, 0)) > 0 ||
           fault_set(fault, FAULT_BAD_REQUEST, "the cursor is not one of this entity's history");
}

/* The page that is being filled. */
struct page {
    struct store_record *items;
    size_t count, limit, bytes;
    int64_t last; /* position of the last item */
    bool more;    /* there are others behind it */
};

static bool is_full(const struct page *page) {
    return page->count == page->limit || (page->count > 0 && page->bytes > STORE_PAGE_BYTES);
}

/* Takes what has room of a piece that was to have `asked` rows, and one more to show that it goes
 * on. */
static void take_piece(struct page *page, struct arena *arena, const PGresult *rows, int asked) {
    int found = PQntuples(rows), row = 0;
    for (; row < found && row < asked && !is_full(page); row++) {
        page->items[page->count] = record_of_row(arena, rows, row);
        page->bytes += page->items[page->count++].json.length;
        page->last = cell_integer(rows, row, POSITION);
    }
    page->more = row < found;
}

/* In pieces, lest a thousand of the largest records be in memory before the page is found full. */
static bool take_page(struct postgres_store *self, struct arena *arena,
                      const struct store_search *search, const struct store_page *wanted,
                      int64_t after, struct page *page, struct fault *fault) {
    const PGresult *rows = NULL;
    struct store_page piece = *wanted;
    *page = (struct page){.items = ARENA_ARRAY(arena, struct store_record, (size_t)wanted->limit),
                          .limit = (size_t)wanted->limit,
                          .last = after,
                          .more = true};
    while (page->more && !is_full(page)) {
        int64_t room = wanted->limit - (int64_t)page->count;
        piece.limit = room < PIECE ? room : PIECE;
        if (!ask(self, search, &piece, page->last, &rows, fault)) {
            return false;
        }
        take_piece(page, arena, rows, (int)piece.limit);
    }
    return true;
}

bool postgres_search_records(struct store *store, struct arena *arena,
                             const struct store_search *search, const struct store_page *page,
                             struct store_record **items, size_t *count, struct text *next,
                             struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    char of = cursor_of(CURSOR_RECORDS, page->newest);
    struct page filled;
    int64_t after;
    bool own;
    if (!cursor_parse(page->cursor, of, &after, fault) ||
        !postgres_enter(self, STORE_READ, &own, fault) ||
        !postgres_leave(self, own, take_page(self, arena, search, page, after, &filled, fault),
                        fault)) {
        return false;
    }
    *items = filled.items;
    *count = filled.count;
    *next = filled.more ? cursor_print(arena, of, filled.last) : TEXT_NONE;
    return true;
}
