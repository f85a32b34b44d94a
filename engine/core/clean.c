/* clean.c: once for each machine; what one has hashed the next leaves alone. */
#include "core/clean.h"

const struct js *clean_value(const struct work *work, const struct attempt *attempt,
                             const struct js *value, unsigned how) {
    how |= attempt->cleaned ? CLEAN_AGAIN : 0;
    for (; attempt != NULL; attempt = attempt->cause) {
        value = generation_clean_as(work->core->policy.generation, attempt->machine,
                                    &work->core->arena, value, how);
        how |= CLEAN_AGAIN;
    }
    return value;
}

struct text clean_text(const struct work *work, const struct attempt *attempt, struct text text) {
    for (; attempt != NULL; attempt = attempt->cause) {
        text = generation_clean_text(work->core->policy.generation, attempt->machine,
                                     &work->core->arena, text);
    }
    return text;
}
