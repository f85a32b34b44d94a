/* batch_answer.c: a bulk as the calls of /v1/batches show it. */
#include "api/batch_answer.h"

#include "api/reach.h"
#include "store/bulk.h"

#include "core/bulk.h"
#include "timezone/instant.h"

static void put_error(struct js_writer *writer, const struct store_bulk_error *error) {
    js_open(writer, '{');
    js_key(writer, TEXT("id"));
    js_put_text(writer, error->entity_id);
    js_key(writer, TEXT("code"));
    js_put_text(writer, error->code);
    js_key(writer, TEXT("message"));
    js_put_text(writer, error->message);
    js_close(writer, '}');
}

/* Of those that were to be moved: who is skipped no longer was. */
static double success_rate(const struct store_bulk *bulk) {
    int64_t wanted = bulk->total - bulk->skipped;
    return wanted > 0 ? (double)bulk->succeeded / (double)wanted : 1;
}

static void put_counts(struct js_writer *writer, const struct store_bulk *bulk) {
    js_key(writer, TEXT("id"));
    js_put_text(writer, bulk->id);
    js_key(writer, TEXT("status"));
    js_put_text(writer, bulk_status_name(bulk->status));
    js_key(writer, TEXT("total"));
    js_put_integer(writer, bulk->total);
    js_key(writer, TEXT("succeeded"));
    js_put_integer(writer, bulk->succeeded);
    js_key(writer, TEXT("failed"));
    js_put_integer(writer, bulk->failed);
    js_key(writer, TEXT("skipped"));
    js_put_integer(writer, bulk->skipped);
    js_key(writer, TEXT("success_rate"));
    js_put_real(writer, success_rate(bulk));
    js_key(writer, TEXT("execution_ms"));
    js_put_integer(writer, bulk->execution_us / NOW_MILLISECOND);
}

static void put_dates(struct js_writer *writer, const struct store_bulk *bulk) {
    char instant[INSTANT_TEXT];
    js_key(writer, TEXT("created_at"));
    js_put_text(writer, instant_print(bulk->created_us, instant));
    js_key(writer, TEXT("updated_at"));
    js_put_text(writer, instant_print(bulk->updated_us, instant));
}

static void put_wish(struct js_writer *writer, struct text request) {
    static const char *const keys[] = {"machine", "to", "transition"};
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    (void)!js_parse(writer->buffer->arena, request, &value, &fault);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        js_key(writer, text_of(keys[i]));
        js_put(writer, js_find(value, text_of(keys[i])));
    }
}

void batch_put_summary(struct js_writer *writer, const struct store_bulk *bulk) {
    js_open(writer, '{');
    put_counts(writer, bulk);
    put_wish(writer, bulk->request);
    put_dates(writer, bulk);
    js_close(writer, '}');
}

static void put_bulk(struct js_writer *writer, const struct store_bulk *bulk,
                     const struct store_bulk_error *errors, size_t count, struct text request) {
    js_open(writer, '{');
    put_counts(writer, bulk);
    js_key(writer, TEXT("errors"));
    js_open(writer, '[');
    for (size_t i = 0; i < count; i++) {
        put_error(writer, &errors[i]);
    }
    js_close(writer, ']');
    put_dates(writer, bulk);
    js_key(writer, TEXT("request"));
    js_put_raw(writer, request);
    js_close(writer, '}');
}

static const struct js *clean_member(struct arena *arena, const struct generation *generation,
                                     const struct js *request, const struct js *object) {
    const struct js *data = js_find(object, TEXT("data"));
    return data == NULL
               ? object
               : js_with(arena, object, TEXT("data"),
                         generation_clean(generation, js_text(js_find(request, TEXT("machine"))),
                                          arena, data));
}

/* The request as it is kept has the entities' data as they were sent: the new, and what they were
 * selected by. */
static struct text request_shown(struct http_exchange *exchange, struct text json) {
    const struct call *call = exchange->context;
    struct arena *arena = &exchange->arena;
    const struct js *request;
    struct fault fault = FAULT_INIT;
    if (!js_parse(arena, json, &request, &fault)) {
        return json;
    }
    const struct js *where = js_find(request, TEXT("where"));
    struct generation *generation = published_take(call->service->published);
    if (where != NULL) {
        where = clean_member(arena, generation, request, where);
        request = js_with(arena, request, TEXT("where"), where);
    }
    request = clean_member(arena, generation, request, request);
    generation_unref(generation);
    return js_print(arena, request);
}

static bool read_bulk(struct store *store, struct arena *arena, struct text id,
                      struct store_bulk **bulk, struct store_bulk_error **errors, size_t *count,
                      struct fault *fault) {
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = store_find_bulk(store, arena, id, bulk, fault) &&
                (*bulk == NULL ||
                 store_bulk_errors(store, arena, id, BULK_ERRORS_SHOWN, errors, count, fault));
    store_rollback(store);
    return read && (*bulk != NULL ||
                    fault_set(fault, FAULT_NOT_FOUND, "there is no batch '%.*s'", TEXT_ARGS(id)));
}

static struct text shown(struct http_exchange *exchange, const struct store_bulk *bulk,
                         const struct store_bulk_error *errors, size_t count) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    put_bulk(&writer, bulk, errors, count, request_shown(exchange, bulk->request));
    return buffer_view(&buffer);
}

struct text batch_json(struct http_exchange *exchange, const struct store_bulk *bulk) {
    return shown(exchange, bulk, NULL, 0);
}

static bool has_stopped(const struct store_bulk *bulk, struct fault *fault) {
    return bulk->status != BULK_RUNNING ||
           fault_set(fault, FAULT_REQUEST_IN_FLIGHT,
                     "the batch of this Idempotency-Key, %.*s, is still running; repeat the "
                     "request to get its answer",
                     TEXT_ARGS(bulk->id));
}

static bool reaches(const struct http_exchange *exchange, const struct store_bulk *bulk,
                    struct fault *fault) {
    return reach_bulk(exchange->context, bulk) ||
           fault_set(fault, FAULT_NOT_FOUND, "there is no batch '%.*s'", TEXT_ARGS(bulk->id));
}

static void answer(struct store *store, struct http_exchange *exchange, struct text id,
                   bool again) {
    struct store_bulk *bulk;
    struct store_bulk_error *errors = NULL;
    size_t count = 0;
    struct fault fault = FAULT_INIT;
    if (!read_bulk(store, &exchange->arena, id, &bulk, &errors, &count, &fault) ||
        !reaches(exchange, bulk, &fault) || (again && !has_stopped(bulk, &fault))) {
        call_fail(exchange, &fault, TEXT_NONE);
        return;
    }
    struct http_answer answer = {.status = 200, .body = shown(exchange, bulk, errors, count)};
    if (again) {
        answer.headers[answer.header_count++] =
            (struct http_header){TEXT("Idempotency-Replayed"), TEXT("true")};
    }
    http_answer(exchange, &answer);
}

void batch_answer(struct store *store, struct http_exchange *exchange, struct text id) {
    answer(store, exchange, id, false);
}

void batch_answer_done(void *context, struct store *store, struct http_exchange *exchange,
                       struct text id) {
    (void)context;
    batch_answer(store, exchange, id);
}

void batch_answer_again(struct store *store, struct http_exchange *exchange, struct text id) {
    answer(store, exchange, id, true);
}
