#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/body.h"
#include "http/head.h"

#define GET  "GET /a HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

struct reading {
    struct arena arena;
    struct http_limits limits;
    struct fault fault;
    struct http_head head;
    size_t end;
};

static int make_reading(void **state) {
    static struct reading reading;
    reading = (struct reading){.limits = http_limits_default()};
    arena_init(&reading.arena, 0);
    *state = &reading;
    return 0;
}

static int drop_reading(void **state) {
    arena_deinit(&((struct reading *)*state)->arena);
    return 0;
}

/* As the filter does it, with the bytes arriving `step` at a time. */
static enum http_progress read_head(struct reading *reading, struct text bytes, size_t step) {
    struct http_scan scan = {0};
    enum http_progress progress = HTTP_MORE;
    reading->fault = FAULT_INIT;
    for (size_t seen = step; progress == HTTP_MORE; seen += step) {
        size_t length = seen < bytes.length ? seen : bytes.length;
        progress = http_head_scan(&scan, (struct text){bytes.bytes, length}, &reading->limits,
                                  &reading->fault);
        if (length == bytes.length) {
            break;
        }
    }
    reading->end = scan.end;
    struct text head = {bytes.bytes + scan.start, scan.end - scan.start};
    if (progress == HTTP_WHOLE &&
        !http_head_parse(&reading->arena, head, scan.count, &reading->limits, &reading->head,
                         &reading->fault)) {
        progress = HTTP_REFUSED;
    }
    return progress;
}

static void assert_refused(struct reading *reading, struct text bytes, enum fault_code code) {
    for (size_t step = 1; step <= bytes.length; step = step * 3 + 1) {
        enum http_progress progress = read_head(reading, bytes, step);
        if (progress != HTTP_REFUSED || reading->fault.code != code) {
            fail_msg("%s rather than %s for: %.*s", fault_name(reading->fault.code),
                     fault_name(code), TEXT_ARGS(bytes));
        }
    }
}

static void assert_read(struct reading *reading, struct text bytes) {
    for (size_t step = 1; step <= bytes.length; step = step * 3 + 1) {
        if (read_head(reading, bytes, step) != HTTP_WHOLE) {
            fail_msg("refused (%s): %.*s", reading->fault.message, TEXT_ARGS(bytes));
        }
    }
}

static void assert_text(struct text text, const char *expected) {
    if (!text_equal(text, text_of(expected))) {
        fail_msg("\"%.*s\" rather than \"%s\"", TEXT_ARGS(text), expected);
    }
}

static void a_plain_request_is_understood(void **state) {
    struct reading *reading = *state;
    assert_read(reading, TEXT("POST /a/%2F?x=1&y HTTP/1.1\r\nHost: a:8080\r\nEmpty:\r\n"
                              "Content-Length:  12 \t\r\nAuthorization: Bearer x\r\n"
                              "X-Request-Id: id-1\r\n\r\nrest"));
    assert_int_equal(reading->head.method, HTTP_POST);
    assert_text(reading->head.target, "/a/%2F?x=1&y");
    assert_text(reading->head.path, "/a/%2F");
    assert_text(reading->head.query, "x=1&y");
    assert_int_equal(reading->head.header_count, 5);
    assert_text(reading->head.headers[1].value, "");
    assert_text(reading->head.headers[2].value, "12");
    assert_int_equal(reading->head.content_length, 12);
    assert_text(reading->head.authorization, "Bearer x");
    assert_text(reading->head.request_id, "id-1");
    assert_true(reading->head.keep_alive);
}

static void one_empty_line_may_come_first(void **state) {
    assert_read(*state, TEXT("\r\n" GET HOST "\r\n"));
    assert_refused(*state, TEXT("\r\n\r\n" GET HOST "\r\n"), FAULT_BAD_REQUEST);
}

static void every_known_method_is_told_apart(void **state) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    struct reading *reading = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct text bytes = text_print(&reading->arena, "%s / HTTP/1.1\r\n" HOST "\r\n", names[i]);
        assert_read(reading, bytes);
        assert_int_equal(reading->head.method, (int)i);
        assert_text(reading->head.method_name, names[i]);
    }
}

static void other_methods_are_not_implemented(void **state) {
    assert_refused(*state, TEXT("BREW / HTTP/1.1\r\n" HOST "\r\n"), FAULT_NOT_IMPLEMENTED);
    assert_refused(*state, TEXT("get / HTTP/1.1\r\n" HOST "\r\n"), FAULT_NOT_IMPLEMENTED);
    assert_refused(*state, TEXT("TRACE / HTTP/1.1\r\n" HOST "\r\n"), FAULT_NOT_IMPLEMENTED);
    assert_refused(*state, TEXT("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"), FAULT_NOT_IMPLEMENTED);
}

static void only_http_1_1_and_1_0_are_spoken(void **state) {
    struct reading *reading = *state;
    assert_read(reading, TEXT("GET / HTTP/1.0\r\n\r\n"));
    assert_false(reading->head.keep_alive);
    assert_read(reading, TEXT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(reading->head.keep_alive);
    assert_refused(reading, TEXT("GET / HTTP/1.2\r\n" HOST "\r\n"), FAULT_HTTP_VERSION);
    assert_refused(reading, TEXT("GET / HTTP/2.0\r\n" HOST "\r\n"), FAULT_HTTP_VERSION);
    assert_refused(reading, TEXT("GET / HTTP/0.9\r\n" HOST "\r\n"), FAULT_HTTP_VERSION);
    assert_refused(reading, TEXT("PRI * HTTP/2.0\r\n\r\n"), FAULT_HTTP_VERSION);
}

static void a_request_line_has_three_parts_and_two_spaces(void **state) {
    static const char *const lines[] = {"GET /",
                                        "GET",
                                        "GET  / HTTP/1.1",
                                        "GET /  HTTP/1.1",
                                        " GET / HTTP/1.1",
                                        "GET / HTTP/1.1 ",
                                        "GET /\tHTTP/1.1",
                                        "GET / HTTP/1.10",
                                        "GET / http/1.1",
                                        "GET / HTTP/1.x",
                                        "GET / /b HTTP/1.1",
                                        "G\xC3\x89T / HTTP/1.1"};
    struct reading *reading = *state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_refused(reading, text_print(&reading->arena, "%s\r\n" HOST "\r\n", lines[i]),
                       FAULT_BAD_REQUEST);
    }
}

static void only_an_origin_form_target_is_taken(void **state) {
    static const char *const targets[] = {"http://evil/a", "//evil/a", "evil:80",   "*",  "a",
                                          "/a#b",          "/\x01",    "/\xC3\xA9", "?a", "/\x7F"};
    struct reading *reading = *state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_refused(reading,
                       text_print(&reading->arena, "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]),
                       FAULT_BAD_REQUEST);
    }
    assert_read(reading, TEXT("GET /a//b HTTP/1.1\r\n" HOST "\r\n"));
    assert_refused(reading, TEXT("GET /a\0b HTTP/1.1\r\n" HOST "\r\n"), FAULT_BAD_REQUEST);
}

static void malformed_headers_are_refused(void **state) {
    static const struct text lines[] = {
        {"Name : value", 12},    {": value", 7},   {"Name", 4},         {"Na me: value", 12},
        {" folded", 7},          {"\tfolded", 7},  {"Name: a\0b", 9},   {"Name: a\x01", 8},
        {"Name: a\x7F", 8},      {"N\0ame: a", 8}, {"N\xC3\xA9: a", 6}, {"Name: a\rb", 9},
        {"Name: value\r\r", 12}, {"\r", 1}};
    struct reading *reading = *state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buffer buffer;
        buffer_init(&buffer, &reading->arena);
        buffer_add_text(&buffer, TEXT(GET HOST "Other: x\r\n"));
        buffer_add_text(&buffer, lines[i]);
        buffer_add_text(&buffer, TEXT("\r\n\r\n"));
        assert_refused(reading, buffer_view(&buffer), FAULT_BAD_REQUEST);
    }
}

static void a_fold_is_refused_wherever_it_stands(void **state) {
    assert_refused(*state, TEXT(GET " a: b\r\n" HOST "\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET HOST "a: b\r\n c\r\n\r\n"), FAULT_BAD_REQUEST);
}

static void lines_end_in_crlf_and_nothing_else(void **state) {
    assert_refused(*state, TEXT("GET / HTTP/1.1\nHost: a\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET "Host: a\n\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET HOST "\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT("\nGET / HTTP/1.1\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT("GET /\r HTTP/1.1\r\n" HOST "\r\n"), FAULT_BAD_REQUEST);
}

static void there_is_exactly_one_host(void **state) {
    assert_refused(*state, TEXT(GET "\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET HOST HOST "\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT("GET / HTTP/1.0\r\n" HOST "hOST: b\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET "Host: a b\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET "Host: a/b\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_refused(*state, TEXT(GET "Host: user@a\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_read(*state, TEXT(GET "Host: [::1]:80\r\n\r\n"));
    assert_read(*state, TEXT(GET "Host:\r\n\r\n"));
}

static void a_length_is_said_once_and_plainly(void **state) {
    static const char *const values[] = {"+3", "-3", "3, 3", "3 3", "0x3", "", "3;", "a", "3.0"};
    struct reading *reading = *state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_refused(
            reading, text_print(&reading->arena, GET HOST "Content-Length: %s\r\n\r\n", values[i]),
            FAULT_BAD_REQUEST);
    }
    assert_refused(reading, TEXT(GET HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"),
                   FAULT_BAD_REQUEST);
    assert_refused(reading, TEXT(GET HOST "Content-Length: 3\r\ncontent-length: 4\r\n\r\n"),
                   FAULT_BAD_REQUEST);
}

static void a_length_over_the_limit_is_too_large(void **state) {
    assert_read(*state, TEXT(GET HOST "Content-Length: 1048576\r\n\r\n"));
    assert_read(*state, TEXT(GET HOST "Content-Length: 000000000000000000000000007\r\n\r\n"));
    assert_refused(*state, TEXT(GET HOST "Content-Length: 1048577\r\n\r\n"),
                   FAULT_PAYLOAD_TOO_LARGE);
    assert_refused(*state, TEXT(GET HOST "Content-Length: 18446744073709551617\r\n\r\n"),
                   FAULT_PAYLOAD_TOO_LARGE);
    assert_refused(*state, TEXT(GET HOST "Content-Length: 99999999999999999999999999999\r\n\r\n"),
                   FAULT_PAYLOAD_TOO_LARGE);
}

static void chunked_is_the_only_coding(void **state) {
    struct reading *reading = *state;
    assert_read(reading, TEXT(GET HOST "Transfer-Encoding: Chunked\r\n\r\n"));
    assert_true(reading->head.chunked && http_head_has_body(&reading->head));
    static const char *const headers[] = {
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_refused(reading, text_print(&reading->arena, GET HOST "%s\r\n", headers[i]),
                       FAULT_BAD_REQUEST);
    }
    assert_refused(reading, TEXT("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
                   FAULT_BAD_REQUEST);
}

static void connection_options_are_a_list(void **state) {
    struct reading *reading = *state;
    assert_read(reading, TEXT(GET HOST "Connection: TE , Close\r\n\r\n"));
    assert_false(reading->head.keep_alive);
    assert_read(reading, TEXT(GET HOST "Connection: closed, ,\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(reading->head.keep_alive);
}

static void only_100_continue_can_be_expected(void **state) {
    struct reading *reading = *state;
    assert_read(reading, TEXT(GET HOST "Expect: 100-Continue\r\n\r\n"));
    assert_true(reading->head.expects_continue);
    assert_read(reading, TEXT("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"));
    assert_false(reading->head.expects_continue);
    assert_refused(reading, TEXT(GET HOST "Expect: tea\r\n\r\n"), FAULT_EXPECTATION_FAILED);
}

static void a_request_id_is_echoed_only_when_it_is_harmless(void **state) {
    struct reading *reading = *state;
    char long_id[300];
    memset(long_id, 'x', sizeof long_id);
    assert_read(reading, TEXT(GET HOST "X-Request-Id:  a b \r\n\r\n"));
    assert_text(reading->head.request_id, "a b");
    assert_read(reading, TEXT(GET HOST "X-Request-Id: a\tb\r\n\r\n"));
    assert_false(text_given(reading->head.request_id));
    assert_read(reading, TEXT(GET HOST "X-Request-Id: \xC3\xA9\r\n\r\n"));
    assert_false(text_given(reading->head.request_id));
    assert_read(reading,
                text_print(&reading->arena, GET HOST "X-Request-Id: %.256s\r\n\r\n", long_id));
    assert_int_equal(reading->head.request_id.length, 256);
    assert_read(reading,
                text_print(&reading->arena, GET HOST "X-Request-Id: %.257s\r\n\r\n", long_id));
    assert_false(text_given(reading->head.request_id));
}

/* --- limits --- */

static struct text repeated(struct reading *reading, const char *before, char byte, size_t count,
                            const char *after) {
    struct buffer buffer;
    buffer_init(&buffer, &reading->arena);
    buffer_add_text(&buffer, text_of(before));
    for (size_t i = 0; i < count; i++) {
        buffer_add_char(&buffer, byte);
    }
    buffer_add_text(&buffer, text_of(after));
    return buffer_view(&buffer);
}

static void a_target_over_the_limit_is_too_long(void **state) {
    struct reading *reading = *state;
    const char *after = " HTTP/1.1\r\n" HOST "\r\n";
    assert_read(reading, repeated(reading, "GET /", 'a', 8191, after));
    assert_refused(reading, repeated(reading, "GET /", 'a', 8192, after), FAULT_URI_TOO_LONG);
    assert_refused(reading, repeated(reading, "GET /", 'a', 9000, ""), FAULT_URI_TOO_LONG);
}

static void headers_over_the_limit_are_too_large(void **state) {
    struct reading *reading = *state;
    size_t most = reading->limits.header_bytes - sizeof HOST "a: \r\n\r\n" + 1;
    assert_read(reading, repeated(reading, GET HOST "a: ", 'a', most, "\r\n\r\n"));
    assert_refused(reading, repeated(reading, GET HOST "a: ", 'a', most + 1, "\r\n\r\n"),
                   FAULT_HEADERS_TOO_LARGE);
    assert_refused(reading, repeated(reading, GET HOST "a: ", 'a', 20000, ""),
                   FAULT_HEADERS_TOO_LARGE);
}

static struct text many_headers(struct reading *reading, size_t count) {
    struct buffer buffer;
    buffer_init(&buffer, &reading->arena);
    buffer_add_text(&buffer, TEXT(GET HOST));
    for (size_t i = 1; i < count; i++) {
        buffer_print(&buffer, "h%zu: x\r\n", i);
    }
    buffer_add_text(&buffer, TEXT("\r\n"));
    return buffer_view(&buffer);
}

static void a_hundred_headers_are_enough(void **state) {
    struct reading *reading = *state;
    assert_read(reading, many_headers(reading, 100));
    assert_int_equal(reading->head.header_count, 100);
    assert_refused(reading, many_headers(reading, 101), FAULT_HEADERS_TOO_LARGE);
}

/* --- bodies --- */

static enum http_progress read_body(struct reading *reading, struct http_body *body,
                                    struct text bytes, size_t step) {
    struct http_head head = {.chunked = true};
    enum http_progress progress = HTTP_MORE;
    size_t from = 0, to = 0;
    http_body_begin(body, &reading->arena, &head);
    while (progress == HTTP_MORE && to < bytes.length) {
        size_t used;
        to = to + step < bytes.length ? to + step : bytes.length;
        progress = http_body_take(body, (struct text){bytes.bytes + from, to - from},
                                  &reading->limits, &used, &reading->fault);
        from += used;
    }
    reading->end = from;
    return progress;
}

static void assert_body(struct reading *reading, struct text bytes, enum fault_code code) {
    for (size_t step = 1; step <= bytes.length; step++) {
        struct http_body body;
        reading->fault = FAULT_INIT;
        (void)read_body(reading, &body, bytes, step);
        if (reading->fault.code != code) {
            fail_msg("%s rather than %s for: %.*s", fault_name(reading->fault.code),
                     fault_name(code), TEXT_ARGS(bytes));
        }
    }
}

static void a_chunked_body_is_put_together_whatever_its_pieces(void **state) {
    struct reading *reading = *state;
    struct text bytes = TEXT("3\r\nabc\r\n0a;x=y\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\nGET");
    for (size_t step = 1; step <= bytes.length; step++) {
        struct http_body body;
        assert_int_equal(read_body(reading, &body, bytes, step), HTTP_WHOLE);
        assert_text(buffer_view(&body.content), "abc0123456789");
        assert_int_equal(reading->end, bytes.length - 3);
    }
}

static void a_chunk_size_is_plain_hexadecimal(void **state) {
    static const char *const sizes[] = {
        "0x3", "+3", "3 ", " 3", "", "g", "-3", "3\t", "3 ;x=y", "3;x\x01", "00000000000000003"};
    struct reading *reading = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_body(reading, text_print(&reading->arena, "%s\r\nabc\r\n0\r\n\r\n", sizes[i]),
                    FAULT_BAD_REQUEST);
    }
    assert_body(reading, repeated(reading, "3;", 'x', 300, ""), FAULT_BAD_REQUEST);
}

static void a_chunk_ends_where_it_says_in_crlf(void **state) {
    assert_body(*state, TEXT("3\nabc\r\n0\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_body(*state, TEXT("3\r\nabc\n0\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_body(*state, TEXT("3\r\nabcd\r\n0\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_body(*state, TEXT("3\r\nabc\r\r\n0\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_body(*state, TEXT("0\r\n\n"), FAULT_BAD_REQUEST);
}

static void trailers_are_checked_and_bounded(void **state) {
    struct reading *reading = *state;
    assert_body(reading, TEXT("0\r\nbad trailer\r\n\r\n"), FAULT_BAD_REQUEST);
    assert_body(reading, TEXT("0\r\na: b\n\r\n"), FAULT_BAD_REQUEST);
    reading->limits.header_bytes = 100;
    assert_body(reading, repeated(reading, "0\r\na: ", 'x', 200, ""), FAULT_HEADERS_TOO_LARGE);
}

static void chunks_together_are_limited_like_a_body(void **state) {
    struct reading *reading = *state;
    reading->limits.body_bytes = 5;
    assert_body(reading, TEXT("3\r\nabc\r\n2\r\nab\r\n0\r\n\r\n"), FAULT_NONE);
    assert_body(reading, TEXT("3\r\nabc\r\n3\r\nabc\r\n"), FAULT_PAYLOAD_TOO_LARGE);
    assert_body(reading, TEXT("ffffffffffffffff\r\n"), FAULT_PAYLOAD_TOO_LARGE);
}

#define TEST_CASE(test) cmocka_unit_test_setup_teardown(test, make_reading, drop_reading)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_plain_request_is_understood),
        TEST_CASE(one_empty_line_may_come_first),
        TEST_CASE(every_known_method_is_told_apart),
        TEST_CASE(other_methods_are_not_implemented),
        TEST_CASE(only_http_1_1_and_1_0_are_spoken),
        TEST_CASE(a_request_line_has_three_parts_and_two_spaces),
        TEST_CASE(only_an_origin_form_target_is_taken),
        TEST_CASE(malformed_headers_are_refused),
        TEST_CASE(a_fold_is_refused_wherever_it_stands),
        TEST_CASE(lines_end_in_crlf_and_nothing_else),
        TEST_CASE(there_is_exactly_one_host),
        TEST_CASE(a_length_is_said_once_and_plainly),
        TEST_CASE(a_length_over_the_limit_is_too_large),
        TEST_CASE(chunked_is_the_only_coding),
        TEST_CASE(connection_options_are_a_list),
        TEST_CASE(only_100_continue_can_be_expected),
        TEST_CASE(a_request_id_is_echoed_only_when_it_is_harmless),
        TEST_CASE(a_target_over_the_limit_is_too_long),
        TEST_CASE(headers_over_the_limit_are_too_large),
        TEST_CASE(a_hundred_headers_are_enough),
        TEST_CASE(a_chunked_body_is_put_together_whatever_its_pieces),
        TEST_CASE(a_chunk_size_is_plain_hexadecimal),
        TEST_CASE(a_chunk_ends_where_it_says_in_crlf),
        TEST_CASE(trailers_are_checked_and_bounded),
        TEST_CASE(chunks_together_are_limited_like_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
