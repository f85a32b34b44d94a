/* import.c: lines wait until a batch is full; a batch is one member whose attempts stand each for
 * themselves. When the import is to stop at the first refusal, a batch that has one is rolled back
 * by its `extra`, and run again up to and with the refused line only: so nothing after it is
 * imported, all before it is, and the refusal is in the audit. */
#include "core/import.h"

#include "timezone/instant.h"

#define AHEAD_MOST_US (5 * 60 * NOW_SECOND) /* by how much another machine's clock may be fast */

static const char *const known_keys[] = {"machine", "id",         "state",      "data",
                                         "version", "created_at", "updated_at", NULL};

void import_init(struct import *import, struct core *core, const struct import_options *options) {
    *import = (struct import){.core = core, .options = *options};
    arena_init(&import->arena, 256 * 1024);
}

void import_deinit(struct import *import) {
    arena_deinit(&import->arena);
}

/* --- reading a line --- */

static bool check_keys(const struct js *object, struct fault *fault) {
    struct text known[8];
    size_t count = 0;
    for (; known_keys[count] != NULL; count++) {
        known[count] = text_of(known_keys[count]);
    }
    for (size_t i = 0; i < object->object.count; i++) {
        struct text key = object->object.members[i].key;
        struct text nearest = text_nearest(key, known, count);
        if (!text_equal(nearest, key)) {
            return fault_set(fault, FAULT_BAD_REQUEST, "%.*s: unknown%s%.*s%s", TEXT_ARGS(key),
                             text_given(nearest) ? "; did you mean '" : "", TEXT_ARGS(nearest),
                             text_given(nearest) ? "'?" : "");
        }
    }
    return true;
}

static bool read_text(const struct js *object, struct text key, struct text *out,
                      struct fault *fault) {
    const struct js *value = js_find(object, key);
    *out = js_text(value);
    return value == NULL || js_is(value, JS_NULL) || text_given(*out) ||
           fault_set(fault, FAULT_BAD_REQUEST, "%.*s: expected a string, not %s", TEXT_ARGS(key),
                     js_type_name(value));
}

static bool read_data(const struct js *object, const struct js **out, struct fault *fault) {
    const struct js *value = js_find(object, TEXT("data"));
    *out = js_is(value, JS_OBJECT) ? value : NULL;
    return value == NULL || js_is(value, JS_NULL) || *out != NULL ||
           fault_set(fault, FAULT_BAD_REQUEST, "data: expected an object, not %s",
                     js_type_name(value));
}

/* 0: not given, which is why an instant that is 0 or earlier is refused. */
static bool read_time(const struct js *object, struct text key, int64_t now_us, int64_t *out,
                      struct fault *fault) {
    struct text text;
    int offset;
    struct fault cause = FAULT_INIT;
    *out = 0;
    if (!read_text(object, key, &text, fault)) {
        return false;
    }
    if (!text_given(text)) {
        return true;
    }
    if (!instant_parse(text, out, &offset, &cause)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "%.*s: %s", TEXT_ARGS(key), cause.message);
    }
    if (*out <= 0) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "%.*s: expected a time after 1970 began, not %.*s", TEXT_ARGS(key),
                         TEXT_ARGS(text));
    }
    return *out <= now_us + AHEAD_MOST_US ||
           fault_set(fault, FAULT_BAD_REQUEST, "%.*s: %.*s is yet to come", TEXT_ARGS(key),
                     TEXT_ARGS(text));
}

/* An entity is as old as its last change at least, and was not changed before it was there. */
static bool read_times(const struct import *import, const struct js *object, struct attempt *out,
                       struct fault *fault) {
    int64_t now_us = now_wall_us(&import->core->now);
    if (!read_time(object, TEXT("created_at"), now_us, &out->created_us, fault) ||
        !read_time(object, TEXT("updated_at"), now_us, &out->updated_us, fault)) {
        return false;
    }
    if (out->created_us == 0) {
        out->created_us = out->updated_us;
    }
    if (out->updated_us == 0 && out->created_us > now_us) {
        out->updated_us = out->created_us;
    }
    return out->updated_us == 0 || out->created_us <= out->updated_us ||
           fault_set(fault, FAULT_BAD_REQUEST, "updated_at: earlier than created_at");
}

/* What the entity was elsewhere; NULL when the line does not say. */
static const struct js *origin_of(struct arena *arena, const struct js *object) {
    const struct js *origin = NULL;
    for (const char *const *key = &known_keys[4]; *key != NULL; key++) {
        const struct js *value = js_find(object, text_of(*key));
        if (value != NULL) {
            origin = js_with(arena, origin, text_of(*key), value);
        }
    }
    return origin != NULL ? js_with(arena, NULL, TEXT("imported"), origin) : NULL;
}

static bool read_object(struct import *import, const struct js *object, struct attempt *out,
                        struct fault *fault) {
    *out = (struct attempt){
        .kind = ATTEMPT_CREATE,
        .is_import = true,
        .actor = import->options.actor,
        .reason = TEXT("migration"),
        .metadata = origin_of(&import->arena, object),
        .skip_permissions = true,
        .blocking_timeout_ms = -1,
        .max_retries = -1,
    };
    if (!check_keys(object, fault) || !read_text(object, TEXT("machine"), &out->machine, fault) ||
        !read_text(object, TEXT("id"), &out->id, fault) ||
        !read_text(object, TEXT("state"), &out->to, fault) ||
        !read_data(object, &out->patch, fault) || !read_times(import, object, out, fault)) {
        return false;
    }
    if (!text_given(out->machine) || !text_given(out->id)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "machine and id are needed");
    }
    return entity_is_id(out->id) ||
           fault_set(fault, FAULT_BAD_REQUEST,
                     "id: expected 1 to %d bytes of UTF-8 without control characters",
                     ENTITY_ID_MOST);
}

static bool read_line(struct import *import, struct text line, struct attempt *out,
                      struct fault *fault) {
    const struct js *value;
    if (!js_parse(&import->arena, line, &value, fault)) {
        return false;
    }
    if (!js_is(value, JS_OBJECT)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "expected an object, not %s",
                         js_type_name(value));
    }
    return read_object(import, value, out, fault);
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

static void note(struct import *import, int64_t line, const struct outcome *outcome) {
    if (is_refusal(import, outcome)) {
        refuse(import, line, outcome->code, outcome->message);
    } else if (outcome->code == FAULT_ALREADY_EXISTS) {
        import->counts.skipped++;
    } else {
        import->counts.imported++;
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
            note(import, import->lines[start + i], &member.outcomes[i]);
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
    if (!read_line(import, line, &import->attempts[import->count], &cause)) {
        return refuse_line(import, number, &cause, fault);
    }
    import->lines[import->count++] = number;
    return import->count < IMPORT_BATCH_MOST || import_flush(import, fault);
}
