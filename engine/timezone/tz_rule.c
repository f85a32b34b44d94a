/* tz_rule.c: see tz_rule.h. A cursor (cursor.h) walks the string. */
#include "timezone/tz_rule.h"

#include "timezone/cursor.h"
#include "timezone/instant.h"

#define DAY_SECONDS 86400

static bool is_letter(char character) {
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z');
}

static bool parse_number(struct cursor *cursor, int least, int most, int *out) {
    int value = 0, digits = 0;
    for (; cursor_is_at_digit(cursor) && digits < 4; digits++) {
        value = value * 10 + (cursor_peek(cursor) - '0');
        cursor->at++;
    }
    *out = value;
    return (digits > 0 && value >= least && value <= most) ||
           cursor_fail(cursor, "a number is missing or out of range");
}

/* --- names and offsets --- */

static bool parse_name(struct cursor *cursor, char out[16]) {
    size_t length = 0;
    bool quoted = cursor_skip(cursor, '<');
    while (is_letter(cursor_peek(cursor)) ||
           (quoted && (cursor_is_at_digit(cursor) || cursor_peek(cursor) == '+' ||
                       cursor_peek(cursor) == '-'))) {
        if (length == 15) {
            return cursor_fail(cursor, "an abbreviation is longer than 15 characters");
        }
        out[length++] = cursor_peek(cursor);
        cursor->at++;
    }
    out[length] = '\0';
    if (quoted && !cursor_skip(cursor, '>')) {
        return cursor_fail(cursor, "a '>' is missing after an abbreviation");
    }
    return length >= 3 || cursor_fail(cursor, "an abbreviation has fewer than 3 characters");
}

/* hh[:mm[:ss]] with an optional sign. */
static bool parse_clock(struct cursor *cursor, int hours_most, int *seconds) {
    int hour, minute = 0, second = 0;
    int sign = cursor_peek(cursor) == '-' ? -1 : 1;
    if (!cursor_skip(cursor, '-')) {
        (void)cursor_skip(cursor, '+');
    }
    if (!parse_number(cursor, 0, hours_most, &hour)) {
        return false;
    }
    if (cursor_skip(cursor, ':')) {
        if (!parse_number(cursor, 0, 59, &minute) ||
            (cursor_skip(cursor, ':') && !parse_number(cursor, 0, 59, &second))) {
            return false;
        }
    }
    *seconds = sign * (hour * 3600 + minute * 60 + second);
    return true;
}

/* POSIX counts west of Greenwich. */
static bool parse_offset(struct cursor *cursor, int *offset_seconds) {
    int west;
    if (!parse_clock(cursor, 24, &west)) {
        return false;
    }
    *offset_seconds = -west;
    return true;
}

/* --- days --- */

static bool parse_week(struct cursor *cursor, struct tz_day *out) {
    out->kind = TZ_DAY_WEEK;
    return parse_number(cursor, 1, 12, &out->month) &&
           (cursor_skip(cursor, '.') || cursor_fail(cursor, "a '.' is missing after a month")) &&
           parse_number(cursor, 1, 5, &out->week) &&
           (cursor_skip(cursor, '.') || cursor_fail(cursor, "a '.' is missing after a week")) &&
           parse_number(cursor, 0, 6, &out->day);
}

static bool parse_date(struct cursor *cursor, struct tz_day *out) {
    if (cursor_skip(cursor, 'M')) {
        return parse_week(cursor, out);
    }
    bool julian = cursor_skip(cursor, 'J');
    out->kind = julian ? TZ_DAY_JULIAN : TZ_DAY_ZERO;
    return parse_number(cursor, julian ? 1 : 0, 365, &out->day);
}

static bool parse_day(struct cursor *cursor, bool extended, struct tz_day *out) {
    if (!cursor_skip(cursor, ',')) {
        return cursor_fail(cursor, "it does not say when daylight time begins and ends");
    }
    out->second_of_day = 2 * 3600;
    if (!parse_date(cursor, out)) {
        return false;
    }
    if (!cursor_skip(cursor, '/')) {
        return true;
    }
    if (!extended && (cursor_peek(cursor) == '-' || cursor_peek(cursor) == '+')) {
        return cursor_fail(cursor, "a time of day with a sign needs version 3 of the format");
    }
    return parse_clock(cursor, extended ? 167 : 24, &out->second_of_day);
}

static bool parse_daylight(struct cursor *cursor, bool extended, struct tz_rule *out) {
    out->has_daylight = true;
    out->daylight.is_dst = true;
    out->daylight.offset_seconds = out->standard.offset_seconds + 3600;
    if (!parse_name(cursor, out->daylight.abbreviation)) {
        return false;
    }
    if (!cursor_is_at_end(cursor) && cursor_peek(cursor) != ',' &&
        !parse_offset(cursor, &out->daylight.offset_seconds)) {
        return false;
    }
    return parse_day(cursor, extended, &out->start) && parse_day(cursor, extended, &out->end);
}

static bool parse_rule(struct cursor *cursor, bool extended, struct tz_rule *out) {
    if (!parse_name(cursor, out->standard.abbreviation) ||
        !parse_offset(cursor, &out->standard.offset_seconds)) {
        return false;
    }
    if (!cursor_is_at_end(cursor) && !parse_daylight(cursor, extended, out)) {
        return false;
    }
    return cursor_is_at_end(cursor) || cursor_fail(cursor, "something follows the end");
}

bool tz_rule_parse(struct text text, bool extended, struct tz_rule *out, struct fault *fault) {
    struct cursor cursor = {.text = text};
    *out = (struct tz_rule){0};
    if (parse_rule(&cursor, extended, out)) {
        return true;
    }
    size_t shown = text.length < 60 ? text.length : 60;
    return fault_set(fault, FAULT_VALIDATION_FAILED, "\"%.*s\" is not a POSIX TZ rule: %s",
                     (int)shown, text.bytes != NULL ? text.bytes : "", cursor.problem);
}

/* --- when --- */

/* 1970-01-01 was a Thursday. 0: Sunday. */
static int weekday_of(int64_t days) {
    int64_t weekday = (days + 4) % 7;
    return (int)(weekday < 0 ? weekday + 7 : weekday);
}

static bool is_leap(int year) {
    return instant_days(year, 3, 1) - instant_days(year, 2, 28) == 2;
}

static int64_t day_of_week(const struct tz_day *day, int year) {
    int next_month = day->month == 12 ? 1 : day->month + 1;
    int64_t first = instant_days(year, day->month, 1);
    int64_t next = instant_days(day->month == 12 ? year + 1 : year, next_month, 1);
    int64_t found = first + (day->day - weekday_of(first) + 7) % 7 + (day->week - 1) * 7;
    return found < next ? found : found - 7;
}

static int64_t days_of(const struct tz_day *day, int year) {
    int64_t first = instant_days(year, 1, 1);
    switch (day->kind) {
    case TZ_DAY_JULIAN:
        return first + day->day - 1 + (day->day >= 60 && is_leap(year) ? 1 : 0);
    case TZ_DAY_ZERO:
        return first + day->day;
    case TZ_DAY_WEEK:
        return day_of_week(day, year);
    }
    return first;
}

static int64_t second_of(const struct tz_day *day, int year, const struct tz_type *until_then) {
    return days_of(day, year) * DAY_SECONDS + day->second_of_day - until_then->offset_seconds;
}

void tz_rule_events(const struct tz_rule *rule, int year, struct tz_event out[2]) {
    struct tz_event start = {second_of(&rule->start, year, &rule->standard), &rule->daylight};
    struct tz_event end = {second_of(&rule->end, year, &rule->daylight), &rule->standard};
    bool start_first = start.second < end.second;
    out[0] = start_first ? start : end;
    out[1] = start_first ? end : start;
}
