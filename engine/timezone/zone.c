/* zone.c: the table of named offsets. */
#include "timezone/zone.h"

#include <stdio.h>
#include <stdlib.h>

/* CONTRACT section 3. Several zones share most offsets; these are the names we promise. */
static const struct {
    int minutes;
    const char *name;
} names[] = {
    {-720, "BIT"}, {-660, "SST"}, {-600, "HST"}, {-540, "AKST"}, {-480, "PST"}, {-420, "MST"},
    {-360, "CST"}, {-300, "EST"}, {-240, "AST"}, {-180, "ART"},  {-120, "BRT"}, {-60, "AZOT"},
    {0, "UTC"},    {60, "CET"},   {120, "EET"},  {180, "MSK"},   {210, "IRST"}, {240, "GST"},
    {270, "AFT"},  {300, "PKT"},  {330, "IST"},  {345, "NPT"},   {360, "BST"},  {390, "MMT"},
    {420, "ICT"},  {480, "CST"},  {540, "JST"},  {570, "ACST"},  {600, "AEST"}, {660, "SBT"},
    {720, "NZST"}, {780, "TOT"},  {840, "LINT"},
};

bool zone_is_offset(int64_t minutes) {
    return minutes >= ZONE_OFFSET_LEAST && minutes <= ZONE_OFFSET_MOST;
}

static const char *name_of(int64_t minutes) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].minutes == minutes) {
            return names[i].name;
        }
    }
    return NULL;
}

struct text zone_offset_name(int64_t minutes, char out[32]) {
    const char *name = name_of(minutes);
    if (name == NULL) {
        return zone_offset_string(minutes, out);
    }
    int magnitude = abs((int)minutes);
    int length = snprintf(out, 32, "%s (UTC%c%d:%02d)", name, minutes < 0 ? '-' : '+',
                          magnitude / 60, magnitude % 60);
    return (struct text){out, (size_t)length};
}

/* By sign and magnitude: dividing -123 by 60 as it is would round the wrong way. */
struct text zone_offset_string(int64_t minutes, char out[16]) {
    if (!zone_is_offset(minutes)) {
        return TEXT("Invalid");
    }
    int magnitude = abs((int)minutes);
    int length = snprintf(out, 16, "UTC%c%02d:%02d", minutes < 0 ? '-' : '+', magnitude / 60,
                          magnitude % 60);
    return (struct text){out, (size_t)length};
}
