/* store_fixture.c: see store_fixture.h. */
#include "support/store_fixture.h"

#include <libpq-fe.h>

#define SERVER "STATUTE_TEST_POSTGRES"

/* Its URL, cut around the name of the database; see find_server. */
static char server_before[256], server_after[256];

const struct subject subjects[] = {{"sqlite", "sqlite:", "/store.db", false},
                                   {"postgresql", server_before, server_after, true}};
const size_t subject_count = COUNT_OF(subjects);
const struct subject *const subject_sqlite = &subjects[0], *const subject_postgres = &subjects[1];
const struct subject *subject_at_hand;

/* --- the server --- */

/* The URL of the server, cut in three: postgresql://host:port/ database ?options */
static void find_server(void) {
    const char *url = getenv(SERVER);
    if (url == NULL || strstr(url, "://") == NULL) {
        fail_msg("set " SERVER " to the URL of a PostgreSQL server for tests: " SERVER
                 "=$(scripts/postgres start DIRECTORY); scripts/test does so by itself");
        return;
    }
    size_t authority = (size_t)(strstr(url, "://") - url) + 3;
    size_t before = authority + strcspn(url + authority, "/?");
    size_t options = before + strcspn(url + before, "?");
    snprintf(server_before, sizeof server_before, "%.*s/", (int)before, url);
    snprintf(server_after, sizeof server_after, "%s", url + options);
}

void run_on_server(const char *name, const char *sql) {
    char url[640];
    snprintf(url, sizeof url, "%s%s%s", server_before, name != NULL ? name : "postgres",
             server_after);
    PGconn *connection = PQconnectdb(url);
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    }
    PQclear(result);
    PQfinish(connection);
}

/* Making a database takes longer than most tests: there is one a process, dropped when it ends, and
 * each test gets it empty. */
static char database[64];

static void drop_database(void) {
    char sql[128];
    snprintf(sql, sizeof sql, "DROP DATABASE \"%s\" WITH (FORCE)", database);
    run_on_server(NULL, sql);
}

static void make_database(void) {
    char sql[128];
    if (database[0] == '\0') {
        find_server();
        snprintf(database, sizeof database, "statute_test_%ld", (long)getpid());
        snprintf(sql, sizeof sql, "CREATE DATABASE \"%s\"", database);
        run_on_server(NULL, sql);
        atexit(drop_database);
    }
    run_on_server(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                            "datname = current_database() AND pid <> pg_backend_pid()");
    run_on_server(database, "SET client_min_messages = warning; DROP SCHEMA public CASCADE; "
                            "CREATE SCHEMA public");
}

/* --- the fixture --- */

void check_fine(bool fine, const struct fault *fault, const char *file, int line) {
    if (!fine) {
        print_error("%s: %s\n", fault_name(fault->code), fault->message);
    }
    _assert_true(fine, "no fault", file, line);
}

struct store *open_store(struct fixture *fixture, enum store_role role) {
    struct store *store = NULL;
    FINE(store_open(fixture->url, role, &store, &fault));
    return store;
}

int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    arena_init(&fixture->arena, 0);
    if (subject_at_hand->has_server) {
        make_database();
        fixture->database = database;
    }
    fixture->url = text_print(&fixture->arena, "%s%s%s", subject_at_hand->before,
                              fixture->database != NULL ? fixture->database : fixture->directory,
                              subject_at_hand->after);
    fixture->store = open_store(fixture, STORE_WRITER);
    *state = fixture;
    return 0;
}

int close_fixture(void **state) {
    struct fixture *fixture = *state;
    char command[96];
    store_close(fixture->store);
    arena_deinit(&fixture->arena);
    snprintf(command, sizeof command, "rm -rf %s", fixture->directory);
    int code = system(command);
    free(fixture);
    return code;
}

void reopen(struct fixture *fixture) {
    store_close(fixture->store);
    fixture->store = open_store(fixture, STORE_WRITER);
}

const struct js *json(struct fixture *fixture, const char *text) {
    const struct js *value = NULL;
    FINE(js_parse(&fixture->arena, text_of(text), &value, &fault));
    return value;
}

struct text print(struct fixture *fixture, const char *name, int number) {
    return text_print(&fixture->arena, "%s%05d", name, number);
}

void begin(struct store *store, enum store_access access) {
    FINE(store_begin(store, access, ISOLATION_DEFAULT, &fault));
}

void commit(struct store *store) {
    FINE(store_commit(store, &fault));
}

struct entity read_by(struct fixture *fixture, struct store *store, struct text machine,
                      struct text id) {
    struct store_key key = {machine, id};
    struct entity entity;
    FINE(store_read(store, &fixture->arena, &key, 1, &entity, &fault));
    return entity;
}

struct entity read_task(struct fixture *fixture, const char *id) {
    return read_by(fixture, fixture->store, TASK, text_of(id));
}

static struct store_record record_of(struct fixture *fixture, const struct entity *before,
                                     const struct change *change) {
    static unsigned serial;
    struct actor actor = {.id = change->actor};
    struct record record = {
        .sequence = before->audit_sequence + 1,
        .machine = before->machine,
        .entity_id = before->id,
        .from_state = before->exists ? before->state : TEXT_NONE,
        .to_state = change->to,
        .actor = text_given(change->actor) ? &actor : NULL,
        .action = TEXT("transition"),
        .reason = change->reason,
        .timestamp_us = change->at_us,
        .success = !change->refused,
    };
    char uuid[ID_LENGTH + 1];
    snprintf(uuid, sizeof uuid, "00000000-0000-7000-8000-%012x", ++serial);
    memcpy(record.uuid, uuid, ID_LENGTH);
    struct store_record row = {.machine = record.machine,
                               .entity_id = record.entity_id,
                               .from_state = record.from_state,
                               .to_state = record.to_state,
                               .actor_id = change->actor,
                               .reason = record.reason,
                               .sequence = record.sequence,
                               .timestamp_us = record.timestamp_us,
                               .success = record.success,
                               .json = chain_record(&fixture->arena, &record)};
    memcpy(row.uuid, record.uuid, ID_LENGTH);
    memcpy(row.previous_hash, before->audit_hash, DIGEST_BYTES);
    chain_hash(row.previous_hash, row.json, row.hash);
    return row;
}

static struct change filled(struct change change) {
    change.machine = text_given(change.machine) ? change.machine : TASK;
    change.to = text_given(change.to) ? change.to : TEXT("OPEN");
    change.reason = text_given(change.reason) ? change.reason : TEXT("user_action");
    change.at_us = change.at_us != 0 ? change.at_us : DAY;
    return change;
}

static void move(struct fixture *fixture, struct entity *entity, const struct change *change) {
    entity->data = change->data != NULL ? json(fixture, change->data)
                   : entity->exists     ? entity->data
                                        : &js_empty_object;
    entity->data_json = TEXT_NONE;
    entity->state = change->to;
    entity->created_us = entity->exists ? entity->created_us : change->at_us;
    entity->updated_us = change->at_us;
    entity->version++;
    entity->exists = true;
}

void prepare(struct fixture *fixture, const struct entity *before, struct change change,
             struct changed *out) {
    change = filled(change);
    out->entity = *before;
    out->record = record_of(fixture, before, &change);
    out->entity.audit_sequence = out->record.sequence;
    memcpy(out->entity.audit_hash, out->record.hash, DIGEST_BYTES);
    if (!change.refused) {
        move(fixture, &out->entity, &change);
    }
    out->write = (struct store_entity_write){&out->entity, before->exists ? before->version : 0,
                                             !change.refused};
}

bool try_write(struct fixture *fixture, const struct changed *changed, struct fault *fault) {
    struct store_batch batch = {.entities = &changed->write,
                                .entity_count = 1,
                                .records = &changed->record,
                                .record_count = 1};
    return store_write(fixture->store, &batch, fault);
}

struct entity apply(struct fixture *fixture, struct change change) {
    struct changed changed;
    change = filled(change);
    struct entity before = read_by(fixture, fixture->store, change.machine, change.id);
    prepare(fixture, &before, change, &changed);
    FINE(try_write(fixture, &changed, &fault));
    return changed.entity;
}

struct entity make(struct fixture *fixture, struct change change) {
    begin(fixture->store, STORE_WRITE);
    struct entity entity = apply(fixture, change);
    commit(fixture->store);
    return entity;
}

struct entity make_task(struct fixture *fixture, const char *id) {
    return make(fixture, (struct change){.id = text_of(id)});
}

struct found search_page(struct fixture *fixture, struct store_search search, int64_t limit,
                         struct text cursor) {
    struct found found = {0};
    struct store_page page = {.limit = limit, .cursor = cursor};
    FINE(store_search_records(fixture->store, &fixture->arena, &search, &page, &found.items,
                              &found.count, &found.next, &fault));
    return found;
}

struct found search(struct fixture *fixture, struct store_search search) {
    return search_page(fixture, search, 1000, TEXT_NONE);
}
