/* ways.c: every permission that is named. */
#include "policy/permission.h"

#include <stdlib.h>

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

/* Names go to `out` unless that is NULL; how many there are. */
static size_t take(const struct permission_rule *rule, struct text *out) {
    for (size_t i = 0; out != NULL && i < rule->name_count; i++) {
        out[i] = rule->names[i];
    }
    return rule->name_count;
}

static size_t gather_of_state(const struct state *state, struct text *out) {
    size_t count = take(&state->update.permission, out);
    for (size_t i = 0; i < state->way_count; i++) {
        count += take(&state->ways[i].permission, out != NULL ? out + count : NULL);
    }
    return count;
}

static size_t gather(const struct machine *machine, struct text *out) {
    const struct act_rule *acts[] = {&machine->create, &machine->update, &machine->read};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        count += take(&acts[i]->permission, out != NULL ? out + count : NULL);
    }
    for (size_t i = 0; i < machine->field_count; i++) {
        count += take(&machine->fields[i].permission, out != NULL ? out + count : NULL);
    }
    for (size_t i = 0; i < machine->state_count; i++) {
        count += gather_of_state(&machine->states[i], out != NULL ? out + count : NULL);
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
