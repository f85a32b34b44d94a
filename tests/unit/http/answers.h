/* answers.h: http_reply and http_fail for tests without a server: the last answer is kept. Being
 * defined here, those of reply.c are not linked. */
#ifndef STATUTE_HTTP_ANSWERS_H
#define STATUTE_HTTP_ANSWERS_H

#include "unit/base/check.h"

#include "base/js.h"
#include "http/http.h"

static struct {
    int status;
    enum fault_code code;
    const struct js *body; /* of a fault: its extra members */
    char detail[512];
    _Atomic size_t count; /* counted last: another thread may wait for it */
} answered;

static inline const struct js *answers_parse(struct arena *arena, struct text json) {
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    if (!js_parse(arena, json, &value, &fault)) {
        fail_msg("%s in %.*s", fault.message, TEXT_ARGS(json));
    }
    return value;
}

void http_reply(struct http_exchange *exchange, int status, struct text json) {
    answered.status = status;
    answered.code = FAULT_NONE;
    answered.body = answers_parse(&exchange->arena, json);
    answered.count++;
}

void http_fail(struct http_exchange *exchange, const struct fault *fault, struct text extra) {
    answered.status = fault_status(fault->code);
    answered.code = fault->code;
    answered.body =
        answers_parse(&exchange->arena, text_print(&exchange->arena, "{%.*s}", TEXT_ARGS(extra)));
    snprintf(answered.detail, sizeof answered.detail, "%s", fault->message);
    answered.count++;
}

/* A member of the last answer, as JSON; "absent" when there is none. */
static inline struct text answers_member(struct arena *arena, const struct js *object,
                                         const char *key) {
    const struct js *value = js_find(object, text_of(key));
    return value != NULL ? js_print(arena, value) : TEXT("absent");
}

#endif
