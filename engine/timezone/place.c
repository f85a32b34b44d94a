/* place.c: see place.h. */
#include "timezone/place.h"

#define MINUTE_US INT64_C(60000000)

int64_t place_local(struct place place, int64_t instant_us) {
    return place.zone != NULL ? tz_local(place.zone, instant_us)
                              : instant_us + place.offset_minutes * MINUTE_US;
}

int place_minutes(struct place place, int64_t instant_us) {
    return place.zone != NULL ? tz_minutes(tz_at(place.zone, instant_us)) : place.offset_minutes;
}

bool place_instant(struct place place, int64_t local_us, enum tz_disambiguate way, int64_t *out,
                   struct fault *fault) {
    int64_t instant_us = local_us - place.offset_minutes * MINUTE_US;
    if (place.zone != NULL && !tz_instant(place.zone, local_us, way, &instant_us, fault)) {
        return false;
    }
    if (!instant_is_writable(instant_us)) {
        return fault_set(fault, FAULT_VALIDATION_FAILED,
                         "in UTC it lies outside of the years 0000 to 9999");
    }
    *out = instant_us;
    return true;
}

bool place_shows(struct place place, int64_t instant_us) {
    return instant_is_writable(instant_us) && instant_is_writable(place_local(place, instant_us)) &&
           instant_is_writable(instant_us + place_minutes(place, instant_us) * MINUTE_US);
}

struct text place_print(struct place place, int64_t instant_us, char out[INSTANT_TEXT]) {
    return instant_print_at(instant_us, place_minutes(place, instant_us), out);
}

struct text place_date(struct place place, int64_t instant_us, char out[INSTANT_TEXT]) {
    struct text printed = instant_print(place_local(place, instant_us), out);
    return (struct text){printed.bytes, sizeof "2025-10-01" - 1};
}
