/* span.h: durations that count by the calendar: years and months, weeks and days, and exact time.
 * Pure. Arithmetic is that of ECMAScript Temporal: years and months first, where a day that the
 * month does not have becomes its last, then days, all as the clocks of a place show them; then
 * exact time. So a day is from noon to noon, 23 or 25 hours when the clocks change between. */
#ifndef STATUTE_SPAN_H
#define STATUTE_SPAN_H

#include "timezone/place.h"

/* All of one sign. */
struct span {
    int64_t months, days, us;
};

/* ISO 8601: "P1Y2M3W4DT5H6M7.5S", each unit once and in this order, some may be absent; fractions
 * of seconds only, truncated to microseconds. Or short: "1d2h3m4s5ms". A leading '-' is allowed.
 * FAULT_VALIDATION_FAILED. */
bool span_parse(struct text text, struct span *out, struct fault *fault) MUST_CHECK;

/* "P1Y2M3DT4H5M6.5S", "-P1D", "PT0S". */
#define SPAN_TEXT 96
struct text span_print(const struct span *span, char out[SPAN_TEXT]);

/* FAULT_VALIDATION_FAILED: the result is outside of the years 0000..9999. */
bool span_add(struct place place, int64_t instant_us, const struct span *span, int64_t *out,
              struct fault *fault) MUST_CHECK;

/* The most months, then days, that do not go past `to`, and the rest: added to `from` at the same
 * place it gives `to` again. Both within the years 0000..9999. */
struct span span_between(struct place place, int64_t from_us, int64_t to_us);

#endif
