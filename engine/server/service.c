/* service.c: puts the parts together in the order in which they need each other, and takes them
 * apart in the reverse order. Nothing is listening before everything else works. */
#include "server/service.h"

#include <stdlib.h>
#include <time.h>

#include "privacy/keyring.h"
#include "server/rename_page.h"
#include "server/tables.h"

struct service_options service_options_default(void) {
    return (struct service_options){
        .listen = TEXT("127.0.0.1:8080"),
        .policies = TEXT("policies"),
        .watch = 1,
        .settle_us = NOW_SECOND,
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

static unsigned writers_of(const struct service_options *options) {
    unsigned most = store_writers_most(options->store);
    return options->workers < most ? options->workers : most;
}

static struct generation_options generation_options_of(const struct service *service) {
    return (struct generation_options){
        .directory = service->options.policies,
        .limits = service->options.policy,
        .vm_count = writers_of(&service->options) + service->options.deciders,
        .now = service->now,
        .hash_key = service->options.pii_key,
        .hash_keys = service->options.pii_keys,
        .refuse_empty = !service->options.allow_empty,
    };
}

static bool open_reload(struct service *service, struct fault *fault) {
    struct reload_options options = {
        .generation = generation_options_of(service),
        .store = service->options.store,
        .watch = service->options.watch != 0,
        .settle_us = service->options.settle_us,
        .rename = rename_page,
        .published = service->published,
        .metrics = service->metrics,
        .bulletin = service->bulletin,
    };
    return reload_open(&options, &service->reload, fault);
}

static bool open_policies(struct service *service, struct problem_list *problems,
                          struct fault *fault) {
    if (!keyring_fits(service->options.pii_key, service->options.pii_keys, fault)) {
        return false;
    }
    struct generation_options options = generation_options_of(service);
    struct generation *generation;
    if (!generation_load(&options, &generation, problems, fault)) {
        return false;
    }
    published_set(service->published, generation);
    return true;
}

static bool open_workers(struct service *service, struct fault *fault) {
    const struct service_options *options = &service->options;
    struct worker_options worker = {
        .store = options->store,
        .lock = options->lock,
        .lock_optional = options->lock_failure == LOCK_FAILURE_ROW_LOCK,
        .batch_most = options->batch_most,
        .queue_most = options->queue_most,
        .now = service->now,
        .ids = service->ids,
        .locks = service->locks,
        .published = service->published,
        .metrics = service->metrics,
        .armed = scheduler_arm,
        .armed_context = service->scheduler,
    };
    return workers_init(&service->workers, &worker, writers_of(options), options->deciders, fault);
}

/* Against the store. */
static bool check_policies(struct service *service, struct problem_list *problems,
                           struct fault *fault) {
    struct generation *generation = published_take(service->published);
    struct store *store = service->workers.writers[0].core.store;
    bool fine = tables_check(generation, store, problems, fault) &&
                (service->options.allow_missing ||
                 stranded_refuse(generation, NULL, store, "start once with --allow-missing",
                                 problems, fault));
    generation_unref(generation);
    return fine;
}

/* The store keeps the files of every generation that ever decided. */
static bool keep_policies(struct service *service, struct fault *fault) {
    struct generation *generation = published_take(service->published);
    struct store *store = service->workers.writers[0].core.store;
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
        .handler = service->calls->handler,
        .admission = service->calls->admission,
        .finisher = service->calls->finisher,
        .observer = service->calls->observer,
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
        .token_type = options->jwt_type,
        .token_roles = options->jwt_roles,
        .token_permissions = options->jwt_permissions,
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
           open_gate(service, fault) && open_reload(service, fault) &&
           open_policies(service, problems, fault) && open_workers(service, fault) &&
           check_policies(service, problems, fault) && open_auth(service, fault) &&
           keep_policies(service, fault) && open_http(service, fault);
}

static struct bulk_runner *bulk_runner_of(struct service *service) {
    struct bulk_runner_options options = {
        .store = service->options.store,
        .published = service->published,
        .answer = service->calls->bulk_answer,
        .context = service,
    };
    return bulk_runner_new(&options);
}

bool service_open(const struct service_options *options, const struct service_calls *calls,
                  struct service **out, struct problem_list *problems, struct fault *fault) {
    struct service *service = calloc(1, sizeof *service);
    if (service == NULL) {
        abort();
    }
    service->options = *options;
    service->calls = calls;
    service->now = now_system();
    service->ids = id_system();
    service->published = published_new();
    service->locks = lock_registry_new(service->now, service->options.store);
    service->metrics = metrics_new(calls->label);
    service->bulletin = bulletin_new();
    service->scheduler = scheduler_new(service->now, store_writers_most(options->store) > 1);
    service->bulk = bulk_runner_of(service);
    service->started_us = now_wall_us(&service->now);
    if (!open_parts(service, problems, fault)) {
        service_close(service);
        return false;
    }
    *out = service;
    return true;
}

/* --- running --- */

bool service_start(struct service *service, struct fault *fault) {
    struct workers *workers = &service->workers;
    return workers_start(workers, fault) && auth_start(service->auth, fault) &&
           reload_start(service->reload, &workers->writers[0], fault) &&
           scheduler_start(service->scheduler, workers, fault) &&
           bulk_runner_start(service->bulk, workers, fault) &&
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
    workers_stop(&service->workers);
}

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
    workers_deinit(&service->workers);
    metrics_free(service->metrics);
    bulletin_free(service->bulletin);
    lock_registry_free(service->locks);
    published_free(service->published);
    free(service);
}

/* --- metrics --- */

void service_metrics(struct service *service, struct buffer *out) {
    struct generation *generation = published_take(service->published);
    struct metrics_sources sources = {
        .workers = &service->workers,
        .generation = generation,
        .http = service->http,
        .tls = service->tls,
        .limiter = service->limiter,
        .locks = service->locks,
        .bulletin = service->bulletin,
        .started_us = service->started_us,
    };
    metrics_write(service->metrics, &sources, out);
    if (generation != NULL) {
        generation_unref(generation);
    }
}
