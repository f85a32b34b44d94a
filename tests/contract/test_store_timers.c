/* What every store promises about timers: tried again, done, put off, counted, and matched with new
 * rules in slices. */
#include "support/store_fixture.h"

#include "store/timers.h"

static const struct text task_only[] = {TEXT("task")};

static struct store_deadline timer_of(const char *id, int64_t due_us) {
    return (struct store_deadline){.machine = TASK,
                                   .entity_id = text_of(id),
                                   .due_us = due_us,
                                   .to_state = TEXT("CLOSED"),
                                   .reason = TEXT("system_auto"),
                                   .entity_version = 1,
                                   .rules = 77};
}

static void write_batch(struct fixture *fixture, struct store_batch batch) {
    begin(fixture->store, STORE_WRITE);
    FINE(store_write(fixture->store, &batch, &fault));
    commit(fixture->store);
}

static void arm(struct fixture *fixture, struct store_deadline timer) {
    write_batch(fixture, (struct store_batch){.deadlines = &timer, .deadline_count = 1});
}

/* "id+microseconds of due/attempts", done ones with a "!", joined by blanks. */
static const char *print_timers(struct fixture *fixture, const struct store_deadline *items,
                                size_t count) {
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    for (size_t i = 0; i < count; i++) {
        buffer_print(&buffer, "%s%.*s+%lld/%lld%s", i > 0 ? " " : "", TEXT_ARGS(items[i].entity_id),
                     (long long)(items[i].due_us - DAY), (long long)items[i].attempts,
                     items[i].done_us != 0 ? "!" : "");
    }
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static const char *due(struct fixture *fixture, const struct text *machines, size_t machine_count,
                       int64_t now_us) {
    struct store_deadline *items;
    size_t count;
    FINE(store_due(fixture->store, &fixture->arena, machines, machine_count, now_us, 10, &items,
                   &count, &fault));
    return print_timers(fixture, items, count);
}

static const char *timers(struct fixture *fixture, const char *first, const char *second) {
    struct store_key keys[] = {{TASK, text_of(first)}, {TASK, text_of(second)}};
    struct store_deadline *items;
    size_t count;
    FINE(store_timers(fixture->store, &fixture->arena, keys, 2, &items, &count, &fault));
    return print_timers(fixture, items, count);
}

static void a_timer_is_tried_again_when_it_says(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline *items, again = timer_of("a", DAY + 10);
    size_t count;
    make_task(fixture, "a");
    arm(fixture, again);
    again.attempts = 3;
    again.next_us = DAY + 50;
    again.chain = 2;
    arm(fixture, again);
    assert_string_equal(due(fixture, NULL, 0, DAY + 49), "");
    assert_string_equal(due(fixture, NULL, 0, DAY + 50), "a+10/3");
    FINE(store_due(fixture->store, &fixture->arena, NULL, 0, DAY + 50, 10, &items, &count, &fault));
    assert_int_equal(items[0].next_us, DAY + 50);
    assert_int_equal(items[0].chain, 2);
    assert_int_equal(items[0].rules, 77);
    check_text(items[0].state, "OPEN");
}

static void timers_of_other_machines_are_passed_over_and_put_off(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline foreign = timer_of("o", DAY + 10);
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("o")});
    make_task(fixture, "a");
    foreign.machine = ORDER;
    arm(fixture, foreign);
    arm(fixture, timer_of("a", DAY + 20));
    assert_string_equal(due(fixture, NULL, 0, DAY + 99), "o+10/0 a+20/0");
    assert_string_equal(due(fixture, task_only, 1, DAY + 99), "a+20/0");
    assert_string_equal(due(fixture, task_only, 0, DAY + 99), "");
    FINE(store_put_off(fixture->store, task_only, 1, DAY + 99, DAY + 200, 10, &fault));
    assert_string_equal(due(fixture, NULL, 0, DAY + 99), "a+20/0");
    assert_string_equal(due(fixture, NULL, 0, DAY + 200), "a+20/0 o+10/0");
}

static void done_timers_are_remembered_until_the_state_is_entered_again(void **state) {
    struct fixture *fixture = *state;
    struct store_deadline done = timer_of("a", DAY + 10);
    make_task(fixture, "a");
    make_task(fixture, "b");
    arm(fixture, done);
    arm(fixture, timer_of("a", DAY + 30));
    arm(fixture, timer_of("b", DAY + 20));
    done.done_us = DAY + 11;
    write_batch(fixture, (struct store_batch){.fired = &done, .fired_count = 1});
    assert_string_equal(timers(fixture, "b", "a"), "b+20/0 a+10/0! a+30/0");
    assert_string_equal(timers(fixture, "nobody", "b"), "b+20/0");
    assert_string_equal(due(fixture, NULL, 0, DAY + 99), "b+20/0 a+30/0");
    FINE(store_forget_done(fixture->store, 10, &fault));
    assert_string_equal(timers(fixture, "a", "nobody"), "a+10/0! a+30/0");
    begin(fixture->store, STORE_WRITE);
    struct entity before = read_by(fixture, fixture->store, TASK, TEXT("a"));
    struct changed changed;
    prepare(fixture, &before, (struct change){.id = TEXT("a"), .to = TEXT("BUSY")}, &changed);
    changed.entity.entered_us = DAY + 12;
    FINE(try_write(fixture, &changed, &fault));
    commit(fixture->store);
    FINE(store_forget_done(fixture->store, 10, &fault));
    assert_string_equal(timers(fixture, "a", "nobody"), "a+30/0");
}

static void it_is_known_when_a_state_was_entered(void **state) {
    struct fixture *fixture = *state;
    struct entity before = make_task(fixture, "a");
    struct changed changed;
    begin(fixture->store, STORE_WRITE);
    before = read_by(fixture, fixture->store, TASK, TEXT("a"));
    assert_int_equal(before.entered_us, before.updated_us); /* nobody has said */
    prepare(fixture, &before, (struct change){.id = TEXT("a"), .at_us = DAY + 9}, &changed);
    changed.entity.entered_us = DAY + 5;
    FINE(try_write(fixture, &changed, &fault));
    commit(fixture->store);
    begin(fixture->store, STORE_WRITE);
    assert_int_equal(read_by(fixture, fixture->store, TASK, TEXT("a")).entered_us, DAY + 5);
    store_rollback(fixture->store);
}

static void timers_and_states_are_counted(void **state) {
    struct fixture *fixture = *state;
    struct store_timer_count *machines;
    struct store_state_count *states;
    size_t count;
    make_task(fixture, "a");
    make(fixture, (struct change){.id = TEXT("b"), .at_us = DAY - 5});
    make(fixture, (struct change){.id = TEXT("c"), .to = TEXT("BUSY")});
    arm(fixture, timer_of("a", DAY + 10));
    arm(fixture, timer_of("b", DAY + 20));
    arm(fixture, timer_of("c", DAY + 30));
    FINE(store_count_timers(fixture->store, &fixture->arena, DAY + 20, &machines, &count, &fault));
    assert_int_equal(count, 1);
    check_text(machines[0].machine, "task");
    assert_int_equal(machines[0].pending, 3);
    assert_int_equal(machines[0].overdue, 2);
    assert_int_equal(machines[0].oldest_due_us, DAY + 10);
    FINE(store_count_states(fixture->store, &fixture->arena, TASK, DAY + 20, &states, &count,
                            &fault));
    assert_int_equal(count, 2);
    check_text(states[0].state, "BUSY");
    assert_int_equal(states[0].overdue_timers, 0);
    check_text(states[1].state, "OPEN");
    assert_int_equal(states[1].entities, 2);
    assert_int_equal(states[1].oldest_us, DAY - 5);
    assert_int_equal(states[1].overdue_timers, 2);
    FINE(store_count_states(fixture->store, &fixture->arena, ORDER, DAY, &states, &count, &fault));
    assert_int_equal(count, 0);
}

/* The ids of all slices, joined by blanks; a "|" between two. */
static const char *slices(struct fixture *fixture, struct store_slice slice) {
    struct buffer buffer;
    int64_t next = 0;
    buffer_init(&buffer, &fixture->arena);
    for (int i = 0; next >= 0 && i < 20; i++) {
        struct text *ids;
        size_t count;
        slice.after = next;
        FINE(store_slice(fixture->store, &fixture->arena, &slice, &ids, &count, &next, &fault));
        for (size_t j = 0; j < count; j++) {
            buffer_print(&buffer, "%.*s ", TEXT_ARGS(ids[j]));
        }
        buffer_add_text(&buffer, TEXT("|"));
    }
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static void slices_go_through_entities_in_these_states_and_with_timers(void **state) {
    static const struct text busy[] = {TEXT("BUSY")};
    struct fixture *fixture = *state;
    struct store_slice slice = {.machine = TASK, .states = busy, .state_count = 1, .limit = 2};
    make(fixture, (struct change){.id = TEXT("a"), .to = TEXT("BUSY")});
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("o"), .to = TEXT("BUSY")});
    make_task(fixture, "b");
    make(fixture, (struct change){.id = TEXT("c"), .to = TEXT("BUSY"), .at_us = DAY + 5});
    make_task(fixture, "d");
    arm(fixture, timer_of("d", DAY + 30));
    assert_string_equal(slices(fixture, slice), "a c |d |");
    slice.limit = 10;
    assert_string_equal(slices(fixture, slice), "a c d |");
    slice.since_us = DAY + 5;
    assert_string_equal(slices(fixture, slice), "c |");
    slice.state_count = 0;
    slice.since_us = 0;
    assert_string_equal(slices(fixture, slice), "d |");
}

static void how_far_a_machine_is_matched_is_read_back(void **state) {
    struct fixture *fixture = *state;
    struct store_match *rows, found,
        match = {.machine = TASK,
                 .rules = 77,
                 .position = 12,
                 .since_us = DAY,
                 .again = true,
                 .started_us = DAY + 1,
                 .seen = 9,
                 .changed = 4};
    size_t count;
    bool is_there;
    FINE(store_save_match(fixture->store, &match, &fault));
    begin(fixture->store, STORE_WRITE);
    FINE(store_lock_match(fixture->store, &fixture->arena, ORDER, true, &found, &is_there, &fault));
    assert_false(is_there);
    FINE(store_lock_match(fixture->store, &fixture->arena, TASK, false, &found, &is_there, &fault));
    assert_true(is_there);
    assert_int_equal(found.position, 12);
    assert_true(found.again);
    found.again = false;
    found.finished_us = DAY + 2;
    FINE(store_save_match(fixture->store, &found, &fault));
    commit(fixture->store);
    FINE(store_list_matches(fixture->store, &fixture->arena, &rows, &count, &fault));
    assert_int_equal(count, 1);
    check_text(rows[0].machine, "task");
    assert_int_equal(rows[0].rules, 77);
    assert_int_equal(rows[0].since_us, DAY);
    assert_false(rows[0].again);
    assert_int_equal(rows[0].started_us, DAY + 1);
    assert_int_equal(rows[0].finished_us, DAY + 2);
    assert_int_equal(rows[0].seen, 9);
    assert_int_equal(rows[0].changed, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_timer_is_tried_again_when_it_says),
        TEST(timers_of_other_machines_are_passed_over_and_put_off),
        TEST(done_timers_are_remembered_until_the_state_is_entered_again),
        TEST(it_is_known_when_a_state_was_entered),
        TEST(timers_and_states_are_counted),
        TEST(slices_go_through_entities_in_these_states_and_with_timers),
        TEST(how_far_a_machine_is_matched_is_read_back),
    };
    RUN_FOR_ALL_STORES(tests);
}
