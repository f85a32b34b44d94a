/* bench_ceiling.c: the most that SQLite can do on this machine: a loop that writes the rows of
 * transitions, 64 in a transaction with a full sync, without HTTP, Lua, JSON or hashes.
 * Usage: bench_ceiling STORE.db ENTITIES SECONDS
 * Wants a store as scripts/bench fills it (task bench-0, bench-1...), which is no sound store
 * afterwards. Prints how many transitions a second. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH     64
#define LOG_PAGES 4000 /* as store/sqlite/driver.c */
#define KINDS     2000 /* of an entity_block */
#define FACTS     250  /* of an audit_block */

static const char SET_UP[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                             "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192;"
                             "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = FAST;";
static const char READ[] =
    "SELECT number, version, audit_sequence, audit_position, data FROM entity "
    "WHERE machine = 1 AND id = ?1";
static const char UPDATE[] =
    "UPDATE entity SET kind = ?3, version = ?4, audit_sequence = ?5, audit_position = ?6, "
    "audit_hash = ?7, updated_us = ?8, data = ?9 WHERE number = ?1 AND version = ?2";
static const char RECORD[] =
    "INSERT INTO audit (position, entity, sequence, previous, timestamp_us, success, uuid, "
    "from_state, to_state, actor, reason, previous_hash, hash, json) VALUES (?1, ?2, ?3, ?4, ?5, "
    "1, "
    "'01890a5d-ac96-774b-bcce-b302099a8057', 'INPROGRESS', 'WORKING', 'bench', 'api', ?6, ?6, ?7)";
static const char EVENT[] =
    "INSERT INTO outbox (position, id, type, machine, entity_id, "
    "timestamp_us, json) VALUES (?1, '01890a5d-ac96-774b-bcce-b302099a8057',"
    " 'transition.succeeded', 'task', ?2, ?1, ?3)";
static const char ADD_BLOCK[] =
    "INSERT OR IGNORE INTO audit_block (block, facts) VALUES (?1, zeroblob(4016))";

struct loop {
    sqlite3 *database;
    sqlite3_stmt *read, *update, *record, *event, *block;
    sqlite3_blob *kinds;
    int64_t position, now_us;
    char json[700], told[220], hash[32];
};

static void check(struct loop *loop, int code) {
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        fprintf(stderr, "bench_ceiling: %s\n", sqlite3_errmsg(loop->database));
        exit(3);
    }
}

static void run(struct loop *loop, const char *sql) {
    check(loop, sqlite3_exec(loop->database, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *prepare(struct loop *loop, const char *sql) {
    sqlite3_stmt *statement = NULL;
    check(loop,
          sqlite3_prepare_v3(loop->database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL));
    return statement;
}

static void step(struct loop *loop, sqlite3_stmt *statement) {
    check(loop, sqlite3_step(statement));
    check(loop, sqlite3_reset(statement));
}

static int64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void set_kind(struct loop *loop, int64_t number) {
    static const char kind[2] = {2, 0};
    if (loop->kinds == NULL) {
        check(loop, sqlite3_blob_open(loop->database, "main", "entity_block", "kinds",
                                      number / KINDS, 1, &loop->kinds));
    } else {
        check(loop, sqlite3_blob_reopen(loop->kinds, number / KINDS));
    }
    check(loop, sqlite3_blob_write(loop->kinds, kind, 2, (int)(number % KINDS) * 2));
}

static void add_record(struct loop *loop, int64_t entity, int64_t sequence, int64_t previous) {
    sqlite3_bind_int64(loop->record, 1, ++loop->position);
    sqlite3_bind_int64(loop->record, 2, entity);
    sqlite3_bind_int64(loop->record, 3, sequence);
    sqlite3_bind_int64(loop->record, 4, previous);
    sqlite3_bind_int64(loop->record, 5, loop->now_us);
    sqlite3_bind_blob(loop->record, 6, loop->hash, sizeof loop->hash, SQLITE_STATIC);
    sqlite3_bind_text(loop->record, 7, loop->json, sizeof loop->json, SQLITE_STATIC);
    step(loop, loop->record);
}

static void update(struct loop *loop, int64_t number, int64_t version, int64_t sequence) {
    sqlite3_bind_int64(loop->update, 1, number);
    sqlite3_bind_int64(loop->update, 2, version);
    sqlite3_bind_int64(loop->update, 3, 2);
    sqlite3_bind_int64(loop->update, 4, version + 1);
    sqlite3_bind_int64(loop->update, 5, sequence);
    sqlite3_bind_int64(loop->update, 6, loop->position);
    sqlite3_bind_blob(loop->update, 7, loop->hash, sizeof loop->hash, SQLITE_STATIC);
    sqlite3_bind_int64(loop->update, 8, loop->now_us);
    sqlite3_bind_value(loop->update, 9, sqlite3_column_value(loop->read, 4));
    step(loop, loop->update);
}

static void add_event(struct loop *loop, const char *id) {
    sqlite3_bind_int64(loop->event, 1, ++loop->now_us);
    sqlite3_bind_text(loop->event, 2, id, -1, SQLITE_STATIC);
    sqlite3_bind_text(loop->event, 3, loop->told, sizeof loop->told, SQLITE_STATIC);
    step(loop, loop->event);
}

static void transition(struct loop *loop, const char *id) {
    sqlite3_bind_text(loop->read, 1, id, -1, SQLITE_STATIC);
    if (sqlite3_step(loop->read) != SQLITE_ROW) {
        fprintf(stderr, "bench_ceiling: there is no task %s\n", id);
        exit(3);
    }
    int64_t number = sqlite3_column_int64(loop->read, 0);
    int64_t sequence = sqlite3_column_int64(loop->read, 2) + 1;
    add_record(loop, number, sequence, sqlite3_column_int64(loop->read, 3));
    update(loop, number, sqlite3_column_int64(loop->read, 1), sequence);
    set_kind(loop, number);
    check(loop, sqlite3_reset(loop->read));
    add_event(loop, id);
}

/* The packed facts of a whole batch. */
static void add_facts(struct loop *loop, int64_t first) {
    static const char facts[FACTS * 16];
    for (int64_t at = first; at <= loop->position;) {
        int64_t block = (at - 1) / FACTS, slot = (at - 1) % FACTS;
        int64_t most = FACTS - slot, left = loop->position - at + 1,
                count = left < most ? left : most;
        sqlite3_blob *blob = NULL;
        sqlite3_bind_int64(loop->block, 1, block);
        step(loop, loop->block);
        check(loop,
              sqlite3_blob_open(loop->database, "main", "audit_block", "facts", block, 1, &blob));
        check(loop, sqlite3_blob_write(blob, facts, (int)count * 16, 16 + (int)slot * 16));
        check(loop, sqlite3_blob_close(blob));
        at += count;
    }
}

static void batch(struct loop *loop, long entities, long *next) {
    char id[32];
    int64_t first = loop->position + 1;
    run(loop, "BEGIN IMMEDIATE");
    for (int i = 0; i < BATCH; i++) {
        snprintf(id, sizeof id, "bench-%ld", *next);
        *next = (*next + 1) % entities;
        transition(loop, id);
    }
    add_facts(loop, first);
    sqlite3_blob_close(loop->kinds);
    loop->kinds = NULL;
    run(loop, "COMMIT");
}

static int checkpoint(void *context, sqlite3 *database, const char *name, int pages) {
    (void)context;
    (void)name;
    if (pages >= LOG_PAGES) {
        sqlite3_wal_checkpoint_v2(database, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

static void start(struct loop *loop, const char *path) {
    check(loop, sqlite3_open(path, &loop->database));
    run(loop, SET_UP);
    loop->read = prepare(loop, READ);
    loop->update = prepare(loop, UPDATE);
    loop->record = prepare(loop, RECORD);
    loop->event = prepare(loop, EVENT);
    loop->block = prepare(loop, ADD_BLOCK);
    sqlite3_stmt *last = prepare(loop, "SELECT max(position) FROM audit");
    check(loop, sqlite3_step(last));
    loop->position = sqlite3_column_int64(last, 0);
    sqlite3_finalize(last);
    loop->now_us = INT64_C(1764000000000000);
    memset(loop->json, 'x', sizeof loop->json);
    memset(loop->told, 'x', sizeof loop->told);
    sqlite3_wal_hook(loop->database, checkpoint, NULL);
}

int main(int argc, char **argv) {
    struct loop loop = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: bench_ceiling STORE.db ENTITIES SECONDS\n");
        return 2;
    }
    long entities = atol(argv[2]), next = 0;
    start(&loop, argv[1]);
    int64_t began = clock_us(), until = began + atol(argv[3]) * INT64_C(1000000), done = 0, now;
    do {
        batch(&loop, entities, &next);
        done += BATCH;
        now = clock_us();
    } while (now < until);
    printf("%.0f\n", (double)done * 1e6 / (double)(now - began));
    sqlite3_close_v2(loop.database);
    return 0;
}
