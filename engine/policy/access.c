/* access.c: what `access` and `directory` say of a question. A denial is an answer, and so is a
 * function that fails: only a read that failed is a fault. Only `true` allows. */
#include "policy/access.h"

#include "base/map.h"
#include "lua/value.h"
#include "policy/context.h"
#include "policy/permission.h"

/* --- looking things up --- */

static const struct access_action *action_of(const struct access_type *type, struct text name) {
    for (size_t i = 0; i < type->action_count; i++) {
        if (text_equal(type->actions[i].name, name)) {
            return &type->actions[i];
        }
    }
    return NULL;
}

/* The type's own declaration, or the one of all types without their own, which machines have not.
 */
static const struct access_type *type_for(const struct generation *generation, struct text name) {
    const struct access_type *own = access_type_of(&generation->access, name);
    bool is_machine = generation_machine(generation, name) != NULL;
    return own != NULL || is_machine ? own : access_type_of(&generation->access, TEXT("*"));
}

/* Whether the action is a state of the machine, or the verb of a transition. */
static bool is_transition(const struct machine *machine, struct text action) {
    return machine_state(machine, action) != NULL || machine_has_verb(machine, action);
}

enum access_act access_act_of(const struct machine *machine, struct text action) {
    enum access_act act = ACCESS_TRANSITION;
    if (text_equal(action, TEXT("read")) && machine->read.is_there) {
        act = ACCESS_READ;
    } else if (text_equal(action, TEXT("update")) && machine_has_update(machine)) {
        act = ACCESS_UPDATE;
    }
    return act != ACCESS_TRANSITION && is_transition(machine, action) ? ACCESS_TRANSITION : act;
}

static bool is_of_machine(const struct generation *generation, struct text type,
                          struct text action) {
    const struct machine *machine = generation_machine(generation, type);
    return machine != NULL &&
           (is_transition(machine, action) || access_act_of(machine, action) != ACCESS_TRANSITION);
}

/* The action of this name, or "*", which does not take over what a machine says of its own. */
static const struct access_action *action_for(const struct generation *generation,
                                              const struct access_type *type, struct text name) {
    const struct access_action *own = action_of(type, name);
    return own != NULL || is_of_machine(generation, type->name, name) ? own
                                                                      : action_of(type, TEXT("*"));
}

bool access_declares(const struct generation *generation, struct text type, struct text action) {
    const struct access_type *found = type_for(generation, type);
    if (found == NULL || !text_given(action)) {
        return found != NULL;
    }
    return action_for(generation, found, action) != NULL;
}

size_t access_actions(const struct generation *generation, struct arena *arena, struct text type,
                      struct text **out) {
    const struct access_type *found = type_for(generation, type);
    size_t most = found != NULL ? found->action_count : 0, count = 0;
    *out = ARENA_ARRAY(arena, struct text, most);
    for (size_t i = 0; i < most; i++) {
        if (!text_equal(found->actions[i].name, TEXT("*"))) {
            (*out)[count++] = found->actions[i].name;
        }
    }
    return count;
}

/* --- the directory --- */

const struct directory_entry *directory_next(const struct generation *generation,
                                             enum directory_side side, struct text type,
                                             struct text after) {
    const struct directory *directory = &generation->access.directories[side];
    size_t at = directory_from(directory, type, text_given(after) ? after : TEXT(""));
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
    const struct listed *listed = directory_listed(&generation->access.directories[side], type, id);
    return listed != NULL ? &listed->entry : NULL;
}

bool directory_has_type(const struct generation *generation, enum directory_side side,
                        struct text type) {
    return directory_has(&generation->access.directories[side], type);
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

/* Both lists as one; either may be NULL. */
static const struct js *joined(struct arena *arena, const struct js *list, const struct js *more) {
    if (list == NULL || more == NULL) {
        return list != NULL ? list : more;
    }
    for (size_t i = 0; i < more->array.count; i++) {
        list = js_append(arena, list, more->array.items[i]);
    }
    return list;
}

static const struct js *roles_of(struct arena *arena, const struct js *properties) {
    const struct js *roles = js_find(properties, TEXT("roles"));
    roles = roles != NULL ? roles : js_find(properties, TEXT("role"));
    return js_is(roles, JS_OBJECT) ? js_append(arena, &js_empty_array, roles)
                                   : texts_of(arena, roles);
}

static void add_grants(struct arena *arena, struct actor *actor, const struct js *properties) {
    actor->roles = joined(arena, actor->roles, roles_of(arena, properties));
    actor->permissions = joined(arena, actor->permissions,
                                texts_of(arena, js_find(properties, TEXT("permissions"))));
}

/* Adds what the groups grant, and the groups that these are in; each once, so circles end. */
static void add_groups(const struct generation *generation, struct arena *arena,
                       struct actor *actor, struct map *seen, const struct js *names) {
    for (size_t i = 0; names != NULL && i < names->array.count; i++) {
        struct text name = js_text(names->array.items[i]);
        const struct directory_entry *group =
            text_given(name) ? directory_find(generation, DIRECTORY_SUBJECTS, DIRECTORY_GROUP, name)
                             : NULL;
        if (group == NULL || map_find(seen, name) != NULL) {
            continue;
        }
        map_set(seen, name, actor);
        add_grants(arena, actor, group->properties);
        names = joined(arena, names, texts_of(arena, js_find(group->properties, TEXT("groups"))));
    }
}

const struct actor *access_actor(const struct generation *generation, struct arena *arena,
                                 const struct party *subject) {
    struct actor *actor = ARENA_NEW(arena, struct actor);
    const struct js *groups = texts_of(arena, js_find(subject->properties, TEXT("groups")));
    actor->id = subject->id;
    add_grants(arena, actor, subject->properties);
    actor->attributes = subject->properties;
    if (groups != NULL) {
        struct map seen;
        map_init(&seen, arena);
        add_groups(generation, arena, actor, &seen, groups);
    }
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
         text_print(arena, "no policy covers resources of type '%.*s'%.*s", TEXT_ARGS(type),
                    TEXT_ARGS(problem_hint(arena, type, names, count))));
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

/* --- asking --- */

/* One question. The turn comes first: ctx:find and ctx:count look for it, and so do the words. */
struct inquiry {
    struct turn turn;
    struct access_question question; /* with what the directory knows of both parties */
    const struct actor *actor;
    const struct access_type *type;
    const struct access_action *action;
    struct demand type_demand, action_demand;
    struct access_answer *out;
};

static const struct inquiry *inquiry_of(const struct turn *turn) {
    return (const struct inquiry *)turn;
}

static struct text phrase(const struct turn *turn) {
    return text_print(turn->arena, "%.*s this", TEXT_ARGS(inquiry_of(turn)->question.action));
}

static struct text place_of_action(const struct turn *turn) {
    return text_print(turn->arena, "actions.%.*s", TEXT_ARGS(inquiry_of(turn)->action->name));
}

static struct text place_of_type(const struct turn *turn) {
    (void)turn;
    return TEXT("");
}

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
static void push_context(const struct inquiry *inquiry) {
    lua_State *lua = inquiry->turn.lua;
    const struct access_question *question = &inquiry->question;
    context_push_plain(&inquiry->turn, inquiry->actor); // stack: ctx
    lua_createtable(lua, 0, 2);                         // stack: ctx action
    value_push_text(lua, question->action);             // stack: ctx action name
    lua_setfield(lua, -2, "name");                      // stack: ctx action
    value_push(lua, question->action_properties != NULL ? question->action_properties
                                                        : &js_empty_object);
    lua_setfield(lua, -2, "properties"); // stack: ctx action
    lua_setfield(lua, -2, "action");     // stack: ctx
    value_push(lua, question->context != NULL ? question->context : &js_empty_object);
    lua_setfield(lua, -2, "context"); // stack: ctx
}

/* stack: [-0, +1] */
static void push_resource(struct turn *turn) {
    push_party(turn->lua, &inquiry_of(turn)->question.resource); // stack: resource
}

static void push_arguments(struct turn *turn) {
    const struct inquiry *inquiry = inquiry_of(turn);
    push_subject(turn->lua, inquiry->actor, &inquiry->question.subject); // stack: subject
    push_party(turn->lua, &inquiry->question.resource);                  // stack: subject resource
    push_context(inquiry); // stack: subject resource ctx
}

/* Everything but what needs a VM. */
static void inquiry_init(struct inquiry *inquiry, const struct generation *generation,
                         struct arena *arena, const struct access_question *question,
                         const struct access_type *type, const struct access_action *action,
                         struct access_answer *out) {
    static const struct deed of_type = {phrase, place_of_type, push_arguments};
    static const struct deed of_action = {phrase, place_of_action, push_arguments};
    *inquiry = (struct inquiry){.turn = {.generation = generation, .arena = arena},
                                .question = *question,
                                .type = type,
                                .action = action,
                                .out = out};
    inquiry->question.subject =
        directory_complete(generation, arena, DIRECTORY_SUBJECTS, &question->subject);
    inquiry->question.resource =
        directory_complete(generation, arena, DIRECTORY_RESOURCES, &question->resource);
    const struct js *properties = inquiry->question.resource.properties;
    inquiry->turn.tenancy =
        (struct tenancy){.rule = &type->within,
                         .argument = push_resource,
                         .data = properties != NULL ? properties : &js_empty_object};
    inquiry->actor = access_actor(generation, arena, &inquiry->question.subject);
    inquiry->turn.actor = inquiry->actor;
    demand_init(&inquiry->type_demand, &inquiry->turn, &of_type, &type->permission, NULL,
                inquiry->actor);
    demand_init(&inquiry->action_demand, &inquiry->turn, &of_action, &action->permission, NULL,
                inquiry->actor);
    *out = (struct access_answer){.code = FAULT_NONE};
}

static void refuse(struct inquiry *inquiry, const struct demand *demand) {
    struct access_answer *out = inquiry->out;
    deny(out, FAULT_PERMISSION_DENIED, demand->message);
    if (demand->rule->name_count > 0) {
        out->required = permission_required(demand);
        out->missing = permission_lacking(demand);
    }
    out->denied_by = demand->denied_by;
    place(out, inquiry->turn.arena, inquiry->type, inquiry->action);
}

/* What names alone decide. */
static enum answer ask_names(struct inquiry *inquiry) {
    enum answer known = permission_known(&inquiry->action_demand);
    if (known == ANSWER_NO) {
        refuse(inquiry, &inquiry->action_demand);
    }
    return known == ANSWER_YES ? permission_known(&inquiry->type_demand) : known;
}

bool access_at_once(const struct generation *generation, struct arena *arena,
                    const struct access_question *question, struct access_answer *out) {
    const struct access_type *type = type_for(generation, question->resource.type);
    const struct access_action *action =
        type != NULL ? action_for(generation, type, question->action) : NULL;
    struct inquiry inquiry;
    if (action == NULL || permission_rule_has_function(&action->permission) ||
        permission_rule_has_function(&type->permission) || type->within.has_function ||
        generation_machine(generation, question->subject.type) != NULL) {
        return false;
    }
    inquiry_init(&inquiry, generation, arena, question, type, action, out);
    (void)ask_names(&inquiry);
    out->reason = generation_clean_text(generation, type->name, arena, out->reason);
    return true;
}

/* --- functions --- */

static int ask_protected(lua_State *lua) {
    struct inquiry *inquiry = lua_touserdata(lua, TURN_SELF);
    inquiry->turn.lua = lua;
    if (!permission_settle(&inquiry->type_demand)) {
        refuse(inquiry, &inquiry->type_demand);
    } else if (!permission_settle(&inquiry->action_demand)) {
        refuse(inquiry, &inquiry->action_demand);
    }
    return 0;
}

static bool ask_functions(struct inquiry *inquiry, struct fault *fault) {
    struct fault failure = FAULT_INIT;
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

/* Seats the inquiry at the calling thread's VM. */
static void seat_inquiry(struct inquiry *inquiry, struct policy policy, int64_t now_us,
                         const struct policy_reads *reads) {
    const struct generation *generation = policy.generation;
    struct seat *seat = &policy.generation->seats[policy.vm];
    const struct access_functions *functions =
        &seat->accesses[inquiry->type - generation->access.types];
    inquiry->turn.seat = seat;
    inquiry->turn.now_us = now_us;
    inquiry->turn.reads = reads;
    inquiry->turn.tenancy.function = functions->within;
    inquiry->type_demand.functions = &functions->permission;
    inquiry->action_demand.functions =
        &functions->actions[inquiry->action - inquiry->type->actions];
}

static bool inquire(struct inquiry *inquiry, struct policy policy, struct arena *arena,
                    int64_t now_us, const struct policy_reads *reads, struct access_answer *out,
                    struct fault *fault) {
    const struct generation *generation = policy.generation;
    const struct access_question question = inquiry->question;
    const struct access_type *type = type_for(generation, question.resource.type);
    const struct access_action *action =
        type != NULL ? action_for(generation, type, question.action) : NULL;
    if (type == NULL) {
        access_unknown(generation, arena, &question, out);
        return true;
    }
    if (action == NULL) {
        unknown_action(arena, type, question.action, out);
        return true;
    }
    inquiry_init(inquiry, generation, arena, &question, type, action, out);
    seat_inquiry(inquiry, policy, now_us, reads);
    return ask_names(inquiry) != ANSWER_OPEN || ask_functions(inquiry, fault);
}

bool access_decide(struct policy policy, struct arena *arena,
                   const struct access_question *question, int64_t now_us,
                   const struct policy_reads *reads, struct access_answer *out,
                   struct fault *fault) {
    struct inquiry inquiry = {.question = *question};
    if (!inquire(&inquiry, policy, arena, now_us, reads, out, fault)) {
        return false;
    }
    out->reason = generation_clean_reason(policy.generation, arena, &inquiry.question, out->reason);
    return true;
}
