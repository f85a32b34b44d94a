/* open.c: from a path to a connection: the file, the lock of its one writer, SQLite's
 * settings, the schema. All is done on the file's real path, which begins with '/', so that no path
 * means something special to SQLite (":memory:", "file:...") and links to one file share a lock. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/sqlite/driver.h"
#include "store/sqlite/sql/wal.h"

#define APPLICATION_ID 0x53544154 /* as in schema/sqlite_001.sql */

extern const struct text schema_sqlite_001, schema_sqlite_002, schema_sqlite_003, schema_sqlite_004;

/* version, oldest_program, SQL, summary. A version 1 program asks no schema how old it may be. */
static const struct migration migrations[] = {
    {1, 1, &schema_sqlite_001, "entities, audit, deadlines, outbox, answers, bulks, keys"},
    {2, 2, &schema_sqlite_002, "how old a program may be and still use the store"},
    {3, 2, &schema_sqlite_003, "locks for applications"},
    {4, 2, &schema_sqlite_004, "rules that hold: timers, searches of the audit, machines let go"},
};

#define MIGRATION_COUNT (sizeof migrations / sizeof migrations[0])
#define READABLE        1
#define SCHEMA_VERSION  (migrations[MIGRATION_COUNT - 1].version)

static const char READ_APPLICATION[] = "PRAGMA application_id";
static const char COUNT_TABLES[] = "SELECT count(*) FROM sqlite_schema";
static const char READ_VERSION[] = "SELECT max(version) FROM schema_version";
static const char READ_OLDEST[] =
    "SELECT max(coalesce(oldest_program, version)) FROM schema_version";
static const char ADD_VERSION[] =
    "INSERT INTO schema_version (version, applied_us) VALUES (?1, unixepoch() * 1000000)";
static const char SET_OLDEST[] = "UPDATE schema_version SET oldest_program = ?2 WHERE version = ?1";
static const char BEGIN_WRITE[] = "BEGIN IMMEDIATE";
static const char COMMIT[] = "COMMIT";
static const char USE_LOG[] = "PRAGMA journal_mode = WAL";

/* cache_size: pages that leave the cache are still in the system's, and reading them from there
 * costs less than the page faults of a cache that grows. secure_delete: Debian builds SQLite with
 * ON, which writes pages only to clear them. */
static const char SET_UP_WRITER[] = "PRAGMA synchronous = FULL;"
                                    "PRAGMA wal_autocheckpoint = 0;"
                                    "PRAGMA journal_size_limit = 67108864;"
                                    "PRAGMA cache_size = -8192;"
                                    "PRAGMA temp_store = MEMORY;"
                                    "PRAGMA secure_delete = FAST;"
                                    "PRAGMA trusted_schema = OFF;";
static const char SET_UP_READER[] = "PRAGMA query_only = ON;"
                                    "PRAGMA wal_autocheckpoint = 0;"
                                    "PRAGMA cache_size = -8192;"
                                    "PRAGMA temp_store = MEMORY;"
                                    "PRAGMA trusted_schema = OFF;";

/* --- the file --- */

static bool is_path(struct text place) {
    return place.length > 0 && place.length < PATH_MAX &&
           memchr(place.bytes, '\0', place.length) == NULL;
}

/* Only a file that is new is opened here: closing one that SQLite has open would drop its locks. */
static bool make_file(const char *path, struct fault *fault) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0 && errno != EEXIST) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot make the store %s: %s", path,
                         strerror(errno));
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    return true;
}

static bool find_file(struct sqlite_store *self, const char *path, struct fault *fault) {
    if (self->role == STORE_WRITER && !make_file(path, fault)) {
        return false;
    }
    self->sql.path = realpath(path, NULL);
    if (self->sql.path == NULL) {
        return fault_set(fault, FAULT_ENVIRONMENT, "there is no store at %s: %s", path,
                         strerror(errno));
    }
    return true;
}

/* --- the lock of the one writer --- */

static void name_holder(int descriptor) {
    char digits[16];
    int length = snprintf(digits, sizeof digits, "%ld\n", (long)getpid());
    if (ftruncate(descriptor, 0) != 0 || write(descriptor, digits, (size_t)length) != length) {
        return; /* only a courtesy to whoever is refused */
    }
}

static bool refuse_second_writer(const char *path, int descriptor, struct fault *fault) {
    char holder[16] = "";
    ssize_t length = pread(descriptor, holder, sizeof holder - 1, 0);
    holder[length > 0 ? strspn(holder, "0123456789") : 0] = '\0';
    return fault_set(fault, FAULT_ENVIRONMENT,
                     "%s is locked: process %s has this store open for writing, and a SQLite store "
                     "has one writer; stop that process first",
                     path, holder[0] != '\0' ? holder : "unknown");
}

static bool take_lock(struct sqlite_store *self, struct fault *fault) {
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s.lock", self->sql.path);
    self->lock_descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_descriptor < 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot open the lock file %s: %s", path,
                         strerror(errno));
    }
    if (flock(self->lock_descriptor, LOCK_EX | LOCK_NB) != 0) {
        return refuse_second_writer(path, self->lock_descriptor, fault);
    }
    name_holder(self->lock_descriptor);
    return true;
}

/* PATH.lock can be removed, and a file can have several names, so the file itself is locked too.
 * One that cannot be opened is told of by check_writable. The descriptor is closed after SQLite's
 * own: closing any of a file drops what locks SQLite has on it in this process. */
static bool take_file(struct sqlite_store *self, struct fault *fault) {
    self->file_descriptor = open(self->sql.path, O_RDWR | O_CLOEXEC);
    return self->file_descriptor < 0 || flock(self->file_descriptor, LOCK_EX | LOCK_NB) == 0 ||
           fault_set(fault, FAULT_ENVIRONMENT,
                     "%s is locked: another process has this file open for writing, perhaps by "
                     "another name, and a SQLite store has one writer; stop that process first",
                     self->sql.path);
}

/* --- the connection --- */

static void set_up_library(void) {
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a lock around every allocation */
}

/* While opening, what cannot be opened or is no database is the operator's to mend. */
static bool open_fail(struct sqlite_store *self, struct fault *fault) {
    int code = sqlite3_errcode(self->sql.database);
    sql_fail(&self->sql, fault);
    if (code == SQLITE_CANTOPEN || code == SQLITE_PERM || code == SQLITE_READONLY ||
        code == SQLITE_AUTH || code == SQLITE_NOTADB) {
        fault->code = FAULT_ENVIRONMENT;
    }
    return false;
}

static bool open_database(struct sqlite_store *self, struct fault *fault) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_library);
    bool writer = self->role == STORE_WRITER;
    int flags = SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    if (sqlite3_open_v2(self->sql.path, &self->sql.database, flags, writer ? wal_layer() : NULL) !=
        SQLITE_OK) {
        return open_fail(self, fault);
    }
    sqlite3_extended_result_codes(self->sql.database, 1);
    sqlite3_busy_timeout(self->sql.database, STORE_BUSY_MS);
    sqlite3_db_config(self->sql.database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !writer, NULL);
    if (sqlite3_exec(self->sql.database, writer ? SET_UP_WRITER : SET_UP_READER, NULL, NULL,
                     NULL) != SQLITE_OK) {
        return open_fail(self, fault);
    }
    return true;
}

/* --- the schema --- */

/* The integer that a statement without parameters answers; 0 for none. */
static bool ask(struct sqlite_store *self, const char *text, int64_t *out, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, text, fault);
    return (statement != NULL && sql_ask(&self->sql, statement, 0, out, fault)) ||
           open_fail(self, fault);
}

/* 0 for a file without tables; a fault for the tables of another program. */
static bool read_version(struct sqlite_store *self, int64_t *version, struct fault *fault) {
    int64_t application, tables;
    *version = 0;
    if (!ask(self, READ_APPLICATION, &application, fault) ||
        !ask(self, COUNT_TABLES, &tables, fault)) {
        return false;
    }
    if (application != APPLICATION_ID && tables > 0) {
        return fault_set(fault, FAULT_ENVIRONMENT, "%s is a database of another program",
                         self->sql.path);
    }
    return tables == 0 || ask(self, READ_VERSION, version, fault);
}

/* A schema that is newer than ours has the column: version 2 made it. */
static bool check_newer(struct sqlite_store *self, int64_t version, struct fault *fault) {
    int64_t oldest;
    return version <= SCHEMA_VERSION ||
           (ask(self, READ_OLDEST, &oldest, fault) &&
            migration_may_use(self->sql.path, version, oldest, SCHEMA_VERSION, fault));
}

static bool set_oldest(struct sqlite_store *self, const struct migration *migration,
                       struct fault *fault) {
    sqlite3_stmt *statement = sql_use(&self->sql, SET_OLDEST, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, migration->version);
    sql_put_integer(statement, 2, migration->oldest_program);
    return sql_run(&self->sql, statement, fault);
}

static bool apply(struct sqlite_store *self, const struct migration *migration,
                  struct fault *fault) {
    if (sqlite3_exec(self->sql.database, migration->sql->bytes, NULL, NULL, NULL) != SQLITE_OK) {
        return sql_fail(&self->sql, fault);
    }
    sqlite3_stmt *statement = sql_use(&self->sql, ADD_VERSION, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, migration->version);
    return sql_run(&self->sql, statement, fault) &&
           (migration->version < MIGRATION_OLDEST || set_oldest(self, migration, fault));
}

static bool apply_newer(struct sqlite_store *self, int64_t version, struct fault *fault) {
    for (size_t i = 0; i < MIGRATION_COUNT; i++) {
        if (migrations[i].version > version && !apply(self, &migrations[i], fault)) {
            return fault_within(fault, "migrating to schema %lld",
                                (long long)migrations[i].version);
        }
    }
    return true;
}

/* All that is pending in one transaction: nobody else has the file. One that fails is undone by
 * closing the connection, which rolls it back. `before` is the version that was found. */
static bool migrate(struct sqlite_store *self, int64_t *before, struct fault *fault) {
    return read_version(self, before, fault) && check_newer(self, *before, fault) &&
           (*before >= SCHEMA_VERSION ||
            (sql_do(&self->sql, BEGIN_WRITE, fault) && apply_newer(self, *before, fault) &&
             sql_do(&self->sql, COMMIT, fault)));
}

static bool use_log(struct sqlite_store *self, struct fault *fault) {
    bool row = false;
    sqlite3_stmt *statement = sql_use(&self->sql, USE_LOG, fault);
    if (statement == NULL || !sql_next(&self->sql, statement, &row, fault)) {
        return open_fail(self, fault);
    }
    bool fine = row && text_equal(sql_lent(statement, 0), TEXT("wal"));
    sql_stop(statement);
    return fine || fault_set(fault, FAULT_ENVIRONMENT,
                             "%s cannot have a write-ahead log: is it on a network file system?",
                             self->sql.path);
}

static bool check_version(struct sqlite_store *self, struct fault *fault) {
    int64_t version;
    return read_version(self, &version, fault) && check_newer(self, version, fault) &&
           migration_may_read(self->sql.path, version, READABLE, SCHEMA_VERSION, fault);
}

/* --- open and close --- */

/* SQLite opens a file that it may not write read-only, without a word. */
static bool check_writable(struct sqlite_store *self, struct fault *fault) {
    return sqlite3_db_readonly(self->sql.database, "main") == 0 ||
           fault_set(fault, FAULT_ENVIRONMENT, "the store %s may not be written by this user",
                     self->sql.path);
}

static bool open_writer(struct sqlite_store *self, int64_t *before, struct fault *fault) {
    if (!take_lock(self, fault) || !take_file(self, fault) || !open_database(self, fault) ||
        !check_writable(self, fault) || !migrate(self, before, fault) || !use_log(self, fault)) {
        return false;
    }
    sqlite_watch_log(self);
    return true;
}

static bool open_reader(struct sqlite_store *self, struct fault *fault) {
    return open_database(self, fault) && check_version(self, fault);
}

static struct sqlite_store *store_new(enum store_role role) {
    struct sqlite_store *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->store.driver = &store_sqlite;
        self->role = role;
        self->lock_descriptor = -1;
        self->file_descriptor = -1;
        arena_init(&self->arena, 0);
        arena_init(&self->scratch, 0);
        map_init(&self->seen, &self->arena);
        names_init(&self->names, &self->sql);
    }
    return self;
}

/* `before`: the version of the schema that a writer found. */
static bool open_as(struct text place, enum store_role role, struct store **out, int64_t *before,
                    struct fault *fault) {
    char path[PATH_MAX];
    if (!is_path(place)) {
        return fault_set(fault, FAULT_USAGE, "\"sqlite:\" wants the path of a file");
    }
    if (place.bytes[0] == ':') {
        return fault_set(fault, FAULT_USAGE,
                         "sqlite:%.*s: a store is a file, which each thread opens, and it is to "
                         "outlive the process, so there is none in memory; give a path, for tests "
                         "one in a temporary directory: sqlite:/tmp/NAME.db",
                         TEXT_ARGS(place));
    }
    snprintf(path, sizeof path, "%.*s", TEXT_ARGS(place));
    struct sqlite_store *self = store_new(role);
    if (self == NULL) {
        return fault_set(fault, FAULT_INTERNAL, "no memory to open a store");
    }
    bool writer = role == STORE_WRITER;
    if (!find_file(self, path, fault) ||
        !(writer ? open_writer(self, before, fault) : open_reader(self, fault))) {
        sqlite_close(&self->store);
        return false;
    }
    *out = &self->store;
    return true;
}

bool sqlite_open(struct text place, enum store_role role, struct store **out, struct fault *fault) {
    int64_t before;
    return open_as(place, role, out, &before, fault);
}

const struct migration *sqlite_migrations(size_t *count) {
    *count = MIGRATION_COUNT;
    return migrations;
}

bool sqlite_migrate(struct text place, migrate_report *report, void *context, struct fault *fault) {
    struct store *store;
    int64_t before;
    if (!open_as(place, STORE_WRITER, &store, &before, fault)) {
        return false;
    }
    store_close(store);
    for (size_t i = 0; i < MIGRATION_COUNT; i++) {
        if (migrations[i].version > before) {
            report(context, migrations[i].version);
        }
    }
    return true;
}

static void close_descriptor(int descriptor) {
    if (descriptor >= 0) {
        close(descriptor);
    }
}

/* The locks go last: until then the closing connection may still be checkpointing. */
void sqlite_close(struct store *store) {
    struct sqlite_store *self = sqlite_of(store);
    sql_close(&self->sql);
    close_descriptor(self->file_descriptor);
    close_descriptor(self->lock_descriptor);
    names_deinit(&self->names);
    arena_deinit(&self->arena);
    arena_deinit(&self->scratch);
    free(self);
}
