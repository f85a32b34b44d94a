/* instant.h: instants (microseconds since 1970-01-01T00:00:00Z) and their RFC 3339 form, civil
 * dates, and durations of fixed length. Pure: no clock, no tables of zones. Years 0000..9999. */
#ifndef STATUTE_INSTANT_H
#define STATUTE_INSTANT_H

#include "base/fault.h"

/* A date and time of day with no zone (proleptic Gregorian). */
struct civil {
    int year, month, day;     /* 1..9999, 1..12, 1..31 */
    int hour, minute, second; /* 0..23, 0..59, 0..59 */
    int microsecond;          /* 0..999999 */
};

/* RFC 3339 section 5.6: "2025-10-01T09:00:00.5+05:30", 'T' and 'Z' in either case, a space for 'T'
 * allowed; offset mandatory ("-00:00" is 0), offsets beyond -12:00..+14:00 refused, second 60
 * accepted only as the last second of a UTC June or December month end and read as the next second;
 * over 6 fraction digits are truncated. FAULT_VALIDATION_FAILED says what is wrong. */
bool instant_parse(struct text text, int64_t *instant_us, int *offset_minutes,
                   struct fault *fault) MUST_CHECK;

/* "2025-10-01T09:00:00" or "2025-10-01 09:00[:00[.5]]" without an offset; one with an offset is a
 * fault that says so. */
bool instant_parse_local(struct text text, struct civil *out, struct fault *fault) MUST_CHECK;

/* The instant at which a clock `offset_minutes` east of UTC shows `civil`. */
int64_t instant_of_civil(const struct civil *civil, int offset_minutes);
struct civil instant_to_civil(int64_t instant_us, int offset_minutes);

/* "2025-10-01T03:30:00Z"; the fraction, without trailing zeros, only when it is not zero. With an
 * offset other than 0: "2025-10-01T09:00:00+05:30". Instants outside the years 0000..9999 are
 * clamped. */
#define INSTANT_TEXT 40
struct text instant_print(int64_t instant_us, char out[INSTANT_TEXT]);
struct text instant_print_at(int64_t instant_us, int offset_minutes, char out[INSTANT_TEXT]);

/* Days since 1970-01-01 of a civil date, and whether a date exists. */
int64_t instant_days(int year, int month, int day);
bool instant_is_date(int year, int month, int day);

/* Within the years 0000..9999. */
bool instant_is_writable(int64_t instant_us);

/* A duration of fixed length: "30d", "24h", "5m", "10s", "50ms", sums "1h30m", optional leading
 * '-', or ISO 8601 ("P1DT2H", "PT5M", "P2W"; years and months are refused, as their length varies:
 * span.h). Microseconds; a day is 24 hours. */
bool instant_parse_duration(struct text text, int64_t *out_us, struct fault *fault) MUST_CHECK;

#endif
