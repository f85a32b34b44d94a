/* The reload thread with real policies and a real watch; the writer is a mailbox that the test
 * reads, answers are kept by answers.h, and metrics are counted here. */
#include "store/census.h"
#include "unit/http/answers.h"
#include "unit/server/loaded.h"

#include "server/bulletin.h"
#include "server/metrics.h"
#include "server/published.h"
#include "server/reload.h"
#include "server/worker.h"
#include "store/table.h"
#include "store/timers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define PATIENCE_MS 10000

static atomic_int loads[2]; /* failed, fine */

void metrics_reload(struct metrics *metrics, bool success) {
    (void)metrics;
    atomic_fetch_add(&loads[success], 1);
}

struct fixture {
    struct tree tree;
    struct published *published;
    struct bulletin *bulletin;
    struct reload *reload;
    struct worker writer;
    struct http_exchange exchange;
};

static void start(struct fixture *fixture) {
    struct fault fault = FAULT_INIT;
    struct reload_options options = {.generation = {.directory = text_of(fixture->tree.root),
                                                    .limits = vm_limits_default(),
                                                    .vm_count = 1,
                                                    .now = now_system(),
                                                    .hash_key = TEXT("")},
                                     .watch = true,
                                     .settle_us = 200 * NOW_MILLISECOND,
                                     .published = fixture->published,
                                     .bulletin = fixture->bulletin};
    assert_true(reload_open(&options, &fixture->reload, &fault));
    published_set(fixture->published, loaded(&fixture->tree));
    assert_true(reload_start(fixture->reload, &fixture->writer, &fault));
}

static int make(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    tree_make(&fixture->tree);
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("one"));
    fixture->writer.mailbox = mailbox_new(0);
    fixture->writer.core.now = now_system();
    fixture->published = published_new();
    fixture->bulletin = bulletin_new();
    arena_init(&fixture->exchange.arena, 0);
    atomic_store(&loads[0], 0);
    atomic_store(&loads[1], 0);
    start(fixture);
    *state = fixture;
    return 0;
}

/* Lets the jobs that keep generations end as they do when the store is gone. */
static void drop_jobs(struct fixture *fixture) {
    struct letter *letter = mailbox_take(fixture->writer.mailbox, 0);
    while (letter != NULL) {
        struct letter *next = letter->next;
        struct job *job = (struct job *)(void *)letter;
        job->run(job, &fixture->writer);
        letter = next;
    }
}

static int unmake(void **state) {
    struct fixture *fixture = *state;
    reload_stop(fixture->reload);
    drop_jobs(fixture);
    reload_close(fixture->reload);
    published_free(fixture->published);
    bulletin_free(fixture->bulletin);
    mailbox_free(fixture->writer.mailbox);
    arena_deinit(&fixture->exchange.arena);
    tree_remove(&fixture->tree, "");
    free(fixture);
    return 0;
}

/* The store is not there; what the reload thread makes of that is part of what is tested. */
bool store_begin(struct store *store, enum store_access access, enum isolation isolation,
                 struct fault *fault) {
    (void)store;
    (void)access;
    (void)isolation;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

bool store_keep_policy(struct store *store, struct text generation, struct text files_json,
                       int64_t now_us, struct fault *fault) {
    (void)store;
    (void)generation;
    (void)files_json;
    (void)now_us;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

bool store_commit(struct store *store, struct fault *fault) {
    (void)store;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

void store_rollback(struct store *store) {
    (void)store;
}

bool store_open(struct text url, enum store_role role, struct store **out, struct fault *fault) {
    (void)url;
    (void)role;
    *out = NULL;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

void store_close(struct store *store) {
    (void)store;
}

bool store_check_table(struct store *store, const struct app_table *table, struct fault *fault) {
    (void)store;
    (void)table;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

bool store_keep_gone(struct store *store, const struct text *names, size_t count, int64_t now_us,
                     struct fault *fault) {
    (void)store;
    (void)names;
    (void)count;
    (void)now_us;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

bool store_machines(struct store *store, struct arena *arena, struct text **names, size_t *count,
                    struct fault *fault) {
    (void)store;
    (void)arena;
    (void)names;
    (void)count;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

bool store_list_gone(struct store *store, struct arena *arena, struct text **names, size_t *count,
                     struct fault *fault) {
    return store_machines(store, arena, names, count, fault);
}

bool store_count_states(struct store *store, struct arena *arena, struct text machine,
                        int64_t now_us, struct store_state_count **items, size_t *count,
                        struct fault *fault) {
    (void)machine;
    (void)now_us;
    (void)items;
    return store_machines(store, arena, NULL, count, fault);
}

bool store_list_ids(struct store *store, struct arena *arena, struct text machine,
                    const struct store_where *where, struct text after, int64_t limit,
                    struct text **ids, size_t *count, struct fault *fault) {
    (void)machine;
    (void)where;
    (void)after;
    (void)limit;
    return store_machines(store, arena, ids, count, fault);
}

bool store_index_fields(struct store *store, struct text machine, const struct text *fields,
                        size_t count, int64_t most, bool *more, struct fault *fault) {
    (void)store;
    (void)machine;
    (void)fields;
    (void)count;
    (void)most;
    (void)more;
    return fault_set(fault, FAULT_STORE_UNAVAILABLE, "no store in this test");
}

void worker_wait(struct worker *worker, struct job *job, int64_t at_us) {
    (void)worker;
    (void)job;
    (void)at_us;
}

/* --- waiting --- */

static void sleep_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static bool has_doc(struct fixture *fixture, const char *doc) {
    struct generation *generation = published_take(fixture->published);
    const struct machine *machine = generation_machine(generation, TEXT("lamp"));
    bool same = machine != NULL && text_equal(machine->doc, text_of(doc));
    generation_unref(generation);
    return same;
}

static void eventually_has_doc(struct fixture *fixture, const char *doc) {
    for (int waited = 0; !has_doc(fixture, doc); waited += 10) {
        if (waited > PATIENCE_MS) {
            fail_msg("'%s' is not in force after %d ms", doc, PATIENCE_MS);
        }
        sleep_ms(10);
    }
}

static void eventually_loads(int failed, int fine) {
    for (int waited = 0; atomic_load(&loads[0]) < failed || atomic_load(&loads[1]) < fine;
         waited += 10) {
        if (waited > PATIENCE_MS) {
            fail_msg("%d and %d loads after %d ms", atomic_load(&loads[0]), atomic_load(&loads[1]),
                     PATIENCE_MS);
        }
        sleep_ms(10);
    }
}

/* POST /v1/policies/reload, waited for. */
static void ask(struct fixture *fixture) {
    size_t before = atomic_load(&answered.count);
    reload_answer(fixture->reload, &fixture->exchange, false, TEXT("tester"));
    for (int waited = 0; atomic_load(&answered.count) == before; waited += 10) {
        assert_true(waited < PATIENCE_MS);
        sleep_ms(10);
    }
}

static void check_member(struct fixture *fixture, const char *key, const char *expected) {
    check_text(answers_member(&fixture->exchange.arena, answered.body, key), expected);
}

/* --- the tests --- */

static void a_changed_file_is_loaded_by_itself(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("two"));
    eventually_has_doc(fixture, "two");
}

static void a_request_is_carried_out_at_once(void **state) {
    struct fixture *fixture = *state;
    reload_request(fixture->reload);
    eventually_loads(0, 1);
    assert_true(has_doc(fixture, "one"));
}

static void a_post_is_answered_with_what_is_in_force(void **state) {
    struct fixture *fixture = *state;
    ask(fixture);
    assert_int_equal(answered.status, 200);
    check_member(fixture, "changed", "false");
    check_member(fixture, "machines", "1");
}

static void a_post_sees_a_change_made_just_before(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("two"));
    ask(fixture);
    assert_int_equal(answered.status, 200);
    check_member(fixture, "changed", "true");
    assert_true(has_doc(fixture, "two"));
}

static void a_bad_file_changes_nothing_and_is_told_with_its_line(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "broken.lua", "local x = 1\nlocal y = = 2\n");
    ask(fixture);
    assert_int_equal(answered.status, 422);
    assert_int_equal(answered.code, FAULT_POLICY_INVALID);
    const struct js *problem = js_find(answered.body, TEXT("problems"))->array.items[0];
    check_text(js_text(js_find(problem, TEXT("file"))), "broken.lua");
    assert_int_equal(js_find(problem, TEXT("line"))->integer, 2);
    assert_true(has_doc(fixture, "one"));
}

/* Whether the database has the table cannot be asked, so the policies in force stay. */
static void a_table_is_looked_for_before_its_machine_is_published(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "job.lua",
               "return machine \"job\" { initial = \"A\", states = { A = {} },\n"
               "  table = { name = \"job\", id = \"id\", state = \"state\" } }\n");
    ask(fixture);
    assert_int_equal(answered.status, 422);
    assert_true(has_doc(fixture, "one"));
}

static void a_lost_directory_changes_nothing_and_its_return_is_noticed(void **state) {
    struct fixture *fixture = *state;
    tree_remove(&fixture->tree, "");
    ask(fixture);
    assert_int_equal(answered.status, 422);
    assert_int_equal(js_find(answered.body, TEXT("problems"))->array.count, 1);
    assert_true(has_doc(fixture, "one"));
    assert_int_equal(mkdir(fixture->tree.root, 0700), 0);
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("back"));
    eventually_has_doc(fixture, "back");
}

static void an_idle_thread_does_not_load(void **state) {
    struct fixture *fixture = *state;
    sleep_ms(600);
    assert_int_equal(atomic_load(&loads[0]) + atomic_load(&loads[1]), 0);
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("two"));
    eventually_has_doc(fixture, "two");
    sleep_ms(600);
    assert_int_equal(atomic_load(&loads[1]), 1);
}

static void a_burst_of_changes_is_one_load(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++) {
        tree_write(&fixture->tree, "lamp.lua", i < 9 ? "return" : LOADED_LAMP("two"));
        sleep_ms(20);
    }
    eventually_has_doc(fixture, "two");
    assert_int_equal(atomic_load(&loads[0]) + atomic_load(&loads[1]), 1);
}

static const struct js *page_of(struct fixture *fixture, struct arena *arena) {
    struct fault fault = FAULT_INIT;
    struct buffer buffer;
    struct js_writer writer;
    const struct js *page;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    bulletin_put(fixture->bulletin, &writer);
    js_close(&writer, '}');
    assert_true(js_parse(arena, buffer_view(&buffer), &page, &fault));
    return page;
}

static const struct js *history_of(struct fixture *fixture, struct arena *arena) {
    return js_find(page_of(fixture, arena), TEXT("generations"));
}

static void what_is_on_disk_is_told_also_when_it_is_broken(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->exchange.arena;
    tree_write(&fixture->tree, "broken.lua", "local y = = 2\n");
    ask(fixture);
    const struct js *disk = js_find(page_of(fixture, arena), TEXT("on_disk"));
    assert_int_equal(js_find(disk, TEXT("problems"))->array.count, 1);
    assert_int_equal(js_text(js_find(disk, TEXT("generation"))).length, 64);
    assert_true(text_given(bulletin_trouble(fixture->bulletin, arena)));
    tree_remove(&fixture->tree, "broken.lua");
    ask(fixture);
    disk = js_find(page_of(fixture, arena), TEXT("on_disk"));
    assert_int_equal(js_find(disk, TEXT("problems"))->array.count, 0);
    assert_int_equal(bulletin_problems(fixture->bulletin), 0);
}

static void the_history_names_each_publication_once(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("two"));
    eventually_has_doc(fixture, "two");
    struct arena *arena = &fixture->exchange.arena;
    const struct js *history = history_of(fixture, arena);
    assert_int_equal(history->array.count, 2);
    check_text(answers_member(arena, history->array.items[0], "current"), "false");
    check_text(answers_member(arena, history->array.items[1], "current"), "true");
    check_text(answers_member(arena, history->array.items[1], "machines"), "1");
    check_text(answers_member(arena, history->array.items[0], "by"), "\"start\"");
    check_text(answers_member(arena, history->array.items[1], "by"), "\"watch\"");
    check_text(answers_member(arena, history->array.items[1], "files_changed"), "[\"lamp.lua\"]");
}

static void the_history_is_bounded(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 25; i++) {
        tree_write(&fixture->tree, "lamp.lua", i % 2 == 0 ? LOADED_LAMP("a") : LOADED_LAMP("b"));
        ask(fixture);
    }
    const struct js *history = history_of(fixture, &fixture->exchange.arena);
    assert_int_equal(history->array.count, 20);
}

static void eventually_waiting(struct fixture *fixture, size_t count) {
    for (int waited = 0; mailbox_count(fixture->writer.mailbox) != count && waited <= PATIENCE_MS;
         waited += 10) {
        sleep_ms(10);
    }
    assert_int_equal(mailbox_count(fixture->writer.mailbox), count);
}

static void a_generation_that_the_store_did_not_take_is_offered_again(void **state) {
    struct fixture *fixture = *state;
    tree_write(&fixture->tree, "lamp.lua", LOADED_LAMP("two"));
    eventually_has_doc(fixture, "two");
    /* The files of the new one, and the indexes of both, which the writer does not have in force.
     */
    eventually_waiting(fixture, 3);
    drop_jobs(fixture);
    eventually_waiting(fixture, 1);
    drop_jobs(fixture);
    eventually_waiting(fixture, 1);
}

static void who_asks_a_stopped_thread_is_refused(void **state) {
    struct fixture *fixture = *state;
    reload_stop(fixture->reload);
    reload_answer(fixture->reload, &fixture->exchange, false, TEXT("tester"));
    assert_int_equal(answered.status, 503);
    assert_int_equal(answered.code, FAULT_OVERLOADED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_changed_file_is_loaded_by_itself),
        TEST(a_request_is_carried_out_at_once),
        TEST(a_post_is_answered_with_what_is_in_force),
        TEST(a_post_sees_a_change_made_just_before),
        TEST(a_bad_file_changes_nothing_and_is_told_with_its_line),
        TEST(a_table_is_looked_for_before_its_machine_is_published),
        TEST(a_lost_directory_changes_nothing_and_its_return_is_noticed),
        TEST(an_idle_thread_does_not_load),
        TEST(a_burst_of_changes_is_one_load),
        TEST(what_is_on_disk_is_told_also_when_it_is_broken),
        TEST(the_history_names_each_publication_once),
        TEST(the_history_is_bounded),
        TEST(a_generation_that_the_store_did_not_take_is_offered_again),
        TEST(who_asks_a_stopped_thread_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
