/* driver.c: the driver's table, and transactions.
 *
 *   IDLE ─begin(READ)──> READING ─commit, rollback─> IDLE
 *   IDLE ─begin(WRITE)─> WRITING ─commit, rollback─> IDLE     a failed commit stays WRITING
 *
 * Begin costs no round trip: BEGIN travels with the first statement (`begun`), and a transaction
 * without one never reaches the server. Rollback costs none either: it is sent, and its answer read
 * with the next one. So a batch takes three: read and lock, write, commit.
 *
 * Nothing outlives a transaction: its isolation stands in BEGIN, its time-outs are local to it, and
 * statements have no names. So any connection of a pool will do for the next one. A connection
 * that is lost in a transaction is that transaction's fault, until rollback; begin makes another.
 *
 * COMMIT is sent only down a connection that is alive. If its answer does not come, it may have
 * happened: FAULT_OUTCOME_UNKNOWN (settle.c). */
#include "store/postgres/driver.h"

#include "store/postgres/census.h"
#include "store/postgres/chains.h"
#include "store/postgres/index.h"

/* --- the time-outs of every transaction --- */
#define LOCK_TIMEOUT      "5s"  /* for one row, while another transaction has it */
#define STATEMENT_TIMEOUT "20s" /* for one statement, locks included */
#define IDLE_TIMEOUT      "10s" /* between two statements: a node that died holds its locks so long */
#define TCP_TIMEOUT       "10s" /* for an answer to be acknowledged: a node that is cut off */
#define CHECK_INTERVAL    "2s"  /* a statement whose client has gone stops so soon */

static const char SET_TIMEOUTS[] =
    "SELECT set_config('lock_timeout', '" LOCK_TIMEOUT "', true), "
    "set_config('statement_timeout', '" STATEMENT_TIMEOUT "', true), "
    "set_config('idle_in_transaction_session_timeout', "
    "'" IDLE_TIMEOUT "', true), "
    "set_config('tcp_user_timeout', '" TCP_TIMEOUT "', true), "
    "set_config('client_connection_check_interval', "
    "'" CHECK_INTERVAL "', true)";
/* All that a reader asks is of one moment. */
static const char BEGIN_READ[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
static const char *const begin_write[] = {
    [ISOLATION_DEFAULT] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    [ISOLATION_READ_COMMITTED] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    [ISOLATION_REPEATABLE_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE",
    [ISOLATION_SERIALIZABLE] = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE",
};
static const char COMMIT[] = "COMMIT";
static const char ROLLBACK[] = "ROLLBACK";
/* What a role, a standby or a read-only server refuses, though no row is written. */
static const char PROBE_UPDATE[] = "UPDATE entity SET version = version WHERE false";
static const char PROBE_INSERT[] = "INSERT INTO deadline SELECT * FROM deadline WHERE false";

static bool postgres_begin(struct store *store, enum store_access access, enum isolation isolation,
                           struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    if (self->phase != PG_IDLE || (access == STORE_WRITE && self->role != STORE_WRITER)) {
        return fault_set(fault, FAULT_INTERNAL, "%s: this connection may not begin that",
                         self->wire.name);
    }
    if (!wire_ready(&self->wire, fault)) {
        return false;
    }
    arena_reset(&self->arena);
    map_init(&self->seen, &self->arena);
    self->answers_from_us = INT64_MAX;
    self->guards = NULL;
    self->guard_count = self->guard_capacity = 0;
    if (access == STORE_WRITE) {
        self->xid[0] = '\0';
    }
    self->isolation = isolation;
    self->begun = false;
    self->phase = access == STORE_WRITE ? PG_WRITING : PG_READING;
    return true;
}

void postgres_queue(struct postgres_store *self, const char *sql, const struct values *values) {
    if (!self->begun) {
        wire_queue(&self->wire,
                   self->phase == PG_WRITING ? begin_write[self->isolation] : BEGIN_READ, NULL);
        wire_queue(&self->wire, SET_TIMEOUTS, NULL);
        wire_lead(&self->wire);
        self->begun = true;
    }
    wire_queue(&self->wire, sql, values);
}

bool postgres_run(struct postgres_store *self, const char *sql, const struct values *values,
                  struct fault *fault) {
    postgres_queue(self, sql, values);
    return wire_run(&self->wire, fault);
}

void postgres_queue_whole(struct postgres_store *self, const char *first, const char *sql,
                          const struct values *values) {
    self->phase = PG_READING;
    postgres_queue(self, first, NULL);
    wire_queue(&self->wire, sql, values);
    wire_queue(&self->wire, COMMIT, NULL);
    self->begun = false;
    self->phase = PG_IDLE;
}

/* --- ends --- */

/* A transaction that has failed answers COMMIT with ROLLBACK. */
static bool says_committed(const PGresult *result) {
    /* libpq forgot the const: it only reads */
    return result != NULL && strcmp(PQcmdStatus((PGresult *)(uintptr_t)result), COMMIT) == 0;
}

/* The server refused, and lives; or it said before it died that another transaction was first. */
static bool is_refusal(struct postgres_store *self, const struct fault *fault) {
    return fault->code == FAULT_STORE_CONFLICT || wire_is_alive(&self->wire);
}

static bool send_commit(struct postgres_store *self, struct fault *fault) {
    if (!wire_is_alive(&self->wire)) {
        return fault_set(fault, FAULT_STORE_UNAVAILABLE,
                         "%s: the connection was lost before COMMIT", self->wire.name);
    }
    wire_queue(&self->wire, COMMIT, NULL);
    bool answered = wire_run(&self->wire, fault);
    if (says_committed(wire_result(&self->wire, 0))) {
        return true;
    }
    if (answered) {
        return fault_set(fault, FAULT_STORE_UNAVAILABLE, "%s: the transaction had failed before",
                         self->wire.name);
    }
    if (!is_refusal(self, fault)) {
        fault->code = FAULT_OUTCOME_UNKNOWN;
    }
    return false;
}

/* Of a connection that is lost nothing is left to roll back. */
static void postgres_rollback(struct store *store) {
    struct postgres_store *self = postgres_of(store);
    if (self->begun && wire_is_alive(&self->wire)) {
        wire_queue(&self->wire, ROLLBACK, NULL);
        wire_send(&self->wire);
    }
    self->begun = false;
    self->phase = PG_IDLE;
}

static bool postgres_commit(struct store *store, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    if (self->phase == PG_IDLE) {
        return fault_set(fault, FAULT_INTERNAL, "%s: commit outside a transaction",
                         self->wire.name);
    }
    if (self->phase == PG_READING) {
        postgres_rollback(store); /* the same, and nobody waits */
        return true;
    }
    if (self->begun && !send_commit(self, fault)) {
        return false;
    }
    self->begun = false;
    self->phase = PG_IDLE;
    return true;
}

bool postgres_enter(struct postgres_store *self, enum store_access access, bool *own,
                    struct fault *fault) {
    *own = self->phase == PG_IDLE;
    arena_reset(&self->scratch);
    return !*own || postgres_begin(&self->store, access, ISOLATION_DEFAULT, fault);
}

bool postgres_leave(struct postgres_store *self, bool own, bool fine, struct fault *fault) {
    if (!own) {
        return fine;
    }
    fine = fine && postgres_commit(&self->store, fault);
    postgres_rollback(&self->store);
    return fine;
}

/* In a transaction as a batch has it, which is rolled back; a reader may try that too. */
static bool postgres_ping(struct store *store, struct fault *fault) {
    struct postgres_store *self = postgres_of(store);
    bool own;
    if (!postgres_enter(self, STORE_READ, &own, fault)) {
        return false;
    }
    self->phase = PG_WRITING;
    postgres_queue(self, PROBE_UPDATE, NULL);
    bool fine = postgres_run(self, PROBE_INSERT, NULL, fault);
    postgres_rollback(store);
    return fine;
}

const struct store_driver store_postgres = {
    .kind = "postgresql",
    .open = postgres_open,
    .close = postgres_close,
    .writers_most = 64,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .ping = postgres_ping,
    .read = postgres_read,
    .read_as = postgres_read_as,
    .guard = postgres_guard,
    .write = postgres_write,
    .settle = postgres_settle,
    .check_table = postgres_check_table,
    .read_rows = postgres_read_rows,
    .write_rows = postgres_write_rows,
    .try_row = postgres_try_row,
    .list = postgres_list,
    .count = postgres_count,
    .list_ids = postgres_list_ids,
    .search_records = postgres_search_records,
    .walk_chains = postgres_walk_chains,
    .find_answers = postgres_find_answers,
    .expire_answers = postgres_expire_answers,
    .entered = postgres_entered,
    .machines = postgres_machines,
    .list_gone = postgres_list_gone,
    .keep_gone = postgres_keep_gone,
    .rename = postgres_rename,
    .keep_policy = postgres_keep_policy,
    .add_api_key = postgres_add_api_key,
    .list_api_keys = postgres_list_api_keys,
    .revoke_api_key = postgres_revoke_api_key,
    .index_fields = postgres_index_fields,
    .bulks = &postgres_bulks,
    .locks = &postgres_locks,
    .timers = &postgres_timers,
    .inspect_file = postgres_inspect_file,
    .inspect_schema = postgres_inspect_schema,
    .inspect_versions = postgres_inspect_versions,
    .inspect_machines = postgres_inspect_machines,
    .library = postgres_library,
    .migrations = postgres_migrations,
    .migrate = postgres_migrate,
};
