/* generation.h: what a generation is made of. */
#ifndef STATUTE_GENERATION_H
#define STATUTE_GENERATION_H

#include "lua/vm.h"
#include "policy/bind.h"
#include "policy/declare/declare.h"
#include "policy/policy.h"
#include "policy/rules/roles.h"
#include "privacy/pii.h"

#include <stdatomic.h>

struct turn;

/* One thread's VM. Only that thread touches it once the generation is built. */
struct seat {
    struct vm *vm;
    size_t fresh_bytes; /* what the VM held when it was new */
    struct arena arena; /* of a VM that was made anew; the first ones use the generation's */
    struct loader loader;
    const struct machine_functions *machines; /* as generation.machines */
    const struct access_functions *accesses;  /* as generation.access.types */
    int context_methods; /* reference: the metatable of ctx, with find, count */
    struct turn *turn;   /* the attempt being decided; NULL between two */
};

/* Immutable after generation_load, but for `references` and what is in the seats. */
struct generation {
    struct arena arena;
    atomic_uint references;
    struct vm_limits limits;
    struct now now;
    struct text name;
    struct text files_json;
    int64_t loaded_us;
    const struct policy_file *files; /* libraries too, by path */
    size_t file_count;
    struct machine *machines; /* by name */
    size_t machine_count;
    struct roles roles;
    struct pii_set pii;
    struct access_rules access;
    struct seat *seats;
    unsigned seat_count;
};

/* Makes the seat's VM anew when the policies have kept so much between calls that it is no longer
 * the one that was loaded; else does nothing. Called by the seat's thread, between two attempts. */
void generation_freshen(const struct generation *generation, struct seat *seat);

/* "; did you mean 'task'?", or "". */
struct text generation_machine_hint(const struct generation *generation, struct arena *arena,
                                    struct text name);

#endif
