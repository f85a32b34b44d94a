#include "unit/base/check.h"

#include "base/arena.h"
#include "base/js.h"
#include "base/log.h"
#include "base/now.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

/* Standard error goes into a temporary file for the length of a test. */
static int saved_stderr;
static int captured;
static char output[1 << 20];

static int start_capture(void **state) {
    (void)state;
    char path[] = "/tmp/statute-log-XXXXXX";
    captured = mkstemp(path);
    unlink(path);
    saved_stderr = dup(STDERR_FILENO);
    dup2(captured, STDERR_FILENO);
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    log_setup(LOG_TEXT, LOG_INFO);
    return 0;
}

static int end_capture(void **state) {
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(captured);
    return 0;
}

static const char *logged(void) {
    ssize_t length = pread(captured, output, sizeof output - 1, 0);
    output[length > 0 ? length : 0] = '\0';
    return output;
}

static int count_lines(const char *text) {
    int lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static void a_text_line_has_time_level_event_and_message(void **state) {
    (void)state;
    log_line(LOG_INFO, "listening", "on port %d", 8080);
    const char *line = logged();
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ info listening: on port 8080\n";
    assert_int_equal(strlen(line), strlen(shape));
    for (size_t i = 0; i < 20; i++) {
        assert_true(shape[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == shape[i]);
    }
    assert_string_equal(line + 20, shape + 20);
}

static void a_json_line_has_the_same_four_members(void **state) {
    (void)state;
    struct arena arena;
    struct fault fault = FAULT_INIT;
    const struct js *line = NULL;
    arena_init(&arena, 0);
    log_setup(LOG_JSON, LOG_DEBUG);
    log_line(LOG_ERROR, "store_lost", "\"%s\" went\naway \xff", "db");
    assert_true(js_parse(&arena, text_of(logged()), &line, &fault));
    assert_int_equal(line->object.count, 4);
    check_text(js_text(js_find(line, TEXT("level"))), "error");
    check_text(js_text(js_find(line, TEXT("event"))), "store_lost");
    check_text(js_text(js_find(line, TEXT("message"))), "\"db\" went\naway ?");
    assert_int_equal(js_text(js_find(line, TEXT("time"))).length, 20);
    arena_deinit(&arena);
}

static void lines_below_the_least_level_are_not_written(void **state) {
    (void)state;
    log_setup(LOG_TEXT, LOG_WARNING);
    log_line(LOG_DEBUG, "quiet", "no");
    log_line(LOG_INFO, "quiet", "no");
    assert_string_equal(logged(), "");
    log_line(LOG_WARNING, "loud", "yes");
    check_contains(logged(), " warning loud: yes\n");
}

static void a_message_cannot_forge_a_line(void **state) {
    (void)state;
    log_line(LOG_INFO, "forged", "a\n2026-01-01T00:00:00Z error fake: b\r\x1b[31m");
    assert_int_equal(count_lines(logged()), 1);
    assert_null(strchr(output, '\x1b'));
    assert_null(strchr(output, '\r'));
}

static void a_message_of_any_length_is_whole(void **state) {
    (void)state;
    log_line(LOG_INFO, "long", "%0*d", 100000, 1);
    assert_true(strlen(logged()) > 100000);
    assert_int_equal(count_lines(output), 1);
}

static int sum_of_dropped(const char *text) {
    int sum = 0;
    while ((text = strstr(text, "flood: ")) != NULL) {
        int dropped = 0;
        const char *end = strchr(text, '\n');
        const char *note = strchr(text, '(');
        if (note != NULL && note < end) {
            sscanf(note, "(%d such lines were dropped before)", &dropped);
        }
        sum += dropped;
        text = end;
    }
    return sum;
}

static void a_flood_is_limited_and_what_was_dropped_is_counted(void **state) {
    (void)state;
    struct now now = now_system();
    int64_t start = now_monotonic_us(&now);
    int posted = 0;
    while (sum_of_dropped(logged()) == 0 && now_monotonic_us(&now) - start < 10 * NOW_SECOND) {
        for (int i = 0; i < 100; i++, posted++) {
            log_line(LOG_INFO, "flood", "again");
        }
        log_line(LOG_INFO, "neighbour", "is not held back");
    }
    int written = count_lines(logged());
    int dropped = sum_of_dropped(output);
    assert_true(dropped > 0);
    assert_true(dropped < posted);
    assert_true(written <= 3 * 2 * 20);
    check_contains(output, "neighbour: is not held back\n");
}

static void more_events_than_the_table_holds_are_still_logged(void **state) {
    (void)state;
    char event[100];
    for (int i = 0; i < 140; i++) {
        snprintf(event, sizeof event, "event_%d_%060d", i, 0);
        log_line(LOG_INFO, event, "%d", i);
    }
    assert_true(count_lines(logged()) >= 127);
}

static void *log_lines(void *context) {
    for (int i = 0; i < 15; i++) {
        log_line(LOG_INFO, context, "%0500d", i);
    }
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
    (void)state;
    static char events[4][16] = {"thread_a", "thread_b", "thread_c", "thread_d"};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, log_lines, events[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(count_lines(logged()), 60);
    for (const char *line = output; *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t length = (size_t)(strchr(line, '\n') - line);
        assert_int_equal(length, strlen("2026-11-24T10:00:00Z info thread_a: ") + 500);
    }
}

#define WITH_CAPTURE(test) cmocka_unit_test_setup_teardown(test, start_capture, end_capture)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_CAPTURE(a_text_line_has_time_level_event_and_message),
        WITH_CAPTURE(a_json_line_has_the_same_four_members),
        WITH_CAPTURE(lines_below_the_least_level_are_not_written),
        WITH_CAPTURE(a_message_cannot_forge_a_line),
        WITH_CAPTURE(a_message_of_any_length_is_whole),
        WITH_CAPTURE(a_flood_is_limited_and_what_was_dropped_is_counted),
        WITH_CAPTURE(lines_of_threads_do_not_mix),
        WITH_CAPTURE(more_events_than_the_table_holds_are_still_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
