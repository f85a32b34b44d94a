/* driver.c: the driver's table, transactions, and checkpoints.
 *
 *   IDLE ─begin(READ)──> READING ─commit, rollback─> IDLE
 *   IDLE ─begin(WRITE)─> WRITING ─commit, rollback─> IDLE     a failed commit stays WRITING
 *
 * A writing transaction takes SQLite's write lock at once (BEGIN IMMEDIATE), so nothing it reads
 * can change before it writes, whatever isolation level was asked for.
 *
 * Checkpoints are the writer's own work after a commit, never SQLite's: a full log is copied into
 * the file as far as readers let it. Only when they have kept it from starting anew for long are
 * they waited for, a little; so the log stays bounded but for the time of one very long reader. */
#include "store/sqlite/driver.h"
#include "store/sqlite/chains.h"

#include "store/sqlite/index.h"

#define LOG_PAGES      4000  /* 16 MiB: checkpoint */
#define LOG_PAGES_MOST 32000 /* 128 MiB: wait for readers */
#define RESTART_MS     100   /* so long */

static const char BEGIN_READ[] = "BEGIN";
static const char BEGIN_WRITE[] = "BEGIN IMMEDIATE";
static const char COMMIT[] = "COMMIT";
static const char ROLLBACK[] = "ROLLBACK";
static const char PING[] = "SELECT version FROM schema_version LIMIT 1";

/* What is written asks at its commit whether the file is still there. */
static bool sqlite_begin(struct store *store, enum store_access access, enum isolation isolation,
                         struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    (void)isolation; /* always serializable */
    if (self->phase != PHASE_IDLE || (access == STORE_WRITE && self->role != STORE_WRITER)) {
        return fault_set(fault, FAULT_INTERNAL, "this connection to %s may not begin that",
                         self->sql.path);
    }
    if ((access == STORE_READ && !file_is_same(&self->files, self->sql.path, fault)) ||
        !sql_do(&self->sql, access == STORE_WRITE ? BEGIN_WRITE : BEGIN_READ, fault)) {
        return false;
    }
    arena_reset(&self->arena);
    map_init(&self->seen, &self->arena);
    self->phase = access == STORE_WRITE ? PHASE_WRITING : PHASE_READING;
    return true;
}

/* --- checkpoints --- */

/* Waits for readers to leave the log. If they do not, the next time is when it is twice as long. */
static void restart_log(struct sqlite_store *self) {
    sqlite3_busy_timeout(self->sql.database, RESTART_MS);
    int code = sqlite3_wal_checkpoint_v2(self->sql.database, "main", SQLITE_CHECKPOINT_RESTART,
                                         NULL, NULL);
    sqlite3_busy_timeout(self->sql.database, STORE_BUSY_MS);
    self->log_limit = code == SQLITE_OK ? LOG_PAGES_MOST : 2 * self->log_pages;
}

/* A failure costs nothing but room: the log grows, and the next commit tries again. */
static void checkpoint(struct sqlite_store *self) {
    if (self->log_pages >= self->log_limit) {
        restart_log(self);
    } else if (self->log_pages >= LOG_PAGES) {
        sqlite3_wal_checkpoint_v2(self->sql.database, "main", SQLITE_CHECKPOINT_PASSIVE, NULL,
                                  NULL);
    }
}

static int note_pages(void *self, sqlite3 *database, const char *name, int pages) {
    (void)database;
    (void)name;
    ((struct sqlite_store *)self)->log_pages = pages;
    return SQLITE_OK;
}

void sqlite_watch_log(struct sqlite_store *self) {
    self->log_limit = LOG_PAGES_MOST;
    sqlite3_wal_hook(self->sql.database, note_pages, self);
}

/* --- ends --- */

/* Of a commit that failed: a page that could not be written was not the last one, which makes the
 * commit; but when the log could not be synced it may be on disk. */
static bool may_have_happened(int code) {
    return (code & 0xFF) == SQLITE_IOERR && code != SQLITE_IOERR_WRITE;
}

static bool sqlite_commit(struct store *store, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    if (self->phase == PHASE_WRITING && !file_is_same(&self->files, self->sql.path, fault)) {
        return false;
    }
    if (!sql_do(&self->sql, COMMIT, fault)) {
        if (self->phase == PHASE_WRITING &&
            may_have_happened(sqlite3_extended_errcode(self->sql.database))) {
            fault->code = FAULT_OUTCOME_UNKNOWN;
        }
        return false;
    }
    self->phase = PHASE_IDLE;
    self->names.unsaved = false;
    checkpoint(self);
    return true;
}

static void sqlite_rollback(struct store *store) {
    struct sqlite_store *self = sqlite_of(store);
    struct fault ignored;
    sql_stop_all(&self->sql);
    if (!sqlite3_get_autocommit(self->sql.database)) {
        (void)!sql_do(&self->sql, ROLLBACK, &ignored);
    }
    names_roll_back(&self->names);
    self->phase = PHASE_IDLE;
}

bool sqlite_enter(struct sqlite_store *self, bool *own, struct fault *fault) {
    *own = self->phase == PHASE_IDLE;
    return !*own || sqlite_begin(&self->store, STORE_WRITE, ISOLATION_DEFAULT, fault);
}

bool sqlite_leave(struct sqlite_store *self, bool own, bool fine, struct fault *fault) {
    if (!own) {
        return fine;
    }
    if (fine && sqlite_commit(&self->store, fault)) {
        return true;
    }
    sqlite_rollback(&self->store);
    return false;
}

/* Nobody else writes. */
static bool sqlite_guard(struct store *store, const struct text *machines, size_t count,
                         struct fault *fault) {
    (void)store;
    (void)machines;
    (void)count;
    (void)fault;
    return true;
}

static bool sqlite_ping(struct store *store, struct fault *fault) {
    struct sqlite_store *self = sqlite_of(store);
    return file_is_same(&self->files, self->sql.path, fault) &&
           file_is_writable(self->sql.path, fault) && sql_do(&self->sql, PING, fault);
}

const struct store_driver store_sqlite = {
    .kind = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .writers_most = 1,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .ping = sqlite_ping,
    .read = sqlite_read,
    .read_as = sqlite_read_as,
    .guard = sqlite_guard,
    .write = sqlite_write,
    .settle = sqlite_settle,
    .check_table = sqlite_check_table,
    .read_rows = sqlite_read_rows,
    .write_rows = sqlite_write_rows,
    .try_row = sqlite_try_row,
    .list = sqlite_list,
    .count = sqlite_count,
    .list_ids = sqlite_list_ids,
    .search_records = sqlite_search_records,
    .walk_chains = sqlite_walk_chains,
    .find_answers = sqlite_find_answers,
    .expire_answers = sqlite_expire_answers,
    .entered = sqlite_entered,
    .machines = sqlite_machines,
    .list_gone = sqlite_list_gone,
    .keep_gone = sqlite_keep_gone,
    .rename = sqlite_rename,
    .keep_policy = sqlite_keep_policy,
    .add_api_key = sqlite_add_api_key,
    .list_api_keys = sqlite_list_api_keys,
    .revoke_api_key = sqlite_revoke_api_key,
    .index_fields = sqlite_index_fields,
    .bulks = &sqlite_bulks,
    .locks = &sqlite_locks,
    .timers = &sqlite_timers,
    .inspect_file = sqlite_inspect_file,
    .inspect_schema = sqlite_inspect_schema,
    .inspect_versions = sqlite_inspect_versions,
    .inspect_machines = sqlite_inspect_machines,
    .library = sqlite_library,
    .migrations = sqlite_migrations,
    .migrate = sqlite_migrate,
};
