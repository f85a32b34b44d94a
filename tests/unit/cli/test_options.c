/* Options: where a value comes from, what is refused, and that --help says what is true. */
#include "unit/base/check.h"

#include "base/now.h"
#include "cli/options.h"

struct values {
    struct text listen;
    struct text secret;
    bool lines;
    unsigned format;
    unsigned threads;
    int64_t limit;
    size_t count;
    size_t body;
    int64_t timeout_us;
};

#define AT(field) offsetof(struct values, field)

static const struct option rows[] = {
    {"listen", OPTION_TEXT, AT(listen), "ADDRESS", 0, 0, "where to listen"},
    {"pii-key", OPTION_SECRET, AT(secret), "SECRET", 0, 0, "a secret"},
    {"lines", OPTION_FLAG, AT(lines), NULL, 0, 0, "line by line"},
    {"format", OPTION_CHOICE, AT(format), "text|json", 0, 0, "how"},
    {NULL, OPTION_HEADING, 0, NULL, 0, 0, "Limits"},
    {"http-threads", OPTION_UNSIGNED, AT(threads), "N", 1, 64, "threads"},
    {"limit", OPTION_INTEGER, AT(limit), "N", -5, INT64_MAX, "a limit"},
    {"queue", OPTION_COUNT, AT(count), "N", 1, 1000, "a queue"},
    {"body", OPTION_BYTES, AT(body), "SIZE", 1024, 1 << 30, "a body"},
    {"timeout", OPTION_DURATION, AT(timeout_us), "TIME", NOW_MILLISECOND, 3600 * NOW_SECOND,
     "a time"},
};
static const struct option_table table = {rows, COUNT_OF(rows)};

struct fixture {
    struct arena arena;
    struct fault fault;
    struct values values;
    struct option_line line;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    arena_init(&fixture->arena, 0);
    fixture->values = (struct values){.listen = TEXT("127.0.0.1:8080"),
                                      .threads = 1,
                                      .body = 1024 * 1024,
                                      .timeout_us = 90 * NOW_SECOND};
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    unsetenv("STATUTE_HTTP_THREADS");
    unsetenv("STATUTE_CONFIG");
    unsetenv("STATUTE_TIMEOUT");
    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

/* Up to eight words; NULL ends them. */
static bool scan(struct fixture *fixture, const char *first, const char *second,
                 const char *third) {
    char *words[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second, (char *)(uintptr_t)third};
    size_t count = (size_t)(first != NULL) + (second != NULL) + (third != NULL);
    fixture->fault = FAULT_INIT;
    return options_scan(table, words, count, &fixture->arena, &fixture->line, &fixture->fault);
}

static bool apply(struct fixture *fixture, const struct js *config) {
    return options_apply(table, &fixture->line, config, &fixture->arena, &fixture->values,
                         &fixture->fault);
}

static bool read(struct fixture *fixture, const char *first, const char *second) {
    return scan(fixture, first, second, NULL) && apply(fixture, NULL);
}

static const struct js *config(struct fixture *fixture, const char *json) {
    const struct js *value;
    assert_true(js_parse(&fixture->arena, text_of(json), &value, &fixture->fault));
    return value;
}

static void a_value_follows_its_option_or_an_equals_sign(void **state) {
    struct fixture *fixture = *state;
    assert_true(read(fixture, "--http-threads", "2"));
    assert_int_equal(fixture->values.threads, 2);
    assert_true(read(fixture, "--http-threads=3", NULL));
    assert_int_equal(fixture->values.threads, 3);
    assert_true(read(fixture, "--listen=a=b", NULL));
    check_text(fixture->values.listen, "a=b");
    assert_true(read(fixture, "--listen=", NULL));
    check_text(fixture->values.listen, "");
}

static void what_is_not_given_keeps_its_default(void **state) {
    struct fixture *fixture = *state;
    assert_true(read(fixture, NULL, NULL));
    check_text(fixture->values.listen, "127.0.0.1:8080");
    assert_int_equal(fixture->values.timeout_us, 90 * NOW_SECOND);
}

static void the_last_of_two_wins(void **state) {
    struct fixture *fixture = *state;
    assert_true(read(fixture, "--http-threads=2", "--http-threads=5"));
    assert_int_equal(fixture->values.threads, 5);
}

static void the_line_overrides_the_environment_and_that_the_file(void **state) {
    struct fixture *fixture = *state;
    const struct js *file = config(fixture, "{\"http_threads\":4}");
    assert_true(scan(fixture, NULL, NULL, NULL) && apply(fixture, file));
    assert_int_equal(fixture->values.threads, 4);
    setenv("STATUTE_HTTP_THREADS", "5", 1);
    assert_true(apply(fixture, file));
    assert_int_equal(fixture->values.threads, 5);
    assert_true(scan(fixture, "--http-threads", "6", NULL) && apply(fixture, file));
    assert_int_equal(fixture->values.threads, 6);
}

static void an_empty_variable_is_one_that_is_not_set(void **state) {
    struct fixture *fixture = *state;
    setenv("STATUTE_HTTP_THREADS", "", 1);
    assert_true(read(fixture, NULL, NULL));
    assert_int_equal(fixture->values.threads, 1);
}

static void the_file_may_use_numbers_booleans_and_lists(void **state) {
    struct fixture *fixture = *state;
    const struct js *file =
        config(fixture, "{\"lines\":true,\"queue\":7,\"body\":\"2KiB\",\"listen\":[\"a\",\"b\"],"
                        "\"format\":\"json\"}");
    assert_true(scan(fixture, NULL, NULL, NULL) && apply(fixture, file));
    assert_true(fixture->values.lines);
    assert_int_equal(fixture->values.count, 7);
    assert_int_equal(fixture->values.body, 2048);
    assert_int_equal(fixture->values.format, 1);
    check_text(fixture->values.listen, "a,b");
}

static void a_flag_stands_alone_or_says_no(void **state) {
    struct fixture *fixture = *state;
    assert_true(read(fixture, "--lines", NULL));
    assert_true(fixture->values.lines);
    assert_true(read(fixture, "--lines=false", NULL));
    assert_false(fixture->values.lines);
    assert_false(read(fixture, "--lines=maybe", NULL));
    check_contains(fixture->fault.message, "true or false");
}

struct unit_case {
    const char *word;
    int64_t value;
};

static void sizes_have_units(void **state) {
    static const struct unit_case cases[] = {
        {"--body=1024", 1024},  {"--body=1MiB", 1 << 20}, {"--body=64KiB", 65536},
        {"--body=2kB", 2000},   {"--body=3MB", 3000000},  {"--body=1GiB", 1 << 30},
        {"--body=4096B", 4096},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(read(*state, cases[i].word, NULL));
        assert_int_equal(((struct fixture *)*state)->values.body, cases[i].value);
    }
}

static void durations_have_units(void **state) {
    static const struct unit_case cases[] = {
        {"--timeout=50ms", 50000},
        {"--timeout=10s", 10000000},
        {"--timeout=1m30s", 90000000},
        {"--timeout=PT5M", 300000000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(read(*state, cases[i].word, NULL));
        assert_int_equal(((struct fixture *)*state)->values.timeout_us, cases[i].value);
    }
}

struct refusal {
    const char *word;
    const char *message;
};

static void what_is_out_of_bounds_or_no_value_is_refused(void **state) {
    static const struct refusal cases[] = {
        {"--http-threads=0", "--http-threads: expected a number from 1 to 64, not '0'"},
        {"--http-threads=65", "--http-threads: expected a number from 1 to 64, not '65'"},
        {"--http-threads=two", "--http-threads: expected a number from 1 to 64, not 'two'"},
        {"--http-threads=", "--http-threads: expected a number from 1 to 64, not ''"},
        {"--limit=9223372036854775808",
         "--limit: expected a number from -5 to 9223372036854775807, not '9223372036854775808'"},
        {"--body=1", "--body: expected a size from 1KiB to 1GiB, not '1'"},
        {"--body=9999999999999GiB",
         "--body: expected a size from 1KiB to 1GiB, not '9999999999999GiB'"},
        {"--body=MiB", "--body: expected a size from 1KiB to 1GiB, not 'MiB'"},
        {"--timeout=10", "--timeout: expected a duration from 1ms to 1h, not '10'"},
        {"--timeout=2h", "--timeout: expected a duration from 1ms to 1h, not '2h'"},
        {"--format=xml", "--format: expected one of text|json, not 'xml'"},
        {"--format=tex", "--format: expected one of text|json, not 'tex'"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(read(fixture, cases[i].word, NULL));
        assert_int_equal(fixture->fault.code, FAULT_USAGE);
        assert_string_equal(fixture->fault.message, cases[i].message);
    }
}

static void a_refusal_names_where_the_value_came_from(void **state) {
    struct fixture *fixture = *state;
    setenv("STATUTE_TIMEOUT", "soon", 1);
    assert_false(read(fixture, NULL, NULL));
    check_contains(fixture->fault.message, "STATUTE_TIMEOUT: expected a duration");
    unsetenv("STATUTE_TIMEOUT");
    assert_false(apply(fixture, config(fixture, "{\"timeout\":5}")));
    check_contains(fixture->fault.message, "timeout in the configuration: expected a duration");
}

static void an_unknown_option_is_named_with_a_hint(void **state) {
    struct fixture *fixture = *state;
    assert_false(scan(fixture, "--lisen", "x", NULL));
    assert_int_equal(fixture->fault.code, FAULT_USAGE);
    assert_string_equal(fixture->fault.message,
                        "there is no option --lisen; did you mean --listen?");
    assert_false(scan(fixture, "--colour", NULL, NULL));
    assert_string_equal(fixture->fault.message, "there is no option --colour");
    assert_false(scan(fixture, "-x", NULL, NULL));
}

static void an_option_without_its_value_is_refused(void **state) {
    struct fixture *fixture = *state;
    assert_false(scan(fixture, "--listen", NULL, NULL));
    assert_string_equal(fixture->fault.message, "--listen needs a value: --listen=ADDRESS");
    assert_false(scan(fixture, "--listen", "--lines", NULL));
    assert_string_equal(fixture->fault.message, "--listen needs a value: --listen=ADDRESS");
}

static void other_words_are_arguments(void **state) {
    struct fixture *fixture = *state;
    assert_true(scan(fixture, "file", "--lines", "-"));
    assert_int_equal(fixture->line.argument_count, 2);
    check_text(fixture->line.arguments[0], "file");
    check_text(fixture->line.arguments[1], "-");
    assert_true(scan(fixture, "--", "--lines", "-x"));
    assert_int_equal(fixture->line.argument_count, 2);
    check_text(fixture->line.arguments[0], "--lines");
}

static void help_and_config_are_there_for_all(void **state) {
    struct fixture *fixture = *state;
    assert_true(scan(fixture, "--config", "a.lua", "--help"));
    assert_true(fixture->line.help);
    check_text(fixture->line.config, "a.lua");
    setenv("STATUTE_CONFIG", "b.lua", 1);
    assert_true(scan(fixture, "-h", NULL, NULL));
    assert_true(fixture->line.help);
    check_text(fixture->line.config, "b.lua");
}

static void a_key_of_the_file_is_the_name_with_underscores(void **state) {
    struct fixture *fixture = *state;
    const struct option *option = options_find_key(table, TEXT("http_threads"));
    assert_non_null(option);
    assert_string_equal(option->name, "http-threads");
    check_text(options_key(&fixture->arena, option), "http_threads");
    assert_null(options_find_key(table, TEXT("http-threads")));
    assert_null(options_find_key(table, TEXT("http")));
}

static void help_has_the_defaults_and_limits_in_their_units(void **state) {
    struct fixture *fixture = *state;
    struct buffer out;
    buffer_init(&out, &fixture->arena);
    fixture->values.secret = TEXT("hunter2");
    options_help(table, &fixture->values, &out);
    const char *help = text_cstring(&fixture->arena, buffer_view(&out));
    check_contains(help, "--listen ADDRESS              where to listen (default 127.0.0.1:8080)");
    check_contains(help, "--http-threads N              threads (default 1; 1 to 64)");
    check_contains(help, "--body SIZE                   a body (default 1MiB; 1KiB to 1GiB)");
    check_contains(help, "--timeout TIME                a time (default 1m30s; 1ms to 1h)");
    check_contains(help, "--format text|json            how (default text)");
    check_contains(help, "\nLimits:\n");
    check_contains(help, "--config FILE.lua");
    assert_null(strstr(help, "hunter2"));
    for (const char *line = help; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(strcspn(line, "\n") <= 100);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_value_follows_its_option_or_an_equals_sign),
        CASE(what_is_not_given_keeps_its_default),
        CASE(the_last_of_two_wins),
        CASE(the_line_overrides_the_environment_and_that_the_file),
        CASE(an_empty_variable_is_one_that_is_not_set),
        CASE(the_file_may_use_numbers_booleans_and_lists),
        CASE(a_flag_stands_alone_or_says_no),
        CASE(sizes_have_units),
        CASE(durations_have_units),
        CASE(what_is_out_of_bounds_or_no_value_is_refused),
        CASE(a_refusal_names_where_the_value_came_from),
        CASE(an_unknown_option_is_named_with_a_hint),
        CASE(an_option_without_its_value_is_refused),
        CASE(other_words_are_arguments),
        CASE(help_and_config_are_there_for_all),
        CASE(a_key_of_the_file_is_the_name_with_underscores),
        CASE(help_has_the_defaults_and_limits_in_their_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
