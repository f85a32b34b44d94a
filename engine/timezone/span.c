/* span.c: reads, prints and applies durations. The parser walks tables of units, each of which is
 * taken up where the last one was found, so that every unit comes once, largest first. Amounts are
 * added up without their sign, which is the text's. */
#include "timezone/span.h"

#include "timezone/cursor.h"

#include <stdio.h>

#define SECOND_US   INT64_C(1000000)
#define MINUTE_US   (60 * SECOND_US)
#define HOUR_US     (60 * MINUTE_US)
#define DAY_US      (24 * HOUR_US)
#define MONTHS_MOST INT64_C(200000) /* more than there are in the years 0000..9999 */
#define DAYS_MOST   INT64_C(5000000)

/* --- parsing --- */

struct unit {
    const char *name;
    int64_t months, days, us;
};

static const struct unit short_units[] = {{"d", 0, 1, 0},         {"h", 0, 0, HOUR_US},
                                          {"m", 0, 0, MINUTE_US}, {"s", 0, 0, SECOND_US},
                                          {"ms", 0, 0, 1000},     {NULL, 0, 0, 0}};
static const struct unit date_units[] = {
    {"Y", 12, 0, 0}, {"M", 1, 0, 0}, {"W", 0, 7, 0}, {"D", 0, 1, 0}, {NULL, 0, 0, 0}};
static const struct unit time_units[] = {
    {"H", 0, 0, HOUR_US}, {"M", 0, 0, MINUTE_US}, {"S", 0, 0, SECOND_US}, {NULL, 0, 0, 0}};

static bool parse_count(struct cursor *cursor, int64_t *out) {
    size_t start = cursor->at;
    while (cursor_is_at_digit(cursor)) {
        cursor->at++;
    }
    struct text digits = {cursor->text.bytes + start, cursor->at - start};
    if (digits.length == 0) {
        return cursor_fail(cursor, "a number is missing");
    }
    return text_to_integer(digits, out) || cursor_fail(cursor, "it is too long");
}

/* Of a second; `scale` ends at 0, so that more than six digits are truncated. */
static bool parse_fraction(struct cursor *cursor, int64_t *us) {
    size_t start = cursor->at;
    for (int64_t scale = SECOND_US / 10; cursor_is_at_digit(cursor); cursor->at++, scale /= 10) {
        *us += (cursor_peek(cursor) - '0') * scale;
    }
    if (cursor->at == start) {
        return cursor_fail(cursor, "there are no digits after the '.'");
    }
    return cursor_peek(cursor) == 'S' ||
           cursor_fail(cursor, "the units are H, M and S, and only seconds have fractions");
}

static struct text parse_letters(struct cursor *cursor) {
    size_t start = cursor->at;
    while ((cursor_peek(cursor) | 0x20) >= 'a' && (cursor_peek(cursor) | 0x20) <= 'z' &&
           cursor_peek(cursor) != 'T') {
        cursor->at++;
    }
    return (struct text){cursor->text.bytes + start, cursor->at - start};
}

static const struct unit *unit_of(const struct unit *left, struct text name) {
    while (left->name != NULL && !text_equal(name, text_of(left->name))) {
        left++;
    }
    return left->name != NULL ? left : NULL;
}

static bool add_part(int64_t count, int64_t size, int64_t *total) {
    int64_t amount;
    return !__builtin_mul_overflow(count, size, &amount) &&
           !__builtin_add_overflow(*total, amount, total);
}

static bool add_amount(struct cursor *cursor, int64_t count, const struct unit *unit,
                       struct span *out) {
    return (add_part(count, unit->months, &out->months) &&
            add_part(count, unit->days, &out->days) && add_part(count, unit->us, &out->us)) ||
           cursor_fail(cursor, "it is too long");
}

/* One amount; `left` goes on behind its unit. */
static bool parse_amount(struct cursor *cursor, const struct unit **left, const char *expected,
                         struct span *out) {
    int64_t count, fraction_us = 0;
    if (!parse_count(cursor, &count)) {
        return false;
    }
    if (*left >= time_units && *left < time_units + 3 && cursor_skip(cursor, '.') &&
        !parse_fraction(cursor, &fraction_us)) {
        return false;
    }
    const struct unit *unit = unit_of(*left, parse_letters(cursor));
    if (unit == NULL) {
        return cursor_fail(cursor, expected);
    }
    *left = unit + 1;
    return add_amount(cursor, count, unit, out) &&
           (add_part(1, fraction_us, &out->us) || cursor_fail(cursor, "it is too long"));
}

static bool parse_amounts(struct cursor *cursor, const struct unit *units, const char *expected,
                          struct span *out) {
    do {
        if (!parse_amount(cursor, &units, expected, out)) {
            return false;
        }
    } while (cursor_is_at_digit(cursor));
    return true;
}

static bool parse_iso(struct cursor *cursor, struct span *out) {
    if (cursor_peek(cursor) != 'T' &&
        !parse_amounts(cursor, date_units,
                       "the units are Y, M, W and D, then T and H, M and S, each once and in this "
                       "order",
                       out)) {
        return false;
    }
    return !cursor_skip(cursor, 'T') ||
           parse_amounts(cursor, time_units,
                         "after 'T' the units are H, M and S, each once and in this order", out);
}

static bool parse_span(struct cursor *cursor, struct span *out) {
    bool negative = cursor_skip(cursor, '-');
    struct span span = {0, 0, 0};
    if (!(cursor_skip(cursor, 'P')
              ? parse_iso(cursor, &span)
              : parse_amounts(cursor, short_units,
                              "the units are d, h, m, s and ms, each once and in this order",
                              &span))) {
        return false;
    }
    if (cursor->at < cursor->text.length) {
        return cursor_fail(cursor, "something follows the end");
    }
    *out = negative ? (struct span){-span.months, -span.days, -span.us} : span;
    return true;
}

bool span_parse(struct text text, struct span *out, struct fault *fault) {
    struct cursor cursor = {.text = text};
    if (parse_span(&cursor, out)) {
        return true;
    }
    struct text shown = {text.bytes, text.length < 60 ? text.length : 60};
    return fault_set(fault, FAULT_VALIDATION_FAILED,
                     "\"%.*s\" is not a duration such as \"30d\", \"1h30m\" or \"PT5M\": %s",
                     TEXT_ARGS(shown), cursor.problem);
}

/* --- printing --- */

struct printer {
    char *out;
    size_t length;
};

static void put(struct printer *printer, uint64_t amount, const char *unit) {
    if (amount > 0) {
        printer->length +=
            (size_t)snprintf(printer->out + printer->length, SPAN_TEXT - printer->length, "%llu%s",
                             (unsigned long long)amount, unit);
    }
}

static void put_mark(struct printer *printer, char mark) {
    printer->out[printer->length++] = mark;
}

static void put_seconds(struct printer *printer, uint64_t us) {
    char fraction[16];
    int digits = 6;
    uint64_t part = us % (uint64_t)SECOND_US;
    if (part == 0) {
        put(printer, us / (uint64_t)SECOND_US, "S");
        return;
    }
    for (; part % 10 == 0; part /= 10) {
        digits--;
    }
    snprintf(fraction, sizeof fraction, ".%0*u", digits, (unsigned)part);
    printer->length +=
        (size_t)snprintf(printer->out + printer->length, SPAN_TEXT - printer->length, "%llu%sS",
                         (unsigned long long)(us / (uint64_t)SECOND_US), fraction);
}

static uint64_t magnitude(int64_t value) {
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

struct text span_print(const struct span *span, char out[SPAN_TEXT]) {
    struct printer printer = {out, 0};
    uint64_t months = magnitude(span->months), us = magnitude(span->us);
    if (span->months < 0 || span->days < 0 || span->us < 0) {
        put_mark(&printer, '-');
    }
    put_mark(&printer, 'P');
    put(&printer, months / 12, "Y");
    put(&printer, months % 12, "M");
    put(&printer, magnitude(span->days), "D");
    if (us > 0) {
        put_mark(&printer, 'T');
        put(&printer, us / (uint64_t)HOUR_US, "H");
        put(&printer, us / (uint64_t)MINUTE_US % 60, "M");
        if (us % (uint64_t)MINUTE_US > 0) {
            put_seconds(&printer, us % (uint64_t)MINUTE_US);
        }
    } else if (out[printer.length - 1] == 'P') {
        return TEXT("PT0S");
    }
    return (struct text){out, printer.length};
}

/* --- arithmetic --- */

static bool refuse(struct fault *fault) {
    return fault_set(fault, FAULT_VALIDATION_FAILED,
                     "the result lies outside of the years 0000 to 9999");
}

static int days_in(int year, int month) {
    for (int day = 31; day > 28; day--) {
        if (instant_is_date(year, month, day)) {
            return day;
        }
    }
    return 28;
}

/* False when the year is none of 0000..9999. */
static bool move_date(struct civil *civil, int64_t months) {
    int64_t month = (int64_t)civil->year * 12 + civil->month - 1 + months;
    if (month < 12 || month >= INT64_C(10000) * 12) {
        return false;
    }
    civil->year = (int)(month / 12);
    civil->month = (int)(month % 12) + 1;
    int most = days_in(civil->year, civil->month);
    civil->day = civil->day < most ? civil->day : most;
    return true;
}

static bool is_sane(const struct span *span) {
    return magnitude(span->months) <= (uint64_t)MONTHS_MOST &&
           magnitude(span->days) <= (uint64_t)DAYS_MOST;
}

/* Exact time alone does not ask the clocks: in a fold it stays in the same hour. */
static bool add_dates(struct place place, int64_t instant_us, const struct span *span, int64_t *out,
                      struct fault *fault) {
    *out = instant_us;
    if (span->months == 0 && span->days == 0) {
        return true;
    }
    struct civil civil = instant_to_civil(place_local(place, instant_us), 0);
    if (!move_date(&civil, span->months)) {
        return refuse(fault);
    }
    int64_t local_us = instant_of_civil(&civil, 0) + span->days * DAY_US;
    return place_instant(place, local_us, TZ_COMPATIBLE, out, fault) || refuse(fault);
}

bool span_add(struct place place, int64_t instant_us, const struct span *span, int64_t *out,
              struct fault *fault) {
    int64_t at_us;
    if (!is_sane(span)) {
        return refuse(fault);
    }
    if (!add_dates(place, instant_us, span, &at_us, fault)) {
        return false;
    }
    if (__builtin_add_overflow(at_us, span->us, &at_us) || !instant_is_writable(at_us)) {
        return refuse(fault);
    }
    *out = at_us;
    return true;
}

/* --- differences --- */

/* Whether `span` from `from` on leads past `to`; out of the calendar is past, too. */
static bool is_past(struct place place, int64_t from_us, const struct span *span, int64_t to_us) {
    struct fault ignored;
    int64_t at_us = 0;
    if (!span_add(place, from_us, span, &at_us, &ignored)) {
        return true;
    }
    return to_us >= from_us ? at_us > to_us : at_us < to_us;
}

/* Estimates are one too far at the most each way; a change of the clocks adds one. */
struct span span_between(struct place place, int64_t from_us, int64_t to_us) {
    int64_t sign = to_us >= from_us ? 1 : -1;
    struct civil from = instant_to_civil(place_local(place, from_us), 0);
    struct civil to = instant_to_civil(place_local(place, to_us), 0);
    struct span span = {(to.year - from.year) * 12 + to.month - from.month + sign, 0, 0};
    struct fault ignored;
    int64_t at_us = from_us;
    while (span.months * sign > 0 && is_past(place, from_us, &span, to_us)) {
        span.months -= sign;
    }
    span.months = span.months * sign > 0 ? span.months : 0;
    (void)!span_add(place, from_us, &span, &at_us, &ignored);
    span.days = (place_local(place, to_us) - place_local(place, at_us)) / DAY_US + 2 * sign;
    while (span.days * sign > 0 && is_past(place, from_us, &span, to_us)) {
        span.days -= sign;
    }
    span.days = span.days * sign > 0 ? span.days : 0;
    (void)!span_add(place, from_us, &span, &at_us, &ignored);
    span.us = to_us - at_us;
    return span;
}
