/* vm.h: one Lua state that no policy can crash, hang or grow without bound.
 * Room lua/: vm, budget, the allow-listed library, the matcher of patterns, values in and out. It
 * uses base/, timezone/ (for `time`) and Lua, and knows no machine. How to use: vm_new, vm_load,
 * then vm_call as often as wanted; value_push and value_read for JSON.
 * Each vm_call has a fresh budget of instructions, wall clock and memory; when it is spent the call
 * ends with FAULT_POLICY_ERROR whatever the policy does (`pcall` re-raises, C functions are charged
 * for their work, the allocator checks too). Not thread-safe. */
#ifndef STATUTE_VM_H
#define STATUTE_VM_H

#include "base/fault.h"
#include "base/js.h"
#include "base/now.h"
#include "lua/limits.h"

#include <lua.h>

struct vm;

struct vm *vm_new(const struct vm_limits *limits,
                  struct now now); /* ends the process on no memory */
void vm_free(struct vm *vm);
lua_State *vm_lua(struct vm *vm);
size_t vm_held_bytes(const struct vm *vm); /* what Lua holds, garbage included */
struct vm *vm_of(lua_State *lua);          /* the vm a state belongs to (lua_getextraspace) */

/* stack: [-(arguments + 1), +results on true, +0 on false]. Calls the function below the arguments
 * under a fresh budget. On false: FAULT_POLICY_ERROR, one sentence, with file and line if Lua knew
 * it, no addresses, at most 400 bytes, valid UTF-8; what was raised is never stringified by running
 * Lua code. A vm_call inside a vm_call spends the budget of the outer one. Garbage is collected in
 * vm_call and after it only, so what is pushed outside of one stays until the next. */
bool vm_call(struct vm *vm, int arguments, int results, struct fault *fault) MUST_CHECK;

/* For C functions that policies call: charges `steps` of work to the running call and raises when
 * the budget is spent. One step is about one VM instruction. */
void vm_charge(lua_State *lua, int64_t steps);

/* Charges for handling `bytes` bytes, and collects garbage when they would not fit otherwise. */
#define VM_BYTES_A_STEP 64
void vm_charge_bytes(lua_State *lua, size_t bytes);

/* For C functions that catch errors: after lua_pcall, raises again when the budget is spent. */
void vm_caught(lua_State *lua, int status);

/* stack: [-0, +1 on true]. Compiles text (never bytecode) as a chunk named "@name" whose globals
 * are the sandbox's, read-only: assigning a global is an error that says to use `local`. On false:
 * FAULT_POLICY_ERROR, "name:line: what"; also when the text is over 1 MiB or takes too long to
 * compile (source.h). */
bool vm_load(struct vm *vm, struct text source, const char *name, struct fault *fault) MUST_CHECK;

/* stack: [-1, +0]. Makes the value on top a global of every chunk (constructors: machine,
 * roles...). */
void vm_set_global(struct vm *vm, const char *name);

/* Lua's clock for the running call: `ctx.now`, and what time.not_future compares with. */
void vm_set_now(struct vm *vm, int64_t now_us);
int64_t vm_now_us(lua_State *lua);

#endif
