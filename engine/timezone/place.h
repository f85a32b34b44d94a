/* place.h: where a clock hangs, as callers name it: an offset from UTC or an IANA zone. Pure. */
#ifndef STATUTE_PLACE_H
#define STATUTE_PLACE_H

#include "timezone/instant.h"
#include "timezone/tz.h"

struct place {
    const struct tz *zone; /* NULL: the offset counts. Lent */
    int offset_minutes;
};

#define PLACE_UTC ((struct place){NULL, 0})

/* What the clocks show, as in tz_local. */
int64_t place_local(struct place place, int64_t instant_us);

/* Whole minutes east of UTC at that instant, the nearest (tz_minutes). */
int place_minutes(struct place place, int64_t instant_us);

/* The instant at which they show it. FAULT_VALIDATION_FAILED: TZ_REJECT in a gap or fold; or an
 * instant outside of the years 0000..9999. */
bool place_instant(struct place place, int64_t local_us, enum tz_disambiguate way, int64_t *out,
                   struct fault *fault) MUST_CHECK;

/* Whether both the instant and what the clocks show lie in the years 0000..9999. */
bool place_shows(struct place place, int64_t instant_us);

/* RFC 3339 with the offset in force. Where that has odd seconds, the nearest one in minutes is
 * written and the time goes with it, so that the instant is exact (RFC 3339 section 5.8). */
struct text place_print(struct place place, int64_t instant_us, char out[INSTANT_TEXT]);

/* The calendar date there, "2025-10-01". */
struct text place_date(struct place place, int64_t instant_us, char out[INSTANT_TEXT]);

#endif
