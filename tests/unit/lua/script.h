/* script.h: Lua text run in one VM under the usual limits, for the tests of the sandbox. */
#ifndef STATUTE_TEST_SCRIPT_H
#define STATUTE_TEST_SCRIPT_H

#include "lua/value.h"
#include "lua/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* The usual limits, but for the clock: a busy machine is no reason to fail. */
static inline struct vm *script_vm(void) {
    struct vm_limits limits = {1000000, 60 * NOW_SECOND, (size_t)16 << 20};
    return vm_new(&limits, now_system());
}

/* Runs a chunk for its results, which are left on the stack. */
static inline bool script_run(struct vm *vm, struct text source, int results, struct fault *fault) {
    return vm_load(vm, source, "test.lua", fault) && vm_call(vm, 0, results, fault);
}

/* What the chunk returns, in words; the fault's message if it fails. */
static inline const char *script_answer(struct vm *vm, const char *source) {
    static char answer[4096];
    struct fault fault;
    lua_State *lua = vm_lua(vm);
    if (!script_run(vm, text_of(source), 1, &fault)) {
        assert_int_equal(fault.code, FAULT_POLICY_ERROR);
        snprintf(answer, sizeof answer, "%s", fault.message);
        return answer;
    }
    int type = lua_type(lua, -1);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        snprintf(answer, sizeof answer, "%s", lua_tostring(lua, -1));
    } else if (type == LUA_TBOOLEAN) {
        snprintf(answer, sizeof answer, "%s", lua_toboolean(lua, -1) ? "true" : "false");
    } else {
        snprintf(answer, sizeof answer, "%s", lua_typename(lua, type));
    }
    lua_pop(lua, 1);
    return answer;
}

static inline void script_check(struct vm *vm, const char *source, const char *expected) {
    const char *answer = script_answer(vm, source);
    if (strcmp(answer, expected) != 0) {
        print_error("%s\n  gave     %s\n  expected %s\n", source, answer, expected);
        fail();
    }
}

static inline void script_check_has(struct vm *vm, const char *source, const char *part) {
    const char *answer = script_answer(vm, source);
    if (strstr(answer, part) == NULL) {
        print_error("%s\n  gave     %s\n  expected %s\n", source, answer, part);
        fail();
    }
}

static inline int64_t script_wall_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * NOW_SECOND + time.tv_nsec / 1000;
}

/* Times under a sanitizer say nothing about the program's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SCRIPT_SLOWDOWN 20
#else
#define SCRIPT_SLOWDOWN 1
#endif

/* A VM for each test. */
static inline int script_open(void **state) {
    *state = script_vm();
    return 0;
}

static inline int script_close(void **state) {
    vm_free(*state);
    return 0;
}

#define SCRIPT_TEST(function) cmocka_unit_test_setup_teardown(function, script_open, script_close)

#endif
