/* listing.h: what a list of entities asks for. */
#ifndef STATUTE_API_LISTING_H
#define STATUTE_API_LISTING_H

#include "api/route.h"

struct listing {
    struct store_where where;
    struct store_page page;
    struct text state;
    bool count; /* how many there are in all is asked for too */
};

/* Reads the query of a list of the machine that the path names; `out` stays where it is. A
 * parameter that is none of the list's own is the name of a field. FAULT_UNKNOWN_MACHINE,
 * FAULT_BAD_REQUEST.
 */
bool listing_read(struct call *call, const struct generation *generation, struct listing *out,
                  struct fault *fault) MUST_CHECK;

/* order=oldest|newest; *newest stays as it is when there is none. */
bool listing_order(struct call *call, bool *newest, struct fault *fault) MUST_CHECK;

/* An instant, RFC 3339; *out stays as it is when there is none. */
bool listing_instant(struct call *call, const char *name, int64_t *out,
                     struct fault *fault) MUST_CHECK;

/* true or false; *out stays as it is when there is none. */
bool listing_bool(struct call *call, const char *name, bool *out, struct fault *fault) MUST_CHECK;

#endif
