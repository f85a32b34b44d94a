/* instant.c: the calendar, and the parsers of datetimes and durations.
 *
 * Dates become day numbers by Howard Hinnant's algorithms ("chrono-Compatible Low-Level Date
 * Algorithms"): years run from March, so that the leap day is the last of its year, and eras of
 * 400 years repeat exactly. Parsers walk a cursor (cursor.h). */
#include "timezone/instant.h"

#include "timezone/cursor.h"
#include "timezone/span.h"
#include "timezone/zone.h"

#define SECOND_US     INT64_C(1000000)
#define MINUTE_US     (60 * SECOND_US)
#define HOUR_US       (60 * MINUTE_US)
#define DAY_US        (24 * HOUR_US)

#define INSTANT_LEAST (INT64_C(-719528) * DAY_US)     /* 0000-01-01T00:00:00Z */
#define INSTANT_MOST  (INT64_C(2932897) * DAY_US - 1) /* the last microsecond of year 9999 */

/* --- the calendar --- */

static bool is_leap_year(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool instant_is_date(int year, int month, int day) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    return day <= lengths[month - 1] + (month == 2 && is_leap_year(year) ? 1 : 0);
}

int64_t instant_days(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, struct civil *out) {
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    out->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    out->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    out->year = (int)(year_of_era + era * 400 + (out->month <= 2 ? 1 : 0));
}

int64_t instant_of_civil(const struct civil *civil, int offset_minutes) {
    int64_t days = instant_days(civil->year, civil->month, civil->day);
    return days * DAY_US + civil->hour * HOUR_US + (civil->minute - offset_minutes) * MINUTE_US +
           civil->second * SECOND_US + civil->microsecond;
}

static int64_t clamp(int64_t instant_us) {
    if (instant_us < INSTANT_LEAST) {
        return INSTANT_LEAST;
    }
    return instant_us > INSTANT_MOST ? INSTANT_MOST : instant_us;
}

struct civil instant_to_civil(int64_t instant_us, int offset_minutes) {
    int64_t local_us = clamp(clamp(instant_us) + offset_minutes * MINUTE_US);
    int64_t days = (local_us >= 0 ? local_us : local_us - (DAY_US - 1)) / DAY_US;
    int64_t rest = local_us - days * DAY_US;
    struct civil civil;
    date_of_days(days, &civil);
    civil.hour = (int)(rest / HOUR_US);
    civil.minute = (int)(rest / MINUTE_US % 60);
    civil.second = (int)(rest / SECOND_US % 60);
    civil.microsecond = (int)(rest % SECOND_US);
    return civil;
}

/* --- printing --- */

/* Each returns where it stopped. Every audit record has a time: printf() took ten times as long. */
static char *put_mark(char *out, char mark) {
    *out = mark;
    return out + 1;
}

static char *put_digits(char *out, int value, int width) {
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

static char *put_date(char *out, const struct civil *civil) {
    out = put_mark(put_digits(out, civil->year, 4), '-');
    out = put_mark(put_digits(out, civil->month, 2), '-');
    return put_digits(out, civil->day, 2);
}

static char *put_time(char *out, const struct civil *civil) {
    out = put_mark(put_digits(out, civil->hour, 2), ':');
    out = put_mark(put_digits(out, civil->minute, 2), ':');
    return put_digits(out, civil->second, 2);
}

static char *put_fraction(char *out, int microsecond) {
    if (microsecond == 0) {
        return out;
    }
    out = put_digits(put_mark(out, '.'), microsecond, 6);
    while (out[-1] == '0') {
        out--;
    }
    return out;
}

static char *put_offset(char *out, int offset_minutes) {
    if (offset_minutes == 0) {
        return put_mark(out, 'Z');
    }
    int magnitude = offset_minutes < 0 ? -offset_minutes : offset_minutes;
    out = put_digits(put_mark(out, offset_minutes < 0 ? '-' : '+'), magnitude / 60, 2);
    return put_digits(put_mark(out, ':'), magnitude % 60, 2);
}

struct text instant_print_at(int64_t instant_us, int offset_minutes, char out[INSTANT_TEXT]) {
    struct civil at = instant_to_civil(instant_us, offset_minutes);
    char *end = put_time(put_mark(put_date(out, &at), 'T'), &at);
    end = put_offset(put_fraction(end, at.microsecond), offset_minutes);
    return (struct text){out, (size_t)(end - out)};
}

struct text instant_print(int64_t instant_us, char out[INSTANT_TEXT]) {
    return instant_print_at(instant_us, 0, out);
}

/* --- parsing datetimes --- */

static bool parse_digits(struct cursor *cursor, int count, int *out) {
    *out = 0;
    for (int i = 0; i < count; i++) {
        if (!cursor_is_at_digit(cursor)) {
            return false;
        }
        *out = *out * 10 + (cursor_peek(cursor) - '0');
        cursor->at++;
    }
    return true;
}

static bool parse_date(struct cursor *cursor, struct civil *out) {
    if (!parse_digits(cursor, 4, &out->year) || !cursor_skip(cursor, '-') ||
        !parse_digits(cursor, 2, &out->month) || !cursor_skip(cursor, '-') ||
        !parse_digits(cursor, 2, &out->day)) {
        return cursor_fail(cursor, "it does not begin with a date such as 2025-10-01");
    }
    if (!instant_is_date(out->year, out->month, out->day)) {
        return cursor_fail(cursor, "there is no such date in the years 0000 to 9999");
    }
    return true;
}

static bool parse_separator(struct cursor *cursor) {
    if (cursor_skip(cursor, 'T') || cursor_skip(cursor, 't') || cursor_skip(cursor, ' ')) {
        return true;
    }
    return cursor_fail(cursor, "the date is not followed by 'T' and a time of day");
}

static bool parse_fraction(struct cursor *cursor, int *microsecond) {
    int scale = 100000;
    size_t start = cursor->at;
    *microsecond = 0;
    for (; cursor_is_at_digit(cursor); cursor->at++) {
        *microsecond += (cursor_peek(cursor) - '0') * scale;
        scale /= 10;
    }
    return cursor->at > start || cursor_fail(cursor, "there are no digits after the '.'");
}

static bool parse_seconds(struct cursor *cursor, struct civil *out) {
    if (!parse_digits(cursor, 2, &out->second)) {
        return cursor_fail(cursor, "the seconds are not two digits");
    }
    return !cursor_skip(cursor, '.') || parse_fraction(cursor, &out->microsecond);
}

static bool parse_hour_minute(struct cursor *cursor, struct civil *out) {
    if (!parse_digits(cursor, 2, &out->hour) || !cursor_skip(cursor, ':') ||
        !parse_digits(cursor, 2, &out->minute)) {
        return cursor_fail(cursor,
                           "the time of day does not begin with hours and minutes such as 09:00");
    }
    if (out->hour > 23 || out->minute > 59) {
        return cursor_fail(cursor, "there is no such time of day");
    }
    return true;
}

static bool parse_offset_digits(struct cursor *cursor, int sign, int *offset_minutes) {
    int hours, minutes;
    if (!parse_digits(cursor, 2, &hours) || !cursor_skip(cursor, ':') ||
        !parse_digits(cursor, 2, &minutes) || minutes > 59) {
        return cursor_fail(cursor, "the offset is not 'Z' or hours and minutes such as +05:30");
    }
    *offset_minutes = sign * (hours * 60 + minutes);
    return zone_is_offset(*offset_minutes) ||
           cursor_fail(cursor, "the offset is not between -12:00 and +14:00");
}

static bool parse_offset(struct cursor *cursor, int *offset_minutes) {
    *offset_minutes = 0;
    if (cursor_skip(cursor, 'Z') || cursor_skip(cursor, 'z')) {
        return true;
    }
    if (cursor_is_at_end(cursor)) {
        return cursor_fail(cursor, "the offset from UTC is missing, such as Z or +05:30");
    }
    int sign = cursor_peek(cursor) == '-' ? -1 : 1;
    if (!cursor_skip(cursor, '+') && !cursor_skip(cursor, '-')) {
        return cursor_fail(cursor,
                           "the time of day is followed by something that is not an offset");
    }
    return parse_offset_digits(cursor, sign, offset_minutes);
}

static bool parse_end(struct cursor *cursor) {
    return cursor_is_at_end(cursor) || cursor_fail(cursor, "something follows the end");
}

/* RFC 3339 section 5.7: leap seconds come at the end of a month in UTC, and so far only of these
 * two. We have no table of those that were, so every one that could be is accepted. */
static bool is_leap_second(int64_t second_59_us) {
    struct civil utc = instant_to_civil(second_59_us, 0);
    bool month_end = (utc.month == 6 && utc.day == 30) || (utc.month == 12 && utc.day == 31);
    return month_end && utc.hour == 23 && utc.minute == 59;
}

static bool resolve(struct cursor *cursor, struct civil *civil, int offset_minutes, int64_t *out) {
    bool leap = civil->second == 60;
    if (leap) {
        civil->second = 59;
    }
    int64_t instant_us = instant_of_civil(civil, offset_minutes);
    if (civil->second > 59 || (leap && !is_leap_second(instant_us))) {
        return cursor_fail(cursor, "there is no such second");
    }
    instant_us += leap ? SECOND_US : 0;
    if (instant_us != clamp(instant_us)) {
        return cursor_fail(cursor, "in UTC it lies outside of the years 0000 to 9999");
    }
    *out = instant_us;
    return true;
}

static bool parse_zoned(struct cursor *cursor, int64_t *instant_us, int *offset_minutes) {
    struct civil civil = {0};
    if (!parse_date(cursor, &civil) || !parse_separator(cursor) ||
        !parse_hour_minute(cursor, &civil)) {
        return false;
    }
    if (!cursor_skip(cursor, ':')) {
        return cursor_fail(cursor, "the seconds are missing");
    }
    return parse_seconds(cursor, &civil) && parse_offset(cursor, offset_minutes) &&
           parse_end(cursor) && resolve(cursor, &civil, *offset_minutes, instant_us);
}

/* Quotes no more than the start of what a client sent. */
static bool refuse(struct fault *fault, const struct cursor *cursor, const char *kind) {
    struct text shown = cursor->text;
    shown.length = shown.length < 60 ? shown.length : 60;
    return fault_set(fault, FAULT_VALIDATION_FAILED, "\"%.*s\" is not %s: %s", TEXT_ARGS(shown),
                     kind, cursor->problem);
}

bool instant_parse(struct text text, int64_t *instant_us, int *offset_minutes,
                   struct fault *fault) {
    struct cursor cursor = {.text = text};
    return parse_zoned(&cursor, instant_us, offset_minutes) ||
           refuse(fault, &cursor, "an RFC 3339 datetime");
}

static bool parse_local_end(struct cursor *cursor) {
    char next = cursor_peek(cursor);
    if (next == 'Z' || next == 'z' || next == '+' || next == '-') {
        return cursor_fail(cursor, "it has an offset from UTC, where a local datetime has none");
    }
    return parse_end(cursor);
}

static bool parse_local(struct cursor *cursor, struct civil *out) {
    if (!parse_date(cursor, out) || !parse_separator(cursor) || !parse_hour_minute(cursor, out)) {
        return false;
    }
    if (cursor_skip(cursor, ':') && !parse_seconds(cursor, out)) {
        return false;
    }
    if (out->second > 59) {
        return cursor_fail(cursor, "there is no such second");
    }
    return parse_local_end(cursor);
}

bool instant_parse_local(struct text text, struct civil *out, struct fault *fault) {
    struct cursor cursor = {.text = text};
    *out = (struct civil){0};
    return parse_local(&cursor, out) || refuse(fault, &cursor, "a local datetime");
}

/* --- durations --- */

bool instant_is_writable(int64_t instant_us) {
    return instant_us == clamp(instant_us);
}

bool instant_parse_duration(struct text text, int64_t *out_us, struct fault *fault) {
    static const char kind[] = "a duration such as \"30d\", \"1h30m\" or \"PT5M\"";
    struct cursor cursor = {.text = text};
    struct span span;
    int64_t total_us;
    if (!span_parse(text, &span, fault)) {
        return false;
    }
    if (span.months != 0) {
        cursor.problem = "years and months vary in length";
        return refuse(fault, &cursor, kind);
    }
    if (__builtin_mul_overflow(span.days, DAY_US, &total_us) ||
        __builtin_add_overflow(total_us, span.us, &total_us)) {
        cursor.problem = "it is too long";
        return refuse(fault, &cursor, kind);
    }
    *out_us = total_us;
    return true;
}
