/* audit.c: the history of one entity, and search over all records. */
#include "api/attempts.h"
#include "api/listing.h"
#include "api/reach.h"
#include "model/chain.h"

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
           listing_order(call, &page->newest, fault) &&
           call_query(call, "cursor", &page->cursor, fault);
}

/* --- history --- */

/* An entity that never was, and was never asked for, has no history: 404. */
static bool was_ever(struct worker *worker, struct call *call, struct fault *fault) {
    struct entity entity;
    struct store_key key = {call->parameters[0], call->parameters[1]};
    struct store *store = worker->core.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = store_read(store, &call->exchange->arena, &key, 1, &entity, fault);
    store_rollback(store);
    return read && (entity.exists || entity.audit_sequence > 0 ||
                    fault_set(fault, FAULT_ENTITY_NOT_FOUND, "%.*s '%.*s' does not exist",
                              TEXT_ARGS(key.machine), TEXT_ARGS(key.id)));
}

static void run_history(struct job *job, struct worker *worker) {
    static const char *const names[] = {"order", "limit", "cursor", NULL};
    struct call *call = job->context;
    struct store_page page = {0};
    struct fault fault = FAULT_INIT;
    if (!call_query_known(call, names, &fault) || !read_page(call, 25, &page, &fault) ||
        !was_ever(worker, call, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
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
    struct text given = TEXT_NONE;
    bool success = false;
    if (!listing_bool(call, "success", &success, fault) ||
        !call_query(call, "success", &given, fault)) {
        return false;
    }
    *out = text_given(given) ? success : -1;
    return true;
}

static bool read_texts(struct call *call, struct store_search *wanted, struct fault *fault) {
    const struct {
        const char *name;
        struct text *out;
    } texts[] = {
        {"machine", &wanted->machine},       {"entity", &wanted->entity_id},
        {"from_state", &wanted->from_state}, {"to_state", &wanted->to_state},
        {"transition", &wanted->transition}, {"actor", &wanted->actor_id},
        {"reason", &wanted->reason},         {"error_code", &wanted->error_code},
        {"request_id", &wanted->request_id}, {"batch", &wanted->batch},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!call_query(call, texts[i].name, texts[i].out, fault)) {
            return false;
        }
    }
    return true;
}

static bool read_search(struct call *call, struct store_search *wanted, struct fault *fault) {
    static const char *const names[] = {
        "machine", "entity",     "from_state", "to_state", "transition", "actor",
        "reason",  "error_code", "request_id", "batch",    "success",    "since",
        "until",   "order",      "limit",      "cursor",   NULL};
    return call_query_known(call, names, fault) && read_texts(call, wanted, fault) &&
           reach_search(call, &wanted->machine, fault) &&
           read_success(call, &wanted->success, fault) &&
           listing_instant(call, "since", &wanted->since_us, fault) &&
           listing_instant(call, "until", &wanted->until_us, fault);
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
