/* fuzz_instant.c: whatever parses as RFC 3339 prints, parses again, and is the same instant. */
#include <stdint.h>
#include <stdlib.h>

#include "timezone/instant.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct text text = {(const char *)bytes, length};
    struct fault fault = FAULT_INIT;
    int64_t instant_us, again_us;
    int offset, same;
    struct civil civil;
    char out[INSTANT_TEXT];
    if (instant_parse(text, &instant_us, &offset, &fault)) {
        struct text printed = instant_print_at(instant_us, offset, out);
        if (!instant_parse(printed, &again_us, &same, &fault) || again_us != instant_us) {
            abort();
        }
    }
    if (instant_parse_local(text, &civil, &fault) &&
        !instant_is_date(civil.year, civil.month, civil.day)) {
        abort();
    }
    if (instant_parse_duration(text, &again_us, &fault) && again_us == INT64_MIN) {
        abort();
    }
    return 0;
}
