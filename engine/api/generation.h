/* generation.h: what the calls share that only need the policies in force: they answer at once,
 * on the HTTP thread. */
#ifndef STATUTE_API_GENERATION_H
#define STATUTE_API_GENERATION_H

#include "api/route.h"

/* A reference to the generation in force; NULL, and the call is answered 503, when there is none.
 */
struct generation *call_generation(struct call *call);

/* Whether If-None-Match (RFC 9110 section 13.1.2) names the tag: then the answer is 304. */
bool call_has_tag(const struct call *call, struct text tag);

/* Answers 200 with the generation's name as ETag, or 304 when the caller has it already
 * (If-None-Match, RFC 9110 section 13.1.2). `content_type` TEXT_NONE: JSON. */
void answer_generation(struct call *call, const struct generation *generation,
                       struct text content_type, struct text body);

#endif
