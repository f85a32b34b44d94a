/* budget.h: what one call into Lua may use: instructions, wall clock, live memory and bytes
 * allocated in all. Used by vm.c only. A budget is also the allocator of its Lua state.
 * Between budget_start and budget_stop it is running; then whatever oversteps it is raised as a Lua
 * error, again and again, until budget_stop. While it is not running nothing is refused. */
#ifndef STATUTE_BUDGET_H
#define STATUTE_BUDGET_H

#include "base/fault.h"
#include "base/now.h"
#include "lua/limits.h"

#include <lua.h>

enum budget_spent { SPENT_NOTHING, SPENT_INSTRUCTIONS, SPENT_TIME, SPENT_MEMORY, SPENT_TRAFFIC };

#define BUDGET_PLACE 96

struct budget {
    lua_State *lua;
    struct now now;
    struct vm_limits limits; /* of the running call */
    bool running;
    bool clock_started;
    enum budget_spent spent;
    char place[BUDGET_PLACE]; /* "file:line: " where it was spent; empty when Lua did not know */
    int64_t steps_left;
    int64_t steps_unclocked;  /* since the clock was last read */
    int64_t started_us;       /* monotonic; once clock_started */
    int64_t thread_half_us;   /* the thread's own time at half of the call's; -1: not yet */
    int pace;                 /* instructions between two looks */
    size_t held_bytes;        /* what the VM holds now */
    size_t held_most_bytes;   /* more is refused while running */
    size_t traffic_left;      /* bytes that may still be allocated, freed ones included */
    size_t bytes_unclocked;   /* since the clock was last read */
    size_t refused_bytes;     /* a refusal that nothing has made good yet; 0: none */
    size_t string_bytes;      /* the longest string that may be alive */
    size_t string_kept_bytes; /* the same when the call began */
    size_t held_before_bytes; /* what the VM held when the call began */
    size_t kept_bytes;        /* what it held after garbage was collected last */
};

void budget_init(struct budget *budget, struct now now);

/* The lua_Alloc of the state; its context is the budget. Ends the process on no memory outside of a
 * running budget. */
void *budget_alloc(void *context, void *block, size_t old_bytes, size_t new_bytes);

void budget_start(struct budget *budget, const struct vm_limits *limits);

/* What lua_pcall has returned may say that the budget is spent, and so may the clock. */
void budget_end(struct budget *budget, int status);
bool budget_is_spent(const struct budget *budget);

/* True: the call may have left much garbage, so collect all of it and then call budget_settle. */
bool budget_stop(struct budget *budget) MUST_CHECK;
void budget_settle(struct budget *budget);

/* Charges work; raises when the budget is spent. */
void budget_charge(struct budget *budget, int64_t steps);

/* Looks at the clock; raises when the budget is spent. */
void budget_look(struct budget *budget);

/* Whether `bytes` more, if they are many, would be refused unless garbage is collected first. */
bool budget_is_tight(const struct budget *budget, size_t bytes);

/* For whoever has caught an error: raises again when the budget is spent. */
void budget_caught(struct budget *budget, int status);

/* "work_order.lua:12: over budget: more than 1000000 instructions". */
void budget_describe(const struct budget *budget, struct fault *fault);

#endif
