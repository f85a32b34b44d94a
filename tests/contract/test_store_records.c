/* What every store promises about audit records: history and search. */
#include "support/store_fixture.h"

/* The sequences found, or the entities, joined by blanks. */
static const char *sequences(struct fixture *fixture, struct found found) {
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    for (size_t i = 0; i < found.count; i++) {
        buffer_print(&buffer, i > 0 ? " %lld" : "%lld", (long long)found.items[i].sequence);
    }
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static const char *entities(struct fixture *fixture, struct store_search wanted) {
    struct found found = search(fixture, wanted);
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    for (size_t i = 0; i < found.count; i++) {
        buffer_print(&buffer, i > 0 ? " %.*s" : "%.*s", TEXT_ARGS(found.items[i].entity_id));
    }
    return text_cstring(&fixture->arena, buffer_view(&buffer));
}

static struct store_search history_of(const char *id) {
    return (struct store_search){.machine = TASK, .entity_id = text_of(id), ANY};
}

/* `rounds` records of each of three entities, in turns; every fifth refused. */
static void make_rounds(struct fixture *fixture, int rounds) {
    static const char *const ids[] = {"a", "b", "c"};
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < rounds * 3; i++) {
        apply(fixture, (struct change){.id = text_of(ids[i % 3]),
                                       .to = print(fixture, "S", i % 7),
                                       .actor = print(fixture, "user-", i % 10),
                                       .refused = i % 5 == 4,
                                       .at_us = DAY + i});
    }
    commit(fixture->store);
}

/* --- history --- */

static void a_record_is_found_as_it_was_written(void **state) {
    struct fixture *fixture = *state;
    struct entity before = read_task(fixture, "T-1");
    struct changed changed;
    prepare(fixture, &before, (struct change){.id = TEXT("T-1"), .actor = TEXT("Zoë")}, &changed);
    begin(fixture->store, STORE_WRITE);
    FINE(try_write(fixture, &changed, &fault));
    commit(fixture->store);
    struct found found = search(fixture, history_of("T-1"));
    assert_int_equal(found.count, 1);
    const struct store_record *written = &changed.record, *read = &found.items[0];
    check_text(read->machine, "task");
    check_text(read->entity_id, "T-1");
    assert_false(text_given(read->from_state));
    check_text(read->to_state, "OPEN");
    check_text(read->actor_id, "Zoë");
    check_text(read->reason, "user_action");
    assert_memory_equal(read->uuid, written->uuid, ID_LENGTH);
    assert_int_equal(read->sequence, 1);
    assert_int_equal(read->timestamp_us, DAY);
    assert_true(read->success);
    assert_true(text_equal(read->json, written->json));
    assert_memory_equal(read->previous_hash, written->previous_hash, DIGEST_BYTES);
    assert_memory_equal(read->hash, written->hash, DIGEST_BYTES);
}

static void what_a_record_lacks_stays_lacking(void **state) {
    struct fixture *fixture = *state;
    struct entity before = read_task(fixture, "T-1");
    struct changed changed;
    prepare(fixture, &before, (struct change){.id = TEXT("T-1"), .refused = true}, &changed);
    changed.record.to_state = changed.record.reason = TEXT_NONE;
    begin(fixture->store, STORE_WRITE);
    FINE(try_write(fixture, &changed, &fault));
    commit(fixture->store);
    struct found found = search(fixture, history_of("T-1"));
    assert_int_equal(found.count, 1);
    assert_false(text_given(found.items[0].to_state));
    assert_false(text_given(found.items[0].actor_id));
    assert_false(text_given(found.items[0].reason));
    assert_false(found.items[0].success);
}

static void a_history_is_in_chain_order(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 300);
    struct found found = search(fixture, history_of("b"));
    assert_int_equal(found.count, 300);
    unsigned char previous[DIGEST_BYTES] = {0};
    for (size_t i = 0; i < found.count; i++) {
        assert_int_equal(found.items[i].sequence, i + 1);
        assert_memory_equal(found.items[i].previous_hash, previous, DIGEST_BYTES);
        memcpy(previous, found.items[i].hash, DIGEST_BYTES);
    }
}

static void a_history_is_read_in_pages_of_any_size(void **state) {
    struct fixture *fixture = *state;
    static const int64_t limits[] = {1, 7, 63, 64, 65, 199, 200, 201, 1000};
    make_rounds(fixture, 200);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct text cursor = TEXT_NONE;
        int64_t seen = 0;
        do {
            struct found found = search_page(fixture, history_of("a"), limits[i], cursor);
            for (size_t j = 0; j < found.count; j++) {
                assert_int_equal(found.items[j].sequence, ++seen);
            }
            assert_true(found.count == (size_t)limits[i] || !text_given(found.next));
            cursor = found.next;
        } while (text_given(cursor));
        assert_int_equal(seen, 200);
    }
}

static void a_history_goes_on_where_it_grew(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 3);
    struct found found = search_page(fixture, history_of("a"), 2, TEXT_NONE);
    assert_string_equal(sequences(fixture, found), "1 2");
    make_rounds(fixture, 2);
    found = search_page(fixture, history_of("a"), 10, found.next);
    assert_string_equal(sequences(fixture, found), "3 4 5");
}

static void a_history_can_be_filtered(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 100);
    struct store_search wanted = history_of("a");
    wanted.success = 0;
    struct text cursor = TEXT_NONE;
    size_t seen = 0;
    do {
        struct found found = search_page(fixture, wanted, 3, cursor);
        for (size_t i = 0; i < found.count; i++, seen++) {
            assert_false(found.items[i].success);
            check_text(found.items[i].entity_id, "a");
        }
        cursor = found.next;
    } while (text_given(cursor));
    assert_int_equal(seen, 20);
}

static void absent_entities_have_a_history(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        make(fixture, (struct change){.id = TEXT("ghost"), .refused = true});
    }
    assert_string_equal(sequences(fixture, search(fixture, history_of("ghost"))), "1 2 3");
    assert_int_equal(search(fixture, history_of("nobody")).count, 0);
}

static void a_cursor_of_another_history_is_refused(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 3);
    struct found found = search_page(fixture, history_of("a"), 1, TEXT_NONE);
    struct store_search other = history_of("b");
    struct store_page page = {.limit = 1, .cursor = found.next};
    FAILS(FAULT_BAD_REQUEST, store_search_records(fixture->store, &fixture->arena, &other, &page,
                                                  &found.items, &found.count, &found.next, &fault));
}

/* --- search --- */

static void make_various(struct fixture *fixture) {
    make(fixture, (struct change){.id = TEXT("1"), .to = TEXT("OPEN"), .actor = TEXT("ann")});
    make(fixture, (struct change){
                      .id = TEXT("2"), .to = TEXT("OPEN"), .actor = TEXT("bob"), .at_us = DAY + 1});
    make(fixture, (struct change){.machine = ORDER,
                                  .id = TEXT("1"),
                                  .to = TEXT("DRAFT"),
                                  .reason = TEXT("api"),
                                  .at_us = DAY + 2});
    make(fixture,
         (struct change){
             .id = TEXT("1"), .to = TEXT("CLOSED"), .actor = TEXT("bob"), .at_us = DAY + 3});
    make(fixture, (struct change){.id = TEXT("2"),
                                  .to = TEXT("CLOSED"),
                                  .actor = TEXT("ann"),
                                  .refused = true,
                                  .at_us = DAY + 4});
    make(fixture, (struct change){.machine = ORDER,
                                  .id = TEXT("1"),
                                  .to = TEXT("OPEN"),
                                  .actor = TEXT("ann"),
                                  .reason = TEXT("timer"),
                                  .at_us = DAY + 5});
}

static void a_search_for_nothing_finds_all(void **state) {
    struct fixture *fixture = *state;
    make_various(fixture);
    assert_string_equal(entities(fixture, (struct store_search){ANY}), "1 2 1 1 2 1");
}

static void every_condition_narrows_a_search(void **state) {
    struct fixture *fixture = *state;
    make_various(fixture);
    assert_string_equal(entities(fixture, (struct store_search){.machine = TASK, ANY}), "1 2 1 2");
    assert_string_equal(entities(fixture, (struct store_search){.machine = ORDER, ANY}), "1 1");
    assert_string_equal(entities(fixture, (struct store_search){.entity_id = TEXT("2"), ANY}),
                        "2 2");
    assert_string_equal(entities(fixture, (struct store_search){.entity_id = TEXT("1"), ANY}),
                        "1 1 1 1");
    assert_string_equal(entities(fixture, (struct store_search){.from_state = TEXT("OPEN"), ANY}),
                        "1 2");
    assert_string_equal(entities(fixture, (struct store_search){.to_state = TEXT("OPEN"), ANY}),
                        "1 2 1");
    assert_string_equal(entities(fixture, (struct store_search){.actor_id = TEXT("ann"), ANY}),
                        "1 2 1");
    assert_string_equal(entities(fixture, (struct store_search){.reason = TEXT("timer"), ANY}),
                        "1");
    assert_string_equal(entities(fixture, (struct store_search){.success = 0}), "2");
    assert_string_equal(entities(fixture, (struct store_search){.success = 1}), "1 2 1 1 1");
}

static void since_is_inclusive_and_until_is_not(void **state) {
    struct fixture *fixture = *state;
    make_various(fixture);
    assert_string_equal(entities(fixture, (struct store_search){ANY, .since_us = DAY + 4}), "2 1");
    assert_string_equal(entities(fixture, (struct store_search){ANY, .until_us = DAY + 2}), "1 2");
    assert_string_equal(
        entities(fixture, (struct store_search){ANY, .since_us = DAY + 1, .until_us = DAY + 3}),
        "2 1");
    assert_string_equal(entities(fixture, (struct store_search){ANY, .since_us = DAY + 99}), "");
    struct store_search wanted = history_of("1");
    wanted.since_us = DAY + 1;
    assert_string_equal(sequences(fixture, search(fixture, wanted)), "2");
}

static void conditions_combine(void **state) {
    struct fixture *fixture = *state;
    make_various(fixture);
    assert_string_equal(
        entities(fixture, (struct store_search){.machine = TASK, .actor_id = TEXT("ann"), ANY}),
        "1 2");
    assert_string_equal(
        entities(fixture, (struct store_search){.to_state = TEXT("CLOSED"), .success = 1}), "1");
    assert_string_equal(
        entities(fixture,
                 (struct store_search){.entity_id = TEXT("1"), .to_state = TEXT("OPEN"), ANY}),
        "1 1");
    assert_string_equal(entities(fixture, (struct store_search){.machine = ORDER,
                                                                .from_state = TEXT("DRAFT"),
                                                                .to_state = TEXT("OPEN"),
                                                                .actor_id = TEXT("ann"),
                                                                .reason = TEXT("timer"),
                                                                .success = 1,
                                                                .since_us = DAY + 5,
                                                                .until_us = DAY + 6}),
                        "1");
}

static void a_search_for_unknown_names_finds_nothing(void **state) {
    struct fixture *fixture = *state;
    make_various(fixture);
    struct text nobody = TEXT("nobody");
    assert_string_equal(entities(fixture, (struct store_search){.machine = nobody, ANY}), "");
    assert_string_equal(entities(fixture, (struct store_search){.entity_id = nobody, ANY}), "");
    assert_string_equal(entities(fixture, (struct store_search){.to_state = nobody, ANY}), "");
    assert_string_equal(entities(fixture, (struct store_search){.from_state = nobody, ANY}), "");
    assert_string_equal(entities(fixture, (struct store_search){.actor_id = nobody, ANY}), "");
    assert_string_equal(entities(fixture, (struct store_search){.reason = nobody, ANY}), "");
}

/* Counts what a search finds in pages, and what it should find by looking at every record. */
static void check_search(struct fixture *fixture, struct store_search wanted, int64_t limit,
                         size_t expected) {
    struct text cursor = TEXT_NONE;
    size_t seen = 0;
    do {
        struct found found = search_page(fixture, wanted, limit, cursor);
        for (size_t i = 0; i < found.count; i++) {
            assert_true(wanted.success < 0 || found.items[i].success == (wanted.success == 1));
            assert_true(!text_given(wanted.to_state) ||
                        text_equal(found.items[i].to_state, wanted.to_state));
        }
        seen += found.count;
        cursor = found.next;
    } while (text_given(cursor));
    assert_int_equal(seen, expected);
}

static void a_search_goes_through_thousands_of_records(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 700); /* 2100 records */
    static const int64_t limits[] = {1, 10, 249, 250, 251, 1000};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        check_search(fixture, (struct store_search){.to_state = TEXT("S00003"), ANY}, limits[i],
                     300);
        check_search(fixture, (struct store_search){.actor_id = TEXT("user-00009"), ANY}, limits[i],
                     210);
        check_search(fixture, (struct store_search){.success = 0}, limits[i], 420);
        check_search(fixture, (struct store_search){ANY}, limits[i], 2100);
        check_search(fixture,
                     (struct store_search){ANY, .since_us = DAY + 499, .until_us = DAY + 1501},
                     limits[i], 1002);
        check_search(fixture, (struct store_search){.success = 0, .since_us = DAY + 1999},
                     limits[i], 21);
    }
}

static void a_clock_that_was_set_back_hides_nothing(void **state) {
    struct fixture *fixture = *state;
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < 600; i++) {
        apply(fixture, (struct change){.id = TEXT("a"), .at_us = DAY + 10000 + i});
    }
    for (int i = 0; i < 600; i++) {
        apply(fixture, (struct change){.id = TEXT("a"), .at_us = DAY + i});
    }
    commit(fixture->store);
    check_search(fixture, (struct store_search){ANY, .since_us = DAY, .until_us = DAY + 600}, 100,
                 600);
    check_search(fixture, (struct store_search){ANY, .since_us = DAY + 10000}, 100, 600);
    check_search(fixture,
                 (struct store_search){ANY, .since_us = DAY + 599, .until_us = DAY + 10001}, 100,
                 2);
}

static void cursors_stay_where_they_are_while_records_are_added(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 100);
    struct store_search refused = {.success = 0};
    struct text cursor = TEXT_NONE;
    size_t seen = 0;
    int added = 0;
    do {
        struct found found = search_page(fixture, refused, 9, cursor);
        seen += found.count;
        cursor = found.next;
        if (added++ < 5) {
            make_rounds(fixture, 5);
        }
    } while (text_given(cursor));
    assert_int_equal(seen, 60 + 5 * 3);
}

static void cursors_that_are_none_of_ours_are_refused(void **state) {
    struct fixture *fixture = *state;
    static const char *const cursors[] = {"", "x", "r", "e1", "r-1", "r0", "r1x", "1"};
    make_rounds(fixture, 3);
    for (size_t i = 0; i < COUNT_OF(cursors); i++) {
        struct found found;
        struct store_search every = {ANY};
        struct store_page page = {.limit = 10, .cursor = text_of(cursors[i])};
        FAILS(FAULT_BAD_REQUEST,
              store_search_records(fixture->store, &fixture->arena, &every, &page, &found.items,
                                   &found.count, &found.next, &fault));
    }
}

/* --- requests --- */

/* Records of entity "a", of requests "r<from>" up to, but not with, "r<to>", in one transaction. */
static void make_requests(struct fixture *fixture, int from, int to) {
    begin(fixture->store, STORE_WRITE);
    for (int i = from; i < to; i++) {
        struct entity before = read_task(fixture, "a");
        struct changed changed;
        prepare(fixture, &before, (struct change){.id = TEXT("a"), .at_us = DAY + i}, &changed);
        changed.record.request_id = print(fixture, "r", i);
        changed.record.json = text_print(&fixture->arena, "{\"request_id\":\"%.*s\"}",
                                         TEXT_ARGS(changed.record.request_id));
        FINE(try_write(fixture, &changed, &fault));
    }
}

static size_t count_of_request(struct fixture *fixture, int number) {
    struct store_search wanted = {.request_id = print(fixture, "r", number), ANY};
    return search(fixture, wanted).count;
}

/* SQLite packs what is compared in blocks of 250: in none, in the last, across a rollback and a
 * store that was opened in the middle of a block. */
static void a_request_is_found_wherever_its_record_stands(void **state) {
    struct fixture *fixture = *state;
    make_requests(fixture, 0, 100);
    commit(fixture->store);
    reopen(fixture);
    make_requests(fixture, 100, 240);
    commit(fixture->store);
    make_requests(fixture, 900, 930);
    store_rollback(fixture->store);
    make_requests(fixture, 240, 245);
    commit(fixture->store);
    assert_int_equal(count_of_request(fixture, 99), 1);
    make_requests(fixture, 245, 620);
    commit(fixture->store);
    for (int i = 0; i < 620; i += 7) {
        assert_int_equal(count_of_request(fixture, i), 1);
    }
    assert_int_equal(count_of_request(fixture, 249), 1);
    assert_int_equal(count_of_request(fixture, 250), 1);
    assert_int_equal(count_of_request(fixture, 619), 1);
    assert_int_equal(count_of_request(fixture, 905), 0);
}

/* --- pages of large records --- */

#define LARGE_BYTES 300000

static struct text large_json(struct fixture *fixture, int number) {
    char *bytes = arena_alloc(&fixture->arena, LARGE_BYTES + 1);
    memset(bytes, 'x', LARGE_BYTES);
    int begin = snprintf(bytes, LARGE_BYTES, "{\"n\":%d,\"x\":\"", number);
    bytes[begin] = 'x';
    memcpy(bytes + LARGE_BYTES - 2, "\"}", 3);
    return (struct text){bytes, LARGE_BYTES};
}

static void make_large(struct fixture *fixture, int count) {
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < count; i++) {
        struct entity before = read_task(fixture, "a");
        struct changed changed;
        prepare(fixture, &before, (struct change){.id = TEXT("a"), .at_us = DAY + i}, &changed);
        changed.record.json = large_json(fixture, i);
        FINE(try_write(fixture, &changed, &fault));
    }
    commit(fixture->store);
}

static void check_large(struct fixture *fixture, struct store_search wanted, bool newest) {
    struct store_page page = {.limit = 1000, .newest = newest};
    size_t seen = 0;
    do {
        struct found found = {0};
        FINE(store_search_records(fixture->store, &fixture->arena, &wanted, &page, &found.items,
                                  &found.count, &found.next, &fault));
        assert_true(found.count >= 1);
        assert_true(found.count * LARGE_BYTES <= STORE_PAGE_BYTES + LARGE_BYTES);
        for (size_t i = 0; i < found.count; i++, seen++) {
            int64_t expected = newest ? 10 - (int64_t)seen : 1 + (int64_t)seen;
            assert_int_equal(found.items[i].sequence, expected);
        }
        page.cursor = found.next;
    } while (text_given(page.cursor));
    assert_int_equal(seen, 10);
}

static void a_page_of_large_records_ends_early_and_goes_on(void **state) {
    struct fixture *fixture = *state;
    make_large(fixture, 10);
    check_large(fixture, (struct store_search){ANY}, false);
    check_large(fixture, (struct store_search){ANY}, true);
    check_large(fixture, history_of("a"), false);
    check_large(fixture, history_of("a"), true);
}

static void a_page_of_hundreds_is_whole(void **state) {
    struct fixture *fixture = *state;
    make_rounds(fixture, 70);
    for (int64_t limit = 63; limit < 215; limit += 1 + limit % 3) {
        struct found found = search_page(fixture, (struct store_search){ANY}, limit, TEXT_NONE);
        assert_int_equal(found.count, limit < 210 ? limit : 210);
        assert_int_equal(text_given(found.next), limit < 210);
        for (size_t i = 0; i < found.count; i++) {
            assert_int_equal(found.items[i].timestamp_us, DAY + (int64_t)i);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_found_as_it_was_written),
        TEST(what_a_record_lacks_stays_lacking),
        TEST(a_history_is_in_chain_order),
        TEST(a_history_is_read_in_pages_of_any_size),
        TEST(a_history_goes_on_where_it_grew),
        TEST(a_history_can_be_filtered),
        TEST(absent_entities_have_a_history),
        TEST(a_cursor_of_another_history_is_refused),
        TEST(a_search_for_nothing_finds_all),
        TEST(every_condition_narrows_a_search),
        TEST(since_is_inclusive_and_until_is_not),
        TEST(conditions_combine),
        TEST(a_search_for_unknown_names_finds_nothing),
        TEST(a_search_goes_through_thousands_of_records),
        TEST(a_clock_that_was_set_back_hides_nothing),
        TEST(a_request_is_found_wherever_its_record_stands),
        TEST(a_page_of_large_records_ends_early_and_goes_on),
        TEST(a_page_of_hundreds_is_whole),
        TEST(cursors_stay_where_they_are_while_records_are_added),
        TEST(cursors_that_are_none_of_ours_are_refused),
    };
    RUN_FOR_ALL_STORES(tests);
}
