/* bulk.c: requests to attempts, outcomes to progress. */
#include "core/bulk.h"

#include "core/follow.h"
#include "store/bulk.h"
#include "timezone/instant.h"

#define SELECT_PAGE 1000

struct text bulk_status_name(enum bulk_status status) {
    static const struct text names[] = {TEXT("running"), TEXT("paused"), TEXT("cancelled"),
                                        TEXT("completed"), TEXT("failed")};
    return names[status];
}

bool bulk_is_atomic(const struct bulk_request *request) {
    return text_equal(request->mode, TEXT("atomic"));
}

/* --- the request as JSON --- */

void bulk_clean(struct arena *arena, const struct generation *generation,
                struct bulk_request *request) {
    struct attempt *attempt = &request->attempt;
    struct text machine = attempt->machine;
    attempt->comments = generation_clean_text(generation, machine, arena, attempt->comments);
    attempt->metadata = generation_clean(generation, machine, arena, attempt->metadata);
    if (attempt->actor != NULL) {
        struct actor *actor = ARENA_NEW(arena, struct actor);
        *actor = *attempt->actor;
        actor->attributes = generation_clean(generation, machine, arena, actor->attributes);
        attempt->actor = actor;
    }
}

static void put_text(struct js_writer *writer, struct text key, struct text value) {
    if (text_given(value)) {
        js_key(writer, key);
        js_put_text(writer, value);
    }
}

static void put_value(struct js_writer *writer, struct text key, const struct js *value) {
    if (value != NULL) {
        js_key(writer, key);
        js_put(writer, value);
    }
}

static void put_actor(struct js_writer *writer, const struct actor *actor) {
    if (actor == NULL) {
        return;
    }
    js_key(writer, TEXT("actor"));
    js_open(writer, '{');
    put_text(writer, TEXT("id"), actor->id);
    put_value(writer, TEXT("roles"), actor->roles);
    put_value(writer, TEXT("permissions"), actor->permissions);
    put_value(writer, TEXT("attributes"), actor->attributes);
    js_close(writer, '}');
}

static void put_where(struct js_writer *writer, const struct store_where *where) {
    char instant[INSTANT_TEXT];
    js_key(writer, TEXT("where"));
    js_open(writer, '{');
    put_text(writer, TEXT("state"), where->state_count > 0 ? where->states[0] : TEXT_NONE);
    put_value(writer, TEXT("data"), where->data);
    if (where->updated_before_us != 0) {
        js_key(writer, TEXT("updated_before"));
        js_put_text(writer, instant_print(where->updated_before_us, instant));
    }
    js_close(writer, '}');
}

struct text bulk_request_json(struct arena *arena, const struct bulk_request *request) {
    const struct attempt *attempt = &request->attempt;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put_text(&writer, TEXT("machine"), attempt->machine);
    put_text(&writer, TEXT("to"), attempt->to);
    put_text(&writer, TEXT("transition"), attempt->verb);
    put_text(&writer, TEXT("mode"), request->mode);
    js_key(&writer, TEXT("workers"));
    js_put_integer(&writer, request->workers);
    put_actor(&writer, attempt->actor);
    put_text(&writer, TEXT("reason"), attempt->reason);
    put_text(&writer, TEXT("comments"), attempt->comments);
    put_value(&writer, TEXT("metadata"), attempt->metadata);
    put_value(&writer, TEXT("data"), attempt->patch);
    put_text(&writer, TEXT("request_id"), attempt->request_id);
    if (request->selected) {
        put_where(&writer, &request->where);
    }
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

static const struct actor *read_actor(struct arena *arena, const struct js *value) {
    if (value == NULL) {
        return NULL;
    }
    struct actor *actor = ARENA_NEW(arena, struct actor);
    actor->id = js_text(js_find(value, TEXT("id")));
    actor->roles = js_find(value, TEXT("roles"));
    actor->permissions = js_find(value, TEXT("permissions"));
    actor->attributes = js_find(value, TEXT("attributes"));
    return actor;
}

static bool read_where(struct arena *arena, const struct js *value, struct store_where *out,
                       struct fault *fault) {
    struct text *state = ARENA_NEW(arena, struct text);
    const struct js *before = js_find(value, TEXT("updated_before"));
    int64_t before_us = 0;
    int offset;
    *state = js_text(js_find(value, TEXT("state")));
    if (before != NULL && !instant_parse(js_text(before), &before_us, &offset, fault)) {
        return false;
    }
    *out = (struct store_where){.states = state,
                                .state_count = text_given(*state) ? 1 : 0,
                                .data = js_find(value, TEXT("data")),
                                .updated_before_us = before_us};
    return true;
}

bool bulk_request_read(struct arena *arena, struct text json, struct bulk_request *out,
                       struct fault *fault) {
    const struct js *value;
    if (!js_parse(arena, json, &value, fault)) {
        return false;
    }
    const struct js *workers = js_find(value, TEXT("workers"));
    *out = (struct bulk_request){.mode = js_text(js_find(value, TEXT("mode"))),
                                 .workers = js_is(workers, JS_INTEGER) ? workers->integer : 1,
                                 .attempt = {
                                     .kind = ATTEMPT_TRANSITION,
                                     .machine = js_text(js_find(value, TEXT("machine"))),
                                     .to = js_text(js_find(value, TEXT("to"))),
                                     .verb = js_text(js_find(value, TEXT("transition"))),
                                     .actor = read_actor(arena, js_find(value, TEXT("actor"))),
                                     .reason = js_text(js_find(value, TEXT("reason"))),
                                     .comments = js_text(js_find(value, TEXT("comments"))),
                                     .metadata = js_find(value, TEXT("metadata")),
                                     .patch = js_find(value, TEXT("data")),
                                     .cleaned = true,
                                     .request_id = js_text(js_find(value, TEXT("request_id"))),
                                     .lock = true,
                                     .blocking_timeout_ms = -1,
                                     .max_retries = -1,
                                 }};
    const struct js *where = js_find(value, TEXT("where"));
    out->selected = where != NULL;
    return where == NULL || read_where(arena, where, &out->where, fault);
}

struct attempt *bulk_attempts(struct arena *arena, const struct bulk_request *request,
                              const struct text *ids, size_t count) {
    struct attempt *attempts = ARENA_ARRAY(arena, struct attempt, count);
    for (size_t i = 0; i < count; i++) {
        attempts[i] = request->attempt;
        attempts[i].id = ids[i];
    }
    return attempts;
}

/* --- selection --- */

struct selection {
    struct text *ids;
    size_t count, capacity;
};

static void append(struct arena *arena, struct selection *selection, const struct text *ids,
                   size_t count) {
    if (selection->count + count > selection->capacity) {
        size_t capacity = (selection->count + count) * 2;
        struct text *grown = ARENA_ARRAY(arena, struct text, capacity);
        if (selection->count > 0) {
            memcpy(grown, selection->ids, selection->count * sizeof *grown);
        }
        selection->ids = grown;
        selection->capacity = capacity;
    }
    if (count > 0) {
        memcpy(selection->ids + selection->count, ids, count * sizeof *ids);
    }
    selection->count += count;
}

bool bulk_select(struct core *core, struct arena *arena, struct text machine,
                 const struct store_where *where, int64_t most, struct text **ids, size_t *count,
                 struct fault *fault) {
    struct selection selection = {0};
    struct store_where today = *where;
    follow_where(core, arena, machine, &today);
    struct text after = TEXT_NONE;
    size_t found;
    do {
        struct text *page;
        if (!store_list_ids(core->store, arena, machine, &today, after, SELECT_PAGE, &page, &found,
                            fault)) {
            return false;
        }
        append(arena, &selection, page, found);
        after = found > 0 ? page[found - 1] : after;
    } while (found == SELECT_PAGE && (int64_t)selection.count <= most);
    if ((int64_t)selection.count > most) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "where: more than %lld entities match; choose fewer", (long long)most);
    }
    *ids = selection.ids;
    *count = selection.count;
    return true;
}

/* --- progress --- */

static size_t count_outcomes(const struct member *member, struct store_bulk *bulk,
                             struct store_bulk_error *errors) {
    size_t failed = 0, skipped = 0;
    for (size_t i = 0; i < member->attempted; i++) {
        const struct outcome *outcome = &member->outcomes[i];
        skipped += outcome->skipped;
        if (outcome->code != FAULT_NONE) {
            errors[failed++] = (struct store_bulk_error){
                member->attempts[i].id, text_of(fault_name(outcome->code)), outcome->message};
        }
    }
    bulk->position += (int64_t)member->attempted;
    bulk->failed += (int64_t)failed;
    bulk->skipped += (int64_t)skipped;
    bulk->succeeded += (int64_t)(member->attempted - failed - skipped);
    return failed;
}

static bool save(struct member *member, struct core *core, struct store_bulk *bulk, bool atomic,
                 struct fault *fault) {
    struct store_bulk_error *errors =
        ARENA_ARRAY(&core->arena, struct store_bulk_error, member->attempted + 1);
    size_t failed = count_outcomes(member, bulk, errors);
    int64_t now_us = now_wall_us(&core->now);
    bulk->execution_us += now_us - bulk->updated_us;
    bulk->updated_us = now_us;
    if (bulk->position >= bulk->total) {
        bulk->status = atomic && failed > 0 ? BULK_FAILED : BULK_COMPLETED;
    }
    return store_save_bulk(core->store, bulk, errors, failed, fault);
}

bool bulk_is_wanted(struct core *core, struct text id, bool *wanted, struct fault *fault) {
    struct store_bulk *bulk;
    if (!store_find_bulk(core->store, &core->arena, id, &bulk, fault)) {
        return false;
    }
    *wanted = bulk != NULL && bulk->status == BULK_RUNNING;
    return true;
}

bool bulk_save_progress(struct member *member, struct core *core, struct text id, bool atomic,
                        struct fault *fault) {
    struct store_bulk *bulk;
    if (!store_find_bulk(core->store, &core->arena, id, &bulk, fault)) {
        return false;
    }
    return bulk == NULL || save(member, core, bulk, atomic, fault);
}
