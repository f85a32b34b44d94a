/* What every store promises about lists, counts and pages of entities. */
#include <time.h>

#include "support/store_fixture.h"

struct list {
    struct entity *items;
    size_t count;
    struct text next;
};

static struct list list_page(struct fixture *fixture, const struct store_where *where,
                             int64_t limit, struct text cursor) {
    struct list list = {0};
    struct store_page page = {.limit = limit, .cursor = cursor};
    FINE(store_list(fixture->store, &fixture->arena, TASK, where, &page, &list.items, &list.count,
                    &list.next, &fault));
    return list;
}

static int64_t count_of(struct fixture *fixture, const struct store_where *where) {
    int64_t count = -1;
    FINE(store_count(fixture->store, TASK, where, &count, &fault));
    return count;
}

/* The ids of all tasks that fit, joined by blanks; and the count must agree. */
static const char *ids_of(struct fixture *fixture, const struct store_where *where) {
    struct list list = list_page(fixture, where, 1000, TEXT_NONE);
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    for (size_t i = 0; i < list.count; i++) {
        buffer_add_text(&buffer, i > 0 ? TEXT(" ") : TEXT(""));
        buffer_add_text(&buffer, list.items[i].id);
    }
    assert_int_equal(count_of(fixture, where), list.count);
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static const char *ids_with(struct fixture *fixture, const char *data) {
    struct store_where where = {.data = json(fixture, data)};
    return ids_of(fixture, &where);
}

static void make_many(struct fixture *fixture, int first, int count) {
    begin(fixture->store, STORE_WRITE);
    for (int i = first; i < first + count; i++) {
        apply(fixture, (struct change){.id = print(fixture, "T-", i),
                                       .to = i % 3 == 0 ? TEXT("CLOSED") : TEXT("OPEN")});
    }
    commit(fixture->store);
}

/* --- pages --- */

static void pages_show_ten_thousand_entities_once_each(void **state) {
    struct fixture *fixture = *state;
    make_many(fixture, 0, 10000);
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("W-1")});
    struct text cursor = TEXT_NONE;
    int seen = 0, pages = 0;
    do {
        struct list list = list_page(fixture, NULL, 999, cursor);
        for (size_t i = 0; i < list.count; i++) {
            assert_true(text_equal(list.items[i].id, print(fixture, "T-", seen++)));
        }
        cursor = list.next;
        pages++;
    } while (text_given(cursor));
    assert_int_equal(seen, 10000);
    assert_int_equal(pages, 11);
    assert_int_equal(count_of(fixture, NULL), 10000);
}

static void the_last_full_page_has_no_next(void **state) {
    struct fixture *fixture = *state;
    make_many(fixture, 0, 6);
    struct list list = list_page(fixture, NULL, 3, TEXT_NONE);
    assert_true(text_given(list.next));
    list = list_page(fixture, NULL, 3, list.next);
    assert_int_equal(list.count, 3);
    assert_false(text_given(list.next));
}

static void cursors_are_stable_while_rows_are_inserted(void **state) {
    struct fixture *fixture = *state;
    struct text cursor = TEXT_NONE;
    int seen = 0, made = 50;
    make_many(fixture, 0, 50);
    do {
        struct list list = list_page(fixture, NULL, 7, cursor);
        for (size_t i = 0; i < list.count; i++) {
            assert_true(text_equal(list.items[i].id, print(fixture, "T-", seen++)));
        }
        cursor = list.next;
        if (made < 80) {
            make_many(fixture, made, 5);
            made += 5;
        }
    } while (text_given(cursor));
    assert_int_equal(seen, 80);
}

static void a_cursor_goes_on_where_a_filtered_page_ended(void **state) {
    struct fixture *fixture = *state;
    struct text closed = TEXT("CLOSED"), cursor = TEXT_NONE;
    struct store_where where = {.states = &closed, .state_count = 1};
    int seen = 0;
    make_many(fixture, 0, 50);
    do {
        struct list list = list_page(fixture, &where, 4, cursor);
        for (size_t i = 0; i < list.count; i++) {
            assert_true(text_equal(list.items[i].id, print(fixture, "T-", 3 * seen++)));
        }
        cursor = list.next;
    } while (text_given(cursor));
    assert_int_equal(seen, 17);
}

/* A page of at most `limit` tasks that changed at `since_us` or later, of five that are looked at.
 */
static struct list look_page(struct fixture *fixture, struct store_where *where, bool newest,
                             struct text cursor) {
    struct list list = {0};
    struct store_page page = {.limit = 3, .cursor = cursor, .newest = newest, .look_most = 5};
    FINE(store_list(fixture->store, &fixture->arena, TASK, where, &page, &list.items, &list.count,
                    &list.next, &fault));
    assert_true(list.count <= 3);
    return list;
}

static size_t look_at_all(struct fixture *fixture, struct store_where *where, bool newest,
                          size_t *pages) {
    struct text cursor = TEXT_NONE, last = TEXT_NONE;
    size_t seen = 0;
    *pages = 0;
    do {
        struct list list = look_page(fixture, where, newest, cursor);
        for (size_t i = 0; i < list.count; i++) {
            assert_false(text_given(last) && text_equal(list.items[i].id, last));
            last = list.items[i].id;
            seen++;
        }
        cursor = list.next;
        ++*pages;
    } while (text_given(cursor));
    return seen;
}

static void a_page_that_may_look_at_so_many_goes_on_behind_them(void **state) {
    struct fixture *fixture = *state;
    struct text closed = TEXT("CLOSED");
    struct store_where never = {.updated_since_us = INT64_MAX}, all = {.updated_since_us = 1};
    struct store_where rare = {.states = &closed, .state_count = 1, .updated_since_us = 1};
    size_t pages;
    make_many(fixture, 0, 47);
    for (int newest = 0; newest < 2; newest++) {
        assert_int_equal(look_at_all(fixture, &never, newest != 0, &pages), 0);
        assert_in_range(pages, 10,
                        11); /* after the last five it may not know that there are none */
        assert_int_equal(look_at_all(fixture, &all, newest != 0, &pages), 47);
        assert_int_equal(look_at_all(fixture, &rare, newest != 0, &pages), 16);
    }
    struct list list = look_page(fixture, &never, false, TEXT_NONE);
    assert_int_equal(list.count, 0);
    assert_true(text_given(list.next));
}

static void cursors_that_are_none_of_ours_are_refused(void **state) {
    struct fixture *fixture = *state;
    static const char *const cursors[] = {
        "", "x", "e", "r1", "e-1", "e0", "e1x", "1", "e 1", "E1", "e99999999999999999999"};
    make_many(fixture, 0, 3);
    for (size_t i = 0; i < COUNT_OF(cursors); i++) {
        struct list list;
        struct store_page page = {.limit = 10, .cursor = text_of(cursors[i])};
        FAILS(FAULT_BAD_REQUEST, store_list(fixture->store, &fixture->arena, TASK, NULL, &page,
                                            &list.items, &list.count, &list.next, &fault));
    }
}

static void limits_out_of_range_are_refused(void **state) {
    struct fixture *fixture = *state;
    static const int64_t limits[] = {0, -1, 1001, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct list list;
        struct found found;
        struct store_search every = {ANY};
        struct store_page page = {.limit = limits[i]};
        FAILS(FAULT_BAD_REQUEST, store_list(fixture->store, &fixture->arena, TASK, NULL, &page,
                                            &list.items, &list.count, &list.next, &fault));
        FAILS(FAULT_BAD_REQUEST,
              store_search_records(fixture->store, &fixture->arena, &every, &page, &found.items,
                                   &found.count, &found.next, &fault));
    }
}

/* --- filters --- */

static void a_list_shows_entities_of_the_states_asked_for(void **state) {
    struct fixture *fixture = *state;
    struct text states[] = {TEXT("OPEN"), TEXT("CLOSED"), TEXT("UNHEARD_OF")};
    make(fixture, (struct change){.id = TEXT("a"), .to = TEXT("OPEN")});
    make(fixture, (struct change){.id = TEXT("b"), .to = TEXT("CLOSED")});
    make(fixture, (struct change){.id = TEXT("c"), .to = TEXT("STUCK")});
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("d"), .to = TEXT("OPEN")});
    make(fixture, (struct change){.id = TEXT("ghost"), .refused = true});
    assert_string_equal(ids_of(fixture, &(struct store_where){.states = states, .state_count = 1}),
                        "a");
    assert_string_equal(ids_of(fixture, &(struct store_where){.states = states, .state_count = 2}),
                        "a b");
    assert_string_equal(
        ids_of(fixture, &(struct store_where){.states = states + 2, .state_count = 1}), "");
    assert_string_equal(ids_of(fixture, NULL), "a b c");
}

static void an_entity_that_moved_is_listed_in_its_new_state(void **state) {
    struct fixture *fixture = *state;
    struct text open = TEXT("OPEN"), closed = TEXT("CLOSED");
    struct store_where in_open = {.states = &open, .state_count = 1};
    struct store_where in_closed = {.states = &closed, .state_count = 1};
    for (int i = 0; i < 4; i++) {
        make(fixture, (struct change){.id = TEXT("a"), .to = i % 2 == 0 ? open : closed});
        assert_string_equal(ids_of(fixture, &in_open), i % 2 == 0 ? "a" : "");
        assert_string_equal(ids_of(fixture, &in_closed), i % 2 == 0 ? "" : "a");
    }
}

static void a_list_shows_entities_with_the_data_asked_for(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.id = TEXT("a"), .data = "{\"n\":1,\"s\":\"x\",\"t\":true}"});
    make(fixture, (struct change){.id = TEXT("b"), .data = "{\"n\":1.0,\"s\":\"xy\"}"});
    make(fixture, (struct change){.id = TEXT("c"), .data = "{\"n\":10,\"s\":\"X\",\"z\":null}"});
    make(fixture, (struct change){.id = TEXT("d"), .data = "{\"n\":\"1\",\"list\":[1,{\"x\":2}]}"});
    assert_string_equal(ids_with(fixture, "{}"), "a b c d");
    assert_string_equal(ids_with(fixture, "{\"n\":1}"), "a b");
    assert_string_equal(ids_with(fixture, "{\"n\":1.0}"), "a b");
    assert_string_equal(ids_with(fixture, "{\"n\":\"1\"}"), "d");
    assert_string_equal(ids_with(fixture, "{\"s\":\"x\"}"), "a");
    assert_string_equal(ids_with(fixture, "{\"n\":1,\"s\":\"xy\"}"), "b");
    assert_string_equal(ids_with(fixture, "{\"t\":true}"), "a");
    assert_string_equal(ids_with(fixture, "{\"t\":false}"), "");
    assert_string_equal(ids_with(fixture, "{\"z\":null}"), "c");
    assert_string_equal(ids_with(fixture, "{\"list\":[1,{\"x\":2.0}]}"), "d");
    assert_string_equal(ids_with(fixture, "{\"list\":[1]}"), "");
    assert_string_equal(ids_with(fixture, "{\"absent\":1}"), "");
}

static void large_numbers_are_found_however_they_were_written(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.id = TEXT("a"), .data = "{\"n\":9007199254740993}"});
    make(fixture, (struct change){.id = TEXT("b"), .data = "{\"n\":1e300}"});
    make(fixture, (struct change){.id = TEXT("c"), .data = "{\"n\":1e18}"});
    assert_string_equal(ids_with(fixture, "{\"n\":9007199254740993}"), "a");
    assert_string_equal(ids_with(fixture, "{\"n\":1e300}"), "b");
    assert_string_equal(ids_with(fixture, "{\"n\":1000000000000000000}"), "c");
}

static void data_paths_go_inward_at_dots(void **state) {
    struct fixture *fixture = *state;
    make(fixture,
         (struct change){.id = TEXT("a"), .data = "{\"at\":{\"city\":{\"name\":\"Pune\"}}}"});
    make(fixture, (struct change){.id = TEXT("b"), .data = "{\"at\":{\"city\":\"Pune\"}}"});
    make(fixture,
         (struct change){.id = TEXT("c"), .data = "{\"city\":\"Pune\",\"name\":\"Pune\"}"});
    make(fixture, (struct change){.id = TEXT("d"), .data = "{\"at\":[{\"city\":\"Pune\"}]}"});
    assert_string_equal(ids_with(fixture, "{\"at.city.name\":\"Pune\"}"), "a");
    assert_string_equal(ids_with(fixture, "{\"at.city\":\"Pune\"}"), "b");
    assert_string_equal(ids_with(fixture, "{\"at.city\":{\"name\":\"Pune\"}}"), "a");
    assert_string_equal(ids_with(fixture, "{\"city\":\"Pune\"}"), "c");
    assert_string_equal(ids_with(fixture, "{\"at.0.city\":\"Pune\"}"), "");
    assert_string_equal(ids_with(fixture, "{\"at..city\":\"Pune\"}"), "");
}

static void data_with_quotes_and_unicode_is_found(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.id = TEXT("a"), .data = "{\"it's \\\"x\\\"\":\"O'Neil\\n\"}"});
    make(fixture, (struct change){.id = TEXT("b"), .data = "{\"schlüssel\":\"東京\"}"});
    assert_string_equal(ids_with(fixture, "{\"it's \\\"x\\\"\":\"O'Neil\\n\"}"), "a");
    assert_string_equal(ids_with(fixture, "{\"schlüssel\":\"\\u6771\\u4eac\"}"), "b");
    assert_string_equal(ids_with(fixture, "{\"x' OR '1'='1\":1}"), "");
}

static void a_list_shows_what_was_not_touched_since(void **state) {
    struct fixture *fixture = *state;
    struct text open = TEXT("OPEN");
    make(fixture, (struct change){.id = TEXT("a"), .at_us = DAY});
    make(fixture, (struct change){.id = TEXT("b"), .at_us = DAY + 1});
    make(fixture, (struct change){.id = TEXT("c"), .at_us = DAY + 2, .to = TEXT("CLOSED")});
    assert_string_equal(ids_of(fixture, &(struct store_where){.updated_before_us = DAY + 1}), "a");
    assert_string_equal(ids_of(fixture, &(struct store_where){.updated_before_us = DAY + 9}),
                        "a b c");
    assert_string_equal(ids_of(fixture, &(struct store_where){.states = &open,
                                                              .state_count = 1,
                                                              .updated_before_us = DAY + 9}),
                        "a b");
    make(fixture, (struct change){.id = TEXT("a"), .at_us = DAY + 5});
    assert_string_equal(ids_of(fixture, &(struct store_where){.updated_before_us = DAY + 1}), "");
}

static void a_machine_nobody_used_has_no_entities(void **state) {
    struct fixture *fixture = *state;
    make(fixture, (struct change){.machine = ORDER, .id = TEXT("a")});
    assert_string_equal(ids_of(fixture, NULL), "");
}

/* --- ids --- */

static void ids_go_on_after_one_of_them(void **state) {
    struct fixture *fixture = *state;
    struct text open = TEXT("OPEN"), after = TEXT_NONE, *ids;
    struct store_where where = {.states = &open, .state_count = 1};
    size_t count = 1;
    int seen = 0;
    make_many(fixture, 0, 30);
    while (count > 0) {
        FINE(store_list_ids(fixture->store, &fixture->arena, TASK, &where, after, 7, &ids, &count,
                            &fault));
        for (size_t i = 0; i < count; i++) {
            seen += seen % 3 == 0;
            assert_true(text_equal(ids[i], print(fixture, "T-", seen++)));
            after = ids[i];
        }
    }
    assert_int_equal(seen, 30);
}

static void ids_go_on_after_one_that_has_left_the_state(void **state) {
    struct fixture *fixture = *state;
    struct text open = TEXT("OPEN"), *ids;
    struct store_where where = {.states = &open, .state_count = 1};
    size_t count;
    make_task(fixture, "a");
    make_task(fixture, "b");
    make(fixture, (struct change){.id = TEXT("a"), .to = TEXT("CLOSED")});
    FINE(store_list_ids(fixture->store, &fixture->arena, TASK, &where, TEXT("a"), 10, &ids, &count,
                        &fault));
    assert_int_equal(count, 1);
    check_text(ids[0], "b");
    FAILS(FAULT_BAD_REQUEST, store_list_ids(fixture->store, &fixture->arena, TASK, &where,
                                            TEXT("nobody"), 10, &ids, &count, &fault));
}

/* --- indexes --- */

/* Until nothing is left to do; how many slices that took. PostgreSQL begins when transactions that
 * are older have ended, those of other databases of the same server too. */
static int index_fields(struct fixture *fixture, const struct text *fields, size_t count,
                        int64_t most) {
    time_t start = time(NULL);
    for (int slices = 1;; slices++) {
        bool more = false;
        FINE(store_index_fields(fixture->store, TASK, fields, count, most, &more, &fault));
        if (!more) {
            return slices;
        }
        assert_true(time(NULL) - start < 60);
    }
}

static void make_with(struct fixture *fixture, const char *id, const char *data) {
    make(fixture, (struct change){.id = text_of(id), .data = data});
}

static void an_index_finds_what_a_scan_finds(void **state) {
    struct fixture *fixture = *state;
    struct text fields[] = {TEXT("who"), TEXT("n")};
    make_with(fixture, "a", "{\"n\":1,\"who\":\"x\"}");
    make_with(fixture, "b", "{\"n\":2.5,\"who\":\"x\"}");
    make_with(fixture, "c", "{\"n\":null,\"who\":[\"x\"]}");
    make_with(fixture, "d", "{\"n\":9007199254740993,\"who\":\"y\"}");
    assert_true(index_fields(fixture, fields, 2, 1) > 3);
    make_with(fixture, "e", "{\"n\":true,\"who\":\"x\"}");
    make_with(fixture, "a", "{\"n\":1,\"who\":\"y\"}");
    assert_string_equal(ids_with(fixture, "{\"who\":\"x\"}"), "b e");
    assert_string_equal(ids_with(fixture, "{\"who\":\"y\"}"), "a d");
    assert_string_equal(ids_with(fixture, "{\"n\":1}"), "a");
    assert_string_equal(ids_with(fixture, "{\"n\":2.5,\"who\":\"x\"}"), "b");
    assert_string_equal(ids_with(fixture, "{\"n\":true}"), "e");
    assert_string_equal(ids_with(fixture, "{\"n\":9007199254740993}"), "d");
    assert_string_equal(ids_with(fixture, "{\"n\":null}"), "c");
    assert_string_equal(ids_with(fixture, "{\"who\":[\"x\"]}"), "c");
    assert_string_equal(ids_with(fixture, "{\"who\":\"z\"}"), "");
    index_fields(fixture, fields, 0, 1);
    assert_string_equal(ids_with(fixture, "{\"who\":\"x\"}"), "b e");
}

static void an_index_gives_pages_in_either_order(void **state) {
    struct fixture *fixture = *state;
    struct text field = TEXT("k");
    index_fields(fixture, &field, 1, 100);
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < 20; i++) {
        apply(fixture,
              (struct change){.id = print(fixture, "p", i),
                              .data = i % 2 == 0 ? "{\"k\":\"even\"}" : "{\"k\":\"odd\"}"});
    }
    commit(fixture->store);
    struct store_where where = {.data = json(fixture, "{\"k\":\"odd\"}")};
    struct store_page page = {.limit = 4, .newest = true};
    int expected = 19;
    do {
        struct list list;
        FINE(store_list(fixture->store, &fixture->arena, TASK, &where, &page, &list.items,
                        &list.count, &list.next, &fault));
        for (size_t i = 0; i < list.count; i++, expected -= 2) {
            check_text(list.items[i].id, print(fixture, "p", expected).bytes);
        }
        page.cursor = list.next;
    } while (text_given(page.cursor));
    assert_int_equal(expected, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(pages_show_ten_thousand_entities_once_each),
        TEST(the_last_full_page_has_no_next),
        TEST(cursors_are_stable_while_rows_are_inserted),
        TEST(a_cursor_goes_on_where_a_filtered_page_ended),
        TEST(a_page_that_may_look_at_so_many_goes_on_behind_them),
        TEST(cursors_that_are_none_of_ours_are_refused),
        TEST(limits_out_of_range_are_refused),
        TEST(a_list_shows_entities_of_the_states_asked_for),
        TEST(an_entity_that_moved_is_listed_in_its_new_state),
        TEST(a_list_shows_entities_with_the_data_asked_for),
        TEST(large_numbers_are_found_however_they_were_written),
        TEST(data_paths_go_inward_at_dots),
        TEST(data_with_quotes_and_unicode_is_found),
        TEST(a_list_shows_what_was_not_touched_since),
        TEST(a_machine_nobody_used_has_no_entities),
        TEST(ids_go_on_after_one_of_them),
        TEST(an_index_finds_what_a_scan_finds),
        TEST(an_index_gives_pages_in_either_order),
        TEST(ids_go_on_after_one_that_has_left_the_state),
    };
    RUN_FOR_ALL_STORES(tests);
}
