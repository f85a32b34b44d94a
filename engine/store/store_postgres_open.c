/* store_postgres_open.c: from a URL to a connection and a schema.
 *
 * Any number of writers may open at once: whoever finds the schema missing or old takes an advisory
 * lock that ends with the transaction, looks again, and migrates in that transaction. All tables
 * are made in the schema that search_path names first. */
#include "store/store_postgres.h"

#include <stdio.h>
#include <stdlib.h>

extern const struct text schema_postgres_001, schema_postgres_003, schema_postgres_004;

/* In order; what is embedded ends with a NUL. */
static const struct migration {
    int64_t version;
    const struct text *sql;
} migrations[] = {{1, &schema_postgres_001}, {3, &schema_postgres_003}, {4, &schema_postgres_004}};

#define SCHEMA_VERSION (migrations[sizeof migrations / sizeof migrations[0] - 1].version)

/* "STAT" */
#define LOCK_NUMBER "1398030676"

#define SET_TIMEOUTS(lock, statement)                                                              \
    "SET LOCAL lock_timeout = '" lock "'; SET LOCAL statement_timeout = '" statement "'; "         \
    "SET LOCAL idle_in_transaction_session_timeout = '60s'; "                                      \
    "SET LOCAL tcp_user_timeout = '10s'; SET LOCAL client_connection_check_interval = '2s'; "

static const char BEGIN_LOOK[] =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " SET_TIMEOUTS("5s", "20s");
/* Whoever migrates may take long, and all others wait for it. */
static const char BEGIN_MIGRATION[] =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; " SET_TIMEOUTS(
        "60s", "600s") "SET LOCAL client_min_messages = 'warning'; SELECT "
                       "pg_advisory_xact_lock(" LOCK_NUMBER ")";
static const char COMMIT[] = "COMMIT";
/* Reads the catalogue, as to_regclass would not: that goes by a cache which may not know yet what
 * was committed while this transaction waited for the lock. */
static const char FIND_TABLES[] = "SELECT coalesce(bool_or(tablename = 'schema_version'), false), "
                                  "coalesce(bool_or(tablename = 'entity'), false) "
                                  "FROM pg_catalog.pg_tables WHERE schemaname = current_schema()";
static const char READ_VERSION[] = "SELECT coalesce(max(version), 0) FROM schema_version";
static const char ADD_VERSION[] = "INSERT INTO schema_version (version, applied_us) VALUES "
                                  "(%lld, (extract(epoch FROM now()) * 1000000)::bigint)";

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

/* 0 when there is no schema. */
static bool read_version(struct postgres_store *self, int64_t *version, struct fault *fault) {
    bool versioned;
    PGresult *found;
    *version = 0;
    if (!find_tables(self, &versioned, fault)) {
        return false;
    }
    if (!versioned) {
        return true;
    }
    if (!wire_execute(&self->wire, READ_VERSION, &found, fault)) {
        return false;
    }
    *version = strtoll(PQgetvalue(found, 0, 0), NULL, 10);
    PQclear(found);
    return *version <= SCHEMA_VERSION ||
           fault_set(fault, FAULT_ENVIRONMENT,
                     "the store %s has schema %lld, newer than the %lld that this program knows; "
                     "use the newer program",
                     self->wire.name, (long long)*version, (long long)SCHEMA_VERSION);
}

static bool apply(struct postgres_store *self, const struct migration *migration,
                  struct fault *fault) {
    char add[sizeof ADD_VERSION + XID_MOST];
    snprintf(add, sizeof add, ADD_VERSION, (long long)migration->version);
    return (wire_execute(&self->wire, migration->sql->bytes, NULL, fault) &&
            wire_execute(&self->wire, add, NULL, fault)) ||
           fault_within(fault, "migrating to schema %lld", (long long)migration->version);
}

static bool apply_newer(struct postgres_store *self, int64_t version, struct fault *fault) {
    for (size_t i = 0; i < sizeof migrations / sizeof migrations[0]; i++) {
        if (migrations[i].version > version && !apply(self, &migrations[i], fault)) {
            return false;
        }
    }
    return true;
}

static bool look_at_version(struct postgres_store *self, int64_t *version, struct fault *fault) {
    return wire_execute(&self->wire, BEGIN_LOOK, NULL, fault) &&
           read_version(self, version, fault) && wire_execute(&self->wire, COMMIT, NULL, fault);
}

/* What fails on the way is undone by closing the connection. */
static bool migrate(struct postgres_store *self, struct fault *fault) {
    int64_t version;
    if (!look_at_version(self, &version, fault)) {
        return false;
    }
    return version == SCHEMA_VERSION ||
           (wire_execute(&self->wire, BEGIN_MIGRATION, NULL, fault) &&
            read_version(self, &version, fault) && apply_newer(self, version, fault) &&
            wire_execute(&self->wire, COMMIT, NULL, fault));
}

static bool check_version(struct postgres_store *self, struct fault *fault) {
    int64_t version;
    return look_at_version(self, &version, fault) &&
           (version == SCHEMA_VERSION ||
            fault_set(fault, FAULT_ENVIRONMENT,
                      "the store %s has schema %lld, and this program needs %lld: open it for "
                      "writing once, with serve or import",
                      self->wire.name, (long long)version, (long long)SCHEMA_VERSION));
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

/* libpq wants the whole URL; it knows both kinds, and only with two slashes. */
bool postgres_open(struct text place, enum store_role role, struct store **out,
                   struct fault *fault) {
    struct postgres_store *self = store_new(role);
    if (self == NULL) {
        return fault_set(fault, FAULT_INTERNAL, "no memory to open a store");
    }
    struct text url = text_print(&self->scratch, "postgresql:%.*s", TEXT_ARGS(place));
    if (!wire_init(&self->wire, url, fault) || !open_connection(self, fault)) {
        postgres_close(&self->store);
        return false;
    }
    *out = &self->store;
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
