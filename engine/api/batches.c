/* batches.c: one transition for many entities: start, watch, pause, resume, cancel. */
#include "api/attempts.h"
#include "api/batch_answer.h"
#include "api/reach.h"
#include "base/map.h"
#include "core/bulk.h"
#include "store/bulk.h"
#include "timezone/instant.h"

/* What a POST asks for, in the exchange's arena. */
struct bulk_order {
    struct job job; /* on its way to the writer, or to a decider when it is a dry run */
    struct call *call;
    struct bulk_request request;
    const struct js *ids;
    struct text state;
    int64_t older_than_us;
    bool dry_run;
    bool wait;
    char id[ID_LENGTH];
    struct store_answer answer;      /* to be kept, when there is an idempotency key */
    const struct store_answer *kept; /* under this key; NULL: it is new */
};

/* --- reading the body --- */

static bool read_mode(const struct form *form, struct bulk_order *order) {
    order->request.mode = TEXT("sequential");
    if (!form_text(form, "mode", 20, &order->request.mode)) {
        return false;
    }
    struct text mode = order->request.mode;
    return text_equal(mode, TEXT("atomic")) || text_equal(mode, TEXT("sequential")) ||
           text_equal(mode, TEXT("parallel")) ||
           fault_set(form->fault, FAULT_BAD_REQUEST,
                     "mode: expected \"atomic\", \"sequential\" or \"parallel\"");
}

static bool read_age(const struct form *form, struct bulk_order *order) {
    struct text age = TEXT_NONE;
    if (!form_text(form, "older_than", 40, &age)) {
        return false;
    }
    if (!text_given(age)) {
        return true;
    }
    if (!instant_parse_duration(age, &order->older_than_us, form->fault)) {
        form->fault->code = FAULT_BAD_REQUEST;
        return fault_within(form->fault, "where.older_than");
    }
    return true;
}

static bool read_where(const struct form *form, const struct js *object, struct bulk_order *order) {
    static const char *const keys[] = {"state", "data", "older_than", NULL};
    struct form where = {form->arena, object, "where", form->fault};
    if (!form_known(&where, keys) || !form_text(&where, "state", 100, &order->state) ||
        !form_object(&where, "data", &order->request.where.data) || !read_age(&where, order)) {
        return false;
    }
    order->request.selected = true;
    order->request.where.states = &order->state;
    order->request.where.state_count = text_given(order->state) ? 1 : 0;
    return true;
}

static bool check_ids(const struct form *form, const struct js *ids) {
    for (size_t i = 0; i < ids->array.count; i++) {
        if (!entity_is_id(ids->array.items[i]->string)) {
            return fault_set(form->fault, FAULT_BAD_REQUEST, "ids[%zu]: not an identifier", i);
        }
    }
    return true;
}

static bool read_members(const struct form *form, struct bulk_order *order) {
    const struct js *where = NULL;
    if (!form_texts(form, "ids", &order->ids) || !form_object(form, "where", &where)) {
        return false;
    }
    if ((order->ids != NULL) == (where != NULL)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "expected either `ids` (an array) or `where` ({state, data, older_than})");
    }
    return where != NULL ? read_where(form, where, order) : check_ids(form, order->ids);
}

static bool read_target(const struct form *form, struct attempt *attempt) {
    return form_text(form, "to", 100, &attempt->to) &&
           form_text(form, "transition", 100, &attempt->verb) &&
           (text_given(attempt->to) != text_given(attempt->verb) ||
            fault_set(form->fault, FAULT_BAD_REQUEST,
                      "expected either `to` (a state) or `transition` (a verb)"));
}

static bool read_machine(struct call *call, const struct form *form, struct attempt *attempt,
                         struct fault *fault) {
    if (!form_text(form, "machine", 100, &attempt->machine)) {
        return false;
    }
    return text_given(attempt->machine)
               ? call_machine(call, attempt->machine, fault)
               : fault_set(fault, FAULT_BAD_REQUEST, "machine: missing; expected a machine's name");
}

static bool read_order(struct call *call, struct bulk_order *order, struct fault *fault) {
    static const char *const keys[] = {"machine",  "ids",     "where",   "to",     "transition",
                                       "mode",     "workers", "actor",   "reason", "comments",
                                       "metadata", "data",    "dry_run", "wait",   NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    struct attempt *attempt = &order->request.attempt;
    order->call = call;
    order->wait = true;
    order->request.workers = 5;
    attempt->kind = ATTEMPT_TRANSITION;
    attempt->reason = TEXT("batch");
    attempt->lock = true;
    attempt->blocking_timeout_ms = attempt->max_retries = -1;
    attempt->request_id = text_of(call->exchange->request_id);
    return form_known(&form, keys) && read_machine(call, &form, attempt, fault) &&
           read_target(&form, attempt) && read_mode(&form, order) &&
           form_integer(&form, "workers", 1, 64, &order->request.workers) &&
           form_bool(&form, "dry_run", &order->dry_run) && form_bool(&form, "wait", &order->wait) &&
           form_object(&form, "data", &attempt->patch) &&
           attempt_read_context(call, &form, attempt, fault) && read_members(&form, order) &&
           attempt_read_key(call, &order->answer, fault);
}

/* --- members --- */

static bool is_in(struct map *seen, struct text id) {
    if (map_find(seen, id) != NULL) {
        return true;
    }
    map_set(seen, id, seen);
    return false;
}

/* The ids as sent, each once. */
static void ids_of_list(struct arena *arena, const struct js *list, struct text **ids,
                        size_t *count) {
    struct map seen;
    map_init(&seen, arena);
    *ids = ARENA_ARRAY(arena, struct text, list->array.count + 1);
    *count = 0;
    for (size_t i = 0; i < list->array.count; i++) {
        struct text id = list->array.items[i]->string;
        if (!is_in(&seen, id)) {
            (*ids)[(*count)++] = id;
        }
    }
}

static bool choose(struct core *core, struct bulk_order *order, struct text **ids, size_t *count,
                   struct fault *fault) {
    struct arena *arena = &order->call->exchange->arena;
    bool atomic = bulk_is_atomic(&order->request);
    int64_t most = atomic ? BULK_ATOMIC_MOST : BULK_MEMBERS_MOST;
    if (order->ids != NULL) {
        ids_of_list(arena, order->ids, ids, count);
    } else {
        if (order->older_than_us > 0) {
            order->request.where.updated_before_us = now_wall_us(&core->now) - order->older_than_us;
        }
        if (!bulk_select(core, arena, order->request.attempt.machine, &order->request.where, most,
                         ids, count, fault)) {
            return false;
        }
    }
    return (int64_t)*count <= most ||
           fault_set(fault, FAULT_BAD_REQUEST, "ids: %zu are too many; at most %lld%s", *count,
                     (long long)most, atomic ? " in one transaction" : "");
}

/* --- its idempotency key --- */

static bool find_answer(struct core *core, struct bulk_order *order, struct fault *fault) {
    struct store_answer_key key = {order->answer.scope, order->answer.key};
    order->kept = NULL;
    if (!text_given(key.key)) {
        return true;
    }
    if (!batch_find_answers(core, &order->call->exchange->arena, &key, 1, &order->kept, fault)) {
        return false;
    }
    return order->kept == NULL || batch_answer_is_of(order->kept, order->answer.body_hash, fault);
}

/* The answer to `wait: false`. Who waits gets what the bulk has come to, which it leads to. */
static bool keep_answer(struct core *core, struct bulk_order *order, const struct store_bulk *bulk,
                        struct fault *fault) {
    struct store_answer *answer = &order->answer;
    struct store_batch batch = {.answers = answer, .answer_count = 1};
    answer->status = 202;
    answer->headers = TEXT("{}");
    answer->body = batch_json(order->call->exchange, bulk);
    answer->created_us = bulk->created_us;
    return !text_given(answer->key) || store_write(core->store, &batch, fault);
}

static struct text kept_id(const struct bulk_order *order) {
    const struct js *kept;
    struct fault fault = FAULT_INIT;
    bool read = js_parse(&order->call->exchange->arena, order->kept->body, &kept, &fault);
    return read ? js_text(js_find(kept, TEXT("id"))) : TEXT_NONE;
}

/* --- a real one --- */

static bool add_bulk(struct core *core, struct bulk_order *order, struct fault *fault) {
    struct arena *arena = &order->call->exchange->arena;
    struct text *ids = NULL;
    size_t count = 0;
    int64_t now_us = now_wall_us(&core->now);
    if (!choose(core, order, &ids, &count, fault)) {
        return false;
    }
    id_uuid7(&core->ids, now_us, order->id);
    bulk_clean(arena, core->policy.generation, &order->request);
    struct store_bulk bulk = {
        .id = {order->id, ID_LENGTH},
        .request = bulk_request_json(arena, &order->request),
        .status = count == 0 ? BULK_COMPLETED : BULK_RUNNING,
        .total = (int64_t)count,
        .created_us = now_us,
        .updated_us = now_us,
    };
    return store_add_bulk(core->store, &bulk, ids, count, fault) &&
           keep_answer(core, order, &bulk, fault);
}

static bool add_in_transaction(struct core *core, struct bulk_order *order, struct fault *fault) {
    bool added =
        store_begin(core->store, STORE_WRITE, ISOLATION_DEFAULT, fault) &&
        find_answer(core, order, fault) &&
        (order->kept != NULL || (add_bulk(core, order, fault) && store_commit(core->store, fault)));
    store_rollback(core->store);
    return added;
}

/* Another node may take the key at the same moment: then it is found the second time. */
static bool add_or_find(struct core *core, struct bulk_order *order, struct fault *fault) {
    if (add_in_transaction(core, order, fault)) {
        return true;
    }
    if (fault->code != FAULT_STORE_CONFLICT) {
        return false;
    }
    *fault = (struct fault)FAULT_INIT;
    return add_in_transaction(core, order, fault);
}

static void accept_bulk(struct bulk_order *order, struct text id) {
    struct http_exchange *exchange = order->call->exchange;
    struct text body = order->kept != NULL ? order->kept->body : order->answer.body;
    struct text path = text_print(&exchange->arena, "/v1/batches/%.*s", TEXT_ARGS(id));
    struct http_answer answer = {
        .status = 202, .body = body, .headers = {{TEXT("Location"), path}}, .header_count = 1};
    if (order->kept != NULL) {
        answer.headers[answer.header_count++] =
            (struct http_header){TEXT("Idempotency-Replayed"), TEXT("true")};
    }
    http_answer(exchange, &answer);
}

static void run_create(struct job *job, struct worker *worker) {
    struct bulk_order *order = job->context;
    struct http_exchange *exchange = order->call->exchange;
    struct bulk_runner *runner = order->call->service->bulk;
    struct fault fault = FAULT_INIT;
    if (!add_or_find(&worker->core, order, &fault)) {
        call_fail(exchange, &fault, TEXT_NONE);
        return;
    }
    struct text id = order->kept != NULL ? kept_id(order) : (struct text){order->id, ID_LENGTH};
    if (order->wait && order->kept != NULL) {
        batch_answer_again(worker->core.store, exchange, id);
    } else if (order->wait) {
        bulk_runner_wake(runner, id, exchange);
    } else {
        bulk_runner_wake(runner, id, NULL);
        accept_bulk(order, id);
    }
}

/* --- a dry run --- */

static void put_refusals(struct js_writer *writer, const struct member *member, size_t *failed,
                         size_t *skipped) {
    *failed = *skipped = 0;
    js_key(writer, TEXT("errors"));
    js_open(writer, '[');
    for (size_t i = 0; i < member->attempted; i++) {
        const struct outcome *outcome = &member->outcomes[i];
        *skipped += outcome->skipped;
        if (outcome->code == FAULT_NONE || ++*failed > BULK_ERRORS_SHOWN) {
            continue;
        }
        js_open(writer, '{');
        js_key(writer, TEXT("id"));
        js_put_text(writer, member->attempts[i].id);
        js_key(writer, TEXT("code"));
        js_put_text(writer, text_of(fault_name(outcome->code)));
        js_key(writer, TEXT("message"));
        js_put_text(writer, outcome->message);
        js_close(writer, '}');
    }
    js_close(writer, ']');
}

static void answer_dry_run(struct bulk_order *order, const struct member *member,
                           int64_t execution_us) {
    struct buffer buffer;
    struct js_writer writer;
    size_t failed, skipped;
    buffer_init(&buffer, &order->call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put_refusals(&writer, member, &failed, &skipped);
    size_t wanted = member->attempt_count - skipped;
    js_key(&writer, TEXT("id"));
    js_put(&writer, NULL);
    js_key(&writer, TEXT("dry_run"));
    js_put_bool(&writer, true);
    js_key(&writer, TEXT("status"));
    js_put_text(&writer,
                failed > 0 && bulk_is_atomic(&order->request) ? TEXT("failed") : TEXT("completed"));
    js_key(&writer, TEXT("total"));
    js_put_integer(&writer, (int64_t)member->attempt_count);
    js_key(&writer, TEXT("succeeded"));
    js_put_integer(&writer, (int64_t)(wanted - failed));
    js_key(&writer, TEXT("failed"));
    js_put_integer(&writer, (int64_t)failed);
    js_key(&writer, TEXT("skipped"));
    js_put_integer(&writer, (int64_t)skipped);
    js_key(&writer, TEXT("success_rate"));
    js_put_real(&writer, wanted > 0 ? (double)(wanted - failed) / (double)wanted : 1);
    js_key(&writer, TEXT("execution_ms"));
    js_put_integer(&writer, execution_us / NOW_MILLISECOND);
    js_close(&writer, '}');
    call_ok(order->call->exchange, 200, buffer_view(&buffer));
}

static bool choose_in_transaction(struct core *core, struct bulk_order *order, struct text **ids,
                                  size_t *count, struct fault *fault) {
    bool chosen = store_begin(core->store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                  choose(core, order, ids, count, fault);
    store_rollback(core->store);
    return chosen;
}

static void run_dry(struct job *job, struct worker *worker) {
    struct bulk_order *order = job->context;
    struct core *core = &worker->core;
    struct text *ids = NULL;
    size_t count = 0;
    struct fault fault = FAULT_INIT;
    int64_t started_us = now_monotonic_us(&core->now);
    if (!choose_in_transaction(core, order, &ids, &count, &fault)) {
        call_fail(order->call->exchange, &fault, TEXT_NONE);
        return;
    }
    order->request.attempt.dry_run = true;
    struct member member = {.attempts = bulk_attempts(&core->arena, &order->request, ids, count),
                            .attempt_count = count,
                            .where = order->request.selected ? &order->request.where : NULL,
                            .mode = bulk_is_atomic(&order->request) ? MEMBER_ALL : MEMBER_EACH};
    struct member *members[] = {&member};
    if (count > 0) {
        batch_run(core, members, 1);
    }
    if (member.fault != FAULT_NONE) {
        fault_set(&fault, member.fault, "%.*s", TEXT_ARGS(member.fault_message));
        call_fail(order->call->exchange, &fault, TEXT_NONE);
        return;
    }
    answer_dry_run(order, &member, now_monotonic_us(&core->now) - started_us);
}

void api_batch_create(struct call *call) {
    struct bulk_order *order = ARENA_NEW(&call->exchange->arena, struct bulk_order);
    struct fault fault = FAULT_INIT;
    if (!read_order(call, order, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    order->job = (struct job){
        .exchange = call->exchange, .run = order->dry_run ? run_dry : run_create, .context = order};
    if (order->dry_run) {
        workers_post_decider(&call->service->workers, &order->job);
    } else {
        workers_post(&call->service->workers, &call->service->workers.writers[0], &order->job);
    }
}

/* --- watching --- */

static bool check_id(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (id_is_uuid(call->parameters[0])) {
        return true;
    }
    fault_set(&fault, FAULT_NOT_FOUND, "there is no batch '%.*s'", TEXT_ARGS(call->parameters[0]));
    call_fail(call->exchange, &fault, TEXT_NONE);
    return false;
}

static void run_read(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    batch_answer(worker->core.store, call->exchange, call->parameters[0]);
}

void api_batch_read(struct call *call) {
    if (check_id(call)) {
        call_decide(call, run_read);
    }
}

struct bulk_listing {
    struct store_bulk_search search;
    struct store_page page;
};

static bool read_status(struct call *call, int *out, struct fault *fault) {
    struct text name = TEXT_NONE;
    *out = -1;
    if (!call_query(call, "status", &name, fault) || !text_given(name)) {
        return fault->code == FAULT_NONE;
    }
    for (int status = BULK_RUNNING; status <= BULK_FAILED; status++) {
        if (text_equal(name, bulk_status_name((enum bulk_status)status))) {
            *out = status;
            return true;
        }
    }
    return fault_set(fault, FAULT_BAD_REQUEST,
                     "status: expected running, paused, cancelled, completed or failed");
}

static bool read_bulk_listing(struct call *call, struct bulk_listing *out, struct fault *fault) {
    static const char *const names[] = {"status", "machine", "limit", "cursor", NULL};
    return call_query_known(call, names, fault) && read_status(call, &out->search.status, fault) &&
           call_query(call, "machine", &out->search.machine, fault) &&
           call_query(call, "cursor", &out->page.cursor, fault) &&
           call_query_integer(call, "limit", 1, 1000, 50, &out->page.limit, fault);
}

static bool page_bulks(struct store *store, struct arena *arena, const struct bulk_listing *listing,
                       struct store_bulk **items, size_t *count, struct text *next,
                       struct fault *fault) {
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool found =
        store_page_bulks(store, arena, &listing->search, &listing->page, items, count, next, fault);
    store_rollback(store);
    return found;
}

static void run_list(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct arena *arena = &call->exchange->arena;
    struct bulk_listing listing = {0};
    struct store_bulk *items;
    size_t count;
    struct text next;
    struct buffer buffer;
    struct js_writer writer;
    struct fault fault = FAULT_INIT;
    if (!read_bulk_listing(call, &listing, &fault) ||
        !page_bulks(worker->core.store, arena, &listing, &items, &count, &next, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("items"));
    js_open(&writer, '[');
    for (size_t i = 0; i < count; i++) {
        if (reach_bulk(call, &items[i])) {
            batch_put_summary(&writer, &items[i]);
        }
    }
    js_close(&writer, ']');
    js_key(&writer, TEXT("next_cursor"));
    js_put_text(&writer, next);
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

void api_batch_list(struct call *call) {
    call_decide(call, run_list);
}

/* --- pause, resume, cancel --- */

/* A wish to change the status, on its way to the writer. */
struct wish {
    struct job job;
    struct call *call;
    enum bulk_status from[2]; /* from these only */
    enum bulk_status to;
};

static bool is_possible(const struct wish *wish, const struct store_bulk *bulk,
                        struct fault *fault) {
    return bulk->status == wish->from[0] || bulk->status == wish->from[1] ||
           bulk->status == wish->to ||
           fault_set(fault, FAULT_INVALID_TRANSITION, "the batch is already %.*s",
                     TEXT_ARGS(bulk_status_name(bulk->status)));
}

static bool change(struct core *core, const struct wish *wish, struct text id,
                   struct fault *fault) {
    struct store_bulk *bulk;
    if (!store_find_bulk(core->store, &core->arena, id, &bulk, fault)) {
        return false;
    }
    if (bulk == NULL || !reach_bulk(wish->call, bulk)) {
        return fault_set(fault, FAULT_NOT_FOUND, "there is no batch '%.*s'", TEXT_ARGS(id));
    }
    if (!is_possible(wish, bulk, fault)) {
        return false;
    }
    bulk->status = wish->to;
    bulk->updated_us = now_wall_us(&core->now);
    return store_save_bulk(core->store, bulk, NULL, 0, fault);
}

static void run_wish(struct job *job, struct worker *worker) {
    const struct wish *wish = job->context;
    struct http_exchange *exchange = job->exchange;
    struct store *store = worker->core.store;
    struct text id = wish->call->parameters[0];
    struct fault fault = FAULT_INIT;
    bool changed = store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, &fault) &&
                   change(&worker->core, wish, id, &fault) && store_commit(store, &fault);
    store_rollback(store);
    if (!changed) {
        call_fail(exchange, &fault, TEXT_NONE);
        return;
    }
    bulk_runner_wake(wish->call->service->bulk, id, NULL);
    batch_answer(store, exchange, id);
}

static void post_wish(struct call *call, enum bulk_status from, enum bulk_status or_from,
                      enum bulk_status to) {
    if (!check_id(call)) {
        return;
    }
    struct wish *wish = ARENA_NEW(&call->exchange->arena, struct wish);
    wish->job = (struct job){.exchange = call->exchange, .run = run_wish, .context = wish};
    wish->call = call;
    wish->from[0] = from;
    wish->from[1] = or_from;
    wish->to = to;
    workers_post(&call->service->workers, &call->service->workers.writers[0], &wish->job);
}

void api_batch_pause(struct call *call) {
    post_wish(call, BULK_RUNNING, BULK_RUNNING, BULK_PAUSED);
}

void api_batch_resume(struct call *call) {
    post_wish(call, BULK_PAUSED, BULK_PAUSED, BULK_RUNNING);
}

void api_batch_cancel(struct call *call) {
    post_wish(call, BULK_RUNNING, BULK_PAUSED, BULK_CANCELLED);
}
