/* list.c: entities of one machine, in the order of their numbers.
 *
 * The server compares machine, state and time, and looks for the traces of the data that is asked
 * for (store/where.h); what passes is compared here, exactly, as in every store. So with a
 * condition on data rows are read in pieces until enough of them fit.
 *
 * What a writing transaction counts it is alone in changing (guard.c).
 *
 * A number is given when a row is written and seen when it is committed: with several writers an
 * entity may appear before others that a page has shown already. */
#include "store/cursor.h"
#include "store/index.h"
#include "store/postgres/entity.h"
#include "store/postgres/index.h"
#include "store/where.h"

#define PIECE_WITH_DATA 256 /* rows: at the most 256 times the largest data in memory */
#define PIECE           10000
#define PIECE_OF_LIST   64 /* rows come with their data; a page is full at 1 MiB of it */

/* Of one machine the server goes through the index in order; with a former name, through all. */
#define OF_ONE          "e.machine = $1 "
#define OF_BOTH(former) "e.machine IN ($1, " former ") "
#define CONDITIONS(machines, side, to)                                                             \
    machines "AND e.number " side " $2::bigint AND e.number " to " $7::bigint "                    \
             "AND e.state IS NOT NULL "                                                            \
             "AND ($3::text[] IS NULL OR e.state = ANY($3::text[])) "                              \
             "AND ($4::bigint = 0 OR e.updated_us < $4::bigint) "                                  \
             "AND ($5::text[] IS NULL OR NOT EXISTS "                                              \
             "(SELECT 1 FROM unnest($5::text[]) t(trace) WHERE strpos(e.data, t.trace) = 0)) "     \
             "AND e.updated_us >= $6::bigint "

/* Data is sent only when somebody wants it. */
#define LIST_OF                                                                                    \
    "SELECT " ENTITY_COLUMNS "CASE WHEN $9::boolean THEN e.data END FROM entity e WHERE "
#define UP   "ORDER BY e.number LIMIT $8::bigint"
#define DOWN "ORDER BY e.number DESC LIMIT $8::bigint"
static const char LIST[] = LIST_OF CONDITIONS(OF_ONE, ">", "<=") UP;
static const char LIST_DOWN[] = LIST_OF CONDITIONS(OF_ONE, "<", ">=") DOWN;
static const char LIST_BOTH[] = LIST_OF CONDITIONS(OF_BOTH("$10"), ">", "<=") UP;
static const char LIST_BOTH_DOWN[] = LIST_OF CONDITIONS(OF_BOTH("$10"), "<", ">=") DOWN;
/* By an index, in the order of its numbers. */
#define INDEXED(side, to, order)                                                                   \
    "SELECT " ENTITY_COLUMNS "CASE WHEN $9::boolean THEN e.data END FROM index_value i "           \
    "JOIN entity e ON e.number = i.number WHERE i.field = $10::bigint AND i.value = $11 "          \
    "AND i.number " side                                                                           \
    " $2::bigint AND " CONDITIONS(OF_ONE, side, to) "ORDER BY i.number " order " LIMIT $8::bigint"
static const char LIST_INDEXED[] = INDEXED(">", "<=", "ASC");
static const char LIST_INDEXED_DOWN[] = INDEXED("<", ">=", "DESC");
static const char COUNT[] = "SELECT count(*) FROM entity e WHERE " CONDITIONS(OF_ONE, ">", "<=");
static const char COUNT_BOTH[] =
    "SELECT count(*) FROM entity e WHERE " CONDITIONS(OF_BOTH("$8"), ">", "<=");
/* The last of so many entities, or of so many entries of an index. */
#define LAST_OF(of, side, order)                                                                   \
    "SELECT number FROM " of "AND number " side " $2::bigint ORDER BY number " order               \
    " OFFSET $3::bigint LIMIT 1"
#define ENTITIES "entity WHERE machine = $1 "
#define BOTH     "entity WHERE machine IN ($1, $4) "
#define ENTRIES  "index_value WHERE field = $1::bigint AND value = $4 "
static const char LAST[] = LAST_OF(ENTITIES, ">", "ASC");
static const char LAST_DOWN[] = LAST_OF(ENTITIES, "<", "DESC");
static const char LAST_BOTH[] = LAST_OF(BOTH, ">", "ASC");
static const char LAST_BOTH_DOWN[] = LAST_OF(BOTH, "<", "DESC");
static const char LAST_INDEXED[] = LAST_OF(ENTRIES, ">", "ASC");
static const char LAST_INDEXED_DOWN[] = LAST_OF(ENTRIES, "<", "DESC");
static const char FIND_NUMBER[] = "SELECT number FROM entity WHERE machine IN ($1, $3) AND id = $2 "
                                  "ORDER BY (machine = $1) DESC LIMIT 1";

struct scan {
    struct postgres_store *self;
    struct arena *arena; /* of the caller */
    struct text machine;
    const struct store_where *where;
    struct where data;
    bool with_data;    /* rows bring their data */
    int64_t index;     /* the id of the index that is asked; 0: none */
    struct text value; /* of it */
    bool newest;       /* it goes down */
    int64_t look_most; /* 0: all */
    int64_t end;       /* the last number to look at */
    bool is_cut;       /* there are more behind it */
    int64_t after;     /* the last number looked at */
    int64_t piece;     /* rows asked for at once */
    bool over;         /* the latest piece was the last */
    const PGresult *rows;
    int next; /* row of the piece */
};

static void scan_init(struct scan *scan, struct postgres_store *self, struct arena *arena,
                      struct text machine, const struct store_where *where) {
    static const struct store_where everything = {0};
    *scan = (struct scan){.self = self,
                          .arena = arena,
                          .machine = machine,
                          .where = where != NULL ? where : &everything};
    scan->data = where_of(arena, scan->where->data, scan->where->defaults);
    scan->with_data = scan->data.count > 0;
    scan->piece = scan->with_data ? PIECE_WITH_DATA : PIECE;
    scan->end = INT64_MAX;
}

/* --- what is asked --- */

static void add_traces(struct values *values, const struct where *where) {
    struct array traces;
    array_init_texts(&traces, values->arena);
    for (size_t i = 0; i < where->count; i++) {
        if (text_given(where->values[i].trace)) {
            array_add_text(&traces, where->values[i].trace);
        }
    }
    if (traces.count > 0) {
        values_add_array(values, &traces);
    } else {
        values_add_text(values, TEXT_NONE);
    }
}

static void add_conditions(struct values *values, const struct scan *scan) {
    values_init(values, &scan->self->scratch);
    values_add_text(values, scan->machine);
    values_add_integer(values, scan->after);
    if (scan->where->state_count > 0) {
        values_add_texts(values, scan->where->states, scan->where->state_count);
    } else {
        values_add_text(values, TEXT_NONE);
    }
    values_add_integer(values, scan->where->updated_before_us);
    add_traces(values, &scan->data);
    values_add_integer(values, scan->where->updated_since_us);
    values_add_integer(values, scan->end);
}

/* The last parameter of statements that take a former name. */
static bool with_former(struct values *values, const struct scan *scan) {
    bool given = text_given(scan->where->former_machine);
    if (given) {
        values_add_text(values, scan->where->former_machine);
    }
    return given;
}

static const char *list_of(const struct scan *scan, bool both) {
    if (scan->index != 0) {
        return scan->newest ? LIST_INDEXED_DOWN : LIST_INDEXED;
    }
    return both ? (scan->newest ? LIST_BOTH_DOWN : LIST_BOTH) : (scan->newest ? LIST_DOWN : LIST);
}

static const char *last_of(const struct scan *scan, bool both) {
    if (scan->index != 0) {
        return scan->newest ? LAST_INDEXED_DOWN : LAST_INDEXED;
    }
    return both ? (scan->newest ? LAST_BOTH_DOWN : LAST_BOTH) : (scan->newest ? LAST_DOWN : LAST);
}

/* The first condition on data that an index knows. */
static bool choose_index(struct scan *scan, struct fault *fault) {
    const struct js *data = scan->where->data;
    for (size_t i = 0; js_is(data, JS_OBJECT) && i < data->object.count && scan->index == 0; i++) {
        const struct js_member *member = &data->object.members[i];
        if (!index_serves(scan->where, member)) {
            continue;
        }
        if (!postgres_index_find(scan->self, scan->machine, member->key, &scan->index, fault)) {
            return false;
        }
        scan->value = index_value(scan->arena, member->value);
    }
    return true;
}

/* Where to stop looking. */
static bool find_end(struct scan *scan, struct fault *fault) {
    struct values values;
    if (scan->look_most == 0) {
        return true;
    }
    values_init(&values, &scan->self->scratch);
    if (scan->index != 0) {
        values_add_integer(&values, scan->index);
    } else {
        values_add_text(&values, scan->machine);
    }
    values_add_integer(&values, scan->after);
    values_add_integer(&values, scan->look_most - 1);
    bool both = with_former(&values, scan);
    if (scan->index != 0) {
        values_add_text(&values, scan->value);
    }
    if (!postgres_run(scan->self, last_of(scan, both), &values, fault)) {
        return false;
    }
    const PGresult *found = wire_result(&scan->self->wire, 0);
    scan->is_cut = PQntuples(found) > 0;
    scan->end = scan->is_cut ? cell_integer(found, 0, 0) : scan->end;
    return true;
}

static bool read_piece(struct scan *scan, struct fault *fault) {
    struct values values;
    arena_reset(&scan->self->scratch);
    if (scan->rows == NULL && (!choose_index(scan, fault) || !find_end(scan, fault))) {
        return false;
    }
    arena_reset(&scan->self->scratch);
    add_conditions(&values, scan);
    values_add_integer(&values, scan->piece);
    values_add_bool(&values, scan->with_data);
    bool both = with_former(&values, scan);
    if (scan->index != 0) {
        values_add_integer(&values, scan->index);
        values_add_text(&values, scan->value);
    }
    if (!postgres_run(scan->self, list_of(scan, both), &values, fault)) {
        return false;
    }
    scan->rows = wire_result(&scan->self->wire, 0);
    scan->next = 0;
    scan->over = PQntuples(scan->rows) < scan->piece;
    return true;
}

/* --- rows that fit --- */

static bool row_fits(struct scan *scan, int row, bool *fits, struct fault *fault) {
    *fits = scan->data.count == 0;
    if (*fits) {
        return true;
    }
    arena_reset(&scan->self->scratch);
    return where_fits(&scan->data, &scan->self->scratch, cell_lent(scan->rows, row, ENTITY_DATA),
                      fits, fault);
}

/* *row is a row of scan->rows, until the next call; -1 after the last one. */
static bool next_row(struct scan *scan, int *row, struct fault *fault) {
    for (;;) {
        bool fits;
        if (scan->rows == NULL || scan->next == PQntuples(scan->rows)) {
            *row = -1;
            if (scan->over) {
                return true;
            }
            if (!read_piece(scan, fault)) {
                return false;
            }
            continue;
        }
        *row = scan->next++;
        if (!row_fits(scan, *row, &fits, fault)) {
            return false;
        }
        scan->after = cell_integer(scan->rows, *row, ENTITY_NUMBER);
        if (fits) {
            return true;
        }
    }
}

/* --- lists --- */

static bool take_entity(struct scan *scan, int row, struct entity *out, struct fault *fault) {
    *out = (struct entity){.machine = scan->machine,
                           .id = cell_text(scan->arena, scan->rows, row, ENTITY_ID)};
    return postgres_entity_of_row(scan->arena, scan->rows, row, out, fault);
}

/* Takes up to `limit` entities and STORE_PAGE_BYTES; *last is the number of the last one, if there
 * are more behind it.
 */
static bool take_page(struct scan *scan, size_t limit, struct entity *items, size_t *count,
                      int64_t *last, struct fault *fault) {
    int64_t bytes = 0;
    for (*count = 0, *last = 0;; ++*count) {
        int row;
        int64_t before = scan->after;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        bytes += row < 0 ? 0 : PQgetlength(scan->rows, row, ENTITY_DATA);
        if (row < 0 || *count == limit || (*count > 0 && bytes > STORE_PAGE_BYTES)) {
            int64_t end = scan->is_cut ? scan->end : 0;
            *last = row < 0 ? end : before;
            return true;
        }
        if (!take_entity(scan, row, &items[*count], fault)) {
            return false;
        }
    }
}

bool postgres_list(struct store *store, struct arena *arena, struct text machine,
                   const struct store_where *where, const struct store_page *page,
                   struct entity **items, size_t *count, struct text *next, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct scan scan;
    size_t limit = (size_t)page->limit;
    int64_t last = 0;
    char of = cursor_of(CURSOR_ENTITIES, page->newest);
    bool own;
    *count = 0;
    *next = TEXT_NONE;
    scan_init(&scan, self, arena, text_copy(arena, machine), where);
    scan.piece = scan.with_data || page->limit >= PIECE_OF_LIST ? PIECE_OF_LIST : page->limit + 1;
    scan.with_data = true;
    scan.newest = page->newest;
    scan.look_most = page->look_most;
    scan.end = page->newest ? 0 : INT64_MAX;
    if (!cursor_parse(page->cursor, of, &scan.after, fault)) {
        return false;
    }
    scan.after = page->newest && scan.after == 0 ? INT64_MAX : scan.after;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    *items = ARENA_ARRAY(arena, struct entity, limit);
    bool taken = take_page(&scan, limit, *items, count, &last, fault);
    if (last != 0) {
        *next = cursor_print(arena, of, last);
    }
    return postgres_leave(self, own, taken, fault);
}

static bool number_after(struct scan *scan, struct text id, struct fault *fault) {
    struct values values;
    if (!text_given(id)) {
        return true;
    }
    values_init(&values, &scan->self->scratch);
    values_add_text(&values, scan->machine);
    values_add_text(&values, id);
    values_add_text(&values, text_given(scan->where->former_machine) ? scan->where->former_machine
                                                                     : scan->machine);
    if (!postgres_run(scan->self, FIND_NUMBER, &values, fault)) {
        return false;
    }
    const PGresult *found = wire_result(&scan->self->wire, 0);
    if (PQntuples(found) == 0) {
        return fault_set(fault, FAULT_BAD_REQUEST, "there is no %.*s %.*s to go on after",
                         TEXT_ARGS(scan->machine), TEXT_ARGS(id));
    }
    scan->after = cell_integer(found, 0, 0);
    return true;
}

static bool take_ids(struct scan *scan, size_t limit, struct text *ids, size_t *count,
                     struct fault *fault) {
    for (*count = 0; *count < limit; ++*count) {
        int row;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        if (row < 0) {
            return true;
        }
        ids[*count] = cell_text(scan->arena, scan->rows, row, ENTITY_ID);
    }
    return true;
}

bool postgres_list_ids(struct store *store, struct arena *arena, struct text machine,
                       const struct store_where *where, struct text after, int64_t limit,
                       struct text **ids, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct scan scan;
    bool own;
    *count = 0;
    scan_init(&scan, self, arena, machine, where);
    scan.piece = limit < scan.piece ? limit : scan.piece;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    *ids = ARENA_ARRAY(arena, struct text, (size_t)limit);
    return postgres_leave(self, own,
                          number_after(&scan, after, fault) &&
                              take_ids(&scan, (size_t)limit, *ids, count, fault),
                          fault);
}

/* --- counts --- */

static bool count_on_server(struct scan *scan, int64_t *count, struct fault *fault) {
    struct values values;
    add_conditions(&values, scan);
    if (!postgres_run(scan->self, with_former(&values, scan) ? COUNT_BOTH : COUNT, &values,
                      fault)) {
        return false;
    }
    *count = cell_integer(wire_result(&scan->self->wire, 0), 0, 0);
    return true;
}

static bool count_rows(struct scan *scan, int64_t *count, struct fault *fault) {
    for (*count = 0;; ++*count) {
        int row;
        if (!next_row(scan, &row, fault)) {
            return false;
        }
        if (row < 0) {
            return true;
        }
    }
}

bool postgres_count(struct store *store, struct text machine, const struct store_where *where,
                    int64_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct arena arena;
    struct scan scan;
    bool own;
    *count = 0;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    arena_init(&arena, 0);
    scan_init(&scan, self, &arena, machine, where);
    bool counted = postgres_guard(store, &machine, 1, fault) &&
                   (scan.data.count == 0 ? count_on_server(&scan, count, fault)
                                         : count_rows(&scan, count, fault));
    arena_deinit(&arena);
    return postgres_leave(self, own, counted, fault);
}
