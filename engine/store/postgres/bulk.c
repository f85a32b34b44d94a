/* bulk.c: long-running bulk work: what was asked, its members in order, its errors.
 */
#include "store/postgres/driver.h"

#include "store/cursor.h"

#define BULK_COLUMNS                                                                               \
    "id, request, status, total, position, succeeded, failed, created_us, updated_us, "            \
    "execution_us, skipped"
#define BULK_READ BULK_COLUMNS ", number"

static const char ADD_BULK[] =
    "WITH b AS (INSERT INTO bulk (" BULK_COLUMNS ") VALUES ($1, $2, $3::bigint, $4::bigint, "
    "$5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::bigint, $12::bigint) "
    "RETURNING number) "
    "INSERT INTO bulk_member (bulk, position, entity_id) SELECT b.number, m.n - 1, m.id "
    "FROM b CROSS JOIN unnest($11::text[]) WITH ORDINALITY m(id, n)";
static const char FIND_BULK[] = "SELECT " BULK_READ " FROM bulk WHERE id = $1";
static const char LIST_BULKS[] =
    "SELECT " BULK_READ " FROM bulk WHERE status = $1::bigint ORDER BY number";
static const char PAGE_BULKS[] = "SELECT " BULK_READ " FROM bulk WHERE number < $1::bigint "
                                 "AND ($2::bigint < 0 OR status = $2::bigint) "
                                 "AND ($3::text IS NULL OR request::json->>'machine' = $3) "
                                 "ORDER BY number DESC LIMIT $4::bigint";
static const char LIST_MEMBERS[] =
    "SELECT m.entity_id FROM bulk b JOIN bulk_member m ON m.bulk = b.number "
    "WHERE b.id = $1 AND m.position >= $2::bigint ORDER BY m.position LIMIT $3::bigint";
static const char SAVE_BULK[] =
    "UPDATE bulk SET status = $2::bigint, total = $3::bigint, position = $4::bigint, "
    "succeeded = $5::bigint, failed = $6::bigint, updated_us = $7::bigint, "
    "execution_us = $8::bigint, skipped = $9::bigint WHERE id = $1";
static const char ADD_ERRORS[] =
    "INSERT INTO bulk_error (bulk, entity_id, code, message) "
    "SELECT b.number, u.entity_id, u.code, u.message FROM bulk b CROSS JOIN "
    "unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY u(entity_id, code, message, n) "
    "WHERE b.id = $1 ORDER BY u.n";
static const char LIST_ERRORS[] =
    "SELECT r.entity_id, r.code, r.message FROM bulk b JOIN bulk_error r ON r.bulk = b.number "
    "WHERE b.id = $1 ORDER BY r.number LIMIT $2::bigint";

/* --- changing --- */

static bool add_bulk(struct store *store, const struct store_bulk *bulk, const struct text *ids,
                     size_t count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_WRITE, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, bulk->id);
    values_add_given(&values, bulk->request);
    values_add_integer(&values, bulk->status);
    values_add_integer(&values, bulk->total);
    values_add_integer(&values, bulk->position);
    values_add_integer(&values, bulk->succeeded);
    values_add_integer(&values, bulk->failed);
    values_add_integer(&values, bulk->created_us);
    values_add_integer(&values, bulk->updated_us);
    values_add_integer(&values, bulk->execution_us);
    values_add_texts(&values, ids, count);
    values_add_integer(&values, bulk->skipped);
    return postgres_leave(self, own, postgres_run(self, ADD_BULK, &values, fault), fault);
}

static void queue_row(struct postgres_store *self, const struct store_bulk *bulk) {
    struct values values;
    values_init(&values, &self->scratch);
    values_add_text(&values, bulk->id);
    values_add_integer(&values, bulk->status);
    values_add_integer(&values, bulk->total);
    values_add_integer(&values, bulk->position);
    values_add_integer(&values, bulk->succeeded);
    values_add_integer(&values, bulk->failed);
    values_add_integer(&values, bulk->updated_us);
    values_add_integer(&values, bulk->execution_us);
    values_add_integer(&values, bulk->skipped);
    postgres_queue(self, SAVE_BULK, &values);
}

static struct text given(struct text text) {
    return text_given(text) ? text : TEXT("");
}

static void queue_errors(struct postgres_store *self, struct text id,
                         const struct store_bulk_error *errors, size_t count) {
    struct values values;
    struct array entities, codes, messages;
    array_init_texts(&entities, &self->scratch);
    array_init_texts(&codes, &self->scratch);
    array_init_texts(&messages, &self->scratch);
    for (size_t i = 0; i < count; i++) {
        array_add_text(&entities, given(errors[i].entity_id));
        array_add_text(&codes, given(errors[i].code));
        array_add_text(&messages, given(errors[i].message));
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, id);
    values_add_array(&values, &entities);
    values_add_array(&values, &codes);
    values_add_array(&values, &messages);
    postgres_queue(self, ADD_ERRORS, &values);
}

static bool save_whole(struct postgres_store *self, const struct store_bulk *bulk,
                       const struct store_bulk_error *errors, size_t count, struct fault *fault) {
    queue_row(self, bulk);
    if (count > 0) {
        queue_errors(self, bulk->id, errors, count);
    }
    return wire_run(&self->wire, fault) &&
           (wire_changed(&self->wire, 0) > 0 ||
            fault_set(fault, FAULT_NOT_FOUND, "there is no batch %.*s", TEXT_ARGS(bulk->id)));
}

static bool save_bulk(struct store *store, const struct store_bulk *bulk,
                      const struct store_bulk_error *errors, size_t error_count,
                      struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    return postgres_enter(self, STORE_WRITE, &own, fault) &&
           postgres_leave(self, own, save_whole(self, bulk, errors, error_count, fault), fault);
}

/* --- reading --- */

static struct store_bulk bulk_of_row(struct arena *arena, const PGresult *rows, int row) {
    return (struct store_bulk){.id = cell_text(arena, rows, row, 0),
                               .request = cell_text(arena, rows, row, 1),
                               .status = (enum bulk_status)cell_integer(rows, row, 2),
                               .total = cell_integer(rows, row, 3),
                               .position = cell_integer(rows, row, 4),
                               .succeeded = cell_integer(rows, row, 5),
                               .failed = cell_integer(rows, row, 6),
                               .created_us = cell_integer(rows, row, 7),
                               .updated_us = cell_integer(rows, row, 8),
                               .execution_us = cell_integer(rows, row, 9),
                               .skipped = cell_integer(rows, row, 10),
                               .number = cell_integer(rows, row, 11)};
}

static void bulks_of_rows(struct arena *arena, const PGresult *rows, struct store_bulk **items,
                          size_t *count) {
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_bulk, *count);
    for (size_t i = 0; i < *count; i++) {
        (*items)[i] = bulk_of_row(arena, rows, (int)i);
    }
}

static bool find_bulk(struct store *store, struct arena *arena, struct text id,
                      struct store_bulk **out, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    size_t count;
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, id);
    bool found = postgres_run(self, FIND_BULK, &values, fault);
    bulks_of_rows(arena, found ? wire_result(&self->wire, 0) : NULL, out, &count);
    *out = count > 0 ? *out : NULL;
    return postgres_leave(self, own, found, fault);
}

static bool list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                       struct store_bulk **items, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_integer(&values, status);
    bool found = postgres_run(self, LIST_BULKS, &values, fault);
    bulks_of_rows(arena, found ? wire_result(&self->wire, 0) : NULL, items, count);
    return postgres_leave(self, own, found, fault);
}

static bool page_bulks(struct store *store, struct arena *arena,
                       const struct store_bulk_search *search, const struct store_page *page,
                       struct store_bulk **items, size_t *count, struct text *next,
                       struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    int64_t before;
    bool own;
    *next = TEXT_NONE;
    if (!cursor_parse(page->cursor, CURSOR_BULKS, &before, fault) ||
        !postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_integer(&values, before != 0 ? before : INT64_MAX);
    values_add_integer(&values, search->status);
    values_add_text(&values, search->machine);
    values_add_integer(&values, page->limit + 1);
    bool found = postgres_run(self, PAGE_BULKS, &values, fault);
    bulks_of_rows(arena, found ? wire_result(&self->wire, 0) : NULL, items, count);
    cursor_cut_bulks(arena, page, *items, count, next);
    return postgres_leave(self, own, found, fault);
}

static bool bulk_members(struct store *store, struct arena *arena, struct text id, int64_t position,
                         int64_t limit, struct text **ids, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, id);
    values_add_integer(&values, position);
    values_add_integer(&values, limit);
    bool found = postgres_run(self, LIST_MEMBERS, &values, fault);
    const PGresult *rows = found ? wire_result(&self->wire, 0) : NULL;
    *count = (size_t)PQntuples(rows);
    *ids = ARENA_ARRAY(arena, struct text, *count);
    for (size_t i = 0; i < *count; i++) {
        (*ids)[i] = cell_text(arena, rows, (int)i, 0);
    }
    return postgres_leave(self, own, found, fault);
}

static bool bulk_errors(struct store *store, struct arena *arena, struct text id, int64_t limit,
                        struct store_bulk_error **items, size_t *count, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    struct values values;
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    values_init(&values, &self->scratch);
    values_add_text(&values, id);
    values_add_integer(&values, limit);
    bool found = postgres_run(self, LIST_ERRORS, &values, fault);
    const PGresult *rows = found ? wire_result(&self->wire, 0) : NULL;
    *count = (size_t)PQntuples(rows);
    *items = ARENA_ARRAY(arena, struct store_bulk_error, *count);
    for (size_t i = 0; i < *count; i++) {
        (*items)[i] = (struct store_bulk_error){.entity_id = cell_text(arena, rows, (int)i, 0),
                                                .code = cell_text(arena, rows, (int)i, 1),
                                                .message = cell_text(arena, rows, (int)i, 2)};
    }
    return postgres_leave(self, own, found, fault);
}

const struct store_bulk_driver postgres_bulks = {
    .add = add_bulk,
    .find = find_bulk,
    .members = bulk_members,
    .save = save_bulk,
    .errors = bulk_errors,
    .list = list_bulks,
    .page = page_bulks,
};
