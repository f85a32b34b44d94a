/* gate.h: what stands before every call, whatever it does: from which page it comes, and how often
 * its caller calls; and the headers that every answer has. HTTP threads. */
#ifndef STATUTE_GATE_H
#define STATUTE_GATE_H

#include "api/route.h"

/* FAULT_PERMISSION_DENIED: a page of another site (RFC 6454) that is not among --cors-origin; or,
 * where everybody is believed, a Host that could be another site's. */
bool gate_origin(const struct call *call, struct fault *fault) MUST_CHECK;

/* Counts the call: by its key when the caller is known by one, else by address. False, with
 * FAULT_RATE_LIMITED, when it is one too many. The exchange must have its peer. */
bool gate_count(struct call *call, bool is_known, struct fault *fault) MUST_CHECK;

/* http_finisher of the service. */
void gate_finish(void *context, struct http_exchange *exchange, struct http_answer *answer);

/* Counts a wrong key or token against the address that it came from, whose right ones are not
 * counted, nor ever refused: FAULT_RATE_LIMITED when there were too many. */
bool gate_count_guess(struct call *call, struct fault *fault) MUST_CHECK;

#endif
