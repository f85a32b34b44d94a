/* chains.c: entity after entity, in the order of their numbers; a page is a transaction. A chain is
 * read back from its newest record, or from a milestone, by the position of the record before, a
 * window at a time; so a record costs one look-up. Where that does not lead through, because
 * somebody deleted records, the history that search.c finds is given instead.
 *
 * Records to which no entity leads are not found so: they are only counted (`settled`). */
#include "store/sqlite/chains.h"
#include "store/cursor.h"

#define PAGE_RECORDS 250 /* so few that their memory stays the same from page to page */

static const char NEXT_ENTITY[] =
    "SELECT e.number, m.name, e.id, e.kind, e.version, e.audit_sequence, e.audit_position, "
    "e.audit_hash, e.data FROM entity e CROSS JOIN machine m ON m.id = e.machine "
    "WHERE e.number >= ?1 AND (?2 IS NULL OR m.name = ?2) ORDER BY e.number LIMIT 1";
/* The columns of sqlite_record_of_row, without names; the first is of use here. */
static const char READ_LINK[] =
    "SELECT entity, NULL, NULL, from_state, to_state, actor, reason, uuid, sequence, "
    "timestamp_us, success, json, previous_hash, hash, previous FROM audit WHERE position = ?1";
static const char COUNT_SETTLED[] =
    "SELECT count(*) FROM audit WHERE timestamp_us < ?1 AND (?2 IS NULL OR "
    "(SELECT m.name FROM entity e CROSS JOIN machine m ON m.id = e.machine "
    "WHERE e.number = audit.entity) = ?2)";

struct chains {
    struct sqlite_store *self;
    const struct store_walk *walk;
    int64_t number;     /* of the entity that comes next */
    int64_t after;      /* sequence of its last record that was given; 0: none */
    int64_t position;   /* of that record */
    bool broken;        /* its chain does not lead through */
    bool more;          /* there may be an entity */
    struct entity head; /* the entity */
    int64_t head_number, head_position;
    struct arena arena; /* of the page */
    struct store_link links[PAGE_RECORDS];
    size_t count, bytes; /* of the page */
};

/* --- the entity --- */

static bool take_entity(struct chains *chains, sqlite3_stmt *row, struct fault *fault) {
    struct arena *arena = &chains->arena;
    int64_t kind = sql_integer(row, 3);
    chains->head_number = sql_integer(row, 0);
    chains->head_position = sql_integer(row, 6);
    chains->head = (struct entity){.machine = sql_text(arena, row, 1),
                                   .id = sql_text(arena, row, 2),
                                   .exists = kind != 0,
                                   .version = sql_integer(row, 4),
                                   .audit_sequence = sql_integer(row, 5),
                                   .data_json = kind != 0 ? sql_text(arena, row, 8) : TEXT_NONE};
    sql_bytes(row, 7, chains->head.audit_hash, DIGEST_BYTES);
    chains->bytes += chains->head.data_json.length;
    if (kind == 0) {
        return true;
    }
    struct text state;
    bool named = names_state(&chains->self->names, kind, &state, fault);
    chains->head.state = named ? text_copy(arena, state) : TEXT_NONE;
    return named;
}

static void turn_to(struct chains *chains, int64_t number) {
    chains->number = number;
    chains->after = chains->position = 0;
    chains->broken = false;
}

static bool next_entity(struct chains *chains, struct fault *fault) {
    struct sql *sql = &chains->self->sql;
    sqlite3_stmt *statement = sql_use(sql, NEXT_ENTITY, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, chains->number);
    sql_put_text(statement, 2, chains->walk->machine);
    if (!sql_next(sql, statement, &chains->more, fault)) {
        return false;
    }
    if (!chains->more) {
        return true;
    }
    bool taken = take_entity(chains, statement, fault);
    sql_stop(statement);
    if (chains->head_number != chains->number) {
        turn_to(chains, chains->head_number);
    }
    return taken;
}

static void put_link(struct chains *chains, size_t at, const struct store_record *record) {
    struct store_link *link = &chains->links[at];
    link->record = *record;
    link->record.machine = chains->head.machine;
    link->record.entity_id = chains->head.id;
    link->entity = chains->head;
    if (record->sequence != chains->head.audit_sequence) {
        link->entity.data_json = TEXT_NONE;
    }
    chains->bytes += record->json.length;
}

/* --- a window of its chain --- */

/* The sequences first..last, which go to links[count]... ; sequence 0 where there is none. */
struct window {
    int64_t first, last;
    int64_t newest;        /* sequence that the walk back began with; 0: none */
    int64_t before;        /* every record must come before this */
    int64_t last_position; /* of the newest record of the window */
};

/* Takes the record the row stands on, and moves *position to the one before it. */
static bool take_record(struct chains *chains, struct window *window, sqlite3_stmt *row,
                        int64_t *position) {
    int64_t sequence = sql_integer(row, 8);
    if (sql_integer(row, 0) != chains->number || sequence >= window->before) {
        return false;
    }
    if (sequence >= window->first && sequence <= window->last) {
        struct store_record record = sqlite_record_of_row(&chains->arena, row);
        put_link(chains, chains->count + (size_t)(sequence - window->first), &record);
        window->last_position = window->last_position == 0 ? *position : window->last_position;
    }
    window->newest = window->newest == 0 ? sequence : window->newest;
    window->before = sequence;
    *position = sequence > window->first ? sql_integer(row, 14) : 0;
    return true;
}

static bool walk_back(struct chains *chains, struct window *window, int64_t position,
                      struct fault *fault) {
    struct sql *sql = &chains->self->sql;
    while (position != 0 && !chains->broken) {
        bool found;
        sqlite3_stmt *statement = sql_use(sql, READ_LINK, fault);
        if (statement == NULL) {
            return false;
        }
        sql_put_integer(statement, 1, position);
        if (!sql_next(sql, statement, &found, fault)) {
            return false;
        }
        chains->broken = !found || !take_record(chains, window, statement, &position);
        if (found) {
            sql_stop(statement);
        }
    }
    return true;
}

/* Closes the gaps. */
static void keep_window(struct chains *chains, size_t length) {
    size_t end = chains->count + length;
    for (size_t i = chains->count; i < end; i++) {
        if (chains->links[i].record.sequence != 0) {
            chains->links[chains->count++] = chains->links[i];
        }
    }
}

/* Where the walk back began before the window's end, there is nothing behind it, whatever the
 * entity says. */
static void go_on(struct chains *chains, const struct window *window) {
    if (window->last == chains->head.audit_sequence || window->newest < window->last) {
        turn_to(chains, chains->number + 1);
        return;
    }
    chains->after = window->last;
    chains->position = window->last_position != 0 ? window->last_position : chains->position;
}

static bool give_window(struct chains *chains, struct fault *fault) {
    int64_t room = (int64_t)(PAGE_RECORDS - chains->count), position;
    struct window window = {
        .first = chains->after + 1, .last = chains->head.audit_sequence, .before = INT64_MAX};
    if (window.last - chains->after > room) {
        window.last = chains->after + room;
    }
    if (window.last <= chains->after) {
        turn_to(chains, chains->number + 1);
        return true;
    }
    size_t length = (size_t)(window.last - chains->after);
    memset(&chains->links[chains->count], 0, length * sizeof chains->links[0]);
    if (!sqlite_find_start(&chains->self->sql, chains->number, window.last,
                           chains->head.audit_sequence, chains->head_position, &position, fault) ||
        !walk_back(chains, &window, position, fault)) {
        return false;
    }
    if (!chains->broken) {
        keep_window(chains, length);
        go_on(chains, &window);
    }
    return true;
}

/* --- what is left of a broken one --- */

static bool give_history(struct chains *chains, struct fault *fault) {
    struct store_search search = {
        .machine = chains->head.machine, .entity_id = chains->head.id, .success = -1};
    struct store_page page = {.limit = (int64_t)(PAGE_RECORDS - chains->count)};
    struct store_record *records;
    struct text next;
    size_t count;
    if (chains->position != 0) {
        page.cursor = cursor_print(&chains->arena, CURSOR_RECORDS, chains->position);
    }
    if (!sqlite_search_records(&chains->self->store, &chains->arena, &search, &page, &records,
                               &count, &next, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        put_link(chains, chains->count++, &records[i]);
    }
    if (!text_given(next)) {
        turn_to(chains, chains->number + 1);
        return true;
    }
    return cursor_parse(next, CURSOR_RECORDS, &chains->position, fault);
}

/* --- pages --- */

static bool is_full(const struct chains *chains) {
    return chains->count == PAGE_RECORDS || chains->bytes >= STORE_PAGE_BYTES;
}

static bool fill_page(struct chains *chains, struct fault *fault) {
    chains->count = chains->bytes = 0;
    arena_reset(&chains->arena);
    while (!is_full(chains)) {
        if (!next_entity(chains, fault)) {
            return false;
        }
        if (!chains->more) {
            return true;
        }
        bool fine = chains->broken ? give_history(chains, fault) : give_window(chains, fault);
        if (!fine) {
            return false;
        }
    }
    return true;
}

static bool walk_pages(struct chains *chains, struct fault *fault) {
    const struct store_walk *walk = chains->walk;
    struct store *store = &chains->self->store;
    bool fine = true;
    while (fine && chains->more) {
        fine = store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
               fill_page(chains, fault) &&
               walk->each(walk->context, chains->links, chains->count, fault);
        store_rollback(store);
    }
    return fine;
}

static bool count_settled(struct chains *chains, int64_t *settled, struct fault *fault) {
    struct sql *sql = &chains->self->sql;
    sqlite3_stmt *statement = sql_use(sql, COUNT_SETTLED, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, chains->walk->settled_us);
    sql_put_text(statement, 2, chains->walk->machine);
    return sql_ask(sql, statement, 0, settled, fault);
}

bool sqlite_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                        struct fault *fault) {
    struct arena arena;
    arena_init(&arena, 0);
    struct chains *chains = ARENA_NEW(&arena, struct chains);
    chains->self = sqlite_of(store);
    chains->walk = walk;
    chains->more = true;
    arena_init(&chains->arena, 64 * 1024);
    bool fine = walk_pages(chains, fault) && count_settled(chains, settled, fault);
    arena_deinit(&chains->arena);
    arena_deinit(&arena);
    return fine;
}
