/* verify.c: memory stays small however long the audit is: nothing is remembered of a chain once it
 * has been walked. Two passes:
 *
 *   1. all records, one chain after another, each with its entity (verify_stream.c).
 *   2. only if there are more entities than chains that led to one: those whose chain is gone.
 *
 * Pass 2 looks up one record for each entity; a sound store never needs it, and a busy one only
 * because of what was being written meanwhile. For the same reason the numbers of records that are
 * compared in the end are those of SETTLING before the start. */
#include "core/verify.h"

#include "base/map.h"
#include "core/pages.h"
#include "core/verify_stream.h"

#define SETTLING_US (60 * NOW_SECOND) /* far longer than a transaction takes */

struct pass {
    struct verify verify;
    struct arena arena;  /* names of machines */
    struct map machines; /* that have been met: name -> number of chains that led to an entity */
};

static void met(struct pass *pass, struct text machine, int64_t entities) {
    int64_t *count = map_find(&pass->machines, machine);
    if (count == NULL) {
        count = ARENA_NEW(&pass->arena, int64_t);
        map_set(&pass->machines, text_copy(&pass->arena, machine), count);
    }
    *count += entities;
}

/* --- pass 1: chains --- */

static void chain_proven(void *context, struct store_key key, bool has_entity) {
    met(context, key.machine, has_entity);
}

/* --- pass 2: entities without a chain --- */

static bool keep_found(void *context, const struct store_record *record, struct fault *fault) {
    (void)fault;
    (void)record;
    *(bool *)context = true;
    return true;
}

static bool has_record(struct pass *pass, struct store_key key, bool *out, struct fault *fault) {
    struct store_search search = {.machine = key.machine, .entity_id = key.id, .success = -1};
    *out = false;
    return pages_records(pass->verify.store, PAGES_OPEN, &search, 1, keep_found, out, fault);
}

static bool report_if_bare(void *context, const struct entity *entity, struct fault *fault) {
    struct pass *pass = context;
    struct store_key key = {entity->machine, entity->id};
    bool found;
    if (!has_record(pass, key, &found, fault)) {
        return false;
    }
    if (!found) {
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
static void compare_counts(struct pass *pass, int64_t settled) {
    struct store_key none = {TEXT_NONE, TEXT_NONE};
    if (settled != pass->verify.walked_settled) {
        verify_report(&pass->verify, none, 0, "there are %lld records, but the chains hold %lld",
                      (long long)settled, (long long)pass->verify.walked_settled);
    }
}

static bool prove_all(struct pass *pass, struct fault *fault) {
    int64_t settled;
    meet_known_machines(pass);
    if (!verify_stream(&pass->verify, chain_proven, pass, &settled, fault) ||
        !prove_entities(pass, fault)) {
        return false;
    }
    compare_counts(pass, settled);
    return true;
}

bool verify_audit(struct store *store, const struct verify_options *options,
                  struct verify_counts *counts, struct fault *fault) {
    struct pass pass = {.verify = {.store = store, .options = options}};
    pass.verify.settled_us = now_wall_us(&options->now) - SETTLING_US;
    arena_init(&pass.arena, 0);
    map_init(&pass.machines, &pass.arena);
    bool proven = (text_given(options->entity_id) ? prove_one : prove_all)(&pass, fault);
    *counts = pass.verify.counts;
    arena_deinit(&pass.arena);
    return proven;
}
