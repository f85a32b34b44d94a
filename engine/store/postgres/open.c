/* open.c: from a URL to a connection and a schema.
 *
 * Any number of writers may open at once: whoever finds the schema missing or old takes an advisory
 * lock that ends with the transaction, looks again, and applies the next version in that
 * transaction; then the next. All tables are made in the schema that search_path names first.
 *
 * A statement that waits for a table's lock makes everybody wait who comes after it, so a migration
 * waits for a short time only; it may be tried again as often as one likes. */
#include "store/postgres/driver.h"

#include <stdio.h>
#include <stdlib.h>

extern const struct text schema_postgres_001, schema_postgres_002, schema_postgres_003,
    schema_postgres_004, schema_postgres_005;

/* version, oldest_program, SQL, summary. A version 1 program asks no schema how old it may be. */
static const struct migration migrations[] = {
    {1, 1, &schema_postgres_001, "entities, audit, deadlines, outbox, answers, bulks, keys"},
    {2, 2, &schema_postgres_002, "how old a program may be and still use the store"},
    {3, 2, &schema_postgres_003, "locks for applications, and between nodes"},
    {4, 2, &schema_postgres_004, "the statements of batches as functions"},
    {5, 2, &schema_postgres_005, "rules that hold: timers, searches, indexes, counts, renaming"},
};

#define MIGRATION_COUNT (sizeof migrations / sizeof migrations[0])
#define READABLE        1
#define SCHEMA_VERSION  (migrations[MIGRATION_COUNT - 1].version)

/* "STAT" */
#define LOCK_NUMBER "1398030676"

#define SET_TIMEOUTS(lock, statement)                                                              \
    "SET LOCAL lock_timeout = '" lock "'; SET LOCAL statement_timeout = '" statement "'; "         \
    "SET LOCAL idle_in_transaction_session_timeout = '60s'; "                                      \
    "SET LOCAL tcp_user_timeout = '10s'; SET LOCAL client_connection_check_interval = '2s'; "

static const char BEGIN_LOOK[] =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " SET_TIMEOUTS("5s", "20s");
/* Whoever migrates may take long, and all others that want to wait for it; but what is in use is
 * waited for, and held up, for a short time only. */
static const char BEGIN_MIGRATION[] =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; " SET_TIMEOUTS(
        "60s", "600s") "SET LOCAL client_min_messages = 'warning'; SELECT "
                       "pg_advisory_xact_lock(" LOCK_NUMBER "); SET LOCAL lock_timeout = '3s'";
static const char COMMIT[] = "COMMIT";
/* Reads the catalogue, as to_regclass would not: that goes by a cache which may not know yet what
 * was committed while this transaction waited for the lock. */
static const char FIND_TABLES[] = "SELECT coalesce(bool_or(tablename = 'schema_version'), false), "
                                  "coalesce(bool_or(tablename = 'entity'), false) "
                                  "FROM pg_catalog.pg_tables WHERE schemaname = current_schema()";
static const char READ_VERSION[] = "SELECT coalesce(max(version), 0) FROM schema_version";
static const char READ_OLDEST[] =
    "SELECT max(coalesce(oldest_program, version)) FROM schema_version";
static const char ADD_VERSION[] = "INSERT INTO schema_version (version, applied_us) VALUES "
                                  "(%lld, (extract(epoch FROM now()) * 1000000)::bigint)";
static const char SET_OLDEST[] =
    "UPDATE schema_version SET oldest_program = %lld WHERE version = %lld";

/* --- the schema --- */

static bool is_true(const PGresult *result, int column) {
    return PQgetvalue(result, 0, column)[0] == 't';
}

static bool find_tables(struct postgres_store *self, bool *versioned, struct fault *fault) {
    PGresult *found;
    if (!wire_execute(&self->wire, FIND_TABLES, &found, fault)) {
        return false;
    }
    *versioned = is_true(found, 0);
    bool foreign = !*versioned && is_true(found, 1);
    PQclear(found);
    return !foreign ||
           fault_set(fault, FAULT_ENVIRONMENT,
                     "%s has a table \"entity\" of another program: give statute a database or a "
                     "schema of its own",
                     self->wire.name);
}

static bool read_number(struct postgres_store *self, const char *sql, int64_t *out,
                        struct fault *fault) {
    PGresult *found;
    if (!wire_execute(&self->wire, sql, &found, fault)) {
        return false;
    }
    *out = strtoll(PQgetvalue(found, 0, 0), NULL, 10);
    PQclear(found);
    return true;
}

/* A schema that is newer than ours has the column: version 2 made it. */
static bool check_newer(struct postgres_store *self, int64_t version, struct fault *fault) {
    int64_t oldest;
    return version <= SCHEMA_VERSION ||
           (read_number(self, READ_OLDEST, &oldest, fault) &&
            migration_may_use(self->wire.name, version, oldest, SCHEMA_VERSION, fault));
}

/* 0 when there is no schema. */
static bool read_version(struct postgres_store *self, int64_t *version, struct fault *fault) {
    bool versioned;
    *version = 0;
    return find_tables(self, &versioned, fault) &&
           (!versioned || (read_number(self, READ_VERSION, version, fault) &&
                           check_newer(self, *version, fault)));
}

static bool apply(struct postgres_store *self, const struct migration *migration,
                  struct fault *fault) {
    char add[sizeof ADD_VERSION + XID_MOST], set[sizeof SET_OLDEST + 2 * XID_MOST];
    snprintf(add, sizeof add, ADD_VERSION, (long long)migration->version);
    snprintf(set, sizeof set, SET_OLDEST, (long long)migration->oldest_program,
             (long long)migration->version);
    return (wire_execute(&self->wire, migration->sql->bytes, NULL, fault) &&
            wire_execute(&self->wire, add, NULL, fault) &&
            (migration->version < MIGRATION_OLDEST ||
             wire_execute(&self->wire, set, NULL, fault))) ||
           fault_within(fault, "migrating to schema %lld", (long long)migration->version);
}

/* The first that is newer than `version`; NULL: none. */
static const struct migration *migration_after(int64_t version) {
    for (size_t i = 0; i < MIGRATION_COUNT; i++) {
        if (migrations[i].version > version) {
            return &migrations[i];
        }
    }
    return NULL;
}

static bool look_at_version(struct postgres_store *self, int64_t *version, struct fault *fault) {
    return wire_execute(&self->wire, BEGIN_LOOK, NULL, fault) &&
           read_version(self, version, fault) && wire_execute(&self->wire, COMMIT, NULL, fault);
}

/* Applies one version, if another has not done so meanwhile; *version is then what there is. */
static bool migrate_once(struct postgres_store *self, int64_t *version, struct fault *fault) {
    if (!wire_execute(&self->wire, BEGIN_MIGRATION, NULL, fault) ||
        !read_version(self, version, fault)) {
        return false;
    }
    const struct migration *next = migration_after(*version);
    if ((next != NULL && !apply(self, next, fault)) ||
        !wire_execute(&self->wire, COMMIT, NULL, fault)) {
        return false;
    }
    if (next != NULL) {
        *version = next->version;
        self->migrated(self->migrated_context, next->version);
    }
    return true;
}

/* What fails on the way is undone by closing the connection; what was committed before stays. */
static bool migrate(struct postgres_store *self, struct fault *fault) {
    int64_t version;
    bool fine = look_at_version(self, &version, fault);
    while (fine && version < SCHEMA_VERSION) {
        fine = migrate_once(self, &version, fault);
    }
    return fine;
}

static bool check_version(struct postgres_store *self, struct fault *fault) {
    int64_t version;
    return look_at_version(self, &version, fault) &&
           migration_may_read(self->wire.name, version, READABLE, SCHEMA_VERSION, fault);
}

/* --- open and close --- */

/* All texts are UTF-8; a database of another encoding could not hold some of them. */
static bool check_encoding(struct postgres_store *self, struct fault *fault) {
    const char *encoding = PQparameterStatus(self->wire.connection, "server_encoding");
    return (encoding != NULL && strcmp(encoding, "UTF8") == 0) ||
           fault_set(fault, FAULT_ENVIRONMENT, "the encoding of %s is %s; it must be UTF8",
                     self->wire.name, encoding != NULL ? encoding : "unknown");
}

static bool open_connection(struct postgres_store *self, struct fault *fault) {
    if (wire_connect(&self->wire, fault) && check_encoding(self, fault) &&
        (self->role == STORE_WRITER ? migrate(self, fault) : check_version(self, fault)) &&
        wire_pipeline(&self->wire, fault)) {
        return true;
    }
    fault->code = FAULT_ENVIRONMENT; /* the operator's to mend: nothing has worked yet */
    return false;
}

static struct postgres_store *store_new(enum store_role role) {
    struct postgres_store *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->store.driver = &store_postgres;
        self->role = role;
        arena_init(&self->arena, 0);
        arena_init(&self->scratch, 0);
        map_init(&self->seen, &self->arena);
    }
    return self;
}

static void tell_nobody(void *context, int64_t version) {
    (void)context, (void)version;
}

/* libpq wants the whole URL; it knows both kinds, and only with two slashes. */
static bool open_as(struct text place, enum store_role role, migrate_report *report, void *context,
                    struct store **out, struct fault *fault) {
    struct postgres_store *self = store_new(role);
    if (self == NULL) {
        return fault_set(fault, FAULT_INTERNAL, "no memory to open a store");
    }
    self->migrated = report;
    self->migrated_context = context;
    struct text url = text_print(&self->scratch, "postgresql:%.*s", TEXT_ARGS(place));
    if (!wire_init(&self->wire, url, fault) || !open_connection(self, fault)) {
        postgres_close(&self->store);
        return false;
    }
    *out = &self->store;
    return true;
}

bool postgres_open(struct text place, enum store_role role, struct store **out,
                   struct fault *fault) {
    return open_as(place, role, tell_nobody, NULL, out, fault);
}

const struct migration *postgres_migrations(size_t *count) {
    *count = MIGRATION_COUNT;
    return migrations;
}

bool postgres_migrate(struct text place, migrate_report *report, void *context,
                      struct fault *fault) {
    struct store *store;
    if (!open_as(place, STORE_WRITER, report, context, &store, fault)) {
        return false;
    }
    store_close(store);
    return true;
}

/* The server rolls back what is open. */
void postgres_close(struct store *store) {
    struct postgres_store *self = postgres_of(store);
    wire_deinit(&self->wire);
    arena_deinit(&self->arena);
    arena_deinit(&self->scratch);
    free(self);
}
