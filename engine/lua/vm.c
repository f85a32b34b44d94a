/* vm.c: the life of one Lua state, calls into it, and what is said of those that fail.
 *
 * Invariants:
 *  1. The extra space of the state points to the vm; the context of its allocator is the budget.
 *  2. Policy code runs inside lua_pcall only. There is no message handler, no __gc and no __close
 *     of a policy's own, so nothing of a policy runs while an error unwinds or the state closes.
 *  3. Outside of a running budget the allocator never refuses, so the API calls made there cannot
 *     raise. One exception is closed in vm_new: Lua 5.4.4 makes the string "error in error
 * handling" while no handler is set; it is kept alive here, so that it is always found and never
 * made.
 *  4. Garbage is collected generation by generation: a call's garbage dies young, and what the
 * files built is not visited again. After a call that was over budget all garbage is collected. */
#include "lua/vm.h"

#include "lua/budget.h"
#include "lua/library.h"
#include "lua/source.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MOST       400
#define LOAD_WALL_MULTIPLE 20 /* compiling may take longer than a call, */
#define LOAD_HEAP_MULTIPLE 8  /* and hold more */
#define LOAD_PIECE         4096
#define SHRINK_LEAST       4096
#define YOUNG_BYTES        ((size_t)128 << 10) /* garbage of about 50 decisions */

struct vm {
    struct budget budget;
    struct vm_limits limits;
    lua_State *lua;
    int64_t now_us;
    size_t kept_of_all_bytes; /* held after all garbage was collected last */
};

/* --- garbage --- */

static int raise_nil(lua_State *lua) {
    lua_pushnil(lua); // stack: +1
    return lua_error(lua);
}

/* Lua 5.4.4 shrinks a stack when an error has been caught, but never in generational mode
 * otherwise. */
static void shrink_stack(lua_State *lua) {
    if (lua_checkstack(lua, 2)) {
        lua_pushcfunction(lua, raise_nil); // stack: +1
        (void)lua_pcall(lua, 0, 0, 0);     // stack: +1 error
        lua_pop(lua, 1);                   // stack: +0
    }
}

/* Lua gives back but half of its spare string table and call frames at a time. */
static void collect_all(struct vm *vm) {
    lua_gc(vm->lua, LUA_GCCOLLECT);
    size_t before;
    do {
        before = vm->budget.held_bytes;
        shrink_stack(vm->lua);
        lua_gc(vm->lua, LUA_GCSTEP, 0);
    } while (vm->budget.held_bytes + SHRINK_LEAST < before);
    vm->budget.kept_bytes = vm->kept_of_all_bytes = vm->budget.held_bytes;
}

/* Collects what is young, which takes as long as there is garbage, however much the files keep. */
static void collect_young(struct vm *vm) {
    shrink_stack(vm->lua);
    lua_gc(vm->lua, LUA_GCSTEP, 0);
    vm->budget.kept_bytes = vm->budget.held_bytes;
    if (vm->budget.kept_bytes > 2 * vm->kept_of_all_bytes) {
        collect_all(vm);
    }
}

/* What a collection during the call has kept may be garbage now. */
static bool has_garbage(const struct budget *budget) {
    size_t kept_bytes = budget->kept_bytes < budget->held_before_bytes ? budget->kept_bytes
                                                                       : budget->held_before_bytes;
    return budget->held_bytes > kept_bytes + YOUNG_BYTES;
}

static void collect(struct vm *vm, bool untidy) {
    if (untidy) {
        collect_all(vm);
        budget_settle(&vm->budget);
    } else if (has_garbage(&vm->budget)) {
        collect_young(vm);
    }
}

/* --- life --- */

static int on_panic(lua_State *lua) {
    const char *message = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "no message";
    fprintf(stderr, "statute: Lua raised outside of a protected call: %s\n", message);
    abort();
}

static void keep_string(lua_State *lua, const char *string) {
    lua_pushstring(lua, string);        // stack: +1
    lua_pushboolean(lua, true);         // stack: +2
    lua_rawset(lua, LUA_REGISTRYINDEX); // stack: +0
}

static void prepare(struct vm *vm) {
    lua_State *lua = vm->lua;
    lua_atpanic(lua, on_panic);
    *(struct vm **)lua_getextraspace(lua) = vm;
    keep_string(lua, "error in error handling");
    library_open(lua);
    lua_gc(lua, LUA_GCGEN, 0, 0);
    lua_gc(lua, LUA_GCSTOP);
    collect_all(vm);
}

struct vm_limits vm_limits_default(void) {
    return (struct vm_limits){
        .instructions = 1000000, .wall_us = 50000, .memory_bytes = (size_t)16 * 1024 * 1024};
}

struct vm *vm_new(const struct vm_limits *limits, struct now now) {
    struct vm *vm = calloc(1, sizeof *vm);
    if (vm != NULL) {
        vm->limits = *limits;
        budget_init(&vm->budget, now);
        vm->lua = lua_newstate(budget_alloc, &vm->budget);
    }
    if (vm == NULL || vm->lua == NULL) {
        fprintf(stderr, "statute: out of memory for a Lua state\n");
        abort();
    }
    vm->budget.lua = vm->lua;
    prepare(vm);
    return vm;
}

void vm_free(struct vm *vm) {
    if (vm != NULL) {
        lua_sethook(vm->lua, NULL, 0, 0);
        lua_close(vm->lua);
        free(vm);
    }
}

lua_State *vm_lua(struct vm *vm) {
    return vm->lua;
}

struct vm *vm_of(lua_State *lua) {
    return *(struct vm **)lua_getextraspace(lua);
}

size_t vm_held_bytes(const struct vm *vm) {
    return vm->budget.held_bytes;
}

/* --- what C functions ask --- */

void vm_charge(lua_State *lua, int64_t steps) {
    budget_charge(&vm_of(lua)->budget, steps);
}

void vm_charge_bytes(lua_State *lua, size_t bytes) {
    struct vm *vm = vm_of(lua);
    budget_charge(&vm->budget, (int64_t)(bytes / VM_BYTES_A_STEP) + 1);
    if (budget_is_tight(&vm->budget, bytes)) {
        lua_gc(lua, LUA_GCCOLLECT);
    }
}

void vm_caught(lua_State *lua, int status) {
    budget_caught(&vm_of(lua)->budget, status);
}

void vm_set_now(struct vm *vm, int64_t now_us) {
    vm->now_us = now_us;
}

int64_t vm_now_us(lua_State *lua) {
    return vm_of(lua)->now_us;
}

void vm_set_global(struct vm *vm, const char *name) {
    library_push_globals(vm->lua);   // stack: value globals
    lua_insert(vm->lua, -2);         // stack: globals value
    lua_setfield(vm->lua, -2, name); // stack: globals
    lua_pop(vm->lua, 1);             // stack: -1
}

/* --- messages --- */

/* Control characters become spaces; what is too long is cut. */
static size_t tidy_message(struct text raw, char out[MESSAGE_MOST + 1]) {
    size_t length = text_cut(raw, MESSAGE_MOST).length;
    text_copy_line((struct text){raw.bytes, length}, out);
    text_mend_utf8(out, length);
    out[length] = '\0';
    return length;
}

static void describe_text(lua_State *lua, int index, struct fault *fault) {
    char message[MESSAGE_MOST + 1];
    struct text raw;
    raw.bytes = lua_tolstring(lua, index, &raw.length);
    if (tidy_message(raw, message) == 0) {
        snprintf(message, sizeof message, "error without a message");
    }
    fault_set(fault, FAULT_POLICY_ERROR, "%s", message);
}

/* Runs no Lua code whatever was raised: no metamethods, no tostring. */
static void describe_error(lua_State *lua, struct fault *fault) {
    int type = lua_type(lua, -1);
    if (type == LUA_TTABLE) {
        lua_pushliteral(lua, "message"); // stack: +1
        lua_rawget(lua, -2);             // stack: +1
        if (lua_type(lua, -1) == LUA_TSTRING) {
            describe_text(lua, -1, fault);
        } else {
            fault_set(fault, FAULT_POLICY_ERROR, "error object is a table");
        }
        lua_pop(lua, 1); // stack: +0
    } else if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        describe_text(lua, -1, fault);
    } else {
        fault_set(fault, FAULT_POLICY_ERROR, "error object is a %s value", lua_typename(lua, type));
    }
}

/* --- calls --- */

static void start(struct vm *vm, bool outermost, const struct vm_limits *limits) {
    if (outermost) {
        budget_start(&vm->budget, limits);
    }
}

/* Leaves the stack as it was at `base`, plus the results when all is well. */
static bool describe(struct vm *vm, int base, int status, struct fault *fault) {
    if (status == LUA_OK && !budget_is_spent(&vm->budget)) {
        return true;
    }
    if (budget_is_spent(&vm->budget)) {
        budget_describe(&vm->budget, fault);
    } else {
        describe_error(vm->lua, fault);
    }
    lua_settop(vm->lua, base);
    return false;
}

/* The budget stops first, as the allocator must not refuse any more: nothing protects us here. */
static bool conclude(struct vm *vm, bool outermost, int base, int status, struct fault *fault) {
    budget_end(&vm->budget, status);
    bool untidy = outermost && budget_stop(&vm->budget);
    bool ok = describe(vm, base, status, fault);
    if (outermost) {
        collect(vm, untidy);
    }
    return ok;
}

bool vm_call(struct vm *vm, int arguments, int results, struct fault *fault) {
    int base = lua_gettop(vm->lua) - arguments - 1;
    bool outermost = !vm->budget.running;
    start(vm, outermost, &vm->limits);
    int status =
        lua_pcall(vm->lua, arguments, results, 0);       // stack: -(arguments + 1), +results or +1
    return conclude(vm, outermost, base, status, fault); // stack: +results or +0
}

/* --- loading --- */

static struct vm_limits load_limits(const struct vm_limits *limits) {
    struct vm_limits wide = {INT64_MAX, INT64_MAX, SIZE_MAX};
    if (limits->wall_us < INT64_MAX / LOAD_WALL_MULTIPLE / 2) {
        wide.wall_us = limits->wall_us * LOAD_WALL_MULTIPLE;
    }
    if (limits->memory_bytes < SIZE_MAX / LOAD_HEAP_MULTIPLE) {
        wide.memory_bytes = limits->memory_bytes * LOAD_HEAP_MULTIPLE;
    }
    return wide;
}

struct pieces {
    struct budget *budget;
    struct text rest;
};

/* Looks at the clock now and then, as compiling can take time quadratic in the source. */
static const char *next_piece(lua_State *lua, void *context, size_t *size) {
    (void)lua;
    struct pieces *pieces = context;
    budget_look(pieces->budget);
    const char *bytes = pieces->rest.bytes;
    *size = pieces->rest.length < LOAD_PIECE ? pieces->rest.length : LOAD_PIECE;
    pieces->rest = (struct text){bytes + *size, pieces->rest.length - *size};
    return bytes;
}

static bool compile(struct vm *vm, struct text source, const char *name, struct fault *fault) {
    char chunk_name[256];
    snprintf(chunk_name, sizeof chunk_name, "@%s", name);
    struct vm_limits wide = load_limits(&vm->limits);
    int base = lua_gettop(vm->lua);
    bool outermost = !vm->budget.running;
    start(vm, outermost, &wide);
    struct pieces pieces = {&vm->budget, source};
    int status = lua_load(vm->lua, next_piece, &pieces, chunk_name, "t"); // stack: +1
    return conclude(vm, outermost, base, status, fault);                  // stack: +1 or +0
}

bool vm_load(struct vm *vm, struct text source, const char *name, struct fault *fault) {
    if (text_starts(source, TEXT("\xEF\xBB\xBF"))) {
        source = (struct text){source.bytes + 3, source.length - 3};
    }
    if (!source_check(source, name, fault)) {
        return false;
    }
    if (!compile(vm, source, name, fault)) {
        return budget_is_spent(&vm->budget) ? fault_within(fault, "%s", name) : false;
    }
    return true;
}
