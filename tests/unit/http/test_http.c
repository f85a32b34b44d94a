/* The protocol: what is answered, in which order, and what is refused. */
#include "unit/http/fixture.h"

/* --- answers --- */

static void a_request_is_answered(void **state) {
    struct server *server = *state;
    struct text answer =
        ask(server, TEXT("POST /a%2F?q HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc"));
    assert_true(text_starts(answer, TEXT("HTTP/1.1 200 OK\r\n")));
    assert_true(text_ends(answer, TEXT("\r\n\r\nPOST /a%2F?q 3 abc\n")));
    assert_true(contains(answer, "\r\nContent-Type: text/plain\r\n"));
    assert_true(contains(answer, "\r\nContent-Length: 19\r\n"));
    assert_true(contains(answer, "\r\nConnection: close\r\n"));
    assert_true(contains(answer, "\r\nDate: "));
    EVENTUALLY(atomic_load(&server->observed) == 1);
}

static void a_request_id_is_echoed_or_made(void **state) {
    struct text answer =
        ask(*state, TEXT("GET / HTTP/1.1\r\n" HOST CLOSE "x-request-ID: mine-1\r\n\r\n"));
    assert_true(contains(answer, "\r\nX-Request-Id: mine-1\r\n"));
    answer = ask(*state, TEXT("GET / HTTP/1.1\r\n" HOST CLOSE "X-Request-Id: a b\r\n\r\n"));
    assert_true(contains(answer, "\r\nX-Request-Id: a b\r\n"));
    answer = ask(*state, TEXT("GET / HTTP/1.1\r\n" HOST CLOSE "X-Request-Id: a\tb\r\n\r\n"));
    const char *made = memmem(answer.bytes, answer.length, "X-Request-Id: ", 14);
    assert_non_null(made);
    assert_int_equal(made[14 + 14], '7');
    assert_int_equal(made[14 + 36], '\r');
    answer =
        ask(*state, TEXT("GET / HTTP/1.1\r\n" HOST "X-Request-Id: bad-1\r\nExpect: tea\r\n\r\n"));
    assert_true(contains(answer, "\r\nX-Request-Id: bad-1\r\n"));
    assert_true(contains(answer, "\"request_id\":\"bad-1\""));
}

static void a_head_is_answered_like_a_get_without_a_body(void **state) {
    struct text answer = ask(*state, TEXT("HEAD /a HTTP/1.1\r\n" HOST "\r\n"
                                          "GET /b HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_true(contains(answer, "\r\nContent-Length: 11\r\n"));
    assert_int_equal(count_of(answer, "HEAD /a"), 0);
    assert_int_equal(count_of(answer, "\r\n\r\nHTTP/1.1 200 OK\r\n"), 1);
    assert_true(text_ends(answer, TEXT("GET /b 0 \n")));
}

static void a_refused_head_has_no_body(void **state) {
    struct text answer = ask(*state, TEXT("HEAD /a HTTP/1.1\r\n\r\n"));
    assert_true(text_starts(answer, TEXT("HTTP/1.1 400 Bad Request\r\n")));
    assert_true(text_ends(answer, TEXT("\r\n\r\n")));
}

static void a_204_has_neither_body_nor_length(void **state) {
    struct text answer = ask(*state, TEXT("GET /none HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_true(text_starts(answer, TEXT("HTTP/1.1 204 No Content\r\n")));
    assert_true(text_ends(answer, TEXT("\r\n\r\n")));
    assert_false(contains(answer, "Content-"));
}

static void a_header_that_would_end_its_line_is_left_out(void **state) {
    struct text answer = ask(*state, TEXT("GET /inject HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_true(contains(answer, "\r\nContent-Type: application/json\r\n"));
    assert_true(contains(answer, "\r\nX-Good: c\r\n"));
    assert_false(contains(answer, "X-Evil") || contains(answer, "X-Bad"));
}

static void a_large_answer_arrives_whole(void **state) {
    struct text answer = ask(*state, TEXT("GET /big HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    const char *body = memmem(answer.bytes, answer.length, "\r\n\r\n", 4);
    assert_int_equal(answer.bytes + answer.length - body - 4, BIG_BYTES);
}

static void an_answer_may_come_from_another_thread(void **state) {
    struct text answer = ask(*state, TEXT("GET /later HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_true(text_ends(answer, TEXT("GET /later 0 \n")));
}

/* --- connections --- */

static void a_connection_is_kept_for_the_next_request(void **state) {
    struct server *server = *state;
    int client = dial(server);
    for (int i = 0; i < 3; i++) {
        say(client, TEXT("GET /x HTTP/1.1\r\n" HOST "\r\n"));
        struct text answer = hear_until(server, client, "GET /x 0 \n");
        assert_false(contains(answer, "Connection:"));
    }
    close(client);
    assert_int_equal(http_counts(server->http).connections_total, 1);
    assert_int_equal(http_counts(server->http).requests_total, 3);
    EVENTUALLY(http_counts(server->http).connections_open == 0);
}

static void http_1_0_is_closed_unless_it_asks_to_be_kept(void **state) {
    struct text answer = ask(*state, TEXT("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                                          "GET /b HTTP/1.0\r\n\r\nGET /c HTTP/1.0\r\n\r\n"));
    assert_true(contains(answer, "\r\nConnection: keep-alive\r\n"));
    assert_true(contains(answer, "\r\nConnection: close\r\n"));
    assert_true(text_ends(answer, TEXT("GET /b 0 \n")));
}

static void pipelined_requests_are_answered_in_order(void **state) {
    struct server *server = *state;
    struct buffer asked;
    buffer_init(&asked, &server->arena);
    for (int i = 0; i < 500; i++) {
        buffer_print(&asked, "POST /%s%d HTTP/1.1\r\n" HOST "%sContent-Length: 2\r\n\r\nab",
                     i % 3 == 0 ? "later" : "", i, i == 499 ? CLOSE : "");
    }
    struct text answer = ask(server, buffer_view(&asked));
    for (int i = 0; i < 500; i++) {
        char line[64];
        snprintf(line, sizeof line, "\r\n\r\nPOST /%s%d 2 ab\n", i % 3 == 0 ? "later" : "", i);
        const char *found = memmem(answer.bytes, answer.length, line, strlen(line));
        assert_non_null(found);
        size_t past = (size_t)(found - answer.bytes) + strlen(line);
        answer = (struct text){answer.bytes + past, answer.length - past};
    }
    assert_int_equal(answer.length, 0);
}

static void earlier_answers_go_out_before_a_refusal(void **state) {
    struct text answer = ask(*state, TEXT("GET /later HTTP/1.1\r\n" HOST "\r\n"
                                          "GET /b HTTP/1.1\r\n" HOST "\r\n"
                                          "GET //evil HTTP/1.1\r\n" HOST "\r\n"
                                          "GET /never HTTP/1.1\r\n" HOST "\r\n"));
    const char *later = memmem(answer.bytes, answer.length, "GET /later 0", 12);
    const char *second = memmem(answer.bytes, answer.length, "GET /b 0", 8);
    const char *refusal = memmem(answer.bytes, answer.length, "HTTP/1.1 400", 12);
    assert_true(later != NULL && later < second && second < refusal);
    assert_false(contains(answer, "never"));
}

static void nothing_is_read_after_the_last_request(void **state) {
    struct text answer = ask(*state, TEXT("GET /a HTTP/1.1\r\n" HOST CLOSE "\r\n"
                                          "GET /b HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(text_ends(answer, TEXT("GET /a 0 \n")));
    assert_int_equal(atomic_load(&((struct server *)*state)->handled), 1);
}

static void a_client_may_close_its_side_and_still_be_answered(void **state) {
    struct server *server = *state;
    int client = dial(server);
    say(client, TEXT("GET /later HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\nGET /par"));
    shutdown(client, SHUT_WR);
    struct text answer = hear_all(server, client);
    assert_true(contains(answer, "GET /later 0 \n"));
    assert_true(text_ends(answer, TEXT("GET /b 0 \n")));
}

/* --- bodies --- */

static void a_chunked_body_is_put_together(void **state) {
    struct text answer =
        ask(*state, TEXT("POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
                         "GET /b HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_true(contains(answer, "\r\n\r\nPOST /a 5 abcde\n"));
    assert_true(text_ends(answer, TEXT("GET /b 0 \n")));
}

static void the_body_of_a_head_or_get_is_not_taken_for_a_request(void **state) {
    struct text answer =
        ask(*state, TEXT("HEAD /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /"
                         "GET /b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /"
                         "GET /c HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    assert_int_equal(count_of(answer, "HTTP/1.1 200 OK"), 3);
    assert_true(text_ends(answer, TEXT("GET /c 0 \n")));
}

static void a_body_as_large_as_allowed_is_taken(void **state) {
    struct server *server = *state;
    struct text body = {big_body().bytes, 1 << 20};
    int client = dial(server);
    say(client, TEXT("POST /a HTTP/1.1\r\n" HOST CLOSE "Content-Length: 1048576\r\n\r\n"));
    say(client, body);
    assert_true(contains(hear_all(server, client), "POST /a 1048576 bbb"));
}

/* Cut in two at every byte, and byte by byte. */
static void pieces_make_no_difference(void **state) {
    struct server *server = *state;
    struct text bytes = TEXT("POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                             "3\r\nabc\r\n0\r\n\r\n"
                             "POST /b HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc");
    for (size_t cut = 0; cut < bytes.length; cut++) {
        int client = dial(server);
        say(client, (struct text){bytes.bytes, cut});
        usleep(300);
        say(client, (struct text){bytes.bytes + cut, bytes.length - cut});
        struct text answer = hear_all(server, client);
        assert_int_equal(count_of(answer, "HTTP/1.1 200 OK"), 2);
        assert_true(contains(answer, "POST /a 3 abc\n"));
        assert_true(text_ends(answer, TEXT("POST /b 3 abc\n")));
    }
    int client = dial(server);
    for (size_t i = 0; i < bytes.length; i++) {
        say(client, (struct text){bytes.bytes + i, 1});
        usleep(100);
    }
    assert_true(text_ends(hear_all(server, client), TEXT("POST /b 3 abc\n")));
}

/* --- what is refused --- */

struct refused {
    const char *what;
    struct text bytes;
    int status;
    const char *code;
};
#define REFUSED(what, literal, status, code)                                                       \
    { what, {literal, sizeof(literal) - 1}, status, code }
#define GET   "GET /a HTTP/1.1\r\n"
#define POST  "POST /a HTTP/1.1\r\n" HOST
#define INNER "GET /inner HTTP/1.1\r\n" HOST "\r\n"

static const struct refused malformed[] = {
    REFUSED("both framings",
            POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" INNER, 400,
            "bad_request"),
    REFUSED("a list of codings", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" INNER,
            400, "bad_request"),
    REFUSED("an unknown coding", POST "Transfer-Encoding: x\r\n\r\n" INNER, 400, "bad_request"),
    REFUSED("two lengths", POST "Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc" INNER, 400,
            "bad_request"),
    REFUSED("a space before the colon", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" INNER,
            400, "bad_request"),
    REFUSED("a length with a sign", POST "Content-Length: +3\r\n\r\nabc" INNER, 400, "bad_request"),
    REFUSED("a chunk size 0x3",
            POST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" INNER, 400,
            "bad_request"),
    REFUSED("a chunk size +3",
            POST "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n" INNER, 400,
            "bad_request"),
    REFUSED("a chunk size with a space",
            POST "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n" INNER, 400,
            "bad_request"),
    REFUSED("a bare LF in chunks",
            POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n" INNER, 400, "bad_request"),
    REFUSED("a chunk longer than it says",
            POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n" INNER, 400,
            "bad_request"),
    REFUSED("a bare LF", "GET /a HTTP/1.1\nHost: a\n\n", 400, "bad_request"),
    REFUSED("a bare CR", GET HOST "a: b\rc\r\n\r\n", 400, "bad_request"),
    REFUSED("a fold", GET HOST "a: b\r\n c\r\n\r\n", 400, "bad_request"),
    REFUSED("an empty header name", GET HOST ": b\r\n\r\n", 400, "bad_request"),
    REFUSED("a bad header name", GET HOST "a b: c\r\n\r\n", 400, "bad_request"),
    REFUSED("a NUL in a value", GET HOST "a: b\0c\r\n\r\n", 400, "bad_request"),
    REFUSED("no Host", GET "\r\n", 400, "bad_request"),
    REFUSED("two Hosts", GET HOST HOST "\r\n", 400, "bad_request"),
    REFUSED("//evil", "GET //evil/a HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    REFUSED("the absolute form", "GET http://evil/a HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    REFUSED("the asterisk form", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    REFUSED("HTTP/0.9", "GET /a\r\n\r\n", 400, "bad_request"),
    REFUSED("something else altogether", "\x16\x03\x01 hello\r\n", 400, "bad_request"),
    REFUSED("HTTP/1.2", "GET /a HTTP/1.2\r\n" HOST "\r\n", 505, "http_version_not_supported"),
    REFUSED("an unknown method", "BREW /a HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"),
    REFUSED("TRACE", "TRACE /a HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"),
    REFUSED("an unknown expectation", POST "Expect: tea\r\nContent-Length: 3\r\n\r\nabc", 417,
            "expectation_failed"),
    REFUSED("a large declared body", POST "Content-Length: 1048577\r\n\r\n", 413,
            "payload_too_large"),
    REFUSED("a large chunk", POST "Transfer-Encoding: chunked\r\n\r\n100001\r\n", 413,
            "payload_too_large"),
};

static void what_is_not_http_is_refused_and_closed(void **state) {
    struct server *server = *state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        const struct refused *refused = &malformed[i];
        bool goes_on = text_starts(refused->bytes, TEXT("\x16"));
        struct text answer =
            goes_on ? ask(server, text_print(&server->arena, "%.*s\r\n", TEXT_ARGS(refused->bytes)))
                    : ask(server, refused->bytes);
        if (contains(answer, "/inner")) {
            fail_msg("a request was smuggled in by %s", refused->what);
        }
        assert_refusal(answer, refused->status, refused->code);
    }
    assert_int_equal(atomic_load(&server->handled), 0);
    assert_true(http_counts(server->http).refused_malformed >= 20);
}

static struct text repeated(struct server *server, const char *before, size_t count) {
    struct buffer buffer;
    buffer_init(&buffer, &server->arena);
    buffer_add_text(&buffer, text_of(before));
    for (size_t i = 0; i < count; i++) {
        buffer_add_char(&buffer, 'x');
    }
    return buffer_view(&buffer);
}

static void what_is_too_large_is_refused_before_it_is_whole(void **state) {
    struct server *server = *state;
    assert_refusal(ask(server, repeated(server, "GET /", 2 << 20)), 414, "uri_too_long");
    assert_refusal(ask(server, repeated(server, GET HOST "a: ", 2 << 20)), 431,
                   "headers_too_large");
    struct buffer many;
    buffer_init(&many, &server->arena);
    buffer_add_text(&many, TEXT(GET HOST));
    for (int i = 0; i < 100000; i++) {
        buffer_print(&many, "h%d: x\r\n", i);
    }
    assert_refusal(ask(server, buffer_view(&many)), 431, "headers_too_large");
    assert_refusal(ask(server, repeated(server, POST "Content-Length: 20971520\r\n\r\n", 20 << 20)),
                   413, "payload_too_large");
    assert_int_equal(atomic_load(&server->handled), 0);
}

static void chunks_that_add_up_are_refused(void **state) {
    struct server *server = *state;
    struct buffer asked;
    buffer_init(&asked, &server->arena);
    buffer_add_text(&asked, TEXT(POST "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 40; i++) {
        buffer_add_text(&asked, TEXT("8000\r\n"));
        buffer_add(&asked, big_body().bytes, 0x8000);
        buffer_add_text(&asked, TEXT("\r\n"));
    }
    assert_refusal(ask(server, buffer_view(&asked)), 413, "payload_too_large");
}

/* --- admission and Expect --- */

static int serve_with_admission(void **state) {
    static struct server server;
    server = (struct server){.with_admission = true};
    struct http_options options = plain_options(&server);
    serve(&server, &options);
    *state = &server;
    return 0;
}

static void a_body_is_read_only_after_admission(void **state) {
    struct server *server = *state;
    int client = dial(server);
    say(client, TEXT(POST "Content-Length: 1000000\r\n\r\n"));
    struct text answer = hear_all(server, client);
    assert_refusal(answer, 401, "unauthenticated");
    assert_true(contains(answer, "\r\nWWW-Authenticate: Bearer\r\n"));
    answer = ask(server, TEXT(POST CLOSE "Authorization: x\r\nContent-Length: 3\r\n\r\nabc"));
    assert_true(contains(answer, "POST /a 3 abc\n"));
    answer = ask(server, TEXT(GET HOST CLOSE "\r\n"));
    assert_true(contains(answer, "GET /a 0 \n"));
    assert_int_equal(atomic_load(&server->admissions), 2);
}

static void no_continue_is_sent_without_admission(void **state) {
    struct text answer =
        ask(*state, TEXT(POST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    assert_refusal(answer, 401, "unauthenticated");
}

static void an_admitted_body_is_sent_for_once(void **state) {
    struct server *server = *state;
    int client = dial(server);
    say(client, TEXT(POST CLOSE "Authorization: x\r\nContent-Length: 3\r\n"
                                "Expect: 100-continue\r\n\r\n"));
    assert_true(
        text_equal(hear_until(server, client, "\r\n\r\n"), TEXT("HTTP/1.1 100 Continue\r\n\r\n")));
    say(client, TEXT("abc"));
    struct text answer = hear_all(server, client);
    assert_true(text_starts(answer, TEXT("HTTP/1.1 200 OK\r\n")));
    assert_true(text_ends(answer, TEXT("POST /a 3 abc\n")));
}

static void without_admission_continue_is_sent_at_once(void **state) {
    struct server *server = *state;
    int client = dial(server);
    say(client, TEXT(POST CLOSE "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"));
    hear_until(server, client, "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, TEXT("1\r\na\r\n0\r\n\r\n"));
    assert_int_equal(count_of(hear_all(server, client), "HTTP/1.1 "), 1);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, serve_plainly, stop_serving)
#define ADMIT(test) cmocka_unit_test_setup_teardown(test, serve_with_admission, stop_serving)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLAIN(a_request_is_answered),
        PLAIN(a_request_id_is_echoed_or_made),
        PLAIN(a_head_is_answered_like_a_get_without_a_body),
        PLAIN(a_refused_head_has_no_body),
        PLAIN(a_204_has_neither_body_nor_length),
        PLAIN(a_header_that_would_end_its_line_is_left_out),
        PLAIN(a_large_answer_arrives_whole),
        PLAIN(an_answer_may_come_from_another_thread),
        PLAIN(a_connection_is_kept_for_the_next_request),
        PLAIN(http_1_0_is_closed_unless_it_asks_to_be_kept),
        PLAIN(pipelined_requests_are_answered_in_order),
        PLAIN(earlier_answers_go_out_before_a_refusal),
        PLAIN(nothing_is_read_after_the_last_request),
        PLAIN(a_client_may_close_its_side_and_still_be_answered),
        PLAIN(a_chunked_body_is_put_together),
        PLAIN(the_body_of_a_head_or_get_is_not_taken_for_a_request),
        PLAIN(a_body_as_large_as_allowed_is_taken),
        PLAIN(pieces_make_no_difference),
        PLAIN(what_is_not_http_is_refused_and_closed),
        PLAIN(what_is_too_large_is_refused_before_it_is_whole),
        PLAIN(chunks_that_add_up_are_refused),
        ADMIT(a_body_is_read_only_after_admission),
        ADMIT(no_continue_is_sent_without_admission),
        ADMIT(an_admitted_body_is_sent_for_once),
        PLAIN(without_admission_continue_is_sent_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
