/* tz_table.h: what a zone is made of. Used by tz*.c only. */
#ifndef STATUTE_TZ_TABLE_H
#define STATUTE_TZ_TABLE_H

#include "base/arena.h"
#include "timezone/tz.h"

/* types[kinds[i]] is in force from times_us[i - 1] (for 0: ever) until times_us[i]. */
struct tz {
    struct arena arena; /* of all of it */
    struct text bytes;
    struct tz_type *types; /* room for those of the rule too */
    size_t type_count;
    int64_t *times_us; /* strictly ascending */
    uint16_t *kinds;   /* count + 1 */
    size_t count;
    bool repeats;         /* every 400 years, which the table holds up to: */
    int64_t cycle_end_us; /* and a year more */
};

#define TZ_TYPES_MOST  256
#define TZ_CYCLE_YEARS 400

/* Goes on with the rule after the last transition of the file. `zone` has room for it: 2 types, and
 * tz_table_room times. FAULT_VALIDATION_FAILED when the two contradict each other. */
size_t tz_table_room(const struct tz_rule *rule);
bool tz_table_extend(struct tz *zone, const struct tz_rule *rule, struct fault *fault) MUST_CHECK;

#endif
