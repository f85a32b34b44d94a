/* ways.c: every permission that is named. */
#include "policy/permission.h"

#include <stdlib.h>

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static size_t gather(const struct machine *machine, struct text *out) {
    size_t count = 0;
    for (size_t i = 0; i < machine->state_count; i++) {
        for (size_t j = 0; j < machine->states[i].way_count; j++) {
            const struct way *way = &machine->states[i].ways[j];
            for (size_t k = 0; k < way->permission.name_count; k++, count++) {
                if (out != NULL) {
                    out[count] = way->permission.names[k];
                }
            }
        }
    }
    return count;
}

const struct js *generation_permissions(const struct generation *generation, struct arena *arena) {
    size_t most = 0, count = 0, kept = 0;
    for (size_t i = 0; i < generation->machine_count; i++) {
        most += gather(&generation->machines[i], NULL);
    }
    struct text *names = ARENA_ARRAY(arena, struct text, most);
    for (size_t i = 0; i < generation->machine_count; i++) {
        count += gather(&generation->machines[i], names + count);
    }
    if (count > 1) {
        qsort(names, count, sizeof *names, by_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !text_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    return texts_json(arena, names, kept);
}
