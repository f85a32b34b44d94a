/* fuzz_tz.c: whatever decodes as TZif answers for every time, there and back. */
#include <stdint.h>
#include <stdlib.h>

#include "timezone/tz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct text text = {(const char *)bytes, length};
    struct fault fault = FAULT_INIT;
    struct tz *zone;
    if (!tz_decode(text, &zone, &fault)) {
        return 0;
    }
    const int64_t day_us = INT64_C(86400000000);
    for (int64_t day = -719162; day < 2932897; day += 9973) {
        struct tz_instants found = tz_instants(zone, tz_local(zone, day * day_us));
        if (found.match == TZ_GAP || found.earlier_us > found.later_us) {
            abort();
        }
    }
    tz_free(zone);
    return 0;
}
