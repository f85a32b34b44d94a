/* What every store promises about a walk through all chains. */
#include "store/chains.h"
#include "support/store_fixture.h"

struct seen {
    struct fixture *fixture;
    size_t records, chains, ends, pages;
    struct text id;                           /* of the latest record */
    int64_t sequence;                         /* of that record */
    void (*between)(struct fixture *fixture); /* called once, after the first page */
    bool give_up;
};

static void see(struct seen *seen, const struct store_link *link) {
    const struct entity *entity = &link->entity;
    bool same = text_given(seen->id) && text_equal(seen->id, link->record.entity_id);
    bool newest = link->record.sequence == entity->audit_sequence;
    assert_int_equal(link->record.sequence, same ? seen->sequence + 1 : 1);
    assert_true(text_equal(entity->id, link->record.entity_id));
    assert_true(text_equal(entity->machine, link->record.machine));
    assert_null(entity->data);
    assert_int_equal(text_given(entity->data_json), newest && entity->exists);
    if (newest) {
        assert_memory_equal(entity->audit_hash, link->record.hash, DIGEST_BYTES);
        assert_int_equal(text_given(entity->state), entity->exists);
    }
    seen->chains += !same;
    seen->ends += newest;
    seen->records++;
    seen->id = text_copy(&seen->fixture->arena, entity->id);
    seen->sequence = link->record.sequence;
}

static bool see_page(void *context, const struct store_link *links, size_t count,
                     struct fault *fault) {
    struct seen *seen = context;
    for (size_t i = 0; i < count; i++) {
        see(seen, &links[i]);
    }
    if (seen->pages++ == 0 && seen->between != NULL) {
        seen->between(seen->fixture);
    }
    return !seen->give_up || fault_set(fault, FAULT_DRAINING, "that is enough");
}

static int64_t walk(struct fixture *fixture, struct seen *seen, struct text machine,
                    int64_t settled_us) {
    int64_t settled = -1;
    struct store *reader = open_store(fixture, STORE_READER);
    struct store_walk walk = {
        .machine = machine, .settled_us = settled_us, .each = see_page, .context = seen};
    seen->fixture = fixture;
    FINE(store_walk_chains(reader, &walk, &settled, &fault));
    store_close(reader);
    return settled;
}

/* `rounds` records of each of three tasks, in turns, and one of each of as many orders. */
static void make_chains(struct fixture *fixture, int rounds) {
    static const char *const ids[] = {"a", "b", "c"};
    begin(fixture->store, STORE_WRITE);
    for (int i = 0; i < rounds * 3; i++) {
        apply(fixture, (struct change){.id = text_of(ids[i % 3]),
                                       .to = print(fixture, "S", i % 7),
                                       .refused = i % 5 == 4,
                                       .at_us = DAY + i});
    }
    for (int i = 0; i < rounds; i++) {
        apply(fixture,
              (struct change){.machine = ORDER, .id = print(fixture, "O-", i), .at_us = DAY + i});
    }
    commit(fixture->store);
}

static void all_chains_come_whole_one_after_the_other(void **state) {
    struct fixture *fixture = *state;
    struct seen seen = {0};
    make_chains(fixture, 1100);
    assert_int_equal(walk(fixture, &seen, TEXT_NONE, DAY + 100), 200);
    assert_int_equal(seen.records, 4400);
    assert_int_equal(seen.chains, 1103);
    assert_int_equal(seen.ends, 1103);
}

static void an_empty_store_has_no_chains(void **state) {
    struct seen seen = {0};
    assert_int_equal(walk(*state, &seen, TEXT_NONE, INT64_MAX), 0);
    assert_int_equal(seen.records, 0);
}

static void a_machine_may_be_walked_alone(void **state) {
    struct fixture *fixture = *state;
    struct seen orders = {0}, nothing = {0};
    make_chains(fixture, 10);
    assert_int_equal(walk(fixture, &orders, ORDER, INT64_MAX), 10);
    assert_int_equal(orders.records, 10);
    assert_int_equal(walk(fixture, &nothing, TEXT("none"), INT64_MAX), 0);
    assert_int_equal(nothing.records, 0);
}

static void attempts_on_what_was_never_made_are_a_chain(void **state) {
    struct fixture *fixture = *state;
    struct seen seen = {0};
    make(fixture, (struct change){.id = TEXT("ghost"), .refused = true});
    assert_int_equal(walk(fixture, &seen, TEXT_NONE, INT64_MAX), 1);
    assert_int_equal(seen.ends, 1);
}

static void grow(struct fixture *fixture) {
    make_chains(fixture, 2);
}

static void a_chain_that_grows_meanwhile_is_given_to_its_end(void **state) {
    struct fixture *fixture = *state;
    struct seen seen = {.between = grow};
    make_chains(fixture, 800);
    walk(fixture, &seen, TEXT_NONE, INT64_MAX);
    assert_true(seen.pages > 2);
    assert_true(seen.records >= 3200);
    assert_true(seen.ends >= 803);
}

static void a_walk_that_is_given_up_leaves_the_store_usable(void **state) {
    struct fixture *fixture = *state;
    struct seen seen = {.fixture = fixture, .give_up = true};
    struct store_walk wanted = {.each = see_page, .context = &seen};
    int64_t settled;
    make_chains(fixture, 500);
    FAILS(FAULT_DRAINING, store_walk_chains(fixture->store, &wanted, &settled, &fault));
    assert_int_equal(seen.pages, 1);
    assert_int_equal(read_task(fixture, "a").audit_sequence, 500);
    make_task(fixture, "d");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(all_chains_come_whole_one_after_the_other),
        TEST(an_empty_store_has_no_chains),
        TEST(a_machine_may_be_walked_alone),
        TEST(attempts_on_what_was_never_made_are_a_chain),
        TEST(a_chain_that_grows_meanwhile_is_given_to_its_end),
        TEST(a_walk_that_is_given_up_leaves_the_store_usable),
    };
    RUN_FOR_ALL_STORES(tests);
}
