/* turn.c: the Lua side of an attempt: its stack, its calls, and what is read of their answers. */
#include "policy/turn.h"

#include "lua/value.h"
#include "policy/context.h"
#include "policy/explain.h"
#include "policy/rules/fields.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_BYTES_MOST 2000

/* --- answers --- */

bool turn_refuse(struct turn *turn, enum fault_code code, struct text message) {
    struct decision *out = turn->out;
    *out = (struct decision){.code = code,
                             .message = message,
                             .from = out->from,
                             .to = out->to,
                             .transition = out->transition};
    return false;
}

bool turn_fail(struct turn *turn, const char *format, ...) {
    char sentence[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    text_mend_utf8(sentence, strlen(sentence));
    return turn_refuse(turn, FAULT_POLICY_ERROR,
                       text_print(turn->arena, "the policy of '%.*s' failed: %s",
                                  TEXT_ARGS(turn->machine->name), sentence));
}

struct text turn_join(struct arena *arena, const struct js *messages) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < messages->array.count; i++) {
        buffer_add_text(&buffer, i > 0 ? TEXT("; ") : TEXT(""));
        buffer_add_text(&buffer, messages->array.items[i]->string);
    }
    return buffer_view(&buffer);
}

struct text turn_verb(const struct turn *turn) {
    struct text sent = turn->attempt->verb;
    return text_given(sent) || turn->way == NULL ? sent : turn->way->name;
}

bool turn_is_engines(const struct turn *turn) {
    return turn->attempt->by_engine;
}

/* --- calling --- */

/* How many of two arguments the function on top of the stack can see. Many guards look at the data
 * only, and making ctx for them would be most of their time. */
static int arguments_seen(lua_State *lua) {
    lua_Debug function;
    lua_pushvalue(lua, -1);            // stack: +1
    lua_getinfo(lua, ">u", &function); // stack: +0
    bool sees_all = function.isvararg || function.nparams >= 2;
    return sees_all ? 2 : function.nparams;
}

void turn_call(struct turn *turn, int function, int results) {
    lua_State *lua = turn->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, function); // stack: function
    int seen = arguments_seen(lua);
    if (seen > 0) {
        value_push(lua, turn->data); // stack: function data
        if (turn->explanation != NULL) {
            explain_watch(turn, "");
        }
    }
    if (seen > 1) {
        context_push(turn); // stack: function data ctx
        if (turn->explanation != NULL) {
            explain_watch(turn, "ctx.");
        }
    }
    lua_call(lua, seen, results); // stack: results
}

struct text turn_words(struct turn *turn, int index) {
    struct text raw;
    if (lua_type(turn->lua, index) != LUA_TSTRING) {
        return TEXT_NONE;
    }
    raw.bytes = lua_tolstring(turn->lua, index, &raw.length);
    raw = text_cut(raw, MESSAGE_BYTES_MOST);
    char *bytes = arena_alloc(turn->arena, raw.length + 1);
    memcpy(bytes, raw.bytes, raw.length);
    text_mend_utf8(bytes, raw.length);
    return raw.length > 0 ? (struct text){bytes, raw.length} : TEXT_NONE;
}

const char *speaker_print(const struct turn *turn, struct speaker speaker) {
    if (!text_given(speaker.state)) {
        return speaker.what;
    }
    return text_cstring(
        turn->arena, text_print(turn->arena, "%s '%.*s'", speaker.what, TEXT_ARGS(speaker.state)));
}

bool turn_verdict(struct turn *turn, struct speaker speaker, struct text *message) {
    lua_State *lua = turn->lua;
    int type = lua_type(lua, -2);
    bool allows = type == LUA_TBOOLEAN && lua_toboolean(lua, -2);
    *message = TEXT_NONE;
    if (type != LUA_TBOOLEAN && type != LUA_TNIL) {
        *message = text_print(turn->arena, "%s returned a %s; only true allows",
                              speaker_print(turn, speaker), lua_typename(lua, type));
    } else if (!allows) {
        *message = turn_words(turn, -1);
        if (!text_given(*message)) {
            *message = text_print(turn->arena, "%s refused and gave no message",
                                  speaker_print(turn, speaker));
        }
    }
    lua_pop(lua, 2); // stack:
    return allows;
}

bool turn_read(struct turn *turn, struct speaker speaker, const struct js **out) {
    struct fault fault = FAULT_INIT;
    *out = NULL;
    bool is_read = lua_isnil(turn->lua, -1) || value_read(turn->lua, -1, turn->arena, out, &fault);
    lua_pop(turn->lua, 1); // stack:
    return is_read || turn_fail(turn, "%s gave what cannot be stored: %s",
                                speaker_print(turn, speaker), fault.message);
}

/* --- life --- */

bool turn_run(struct turn *turn, lua_CFunction body, struct fault *fault) {
    struct vm *vm = turn->seat->vm;
    lua_State *lua = vm_lua(vm);
    vm_set_now(vm, turn->now_us);
    turn->seat->turn = turn;
    lua_pushcfunction(lua, body);       // stack: body
    lua_pushlightuserdata(lua, turn);   // stack: body turn
    bool ok = vm_call(vm, 1, 0, fault); // stack:
    turn->seat->turn = NULL;
    turn->lua = NULL;
    generation_freshen(turn->generation, turn->seat);
    return ok;
}

void turn_init(struct turn *turn, struct policy policy, struct arena *arena,
               const struct machine *machine, const struct entity *entity) {
    const struct generation *generation = policy.generation;
    *turn = (struct turn){.generation = generation,
                          .seat = &policy.generation->seats[policy.vm],
                          .arena = arena,
                          .machine = machine,
                          .entity = entity};
    turn->functions = &turn->seat->machines[machine - generation->machines];
    turn->stored = js_is(entity->data, JS_OBJECT) ? entity->data : &js_empty_object;
    if (entity->exists) {
        turn->stored = fields_with_defaults(arena, machine, turn->stored);
        turn->from = machine_state(machine, entity->state);
    } else {
        turn->stored = &js_empty_object;
    }
    if (turn->from != NULL) {
        turn->from_functions = &turn->functions->states[turn->from - machine->states];
    }
    turn->data = turn->stored;
    turn->tenancy.rule = &machine->within;
    turn->tenancy.function = turn->functions->within;
}
