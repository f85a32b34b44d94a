/* loaded.h: real generations of small policy files, for tests of what carries them around. */
#ifndef STATUTE_LOADED_H
#define STATUTE_LOADED_H

#include "unit/server/tree.h"

#include "policy/policy.h"

#define LOADED_LAMP(doc)                                                                           \
    "return machine \"lamp\" { doc = \"" doc "\", initial = \"OFF\",\n"                            \
    "  states = { OFF = { to = { ON = true } }, ON = { final = true } } }\n"

static inline struct generation *loaded(struct tree *tree) {
    struct generation *generation = NULL;
    struct fault fault = FAULT_INIT;
    struct arena arena;
    struct problem_list problems = {.arena = &arena};
    arena_init(&arena, 0);
    struct generation_options options = {.directory = text_of(tree->root),
                                         .limits = vm_limits_default(),
                                         .vm_count = 1,
                                         .now = now_system(),
                                         .hash_key = TEXT("")};
    if (!generation_load(&options, &generation, &problems, &fault)) {
        fail_msg("%s", fault.message);
    }
    arena_deinit(&arena);
    return generation;
}

#endif
