/* decide_effects.c: what effects ask for, read into the decision.
 * Each effect sees the data as the ones before it left it. What is asked of other machines is
 * checked for sense here, since a typing error in a policy should name itself and not end as a
 * refusal of an entity nobody has heard of. */
#include "policy/rules/fields.h"
#include "policy/turn.h"

#include <stdio.h>

#define EMIT_TYPE_MOST 200

/* One function's answer while it is read. */
struct effect {
    struct turn *turn;
    struct speaker speaker; /* on_enter of 'APPROVED' */
};

static bool fail(const struct effect *effect, const char *where, struct text message) {
    return turn_fail(effect->turn, "%s: %s: %.*s", speaker_print(effect->turn, effect->speaker),
                     where, TEXT_ARGS(message));
}

static bool is_empty(const struct js *value) {
    return value->type == JS_OBJECT && value->object.count == 0;
}

/* --- set and unset --- */

static bool read_set(const struct effect *effect, const struct js *value) {
    struct turn *turn = effect->turn;
    const struct js *before = turn->data;
    if (value->type != JS_OBJECT) {
        return fail(effect, "set", TEXT("it must be a table { field = value }"));
    }
    turn->data =
        fields_settle(turn->arena, turn->machine, before, js_over(turn->arena, before, value));
    return true;
}

static bool read_unset(const struct effect *effect, const struct js *value) {
    struct turn *turn = effect->turn;
    size_t count = value->type == JS_ARRAY ? value->array.count : 0;
    struct js_member *nulls = ARENA_ARRAY(turn->arena, struct js_member, count);
    for (size_t i = 0; i < count; i++) {
        nulls[i] = (struct js_member){js_text(value->array.items[i]), &js_null};
        if (!text_given(nulls[i].key)) {
            return fail(effect, "unset", TEXT("it must be a list of field names"));
        }
    }
    turn->data = js_merge_patch(turn->arena, turn->data, js_object(turn->arena, nulls, count));
    return value->type == JS_ARRAY || is_empty(value) ||
           fail(effect, "unset", TEXT("it must be a list of field names"));
}

/* --- lists of requests to others --- */

struct request_key {
    struct text name;
    enum js_type type;
    bool required;
};

static const struct request_key emit_keys[] = {
    {{"type", 4}, JS_STRING, true}, {{"data", 4}, JS_NULL, false}, /* anything */
};
static const struct request_key follow_keys[] = {
    {{"machine", 7}, JS_STRING, true},   {{"id", 2}, JS_STRING, true},
    {{"to", 2}, JS_STRING, false},       {{"transition", 10}, JS_STRING, false},
    {{"comments", 8}, JS_STRING, false}, {{"metadata", 8}, JS_OBJECT, false},
    {{"data", 4}, JS_OBJECT, false},
};
static const struct request_key create_keys[] = {
    {{"machine", 7}, JS_STRING, true},
    {{"id", 2}, JS_STRING, false},
    {{"data", 4}, JS_OBJECT, false},
};
#define REQUEST_KEYS_MOST 7

struct request_form {
    const char *name;
    const char *expected;
    const struct request_key *keys;
    size_t key_count;
    struct text (*refusal)(const struct turn *turn, const struct js *request); /* TEXT_NONE: none */
};

static const struct request_key *key_of(const struct request_form *form, struct text name) {
    for (size_t i = 0; i < form->key_count; i++) {
        if (text_equal(form->keys[i].name, name)) {
            return &form->keys[i];
        }
    }
    return NULL;
}

static struct text refuse_key(struct arena *arena, const struct request_form *form,
                              struct text name) {
    struct text names[REQUEST_KEYS_MOST];
    for (size_t i = 0; i < form->key_count; i++) {
        names[i] = form->keys[i].name;
    }
    return text_print(arena, "the key '%.*s' is unknown%.*s", TEXT_ARGS(name),
                      TEXT_ARGS(problem_hint(arena, name, names, form->key_count)));
}

static struct text refuse_members(struct arena *arena, const struct request_form *form,
                                  const struct js *request) {
    for (size_t i = 0; i < request->object.count; i++) {
        const struct js_member *member = &request->object.members[i];
        const struct request_key *key = key_of(form, member->key);
        if (key == NULL) {
            return refuse_key(arena, form, member->key);
        }
        if (key->type != JS_NULL && member->value->type != key->type) {
            return text_print(arena, "'%.*s' must be %s, not %s", TEXT_ARGS(key->name),
                              key->type == JS_STRING ? "a string" : "a table",
                              js_type_name(member->value));
        }
    }
    for (size_t i = 0; i < form->key_count; i++) {
        if (form->keys[i].required && js_find(request, form->keys[i].name) == NULL) {
            return text_print(arena, "'%.*s' is missing", TEXT_ARGS(form->keys[i].name));
        }
    }
    return TEXT_NONE;
}

static struct text refuse_request(const struct turn *turn, const struct request_form *form,
                                  const struct js *request) {
    if (request->type != JS_OBJECT) {
        return text_of(form->expected);
    }
    struct text refusal = refuse_members(turn->arena, form, request);
    return text_given(refusal) ? refusal : form->refusal(turn, request);
}

static struct text refuse_emit(const struct turn *turn, const struct js *request) {
    struct text type = js_text(js_find(request, TEXT("type")));
    (void)turn;
    return type.length > 0 && type.length <= EMIT_TYPE_MOST
               ? TEXT_NONE
               : TEXT("'type' must have 1 to 200 characters");
}

/* The machine that is named, or why there is none. */
static struct text refuse_machine(const struct turn *turn, const struct js *request,
                                  const struct machine **out) {
    struct text name = js_text(js_find(request, TEXT("machine")));
    *out = generation_machine(turn->generation, name);
    if (*out != NULL) {
        return TEXT_NONE;
    }
    struct text hint = generation_machine_hint(turn->generation, turn->arena, name);
    return text_print(turn->arena, "there is no machine '%.*s'%.*s", TEXT_ARGS(name),
                      TEXT_ARGS(hint));
}

static struct text refuse_id(const struct js *request) {
    struct text id = js_text(js_find(request, TEXT("id")));
    return !text_given(id) || entity_is_id(id)
               ? TEXT_NONE
               : TEXT("'id' must be 1 to 200 bytes without control characters");
}

static struct text refuse_goal(const struct turn *turn, const struct machine *machine,
                               const struct js *request) {
    struct text to = js_text(js_find(request, TEXT("to")));
    struct text verb = js_text(js_find(request, TEXT("transition")));
    if (text_given(to) == text_given(verb)) {
        return TEXT("it needs either 'to' or 'transition'");
    }
    if (text_given(to) && machine_state(machine, to) == NULL) {
        return text_print(turn->arena, "%.*s has no state '%.*s'%.*s", TEXT_ARGS(machine->name),
                          TEXT_ARGS(to), TEXT_ARGS(machine_state_hint(turn->arena, machine, to)));
    }
    if (text_given(verb) && !machine_has_verb(machine, verb)) {
        return text_print(turn->arena, "%.*s has no transition '%.*s'", TEXT_ARGS(machine->name),
                          TEXT_ARGS(verb));
    }
    return TEXT_NONE;
}

static struct text refuse_follow(const struct turn *turn, const struct js *request) {
    const struct machine *machine;
    struct text refusal = refuse_machine(turn, request, &machine);
    refusal = text_given(refusal) ? refusal : refuse_id(request);
    return text_given(refusal) ? refusal : refuse_goal(turn, machine, request);
}

static struct text refuse_create(const struct turn *turn, const struct js *request) {
    const struct machine *machine;
    struct text refusal = refuse_machine(turn, request, &machine);
    return text_given(refusal) ? refusal : refuse_id(request);
}

static const struct request_form emit_form = {
    "emit", "it must be a table { type = '...', data = {...} }", emit_keys, 2, refuse_emit};
static const struct request_form follow_form = {
    "follow", "it must be a table { machine =, id =, to = }", follow_keys, 7, refuse_follow};
static const struct request_form create_form = {
    "create", "it must be a table { machine =, id =, data = }", create_keys, 3, refuse_create};

static const struct js *concatenate(struct arena *arena, const struct js *first,
                                    const struct js *second) {
    size_t count = first != NULL ? first->array.count : 0;
    const struct js **items = ARENA_ARRAY(arena, const struct js *, count + second->array.count);
    for (size_t i = 0; i < count; i++) {
        items[i] = first->array.items[i];
    }
    for (size_t i = 0; i < second->array.count; i++) {
        items[count + i] = second->array.items[i];
    }
    return js_array(arena, items, count + second->array.count);
}

static bool read_requests(const struct effect *effect, const struct request_form *form,
                          const struct js *value, const struct js **list) {
    struct turn *turn = effect->turn;
    if (is_empty(value)) {
        return true;
    }
    if (value->type != JS_ARRAY) {
        return fail(effect, form->name, TEXT("it must be a list of tables"));
    }
    for (size_t i = 0; i < value->array.count; i++) {
        struct text refusal = refuse_request(turn, form, value->array.items[i]);
        if (text_given(refusal)) {
            char where[32];
            snprintf(where, sizeof where, "%s[%zu]", form->name, i + 1);
            return fail(effect, where, refusal);
        }
    }
    *list = value->array.count > 0 ? concatenate(turn->arena, *list, value) : *list;
    return true;
}

static bool read_emit(const struct effect *effect, const struct js *value) {
    return read_requests(effect, &emit_form, value, &effect->turn->out->emit);
}

static bool read_follow(const struct effect *effect, const struct js *value) {
    return read_requests(effect, &follow_form, value, &effect->turn->out->follow);
}

static bool read_create(const struct effect *effect, const struct js *value) {
    return read_requests(effect, &create_form, value, &effect->turn->out->create);
}

/* --- one function's answer --- */

static const struct {
    struct text name;
    bool (*read)(const struct effect *effect, const struct js *value);
} parts[] = {
    {{"set", 3}, read_set},       {{"unset", 5}, read_unset},   {{"emit", 4}, read_emit},
    {{"follow", 6}, read_follow}, {{"create", 6}, read_create},
};
#define PART_COUNT (sizeof parts / sizeof parts[0])

static bool refuse_unknown_part(const struct effect *effect, const struct js *answer) {
    struct text names[PART_COUNT];
    for (size_t i = 0; i < PART_COUNT; i++) {
        names[i] = parts[i].name;
    }
    for (size_t i = 0; i < answer->object.count; i++) {
        struct text key = answer->object.members[i].key;
        bool is_known = false;
        for (size_t j = 0; j < PART_COUNT; j++) {
            is_known = is_known || text_equal(key, names[j]);
        }
        if (!is_known) {
            struct text hint = problem_hint(effect->turn->arena, key, names, PART_COUNT);
            return turn_fail(
                effect->turn,
                "%s: the key '%.*s' is not one of set, unset, emit, follow, create%.*s",
                speaker_print(effect->turn, effect->speaker), TEXT_ARGS(key), TEXT_ARGS(hint));
        }
    }
    return true;
}

static bool read_answer(const struct effect *effect, const struct js *answer) {
    if (answer == NULL) {
        return true;
    }
    if (answer->type != JS_OBJECT) {
        return turn_fail(effect->turn, "%s must return a table of effects or nil, not %s",
                         speaker_print(effect->turn, effect->speaker), js_type_name(answer));
    }
    if (!refuse_unknown_part(effect, answer)) {
        return false;
    }
    for (size_t i = 0; i < PART_COUNT; i++) {
        const struct js *value = js_find(answer, parts[i].name);
        if (value != NULL && !parts[i].read(effect, value)) {
            return false;
        }
    }
    return true;
}

static bool run_all(struct turn *turn, struct functions functions, const char *what,
                    const struct state *state) {
    struct effect effect = {turn, {what, state->name}};
    for (size_t i = 0; i < functions.count; i++) {
        const struct js *answer;
        turn_call(turn, functions.references[i], 1); // stack: answer
        if (!turn_read(turn, effect.speaker, &answer) || !read_answer(&effect, answer)) { // stack:
            return false;
        }
    }
    return true;
}

/* Effects may not leave what the fields refuse. */
static bool check_result(struct turn *turn, const struct js *before) {
    const struct js *errors = NULL;
    if (turn->data == before) {
        return true;
    }
    turn->data = fields_check(turn->arena, turn->machine, turn->data, &errors);
    if (errors == NULL) {
        return true;
    }
    const struct js_member *first = &errors->object.members[0];
    return turn_fail(turn, "the effects leave data that the fields refuse: %.*s %.*s",
                     TEXT_ARGS(first->key), TEXT_ARGS(js_text(first->value)));
}

bool effects_run(struct turn *turn) {
    static const struct functions none = {NULL, 0};
    const struct js *before = turn->data;
    bool is_transition = turn->attempt->kind == ATTEMPT_TRANSITION;
    if (turn->to == NULL) {
        return true; /* an update enters and leaves nothing */
    }
    struct functions way = turn->way_functions != NULL ? turn->way_functions->effects : none;
    if (is_transition && !run_all(turn, turn->from_functions->on_exit, "on_exit of", turn->from)) {
        return false;
    }
    return run_all(turn, way, "the effect of the transition to", turn->to) &&
           run_all(turn, turn->to_functions->on_enter, "on_enter of", turn->to) &&
           check_result(turn, before);
}
