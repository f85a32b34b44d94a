/* entities.c: create, read, list and change entities. */
#include "api/attempts.h"
#include "api/reading.h"

/* --- create --- */

static bool read_create(struct call *call, struct attempt_job **job, struct fault *fault) {
    static const char *const keys[] = {"id",       "data",     "state",  "actor",
                                       "comments", "metadata", "reason", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    struct text id = TEXT_NONE;
    if (!form_known(&form, keys) || !form_text(&form, "id", ENTITY_ID_MOST, &id) ||
        !attempt_job_new(call, ATTEMPT_CREATE, id, job, fault)) {
        return false;
    }
    struct attempt *attempt = &(*job)->attempt;
    return form_object(&form, "data", &attempt->patch) &&
           form_text(&form, "state", 100, &attempt->to) &&
           attempt_read_context(call, &form, attempt, fault) &&
           attempt_read_headers(call, *job, fault);
}

/* A state of one's own choice is for imports; the initial state by name is fine. */
static bool may_choose_state(struct call *call, const struct attempt *attempt,
                             struct fault *fault) {
    if (!text_given(attempt->to)) {
        return true;
    }
    struct generation *generation = published_take(call->service->published);
    const struct machine *machine = generation_machine(generation, attempt->machine);
    bool is_initial =
        machine != NULL && text_equal(machine->states[machine->initial].name, attempt->to);
    generation_unref(generation);
    return is_initial || auth_need(&call->caller, SCOPE_SYSTEM, fault);
}

void api_entity_create(struct call *call) {
    struct attempt_job *job;
    struct fault fault = FAULT_INIT;
    if (!read_create(call, &job, &fault) || !may_choose_state(call, &job->attempt, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    attempt_post(call, job);
}

/* --- change data --- */

static bool read_update(struct call *call, struct attempt_job **job, struct fault *fault) {
    static const char *const keys[] = {"data",   "actor",   "comments", "metadata",
                                       "reason", "options", NULL};
    static const char *const options[] = {"dry_run", "if_version", NULL};
    struct form form = {&call->exchange->arena, call->body, "", fault};
    const struct js *object = NULL;
    if (!form_known(&form, keys) || !form_object(&form, "options", &object) ||
        !attempt_job_new(call, ATTEMPT_UPDATE, call->parameters[1], job, fault)) {
        return false;
    }
    struct attempt *attempt = &(*job)->attempt;
    struct form inner = {&call->exchange->arena, object, "options", fault};
    return form_object(&form, "data", &attempt->patch) && form_known(&inner, options) &&
           form_bool(&inner, "dry_run", &attempt->dry_run) &&
           form_integer(&inner, "if_version", 1, INT64_MAX, &attempt->if_version) &&
           attempt_read_context(call, &form, attempt, fault) &&
           attempt_read_headers(call, *job, fault);
}

void api_entity_update(struct call *call) {
    struct attempt_job *job;
    struct fault fault = FAULT_INIT;
    if (read_update(call, &job, &fault) && job->attempt.patch == NULL) {
        fault_set(&fault, FAULT_BAD_REQUEST,
                  "data: missing; expected an object, a JSON merge patch");
    }
    if (fault.code != FAULT_NONE) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    attempt_post(call, job);
}

/* --- read one --- */

static bool find_one(struct worker *worker, struct call *call, struct entity *entity,
                     struct text *extra, struct fault *fault) {
    struct store_key key = {call->parameters[0], call->parameters[1]};
    const struct actor *actor;
    if (!call_query_known(call, reading_queries, fault) || !reading_actor(call, &actor, fault) ||
        !core_read(&worker->core, &call->exchange->arena, &key, 1, entity, fault)) {
        return false;
    }
    if (!entity->exists) {
        return fault_set(fault, FAULT_ENTITY_NOT_FOUND, "%.*s '%.*s' does not exist",
                         TEXT_ARGS(key.machine), TEXT_ARGS(key.id));
    }
    return reading_allowed(worker, call, actor, entity, extra, fault);
}

static bool read_one(struct worker *worker, struct call *call, struct entity *entity,
                     struct text *extra, struct fault *fault) {
    struct store *store = worker->core.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = find_one(worker, call, entity, extra, fault);
    store_rollback(store);
    return read;
}

static void run_read(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct entity entity;
    struct text extra = TEXT_NONE;
    struct fault fault = FAULT_INIT;
    if (!read_one(worker, call, &entity, &extra, &fault)) {
        call_fail(call->exchange, &fault, extra);
        return;
    }
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    answer_entity(&writer, &entity);
    struct http_answer answer = {
        .status = 200,
        .body = buffer_view(&buffer),
        .headers = {{TEXT("ETag"), answer_etag(&call->exchange->arena, entity.version)}},
        .header_count = 1};
    http_answer(call->exchange, &answer);
}

void api_entity_read(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (!call_machine(call, call->parameters[0], &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_read);
}

/* --- list --- */

/* A page of a machine with `read` may have to be gathered from many: no more than these, and no
 * longer than that; the cursor goes on behind what was looked at. */
#define PAGES_MOST 20
#define GATHER_US  (50 * NOW_MILLISECOND)

struct listing {
    struct store_where where;
    struct store_page page;
    struct text state;
    bool is_restricted; /* the machine has `read` */
    const struct actor *actor;
    struct entity *items; /* what is shown */
    size_t count;
    struct text next; /* TEXT_NONE: there is no more */
};

static bool read_listing(struct worker *worker, struct call *call, struct listing *listing,
                         struct fault *fault) {
    static const char *const names[] = {"actor", "roles",  "permissions", "state",
                                        "limit", "cursor", NULL};
    listing->is_restricted = reading_is_restricted(worker, call);
    if (!call_machine(call, call->parameters[0], fault) ||
        !call_query_known(call, names + (listing->is_restricted ? 0 : 3), fault) ||
        !call_query(call, "state", &listing->state, fault) ||
        !call_query(call, "cursor", &listing->page.cursor, fault)) {
        return false;
    }
    listing->where.states = &listing->state;
    listing->where.state_count = text_given(listing->state) ? 1 : 0;
    return (!listing->is_restricted || reading_actor(call, &listing->actor, fault)) &&
           call_query_integer(call, "limit", 1, 1000, 50, &listing->page.limit, fault);
}

/* Somebody else may have changed or deleted the row since the store last saw it. */
static bool is_listed(const struct listing *listing, const struct entity *entity) {
    return entity->exists &&
           (!text_given(listing->state) || text_equal(entity->state, listing->state));
}

/* Keeps those of a page that are shown. */
static bool keep(struct worker *worker, struct call *call, struct listing *listing,
                 const struct entity *page, size_t count, struct fault *fault) {
    for (size_t i = 0; i < count; i++) {
        bool shows = is_listed(listing, &page[i]);
        if (shows && listing->is_restricted &&
            !reading_shows(worker, &call->exchange->arena, listing->actor, &page[i], &shows,
                           fault)) {
            return false;
        }
        if (shows) {
            listing->items[listing->count++] = page[i];
        }
    }
    return true;
}

static bool list_page(struct worker *worker, struct call *call, struct listing *listing,
                      struct store_page *page, struct fault *fault) {
    struct arena *arena = &call->exchange->arena;
    struct entity *items;
    size_t count;
    return store_list(worker->core.store, arena, call->parameters[0], &listing->where, page, &items,
                      &count, &listing->next, fault) &&
           core_refresh(&worker->core, arena, items, count, fault) &&
           keep(worker, call, listing, items, count, fault);
}

static bool gather(struct worker *worker, struct call *call, struct listing *listing,
                   struct fault *fault) {
    int64_t until_us = now_monotonic_us(&worker->core.now) + GATHER_US;
    struct store_page page = listing->page;
    size_t most = (size_t)page.limit, pages = 0;
    listing->items = ARENA_ARRAY(&call->exchange->arena, struct entity, most);
    do {
        page.limit = (int64_t)(most - listing->count);
        if (!list_page(worker, call, listing, &page, fault)) {
            return false;
        }
        page.cursor = listing->next;
    } while (listing->is_restricted && listing->count < most && text_given(listing->next) &&
             ++pages < PAGES_MOST && now_monotonic_us(&worker->core.now) < until_us);
    return true;
}

static bool list(struct worker *worker, struct call *call, struct listing *listing,
                 struct fault *fault) {
    struct store *store = worker->core.store;
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool listed = gather(worker, call, listing, fault);
    store_rollback(store);
    return listed;
}

static void run_list(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct listing listing = {0};
    struct fault fault = FAULT_INIT;
    if (!read_listing(worker, call, &listing, &fault) || !list(worker, call, &listing, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("items"));
    js_open(&writer, '[');
    for (size_t i = 0; i < listing.count; i++) {
        answer_entity(&writer, &listing.items[i]);
    }
    js_close(&writer, ']');
    js_key(&writer, TEXT("next_cursor"));
    js_put_text(&writer, listing.next);
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

void api_entity_list(struct call *call) {
    call_decide(call, run_list);
}
