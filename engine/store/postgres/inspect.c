/* inspect.c: plain SQL over the tables of schema/postgres_*.sql, in one read-only
 * transaction of a connection of its own. Each check is one query whose every row is a problem, as
 * a sentence. Chains are core/verify.h's; here is only what it cannot see: it reaches records by
 * their entity, and compares with their newest record only entities that exist. Nothing limits how
 * long a check may take, since it reads the whole audit. */
#include "store/postgres/driver.h"

#include <stdlib.h>

static const char *const checks[] = {
    "SELECT 'audit record ' || a.uuid || ' is of an entity whose row is gone' FROM audit a "
    "WHERE NOT EXISTS (SELECT FROM entity e WHERE e.number = a.entity) LIMIT 20",

    "SELECT e.machine || ' ''' || e.id || ''': was never created, and its newest record should be "
    "' "
    "|| e.audit_sequence || ', but the chain ends with ' || coalesce(a.sequence, 0) FROM entity e "
    "LEFT JOIN LATERAL (SELECT sequence FROM audit WHERE entity = e.number "
    "ORDER BY sequence DESC LIMIT 1) a ON true "
    "WHERE e.state IS NULL AND coalesce(a.sequence, 0) <> e.audit_sequence LIMIT 20",

    "SELECT 'a deadline to ''' || d.to_state || ''' is of an entity whose row is gone' "
    "FROM deadline d WHERE NOT EXISTS (SELECT FROM entity e WHERE e.number = d.entity) LIMIT 20",
};

static const char BEGIN[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
static const char READ_SCHEMA[] = "SELECT coalesce(max(version), 0) FROM schema_version";
/* 0 for a database without tables of ours, and also without any that would be in our way. */
static const char COUNT_TABLES[] =
    "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() "
    "AND tablename IN ('schema_version', 'entity')";
/* By way of JSON, since version 1 has no column oldest_program. */
static const char LIST_VERSIONS[] =
    "SELECT version || ' ' || applied_us || ' ' || "
    "coalesce(to_jsonb(s) ->> 'oldest_program', version::text) FROM schema_version s "
    "ORDER BY version";
static const char LIST_MACHINES[] = "SELECT DISTINCT machine FROM entity ORDER BY machine";

static bool open_wire(struct wire *wire, struct text place, struct fault *fault) {
    struct arena arena;
    arena_init(&arena, 0);
    struct text url = text_print(&arena, "postgresql:%.*s", TEXT_ARGS(place));
    bool opened = wire_init(wire, url, fault) && wire_connect(wire, fault) &&
                  wire_execute(wire, BEGIN, NULL, fault);
    arena_deinit(&arena);
    return opened;
}

static struct text cell(const PGresult *rows, int row) {
    return (struct text){PQgetvalue(rows, row, 0), (size_t)PQgetlength(rows, row, 0)};
}

static bool report_rows(struct wire *wire, const char *sql, inspect_report *report, void *context,
                        struct fault *fault) {
    PGresult *rows;
    if (!wire_execute(wire, sql, &rows, fault)) {
        return false;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        report(context, cell(rows, row));
    }
    PQclear(rows);
    return true;
}

bool postgres_inspect_file(struct text place, inspect_report *report, void *context,
                           struct fault *fault) {
    struct wire wire;
    bool fine = open_wire(&wire, place, fault);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && fine; i++) {
        fine = report_rows(&wire, checks[i], report, context, fault);
    }
    wire_deinit(&wire);
    return fine;
}

static void keep_integer(void *context, struct text text) {
    int64_t *out = context;
    if (!text_to_integer(text, out)) {
        *out = 0;
    }
}

bool postgres_inspect_schema(struct text place, int64_t *version, struct fault *fault) {
    struct wire wire;
    *version = 0;
    bool fine = open_wire(&wire, place, fault) &&
                report_rows(&wire, READ_SCHEMA, keep_integer, version, fault);
    wire_deinit(&wire);
    return fine;
}

bool postgres_inspect_versions(struct text place, inspect_report *report, void *context,
                               struct fault *fault) {
    struct wire wire;
    int64_t tables = 0;
    bool fine = open_wire(&wire, place, fault) &&
                report_rows(&wire, COUNT_TABLES, keep_integer, &tables, fault) &&
                (tables == 0 || report_rows(&wire, LIST_VERSIONS, report, context, fault));
    wire_deinit(&wire);
    return fine;
}

static void keep_names(struct arena *arena, const PGresult *rows, struct text **names,
                       size_t *count) {
    *count = (size_t)PQntuples(rows);
    *names = ARENA_ARRAY(arena, struct text, *count);
    for (size_t i = 0; i < *count; i++) {
        (*names)[i] = text_copy(arena, cell(rows, (int)i));
    }
}

bool postgres_inspect_machines(struct text place, struct arena *arena, struct text **names,
                               size_t *count, struct fault *fault) {
    struct wire wire;
    PGresult *rows;
    bool fine = open_wire(&wire, place, fault) && wire_execute(&wire, LIST_MACHINES, &rows, fault);
    if (fine) {
        keep_names(arena, rows, names, count);
        PQclear(rows);
    }
    wire_deinit(&wire);
    return fine;
}

struct text postgres_library(struct arena *arena) {
    int version = PQlibVersion(); /* 150014 */
    return text_print(arena, "libpq %d.%d", version / 10000, version % 10000);
}
