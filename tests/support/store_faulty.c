/* store_faulty.c: every slot of the driver asks `strike` whether it may go on, and tells `ended`
 * how it went, so that the plan knows of faults of the inner store too. */
#include "support/store_faulty.h"

#include "store/bulk.h"
#include <stdlib.h>

#include "store/driver.h"

struct faulty_store {
    struct store store; /* first */
    struct store *inner;
    struct faulty *plan;
};

static struct faulty_store *of(struct store *store) {
    return (struct faulty_store *)store;
}

static struct store *inner_of(struct store *store) {
    return of(store)->inner;
}

static bool is_commit(const char *call) {
    return strcmp(call, "commit") == 0;
}

static enum fault_code code_of(enum faulty_way way, const char *call) {
    switch (way) {
    case FAULTY_UNAVAILABLE:
        return FAULT_STORE_UNAVAILABLE;
    case FAULTY_CONFLICT:
        return FAULT_STORE_CONFLICT;
    case FAULTY_LOST:
    case FAULTY_NEVER_SENT:
        return is_commit(call) ? FAULT_OUTCOME_UNKNOWN : FAULT_STORE_UNAVAILABLE;
    }
    return FAULT_INTERNAL;
}

/* Counts the call; false, with the fault set, when it is the one that is to fail. */
static bool strike(struct store *store, const char *call, struct fault *fault) {
    struct faulty *plan = of(store)->plan;
    plan->misuses += plan->broken || (plan->open && strcmp(call, "begin") == 0);
    if (++plan->calls != plan->fail_at) {
        return true;
    }
    plan->failed = call;
    plan->broken = plan->open;
    struct fault ignored = FAULT_INIT;
    if (plan->way == FAULTY_LOST && is_commit(call)) {
        (void)!inner_of(store)->driver->commit(inner_of(store), &ignored);
    }
    return fault_set(fault, code_of(plan->way, call), "call %ld of the store, %s, was to fail",
                     plan->calls, call);
}

static bool ended(struct store *store, bool fine) {
    struct faulty *plan = of(store)->plan;
    plan->broken = plan->broken || (plan->open && !fine);
    return fine;
}

/* --- transactions --- */

static void faulty_close(struct store *store) {
    inner_of(store)->driver->close(inner_of(store));
    free(store);
}

static bool faulty_begin(struct store *store, enum store_access access, enum isolation isolation,
                         struct fault *fault) {
    if (!strike(store, "begin", fault)) {
        return false;
    }
    of(store)->plan->open =
        inner_of(store)->driver->begin(inner_of(store), access, isolation, fault);
    return of(store)->plan->open;
}

static bool faulty_commit(struct store *store, struct fault *fault) {
    if (!strike(store, "commit", fault) ||
        !ended(store, inner_of(store)->driver->commit(inner_of(store), fault))) {
        return false;
    }
    of(store)->plan->open = false;
    return true;
}

static void faulty_rollback(struct store *store) {
    inner_of(store)->driver->rollback(inner_of(store));
    of(store)->plan->open = of(store)->plan->broken = false;
}

/* --- all the rest: strike, pass on, tell how it ended --- */

static bool faulty_ping(struct store *store, struct fault *fault) {
    return strike(store, "ping", fault) &&
           ended(store, inner_of(store)->driver->ping(inner_of(store), fault));
}

static bool faulty_read(struct store *store, struct arena *arena, const struct store_key *keys,
                        size_t count, struct entity *out, struct fault *fault) {
    return strike(store, "read", fault) &&
           ended(store,
                 inner_of(store)->driver->read(inner_of(store), arena, keys, count, out, fault));
}

static bool faulty_read_as(struct store *store, struct arena *arena,
                           const struct store_reading *readings, size_t count, struct entity *out,
                           struct fault *fault) {
    return strike(store, "read_as", fault) &&
           ended(store, inner_of(store)->driver->read_as(inner_of(store), arena, readings, count,
                                                         out, fault));
}

static bool faulty_guard(struct store *store, const struct text *machines, size_t count,
                         struct fault *fault) {
    return strike(store, "guard", fault) &&
           ended(store, inner_of(store)->driver->guard(inner_of(store), machines, count, fault));
}

static bool faulty_write(struct store *store, const struct store_batch *batch,
                         struct fault *fault) {
    return strike(store, "write", fault) &&
           ended(store, inner_of(store)->driver->write(inner_of(store), batch, fault));
}

static bool faulty_settle(struct store *store, struct text audit_uuid, bool *committed,
                          struct fault *fault) {
    return strike(store, "settle", fault) &&
           ended(store,
                 inner_of(store)->driver->settle(inner_of(store), audit_uuid, committed, fault));
}

static bool faulty_check_table(struct store *store, const struct app_table *table,
                               struct fault *fault) {
    return strike(store, "check_table", fault) &&
           ended(store, inner_of(store)->driver->check_table(inner_of(store), table, fault));
}

static bool faulty_read_rows(struct store *store, struct arena *arena,
                             const struct app_table *table, struct store_row *rows, size_t count,
                             struct fault *fault) {
    return strike(store, "read_rows", fault) &&
           ended(store, inner_of(store)->driver->read_rows(inner_of(store), arena, table, rows,
                                                           count, fault));
}

static bool faulty_write_rows(struct store *store, const struct app_table *table,
                              const struct store_row_write *rows, size_t count,
                              struct fault *fault) {
    return strike(store, "write_rows", fault) &&
           ended(store,
                 inner_of(store)->driver->write_rows(inner_of(store), table, rows, count, fault));
}

/* A row that the table refuses is no fault of the transaction. */
static bool faulty_try_row(struct store *store, const struct app_table *table,
                           const struct store_row_write *row, struct fault *fault) {
    return strike(store, "try_row", fault) &&
           inner_of(store)->driver->try_row(inner_of(store), table, row, fault);
}

static bool faulty_list(struct store *store, struct arena *arena, struct text machine,
                        const struct store_where *where, const struct store_page *page,
                        struct entity **items, size_t *count, struct text *next,
                        struct fault *fault) {
    return strike(store, "list", fault) &&
           ended(store, inner_of(store)->driver->list(inner_of(store), arena, machine, where, page,
                                                      items, count, next, fault));
}

static bool faulty_count(struct store *store, struct text machine, const struct store_where *where,
                         int64_t *count, struct fault *fault) {
    return strike(store, "count", fault) &&
           ended(store,
                 inner_of(store)->driver->count(inner_of(store), machine, where, count, fault));
}

static bool faulty_list_ids(struct store *store, struct arena *arena, struct text machine,
                            const struct store_where *where, struct text after, int64_t limit,
                            struct text **ids, size_t *count, struct fault *fault) {
    return strike(store, "list_ids", fault) &&
           ended(store, inner_of(store)->driver->list_ids(inner_of(store), arena, machine, where,
                                                          after, limit, ids, count, fault));
}

static bool faulty_search_records(struct store *store, struct arena *arena,
                                  const struct store_search *search, const struct store_page *page,
                                  struct store_record **items, size_t *count, struct text *next,
                                  struct fault *fault) {
    return strike(store, "search_records", fault) &&
           ended(store, inner_of(store)->driver->search_records(inner_of(store), arena, search,
                                                                page, items, count, next, fault));
}

static bool faulty_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                               struct fault *fault) {
    return strike(store, "walk_chains", fault) &&
           ended(store,
                 inner_of(store)->driver->walk_chains(inner_of(store), walk, settled, fault));
}

static bool faulty_find_answers(struct store *store, struct arena *arena,
                                const struct store_answer_key *keys, size_t count,
                                int64_t oldest_us, const struct store_answer **out,
                                struct fault *fault) {
    return strike(store, "find_answers", fault) &&
           ended(store, inner_of(store)->driver->find_answers(inner_of(store), arena, keys, count,
                                                              oldest_us, out, fault));
}

static bool faulty_expire_answers(struct store *store, int64_t oldest_us, int64_t most,
                                  struct fault *fault) {
    return strike(store, "expire_answers", fault) &&
           ended(store,
                 inner_of(store)->driver->expire_answers(inner_of(store), oldest_us, most, fault));
}

static bool faulty_due(struct store *store, struct arena *arena, const struct text *machines,
                       size_t machine_count, int64_t now_us, int64_t limit,
                       struct store_deadline **items, size_t *count, struct fault *fault) {
    return strike(store, "due", fault) &&
           ended(store, inner_of(store)->driver->timers->due(inner_of(store), arena, machines,
                                                             machine_count, now_us, limit, items,
                                                             count, fault));
}

static bool faulty_entered(struct store *store, const struct store_key *keys, size_t count,
                           int64_t *out, struct fault *fault) {
    return strike(store, "entered", fault) &&
           ended(store, inner_of(store)->driver->entered(inner_of(store), keys, count, out, fault));
}

static bool faulty_machines(struct store *store, struct arena *arena, struct text **names,
                            size_t *count, struct fault *fault) {
    return strike(store, "machines", fault) &&
           ended(store,
                 inner_of(store)->driver->machines(inner_of(store), arena, names, count, fault));
}

static bool faulty_list_gone(struct store *store, struct arena *arena, struct text **names,
                             size_t *count, struct fault *fault) {
    return strike(store, "list_gone", fault) &&
           ended(store,
                 inner_of(store)->driver->list_gone(inner_of(store), arena, names, count, fault));
}

static bool faulty_keep_gone(struct store *store, const struct text *names, size_t count,
                             int64_t now_us, struct fault *fault) {
    return strike(store, "keep_gone", fault) &&
           ended(store,
                 inner_of(store)->driver->keep_gone(inner_of(store), names, count, now_us, fault));
}

static bool faulty_rename(struct store *store, struct text from, struct text to,
                          const struct text *ids, size_t count, bool *moved, struct fault *fault) {
    return strike(store, "rename", fault) &&
           ended(store, inner_of(store)->driver->rename(inner_of(store), from, to, ids, count,
                                                        moved, fault));
}

static bool faulty_next_due(struct store *store, int64_t *due_us, struct fault *fault) {
    return strike(store, "next_due", fault) &&
           ended(store, inner_of(store)->driver->timers->next_due(inner_of(store), due_us, fault));
}

static bool faulty_timers(struct store *store, struct arena *arena, const struct store_key *keys,
                          size_t count, struct store_deadline **items, size_t *item_count,
                          struct fault *fault) {
    return strike(store, "timers", fault) &&
           ended(store, inner_of(store)->driver->timers->of(inner_of(store), arena, keys, count,
                                                            items, item_count, fault));
}

static bool faulty_count_timers(struct store *store, struct arena *arena, int64_t now_us,
                                struct store_timer_count **items, size_t *count,
                                struct fault *fault) {
    return strike(store, "count_timers", fault) &&
           ended(store, inner_of(store)->driver->timers->count_timers(inner_of(store), arena,
                                                                      now_us, items, count, fault));
}

static bool faulty_count_states(struct store *store, struct arena *arena, struct text machine,
                                int64_t now_us, struct store_state_count **items, size_t *count,
                                struct fault *fault) {
    return strike(store, "count_states", fault) &&
           ended(store, inner_of(store)->driver->timers->count_states(
                            inner_of(store), arena, machine, now_us, items, count, fault));
}

static bool faulty_slice(struct store *store, struct arena *arena, const struct store_slice *slice,
                         struct text **ids, size_t *count, int64_t *next, struct fault *fault) {
    return strike(store, "slice", fault) &&
           ended(store, inner_of(store)->driver->timers->slice(inner_of(store), arena, slice, ids,
                                                               count, next, fault));
}

static bool faulty_list_matches(struct store *store, struct arena *arena,
                                struct store_match **items, size_t *count, struct fault *fault) {
    return strike(store, "list_matches", fault) &&
           ended(store, inner_of(store)->driver->timers->list_matches(inner_of(store), arena, items,
                                                                      count, fault));
}

static bool faulty_put_off(struct store *store, const struct text *machines, size_t machine_count,
                           int64_t before_us, int64_t until_us, int64_t most, struct fault *fault) {
    return strike(store, "put_off", fault) &&
           ended(store,
                 inner_of(store)->driver->timers->put_off(inner_of(store), machines, machine_count,
                                                          before_us, until_us, most, fault));
}

static bool faulty_forget_done(struct store *store, int64_t most, struct fault *fault) {
    return strike(store, "forget_done", fault) &&
           ended(store, inner_of(store)->driver->timers->forget_done(inner_of(store), most, fault));
}

static bool faulty_lock_match(struct store *store, struct arena *arena, struct text machine,
                              bool waits, struct store_match *out, bool *found,
                              struct fault *fault) {
    return strike(store, "lock_match", fault) &&
           ended(store, inner_of(store)->driver->timers->lock_match(inner_of(store), arena, machine,
                                                                    waits, out, found, fault));
}

static bool faulty_save_match(struct store *store, const struct store_match *match,
                              struct fault *fault) {
    return strike(store, "save_match", fault) &&
           ended(store, inner_of(store)->driver->timers->save_match(inner_of(store), match, fault));
}

static bool faulty_keep_policy(struct store *store, struct text generation, struct text files_json,
                               int64_t now_us, struct fault *fault) {
    return strike(store, "keep_policy", fault) &&
           ended(store, inner_of(store)->driver->keep_policy(inner_of(store), generation,
                                                             files_json, now_us, fault));
}

static bool faulty_add_api_key(struct store *store, const struct store_api_key *key,
                               struct fault *fault) {
    return strike(store, "add_api_key", fault) &&
           ended(store, inner_of(store)->driver->add_api_key(inner_of(store), key, fault));
}

static bool faulty_list_api_keys(struct store *store, struct arena *arena,
                                 struct store_api_key **items, size_t *count, struct fault *fault) {
    return strike(store, "list_api_keys", fault) &&
           ended(store, inner_of(store)->driver->list_api_keys(inner_of(store), arena, items, count,
                                                               fault));
}

static bool faulty_revoke_api_key(struct store *store, struct text id_or_name, int64_t now_us,
                                  struct fault *fault) {
    return strike(store, "revoke_api_key", fault) &&
           ended(store, inner_of(store)->driver->revoke_api_key(inner_of(store), id_or_name, now_us,
                                                                fault));
}

static bool faulty_add_bulk(struct store *store, const struct store_bulk *bulk,
                            const struct text *ids, size_t count, struct fault *fault) {
    return strike(store, "add_bulk", fault) &&
           ended(store,
                 inner_of(store)->driver->bulks->add(inner_of(store), bulk, ids, count, fault));
}

static bool faulty_find_bulk(struct store *store, struct arena *arena, struct text id,
                             struct store_bulk **out, struct fault *fault) {
    return strike(store, "find_bulk", fault) &&
           ended(store,
                 inner_of(store)->driver->bulks->find(inner_of(store), arena, id, out, fault));
}

static bool faulty_bulk_members(struct store *store, struct arena *arena, struct text id,
                                int64_t position, int64_t limit, struct text **ids, size_t *count,
                                struct fault *fault) {
    return strike(store, "bulk_members", fault) &&
           ended(store, inner_of(store)->driver->bulks->members(
                            inner_of(store), arena, id, position, limit, ids, count, fault));
}

static bool faulty_save_bulk(struct store *store, const struct store_bulk *bulk,
                             const struct store_bulk_error *errors, size_t error_count,
                             struct fault *fault) {
    return strike(store, "save_bulk", fault) &&
           ended(store, inner_of(store)->driver->bulks->save(inner_of(store), bulk, errors,
                                                             error_count, fault));
}

static bool faulty_bulk_errors(struct store *store, struct arena *arena, struct text id,
                               int64_t limit, struct store_bulk_error **items, size_t *count,
                               struct fault *fault) {
    return strike(store, "bulk_errors", fault) &&
           ended(store, inner_of(store)->driver->bulks->errors(inner_of(store), arena, id, limit,
                                                               items, count, fault));
}

static bool faulty_list_bulks(struct store *store, struct arena *arena, enum bulk_status status,
                              struct store_bulk **items, size_t *count, struct fault *fault) {
    return strike(store, "list_bulks", fault) &&
           ended(store, inner_of(store)->driver->bulks->list(inner_of(store), arena, status, items,
                                                             count, fault));
}

static bool faulty_page_bulks(struct store *store, struct arena *arena,
                              const struct store_bulk_search *search, const struct store_page *page,
                              struct store_bulk **items, size_t *count, struct text *next,
                              struct fault *fault) {
    return strike(store, "page_bulks", fault) &&
           ended(store, inner_of(store)->driver->bulks->page(inner_of(store), arena, search, page,
                                                             items, count, next, fault));
}

static bool faulty_index_fields(struct store *store, struct text machine, const struct text *fields,
                                size_t count, int64_t most, bool *more, struct fault *fault) {
    return strike(store, "index_fields", fault) &&
           ended(store, inner_of(store)->driver->index_fields(inner_of(store), machine, fields,
                                                              count, most, more, fault));
}

static bool faulty_grant(struct store *store, struct text key, int64_t ttl_us,
                         struct store_lock *lock, struct fault *fault) {
    return strike(store, "grant", fault) &&
           ended(store,
                 inner_of(store)->driver->locks->grant(inner_of(store), key, ttl_us, lock, fault));
}

static bool faulty_find(struct store *store, struct text key, struct store_lock *lock,
                        struct fault *fault) {
    return strike(store, "find", fault) &&
           ended(store, inner_of(store)->driver->locks->find(inner_of(store), key, lock, fault));
}

static bool faulty_renew(struct store *store, struct text key, int64_t ttl_us,
                         struct store_lock *lock, struct fault *fault) {
    return strike(store, "renew", fault) &&
           ended(store,
                 inner_of(store)->driver->locks->renew(inner_of(store), key, ttl_us, lock, fault));
}

static bool faulty_release(struct store *store, struct text key, struct store_lock *lock,
                           struct fault *fault) {
    return strike(store, "release", fault) &&
           ended(store, inner_of(store)->driver->locks->release(inner_of(store), key, lock, fault));
}

static const struct store_lock_driver locks = {faulty_grant, faulty_find, faulty_renew,
                                               faulty_release};

static const struct store_timer_driver faulty_timer_driver = {
    .due = faulty_due,
    .next_due = faulty_next_due,
    .of = faulty_timers,
    .count_timers = faulty_count_timers,
    .count_states = faulty_count_states,
    .slice = faulty_slice,
    .list_matches = faulty_list_matches,
    .put_off = faulty_put_off,
    .forget_done = faulty_forget_done,
    .lock_match = faulty_lock_match,
    .save_match = faulty_save_match,
};

static const struct store_bulk_driver faulty_bulk_driver = {
    .add = faulty_add_bulk,
    .find = faulty_find_bulk,
    .members = faulty_bulk_members,
    .save = faulty_save_bulk,
    .errors = faulty_bulk_errors,
    .list = faulty_list_bulks,
    .page = faulty_page_bulks,
};

static const struct store_driver driver = {
    .kind = "faulty",
    .close = faulty_close,
    .writers_most = 1,
    .begin = faulty_begin,
    .commit = faulty_commit,
    .rollback = faulty_rollback,
    .ping = faulty_ping,
    .read = faulty_read,
    .read_as = faulty_read_as,
    .guard = faulty_guard,
    .write = faulty_write,
    .settle = faulty_settle,
    .check_table = faulty_check_table,
    .read_rows = faulty_read_rows,
    .write_rows = faulty_write_rows,
    .try_row = faulty_try_row,
    .list = faulty_list,
    .count = faulty_count,
    .list_ids = faulty_list_ids,
    .search_records = faulty_search_records,
    .walk_chains = faulty_walk_chains,
    .find_answers = faulty_find_answers,
    .expire_answers = faulty_expire_answers,
    .entered = faulty_entered,
    .machines = faulty_machines,
    .list_gone = faulty_list_gone,
    .keep_gone = faulty_keep_gone,
    .rename = faulty_rename,
    .keep_policy = faulty_keep_policy,
    .add_api_key = faulty_add_api_key,
    .list_api_keys = faulty_list_api_keys,
    .revoke_api_key = faulty_revoke_api_key,
    .index_fields = faulty_index_fields,
    .timers = &faulty_timer_driver,
    .bulks = &faulty_bulk_driver,
    .locks = &locks,
};

struct store *store_faulty_new(struct store *inner, struct faulty *plan) {
    struct faulty_store *self = calloc(1, sizeof *self);
    if (self == NULL) {
        abort();
    }
    self->store.driver = &driver;
    self->inner = inner;
    self->plan = plan;
    return &self->store;
}
