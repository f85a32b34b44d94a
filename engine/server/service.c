/* service.c: puts the parts together in the order in which they need each other, and takes them
 * apart in the reverse order. Nothing is listening before everything else works. */
#include "server/service.h"

#include <stdlib.h>
#include <time.h>

#include "api/gate.h"
#include "api/route.h"
#include "base/map.h"
#include "server/bulk_runner.h"
#include "server/scheduler.h"
#include "server/tables.h"

struct service_options service_options_default(void) {
    return (struct service_options){
        .listen = TEXT("127.0.0.1:8080"),
        .policies = TEXT("policies"),
        .store = TEXT("sqlite:statute.db"),
        .lock = TEXT("local"),
        .lock_failure = LOCK_FAILURE_REFUSE,
        .auth = TEXT("keys"),
        .jwt_leeway_us = 60 * NOW_SECOND,
        .workers = 1,
        .deciders = 1,
        .http_threads = 1,
        .batch_most = 256,
        .queue_most = 10000,
        .drain_us = 10 * NOW_SECOND,
        .http = http_limits_default(),
        .policy = vm_limits_default(),
    };
}

/* --- opening --- */

static bool open_policies(struct service *service, struct problem_list *problems,
                          struct fault *fault) {
    if (service->options.pii_key.length > 0 && service->options.pii_keys.length > 0) {
        return fault_set(fault, FAULT_USAGE,
                         "--pii-key and --pii-keys exclude each other: put the secret into the "
                         "file too");
    }
    struct generation_options options = {
        .directory = service->options.policies,
        .limits = service->options.policy,
        .vm_count = service->writer_count + service->decider_count,
        .now = service->now,
        .hash_key = service->options.pii_key,
        .hash_keys = service->options.pii_keys,
    };
    struct generation *generation;
    if (!generation_load(&options, &generation, problems, fault)) {
        return false;
    }
    published_set(service->published, generation);
    return true;
}

static bool open_workers(struct service *service, struct fault *fault) {
    service->writers = calloc(service->writer_count, sizeof *service->writers);
    service->deciders = calloc(service->decider_count, sizeof *service->deciders);
    if (service->writers == NULL || service->deciders == NULL) {
        abort();
    }
    for (unsigned i = 0; i < service->writer_count; i++) {
        if (!worker_init(&service->writers[i], service, i, true, fault)) {
            return false;
        }
    }
    for (unsigned i = 0; i < service->decider_count; i++) {
        if (!worker_init(&service->deciders[i], service, service->writer_count + i, false, fault)) {
            return false;
        }
    }
    return true;
}

static bool check_tables(struct service *service, struct problem_list *problems,
                         struct fault *fault) {
    struct generation *generation = published_take(service->published);
    bool fine = tables_check(generation, service->writers[0].core.store, problems, fault);
    generation_unref(generation);
    return fine;
}

/* The store keeps the files of every generation that ever decided. */
static bool keep_policies(struct service *service, struct fault *fault) {
    struct generation *generation = published_take(service->published);
    struct store *store = service->writers[0].core.store;
    bool kept =
        store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, fault) &&
        store_keep_policy(store, generation_name(generation), generation_files_json(generation),
                          now_wall_us(&service->now), fault) &&
        store_commit(store, fault);
    store_rollback(store);
    generation_unref(generation);
    return kept;
}

static bool open_tls(struct service *service, struct fault *fault) {
    struct text certificate = service->options.tls_cert, key = service->options.tls_key;
    if ((certificate.length == 0) != (key.length == 0)) {
        return fault_set(fault, FAULT_USAGE,
                         "--tls-cert and --tls-key go together: give both, or neither for plain "
                         "HTTP");
    }
    return certificate.length == 0 ||
           tls_open(certificate, key, service->now, &service->tls, fault);
}

static bool open_gate(struct service *service, struct fault *fault) {
    const struct service_options *options = &service->options;
    if (options->rate_burst > 0 && options->rate_limit == 0) {
        return fault_set(fault, FAULT_USAGE, "--rate-burst means nothing without --rate-limit");
    }
    if (options->rate_limit > 0) {
        service->limiter = limiter_new(options->rate_limit, options->rate_burst, service->now);
    }
    return cors_new(options->cors_origin, &service->cors, fault);
}

static bool open_http(struct service *service, struct fault *fault) {
    struct http_options options = {
        .address = service->options.listen,
        .threads = service->options.http_threads,
        .limits = service->options.http,
        .tls = service->tls,
        .now = service->now,
        .handler = route_call,
        .admission = route_admit,
        .finisher = gate_finish,
        .observer = route_observe,
        .context = service,
    };
    return http_open(&options, &service->http, fault);
}

static bool open_auth(struct service *service, struct fault *fault) {
    const struct service_options *options = &service->options;
    struct auth_options auth = {
        .mode = options->auth,
        .listen = options->listen,
        .store_url = options->store,
        .issuer = options->jwt_issuer,
        .audience = options->jwt_audience,
        .leeway_us = options->jwt_leeway_us,
    };
    return auth_open(&auth, service->now, &service->auth, fault);
}

/* A URL that others can be put behind: the slash at its end is taken off. */
static bool check_public_url(struct service *service, struct fault *fault) {
    struct text *url = &service->options.public_url;
    while (url->length > 0 && url->bytes[url->length - 1] == '/') {
        url->length--;
    }
    bool has_scheme = text_starts(*url, TEXT("https://")) || text_starts(*url, TEXT("http://"));
    return url->length == 0 ||
           (has_scheme && memchr(url->bytes, '?', url->length) == NULL &&
            memchr(url->bytes, '#', url->length) == NULL) ||
           fault_set(fault, FAULT_USAGE,
                     "--public-url '%.*s': expected https://HOST, without a query or fragment",
                     TEXT_ARGS(*url));
}

static bool open_parts(struct service *service, struct problem_list *problems,
                       struct fault *fault) {
    return check_public_url(service, fault) && open_tls(service, fault) &&
           open_gate(service, fault) && reload_open(service, &service->reload, fault) &&
           open_policies(service, problems, fault) && open_workers(service, fault) &&
           check_tables(service, problems, fault) && open_auth(service, fault) &&
           keep_policies(service, fault) && open_http(service, fault);
}

static unsigned writers_of(const struct service_options *options) {
    unsigned most = store_writers_most(options->store);
    return options->workers < most ? options->workers : most;
}

bool service_open(const struct service_options *options, struct service **out,
                  struct problem_list *problems, struct fault *fault) {
    struct service *service = calloc(1, sizeof *service);
    if (service == NULL) {
        abort();
    }
    service->options = *options;
    service->now = now_system();
    service->ids = id_system();
    service->writer_count = writers_of(options);
    service->decider_count = options->deciders;
    service->published = published_new();
    service->locks = lock_registry_new(service->now, service->options.store);
    service->metrics = metrics_new();
    service->scheduler = scheduler_new(service);
    service->bulk = bulk_runner_new(service);
    service->started_us = now_wall_us(&service->now);
    if (!open_parts(service, problems, fault)) {
        service_close(service);
        return false;
    }
    *out = service;
    return true;
}

/* --- running --- */

static bool start_workers(struct worker *workers, unsigned count, struct fault *fault) {
    for (unsigned i = 0; i < count; i++) {
        if (!worker_start(&workers[i], fault)) {
            return false;
        }
    }
    return true;
}

bool service_start(struct service *service, struct fault *fault) {
    return start_workers(service->writers, service->writer_count, fault) &&
           start_workers(service->deciders, service->decider_count, fault) &&
           auth_start(service->auth, fault) && reload_start(service->reload, fault) &&
           scheduler_start(service->scheduler, fault) && bulk_runner_start(service->bulk, fault) &&
           (service->tls == NULL || tls_start(service->tls, fault)) &&
           http_start(service->http, fault);
}

void service_drain(struct service *service) {
    int64_t delay_us = service->options.drain_delay_us;
    struct timespec delay = {.tv_sec = delay_us / NOW_SECOND,
                             .tv_nsec = delay_us % NOW_SECOND * 1000};
    service->stopping = true;
    nanosleep(&delay, NULL);
}

/* Whoever posts stops before who is posted to. */
void service_stop(struct service *service) {
    service->stopping = true;
    http_stop(service->http, service->options.drain_us);
    bulk_runner_stop(service->bulk);
    scheduler_stop(service->scheduler);
    reload_stop(service->reload);
    auth_stop(service->auth);
    for (unsigned i = 0; i < service->writer_count; i++) {
        worker_stop(&service->writers[i]);
    }
    for (unsigned i = 0; i < service->decider_count; i++) {
        worker_stop(&service->deciders[i]);
    }
}

static void close_workers(struct worker *workers, unsigned count) {
    for (unsigned i = 0; workers != NULL && i < count; i++) {
        worker_deinit(&workers[i]);
    }
    free(workers);
}

/* Readers close before the writer: the last connection to close is the one that may checkpoint. */
void service_close(struct service *service) {
    if (service->http != NULL) {
        http_close(service->http);
    }
    tls_close(service->tls);
    cors_free(service->cors);
    limiter_free(service->limiter);
    if (service->reload != NULL) {
        reload_close(service->reload);
    }
    if (service->auth != NULL) {
        auth_close(service->auth);
    }
    bulk_runner_free(service->bulk);
    scheduler_free(service->scheduler);
    close_workers(service->deciders, service->decider_count);
    close_workers(service->writers, service->writer_count);
    metrics_free(service->metrics);
    lock_registry_free(service->locks);
    published_free(service->published);
    free(service);
}

/* --- posting --- */

struct worker *service_home(struct service *service, struct text machine, struct text id) {
    if (service->writer_count == 1) {
        return &service->writers[0];
    }
    return &service->writers[(map_hash(machine) * 31U + map_hash(id)) % service->writer_count];
}

void service_post(struct service *service, struct worker *worker, struct job *job) {
    job->posted_us = now_monotonic_us(&service->now);
    if (mailbox_post(worker->mailbox, &job->letter)) {
        return;
    }
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_OVERLOADED,
              "too many requests are waiting; nothing was done; try again");
    call_fail(job->exchange, &fault, TEXT("\"outcome\":\"not_executed\""));
}

/* Round robin by address bits would be uneven: the shortest mailbox is simple and fair. */
void service_post_decider(struct service *service, struct job *job) {
    struct worker *best = &service->deciders[0];
    for (unsigned i = 1; i < service->decider_count; i++) {
        if (mailbox_count(service->deciders[i].mailbox) < mailbox_count(best->mailbox)) {
            best = &service->deciders[i];
        }
    }
    service_post(service, best, job);
}
