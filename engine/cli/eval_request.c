/* eval_request.c: the words of the HTTP API, so that a request can be tried out here before it is
 * sent there. */
#include "cli/eval_request.h"

#include "api/form.h"
#include "cli/policies.h"
#include "timezone/instant.h"

#define NO_ID         TEXT("00000000-0000-0000-0000-000000000000")
#define COMMENTS_MOST (64 * 1024)

/* What an entity in the request looks like. */
struct description {
    struct text machine, id, state;
    int64_t version;
    const struct js *data;
};

static bool read_description(const struct form *form, struct description *out) {
    *out = (struct description){.version = 1};
    if (!form_text(form, "machine", 100, &out->machine) ||
        !form_text(form, "id", ENTITY_ID_MOST, &out->id) ||
        !form_text(form, "state", 100, &out->state) ||
        !form_integer(form, "version", 1, INT64_MAX, &out->version) ||
        !form_object(form, "data", &out->data)) {
        return false;
    }
    return (!text_given(out->id) || entity_is_id(out->id)) ||
           fault_set(form->fault, FAULT_BAD_REQUEST,
                     "%s%sid: expected 1 to %d bytes without control characters", form->where,
                     form->where[0] != '\0' ? "." : "", ENTITY_ID_MOST);
}

static struct entity entity_of(const struct description *description) {
    return (struct entity){
        .machine = description->machine,
        .id = description->id,
        .exists = true,
        .state = description->state,
        .version = description->version,
        .data = description->data != NULL ? description->data : &js_empty_object,
    };
}

/* --- the machine and its state --- */

static bool check_state(const struct machine *machine, struct text state, struct fault *fault) {
    return machine_state(machine, state) != NULL ||
           fault_set(fault, FAULT_BAD_REQUEST, "state: machine '%.*s' has no state '%.*s'",
                     TEXT_ARGS(machine->name), TEXT_ARGS(state));
}

/* --- the attempt --- */

static bool read_action(const struct form *form, enum attempt_kind *out) {
    struct text action = TEXT("transition");
    if (!form_text(form, "action", 20, &action)) {
        return false;
    }
    *out = text_equal(action, TEXT("create"))   ? ATTEMPT_CREATE
           : text_equal(action, TEXT("update")) ? ATTEMPT_UPDATE
                                                : ATTEMPT_TRANSITION;
    return *out != ATTEMPT_TRANSITION || text_equal(action, TEXT("transition")) ||
           fault_set(form->fault, FAULT_BAD_REQUEST,
                     "action: expected \"transition\", \"create\" or \"update\"");
}

/* `timer`: no other member says what is attempted; fire_timer fills in the rest. */
static bool read_target(const struct form *form, struct text timer, struct attempt *attempt) {
    if (!form_text(form, "to", 100, &attempt->to) ||
        !form_text(form, "transition", 100, &attempt->verb)) {
        return false;
    }
    if (text_given(timer)) {
        return (attempt->kind == ATTEMPT_TRANSITION && !text_given(attempt->to) &&
                !text_given(attempt->verb)) ||
               fault_set(form->fault, FAULT_BAD_REQUEST,
                         "`timer` is for the action \"transition\", without `to` and "
                         "`transition`: it names the state that the timer leads to");
    }
    size_t given = (size_t)text_given(attempt->to) + (size_t)text_given(attempt->verb);
    if (attempt->kind == ATTEMPT_TRANSITION && given != 1) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "expected either `to` (a state) or `transition` (a verb)");
    }
    return attempt->kind == ATTEMPT_TRANSITION || given == 0 ||
           fault_set(form->fault, FAULT_BAD_REQUEST,
                     "`to` and `transition` are for the action \"transition\"");
}

static bool read_options(const struct form *form, struct attempt *attempt) {
    static const char *const keys[] = {"dry_run",    "idempotent", "skip_permissions",
                                       "if_version", "effect",     NULL};
    struct form options = {form->arena, NULL, "options", form->fault};
    bool is_read = form_object(form, "options", &options.object) && form_known(&options, keys) &&
                   form_bool(&options, "dry_run", &attempt->dry_run) &&
                   form_bool(&options, "idempotent", &attempt->idempotent) &&
                   form_bool(&options, "skip_permissions", &attempt->skip_permissions) &&
                   form_bool(&options, "effect", &attempt->by_engine) &&
                   form_version(&options, "if_version", attempt);
    if (attempt->by_engine) {
        attempt->skip_permissions = true;
        attempt->caused_by = TEXT("effect");
    }
    return is_read;
}

static bool read_reason(const struct form *form, struct attempt *attempt) {
    attempt->reason = TEXT("user_action");
    return form_text(form, "reason", 100, &attempt->reason) &&
           (attempt_is_reason(attempt->reason) ||
            fault_set(form->fault, FAULT_BAD_REQUEST,
                      "reason: expected user_action, system_auto, batch, migration, api, timer, "
                      "webhook or admin_override"));
}

static bool read_context(const struct form *form, struct attempt *attempt) {
    return read_reason(form, attempt) && form_actor(form, "actor", &attempt->actor) &&
           form_text(form, "comments", COMMENTS_MOST, &attempt->comments) &&
           form_object(form, "metadata", &attempt->metadata) &&
           form_object(form, "patch", &attempt->patch);
}

static bool read_now(const struct form *form, int64_t *now_us) {
    struct text text = TEXT_NONE;
    int offset;
    if (!form_text(form, "now", 60, &text) || !text_given(text)) {
        return form->fault->code == FAULT_NONE;
    }
    if (!instant_parse(text, now_us, &offset, form->fault)) {
        form->fault->code = FAULT_BAD_REQUEST;
        return fault_within(form->fault, "now");
    }
    return true;
}

/* --- a timer --- */

static const struct timer_rule *timer_to(const struct state *state, struct text to) {
    for (size_t i = 0; i < state->timer_count; i++) {
        if (text_equal(state->timers[i].to, to)) {
            return &state->timers[i];
        }
    }
    return NULL;
}

/* The attempt that the engine makes when the timer is due: by nobody, with what the rule says. */
static bool fire_timer(const struct machine *machine, struct text timer, struct eval_request *out,
                       struct fault *fault) {
    struct attempt *attempt = &out->attempt;
    const struct state *state = machine_state(machine, out->entity.state);
    const struct timer_rule *rule = timer_to(state, timer);
    if (rule == NULL) {
        return fault_set(fault, FAULT_BAD_REQUEST, "timer: the state '%.*s' has no timer to '%.*s'",
                         TEXT_ARGS(state->name), TEXT_ARGS(timer));
    }
    attempt->to = rule->to;
    attempt->reason = rule->reason;
    attempt->comments = rule->comments;
    attempt->actor = NULL;
    attempt->by_engine = attempt->skip_permissions = true;
    return true;
}

/* --- the other entities --- */

static bool read_other(const struct form *form, size_t index, const struct js *value,
                       struct entity *out) {
    static const char *const keys[] = {"machine", "id", "state", "version", "data", NULL};
    struct text where = text_print(form->arena, "entities[%zu]", index);
    struct form inner = {form->arena, value, where.bytes, form->fault};
    struct description description;
    if (!js_is(value, JS_OBJECT)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST, "%s: expected an object, not %s",
                         where.bytes, js_type_name(value));
    }
    if (!form_known(&inner, keys) || !read_description(&inner, &description)) {
        return false;
    }
    *out = entity_of(&description);
    return (text_given(out->machine) && text_given(out->id) && text_given(out->state)) ||
           fault_set(form->fault, FAULT_BAD_REQUEST, "%s: machine, id and state are needed",
                     where.bytes);
}

static bool read_others(const struct form *form, struct eval_request *out) {
    const struct js *list = js_find(form->object, TEXT("entities"));
    if (list == NULL || js_is(list, JS_NULL)) {
        return true;
    }
    if (!js_is(list, JS_ARRAY)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST, "entities: expected an array, not %s",
                         js_type_name(list));
    }
    out->others = ARENA_ARRAY(form->arena, struct entity, list->array.count + 1);
    out->other_count = list->array.count;
    for (size_t i = 0; i < list->array.count; i++) {
        if (!read_other(form, i, list->array.items[i], &out->others[i])) {
            return false;
        }
    }
    return true;
}

/* --- the whole --- */

/* A new entity's data may be called `data` or `patch`. */
static bool place_creation(const struct form *form, const struct description *subject,
                           struct eval_request *out) {
    if (subject->data != NULL && out->attempt.patch != NULL) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "data and patch exclude each other when an entity is created");
    }
    out->attempt.patch = subject->data != NULL ? subject->data : out->attempt.patch;
    out->attempt.to = subject->state;
    out->entity = (struct entity){.machine = subject->machine, .id = out->attempt.id};
    return true;
}

static void place_existing(const struct machine *machine, const struct description *subject,
                           struct eval_request *out) {
    out->entity = entity_of(subject);
    out->entity.id = out->attempt.id;
    if (!text_given(subject->state)) {
        out->entity.state = machine->states[machine->initial].name;
    }
}

static bool read_all(const struct form *form, const struct generation *generation,
                     struct eval_request *out) {
    struct description subject;
    const struct machine *machine;
    struct text timer = out->timer;
    if (!read_description(form, &subject) || !read_action(form, &out->attempt.kind) ||
        !form_text(form, "timer", 100, &timer) || !read_target(form, timer, &out->attempt) ||
        !read_context(form, &out->attempt) || !read_options(form, &out->attempt) ||
        !read_now(form, &out->now_us) || !read_others(form, out)) {
        return false;
    }
    if (!text_given(subject.machine)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST, "machine: missing");
    }
    if (!policies_machine(generation, form->arena, subject.machine, &machine, form->fault) ||
        (text_given(subject.state) && !check_state(machine, subject.state, form->fault))) {
        return false;
    }
    out->attempt.machine = subject.machine;
    out->attempt.id = text_given(subject.id) ? subject.id : NO_ID;
    if (out->attempt.kind == ATTEMPT_CREATE) {
        return place_creation(form, &subject, out);
    }
    place_existing(machine, &subject, out);
    return !text_given(timer) || fire_timer(machine, timer, out, form->fault);
}

bool eval_request_read(const struct generation *generation, struct arena *arena, struct text json,
                       struct now now, struct eval_request *out, struct fault *fault) {
    static const char *const keys[] = {"machine",  "id",         "state",  "version", "data",
                                       "to",       "transition", "action", "actor",   "reason",
                                       "comments", "metadata",   "patch",  "now",     "entities",
                                       "options",  "timer",      NULL};
    const struct js *object;
    if (!js_parse(arena, json, &object, fault)) {
        return false;
    }
    if (!js_is(object, JS_OBJECT)) {
        return fault_set(fault, FAULT_BAD_REQUEST, "expected an object, not %s",
                         js_type_name(object));
    }
    struct form form = {arena, object, "", fault};
    *out = (struct eval_request){.now_us = now_wall_us(&now), .timer = out->timer};
    out->attempt.blocking_timeout_ms = out->attempt.max_retries = -1;
    return form_known(&form, keys) && read_all(&form, generation, out);
}

/* --- what the policy may read --- */

static bool find(void *context, struct arena *arena, struct text machine, struct text id,
                 const struct entity **out, struct fault *fault) {
    struct eval_request *request = context;
    (void)arena;
    (void)fault;
    *out = NULL;
    if (request->entity.exists && text_equal(request->entity.machine, machine) &&
        text_equal(request->entity.id, id)) {
        *out = &request->entity;
        return true;
    }
    for (size_t i = 0; i < request->other_count && *out == NULL; i++) {
        struct entity *other = &request->others[i];
        *out = text_equal(other->machine, machine) && text_equal(other->id, id) ? other : NULL;
    }
    return true;
}

static bool has_state(const struct entity *entity, const struct text *states, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(entity->state, states[i])) {
            return true;
        }
    }
    return count == 0;
}

static bool count(void *context, struct text machine, const struct text *states, size_t state_count,
                  const struct js *where, int64_t *out, struct fault *fault) {
    struct eval_request *request = context;
    (void)fault;
    *out = 0;
    for (size_t i = 0; i <= request->other_count; i++) {
        const struct entity *entity =
            i < request->other_count ? &request->others[i] : &request->entity;
        *out += entity->exists && text_equal(entity->machine, machine) &&
                has_state(entity, states, state_count) && js_holds(entity->data, where);
    }
    return true;
}

struct policy_reads eval_request_reads(struct eval_request *request) {
    return (struct policy_reads){find, count, request};
}
