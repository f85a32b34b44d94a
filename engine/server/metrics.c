/* metrics.c: counters are relaxed atomics in fixed arrays, so that counting is a few additions on
 * any thread and no label can make the process grow. A page is a walk over `families`, the one
 * table of metric names; scripts/check-docs reads the names there. A page is not one moment:
 * counters move while it is written, but each line of it was true.
 *
 * A histogram keeps its buckets apart and adds them up when written (Prometheus wants them
 * cumulative); its count is the sum of its buckets, so the two always agree. */
#include "server/metrics.h"

#include "http/http.h"
#include "identity/limiter.h"
#include "server/bulletin.h"
#include "server/workers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUTES_MOST  64
#define BUCKETS_MOST 15

/* Statuses that the server can answer; any other counts as the first, "other". */
static const int statuses[] = {0,   200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409,
                               412, 413, 414, 415, 417, 422, 423, 429, 431, 500, 501, 503, 505};
#define STATUS_COUNT (sizeof statuses / sizeof statuses[0])

/* Upper bounds in microseconds, or in members; the last bucket has none. */
struct bounds {
    size_t count;
    int64_t most[BUCKETS_MOST];
    double scale; /* to the unit of the metric */
};
static const struct bounds duration_bounds = {
    14,
    {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 2500000,
     10000000},
    1e-6,
};
static const struct bounds member_bounds = {9, {1, 2, 4, 8, 16, 32, 64, 128, 256}, 1};

struct histogram {
    _Atomic uint64_t buckets[BUCKETS_MOST + 1];
    _Atomic uint64_t sum;
};

struct metrics {
    metrics_label *label;
    size_t routes;                                            /* that have a label */
    _Atomic uint64_t requests[ROUTES_MOST + 1][STATUS_COUNT]; /* the last row: no route matched */
    struct histogram durations[ROUTES_MOST + 1];
    _Atomic uint64_t attempts[FAULT_CODE_COUNT];
    struct histogram batch_members, batch_duration;
    _Atomic uint64_t reloads[2];                /* failure, success */
    _Atomic uint64_t timers[TIMER_STOPPED + 1]; /* by enum timer_end */
    _Atomic uint64_t matched[2];                /* left as they were, changed */
    _Atomic bool timers_counted;                /* the next five are set */
    _Atomic int64_t timers_pending, timers_overdue, timers_oldest_us, timers_stranded,
        timers_stranded_since_us;
};

struct metrics *metrics_new(metrics_label *label) {
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        perror("statute: no memory for metrics");
        abort();
    }
    metrics->label = label;
    const char *method, *path;
    while (metrics->routes < ROUTES_MOST && label(metrics->routes, &method, &path)) {
        metrics->routes++;
    }
    return metrics;
}

void metrics_free(struct metrics *metrics) {
    free(metrics);
}

/* --- counting --- */

static void count(_Atomic uint64_t *counter, uint64_t more) {
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static uint64_t value_of(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void observe(struct histogram *histogram, const struct bounds *bounds, int64_t value) {
    int64_t positive = value > 0 ? value : 0;
    size_t bucket = 0;
    while (bucket < bounds->count && positive > bounds->most[bucket]) {
        bucket++;
    }
    count(&histogram->buckets[bucket], 1);
    count(&histogram->sum, (uint64_t)positive);
}

static size_t status_index(int status) {
    size_t index = STATUS_COUNT - 1;
    while (index > 0 && statuses[index] != status) {
        index--;
    }
    return index;
}

void metrics_request(struct metrics *metrics, unsigned route_index, int status,
                     int64_t duration_us) {
    size_t row = route_index < metrics->routes ? route_index : ROUTES_MOST;
    count(&metrics->requests[row][status_index(status)], 1);
    observe(&metrics->durations[row], &duration_bounds, duration_us);
}

void metrics_attempt(struct metrics *metrics, enum fault_code code) {
    count(&metrics->attempts[code], 1);
}

void metrics_batch(struct metrics *metrics, size_t members, int64_t duration_us) {
    observe(&metrics->batch_members, &member_bounds, (int64_t)members);
    observe(&metrics->batch_duration, &duration_bounds, duration_us);
}

void metrics_reload(struct metrics *metrics, bool success) {
    count(&metrics->reloads[success], 1);
}

void metrics_timer(struct metrics *metrics, enum timer_end end) {
    count(&metrics->timers[end], 1);
}

void metrics_matched(struct metrics *metrics, int64_t seen, int64_t changed) {
    count(&metrics->matched[0], (uint64_t)(seen - changed));
    count(&metrics->matched[1], (uint64_t)changed);
}

static void set(_Atomic int64_t *gauge, int64_t value) {
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

void metrics_timers(struct metrics *metrics, const struct metrics_timers *timers) {
    set(&metrics->timers_pending, timers->pending);
    set(&metrics->timers_overdue, timers->overdue);
    set(&metrics->timers_oldest_us, timers->oldest_due_us);
    set(&metrics->timers_stranded, timers->stranded);
    set(&metrics->timers_stranded_since_us, timers->stranded_since_us);
    atomic_store(&metrics->timers_counted, true);
}

/* --- writing --- */

struct page {
    const struct metrics *metrics;
    const struct metrics_sources *sources;
    struct http_counts http;
    struct buffer *out;
};

static void put_count(struct page *page, const char *name, uint64_t value) {
    buffer_print(page->out, "%s %llu\n", name, (unsigned long long)value);
}

static bool is_empty(const struct histogram *histogram) {
    for (size_t i = 0; i <= BUCKETS_MOST; i++) {
        if (value_of(&histogram->buckets[i]) > 0) {
            return false;
        }
    }
    return true;
}

/* `labels` is "" or ends in a comma: `route="/livez",`. */
static void put_buckets(struct page *page, const char *name, const char *labels,
                        const struct histogram *histogram, const struct bounds *bounds) {
    uint64_t sum = value_of(&histogram->sum);
    uint64_t total = 0;
    for (size_t i = 0; i < bounds->count; i++) {
        total += value_of(&histogram->buckets[i]);
        buffer_print(page->out, "%s_bucket{%sle=\"%g\"} %llu\n", name, labels,
                     (double)bounds->most[i] * bounds->scale, (unsigned long long)total);
    }
    total += value_of(&histogram->buckets[bounds->count]);
    buffer_print(page->out, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, labels,
                 (unsigned long long)total);
    int without_comma = (int)strlen(labels) - (labels[0] != '\0');
    const char *open = labels[0] != '\0' ? "{" : "", *close = labels[0] != '\0' ? "}" : "";
    buffer_print(page->out, "%s_sum%s%.*s%s %.9g\n", name, open, without_comma, labels, close,
                 (double)sum * bounds->scale);
    buffer_print(page->out, "%s_count%s%.*s%s %llu\n", name, open, without_comma, labels, close,
                 (unsigned long long)total);
}

/* The last row is of what matched no route. */
struct route_labels {
    const char *method, *path;
};
static struct route_labels labels_of(const struct page *page, size_t row) {
    struct route_labels labels = {NULL, NULL};
    return page->metrics->label(row, &labels.method, &labels.path)
               ? labels
               : (struct route_labels){"other", "none"};
}

static void put_request(struct page *page, const char *name, size_t row, size_t status) {
    uint64_t requests = value_of(&page->metrics->requests[row][status]);
    if (requests > 0) {
        char shown[16] = "other";
        if (statuses[status] != 0) {
            snprintf(shown, sizeof shown, "%d", statuses[status]);
        }
        struct route_labels labels = labels_of(page, row);
        buffer_print(page->out, "%s{route=\"%s\",method=\"%s\",status=\"%s\"} %llu\n", name,
                     labels.path, labels.method, shown, (unsigned long long)requests);
    }
}

static void put_requests(struct page *page, const char *name) {
    for (size_t row = 0; row <= ROUTES_MOST; row++) {
        for (size_t status = 0; status < STATUS_COUNT; status++) {
            put_request(page, name, row, status);
        }
    }
}

static void put_durations(struct page *page, const char *name) {
    for (size_t row = 0; row <= ROUTES_MOST; row++) {
        const struct histogram *histogram = &page->metrics->durations[row];
        if (!is_empty(histogram)) {
            struct route_labels labels = labels_of(page, row);
            char shown[160];
            snprintf(shown, sizeof shown, "route=\"%s\",method=\"%s\",", labels.path,
                     labels.method);
            put_buckets(page, name, shown, histogram, &duration_bounds);
        }
    }
}

/* Two codes may share a name; a label set may come only once. */
static uint64_t attempts_named(const struct metrics *metrics, const char *name) {
    uint64_t total = 0;
    for (int code = 0; code < FAULT_CODE_COUNT; code++) {
        bool same = strcmp(fault_name((enum fault_code)code), name) == 0;
        total += same ? value_of(&metrics->attempts[code]) : 0;
    }
    return total;
}

static void put_attempts(struct page *page, const char *name) {
    for (int code = 0; code < FAULT_CODE_COUNT; code++) {
        const char *code_name = fault_name((enum fault_code)code);
        uint64_t total = attempts_named(page->metrics, code_name);
        bool is_first = fault_of_name(text_of(code_name)) == (enum fault_code)code;
        if (is_first && (total > 0 || code == FAULT_NONE)) {
            buffer_print(page->out, "%s{code=\"%s\"} %llu\n", name, code_name,
                         (unsigned long long)total);
        }
    }
}

static void put_batch_members(struct page *page, const char *name) {
    put_buckets(page, name, "", &page->metrics->batch_members, &member_bounds);
}

static void put_batch_duration(struct page *page, const char *name) {
    put_buckets(page, name, "", &page->metrics->batch_duration, &duration_bounds);
}

static void put_timers(struct page *page, const char *name) {
    static const char *const results[] = {[TIMER_FIRED] = "fired",
                                          [TIMER_AGAIN] = "again",
                                          [TIMER_FAILED] = "failed",
                                          [TIMER_STOPPED] = "stopped"};
    for (size_t i = TIMER_FIRED; i < sizeof results / sizeof results[0]; i++) {
        buffer_print(page->out, "%s{result=\"%s\"} %llu\n", name, results[i],
                     (unsigned long long)value_of(&page->metrics->timers[i]));
    }
}

/* Nothing is known before the first count. */
static void put_gauge(struct page *page, const char *name, const _Atomic int64_t *gauge) {
    if (atomic_load(&page->metrics->timers_counted)) {
        put_count(page, name, (uint64_t)atomic_load_explicit(gauge, memory_order_relaxed));
    }
}

/* No line while there is none: alerts on its age would fire for 1970. */
static void put_since(struct page *page, const char *name, const _Atomic int64_t *gauge) {
    int64_t since_us = atomic_load_explicit(gauge, memory_order_relaxed);
    if (since_us > 0) {
        buffer_print(page->out, "%s %.3f\n", name, (double)since_us / (double)NOW_SECOND);
    }
}

static void put_timers_pending(struct page *page, const char *name) {
    put_gauge(page, name, &page->metrics->timers_pending);
}

static void put_timers_overdue(struct page *page, const char *name) {
    put_gauge(page, name, &page->metrics->timers_overdue);
}

static void put_timers_oldest(struct page *page, const char *name) {
    put_since(page, name, &page->metrics->timers_oldest_us);
}

static void put_timers_stranded(struct page *page, const char *name) {
    put_gauge(page, name, &page->metrics->timers_stranded);
}

static void put_timers_stranded_since(struct page *page, const char *name) {
    put_since(page, name, &page->metrics->timers_stranded_since_us);
}

static void put_matched(struct page *page, const char *name) {
    static const char *const results[] = {"unchanged", "changed"};
    for (int i = 0; i < 2; i++) {
        buffer_print(page->out, "%s{result=\"%s\"} %llu\n", name, results[i],
                     (unsigned long long)value_of(&page->metrics->matched[i]));
    }
}

static void put_letters(struct page *page, const char *name, const char *kind,
                        const struct worker *workers, unsigned worker_count) {
    for (unsigned i = 0; i < worker_count; i++) {
        buffer_print(page->out, "%s{thread=\"%s-%u\"} %zu\n", name, kind, i,
                     mailbox_count(workers[i].mailbox));
    }
}

static void put_mailboxes(struct page *page, const char *name) {
    const struct workers *workers = page->sources->workers;
    put_letters(page, name, "writer", workers->writers, workers->writer_count);
    put_letters(page, name, "decider", workers->deciders, workers->decider_count);
}

static void put_connections_open(struct page *page, const char *name) {
    put_count(page, name, page->http.connections_open);
}

static void put_connections_total(struct page *page, const char *name) {
    put_count(page, name, page->http.connections_total);
}

static void put_malformed(struct page *page, const char *name) {
    put_count(page, name, page->http.refused_malformed);
}

static void put_timeouts(struct page *page, const char *name) {
    put_count(page, name, page->http.timed_out);
}

static void put_accept_pauses(struct page *page, const char *name) {
    put_count(page, name, page->http.accept_pauses);
}

static void put_handshakes_failed(struct page *page, const char *name) {
    put_count(page, name, page->http.handshakes_failed);
}

/* No line without a certificate: alerts on its end would fire for 1970. */
static void put_certificate_expiry(struct page *page, const char *name) {
    if (page->sources->tls != NULL) {
        put_count(page, name, (uint64_t)(tls_expires_us(page->sources->tls) / NOW_SECOND));
    }
}

static void put_certificate_reloads(struct page *page, const char *name) {
    static const char *const results[] = {"failure", "success"};
    for (int i = 0; i < 2 && page->sources->tls != NULL; i++) {
        buffer_print(page->out, "%s{result=\"%s\"} %llu\n", name, results[i],
                     (unsigned long long)tls_reloads(page->sources->tls, i == 1));
    }
}

static void put_limited(struct page *page, const char *name, const char *by,
                        const struct limiter *limiter, enum limiter_kind kind) {
    uint64_t refused = limiter != NULL ? limiter_refused(limiter, kind) : 0;
    buffer_print(page->out, "%s{by=\"%s\"} %llu\n", name, by, (unsigned long long)refused);
}

static void put_rate_limited(struct page *page, const char *name) {
    put_limited(page, name, "key", page->sources->limiter, LIMITER_KEY);
    put_limited(page, name, "address", page->sources->limiter, LIMITER_ADDRESS);
    put_limited(page, name, "guess", page->sources->guesses, LIMITER_ADDRESS);
}

static void put_lock_available(struct page *page, const char *name) {
    const struct lock_registry *locks = page->sources->locks;
    put_count(page, name, locks == NULL || !lock_registry_is_down(locks));
}

static void put_generation(struct page *page, const char *name) {
    if (page->sources->generation != NULL) {
        buffer_print(page->out, "%s{generation=\"%.*s\"} 1\n", name,
                     TEXT_ARGS(generation_name(page->sources->generation)));
    }
}

static void put_reloads(struct page *page, const char *name) {
    static const char *const results[] = {"failure", "success"};
    for (int i = 0; i < 2; i++) {
        buffer_print(page->out, "%s{result=\"%s\"} %llu\n", name, results[i],
                     (unsigned long long)value_of(&page->metrics->reloads[i]));
    }
}

static void put_machines(struct page *page, const char *name) {
    put_count(page, name,
              page->sources->generation != NULL
                  ? generation_machine_count(page->sources->generation)
                  : 0);
}

static void put_problems(struct page *page, const char *name) {
    struct bulletin *bulletin = page->sources->bulletin;
    put_count(page, name, bulletin != NULL ? bulletin_problems(bulletin) : 0);
}

/* A label's value, with what has to be escaped. */
static struct text label_value(struct arena *arena, struct text value) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < value.length; i++) {
        if (value.bytes[i] == '"' || value.bytes[i] == '\\') {
            buffer_add_char(&buffer, '\\');
        }
        buffer_add_char(&buffer, value.bytes[i]);
    }
    return buffer_view(&buffer);
}

static void put_stranded(struct page *page, const char *name) {
    struct arena *arena = page->out->arena;
    struct stranded_list list = {0};
    if (page->sources->bulletin != NULL) {
        list = bulletin_stranded(page->sources->bulletin, arena);
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct stranded *item = &list.items[i];
        buffer_print(page->out, "%s{machine=\"%.*s\",state=\"%.*s\"} %lld\n", name,
                     TEXT_ARGS(item->machine), TEXT_ARGS(label_value(arena, item->state)),
                     (long long)item->entities);
    }
}

/* The second number of /proc/self/statm (proc(5)): resident pages. */
static void put_resident_memory(struct page *page, const char *name) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    put_count(page, name, pages * (unsigned long long)sysconf(_SC_PAGESIZE));
}

static void put_start_time(struct page *page, const char *name) {
    buffer_print(page->out, "%s %.3f\n", name,
                 (double)page->sources->started_us / (double)NOW_SECOND);
}

static void put_build(struct page *page, const char *name) {
    buffer_print(page->out, "%s{version=\"%s\"} 1\n", name, STATUTE_VERSION);
}

struct family {
    const char *name, *type, *help;
    void (*put)(struct page *page, const char *name);
};

/* clang-format off */
static const struct family families[] = {
    {"statute_http_requests_total", "counter", "Requests answered, by route, method and status.", put_requests},
    {"statute_http_request_duration_seconds", "histogram", "From the complete request until its answer is handed over.", put_durations},
    {"statute_http_connections_open", "gauge", "Connections open now.", put_connections_open},
    {"statute_http_connections_total", "counter", "Connections accepted.", put_connections_total},
    {"statute_http_malformed_total", "counter", "Requests refused as malformed before they were routed.", put_malformed},
    {"statute_http_timeouts_total", "counter", "Requests and connections that ran out of time.", put_timeouts},
    {"statute_http_accept_pauses_total", "counter", "Times that accepting connections paused at the connection limit.", put_accept_pauses},
    {"statute_tls_handshakes_failed_total", "counter", "Connections closed because their TLS handshake failed.", put_handshakes_failed},
    {"statute_tls_certificate_expiry_timestamp_seconds", "gauge", "When the certificate in force expires, in seconds since the Unix epoch.", put_certificate_expiry},
    {"statute_tls_certificate_reloads_total", "counter", "Reloads of the certificate after startup, by result.", put_certificate_reloads},
    {"statute_http_rate_limited_total", "counter", "Requests refused because their caller, or their address, sent too many; by guess: too many wrong keys and tokens.", put_rate_limited},
    {"statute_attempts_total", "counter", "Attempts to create, change or move an entity, by outcome.", put_attempts},
    {"statute_batch_members", "histogram", "Members of each unit of work.", put_batch_members},
    {"statute_batch_duration_seconds", "histogram", "From begin to commit of each unit of work.", put_batch_duration},
    {"statute_timers_total", "counter", "Timers tried: fired, to be retried, failed for good, or stopped because their chain never ends.", put_timers},
    {"statute_timers_pending", "gauge", "Timers that are armed.", put_timers_pending},
    {"statute_timers_overdue", "gauge", "Armed timers that are due.", put_timers_overdue},
    {"statute_timers_oldest_due_timestamp_seconds", "gauge", "When the oldest overdue timer was due, in seconds since the Unix epoch.", put_timers_oldest},
    {"statute_timers_stranded", "gauge", "Overdue timers of machines that are not loaded here.", put_timers_stranded},
    {"statute_timers_stranded_since_timestamp_seconds", "gauge", "When the oldest stranded timer was due, in seconds since the Unix epoch.", put_timers_stranded_since},
    {"statute_timers_matched_entities_total", "counter", "Entities whose timers were matched with new rules, by whether their timers changed.", put_matched},
    {"statute_mailbox_letters", "gauge", "Jobs waiting for a thread.", put_mailboxes},
    {"statute_lock_available", "gauge", "1 if the distributed lock's server answers, else 0.", put_lock_available},
    {"statute_policy_generation_info", "gauge", "The generation of policies in force.", put_generation},
    {"statute_policy_reloads_total", "counter", "Loads of the policy directory after startup, by result.", put_reloads},
    {"statute_policy_machines", "gauge", "Machines in force.", put_machines},
    {"statute_policy_disk_problems", "gauge", "Problems in the policy files on disk; while there are any, those files are not in force.", put_problems},
    {"statute_policy_stranded_entities", "gauge", "Entities whose machine or state the rules in force do not declare, counted at publication.", put_stranded},
    {"statute_build_info", "gauge", "The version of this program.", put_build},
    {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", put_resident_memory},
    {"process_start_time_seconds", "gauge", "Start time of the process, in seconds since the Unix epoch.", put_start_time},
};
/* clang-format on */

void metrics_write(struct metrics *metrics, const struct metrics_sources *sources,
                   struct buffer *out) {
    struct page page = {
        .metrics = metrics,
        .sources = sources,
        .http = sources->http != NULL ? http_counts(sources->http) : (struct http_counts){0},
        .out = out,
    };
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        const struct family *family = &families[i];
        buffer_print(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                     family->type);
        family->put(&page, family->name);
    }
}
