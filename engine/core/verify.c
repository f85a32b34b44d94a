/* verify.c: memory stays small however long the audit is: nothing is remembered of a chain once it
 * has been walked. Three passes:
 *
 *   1. all records, page by page: a record with sequence 1 begins a chain, which is walked to its
 *      end and compared with its entity (verify_chain.c), in the transaction of the page. Where the
 *      store has records in the order of chains, it is these that are walked (verify_stream.c).
 *   2. only if pass 1 saw more records than it walked: those whose chain has lost its first record.
 *   3. only if there are more entities than chains that led to one: those whose chain is gone.
 *
 * Passes 2 and 3 look up one record for each they go through; a sound store never needs them, and a
 * busy one only because of what was being written at the start. For the same reason the numbers of
 * records that are compared in the end are those of SETTLING before the start. */
#include "core/verify.h"

#include "base/map.h"
#include "core/pages.h"
#include "core/verify_stream.h"

#define SETTLING_US (60 * NOW_SECOND) /* far longer than a transaction takes */

struct pass {
    struct verify verify;
    struct arena arena;  /* names of machines */
    struct map machines; /* that have been met: name -> number of chains that led to an entity */
    int64_t seen;        /* records of pass 1 */
    int64_t seen_settled;
};

static void met(struct pass *pass, struct text machine, int64_t entities) {
    int64_t *count = map_find(&pass->machines, machine);
    if (count == NULL) {
        count = ARENA_NEW(&pass->arena, int64_t);
        map_set(&pass->machines, text_copy(&pass->arena, machine), count);
    }
    *count += entities;
}

/* Without conditions, so that the store reads the records and not what helps it to search them. */
static const struct store_search everything = {.success = -1};

static bool is_asked_for(const struct pass *pass, const struct store_record *record) {
    struct text machine = pass->verify.options->machine;
    return !text_given(machine) || text_equal(machine, record->machine);
}

/* --- pass 1: chains --- */

static bool walk_if_first(void *context, const struct store_record *record, struct fault *fault) {
    struct pass *pass = context;
    bool has_entity = false;
    if (!is_asked_for(pass, record)) {
        return true;
    }
    pass->seen += record->timestamp_us < pass->verify.started_us;
    pass->seen_settled += record->timestamp_us < pass->verify.settled_us;
    if (record->sequence == 1) {
        struct store_key key = {record->machine, record->entity_id};
        if (!verify_chain(&pass->verify, key, &has_entity, fault)) {
            return false;
        }
    }
    met(pass, record->machine, has_entity);
    return true;
}

static void chain_proven(void *context, struct store_key key, bool has_entity) {
    met(context, key.machine, has_entity);
}

/* All records were of a chain. */
static bool prove_in_order(struct pass *pass, struct fault *fault) {
    bool proven = verify_stream(&pass->verify, chain_proven, pass, fault);
    pass->seen = pass->verify.walked;
    pass->seen_settled = pass->verify.walked_settled;
    return proven;
}

static bool prove_chains(struct pass *pass, struct fault *fault) {
    return store_has_chain_order(pass->verify.store)
               ? prove_in_order(pass, fault)
               : pages_records(pass->verify.store, PAGES_OWN, &everything, 0, walk_if_first, pass,
                               fault);
}

/* --- passes 2 and 3: what has no beginning --- */

struct first {
    bool found;
    int64_t sequence;
};

static bool keep_first(void *context, const struct store_record *record, struct fault *fault) {
    (void)fault;
    *(struct first *)context = (struct first){true, record->sequence};
    return true;
}

static bool find_first(struct pass *pass, struct store_key key, struct first *out,
                       struct fault *fault) {
    struct store_search search = {.machine = key.machine, .entity_id = key.id, .success = -1};
    *out = (struct first){false, 0};
    return pages_records(pass->verify.store, PAGES_OPEN, &search, 1, keep_first, out, fault);
}

static bool walk_if_beheaded(void *context, const struct store_record *record,
                             struct fault *fault) {
    struct pass *pass = context;
    struct store_key key = {record->machine, record->entity_id};
    struct first first;
    bool has_entity;
    if (record->sequence == 1 || !is_asked_for(pass, record)) {
        return true;
    }
    return find_first(pass, key, &first, fault) &&
           (first.sequence != record->sequence ||
            verify_chain(&pass->verify, key, &has_entity, fault));
}

static bool prove_beginnings(struct pass *pass, struct fault *fault) {
    return pass->seen == pass->verify.walked ||
           pages_records(pass->verify.store, PAGES_OWN, &everything, 0, walk_if_beheaded, pass,
                         fault);
}

static bool report_if_bare(void *context, const struct entity *entity, struct fault *fault) {
    struct pass *pass = context;
    struct store_key key = {entity->machine, entity->id};
    struct first first;
    if (!find_first(pass, key, &first, fault)) {
        return false;
    }
    if (!first.found) {
        verify_report(&pass->verify, key, 0, "the entity has no audit record at all");
    }
    return true;
}

static bool count_entities(struct pass *pass, struct text machine, int64_t *count,
                           struct fault *fault) {
    static const struct store_where any = {0};
    struct store *store = pass->verify.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool counted = store_count(store, machine, &any, count, fault);
    store_rollback(store);
    return counted;
}

static bool prove_entities(struct pass *pass, struct fault *fault) {
    for (size_t i = 0; i < pass->machines.count; i++) {
        struct text machine = pass->machines.entries[i].key;
        int64_t with_chain = *(const int64_t *)pass->machines.entries[i].value, count;
        if (!count_entities(pass, machine, &count, fault)) {
            return false;
        }
        if (count != with_chain &&
            !pages_entities(pass->verify.store, machine, report_if_bare, pass, fault)) {
            return false;
        }
    }
    return true;
}

/* --- the whole --- */

/* Machines whose every record is gone are met all the same. */
static void meet_known_machines(struct pass *pass) {
    const struct verify_options *options = pass->verify.options;
    for (size_t i = 0; i < options->machine_count; i++) {
        met(pass, options->machines[i], 0);
    }
}

static bool prove_one(struct pass *pass, struct fault *fault) {
    const struct verify_options *options = pass->verify.options;
    struct store_key key = {options->machine, options->entity_id};
    bool has_entity;
    if (!store_begin(pass->verify.store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool walked = verify_chain(&pass->verify, key, &has_entity, fault);
    store_rollback(pass->verify.store);
    return walked;
}

/* Every record is of a chain, and every record of a chain is among all. */
static void compare_counts(struct pass *pass) {
    struct store_key none = {TEXT_NONE, TEXT_NONE};
    if (pass->seen_settled != pass->verify.walked_settled) {
        verify_report(&pass->verify, none, 0, "there are %lld records, but the chains hold %lld",
                      (long long)pass->seen_settled, (long long)pass->verify.walked_settled);
    }
}

static bool prove_all(struct pass *pass, struct fault *fault) {
    meet_known_machines(pass);
    if (!prove_chains(pass, fault) || !prove_beginnings(pass, fault) ||
        !prove_entities(pass, fault)) {
        return false;
    }
    compare_counts(pass);
    return true;
}

bool verify_audit(struct store *store, const struct verify_options *options,
                  struct verify_counts *counts, struct fault *fault) {
    struct pass pass = {.verify = {.store = store, .options = options}};
    pass.verify.started_us = now_wall_us(&options->now);
    pass.verify.settled_us = pass.verify.started_us - SETTLING_US;
    arena_init(&pass.arena, 0);
    map_init(&pass.machines, &pass.arena);
    bool proven = (text_given(options->entity_id) ? prove_one : prove_all)(&pass, fault);
    *counts = pass.verify.counts;
    arena_deinit(&pass.arena);
    return proven;
}
