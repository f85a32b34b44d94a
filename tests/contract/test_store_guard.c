/* What a PostgreSQL transaction counted or only looked at is still so when it writes, and nobody
 * waits in a circle for that: what would be out of order conflicts at once. */
#include "support/store_fixture.h"

#define BED TEXT("bed") /* its lock comes after that of TASK */

static struct entity look(struct fixture *fixture, struct store *store, const char *id) {
    struct store_reading reading = {{TASK, text_of(id)}, STORE_LOOK};
    struct entity entity;
    FINE(store_read_as(store, &fixture->arena, &reading, 1, &entity, &fault));
    return entity;
}

/* Writes the task with the connection, inside its open transaction. */
static bool move_by(struct fixture *fixture, struct store *store, const char *id,
                    struct fault *fault) {
    struct store *own = fixture->store;
    struct entity before = read_by(fixture, store, TASK, text_of(id));
    struct changed changed;
    prepare(fixture, &before, (struct change){.id = text_of(id)}, &changed);
    fixture->store = store;
    bool written = try_write(fixture, &changed, fault);
    fixture->store = own;
    return written;
}

static int64_t count_tasks(struct store *store) {
    int64_t count = -1;
    FINE(store_count(store, TASK, NULL, &count, &fault));
    return count;
}

/* --- looks --- */

static void what_was_looked_at_and_has_changed_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    make_task(fixture, "T-1");
    begin(other, STORE_WRITE);
    assert_int_equal(look(fixture, other, "T-1").version, 1);
    make_task(fixture, "T-1");
    FAILS(FAULT_STORE_CONFLICT, move_by(fixture, other, "T-2", &fault));
    store_rollback(other);
    begin(other, STORE_WRITE);
    assert_int_equal(look(fixture, other, "T-1").version, 2);
    FINE(move_by(fixture, other, "T-2", &fault));
    commit(other);
    store_close(other);
}

static void what_was_looked_at_in_vain_and_is_there_now_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    begin(other, STORE_WRITE);
    assert_false(look(fixture, other, "T-1").exists);
    make_task(fixture, "T-1");
    FAILS(FAULT_STORE_CONFLICT, move_by(fixture, other, "T-2", &fault));
    store_rollback(other);
    store_close(other);
}

static void what_somebody_else_holds_is_looked_at_at_once_and_conflicts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    make_task(fixture, "T-1");
    begin(fixture->store, STORE_WRITE);
    read_task(fixture, "T-1");
    begin(other, STORE_WRITE);
    assert_int_equal(look(fixture, other, "T-1").version, 1);
    FAILS(FAULT_STORE_CONFLICT, move_by(fixture, other, "T-2", &fault));
    store_rollback(other);
    store_rollback(fixture->store);
    store_close(other);
}

static void siblings_that_look_at_each_other_do_not_both_write(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    make_task(fixture, "T-1");
    make_task(fixture, "T-2");
    begin(fixture->store, STORE_WRITE);
    begin(other, STORE_WRITE);
    read_task(fixture, "T-1");
    read_by(fixture, other, TASK, TEXT("T-2"));
    look(fixture, fixture->store, "T-2");
    look(fixture, other, "T-1");
    FAILS(FAULT_STORE_CONFLICT, move_by(fixture, fixture->store, "T-1", &fault));
    store_rollback(fixture->store);
    FINE(move_by(fixture, other, "T-2", &fault));
    commit(other);
    store_close(other);
}

/* Those who share it wait for nobody; who then wants to write it is not alone. */
static void what_is_shared_is_shared(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    struct store_reading reading = {{TASK, TEXT("T-1")}, STORE_SHARE};
    struct entity entity;
    struct changed changed;
    make_task(fixture, "T-1");
    begin(other, STORE_WRITE);
    begin(fixture->store, STORE_WRITE);
    FINE(store_read_as(other, &fixture->arena, &reading, 1, &entity, &fault));
    FINE(store_read_as(fixture->store, &fixture->arena, &reading, 1, &entity, &fault));
    prepare(fixture, &entity, (struct change){.id = TEXT("T-1")}, &changed);
    FAILS(FAULT_STORE_CONFLICT, try_write(fixture, &changed, &fault));
    store_rollback(fixture->store);
    store_rollback(other);
    store_close(other);
}

/* --- counts --- */

static void who_counts_out_of_order_conflicts_with_who_counts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    static const struct text both[] = {BED, TASK};
    int64_t count;
    begin(fixture->store, STORE_WRITE);
    assert_int_equal(count_tasks(fixture->store), 0);
    begin(other, STORE_WRITE);
    FINE(store_count(other, BED, NULL, &count, &fault));
    FAILS(FAULT_STORE_CONFLICT, store_count(other, TASK, NULL, &count, &fault));
    store_rollback(other);
    commit(fixture->store);
    begin(other, STORE_WRITE);
    FINE(store_guard(other, both, 2, &fault));
    assert_int_equal(count_tasks(other), 0);
    commit(other);
    store_close(other);
}

static void who_writes_what_is_counted_conflicts_with_who_counts(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    static const struct text bed = BED;
    begin(other, STORE_WRITE);
    FINE(store_guard(other, &bed, 1, &fault));
    begin(fixture->store, STORE_WRITE);
    assert_int_equal(count_tasks(fixture->store), 0);
    FAILS(FAULT_STORE_CONFLICT, move_by(fixture, other, "T-1", &fault));
    store_rollback(other);
    store_rollback(fixture->store);
    store_close(other);
}

static void who_only_writes_waits_for_nobody_who_writes(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    begin(fixture->store, STORE_WRITE);
    begin(other, STORE_WRITE);
    FINE(move_by(fixture, fixture->store, "T-1", &fault));
    FINE(move_by(fixture, other, "T-2", &fault));
    commit(other);
    commit(fixture->store);
    store_close(other);
}

static void who_has_a_snapshot_may_not_count(void **state) {
    struct fixture *fixture = *state;
    static const enum isolation levels[] = {ISOLATION_REPEATABLE_READ, ISOLATION_SERIALIZABLE};
    int64_t count;
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        FINE(store_begin(fixture->store, STORE_WRITE, levels[i], &fault));
        FAILS(FAULT_STORE_CONFLICT, store_count(fixture->store, TASK, NULL, &count, &fault));
        store_rollback(fixture->store);
    }
}

static void a_count_sees_what_was_committed_before_it(void **state) {
    struct fixture *fixture = *state;
    struct store *other = open_store(fixture, STORE_WRITER);
    begin(other, STORE_WRITE);
    assert_false(read_by(fixture, other, TASK, TEXT("T-2")).exists);
    make_task(fixture, "T-1");
    assert_int_equal(count_tasks(other), 1);
    store_rollback(other);
    store_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_looked_at_and_has_changed_conflicts),
        TEST(what_was_looked_at_in_vain_and_is_there_now_conflicts),
        TEST(what_somebody_else_holds_is_looked_at_at_once_and_conflicts),
        TEST(siblings_that_look_at_each_other_do_not_both_write),
        TEST(what_is_shared_is_shared),
        TEST(who_counts_out_of_order_conflicts_with_who_counts),
        TEST(who_writes_what_is_counted_conflicts_with_who_counts),
        TEST(who_only_writes_waits_for_nobody_who_writes),
        TEST(who_has_a_snapshot_may_not_count),
        TEST(a_count_sees_what_was_committed_before_it),
    };
    subject_at_hand = subject_postgres;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
