/* reply.c: the two answers that nearly everybody gives. */
#include "http/http.h"

void http_reply(struct http_exchange *exchange, int status, struct text json) {
    struct http_answer answer = {.status = status, .body = json};
    http_answer(exchange, &answer);
}

void http_fail(struct http_exchange *exchange, const struct fault *fault, struct text extra) {
    struct http_answer answer = {0};
    http_problem(exchange, fault, extra, &answer);
    http_answer(exchange, &answer);
}
