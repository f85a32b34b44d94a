/* problem.h: problem details (RFC 9457) for whoever has no exchange to answer with.
 * Private to http/; handlers use http_problem. */
#ifndef STATUTE_HTTP_PROBLEM_H
#define STATUTE_HTTP_PROBLEM_H

#include "http/http.h"

/* A problem as a whole answer, status line and all, that ends its connection. `with_body` is false
 * for HEAD. Uses the exchange's arena and request_id, and nothing else of it. */
struct text http_problem_bytes(struct http_exchange *exchange, const struct http_answer *answer,
                               int64_t wall_us, bool with_body);

/* "Not Found": the reason phrase of a status. Never NULL. */
const char *http_problem_reason(int status);

#endif
