/* access.c: what `access` and `directory` say of a question. A denial is an answer, and so is a
 * function that fails: only a read that failed is a fault. Only `true` allows. */
#include "policy/access.h"

#include "lua/value.h"
#include "policy/context.h"
#include "policy/turn.h"

#include <lauxlib.h>

/* --- looking things up --- */

static const struct access_action *action_of(const struct access_type *type, struct text name) {
    for (size_t i = 0; i < type->action_count; i++) {
        if (text_equal(type->actions[i].name, name)) {
            return &type->actions[i];
        }
    }
    return NULL;
}

bool access_declares(const struct generation *generation, struct text type, struct text action) {
    const struct access_type *found = access_type_of(&generation->access, type);
    return found != NULL && (!text_given(action) || action_of(found, action) != NULL);
}

size_t access_actions(const struct generation *generation, struct arena *arena, struct text type,
                      struct text **out) {
    const struct access_type *found = access_type_of(&generation->access, type);
    size_t count = found != NULL ? found->action_count : 0;
    *out = ARENA_ARRAY(arena, struct text, count);
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = found->actions[i].name;
    }
    return count;
}

/* --- the directory --- */

/* The first that is not before (type, id). */
static size_t lower_bound(const struct directory *directory, struct text type, struct text id) {
    size_t low = 0, high = directory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct listed *item = &directory->items[middle];
        int order = text_compare(item->type, type);
        order = order != 0 ? order : text_compare(item->entry.id, id);
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return low;
}

const struct directory_entry *directory_next(const struct generation *generation,
                                             enum directory_side side, struct text type,
                                             struct text after) {
    const struct directory *directory = &generation->access.directories[side];
    size_t at = lower_bound(directory, type, text_given(after) ? after : TEXT(""));
    if (at < directory->count && text_given(after) && text_equal(directory->items[at].type, type) &&
        text_equal(directory->items[at].entry.id, after)) {
        at++;
    }
    return at < directory->count && text_equal(directory->items[at].type, type)
               ? &directory->items[at].entry
               : NULL;
}

const struct directory_entry *directory_find(const struct generation *generation,
                                             enum directory_side side, struct text type,
                                             struct text id) {
    const struct directory *directory = &generation->access.directories[side];
    size_t at = lower_bound(directory, type, id);
    return at < directory->count && text_equal(directory->items[at].type, type) &&
                   text_equal(directory->items[at].entry.id, id)
               ? &directory->items[at].entry
               : NULL;
}

bool directory_has_type(const struct generation *generation, enum directory_side side,
                        struct text type) {
    return directory_next(generation, side, type, TEXT_NONE) != NULL;
}

bool directory_is_empty(const struct generation *generation, enum directory_side side) {
    return generation->access.directories[side].count == 0;
}

struct party directory_complete(const struct generation *generation, struct arena *arena,
                                enum directory_side side, const struct party *party) {
    const struct directory_entry *entry = directory_find(generation, side, party->type, party->id);
    struct party complete = *party;
    complete.properties =
        js_over(arena, entry != NULL ? entry->properties : NULL, party->properties);
    return complete;
}

/* --- who the subject is --- */

static const struct js *texts_of(struct arena *arena, const struct js *value) {
    if (js_is(value, JS_STRING)) {
        return js_append(arena, &js_empty_array, value);
    }
    return js_is(value, JS_ARRAY) ? value : NULL;
}

const struct actor *access_actor(struct arena *arena, const struct party *subject) {
    struct actor *actor = ARENA_NEW(arena, struct actor);
    const struct js *roles = js_find(subject->properties, TEXT("roles"));
    actor->id = subject->id;
    actor->roles =
        texts_of(arena, roles != NULL ? roles : js_find(subject->properties, TEXT("role")));
    actor->permissions = texts_of(arena, js_find(subject->properties, TEXT("permissions")));
    actor->attributes = subject->properties;
    return actor;
}

/* --- answers --- */

static void deny(struct access_answer *out, enum fault_code code, struct text reason) {
    *out = (struct access_answer){.code = code, .reason = reason};
}

static void place(struct access_answer *out, struct arena *arena, const struct access_type *type,
                  const struct access_action *action) {
    out->rule = text_print(arena, "the action '%.*s' of '%.*s'", TEXT_ARGS(action->name),
                           TEXT_ARGS(type->name));
    out->rule_file = type->file;
    out->rule_line = action->line;
}

void access_unknown(const struct generation *generation, struct arena *arena,
                    const struct access_question *question, struct access_answer *out) {
    size_t count = generation->access.type_count + generation->machine_count;
    struct text *names = ARENA_ARRAY(arena, struct text, count);
    count = 0;
    for (size_t i = 0; i < generation->access.type_count; i++) {
        names[count++] = generation->access.types[i].name;
    }
    for (size_t i = 0; i < generation->machine_count; i++) {
        names[count++] = generation->machines[i].name;
    }
    struct text type = question->resource.type;
    deny(out, FAULT_NOT_FOUND,
         text_print(arena, "no policy says anything of resources of type '%.*s'%.*s",
                    TEXT_ARGS(type), TEXT_ARGS(problem_hint(arena, type, names, count))));
}

static void unknown_action(struct arena *arena, const struct access_type *type, struct text action,
                           struct access_answer *out) {
    struct text *names = ARENA_ARRAY(arena, struct text, type->action_count);
    for (size_t i = 0; i < type->action_count; i++) {
        names[i] = type->actions[i].name;
    }
    struct text hint = problem_hint(arena, action, names, type->action_count);
    deny(out, FAULT_NOT_FOUND,
         text_print(arena, "'%.*s' has no action '%.*s'%.*s", TEXT_ARGS(type->name),
                    TEXT_ARGS(action), TEXT_ARGS(hint)));
}

static void ask_permissions(const struct generation *generation, struct arena *arena,
                            const struct access_question *question, const struct access_type *type,
                            const struct access_action *action, struct access_answer *out) {
    struct party subject =
        directory_complete(generation, arena, DIRECTORY_SUBJECTS, &question->subject);
    const struct actor *actor = access_actor(arena, &subject);
    struct text *missing = ARENA_ARRAY(arena, struct text, action->permission_count);
    size_t count = 0;
    for (size_t i = 0; i < action->permission_count; i++) {
        if (!roles_permit(&generation->roles, actor, action->permissions[i])) {
            missing[count++] = action->permissions[i];
        }
    }
    *out = (struct access_answer){.code = FAULT_NONE};
    if (count > 0) {
        deny(out, FAULT_PERMISSION_DENIED,
             text_print(arena, "'%.*s' may not %.*s this: it needs '%.*s'", TEXT_ARGS(subject.id),
                        TEXT_ARGS(action->name), TEXT_ARGS(missing[0])));
        out->required = texts_json(arena, action->permissions, action->permission_count);
        out->missing = texts_json(arena, missing, count);
        place(out, arena, type, action);
    }
}

bool access_at_once(const struct generation *generation, struct arena *arena,
                    const struct access_question *question, struct access_answer *out) {
    const struct access_type *type = access_type_of(&generation->access, question->resource.type);
    const struct access_action *action = type != NULL ? action_of(type, question->action) : NULL;
    if (action == NULL || action->has_function ||
        generation_machine(generation, question->subject.type) != NULL) {
        return false;
    }
    ask_permissions(generation, arena, question, type, action, out);
    out->reason = generation_clean_text(generation, type->name, arena, out->reason);
    return true;
}

/* --- functions --- */

/* What the one vm_call works on. The turn comes first: ctx:find and ctx:count look for it. */
struct inquiry {
    struct turn turn;
    const struct access_question *question;
    const struct access_type *type;
    const struct access_action *action;
    int function;
    struct access_answer *out;
};

/* stack: [-0, +1] */
static void push_party(lua_State *lua, const struct party *party) {
    lua_createtable(lua, 0, 5);        // stack: party
    value_push_text(lua, party->type); // stack: party type
    lua_setfield(lua, -2, "type");     // stack: party
    value_push_text(lua, party->id);   // stack: party id
    lua_setfield(lua, -2, "id");       // stack: party
    value_push(lua, party->properties != NULL ? party->properties : &js_empty_object);
    lua_setfield(lua, -2, "properties"); // stack: party
}

/* stack: [-0, +1] */
static void push_subject(lua_State *lua, const struct actor *actor, const struct party *party) {
    push_party(lua, party);                                                 // stack: subject
    value_push(lua, actor->roles != NULL ? actor->roles : &js_empty_array); // stack: subject roles
    lua_setfield(lua, -2, "roles");                                         // stack: subject
    value_push(lua, actor->permissions != NULL ? actor->permissions : &js_empty_array);
    lua_setfield(lua, -2, "permissions"); // stack: subject
}

/* stack: [-0, +1] */
static void push_context(struct inquiry *inquiry, const struct actor *actor) {
    lua_State *lua = inquiry->turn.lua;
    const struct access_question *question = inquiry->question;
    context_push_plain(&inquiry->turn, actor); // stack: ctx
    lua_createtable(lua, 0, 2);                // stack: ctx action
    value_push_text(lua, question->action);    // stack: ctx action name
    lua_setfield(lua, -2, "name");             // stack: ctx action
    value_push(lua, question->action_properties != NULL ? question->action_properties
                                                        : &js_empty_object);
    lua_setfield(lua, -2, "properties"); // stack: ctx action
    lua_setfield(lua, -2, "action");     // stack: ctx
    value_push(lua, question->context != NULL ? question->context : &js_empty_object);
    lua_setfield(lua, -2, "context"); // stack: ctx
}

static int ask_protected(lua_State *lua) {
    struct inquiry *inquiry = lua_touserdata(lua, TURN_SELF);
    const struct actor *actor = access_actor(inquiry->turn.arena, &inquiry->question->subject);
    struct text message;
    inquiry->turn.lua = lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, inquiry->function); // stack: function
    push_subject(lua, actor, &inquiry->question->subject);  // stack: function subject
    push_party(lua, &inquiry->question->resource);          // stack: function subject resource
    push_context(inquiry, actor);                           // stack: function subject resource ctx
    lua_call(lua, 3, 2);                                    // stack: ok message
    struct speaker speaker = {text_cstring(inquiry->turn.arena, inquiry->action->name), TEXT_NONE};
    if (!turn_verdict(&inquiry->turn, speaker, &message)) { // stack:
        deny(inquiry->out, FAULT_PERMISSION_DENIED, message);
        place(inquiry->out, inquiry->turn.arena, inquiry->type, inquiry->action);
    }
    return 0;
}

static bool ask_function(struct inquiry *inquiry, struct fault *fault) {
    struct fault failure = FAULT_INIT;
    *inquiry->out = (struct access_answer){.code = FAULT_NONE};
    bool asked = turn_run(&inquiry->turn, ask_protected, &failure);
    if (inquiry->turn.read_fault.code != FAULT_NONE) {
        *fault = inquiry->turn.read_fault;
        return false;
    }
    if (!asked) {
        deny(inquiry->out, FAULT_POLICY_ERROR,
             text_print(inquiry->turn.arena, "the policy of '%.*s' failed: %s",
                        TEXT_ARGS(inquiry->type->name), failure.message));
        place(inquiry->out, inquiry->turn.arena, inquiry->type, inquiry->action);
    }
    return true;
}

bool access_decide(struct policy policy, struct arena *arena,
                   const struct access_question *question, int64_t now_us,
                   const struct policy_reads *reads, struct access_answer *out,
                   struct fault *fault) {
    const struct generation *generation = policy.generation;
    const struct access_type *type = access_type_of(&generation->access, question->resource.type);
    const struct access_action *action = type != NULL ? action_of(type, question->action) : NULL;
    if (type == NULL) {
        access_unknown(generation, arena, question, out);
        return true;
    }
    if (action == NULL) {
        unknown_action(arena, type, question->action, out);
        return true;
    }
    if (!action->has_function) {
        ask_permissions(generation, arena, question, type, action, out);
        return true;
    }
    struct access_question complete = *question;
    complete.subject =
        directory_complete(generation, arena, DIRECTORY_SUBJECTS, &question->subject);
    complete.resource =
        directory_complete(generation, arena, DIRECTORY_RESOURCES, &question->resource);
    struct seat *seat = &policy.generation->seats[policy.vm];
    struct inquiry inquiry = {
        .turn = {.generation = generation,
                 .seat = seat,
                 .arena = arena,
                 .now_us = now_us,
                 .reads = reads},
        .question = &complete,
        .type = type,
        .action = action,
        .function = seat->actions[type - generation->access.types][action - type->actions],
        .out = out};
    bool asked = ask_function(&inquiry, fault);
    if (asked) {
        out->reason = generation_clean_reason(generation, arena, &complete, out->reason);
    }
    return asked;
}
