/* fuzz_js.c: whatever parses as JSON prints canonically, parses again, and is the same value. */
#include <stdint.h>
#include <stdlib.h>

#include "base/js.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct arena arena;
    struct fault fault = FAULT_INIT;
    const struct js *value, *again;
    arena_init(&arena, 0);
    if (js_parse(&arena, (struct text){(const char *)bytes, length}, &value, &fault)) {
        struct text printed = js_print(&arena, value);
        if (!js_parse(&arena, printed, &again, &fault) || !js_equal(value, again) ||
            !text_equal(printed, js_print(&arena, again))) {
            abort();
        }
        js_merge_patch(&arena, value, again);
    }
    arena_deinit(&arena);
    return 0;
}
