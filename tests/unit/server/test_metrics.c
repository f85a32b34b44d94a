/* The routes, and what the page asks of the other parts, are made up here, so that metrics.c is
 * tested alone. */
#include "unit/base/check.h"

#include "http/http.h"
#include "policy/policy.h"
#include "server/bulletin.h"
#include "server/metrics.h"
#include "server/workers.h"

static bool label(size_t index, const char **method, const char **path) {
    static const char *const methods[] = {"GET", "POST"};
    static const char *const paths[] = {"/livez", "/v1/entities/{machine}"};
    if (index >= COUNT_OF(methods)) {
        return false;
    }
    *method = methods[index];
    *path = paths[index];
    return true;
}

struct http_counts http_counts(const struct http *http) {
    (void)http;
    return (struct http_counts){.connections_open = 3, .connections_total = 12, .timed_out = 2};
}

struct text generation_name(const struct generation *generation) {
    (void)generation;
    return TEXT_NONE;
}

size_t generation_machine_count(const struct generation *generation) {
    (void)generation;
    return 0;
}

size_t bulletin_problems(struct bulletin *bulletin) {
    return bulletin == NULL ? 0 : 4;
}

struct stranded_list bulletin_stranded(struct bulletin *bulletin, struct arena *out) {
    struct stranded *item = ARENA_NEW(out, struct stranded);
    *item =
        (struct stranded){.machine = TEXT("lamp"), .state = TEXT("so \"called\""), .entities = 7};
    return (struct stranded_list){item, bulletin != NULL};
}

static struct arena arena;
static struct metrics *metrics;
static struct worker writers[1];
static const struct workers workers = {.writers = writers, .writer_count = 1};
static struct metrics_sources sources;

static int make(void **state) {
    (void)state;
    arena_init(&arena, 0);
    metrics = metrics_new(label);
    writers[0].mailbox = mailbox_new(0);
    sources = (struct metrics_sources){.workers = &workers,
                                       .http = (struct http *)&sources,
                                       .started_us = 1759289400 * NOW_SECOND};
    return 0;
}

static int unmake(void **state) {
    (void)state;
    metrics_free(metrics);
    mailbox_free(writers[0].mailbox);
    arena_deinit(&arena);
    return 0;
}

/* The page; fails unless the line is on it. */
static const char *page(void) {
    struct buffer buffer;
    buffer_init(&buffer, &arena);
    metrics_write(metrics, &sources, &buffer);
    return text_cstring(&arena, buffer_view(&buffer));
}

static void check_line(const char *line) {
    const char *all = page();
    const char *with_ends = text_print(&arena, "\n%s\n", line).bytes;
    if (strstr(all, with_ends) == NULL) {
        fail_msg("no line %s in\n%s", line, all);
    }
}

static void requests_are_counted_by_route_method_and_status(void **state) {
    (void)state;
    metrics_request(metrics, 0, 200, 50);
    metrics_request(metrics, 1, 201, 3000);
    metrics_request(metrics, 1, 201, 3000);
    metrics_request(metrics, 1, 422, 3000);
    check_line("statute_http_requests_total{route=\"/livez\",method=\"GET\",status=\"200\"} 1");
    check_line("statute_http_requests_total{route=\"/v1/entities/{machine}\",method=\"POST\","
               "status=\"201\"} 2");
    check_line("statute_http_requests_total{route=\"/v1/entities/{machine}\",method=\"POST\","
               "status=\"422\"} 1");
}

static void what_is_no_route_and_no_status_of_ours_is_other(void **state) {
    (void)state;
    metrics_request(metrics, 2, 404, 50);
    metrics_request(metrics, 4000000000u, 404, 50);
    metrics_request(metrics, 0, 299, 50);
    check_line("statute_http_requests_total{route=\"none\",method=\"other\",status=\"404\"} 2");
    check_line("statute_http_requests_total{route=\"/livez\",method=\"GET\",status=\"other\"} 1");
}

static void the_buckets_of_a_histogram_add_up(void **state) {
    (void)state;
    metrics_request(metrics, 0, 200, 100);
    metrics_request(metrics, 0, 200, 101);
    metrics_request(metrics, 0, 200, 20 * NOW_SECOND);
    metrics_request(metrics, 0, 200, -5);
#define DURATION "statute_http_request_duration_seconds"
#define LIVEZ    "route=\"/livez\",method=\"GET\""
    check_line(DURATION "_bucket{" LIVEZ ",le=\"0.0001\"} 2");
    check_line(DURATION "_bucket{" LIVEZ ",le=\"0.00025\"} 3");
    check_line(DURATION "_bucket{" LIVEZ ",le=\"10\"} 3");
    check_line(DURATION "_bucket{" LIVEZ ",le=\"+Inf\"} 4");
    check_line(DURATION "_count{" LIVEZ "} 4");
    check_line(DURATION "_sum{" LIVEZ "} 20.000201");
}

static void batches_are_measured_in_members_and_seconds(void **state) {
    (void)state;
    metrics_batch(metrics, 1, 1500);
    metrics_batch(metrics, 300, 1500);
    check_line("statute_batch_members_bucket{le=\"1\"} 1");
    check_line("statute_batch_members_bucket{le=\"256\"} 1");
    check_line("statute_batch_members_bucket{le=\"+Inf\"} 2");
    check_line("statute_batch_members_sum 301");
    check_line("statute_batch_members_count 2");
    check_line("statute_batch_duration_seconds_bucket{le=\"0.0025\"} 2");
    check_line("statute_batch_duration_seconds_sum 0.003");
}

static void attempts_of_codes_with_one_name_are_one_line(void **state) {
    (void)state;
    check_line("statute_attempts_total{code=\"ok\"} 0");
    metrics_attempt(metrics, FAULT_NONE);
    metrics_attempt(metrics, FAULT_STORE_UNAVAILABLE);
    metrics_attempt(metrics, FAULT_OUTCOME_UNKNOWN);
    check_line("statute_attempts_total{code=\"ok\"} 1");
    check_line("statute_attempts_total{code=\"store_unavailable\"} 2");
    const char *first = strstr(page(), "{code=\"store_unavailable\"}");
    assert_non_null(first);
    assert_null(strstr(first + 1, "{code=\"store_unavailable\"}"));
}

static void gauges_show_the_service(void **state) {
    (void)state;
    struct letter letter;
    assert_true(mailbox_post(writers[0].mailbox, &letter));
    metrics_reload(metrics, false);
    check_line("statute_mailbox_letters{thread=\"writer-0\"} 1");
    check_line("statute_http_connections_open 3");
    check_line("statute_http_connections_total 12");
    check_line("statute_http_timeouts_total 2");
    check_line("statute_policy_reloads_total{result=\"failure\"} 1");
    check_line("statute_policy_reloads_total{result=\"success\"} 0");
    check_line("statute_policy_machines 0");
    check_line("process_start_time_seconds 1759289400.000");
    check_line("statute_build_info{version=\"" STATUTE_VERSION "\"} 1");
    assert_null(strstr(page(), "process_resident_memory_bytes 0\n"));
    assert_ptr_equal(mailbox_take(writers[0].mailbox, 0), &letter);
}

/* HELP, TYPE and then only samples of that family (Prometheus text format 0.0.4). */
static void check_format(char *text) {
    char family[100] = "", *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char help[100], type[100], kind[20];
        if (sscanf(line, "# HELP %99s", help) == 1) {
            line = strtok_r(NULL, "\n", &rest);
            assert_int_equal(sscanf(line, "# TYPE %99s %19s", type, kind), 2);
            assert_string_equal(help, type);
            snprintf(family, sizeof family, "%s", type);
            continue;
        }
        assert_int_equal(strncmp(line, family, strlen(family)), 0);
        const char *value = strrchr(line, ' ');
        char *end;
        assert_non_null(value);
        strtod(value + 1, &end);
        assert_int_equal(*end, '\0');
    }
}

static void the_page_is_in_the_exposition_format(void **state) {
    (void)state;
    metrics_request(metrics, 0, 200, 100);
    metrics_batch(metrics, 5, 100);
    char *copy = strdup(page());
    check_format(copy);
    free(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(requests_are_counted_by_route_method_and_status),
        TEST(what_is_no_route_and_no_status_of_ours_is_other),
        TEST(the_buckets_of_a_histogram_add_up),
        TEST(batches_are_measured_in_members_and_seconds),
        TEST(attempts_of_codes_with_one_name_are_one_line),
        TEST(gauges_show_the_service),
        TEST(the_page_is_in_the_exposition_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
