/* tz.h: one IANA zone: when which offset from UTC is in force. Immutable once made, so any thread
 * may read it. tz_cache.h finds zones by name. */
#ifndef STATUTE_TZ_H
#define STATUTE_TZ_H

#include "timezone/tz_rule.h"

struct tz;

/* Decodes a TZif file, version 1 to 4 (RFC 9636): the 64-bit block and the footer where there are.
 * FAULT_VALIDATION_FAILED says what is wrong with the file; one that counts leap seconds ("right/")
 * is refused, as POSIX time does not. */
#define TZ_FILE_MOST ((size_t)256 << 10)
bool tz_decode(struct text bytes, struct tz **out, struct fault *fault) MUST_CHECK;
void tz_free(struct tz *zone);

/* The bytes it was decoded from. Lent. */
struct text tz_bytes(const struct tz *zone);

/* What is in force at an instant. Lent, as long as the zone. */
const struct tz_type *tz_at(const struct tz *zone, int64_t instant_us);

/* In whole minutes, the nearest: zones had odd seconds before 1972, which RFC 3339 cannot write. */
int tz_minutes(const struct tz_type *type);

/* What the zone's clocks show, as microseconds since 1970-01-01T00:00:00 by those clocks (an
 * instant of the same civil time in UTC: instant_to_civil(local, 0)). */
int64_t tz_local(const struct tz *zone, int64_t instant_us);

enum tz_match {
    TZ_ONCE, /* earlier == later */
    TZ_GAP,  /* skipped: read with the offset after the change (earlier) or before it (later) */
    TZ_FOLD, /* comes twice: earlier and later */
};
struct tz_instants {
    enum tz_match match;
    int64_t earlier_us, later_us;
};

/* The instants at which the zone's clocks show `local_us`. */
struct tz_instants tz_instants(const struct tz *zone, int64_t local_us);

/* As in ECMAScript Temporal; compatible: the earlier of a fold, the later of a gap. */
enum tz_disambiguate { TZ_COMPATIBLE, TZ_EARLIER, TZ_LATER, TZ_REJECT };
#define TZ_DISAMBIGUATE_NAMES                                                                      \
    { "compatible", "earlier", "later", "reject" }

/* FAULT_VALIDATION_FAILED, with TZ_REJECT only: says whether it is skipped or comes twice. */
bool tz_instant(const struct tz *zone, int64_t local_us, enum tz_disambiguate way, int64_t *out,
                struct fault *fault) MUST_CHECK;

/* For tests: the instants of its changes, within the years it holds as a table. Lent. */
const int64_t *tz_changes(const struct tz *zone, size_t *count);

#endif
