/* store_fixture.h: what the tests of the store share: the table of stores, one of them open in a
 * directory or database of its own, and short ways to write entities with their records.
 * PostgreSQL is the server of the environment variable STATUTE_TEST_POSTGRES, the URL of a database
 * in which others may be made; without it these tests fail. scripts/test starts one. */
#ifndef STATUTE_TEST_STORE_FIXTURE_H
#define STATUTE_TEST_STORE_FIXTURE_H

#include "unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/chain.h"
#include "store/store.h"

#define DAY   INT64_C(1759276800000000) /* 2025-10-01T00:00:00Z */
#define TASK  TEXT("task")
#define ORDER TEXT("work_order")

/* A kind of store under test; a new driver adds a line to `subjects`. */
struct subject {
    const char *name;
    const char *before, *after; /* its URL around a place of the test's own */
    bool has_server;            /* the place is a database of a server, not a directory */
};

extern const struct subject subjects[];
extern const size_t subject_count;
extern const struct subject *const subject_sqlite, *const subject_postgres;
extern const struct subject *subject_at_hand; /* the one that main has got to */

struct fixture {
    char directory[64];
    const char *database; /* NULL: none */
    struct text url;
    struct store *store; /* a writer */
    struct arena arena;
};

/* Fails the test, with the fault, unless `fine`. */
void check_fine(bool fine, const struct fault *fault, const char *file, int line);

/* Calls with a `fault` at hand that must go well, or must fail with this code. */
#define FINE(call)                                                                                 \
    do {                                                                                           \
        struct fault fault = FAULT_INIT;                                                           \
        check_fine((call), &fault, __FILE__, __LINE__);                                            \
    } while (0)
#define FAILS(expected, call)                                                                      \
    do {                                                                                           \
        struct fault fault = FAULT_INIT;                                                           \
        assert_false(call);                                                                        \
        assert_string_equal(fault_name(fault.code), fault_name(expected));                         \
        assert_int_equal(fault.code, expected);                                                    \
        assert_true(fault.message[0] != '\0');                                                     \
    } while (0)

/* --- the store --- */
struct store *open_store(struct fixture *fixture, enum store_role role);
int open_fixture(void **state);
int close_fixture(void **state);
void reopen(struct fixture *fixture);
/* Runs SQL on a database of the PostgreSQL server: the fixture's, or with NULL the server's own. */
void run_on_server(const char *name, const char *sql);
const struct js *json(struct fixture *fixture, const char *text);
/* The name and five digits: "T-00042". */
struct text print(struct fixture *fixture, const char *name, int number);
void begin(struct store *store, enum store_access access);
void commit(struct store *store);

/* In whatever transaction is open, or in none. */
struct entity read_by(struct fixture *fixture, struct store *store, struct text machine,
                      struct text id);
struct entity read_task(struct fixture *fixture, const char *id);

/* --- changes --- */

/* What happens to an entity; what is zero is filled in: machine task, now DAY, success. */
struct change {
    struct text machine, id, to, actor, reason;
    const char *data; /* NULL: as it is, or {} */
    bool refused;
    int64_t at_us;
};

/* An entity, as it is to be, with its record. */
struct changed {
    struct entity entity;
    struct store_entity_write write;
    struct store_record record;
};

/* `out` must stay where it is until it is written. */
void prepare(struct fixture *fixture, const struct entity *before, struct change change,
             struct changed *out);
bool try_write(struct fixture *fixture, const struct changed *changed, struct fault *fault);
/* Reads, changes and writes an entity inside the open transaction. */
struct entity apply(struct fixture *fixture, struct change change);
/* The same in a transaction of its own. */
struct entity make(struct fixture *fixture, struct change change);
struct entity make_task(struct fixture *fixture, const char *id);

/* --- queries --- */

struct found {
    struct store_record *items;
    size_t count;
    struct text next;
};

struct found search_page(struct fixture *fixture, struct store_search search, int64_t limit,
                         struct text cursor);

/* Of a store_search: of either outcome. */
#define ANY .success = -1

struct found search(struct fixture *fixture, struct store_search search);

/* --- running --- */

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

/* Runs a group against every store. */
#define RUN_FOR_ALL_STORES(tests)                                                                  \
    int failures = 0;                                                                              \
    for (size_t i = 0; i < subject_count; i++) {                                                   \
        subject_at_hand = &subjects[i];                                                            \
        failures += cmocka_run_group_tests_name(subjects[i].name, tests, NULL, NULL);              \
    }                                                                                              \
    return failures

#endif
