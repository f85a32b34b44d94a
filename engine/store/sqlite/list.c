/* list.c: entities of one machine, in the order of their creation.
 *
 * A scan goes through the packed column of kinds, whose every 2000 entities are one small row, and
 * visits only the rows of entities that are in a wanted state. Counting by state visits none. */
#include "store/sqlite/entity.h"

#include <endian.h>

#include "store/cursor.h"
#include "store/index.h"
#include "store/sqlite/index.h"
#include "store/where.h"

#define KINDS_PER_BLOCK 2000
#define WORD_BITS       64

static const char READ_NUMBERED[] = "SELECT " ENTITY_COLUMNS " FROM entity WHERE number = ?1";
static const char READ_BLOCKS[] =
    "SELECT block, kinds FROM entity_block WHERE block >= ?1 ORDER BY block";
static const char READ_BLOCKS_DOWN[] =
    "SELECT block, kinds FROM entity_block WHERE block <= ?1 ORDER BY block DESC";
static const char READ_INDEX[] = "SELECT number FROM index_value WHERE field = ?1 AND value = ?2 "
                                 "AND number > ?3 ORDER BY number";
static const char READ_INDEX_DOWN[] = "SELECT number FROM index_value WHERE field = ?1 "
                                      "AND value = ?2 AND number < ?3 ORDER BY number DESC";
static const char READ_KINDS[] = "SELECT id, state FROM kind WHERE machine = ?1";
static const char FIND_NUMBER[] = "SELECT number FROM entity WHERE machine = ?1 AND id = ?2";

struct scan {
    struct sqlite_store *self;
    struct text machine;
    struct arena arena; /* of `value` */
    struct text value;  /* that the index is asked for */
    struct where data;
    int64_t updated_before_us, updated_since_us;
    uint64_t wanted[(KIND_MOST + 1) / WORD_BITS]; /* a bit a kind */
    sqlite3_stmt *blocks;
    sqlite3_stmt *index; /* in place of blocks: entities that may have a value */
    bool newest;         /* it goes down */
    int64_t number;      /* the last entity looked at */
    int64_t looks;       /* entities that it may still look at */
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

static bool next_of_index(struct scan *scan, int64_t *number, struct fault *fault) {
    bool row;
    if (!sql_next(&scan->self->sql, scan->index, &row, fault)) {
        return false;
    }
    *number = row ? sql_integer(scan->index, 0) : -1;
    scan->number = row ? *number : scan->number;
    return true;
}

/* *number is -1 after the last one. */
static bool next_number(struct scan *scan, int64_t *number, struct fault *fault) {
    *number = -1;
    if (scan->index != NULL) {
        return next_of_index(scan, number, fault);
    }
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

/* The first condition on data that an index knows. */
static bool open_index(struct scan *scan, const struct store_where *where, struct fault *fault) {
    struct sql *sql = &scan->self->sql;
    const struct js *data = where->data;
    for (size_t i = 0; js_is(data, JS_OBJECT) && i < data->object.count; i++) {
        const struct js_member *member = &data->object.members[i];
        int64_t id = 0;
        if (!index_serves(where, member)) {
            continue;
        }
        if (!sqlite_index_find(scan->self, scan->machine, member->key, &id, fault)) {
            return false;
        }
        if (id == 0) {
            continue;
        }
        scan->index = sql_use(sql, scan->newest ? READ_INDEX_DOWN : READ_INDEX, fault);
        if (scan->index == NULL) {
            return false;
        }
        scan->value = index_value(&scan->arena, member->value);
        sql_put_integer(scan->index, 1, id);
        sql_put_text(scan->index, 2, scan->value);
        sql_put_integer(scan->index, 3, scan->number);
        break;
    }
    return true;
}

static bool open_blocks(struct scan *scan, struct from from, struct fault *fault) {
    struct sql *sql = &scan->self->sql;
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
    struct machine_name *name, *former = NULL;
    memset(scan, 0, sizeof *scan);
    arena_init(&scan->arena, 0);
    where = where != NULL ? where : &everything;
    if (!names_find_machine(&self->names, machine, &name, fault)) {
        return false;
    }
    if (text_given(where->former_machine) &&
        !names_find_machine(&self->names, where->former_machine, &former, fault)) {
        return false;
    }
    *any = name != NULL || former != NULL;
    arena_reset(&self->scratch);
    scan->self = self;
    scan->machine = machine;
    scan->updated_before_us = where->updated_before_us;
    scan->updated_since_us = where->updated_since_us;
    if (!*any || (name != NULL && !want_kinds(scan, name->id, where, fault)) ||
        (former != NULL && !want_kinds(scan, former->id, where, fault))) {
        return !*any;
    }
    scan->newest = from.newest;
    scan->looks = INT64_MAX;
    scan->number = from.newest && from.number == 0 ? INT64_MAX : from.number;
    return open_index(scan, where, fault) &&
           (scan->index != NULL || open_blocks(scan, from, fault));
}

static bool is_of_that_time(const struct scan *scan, sqlite3_stmt *row) {
    int64_t updated_us = sql_integer(row, ENTITY_UPDATED);
    return (scan->updated_before_us == 0 || updated_us < scan->updated_before_us) &&
           updated_us >= scan->updated_since_us;
}

static bool row_fits(struct scan *scan, sqlite3_stmt *row, bool *fits, struct fault *fault) {
    *fits = is_of_that_time(scan, row) &&
            (scan->index == NULL || is_wanted(scan, (uint16_t)sql_integer(row, ENTITY_KIND)));
    if (!*fits || scan->data.count == 0) {
        return true;
    }
    arena_reset(&scan->self->scratch);
    return where_fits(&scan->data, &scan->self->scratch, sql_lent(row, ENTITY_DATA), fits, fault);
}

/* *row stands on the next entity that fits, until sql_stop; NULL after the last one, or after as
 * many as it may look at: then `looks` is 0. */
static bool next_row(struct scan *scan, sqlite3_stmt **row, struct fault *fault) {
    struct sql *sql = &scan->self->sql;
    sqlite3_stmt *statement = sql_use(sql, READ_NUMBERED, fault);
    bool found = false, fits = false;
    while (statement != NULL && !fits) {
        int64_t number = -1;
        sql_stop(statement);
        if (scan->looks > 0 && !next_number(scan, &number, fault)) {
            return false;
        }
        if (number < 0) {
            *row = NULL;
            return true;
        }
        scan->looks--;
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

static struct where data_of(struct arena *arena, const struct store_where *where) {
    return where != NULL ? where_of(arena, where->data, where->defaults) : (struct where){0};
}

static void scan_stop(struct scan *scan) {
    if (scan->blocks != NULL) {
        sql_stop(scan->blocks);
    }
    if (scan->index != NULL) {
        sql_stop(scan->index);
    }
    arena_deinit(&scan->arena);
}

/* --- lists --- */

static bool take_entity(struct scan *scan, struct arena *arena, sqlite3_stmt *row,
                        struct entity *out, struct fault *fault) {
    *out = (struct entity){.machine = scan->machine, .id = sql_text(arena, row, ENTITY_ID)};
    bool fine = sqlite_entity_of_row(scan->self, arena, row, out, fault);
    sql_stop(row);
    return fine;
}

/* Takes up to `limit` entities and STORE_PAGE_BYTES; *last is the number of the last one, if there
 * are more behind it.
 */
static bool take_page(struct scan *scan, struct arena *arena, size_t limit, struct entity *items,
                      size_t *count, int64_t *last, struct fault *fault) {
    int64_t bytes = 0;
    *last = 0;
    for (*count = 0;; ++*count) {
        sqlite3_stmt *row;
        int64_t before = scan->number;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        if (row == NULL) {
            *last = scan->looks == 0 ? scan->number : 0;
            return true;
        }
        bytes += sqlite3_column_bytes(row, ENTITY_DATA);
        if (*count == limit || (*count > 0 && bytes > STORE_PAGE_BYTES)) {
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
    scan.looks = page->look_most > 0 ? page->look_most : INT64_MAX;
    scan.data = data_of(arena, where);
    bool fine = !any || take_page(&scan, arena, (size_t)page->limit, *items, count, &last, fault);
    scan_stop(&scan);
    if (last != 0) {
        *next = cursor_print(arena, of, last);
    }
    return fine;
}

static bool number_of(struct sqlite_store *self, struct text machine, struct text id,
                      int64_t *number, struct fault *fault) {
    struct machine_name *name;
    if (!names_find_machine(&self->names, machine, &name, fault)) {
        return false;
    }
    sqlite3_stmt *statement = sql_use(&self->sql, FIND_NUMBER, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, name != NULL ? name->id : 0);
    sql_put_text(statement, 2, id);
    return sql_ask(&self->sql, statement, 0, number, fault);
}

static bool number_after(struct sqlite_store *self, struct text machine,
                         const struct store_where *where, struct text id, int64_t *number,
                         struct fault *fault) {
    *number = 0;
    if (!text_given(id)) {
        return true;
    }
    if (!number_of(self, machine, id, number, fault) ||
        (*number == 0 && where != NULL && text_given(where->former_machine) &&
         !number_of(self, where->former_machine, id, number, fault))) {
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
    if (!number_after(sqlite_of(store), machine, where, after, &from.number, fault) ||
        !scan_start(&scan, sqlite_of(store), machine, where, from, &any, fault)) {
        return false;
    }
    *ids = ARENA_ARRAY(arena, struct text, (size_t)limit);
    scan.data = data_of(arena, where);
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
    scan.data = data_of(&arena, where);
    bool by_kind =
        scan.data.count == 0 && scan.updated_before_us == 0 && scan.updated_since_us == 0;
    bool fine =
        !any || (by_kind ? count_kinds(&scan, count, fault) : count_rows(&scan, count, fault));
    scan_stop(&scan);
    arena_deinit(&arena);
    return fine;
}
