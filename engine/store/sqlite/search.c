/* search.c: audit records, oldest or newest first.
 *
 * Three ways lead to a record, and every record they find is compared in full:
 *   history   one entity: its chain, walked back from the nearest milestone behind the page
 *   facts     any other condition: a scan of the packed facts
 *   straight  no condition: the table itself
 * All go in the order of positions, which in one entity's chain is the order of sequences, so one
 * kind of cursor serves them all. Should a chain be broken, because somebody deleted records, its
 * entity is searched by facts instead: what is left is shown, with the gap that verification looks
 * for. */
#include "store/cursor.h"
#include "store/sqlite/chains.h"
#include "store/sqlite/driver.h"
#include "store/sqlite/facts.h"
#include "store/sqlite/tags.h"

#define MILESTONE_EVERY 64 /* as in the schema */

#define RECORD_SELECT                                                                              \
    "SELECT a.position, m.name, e.id, a.from_state, a.to_state, a.actor, a.reason, a.uuid, "       \
    "a.sequence, a.timestamp_us, a.success, a.json, a.previous_hash, a.hash "                      \
    "FROM audit a CROSS JOIN entity e ON e.number = a.entity "                                     \
    "CROSS JOIN machine m ON m.id = e.machine "

static const char READ_RECORD[] = RECORD_SELECT "WHERE a.position = ?1";
static const char READ_RECORDS[] = RECORD_SELECT "WHERE a.position > ?1 ORDER BY a.position";
static const char READ_RECORDS_DOWN[] =
    RECORD_SELECT "WHERE a.position < ?1 ORDER BY a.position DESC";
static const char READ_LINK[] = "SELECT entity, sequence, previous FROM audit WHERE position = ?1";
static const char READ_HEAD[] =
    "SELECT audit_sequence, audit_position FROM entity WHERE number = ?1";
static const char READ_MILESTONE[] =
    "SELECT position FROM audit WHERE entity = ?1 AND sequence >= ?2 AND sequence % 64 = 0 "
    "ORDER BY sequence LIMIT 1";
static const char FIND_NUMBERS[] =
    "SELECT e.number FROM machine m CROSS JOIN entity e ON e.machine = m.id "
    "WHERE e.id = ?1 AND (?2 IS NULL OR m.name = ?2)";

/* The page that is being filled. */
struct page {
    struct sqlite_store *self;
    struct arena *arena;
    const struct store_search *search;
    bool newest;
    bool tagged;                /* the search wants what tags know */
    struct tags_scan *tags;     /* when tagged */
    struct store_record *items; /* room for one more than the limit */
    size_t count, bytes;
    size_t limit; /* of items; that of bytes is STORE_PAGE_BYTES */
    int64_t last; /* position of the last item within the limits */
    int64_t more; /* position of the one behind it; 0: none */
};

static bool is_full(const struct page *page) {
    return page->more != 0;
}

/* --- one record --- */

static bool is_wanted(struct text wanted, struct text found) {
    return !text_given(wanted) || (text_given(found) && text_equal(wanted, found));
}

static bool fits(const struct store_search *search, const struct store_record *record) {
    return is_wanted(search->machine, record->machine) &&
           is_wanted(search->entity_id, record->entity_id) &&
           is_wanted(search->from_state, record->from_state) &&
           is_wanted(search->to_state, record->to_state) &&
           is_wanted(search->actor_id, record->actor_id) &&
           is_wanted(search->reason, record->reason) &&
           (search->success < 0 || (search->success != 0) == record->success) &&
           (search->since_us == 0 || record->timestamp_us >= search->since_us) &&
           (search->until_us == 0 || record->timestamp_us < search->until_us);
}

/* The texts are lent by the statement. */
static struct store_record lent_record(sqlite3_stmt *row) {
    struct store_record record = {
        .machine = sql_lent(row, 1),
        .entity_id = sql_lent(row, 2),
        .from_state = sql_lent(row, 3),
        .to_state = sql_lent(row, 4),
        .actor_id = sql_lent(row, 5),
        .reason = sql_lent(row, 6),
        .sequence = sql_integer(row, 8),
        .timestamp_us = sql_integer(row, 9),
        .success = sql_integer(row, 10) != 0,
    };
    return record;
}

static struct store_record kept_record(struct arena *arena, sqlite3_stmt *row,
                                       struct store_record record) {
    struct text uuid = sql_lent(row, 7);
    record.machine = text_copy(arena, record.machine);
    record.entity_id = text_copy(arena, record.entity_id);
    record.from_state = text_copy(arena, record.from_state);
    record.to_state = text_copy(arena, record.to_state);
    record.actor_id = text_copy(arena, record.actor_id);
    record.reason = text_copy(arena, record.reason);
    record.json = sql_text(arena, row, 11);
    sql_bytes(row, 12, record.previous_hash, DIGEST_BYTES);
    sql_bytes(row, 13, record.hash, DIGEST_BYTES);
    memcpy(record.uuid, uuid.bytes,
           uuid.length < sizeof record.uuid ? uuid.length : sizeof record.uuid);
    return record;
}

struct store_record sqlite_record_of_row(struct arena *arena, sqlite3_stmt *row) {
    return kept_record(arena, row, lent_record(row));
}

static bool has_tags(struct page *page, struct text json) {
    arena_reset(&page->self->scratch);
    return !page->tagged || tags_fit(&page->self->scratch, page->search, json);
}

/* Puts the row on the page, if it fits. */
static void offer(struct page *page, sqlite3_stmt *row) {
    struct store_record record = lent_record(row);
    if (!fits(page->search, &record) || !has_tags(page, sql_lent(row, 11))) {
        return;
    }
    if (page->count == page->limit || (page->count > 0 && page->bytes > STORE_PAGE_BYTES)) {
        page->more = sql_integer(row, 0);
        return;
    }
    page->bytes += sql_lent(row, 11).length;
    page->items[page->count++] = kept_record(page->arena, row, record);
    page->last = sql_integer(row, 0);
}

/* A record that is not there any more is passed over. */
static bool offer_at(struct page *page, int64_t position, struct fault *fault) {
    bool row, matches = true;
    if (page->tagged && !tags_match(page->tags, position, &matches, fault)) {
        return false;
    }
    if (!matches) {
        return true;
    }
    sqlite3_stmt *statement = sql_use(&page->self->sql, READ_RECORD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, position);
    if (!sql_next(&page->self->sql, statement, &row, fault)) {
        return false;
    }
    if (row) {
        offer(page, statement);
        sql_stop(statement);
    }
    return true;
}

/* --- straight --- */

static bool search_straight(struct page *page, int64_t after, struct fault *fault) {
    struct sql *sql = &page->self->sql;
    int64_t before = 0;
    bool row = true;
    if (page->search->since_us != 0 && !facts_before(sql, page->search->since_us, &before, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(sql, page->newest ? READ_RECORDS_DOWN : READ_RECORDS, fault);
    if (statement == NULL) {
        return false;
    }
    after = page->newest && after == 0 ? INT64_MAX : after;
    sql_put_integer(statement, 1, before > after ? before : after);
    while (row && !is_full(page)) {
        if (!sql_next(sql, statement, &row, fault)) {
            return false;
        }
        if (row) {
            offer(page, statement);
        }
    }
    sql_stop(statement);
    return true;
}

/* --- by facts --- */

static bool search_facts(struct page *page, const struct facts_pattern *patterns, size_t count,
                         int64_t after, struct fault *fault) {
    struct facts_scan scan = {.sql = &page->self->sql,
                              .patterns = patterns,
                              .pattern_count = count,
                              .until_us = page->search->until_us,
                              .since_us = page->search->since_us,
                              .newest = page->newest};
    int64_t position = 1;
    if (!facts_start(&scan, after, fault)) {
        return false;
    }
    bool fine = true;
    while (fine && position != 0 && !is_full(page)) {
        fine = facts_next(&scan, &position, fault) &&
               (position == 0 || offer_at(page, position, fault));
    }
    facts_stop(&scan);
    return fine;
}

/* --- history --- */

struct link {
    int64_t entity, sequence, previous;
};

/* *found is false when there is no record at the position. */
static bool read_link(struct sql *sql, int64_t position, struct link *link, bool *found,
                      struct fault *fault) {
    sqlite3_stmt *statement = sql_use(sql, READ_LINK, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, position);
    if (!sql_next(sql, statement, found, fault)) {
        return false;
    }
    if (*found) {
        *link = (struct link){sql_integer(statement, 0), sql_integer(statement, 1),
                              sql_integer(statement, 2)};
        sql_stop(statement);
    }
    return true;
}

struct head {
    int64_t sequence, position;
};

static bool read_head(struct sql *sql, int64_t entity, struct head *head, struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(sql, READ_HEAD, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, entity);
    if (!sql_next(sql, statement, &row, fault)) {
        return false;
    }
    *head = (struct head){0, 0};
    if (row) {
        *head = (struct head){sql_integer(statement, 0), sql_integer(statement, 1)};
        sql_stop(statement);
    }
    return true;
}

bool sqlite_find_start(struct sql *sql, int64_t entity, int64_t sequence, int64_t head_sequence,
                       int64_t head_position, int64_t *position, struct fault *fault) {
    *position = head_position;
    if (sequence == head_sequence) {
        return true;
    }
    sqlite3_stmt *statement = sql_use(sql, READ_MILESTONE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, entity);
    sql_put_integer(statement, 2, sequence);
    return sql_ask(sql, statement, head_position, position, fault);
}

/* Walks back over `first`..`last` and notes their positions in out[sequence - first]; *broken when
 * a record is missing or is another entity's. */
static bool walk_back(struct sql *sql, int64_t entity, int64_t first, int64_t last,
                      const struct head *head, int64_t *out, bool *broken, struct fault *fault) {
    int64_t position;
    if (!sqlite_find_start(sql, entity, last, head->sequence, head->position, &position, fault)) {
        return false;
    }
    int64_t before = INT64_MAX;
    while (position != 0) {
        struct link link;
        bool found;
        if (!read_link(sql, position, &link, &found, fault)) {
            return false;
        }
        if (!found || link.entity != entity || link.sequence >= before) {
            *broken = true;
            return true;
        }
        if (link.sequence < first) {
            return true;
        }
        if (link.sequence <= last) {
            out[link.sequence - first] = position;
        }
        before = link.sequence;
        position = link.previous;
    }
    return true;
}

static bool offer_window(struct page *page, const int64_t *positions, int64_t count,
                         struct fault *fault) {
    for (int64_t i = 0; i < count && !is_full(page); i++) {
        int64_t position = positions[page->newest ? count - 1 - i : i];
        if (position != 0 && !offer_at(page, position, fault)) {
            return false;
        }
    }
    return true;
}

/* What is left of the chain: the sequences behind `after`, up to `last`. */
struct rest {
    int64_t after, last;
};

/* Cuts the next window off, at the end where the page goes on. */
static struct rest next_window(struct rest *rest, int64_t most, bool newest) {
    struct rest window = *rest;
    if (rest->last - rest->after > most) {
        window.after = newest ? rest->last - most : rest->after;
        window.last = window.after + most;
    }
    rest->last = newest ? window.after : rest->last;
    rest->after = newest ? rest->after : window.last;
    return window;
}

/* The chain behind `sequence`, or before it, in windows, until the page is full. */
static bool walk_chain(struct page *page, int64_t entity, int64_t sequence, bool *broken,
                       struct fault *fault) {
    struct head head;
    if (!read_head(&page->self->sql, entity, &head, fault)) {
        return false;
    }
    struct rest rest = {page->newest ? 0 : sequence,
                        page->newest && sequence > 0 ? sequence - 1 : head.sequence};
    while (rest.after < rest.last && !is_full(page)) {
        struct rest window = next_window(&rest, (int64_t)page->limit + 1, page->newest);
        int64_t count = window.last - window.after;
        int64_t *positions = ARENA_ARRAY(page->arena, int64_t, (size_t)count);
        if (!walk_back(&page->self->sql, entity, window.after + 1, window.last, &head, positions,
                       broken, fault)) {
            return false;
        }
        if (*broken) {
            return true;
        }
        if (!offer_window(page, positions, count, fault)) {
            return false;
        }
    }
    return true;
}

/* The sequence of the record at the cursor, which must be one of this entity. */
static bool sequence_at(struct page *page, int64_t entity, int64_t position, int64_t *sequence,
                        struct fault *fault) {
    struct link link;
    bool found;
    *sequence = 0;
    if (position == 0) {
        return true;
    }
    if (!read_link(&page->self->sql, position, &link, &found, fault)) {
        return false;
    }
    if (!found || link.entity != entity) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "the cursor is not one of this entity's history");
    }
    *sequence = link.sequence;
    return true;
}

static bool search_history(struct page *page, int64_t entity, int64_t after, struct fault *fault) {
    int64_t sequence;
    bool broken = false;
    if (!sequence_at(page, entity, after, &sequence, fault) ||
        !walk_chain(page, entity, sequence, &broken, fault)) {
        return false;
    }
    if (!broken) {
        return true;
    }
    struct facts_pattern pattern = {0};
    facts_want_entity(&pattern, entity);
    page->count = 0;
    page->more = 0;
    return search_facts(page, &pattern, 1, after, fault);
}

/* --- which way --- */

static void read_number(struct arena *arena, sqlite3_stmt *statement, void *item) {
    (void)arena;
    *(int64_t *)item = sql_integer(statement, 0);
}

/* The entities that bear the id: one, or one of each machine when no machine is given. */
static bool search_entities(struct page *page, int64_t after, struct fault *fault) {
    struct sql *sql = &page->self->sql;
    void *rows;
    size_t count;
    sqlite3_stmt *statement = sql_use(sql, FIND_NUMBERS, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, page->search->entity_id);
    sql_put_text(statement, 2, page->search->machine);
    if (!sql_collect(sql, statement, page->arena, read_number, sizeof(int64_t), &rows, &count,
                     fault)) {
        return false;
    }
    const int64_t *numbers = rows;
    if (count <= 1) {
        return count == 0 || search_history(page, numbers[0], after, fault);
    }
    struct facts_pattern *patterns = ARENA_ARRAY(page->arena, struct facts_pattern, count);
    for (size_t i = 0; i < count; i++) {
        facts_want_entity(&patterns[i], numbers[i]);
        facts_want_search(&patterns[i], page->search);
    }
    return search_facts(page, patterns, count, after, fault);
}

/* Newest first, a scan of the facts ends at `since`; the table would be read to its end. */
static bool is_open(const struct page *page) {
    const struct store_search *search = page->search;
    return !page->tagged && !(page->newest && search->since_us != 0) &&
           !text_given(search->from_state) && !text_given(search->to_state) &&
           !text_given(search->actor_id) && !text_given(search->reason) && search->success < 0 &&
           search->until_us == 0;
}

static bool search_all(struct page *page, int64_t after, struct fault *fault) {
    struct machine_name *machine = NULL;
    struct facts_pattern pattern = {0};
    facts_want_search(&pattern, page->search);
    if (text_given(page->search->machine)) {
        if (!names_find_machine(&page->self->names, page->search->machine, &machine, fault)) {
            return false;
        }
        if (machine == NULL) {
            return true;
        }
        facts_want_machine(&pattern, machine->id);
    }
    return machine == NULL && is_open(page) ? search_straight(page, after, fault)
                                            : search_facts(page, &pattern, 1, after, fault);
}

bool sqlite_search_records(struct store *store, struct arena *arena,
                           const struct store_search *search, const struct store_page *page,
                           struct store_record **items, size_t *count, struct text *next,
                           struct fault *fault) {
    int64_t after;
    char of = cursor_of(CURSOR_RECORDS, page->newest);
    struct page filled = {.self = sqlite_of(store),
                          .arena = arena,
                          .search = search,
                          .newest = page->newest,
                          .limit = (size_t)page->limit};
    if (!cursor_parse(page->cursor, of, &after, fault)) {
        return false;
    }
    filled.tags = ARENA_NEW(arena, struct tags_scan);
    filled.tags->sql = &filled.self->sql;
    filled.tagged = tags_want(filled.tags, search);
    filled.items = ARENA_ARRAY(arena, struct store_record, filled.limit);
    if (!(text_given(search->entity_id) ? search_entities(&filled, after, fault)
                                        : search_all(&filled, after, fault))) {
        return false;
    }
    *items = filled.items;
    *count = filled.count;
    *next = filled.more != 0 ? cursor_print(arena, of, filled.last) : TEXT_NONE;
    return true;
}
