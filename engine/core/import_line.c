/* import_line.c: a line with a version is an export's, and means what it says. One without is from
 * elsewhere, and only such a line is held against the rules in force: a restore must not fail
 * because the rules have moved on. */
#include "core/import_line.h"

#include "policy/rules/fields.h"
#include "timezone/instant.h"

#define AHEAD_MOST_US (5 * 60 * NOW_SECOND) /* by how much another machine's clock may be fast */
#define TIMERS_MOST   1000                  /* of one entity */

static const struct text line_keys[] = {
    {"machine", 7},     {"id", 2},          {"state", 5},       {"data", 4},   {"version", 7},
    {"created_at", 10}, {"updated_at", 10}, {"entered_at", 10}, {"timers", 6},
};
#define ORIGIN_FROM 4 /* of these, what tells how the entity was elsewhere */
#define LINE_KEYS   (sizeof line_keys / sizeof line_keys[0])

static const struct text timer_keys[] = {
    {"to", 2},      {"due_at", 6}, {"reason", 6}, {"comments", 8}, {"attempts", 8},
    {"next_at", 7}, {"chain", 5},  {"rules", 5},  {"done_at", 7},
};
#define TIMER_KEYS (sizeof timer_keys / sizeof timer_keys[0])

/* --- members --- */

static bool check_keys(const struct js *object, const struct text *known, size_t count,
                       struct fault *fault) {
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
           fault_set(fault, FAULT_BAD_REQUEST, "%.*s: %.*s is in the future", TEXT_ARGS(key),
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
    for (size_t i = ORIGIN_FROM; i < LINE_KEYS; i++) {
        const struct js *value = js_find(object, line_keys[i]);
        if (value != NULL) {
            origin = js_with(arena, origin, line_keys[i], value);
        }
    }
    return origin != NULL ? js_with(arena, NULL, TEXT("imported"), origin) : NULL;
}

/* --- timers --- */

/* 0: not given. */
static bool read_instant(const struct js *object, const char *key, int64_t *out,
                         struct fault *fault) {
    struct text text;
    int offset;
    struct fault cause = FAULT_INIT;
    *out = 0;
    if (!read_text(object, text_of(key), &text, fault)) {
        return false;
    }
    return !text_given(text) || instant_parse(text, out, &offset, &cause) ||
           fault_set(fault, FAULT_BAD_REQUEST, "%s: %s", key, cause.message);
}

static bool read_number(const struct js *object, const char *key, int64_t *out,
                        struct fault *fault) {
    const struct js *value = js_find(object, text_of(key));
    *out = value != NULL && js_is(value, JS_INTEGER) ? value->integer : 0;
    return value == NULL || js_is(value, JS_INTEGER) ||
           fault_set(fault, FAULT_BAD_REQUEST, "%s: expected an integer, not %s", key,
                     js_type_name(value));
}

static bool read_course(const struct js *object, struct restored_timer *out, struct fault *fault) {
    return read_number(object, "attempts", &out->attempts, fault) &&
           read_instant(object, "next_at", &out->next_us, fault) &&
           read_number(object, "chain", &out->chain, fault) &&
           read_number(object, "rules", &out->rules, fault) &&
           read_instant(object, "done_at", &out->done_us, fault);
}

static bool read_timer(const struct js *object, struct restored_timer *out, struct fault *fault) {
    if (!js_is(object, JS_OBJECT)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "expected an object, not %s",
                         js_type_name(object));
    }
    if (!check_keys(object, timer_keys, TIMER_KEYS, fault) ||
        !read_text(object, TEXT("to"), &out->to, fault) ||
        !read_instant(object, "due_at", &out->due_us, fault) ||
        !read_text(object, TEXT("reason"), &out->reason, fault) ||
        !read_text(object, TEXT("comments"), &out->comments, fault) ||
        !read_course(object, out, fault)) {
        return false;
    }
    return (text_given(out->to) && js_find(object, TEXT("due_at")) != NULL) ||
           fault_set(fault, FAULT_BAD_REQUEST, "to and due_at are needed");
}

static bool read_timers(struct arena *arena, const struct js *object, struct restore *out,
                        struct fault *fault) {
    const struct js *list = js_find(object, TEXT("timers"));
    if (list == NULL) {
        return true;
    }
    if (!js_is(list, JS_ARRAY) || list->array.count > TIMERS_MOST) {
        return fault_set(fault, FAULT_BAD_REQUEST, "timers: expected an array of at most %d",
                         TIMERS_MOST);
    }
    struct restored_timer *timers = ARENA_ARRAY(arena, struct restored_timer, list->array.count);
    for (size_t i = 0; i < list->array.count; i++) {
        if (!read_timer(list->array.items[i], &timers[i], fault)) {
            return fault_within(fault, "timers[%zu]", i);
        }
    }
    out->timers = timers;
    out->timer_count = list->array.count;
    return true;
}

/* --- a line that is no export's --- */

static bool refuse_fields(struct arena *arena, const struct js *errors, struct fault *fault) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < errors->object.count; i++) {
        buffer_print(&buffer, "%s%.*s %.*s", i > 0 ? "; " : "",
                     TEXT_ARGS(errors->object.members[i].key),
                     TEXT_ARGS(js_text(errors->object.members[i].value)));
    }
    return fault_set(fault, FAULT_VALIDATION_FAILED, "the data is not valid: %.*s",
                     TEXT_ARGS(buffer_view(&buffer)));
}

static bool check_state(struct import *import, const struct machine *machine, struct attempt *out,
                        struct fault *fault) {
    if (!text_given(out->to)) {
        out->to = machine->states[machine->initial].name;
    }
    if (machine_state(machine, out->to) != NULL) {
        return true;
    }
    struct text hint = machine_state_hint(&import->arena, machine, out->to);
    return fault_set(fault, FAULT_INVALID_TRANSITION, "%.*s has no state '%.*s'%.*s",
                     TEXT_ARGS(machine->name), TEXT_ARGS(out->to), TEXT_ARGS(hint));
}

static bool check_by_rules(struct import *import, struct attempt *out, struct fault *fault) {
    const struct machine *machine =
        generation_machine(import->core->policy.generation, out->machine);
    const struct js *errors = NULL;
    if (machine == NULL) {
        return fault_set(fault, FAULT_UNKNOWN_MACHINE, "no machine '%.*s' is loaded",
                         TEXT_ARGS(out->machine));
    }
    if (!check_state(import, machine, out, fault)) {
        return false;
    }
    const struct js *data = out->patch != NULL ? out->patch : &js_empty_object;
    data = fields_with_defaults(&import->arena, machine, data);
    out->patch = fields_check(&import->arena, machine, data, &errors);
    return errors == NULL || refuse_fields(&import->arena, errors, fault);
}

/* --- the line --- */

static bool read_version(struct import *import, const struct js *object, struct restore *restore,
                         struct attempt *out, struct fault *fault) {
    const struct js *version = js_find(object, TEXT("version"));
    if (version == NULL) {
        restore->version = 1;
        return check_by_rules(import, out, fault);
    }
    restore->version = js_is(version, JS_INTEGER) ? version->integer : 0;
    if (restore->version < 1) {
        return fault_set(fault, FAULT_BAD_REQUEST, "version: expected an integer from 1 on");
    }
    const struct machine *machine =
        generation_machine(import->core->policy.generation, out->machine);
    if (!text_given(out->to) && machine != NULL) {
        out->to = machine->states[machine->initial].name;
    }
    return text_given(out->to) || fault_set(fault, FAULT_BAD_REQUEST, "state: is needed");
}

static bool read_restore(struct import *import, const struct js *object, struct attempt *out,
                         struct fault *fault) {
    struct restore *restore = ARENA_NEW(&import->arena, struct restore);
    int64_t now_us = now_wall_us(&import->core->now);
    out->kind = ATTEMPT_RESTORE;
    out->restore = restore;
    out->updated_us = out->updated_us != 0 ? out->updated_us : now_us;
    out->created_us = out->created_us != 0 ? out->created_us : out->updated_us;
    if (!read_time(object, TEXT("entered_at"), now_us, &restore->entered_us, fault)) {
        return false;
    }
    restore->entered_us = restore->entered_us != 0 ? restore->entered_us : out->updated_us;
    return read_timers(&import->arena, object, restore, fault) &&
           read_version(import, object, restore, out, fault);
}

static bool check_names(const struct attempt *attempt, struct fault *fault) {
    if (!text_given(attempt->machine) || !text_given(attempt->id)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "machine and id are needed");
    }
    if (!entity_is_name(attempt->machine)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "machine: '%.*s' is not a machine name",
                         TEXT_ARGS(attempt->machine));
    }
    if (text_given(attempt->to) && !entity_is_state(attempt->to)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "state: '%.*s' is not a state name",
                         TEXT_ARGS(attempt->to));
    }
    return entity_is_id(attempt->id) ||
           fault_set(fault, FAULT_BAD_REQUEST,
                     "id: expected 1 to %d bytes of UTF-8 without control characters",
                     ENTITY_ID_MOST);
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
    return check_keys(object, line_keys, LINE_KEYS, fault) &&
           read_text(object, TEXT("machine"), &out->machine, fault) &&
           read_text(object, TEXT("id"), &out->id, fault) &&
           read_text(object, TEXT("state"), &out->to, fault) && check_names(out, fault) &&
           read_data(object, &out->patch, fault) && read_times(import, object, out, fault) &&
           (import->options.as_new || read_restore(import, object, out, fault));
}

bool import_line(struct import *import, struct text line, struct attempt *out,
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

/* --- what the operator should hear --- */

static void note_stranger(struct import *import, const struct attempt *attempt) {
    struct text key = text_print(&import->arena, "%.*s %.*s", TEXT_ARGS(attempt->machine),
                                 TEXT_ARGS(attempt->to));
    int64_t *count = map_find(&import->strangers, key);
    if (count == NULL) {
        count = ARENA_NEW(&import->kept, int64_t);
        map_set(&import->strangers, text_copy(&import->kept, key), count);
    }
    ++*count;
}

void import_note(struct import *import, const struct attempt *attempt) {
    if (attempt->kind != ATTEMPT_RESTORE) {
        return;
    }
    const struct machine *machine =
        generation_machine(import->core->policy.generation, attempt->machine);
    const struct state *state = machine != NULL ? machine_state(machine, attempt->to) : NULL;
    bool is_silent = js_find(js_find(attempt->metadata, TEXT("imported")), TEXT("timers")) == NULL;
    if (state == NULL) {
        note_stranger(import, attempt);
    } else if (state->timer_count > 0 && is_silent) {
        import->counts.untimed++;
    }
}
