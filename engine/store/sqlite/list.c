/* list.c: entities of one machine, in the order of their creation.
 *
 * A scan goes through the packed column of kinds, whose every 2000 entities are one small row, and
 * visits only the rows of entities that are in a wanted state. Counting by state visits none. */
#include "store/sqlite/entity.h"

#include <endian.h>

#include "store/cursor.h"
#include "store/where.h"

#define KINDS_PER_BLOCK 2000
#define WORD_BITS       64

static const char READ_NUMBERED[] = "SELECT " ENTITY_COLUMNS " FROM entity WHERE number = ?1";
static const char READ_BLOCKS[] =
    "SELECT block, kinds FROM entity_block WHERE block >= ?1 ORDER BY block";
static const char READ_BLOCKS_DOWN[] =
    "SELECT block, kinds FROM entity_block WHERE block <= ?1 ORDER BY block DESC";
static const char READ_KINDS[] = "SELECT id, state FROM kind WHERE machine = ?1";
static const char FIND_NUMBER[] = "SELECT number FROM entity WHERE machine = ?1 AND id = ?2";

struct scan {
    struct sqlite_store *self;
    struct text machine;
    struct where data;
    int64_t updated_before_us, updated_since_us;
    uint64_t wanted[(KIND_MOST + 1) / WORD_BITS]; /* a bit a kind */
    sqlite3_stmt *blocks;
    bool newest;    /* it goes down */
    int64_t number; /* the last entity looked at */
    int64_t block;
    const unsigned char *kinds; /* of the block, lent by `blocks`; NULL: read the next */
};

/* --- which kinds --- */

static bool is_wanted(const struct scan *scan, uint16_t kind) {
    return (scan->wanted[kind / WORD_BITS] >> kind % WORD_BITS & 1) != 0;
}

static bool has_state(const struct store_where *where, struct text state) {
    for (size_t i = 0; i < where->state_count; i++) {
        if (text_equal(where->states[i], state)) {
            return true;
        }
    }
    return where->state_count == 0;
}

static bool want_kinds(struct scan *scan, int64_t machine, const struct store_where *where,
                       struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&scan->self->sql, READ_KINDS, fault);
    bool row = statement != NULL;
    if (row) {
        sql_put_integer(statement, 1, machine);
    }
    while (row) {
        if (!sql_next(&scan->self->sql, statement, &row, fault)) {
            return false;
        }
        if (row && has_state(where, sql_lent(statement, 1))) {
            uint16_t kind = (uint16_t)sql_integer(statement, 0);
            scan->wanted[kind / WORD_BITS] |= UINT64_C(1) << kind % WORD_BITS;
        }
    }
    return statement != NULL;
}

/* --- the scan over kinds --- */

static bool next_block(struct scan *scan, bool *more, struct fault *fault) {
    if (!sql_next(&scan->self->sql, scan->blocks, more, fault)) {
        return false;
    }
    if (!*more) {
        return true;
    }
    scan->block = sql_integer(scan->blocks, 0);
    int64_t first = scan->block * KINDS_PER_BLOCK;
    scan->kinds = sqlite3_column_blob(scan->blocks, 1);
    int64_t last = first + KINDS_PER_BLOCK;
    if (scan->newest) {
        scan->number = last < scan->number ? last : scan->number;
    } else {
        scan->number = first - 1 > scan->number ? first - 1 : scan->number;
    }
    return sqlite3_column_bytes(scan->blocks, 1) == KINDS_PER_BLOCK * sizeof(uint16_t) ||
           fault_set(fault, FAULT_STORE_UNAVAILABLE, "the store %s is damaged: entity_block %lld",
                     scan->self->sql.path, (long long)scan->block);
}

/* The next wanted entity in the block at hand; -1 when there is none. */
static int64_t next_in_block(struct scan *scan) {
    int64_t step = scan->newest ? -1 : 1;
    int64_t first = scan->block * KINDS_PER_BLOCK;
    for (int64_t slot = scan->number + step - first; slot >= 0 && slot < KINDS_PER_BLOCK;
         slot += step) {
        uint16_t kind;
        memcpy(&kind, scan->kinds + (size_t)slot * sizeof kind, sizeof kind);
        scan->number += step;
        if (is_wanted(scan, le16toh(kind))) {
            scan->kinds = slot + step < 0 || slot + step == KINDS_PER_BLOCK ? NULL : scan->kinds;
            return scan->number;
        }
    }
    scan->kinds = NULL;
    return -1;
}

/* *number is -1 after the last one. */
static bool next_number(struct scan *scan, int64_t *number, struct fault *fault) {
    *number = -1;
    while (*number < 0) {
        bool more = true;
        if (scan->kinds == NULL && !next_block(scan, &more, fault)) {
            return false;
        }
        if (!more) {
            return true;
        }
        *number = next_in_block(scan);
    }
    return true;
}

/* --- the scan over rows that fit --- */

/* Where a scan begins: behind an entity, or, going down, before it; 0: at the end. */
struct from {
    int64_t number;
    bool newest;
};

static bool open_blocks(struct scan *scan, struct from from, struct fault *fault) {
    struct sql *sql = &scan->self->sql;
    scan->newest = from.newest;
    scan->number = from.newest && from.number == 0 ? INT64_MAX : from.number;
    scan->blocks = sql_use(sql, from.newest ? READ_BLOCKS_DOWN : READ_BLOCKS, fault);
    if (scan->blocks == NULL) {
        return false;
    }
    int64_t next = scan->number + (from.newest ? -1 : 1);
    sql_put_integer(scan->blocks, 1, next / KINDS_PER_BLOCK);
    return true;
}

/* False in *any when there is no such machine, and so nothing to scan. */
static bool scan_start(struct scan *scan, struct sqlite_store *self, struct text machine,
                       const struct store_where *where, struct from from, bool *any,
                       struct fault *fault) {
    static const struct store_where everything = {0};
    struct machine_name *name;
    memset(scan, 0, sizeof *scan);
    where = where != NULL ? where : &everything;
    if (!names_find_machine(&self->names, machine, &name, fault)) {
        return false;
    }
    *any = name != NULL;
    arena_reset(&self->scratch);
    scan->self = self;
    scan->machine = machine;
    scan->updated_before_us = where->updated_before_us;
    scan->updated_since_us = where->updated_since_us;
    if (!*any || !want_kinds(scan, name->id, where, fault)) {
        return !*any;
    }
    return open_blocks(scan, from, fault);
}

static bool is_of_that_time(const struct scan *scan, sqlite3_stmt *row) {
    int64_t updated_us = sql_integer(row, ENTITY_UPDATED);
    return (scan->updated_before_us == 0 || updated_us < scan->updated_before_us) &&
           updated_us >= scan->updated_since_us;
}

static bool row_fits(struct scan *scan, sqlite3_stmt *row, bool *fits, struct fault *fault) {
    *fits = is_of_that_time(scan, row);
    if (!*fits || scan->data.count == 0) {
        return true;
    }
    arena_reset(&scan->self->scratch);
    return where_fits(&scan->data, &scan->self->scratch, sql_lent(row, ENTITY_DATA), fits, fault);
}

/* *row stands on the next entity that fits, until sql_stop; NULL after the last one. */
static bool next_row(struct scan *scan, sqlite3_stmt **row, struct fault *fault) {
    struct sql *sql = &scan->self->sql;
    sqlite3_stmt *statement = sql_use(sql, READ_NUMBERED, fault);
    bool found = false, fits = false;
    while (statement != NULL && !fits) {
        int64_t number;
        sql_stop(statement);
        if (!next_number(scan, &number, fault)) {
            return false;
        }
        if (number < 0) {
            *row = NULL;
            return true;
        }
        sql_put_integer(statement, 1, number);
        if (!sql_next(sql, statement, &found, fault) ||
            (found && !row_fits(scan, statement, &fits, fault))) {
            sql_stop(statement);
            return false;
        }
    }
    *row = statement;
    return statement != NULL;
}

static void scan_stop(struct scan *scan) {
    if (scan->blocks != NULL) {
        sql_stop(scan->blocks);
    }
}

/* --- lists --- */

static bool take_entity(struct scan *scan, struct arena *arena, sqlite3_stmt *row,
                        struct entity *out, struct fault *fault) {
    *out = (struct entity){.machine = scan->machine, .id = sql_text(arena, row, ENTITY_ID)};
    bool fine = sqlite_entity_of_row(scan->self, arena, row, out, fault);
    sql_stop(row);
    return fine;
}

/* Takes up to `limit` entities; *last is the number of the last one, if there are more behind it.
 */
static bool take_page(struct scan *scan, struct arena *arena, size_t limit, struct entity *items,
                      size_t *count, int64_t *last, struct fault *fault) {
    *last = 0;
    for (*count = 0;; ++*count) {
        sqlite3_stmt *row;
        int64_t before = scan->number;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        if (row == NULL) {
            return true;
        }
        if (*count == limit) {
            sql_stop(row);
            *last = before;
            return true;
        }
        if (!take_entity(scan, arena, row, &items[*count], fault)) {
            return false;
        }
    }
}

bool sqlite_list(struct store *store, struct arena *arena, struct text machine,
                 const struct store_where *where, const struct store_page *page,
                 struct entity **items, size_t *count, struct text *next, struct fault *fault) {
    struct scan scan;
    struct from from = {.newest = page->newest};
    int64_t last = 0;
    char of = cursor_of(CURSOR_ENTITIES, page->newest);
    bool any;
    *next = TEXT_NONE;
    *count = 0;
    if (!cursor_parse(page->cursor, of, &from.number, fault) ||
        !scan_start(&scan, sqlite_of(store), text_copy(arena, machine), where, from, &any, fault)) {
        return false;
    }
    *items = ARENA_ARRAY(arena, struct entity, (size_t)page->limit);
    scan.data = where_of(arena, where != NULL ? where->data : NULL);
    bool fine = !any || take_page(&scan, arena, (size_t)page->limit, *items, count, &last, fault);
    scan_stop(&scan);
    if (last != 0) {
        *next = cursor_print(arena, of, last);
    }
    return fine;
}

static bool number_after(struct sqlite_store *self, struct text machine, struct text id,
                         int64_t *number, struct fault *fault) {
    struct machine_name *name;
    *number = 0;
    if (!text_given(id)) {
        return true;
    }
    if (!names_find_machine(&self->names, machine, &name, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_NUMBER, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, name != NULL ? name->id : 0);
    sql_put_text(statement, 2, id);
    if (!sql_ask(&self->sql, statement, 0, number, fault)) {
        return false;
    }
    return *number != 0 ||
           fault_set(fault, FAULT_BAD_REQUEST, "there is no %.*s %.*s to go on after",
                     TEXT_ARGS(machine), TEXT_ARGS(id));
}

static bool take_ids(struct scan *scan, struct arena *arena, size_t limit, struct text *ids,
                     size_t *count, struct fault *fault) {
    for (*count = 0; *count < limit; ++*count) {
        sqlite3_stmt *row;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        if (row == NULL) {
            return true;
        }
        ids[*count] = sql_text(arena, row, ENTITY_ID);
        sql_stop(row);
    }
    return true;
}

bool sqlite_list_ids(struct store *store, struct arena *arena, struct text machine,
                     const struct store_where *where, struct text after, int64_t limit,
                     struct text **ids, size_t *count, struct fault *fault) {
    struct scan scan;
    struct from from = {0};
    bool any;
    *count = 0;
    if (!number_after(sqlite_of(store), machine, after, &from.number, fault) ||
        !scan_start(&scan, sqlite_of(store), machine, where, from, &any, fault)) {
        return false;
    }
    *ids = ARENA_ARRAY(arena, struct text, (size_t)limit);
    scan.data = where_of(arena, where != NULL ? where->data : NULL);
    bool fine = !any || take_ids(&scan, arena, (size_t)limit, *ids, count, fault);
    scan_stop(&scan);
    return fine;
}

/* --- counts --- */

static bool count_kinds(struct scan *scan, int64_t *count, struct fault *fault) {
    for (*count = 0;; ++*count) {
        int64_t number;
        if (!next_number(scan, &number, fault)) {
            return false;
        }
        if (number < 0) {
            return true;
        }
    }
}

static bool count_rows(struct scan *scan, int64_t *count, struct fault *fault) {
    for (*count = 0;; ++*count) {
        sqlite3_stmt *row;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        if (row == NULL) {
            return true;
        }
        sql_stop(row);
    }
}

bool sqlite_count(struct store *store, struct text machine, const struct store_where *where,
                  int64_t *count, struct fault *fault) {
    struct scan scan;
    struct arena arena;
    bool any;
    *count = 0;
    if (!scan_start(&scan, sqlite_of(store), machine, where, (struct from){0}, &any, fault)) {
        return false;
    }
    arena_init(&arena, 0);
    scan.data = where_of(&arena, where != NULL ? where->data : NULL);
    bool by_kind =
        scan.data.count == 0 && scan.updated_before_us == 0 && scan.updated_since_us == 0;
    bool fine =
        !any || (by_kind ? count_kinds(&scan, count, fault) : count_rows(&scan, count, fault));
    scan_stop(&scan);
    arena_deinit(&arena);
    return fine;
}
