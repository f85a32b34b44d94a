/* system.c: for those who run statute: is it alive, is it ready, what does it measure, what can
 * it do. None of these calls needs a caller. */
#include "api/generation.h"

#include "timezone/tz_cache.h"

#define READY_MOST_US (2 * NOW_SECOND) /* an older question means that deciders cannot keep up */

extern const struct text openapi_json;

void api_livez(struct call *call) {
    call_ok(call->exchange, 200, TEXT("{\"status\":\"ok\"}"));
}

/* --- readyz --- */

struct readiness {
    const char *store, *lock, *policies; /* "ok", "slow" or "down" */
    struct text detail;                  /* what is not as it should be, ready or not */
    struct fault fault;                  /* FAULT_NONE: ready */
};

static void put_parts(struct js_writer *writer, const struct readiness *readiness) {
    js_key(writer, TEXT("store"));
    js_put_text(writer, text_of(readiness->store));
    js_key(writer, TEXT("lock"));
    js_put_text(writer, text_of(readiness->lock));
    js_key(writer, TEXT("policies"));
    js_put_text(writer, text_of(readiness->policies));
}

static void answer_ready(struct http_exchange *exchange, const struct readiness *readiness) {
    bool ready = readiness->fault.code == FAULT_NONE;
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &exchange->arena);
    js_writer_init(&writer, &buffer);
    if (!ready) {
        put_parts(&writer, readiness);
        call_fail(exchange, &readiness->fault, buffer_view(&buffer));
        return;
    }
    js_open(&writer, '{');
    js_key(&writer, TEXT("status"));
    js_put_text(&writer, TEXT("ok"));
    put_parts(&writer, readiness);
    if (text_given(readiness->detail)) {
        js_key(&writer, TEXT("detail"));
        js_put_text(&writer, readiness->detail);
    }
    js_close(&writer, '}');
    call_ok(exchange, 200, buffer_view(&buffer));
}

static struct readiness readiness_of(struct call *call) {
    struct readiness readiness = {"ok", "ok", "ok", TEXT_NONE, FAULT_INIT};
    struct generation *generation = published_take(call->service->published);
    if (generation == NULL) {
        readiness.policies = "down";
        fault_set(&readiness.fault, FAULT_OVERLOADED, "no policies are loaded");
    } else {
        generation_unref(generation);
    }
    readiness.detail = bulletin_trouble(call->service->bulletin, &call->exchange->arena);
    if (call->service->stopping) {
        fault_set(&readiness.fault, FAULT_DRAINING,
                  "the server is stopping: it finishes open requests and accepts no new traffic");
    }
    return readiness;
}

/* A server that goes on without its lock is ready without it. */
static void ask_lock(struct worker *worker, struct readiness *readiness) {
    struct fault fault = FAULT_INIT;
    if (!lock_ping(worker->lock, &fault)) {
        readiness->lock = "down";
        if (!worker->core.lock_optional && readiness->fault.code == FAULT_NONE) {
            readiness->fault = fault;
        }
    }
}

/* On a decider: its own connection is asked, and how long this question waited is part of the
 * answer. */
static void run_ready(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct readiness readiness = readiness_of(call);
    struct fault fault = FAULT_INIT;
    if (!store_ping(worker->core.store, &fault)) {
        readiness.store = "down";
        readiness.fault = fault;
    } else if (now_monotonic_us(&worker->core.now) - job->posted_us > READY_MOST_US) {
        readiness.store = "slow";
        fault_set(&readiness.fault, FAULT_STORE_UNAVAILABLE,
                  "the store took more than 2 s to answer");
    }
    ask_lock(worker, &readiness);
    answer_ready(call->exchange, &readiness);
}

void api_readyz(struct call *call) {
    struct readiness readiness = readiness_of(call);
    if (readiness.fault.code != FAULT_NONE) {
        answer_ready(call->exchange, &readiness);
        return;
    }
    call_decide(call, run_ready);
}

/* --- version, metrics, description --- */

void api_version(struct call *call) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &call->exchange->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("name"));
    js_put_text(&writer, TEXT("statute"));
    js_key(&writer, TEXT("version"));
    js_put_text(&writer, TEXT(STATUTE_VERSION));
    js_key(&writer, TEXT("api"));
    js_put_text(&writer, TEXT("v1"));
    js_key(&writer, TEXT("tzdata"));
    js_put_text(&writer, tz_cache_version(tz_cache_system()));
    js_close(&writer, '}');
    call_ok(call->exchange, 200, buffer_view(&buffer));
}

void api_metrics(struct call *call) {
    struct buffer buffer;
    buffer_init(&buffer, &call->exchange->arena);
    service_metrics(call->service, &buffer);
    struct http_answer answer = {
        .status = 200,
        .content_type = TEXT("text/plain; version=0.0.4; charset=utf-8"),
        .body = buffer_view(&buffer),
    };
    http_answer(call->exchange, &answer);
}

void api_openapi(struct call *call) {
    call_ok(call->exchange, 200, openapi_json);
}
