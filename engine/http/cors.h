/* cors.h: the origins whose pages may call this server (Fetch Standard, CORS protocol). Set once,
 * then only read. */
#ifndef STATUTE_CORS_H
#define STATUTE_CORS_H

#include "http/http.h"

struct cors;

/* "https://a.example,http://localhost:3000"; an empty list gives NULL: none. FAULT_USAGE names what
 * is no origin and says how to write it. */
bool cors_new(struct text list, struct cors **out, struct fault *fault) MUST_CHECK;
void cors_free(struct cors *cors); /* NULL is fine */

bool cors_allows(const struct cors *cors, struct text origin); /* NULL allows none */

/* Whether this asks for leave to call (an OPTIONS that a browser sends by itself). */
bool cors_is_preflight(const struct http_exchange *exchange);

/* Answers that with the methods that the path takes, "GET, HEAD". */
void cors_permit(struct http_exchange *exchange, struct text methods);

/* Adds what lets a page read the answer, errors too. Nothing when `cors` is NULL. */
void cors_finish(const struct cors *cors, const struct http_exchange *exchange,
                 struct http_answer *answer);

#endif
