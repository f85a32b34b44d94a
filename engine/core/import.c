/* import.c: lines wait until a batch is full; a batch is one member whose attempts stand each for
 * themselves. When the import is to stop at the first refusal, a batch that has one is rolled back
 * by its `extra`, and run again up to and with the refused line only: so nothing after it is
 * imported, all before it is, and the refusal is in the audit. */
#include "core/import_line.h"

void import_init(struct import *import, struct core *core, const struct import_options *options) {
    *import = (struct import){.core = core, .options = *options};
    arena_init(&import->arena, 256 * 1024);
    arena_init(&import->kept, 0);
    map_init(&import->strangers, &import->kept);
}

void import_deinit(struct import *import) {
    arena_deinit(&import->arena);
    arena_deinit(&import->kept);
}

/* --- running a batch --- */

static void refuse(struct import *import, int64_t line, enum fault_code code, struct text message) {
    import->counts.refused++;
    import->stopped = import->options.stop;
    import->options.refused(import->options.context, line, code, message);
}

static bool is_refusal(const struct import *import, const struct outcome *outcome) {
    return outcome->code != FAULT_NONE &&
           !(import->options.skip_existing && outcome->code == FAULT_ALREADY_EXISTS);
}

static void note(struct import *import, size_t at, const struct outcome *outcome) {
    if (is_refusal(import, outcome)) {
        refuse(import, import->lines[at], outcome->code, outcome->message);
    } else if (outcome->code == FAULT_ALREADY_EXISTS) {
        import->counts.skipped++;
    } else {
        import->counts.imported++;
        import_note(import, &import->attempts[at]);
    }
}

/* member_extra: undoes a batch in which a line was refused, and remembers which. */
static bool trip(struct member *member, struct core *core, struct fault *fault) {
    struct import *import = member->context;
    (void)core;
    for (size_t i = 0; i < member->attempted; i++) {
        if (is_refusal(import, &member->outcomes[i])) {
            import->tripped_at = i;
            return fault_set(fault, FAULT_BATCH_ABORTED, "a line was refused");
        }
    }
    return true;
}

/* Runs attempts from `start` to `*end`, or some of them; `*done` of them are finished. When the
 * trip wire is hit none is, and *end becomes the end of what may be run without it. */
static bool run_some(struct import *import, size_t start, size_t *end, bool *guarded, size_t *done,
                     struct fault *fault) {
    struct member member = {
        .attempts = import->attempts + start,
        .attempt_count = *end - start,
        .mode = MEMBER_EACH,
        .extra = *guarded ? trip : NULL,
        .context = import,
    };
    struct member *members[] = {&member};
    batch_run(import->core, members, 1);
    *done = 0;
    if (*guarded && member.fault == FAULT_BATCH_ABORTED) {
        *end = start + import->tripped_at + 1;
        *guarded = false;
    } else if (member.fault != FAULT_NONE) {
        return fault_set(fault, member.fault, "%.*s", TEXT_ARGS(member.fault_message));
    } else {
        *done = member.blocked ? 0 : member.attempted;
        for (size_t i = 0; i < *done; i++) {
            note(import, start + i, &member.outcomes[i]);
        }
    }
    return true;
}

static bool run_all(struct import *import, struct fault *fault) {
    size_t start = 0, end = import->count, done;
    bool guarded = import->options.stop;
    while (start < end) {
        bool ran = run_some(import, start, &end, &guarded, &done, fault);
        arena_reset(&import->core->arena);
        if (!ran) {
            return false;
        }
        start += done;
        if (start == end && !import->stopped) {
            end = import->count;
            guarded = import->options.stop;
        }
    }
    return true;
}

/* --- skipping what is there --- */

static void drop_existing(struct import *import, const struct entity *entities) {
    size_t kept = 0;
    for (size_t i = 0; i < import->count; i++) {
        if (entities[i].exists) {
            import->counts.skipped++;
        } else {
            import->attempts[kept] = import->attempts[i];
            import->lines[kept++] = import->lines[i];
        }
    }
    import->count = kept;
}

/* Done before the batch, for an attempt to create what exists would be audited as refused. */
static bool skip_existing(struct import *import, struct fault *fault) {
    struct store *store = import->core->store;
    struct store_key *keys = ARENA_ARRAY(&import->arena, struct store_key, import->count);
    struct entity *entities = ARENA_ARRAY(&import->arena, struct entity, import->count);
    for (size_t i = 0; i < import->count; i++) {
        keys[i] = (struct store_key){import->attempts[i].machine, import->attempts[i].id};
    }
    if (!store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    bool read = store_read(store, &import->arena, keys, import->count, entities, fault);
    store_rollback(store);
    if (read) {
        drop_existing(import, entities);
    }
    return read;
}

/* --- the interface --- */

bool import_flush(struct import *import, struct fault *fault) {
    bool flushed =
        import->count == 0 || ((!import->options.skip_existing || skip_existing(import, fault)) &&
                               run_all(import, fault));
    import->count = 0;
    import->attempts = NULL;
    import->lines = NULL;
    arena_reset(&import->arena);
    return flushed;
}

/* A line that cannot be read is refused after those before it have been run, so that refusals come
 * in the order of the lines. */
static bool refuse_line(struct import *import, int64_t number, const struct fault *cause,
                        struct fault *fault) {
    if (!import_flush(import, fault)) {
        return false;
    }
    if (!import->stopped) {
        refuse(import, number, cause->code, text_of(cause->message));
    }
    return true;
}

bool import_add(struct import *import, struct text line, int64_t number, struct fault *fault) {
    struct fault cause = FAULT_INIT;
    if (import->attempts == NULL) {
        import->attempts = ARENA_ARRAY(&import->arena, struct attempt, IMPORT_BATCH_MOST);
        import->lines = ARENA_ARRAY(&import->arena, int64_t, IMPORT_BATCH_MOST);
    }
    if (!import_line(import, line, &import->attempts[import->count], &cause)) {
        return refuse_line(import, number, &cause, fault);
    }
    import->lines[import->count++] = number;
    return import->count < IMPORT_BATCH_MOST || import_flush(import, fault);
}
