/* fuzz_jwk.c: any bytes as a JWK Set: either all of it is fine, or there is a problem that is
 * told; and every key that is taken is strong enough. */
#include <stdint.h>
#include <stdlib.h>

#include "identity/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct arena arena;
    struct jwk_set set;
    arena_init(&arena, 0);
    bool fine = jwk_set_parse(&arena, (struct text){(const char *)bytes, length}, &set);
    if (fine != (set.problem_count == 0) || fine != (set.problems.length == 0) ||
        set.count > JWK_SET_MOST) {
        abort();
    }
    for (size_t i = 0; i < set.count; i++) {
        if (set.keys[i].material.length < 32) {
            abort();
        }
    }
    arena_deinit(&arena);
    return 0;
}
