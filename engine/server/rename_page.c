/* rename_page.c: what a page has moved is not found again, so each page of a former name begins at
 * the front; in a machine with many entities that are renamed already a page of states goes on
 * where the one before ended. */
#include "server/rename_page.h"

#include "base/log.h"
#include "core/follow.h"

#define PAGE_MOST 200

static void walk_to(struct rename_walk *walk, struct text machine, enum rename_part part,
                    struct text after) {
    struct arena arena;
    arena_init(&arena, 0);
    struct text machine_kept = text_copy(&arena, machine), after_kept = text_copy(&arena, after);
    arena_deinit(&walk->arena);
    walk->arena = arena;
    walk->machine = machine_kept;
    walk->after = after_kept;
    walk->part = part;
}

static bool has_renamed(const struct machine *machine) {
    return text_given(machine->renamed_from) || machine->has_renamed_states;
}

/* The machine that the walk is at, or the next one that has anything renamed; NULL: it is over. */
static const struct machine *machine_at(struct rename_walk *walk,
                                        const struct generation *generation) {
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        const struct machine *machine = generation_machine_at(generation, i);
        bool passed = text_given(walk->machine) && text_compare(machine->name, walk->machine) < 0;
        if (passed || !has_renamed(machine)) {
            continue;
        }
        if (!text_equal(machine->name, walk->machine)) {
            walk_to(walk, machine->name, RENAME_MACHINE, TEXT_NONE);
            walk->renamed = 0;
        }
        return machine;
    }
    return NULL;
}

static struct store_where where_of(struct arena *arena, const struct machine *machine) {
    struct text *states = ARENA_ARRAY(arena, struct text, machine->state_count);
    struct store_where where = {.states = states};
    for (size_t i = 0; i < machine->state_count; i++) {
        if (text_given(machine->states[i].renamed_from)) {
            states[where.state_count++] = machine->states[i].renamed_from;
        }
    }
    return where;
}

static bool list_page(struct rename_walk *walk, struct core *core, const struct machine *machine,
                      struct text **ids, size_t *count, struct fault *fault) {
    struct store_where where = where_of(&core->arena, machine);
    bool of_states = walk->part == RENAME_STATES;
    *count = 0;
    if (of_states ? where.state_count == 0 : !text_given(machine->renamed_from)) {
        return true;
    }
    bool listed =
        store_begin(core->store, STORE_READ, ISOLATION_DEFAULT, fault) &&
        store_list_ids(core->store, &core->arena, of_states ? machine->name : machine->renamed_from,
                       of_states ? &where : NULL, walk->after, PAGE_MOST, ids, count, fault);
    store_rollback(core->store);
    return listed;
}

static struct attempt *attempts_of(struct arena *arena, struct text machine, const struct text *ids,
                                   size_t count) {
    struct attempt *attempts = ARENA_ARRAY(arena, struct attempt, count);
    for (size_t i = 0; i < count; i++) {
        attempts[i] = (struct attempt){
            .kind = ATTEMPT_RENAME, .machine = machine, .id = ids[i], .max_retries = -1};
    }
    return attempts;
}

/* *done of them have had their turn, and *renamed of these another name since. */
static bool run_page(struct core *core, const struct machine *machine, const struct text *ids,
                     size_t count, size_t *done, size_t *renamed, struct fault *fault) {
    struct member member = {
        .attempts = attempts_of(&core->arena, machine->name, ids, count),
        .attempt_count = count,
        .mode = MEMBER_EACH,
    };
    struct member *members[] = {&member};
    batch_run(core, members, 1);
    *done = *renamed = 0;
    if (member.fault != FAULT_NONE) {
        return fault_set(fault, member.fault, "%.*s", TEXT_ARGS(member.fault_message));
    }
    *done = member.blocked ? 0 : member.attempted;
    for (size_t i = 0; i < *done; i++) {
        *renamed += member.outcomes[i].changed;
    }
    return true;
}

static void tell(const struct rename_walk *walk, const struct machine *machine) {
    if (walk->renamed > 0) {
        log_line(LOG_INFO, "policy_renamed",
                 "%lld entities of %.*s have the names of the rules in "
                 "force",
                 (long long)walk->renamed, TEXT_ARGS(machine->name));
    }
}

/* The part is done with: states after names, then the next machine. */
static void step_on(struct rename_walk *walk, const struct machine *machine) {
    if (walk->part == RENAME_MACHINE) {
        walk_to(walk, machine->name, RENAME_STATES, TEXT_NONE);
        return;
    }
    tell(walk, machine);
    char *behind = arena_alloc(&walk->arena, machine->name.length + 1);
    memcpy(behind, machine->name.bytes, machine->name.length);
    behind[machine->name.length] = '\1'; /* sorts behind the name, before any longer one */
    walk_to(walk, (struct text){behind, machine->name.length + 1}, RENAME_MACHINE, TEXT_NONE);
}

bool rename_page(struct rename_walk *walk, struct core *core, struct fault *fault) {
    const struct machine *machine = machine_at(walk, core->policy.generation);
    struct text *ids;
    size_t count, done, renamed;
    walk->over = machine == NULL;
    if (walk->over) {
        return true;
    }
    if (!list_page(walk, core, machine, &ids, &count, fault)) {
        return false;
    }
    if (count == 0) {
        step_on(walk, machine);
        return true;
    }
    if (!run_page(core, machine, ids, count, &done, &renamed, fault)) {
        return false;
    }
    walk->renamed += (int64_t)renamed;
    if (walk->part == RENAME_STATES && done > 0) {
        walk_to(walk, machine->name, RENAME_STATES, ids[done - 1]);
    } else if (walk->part == RENAME_MACHINE && done == count && renamed == 0) {
        step_on(walk, machine); /* what is left cannot move: its id is taken */
    }
    return true;
}
