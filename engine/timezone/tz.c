/* tz.c: the table of a zone: how it is searched, and how the rule of the footer goes on with it.
 *
 * The Gregorian calendar repeats every 400 years, weekdays included, and with it what a rule says.
 * So the rule is worked out once, for that long, when a zone is read; from then on every instant
 * is found by one binary search, that of a later cycle after moving it back by whole cycles.
 *
 * A local time is looked for in all spans between two changes that are less than TZ_OFFSET_MOST
 * away: mostly one. It is no mistake to look at too many, and no offset is larger. */
#include "timezone/tz_table.h"

#include "timezone/instant.h"

#include <stdlib.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US    (86400 * SECOND_US)
#define CYCLE_US  (INT64_C(146097) * DAY_US)
#define REACH_US  ((TZ_OFFSET_MOST + 1) * SECOND_US)

/* --- reading the table --- */

void tz_free(struct tz *zone) {
    if (zone != NULL) {
        struct arena arena = zone->arena;
        arena_deinit(&arena);
    }
}

struct text tz_bytes(const struct tz *zone) {
    return zone->bytes;
}

const int64_t *tz_changes(const struct tz *zone, size_t *count) {
    *count = zone->count;
    return zone->times_us;
}

/* By how much an instant is moved back to be found in the table. */
static int64_t cycles_us(const struct tz *zone, int64_t at_us) {
    if (!zone->repeats || at_us < zone->cycle_end_us) {
        return 0;
    }
    return ((at_us - zone->cycle_end_us) / CYCLE_US + 1) * CYCLE_US;
}

/* How many changes there were up to then. Without branches that depend on the data. */
static size_t changes_until(const struct tz *zone, int64_t at_us) {
    const int64_t *base = zone->times_us;
    size_t length = zone->count;
    if (length == 0) {
        return 0;
    }
    while (length > 1) {
        size_t half = length / 2;
        base += base[half - 1] <= at_us ? half : 0;
        length -= half;
    }
    return (size_t)(base - zone->times_us) + (*base <= at_us ? 1 : 0);
}

static const struct tz_type *type_of(const struct tz *zone, size_t span) {
    return &zone->types[zone->kinds[span]];
}

static int64_t offset_us(const struct tz *zone, size_t span) {
    return type_of(zone, span)->offset_seconds * SECOND_US;
}

const struct tz_type *tz_at(const struct tz *zone, int64_t instant_us) {
    return type_of(zone, changes_until(zone, instant_us - cycles_us(zone, instant_us)));
}

int tz_minutes(const struct tz_type *type) {
    int half = type->offset_seconds < 0 ? -30 : 30;
    return (type->offset_seconds + half) / 60;
}

int64_t tz_local(const struct tz *zone, int64_t instant_us) {
    return instant_us + tz_at(zone, instant_us)->offset_seconds * SECOND_US;
}

/* --- from local time --- */

static bool is_within(const struct tz *zone, size_t span, int64_t at_us) {
    return (span == 0 || zone->times_us[span - 1] <= at_us) &&
           (span == zone->count || at_us < zone->times_us[span]);
}

static bool is_skipped(const struct tz *zone, size_t span, int64_t local_us) {
    int64_t change_us = zone->times_us[span - 1];
    return change_us + offset_us(zone, span - 1) <= local_us &&
           local_us < change_us + offset_us(zone, span);
}

static struct tz_instants gap(const struct tz *zone, size_t first, size_t last, int64_t local_us) {
    size_t span = first + 1;
    while (span < last && !is_skipped(zone, span, local_us)) {
        span++;
    }
    return (struct tz_instants){TZ_GAP, local_us - offset_us(zone, span),
                                local_us - offset_us(zone, span - 1)};
}

static struct tz_instants look(const struct tz *zone, int64_t local_us) {
    size_t first = changes_until(zone, local_us - REACH_US), last = first;
    struct tz_instants found = {TZ_ONCE, 0, 0};
    size_t count = 0;
    for (size_t span = first;
         span == first || (span <= zone->count && zone->times_us[span - 1] <= local_us + REACH_US);
         span++) {
        int64_t at_us = local_us - offset_us(zone, span);
        if (is_within(zone, span, at_us)) {
            found.earlier_us = count++ == 0 ? at_us : found.earlier_us;
            found.later_us = at_us;
        }
        last = span;
    }
    found.match = count > 1 ? TZ_FOLD : TZ_ONCE;
    return count > 0 ? found : gap(zone, first, last, local_us);
}

struct tz_instants tz_instants(const struct tz *zone, int64_t local_us) {
    int64_t moved_us = cycles_us(zone, local_us);
    struct tz_instants found = look(zone, local_us - moved_us);
    found.earlier_us += moved_us;
    found.later_us += moved_us;
    return found;
}

static bool refuse(const struct tz *zone, int64_t local_us, const struct tz_instants *found,
                   struct fault *fault) {
    char local[INSTANT_TEXT], earlier[INSTANT_TEXT], later[INSTANT_TEXT];
    struct text shown = instant_print(local_us, local);
    shown.length--; /* the Z */
    if (found->match == TZ_GAP) {
        return fault_set(fault, FAULT_VALIDATION_FAILED,
                         "%.*s never comes: the clocks skip it as they go forward by %lld minutes, "
                         "from %s to %s; expected a time that they show",
                         TEXT_ARGS(shown),
                         (long long)((found->later_us - found->earlier_us) / (60 * SECOND_US)),
                         tz_at(zone, found->earlier_us)->abbreviation,
                         tz_at(zone, found->later_us)->abbreviation);
    }
    return fault_set(fault, FAULT_VALIDATION_FAILED,
                     "%.*s comes twice, at %.*s and at %.*s; expected a time that the clocks show "
                     "once",
                     TEXT_ARGS(shown), TEXT_ARGS(instant_print(found->earlier_us, earlier)),
                     TEXT_ARGS(instant_print(found->later_us, later)));
}

bool tz_instant(const struct tz *zone, int64_t local_us, enum tz_disambiguate way, int64_t *out,
                struct fault *fault) {
    struct tz_instants found = tz_instants(zone, local_us);
    switch (way) {
    case TZ_COMPATIBLE:
        *out = found.match == TZ_GAP ? found.later_us : found.earlier_us;
        break;
    case TZ_EARLIER:
        *out = found.earlier_us;
        break;
    case TZ_LATER:
        *out = found.later_us;
        break;
    case TZ_REJECT:
        *out = found.earlier_us;
        return found.match == TZ_ONCE || refuse(zone, local_us, &found, fault);
    }
    return true;
}

/* --- going on with the rule --- */

/* Two changes a year, of the year of the last transition, one cycle, and two years more. */
size_t tz_table_room(const struct tz_rule *rule) {
    return rule->has_daylight ? 2 * (TZ_CYCLE_YEARS + 5) : 0;
}

static uint16_t add_type(struct tz *zone, const struct tz_type *type) {
    zone->types[zone->type_count] = *type;
    return (uint16_t)zone->type_count++;
}

static bool is_same(const struct tz_type *a, const struct tz_type *b) {
    return a->offset_seconds == b->offset_seconds && a->is_dst == b->is_dst &&
           text_equal(text_of(a->abbreviation), text_of(b->abbreviation));
}

static bool contradict(const struct tz *zone, const struct tz_type *ruled, struct fault *fault) {
    const struct tz_type *last = type_of(zone, zone->count);
    return fault_set(fault, FAULT_VALIDATION_FAILED,
                     "its footer says %s (%d s) where its last transition says %s (%d s)",
                     ruled->abbreviation, ruled->offset_seconds, last->abbreviation,
                     last->offset_seconds);
}

/* A change that comes no later than the one before it takes its place: daylight time that ends when
 * the next begins never ends. */
static void add_change(struct tz *zone, size_t of_file, int64_t at_us, uint16_t kind) {
    while (zone->count > of_file && zone->times_us[zone->count - 1] >= at_us) {
        zone->count--;
    }
    zone->times_us[zone->count++] = at_us;
    zone->kinds[zone->count] = kind;
}

static int year_of_last(const struct tz *zone) {
    return zone->count > 0 ? instant_to_civil(zone->times_us[zone->count - 1], 0).year : 1;
}

static bool repeat(struct tz *zone, const struct tz_rule *rule, struct fault *fault) {
    size_t of_file = zone->count;
    int year = year_of_last(zone);
    int64_t last_us = of_file > 0 ? zone->times_us[of_file - 1] : INT64_MIN;
    const struct tz_type *ruled = NULL;
    uint16_t standard = add_type(zone, &rule->standard);
    uint16_t daylight = add_type(zone, &rule->daylight);
    for (int at = year - 1; at <= year + TZ_CYCLE_YEARS + 2; at++) {
        struct tz_event events[2];
        tz_rule_events(rule, at, events);
        for (int i = 0; i < 2; i++) {
            if (events[i].second * SECOND_US <= last_us) {
                ruled = events[i].type;
            } else {
                add_change(zone, of_file, events[i].second * SECOND_US,
                           events[i].type == &rule->standard ? standard : daylight);
            }
        }
    }
    zone->repeats = true;
    zone->cycle_end_us = instant_days(year + TZ_CYCLE_YEARS + 1, 1, 1) * DAY_US;
    if (ruled != NULL && !is_same(ruled, &zone->types[zone->kinds[of_file]])) {
        zone->count = of_file;
        return contradict(zone, ruled, fault);
    }
    return true;
}

bool tz_table_extend(struct tz *zone, const struct tz_rule *rule, struct fault *fault) {
    if (rule->has_daylight) {
        return repeat(zone, rule, fault);
    }
    return is_same(type_of(zone, zone->count), &rule->standard) ||
           contradict(zone, &rule->standard, fault);
}
