/* zone.h: offsets from UTC. An offset is whole minutes east of UTC, -720..840. Pure.
 * Room timezone/: offsets, RFC 3339 (instant), durations (span), IANA zones with their gaps and
 * folds (tz, place). It uses base/, and reads the system's tz database in tz_cache alone. Begin
 * with instant_parse for text, and place for what a zone's clock shows. */
#ifndef STATUTE_ZONE_H
#define STATUTE_ZONE_H

#include "base/fault.h"

#define ZONE_OFFSET_LEAST (-720)
#define ZONE_OFFSET_MOST  840

bool zone_is_offset(int64_t minutes);

/* "IST (UTC+5:30)" for the 33 named offsets of CONTRACT section 3 (name, a space, then "(UTC", the
 * sign, hours without leading zero, ":MM", ")"; offset 0 is "UTC (UTC+0:00)"); any other valid
 * offset "UTC+02:03" or "UTC-02:03", by sign and magnitude (-123 is UTC-02:03); "Invalid"
 * otherwise. Written into `out`. */
struct text zone_offset_name(int64_t minutes, char out[32]);

/* "UTC+05:30", "UTC-02:03", "UTC+00:00"; "Invalid" otherwise. */
struct text zone_offset_string(int64_t minutes, char out[16]);

#endif
