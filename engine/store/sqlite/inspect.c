/* inspect.c: plain SQL over the tables of schema/sqlite_*.sql. Each check is one query
 * whose every row is a problem, as a sentence. The connection is read-only, so it can never
 * checkpoint (SQLite up to 3.51.2 may corrupt a log that two connections reset). */
#include "store/sqlite/driver.h"

#define BUSY_MS 5000

static const char SET_UP[] = "PRAGMA cache_size = -16384"; /* KiB; an index is read in any order */

static const char *const checks[] = {
    "SELECT 'SQLite: ' || integrity_check FROM pragma_integrity_check(20) "
    "WHERE integrity_check <> 'ok'",

    "SELECT 'records are missing from the audit: ' || (max(position) - count(*)) || ' of ' || "
    "max(position) FROM audit HAVING count(*) <> coalesce(max(position), 0)",

    /* Of entities without a gap none need be looked up. */
    "SELECT 'audit record ' || uuid || ' is of an entity whose row is gone' FROM "
    "(SELECT coalesce(max(number), 0) AS most, coalesce(max(number), 0) = count(*) AS whole "
    "FROM entity) n CROSS JOIN audit a WHERE CASE WHEN n.whole THEN a.entity NOT BETWEEN 1 AND "
    "n.most ELSE a.entity NOT IN (SELECT number FROM entity) END LIMIT 20",

    "SELECT 'rows are missing from the entities: ' || (max(number) - count(*)) || ' of ' || "
    "max(number) FROM entity HAVING count(*) <> coalesce(max(number), 0)",

    "SELECT m.name || ' ''' || e.id || ''': the index of states says otherwise than the entity' "
    "FROM entity e JOIN machine m ON m.id = e.machine "
    "LEFT JOIN entity_block b ON b.block = e.number / 2000 "
    "WHERE coalesce(hex(substr(b.kinds, 1 + 2 * (e.number % 2000), 2)), '') "
    "<> printf('%02X%02X', e.kind & 255, e.kind >> 8) LIMIT 20",

    "SELECT m.name || ' ''' || e.id || ''': is in a state that is of no machine' FROM entity e "
    "JOIN machine m ON m.id = e.machine LEFT JOIN kind k ON k.id = e.kind AND k.machine = "
    "e.machine "
    "WHERE e.kind <> 0 AND k.id IS NULL LIMIT 20",
};

static bool fail(sqlite3 *database, const char *path, struct fault *fault) {
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "the store %s: %s", path,
                     database != NULL ? sqlite3_errmsg(database) : "no memory");
}

static bool for_rows(sqlite3 *database, const char *path, const char *sql, inspect_report *each,
                     void *context, struct fault *fault) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *bytes = (const char *)sqlite3_column_text(statement, 0);
        each(context, bytes != NULL
                          ? (struct text){bytes, (size_t)sqlite3_column_bytes(statement, 0)}
                          : TEXT(""));
        code = SQLITE_OK;
    }
    bool fine = code == SQLITE_DONE || fail(database, path, fault);
    sqlite3_finalize(statement);
    return fine;
}

/* Runs each of the queries on a connection of its own. */
static bool query(struct text place, const char *const *queries, size_t count, inspect_report *each,
                  void *context, struct fault *fault) {
    struct arena arena;
    sqlite3 *database = NULL;
    arena_init(&arena, 0);
    const char *path = text_cstring(&arena, place);
    bool fine = sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK ||
                fail(database, path, fault);
    if (fine) {
        sqlite3_busy_timeout(database, BUSY_MS);
        sqlite3_exec(database, SET_UP, NULL, NULL, NULL);
    }
    for (size_t i = 0; i < count && fine; i++) {
        fine = for_rows(database, path, queries[i], each, context, fault);
    }
    sqlite3_close(database);
    arena_deinit(&arena);
    return fine;
}

bool sqlite_inspect_file(struct text place, inspect_report *report, void *context,
                         struct fault *fault) {
    return query(place, checks, sizeof checks / sizeof checks[0], report, context, fault);
}

static void keep_integer(void *context, struct text text) {
    int64_t *out = context;
    if (!text_to_integer(text, out)) {
        *out = 0;
    }
}

bool sqlite_inspect_schema(struct text place, int64_t *version, struct fault *fault) {
    static const char *const sql[] = {"SELECT max(version) FROM schema_version"};
    *version = 0;
    return query(place, sql, 1, keep_integer, version, fault);
}

/* 0: an empty file; 2: as version 1 made it, or the table is missing; more: with oldest_program. */
static const char COUNT_COLUMNS[] =
    "SELECT CASE (SELECT count(*) FROM sqlite_schema) WHEN 0 THEN 0 ELSE "
    "max(2, (SELECT count(*) FROM pragma_table_info('schema_version'))) END";
static const char LIST_FIRST_VERSIONS[] =
    "SELECT version || ' ' || applied_us || ' ' || version FROM schema_version ORDER BY version";
static const char LIST_VERSIONS[] =
    "SELECT version || ' ' || applied_us || ' ' || coalesce(oldest_program, version) "
    "FROM schema_version ORDER BY version";

bool sqlite_inspect_versions(struct text place, inspect_report *report, void *context,
                             struct fault *fault) {
    const char *look = COUNT_COLUMNS;
    int64_t columns = 0;
    if (!query(place, &look, 1, keep_integer, &columns, fault)) {
        return false;
    }
    const char *list = columns > 2 ? LIST_VERSIONS : LIST_FIRST_VERSIONS;
    return columns == 0 || query(place, &list, 1, report, context, fault);
}

struct machines {
    struct arena *arena;
    struct text *items;
    size_t count, capacity;
};

static void keep_name(void *context, struct text name) {
    struct machines *found = context;
    if (found->count == found->capacity) {
        size_t capacity = found->capacity == 0 ? 16 : found->capacity * 2;
        struct text *items = ARENA_ARRAY(found->arena, struct text, capacity);
        if (found->count > 0) {
            memcpy(items, found->items, found->count * sizeof *items);
        }
        found->items = items;
        found->capacity = capacity;
    }
    found->items[found->count++] = text_copy(found->arena, name);
}

bool sqlite_inspect_machines(struct text place, struct arena *arena, struct text **names,
                             size_t *count, struct fault *fault) {
    static const char *const sql[] = {"SELECT name FROM machine ORDER BY name"};
    struct machines found = {.arena = arena};
    if (!query(place, sql, 1, keep_name, &found, fault)) {
        return false;
    }
    *names = found.items;
    *count = found.count;
    return true;
}

struct text sqlite_library(struct arena *arena) {
    return text_print(arena, "SQLite %s", sqlite3_libversion());
}
