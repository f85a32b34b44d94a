/* tz_rule.h: the footer of a TZif file, which says what a zone does after its last transition: a
 * POSIX TZ string such as "CET-1CEST,M3.5.0,M10.5.0/3" (RFC 9636 section 3.3). Pure. */
#ifndef STATUTE_TZ_RULE_H
#define STATUTE_TZ_RULE_H

#include "base/fault.h"

/* What a zone's clocks show for a while. */
struct tz_type {
    int offset_seconds; /* east of UTC, within TZ_OFFSET_MOST either way */
    bool is_dst;
    char abbreviation[16]; /* "CEST", "+0530" */
};

#define TZ_OFFSET_MOST (26 * 3600 - 1)

enum tz_day_kind {
    TZ_DAY_JULIAN, /* Jn: 1..365, 29 February is never counted */
    TZ_DAY_ZERO,   /* n: 0..365, it is */
    TZ_DAY_WEEK,   /* Mm.w.d: weekday d (0: Sunday) of the w-th week of month m; week 5: the last */
};

struct tz_day {
    enum tz_day_kind kind;
    int day;           /* 1..365, 0..365 or 0..6 */
    int week, month;   /* of TZ_DAY_WEEK */
    int second_of_day; /* by the clock that is in force until then; -167..167 hours */
};

struct tz_rule {
    struct tz_type standard;
    bool has_daylight; /* false: what follows means nothing */
    struct tz_type daylight;
    struct tz_day start, end; /* of daylight */
};

/* FAULT_VALIDATION_FAILED says what is wrong. `extended`: hours of -167..167 (TZif version 3 and
 * later) rather than 0..24. Daylight time without its two days is refused: POSIX leaves open when
 * it would begin. */
bool tz_rule_parse(struct text text, bool extended, struct tz_rule *out,
                   struct fault *fault) MUST_CHECK;

struct tz_event {
    int64_t second; /* since 1970, UTC */
    const struct tz_type *type;
};

/* The two changes of a year, the earlier first; a rule that has daylight only. */
void tz_rule_events(const struct tz_rule *rule, int year, struct tz_event out[2]);

#endif
