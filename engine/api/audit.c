/* audit.c: the history of one entity, and search over all records. */
#include "api/attempts.h"
#include "api/reach.h"
#include "api/reading.h"
#include "model/chain.h"
#include "timezone/instant.h"

static bool search(struct worker *worker, struct call *call, const struct store_search *search,
                   const struct store_page *page, struct store_record **items, size_t *count,
                   struct text *next, struct fault *fault) {
    struct store *store = worker->core.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool found = store_search_records(store, &call->exchange->arena, search, page, items, count,
                                      next, fault);
    store_rollback(store);
    return found;
}

static struct text page_json(struct arena *arena, const struct store_record *items, size_t count,
                             struct text next) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_add_text(&buffer, TEXT("{\"items\":["));
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_add_char(&buffer, ',');
        }
        chain_show(&buffer, items[i].json, items[i].previous_hash, items[i].hash);
    }
    buffer_add_text(&buffer, TEXT("],\"next_cursor\":"));
    if (text_given(next)) {
        js_write_string(&buffer, next);
    } else {
        buffer_add_text(&buffer, TEXT("null"));
    }
    buffer_add_char(&buffer, '}');
    return buffer_view(&buffer);
}

static void answer_page(struct worker *worker, struct call *call, const struct store_search *wanted,
                        const struct store_page *page) {
    struct store_record *items;
    size_t count;
    struct text next;
    struct fault fault = FAULT_INIT;
    if (!search(worker, call, wanted, page, &items, &count, &next, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_ok(call->exchange, 200, page_json(&call->exchange->arena, items, count, next));
}

static bool read_page(struct call *call, int64_t fallback, struct store_page *page,
                      struct fault *fault) {
    return call_query_integer(call, "limit", 1, 1000, fallback, &page->limit, fault) &&
           call_query(call, "cursor", &page->cursor, fault);
}

/* --- history --- */

/* An entity that never was, and was never asked for, has no history: 404. One that is gone is what
 * was known of it last. */
static bool may_read(struct worker *worker, struct call *call, struct text *extra,
                     struct fault *fault) {
    struct arena *arena = &call->exchange->arena;
    struct entity entity;
    struct store_key key = {call->parameters[0], call->parameters[1]};
    const struct actor *actor;
    if (!reading_actor(call, &actor, fault) ||
        !store_read(worker->core.store, arena, &key, 1, &entity, fault)) {
        return false;
    }
    if (!entity.exists && entity.audit_sequence == 0) {
        return fault_set(fault, FAULT_ENTITY_NOT_FOUND, "%.*s '%.*s' does not exist",
                         TEXT_ARGS(key.machine), TEXT_ARGS(key.id));
    }
    struct entity now = entity;
    return core_refresh(&worker->core, arena, &now, 1, fault) &&
           reading_allowed(worker, call, actor, now.exists ? &now : &entity, extra, fault);
}

static bool may_read_in_transaction(struct worker *worker, struct call *call, struct text *extra,
                                    struct fault *fault) {
    struct store *store = worker->core.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool may = may_read(worker, call, extra, fault);
    store_rollback(store);
    return may;
}

static void run_history(struct job *job, struct worker *worker) {
    static const char *const names[] = {"limit", "cursor", "actor", "roles", "permissions", NULL};
    struct call *call = job->context;
    struct store_page page = {0};
    struct text extra = TEXT_NONE;
    struct fault fault = FAULT_INIT;
    if (!call_query_known(call, names, &fault) || !read_page(call, 25, &page, &fault) ||
        !may_read_in_transaction(worker, call, &extra, &fault)) {
        call_fail(call->exchange, &fault, extra);
        return;
    }
    struct store_search wanted = {
        .machine = call->parameters[0], .entity_id = call->parameters[1], .success = -1};
    answer_page(worker, call, &wanted, &page);
}

void api_history(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (!call_machine(call, call->parameters[0], &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_history);
}

/* --- search --- */

static bool read_success(struct call *call, int *out, struct fault *fault) {
    struct text value = TEXT_NONE;
    if (!call_query(call, "success", &value, fault)) {
        return false;
    }
    *out = !text_given(value) ? -1 : text_equal(value, TEXT("true")) ? 1 : 0;
    return *out != 0 || text_equal(value, TEXT("false")) ||
           fault_set(fault, FAULT_BAD_REQUEST, "success: expected true or false");
}

static bool read_instant(struct call *call, const char *name, int64_t *out, struct fault *fault) {
    struct text value = TEXT_NONE;
    int offset;
    if (!call_query(call, name, &value, fault) || !text_given(value)) {
        return fault->code == FAULT_NONE;
    }
    if (!instant_parse(value, out, &offset, fault)) {
        fault->code = FAULT_BAD_REQUEST;
        return fault_within(fault, "%s", name);
    }
    return true;
}

static bool read_search(struct call *call, struct store_search *wanted, struct fault *fault) {
    static const char *const names[] = {"machine", "entity", "from_state", "to_state",
                                        "actor",   "reason", "success",    "since",
                                        "until",   "limit",  "cursor",     NULL};
    return call_query_known(call, names, fault) &&
           call_query(call, "machine", &wanted->machine, fault) &&
           reach_search(call, &wanted->machine, fault) &&
           call_query(call, "entity", &wanted->entity_id, fault) &&
           call_query(call, "from_state", &wanted->from_state, fault) &&
           call_query(call, "to_state", &wanted->to_state, fault) &&
           call_query(call, "actor", &wanted->actor_id, fault) &&
           call_query(call, "reason", &wanted->reason, fault) &&
           read_success(call, &wanted->success, fault) &&
           read_instant(call, "since", &wanted->since_us, fault) &&
           read_instant(call, "until", &wanted->until_us, fault);
}

static void run_search(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct store_search wanted = {0};
    struct store_page page = {0};
    struct fault fault = FAULT_INIT;
    if (!read_search(call, &wanted, &fault) || !read_page(call, 50, &page, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    answer_page(worker, call, &wanted, &page);
}

void api_audit_search(struct call *call) {
    call_decide(call, run_search);
}
