/* answers.h: call_ok and call_fail for tests that call a handler without a server, as in
 * unit/http/answers.h. Being defined here, those of route.c are not linked. */
#ifndef STATUTE_API_ANSWERS_H
#define STATUTE_API_ANSWERS_H

#include "unit/http/answers.h"

#include "api/route.h"

void call_ok(struct http_exchange *exchange, int status, struct text json) {
    http_reply(exchange, status, json);
}

void call_fail(struct http_exchange *exchange, const struct fault *fault, struct text extra) {
    http_fail(exchange, fault, extra);
}

#endif
