/* What only the SQLite store promises: its files, its one writer, its log, and how it meets a disk
 * that is full, broken or held by another program. SQLite itself serves as that other program. */
#include "support/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *path_in(struct fixture *fixture, const char *name) {
    return text_cstring(&fixture->arena,
                        text_print(&fixture->arena, "%s/%s", fixture->directory, name));
}

static struct text url_in(struct fixture *fixture, const char *name) {
    return text_print(&fixture->arena, "sqlite:%s/%s", fixture->directory, name);
}

static off_t size_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}

/* Runs SQL on the store's file from outside. */
static void run_sql(struct fixture *fixture, const char *name, const char *sql) {
    sqlite3 *database;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path_in(fixture, name), &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(database);
}

static void overwrite(const char *path, off_t offset, const char *bytes, size_t length) {
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, length, offset), length);
    close(file);
}

/* --- files --- */

static void only_its_owner_may_read_a_store(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm",
                                        "store.db.lock"};
    struct stat status;
    make_task(fixture, "T-1");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(stat(path_in(fixture, names[i]), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

static void a_path_means_nothing_but_a_file(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"file:x?mode=memory", "./:memory:", "a b", "it's.db",
                                        "ü#%41"};
    char old[256];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(fixture->directory), 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct store *store;
        struct text url = text_print(&fixture->arena, "sqlite:%s", names[i]);
        FINE(store_open(url, STORE_WRITER, &store, &fault));
        store_close(store);
        assert_true(size_of(path_in(fixture, names[i])) > 0);
    }
    assert_int_equal(chdir(old), 0);
}

static void links_to_one_store_share_its_writer(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    assert_int_equal(symlink(path_in(fixture, "store.db"), path_in(fixture, "link.db")), 0);
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "link.db"), STORE_WRITER, &store, &fault));
}

static void a_database_of_another_program_is_left_alone(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    run_sql(fixture, "other.db", "CREATE TABLE t (x); INSERT INTO t VALUES (1);");
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "other.db"), STORE_WRITER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "other.db"), STORE_READER, &store, &fault));
    run_sql(fixture, "other.db", "INSERT INTO t VALUES (2);");
}

static void what_is_no_database_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    char junk[8192];
    memset(junk, 'j', sizeof junk);
    int file = open(path_in(fixture, "junk.db"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(file, junk, sizeof junk), sizeof junk);
    close(file);
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "junk.db"), STORE_WRITER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "junk.db"), STORE_READER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "none.db"), STORE_READER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, ""), STORE_WRITER, &store, &fault));
    assert_int_equal(size_of(path_in(fixture, "none.db")), -1);
}

static void a_schema_newer_than_the_program_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct fault told = FAULT_INIT;
    struct store *store;
    store_close(fixture->store);
    run_sql(fixture, "store.db",
            "INSERT INTO schema_version (version, applied_us) VALUES (999, 0);");
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_WRITER, &store, &fault));
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_READER, &store, &fault));
    assert_false(store_open(fixture->url, STORE_WRITER, &store, &told));
    check_contains(told.message, "newer");
    run_sql(fixture, "store.db", "DELETE FROM schema_version WHERE version = 999;");
    fixture->store = open_store(fixture, STORE_WRITER);
}

static void a_reader_of_an_older_schema_is_told_to_migrate(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    store_close(fixture->store);
    run_sql(fixture, "store.db", "UPDATE schema_version SET version = -version;");
    FAILS(FAULT_ENVIRONMENT, store_open(fixture->url, STORE_READER, &store, &fault));
    run_sql(fixture, "store.db", "UPDATE schema_version SET version = -version;");
    fixture->store = open_store(fixture, STORE_WRITER);
}

/* As nobody (65534), since root may write anything: 0 when the store is refused, as it should be.
 */
static int try_without_permission(const struct fixture *fixture) {
    struct store *store;
    struct fault fault = FAULT_INIT;
    if (setgid(65534) != 0 || setuid(65534) != 0) {
        return 2;
    }
    return store_open(fixture->url, STORE_WRITER, &store, &fault) ||
           fault.code != FAULT_ENVIRONMENT;
}

static void a_store_that_may_not_be_written_is_refused(void **state) {
    struct fixture *fixture = *state;
    int status = -1;
    if (geteuid() != 0) {
        skip();
    }
    store_close(fixture->store);
    assert_int_equal(chmod(fixture->directory, 0777), 0);
    assert_int_equal(chmod(path_in(fixture, "store.db"), 0444), 0);
    assert_int_equal(unlink(path_in(fixture, "store.db.lock")), 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(try_without_permission(fixture));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(unlink(path_in(fixture, "store.db.lock")), 0);
    fixture->store = open_store(fixture, STORE_WRITER);
}

/* A block of tags is made of its records, when the store was opened since: one that cannot be read
 * must not stop the writes of all that come after. */
static void a_record_that_cannot_be_read_stops_no_write(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++) {
        make_task(fixture, "a");
    }
    run_sql(fixture, "store.db", "UPDATE audit SET json = '{\"broken' WHERE position = 5");
    reopen(fixture);
    for (int i = 0; i < 300; i++) {
        make_task(fixture, "b");
    }
    assert_int_equal(search(fixture, (struct store_search){.entity_id = TEXT("b"), ANY}).count,
                     300);
}

/* 0: refused as one that is locked. */
static int try_as_second_writer(struct fixture *fixture, const char *name) {
    struct store *store;
    struct fault fault = FAULT_INIT;
    return store_open(url_in(fixture, name), STORE_WRITER, &store, &fault) ||
           fault.code != FAULT_ENVIRONMENT || strstr(fault.message, "is locked") == NULL;
}

/* In another process, as a second server would be. */
static void check_second_writer(struct fixture *fixture, const char *name) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        _exit(try_as_second_writer(fixture, name));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_file_has_one_writer_whatever_its_names(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "a");
    check_second_writer(fixture, "store.db");
    assert_int_equal(link(path_in(fixture, "store.db"), path_in(fixture, "other.db")), 0);
    check_second_writer(fixture, "other.db");
    assert_int_equal(unlink(path_in(fixture, "store.db.lock")), 0);
    check_second_writer(fixture, "store.db");
    make_task(fixture, "b");
    assert_int_equal(unlink(path_in(fixture, "other.db")), 0);
    assert_int_equal(unlink(path_in(fixture, "other.db.lock")), 0);
}

static void an_empty_file_becomes_a_store(void **state) {
    struct fixture *fixture = *state;
    struct store *store;
    close(open(path_in(fixture, "empty.db"), O_WRONLY | O_CREAT, 0600));
    FAILS(FAULT_ENVIRONMENT, store_open(url_in(fixture, "empty.db"), STORE_READER, &store, &fault));
    FINE(store_open(url_in(fixture, "empty.db"), STORE_WRITER, &store, &fault));
    store_close(store);
}

/* --- crashes and logs --- */

/* A child that commits, begins another transaction and is killed. */
static void crash(const struct fixture *fixture) {
    struct fixture child = *fixture;
    child.store = open_store(&child, STORE_WRITER);
    make_task(&child, "T-1");
    begin(child.store, STORE_WRITE);
    apply(&child, (struct change){.id = TEXT("T-2")});
    raise(SIGKILL);
}

static void what_was_committed_outlives_a_crash(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    pid_t child = fork();
    if (child == 0) {
        crash(fixture);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct store *reader = open_store(fixture, STORE_READER);
    assert_true(read_by(fixture, reader, TASK, TEXT("T-1")).exists);
    assert_false(read_by(fixture, reader, TASK, TEXT("T-2")).exists);
    store_close(reader);
    fixture->store = open_store(fixture, STORE_WRITER);
    assert_true(read_task(fixture, "T-1").exists);
    assert_false(read_task(fixture, "T-2").exists);
    make_task(fixture, "T-2");
}

static void a_reader_leaves_the_log_alone(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    pid_t child = fork();
    if (child == 0) {
        crash(fixture);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    off_t log = size_of(path_in(fixture, "store.db-wal"));
    off_t file = size_of(path_in(fixture, "store.db"));
    assert_true(log > 0);
    for (int i = 0; i < 2; i++) {
        struct store *reader = open_store(fixture, STORE_READER);
        assert_true(read_by(fixture, reader, TASK, TEXT("T-1")).exists);
        store_close(reader);
    }
    assert_int_equal(size_of(path_in(fixture, "store.db-wal")), log);
    assert_int_equal(size_of(path_in(fixture, "store.db")), file);
    fixture->store = open_store(fixture, STORE_WRITER);
}

static void closing_the_writer_empties_the_log(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    assert_true(size_of(path_in(fixture, "store.db-wal")) > 0);
    store_close(fixture->store);
    assert_int_equal(size_of(path_in(fixture, "store.db-wal")), -1);
    fixture->store = open_store(fixture, STORE_WRITER);
    assert_true(read_task(fixture, "T-1").exists);
}

/* Commits of a megabyte each. */
static void write_much(struct fixture *fixture, int megabytes) {
    static int serial;
    size_t length = 1 << 20;
    char *big = malloc(length);
    memset(big, 'x', length);
    for (int i = 0; i < megabytes; i++) {
        begin(fixture->store, STORE_WRITE);
        FINE(store_keep_policy(fixture->store, print(fixture, "g", serial++),
                               (struct text){big, length}, DAY, &fault));
        commit(fixture->store);
    }
    free(big);
}

static void the_log_stays_bounded(void **state) {
    struct fixture *fixture = *state;
    write_much(fixture, 60);
    assert_true(size_of(path_in(fixture, "store.db-wal")) < 24 << 20);
    assert_true(size_of(path_in(fixture, "store.db")) > 30 << 20);
}

static void a_slow_reader_delays_the_log_but_does_not_break_it(void **state) {
    struct fixture *fixture = *state;
    make_task(fixture, "T-1");
    struct store *reader = open_store(fixture, STORE_READER);
    begin(reader, STORE_READ);
    assert_true(read_by(fixture, reader, TASK, TEXT("T-1")).exists);
    write_much(fixture, 40);
    assert_true(size_of(path_in(fixture, "store.db-wal")) > 40 << 20);
    check_text(read_by(fixture, reader, TASK, TEXT("T-1")).state, "OPEN");
    store_rollback(reader);
    store_close(reader);
    write_much(fixture, 40);
    assert_true(size_of(path_in(fixture, "store.db-wal")) < 64 << 20);
    assert_true(read_task(fixture, "T-1").exists);
}

/* --- trouble --- */

static void a_program_that_holds_the_lock_makes_it_unavailable(void **state) {
    struct fixture *fixture = *state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(path_in(fixture, "store.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    FAILS(FAULT_STORE_UNAVAILABLE,
          store_begin(fixture->store, STORE_WRITE, ISOLATION_DEFAULT, &fault));
    assert_false(read_task(fixture, "T-1").exists);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    make_task(fixture, "T-1");
}

/* A limit on the size of files stands in for a full disk: writes beyond it fail. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_makes_it_unavailable_until_there_is_room(void **state) {
    struct fixture *fixture = *state;
    struct changed changed;
    bool committed = true;
    make_task(fixture, "T-1");
    signal(SIGXFSZ, SIG_IGN);
    limit_files((rlim_t)size_of(path_in(fixture, "store.db-wal")) + 100);
    for (int i = 0; i < 3; i++) {
        begin(fixture->store, STORE_WRITE);
        struct entity before = read_task(fixture, "T-1");
        prepare(fixture, &before, (struct change){.id = TEXT("T-1"), .to = TEXT("CLOSED")},
                &changed);
        FINE(try_write(fixture, &changed, &fault));
        FAILS(FAULT_STORE_UNAVAILABLE, store_commit(fixture->store, &fault));
        store_rollback(fixture->store);
        check_text(read_task(fixture, "T-1").state, "OPEN");
    }
    limit_files(RLIM_INFINITY);
    FINE(store_settle(fixture->store, (struct text){changed.record.uuid, ID_LENGTH}, &committed,
                      &fault));
    assert_false(committed);
    make(fixture, (struct change){.id = TEXT("T-1"), .to = TEXT("CLOSED")});
    reopen(fixture);
    check_text(read_task(fixture, "T-1").state, "CLOSED");
    assert_int_equal(search(fixture, (struct store_search){ANY}).count, 2);
}

/* Overwrites all pages but the first. */
static void damage(const char *path) {
    char junk[4096];
    off_t size = size_of(path);
    memset(junk, 0xA5, sizeof junk);
    for (off_t offset = sizeof junk; offset < size; offset += (off_t)sizeof junk) {
        overwrite(path, offset, junk, sizeof junk);
    }
}

static void damage_is_reported_and_harms_nobody(void **state) {
    struct fixture *fixture = *state;
    struct fault told = FAULT_INIT;
    struct store_key key = {TASK, TEXT("T-00001")};
    struct entity entity;
    for (int i = 0; i < 50; i++) {
        make(fixture, (struct change){.id = print(fixture, "T-", i), .data = "{\"a\":1}"});
    }
    store_close(fixture->store);
    damage(path_in(fixture, "store.db"));
    bool opened = store_open(fixture->url, STORE_WRITER, &fixture->store, &told);
    bool read = opened && store_read(fixture->store, &fixture->arena, &key, 1, &entity, &told);
    assert_false(read);
    assert_int_equal(told.code, FAULT_STORE_UNAVAILABLE);
    if (!opened) {
        assert_int_equal(unlink(path_in(fixture, "store.db")), 0);
        fixture->store = open_store(fixture, STORE_WRITER);
    }
}

static void data_that_is_not_json_is_reported(void **state) {
    struct fixture *fixture = *state;
    struct store_key key = {TASK, TEXT("T-1")};
    struct entity entity;
    make_task(fixture, "T-1");
    run_sql(fixture, "store.db", "UPDATE entity SET data = 'nonsense';");
    FAILS(FAULT_STORE_UNAVAILABLE,
          store_read(fixture->store, &fixture->arena, &key, 1, &entity, &fault));
    struct store_where where = {.data = json(fixture, "{\"a\":null}")};
    int64_t count;
    FAILS(FAULT_STORE_UNAVAILABLE, store_count(fixture->store, TASK, &where, &count, &fault));
}

static void a_broken_chain_shows_what_is_left(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 100; i++) {
        make_task(fixture, i % 2 == 0 ? "a" : "b");
    }
    run_sql(fixture, "store.db", "DELETE FROM audit WHERE entity = 1 AND sequence = 20;");
    struct found found =
        search(fixture, (struct store_search){.machine = TASK, .entity_id = TEXT("a"), ANY});
    assert_int_equal(found.count, 49);
    assert_int_equal(found.items[18].sequence, 19);
    assert_int_equal(found.items[19].sequence, 21);
    found = search(fixture, (struct store_search){.machine = TASK, .entity_id = TEXT("b"), ANY});
    assert_int_equal(found.count, 50);
}

static void a_chain_that_runs_in_a_circle_ends(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        make_task(fixture, "a");
    }
    run_sql(fixture, "store.db", "UPDATE audit SET previous = 5 WHERE sequence = 2;");
    struct found found =
        search(fixture, (struct store_search){.machine = TASK, .entity_id = TEXT("a"), ANY});
    assert_int_equal(found.count, 5);
}

/* The packed columns must say the same as the rows they stand for. */
static void packed_columns_agree_with_their_rows(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < 4100; i++) {
        apply(fixture, (struct change){.id = print(fixture, "T-", i % 4000),
                                       .to = print(fixture, "S", i % 300),
                                       .refused = i % 11 == 0});
    }
    commit(fixture->store);
    sqlite3 *database;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path_in(fixture, "store.db"), &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database,
                                        "SELECT count(*) FROM entity e JOIN entity_block b "
                                        "ON b.block = e.number / 2000 WHERE "
                                        "hex(substr(b.kinds, 1 + 2 * (e.number % 2000), 2)) = "
                                        "printf('%02X%02X', e.kind & 255, e.kind >> 8)",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 4000);
    sqlite3_finalize(statement);
    sqlite3_close(database);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_its_owner_may_read_a_store),
        TEST(a_path_means_nothing_but_a_file),
        TEST(links_to_one_store_share_its_writer),
        TEST(a_database_of_another_program_is_left_alone),
        TEST(what_is_no_database_is_refused),
        TEST(a_schema_newer_than_the_program_is_refused),
        TEST(a_reader_of_an_older_schema_is_told_to_migrate),
        TEST(a_store_that_may_not_be_written_is_refused),
        TEST(a_record_that_cannot_be_read_stops_no_write),
        TEST(a_file_has_one_writer_whatever_its_names),
        TEST(an_empty_file_becomes_a_store),
        TEST(what_was_committed_outlives_a_crash),
        TEST(a_reader_leaves_the_log_alone),
        TEST(closing_the_writer_empties_the_log),
        TEST(the_log_stays_bounded),
        TEST(a_slow_reader_delays_the_log_but_does_not_break_it),
        TEST(a_program_that_holds_the_lock_makes_it_unavailable),
        TEST(a_full_disk_makes_it_unavailable_until_there_is_room),
        TEST(damage_is_reported_and_harms_nobody),
        TEST(data_that_is_not_json_is_reported),
        TEST(a_broken_chain_shows_what_is_left),
        TEST(a_chain_that_runs_in_a_circle_ends),
        TEST(packed_columns_agree_with_their_rows),
    };
    subject_at_hand = subject_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
