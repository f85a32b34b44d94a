/* budget.c: four meters on one Lua state.
 *
 *               budget_start              overstepped: spend()
 *   idle ----------------------> running ---------------------> spent
 *    ^                              |                             |
 *    +------- budget_stop ----------+----------- budget_stop -----+
 *
 * Invariants:
 *  1. A running budget becomes spent at most once, and stays so until the next budget_start.
 *  2. Whoever could swallow an error (`pcall`) asks budget_caught, so a spent budget unwinds the
 * whole call; what is raised is a light userdata, which needs no memory.
 *  3. Work inside C functions is charged before it is done. What is not (comparing long strings,
 *     say) is bounded by the longest string alive: the hook comes the more often the longer it is.
 *  4. The allocator raises nothing. It refuses what would hold too much, upon which Lua collects
 * all garbage and asks again; and when the clock or the traffic is over it makes the hook fire at
 * the next instruction. Shrinking and freeing never fail.
 *  5. The clock is first read at the first look, so that a short call never reads it. */
#include "lua/budget.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#define PACE_USUAL       100
#define CLOCK_STEPS      20000
#define CLOCK_BYTES      ((size_t)64 << 10)
#define STRING_LONG      ((size_t)64 << 10)
#define STRING_WORK      ((size_t)1 << 20) /* bytes of one string looked at between two looks */
#define WAIT_MULTIPLE    20 /* a call that hardly runs ends after this many times its time */
#define TRAFFIC_MULTIPLE 8  /* bytes in all / bytes held */
#define YOUNG_BYTES      ((size_t)512 << 10)

void budget_init(struct budget *budget, struct now now) {
    *budget = (struct budget){.now = now, .pace = PACE_USUAL};
}

/* --- spending --- */

/* Lua allocates nothing for this, so the allocator may call it. */
static void note_place(struct budget *budget) {
    lua_Debug frame;
    for (int level = 0; lua_getstack(budget->lua, level, &frame) != 0; level++) {
        lua_getinfo(budget->lua, "Sl", &frame);
        if (frame.currentline > 0) {
            snprintf(budget->place, sizeof budget->place, "%s:%d: ", frame.short_src,
                     frame.currentline);
            return;
        }
    }
}

/* Memory is found to be spent only after the fact; its place is that of the refusal. */
static void spend(struct budget *budget, enum budget_spent what) {
    if (budget->spent == SPENT_NOTHING) {
        budget->spent = what;
        if (what != SPENT_MEMORY) {
            note_place(budget);
        }
    }
}

static void start_clock(struct budget *budget, int64_t now_us) {
    budget->clock_started = true;
    budget->started_us = now_us;
    budget->thread_half_us = -1;
}

/* A call that is over its time by the clock may have been waiting for the processor: from half of
 * its time on, the thread's own time is asked too. That costs a system call, which short calls
 * never make. */
static bool is_over_time(struct budget *budget, int64_t elapsed_us) {
    int64_t most_us = budget->limits.wall_us;
    if (elapsed_us <= most_us / 2) {
        return false;
    }
    if (budget->thread_half_us < 0) {
        budget->thread_half_us = now_thread_us(&budget->now);
        return false;
    }
    return elapsed_us > most_us &&
           (elapsed_us / WAIT_MULTIPLE > most_us ||
            now_thread_us(&budget->now) - budget->thread_half_us >= most_us / 2);
}

static void look_at_clock(struct budget *budget) {
    int64_t now_us = now_monotonic_us(&budget->now);
    if (!budget->clock_started) {
        start_clock(budget, now_us);
    } else if (is_over_time(budget, now_us - budget->started_us)) {
        spend(budget, SPENT_TIME);
    }
    budget->steps_unclocked = 0;
    budget->bytes_unclocked = 0;
}

static void raise_if_spent(struct budget *budget) {
    if (budget->refused_bytes != 0) {
        spend(budget, SPENT_MEMORY);
    }
    if (budget->spent != SPENT_NOTHING) {
        lua_pushlightuserdata(budget->lua, budget); // stack: +1, within Lua's own reserve
        lua_error(budget->lua);
    }
}

static void take_steps(struct budget *budget, int64_t steps) {
    if (steps > budget->steps_left) {
        spend(budget, SPENT_INSTRUCTIONS);
        return;
    }
    budget->steps_left -= steps;
    budget->steps_unclocked += steps;
}

void budget_charge(struct budget *budget, int64_t steps) {
    if (!budget->running) {
        return;
    }
    if (budget->spent == SPENT_NOTHING) {
        take_steps(budget, steps);
        if (budget->steps_unclocked >= CLOCK_STEPS) {
            look_at_clock(budget);
        }
    }
    raise_if_spent(budget);
}

void budget_look(struct budget *budget) {
    if (budget->running) {
        look_at_clock(budget);
        raise_if_spent(budget);
    }
}

/* Garbage that is left lying costs page faults, which cost more than collecting it. */
static void collect_young(struct budget *budget) {
    if (budget->held_bytes > budget->kept_bytes + YOUNG_BYTES) {
        lua_gc(budget->lua, LUA_GCSTEP, 0);
        budget->kept_bytes = budget->held_bytes;
    }
}

static void on_count(lua_State *lua, lua_Debug *event) {
    (void)event;
    void *context;
    lua_getallocf(lua, &context);
    struct budget *budget = context;
    if (budget->running) {
        take_steps(budget, budget->pace);
        budget_look(budget);
        collect_young(budget);
    }
}

void budget_caught(struct budget *budget, int status) {
    if (!budget->running) {
        return;
    }
    if (status == LUA_ERRMEM) {
        spend(budget, SPENT_MEMORY);
    }
    raise_if_spent(budget);
}

/* --- the hook's pace --- */

static int pace_for(size_t string_bytes) {
    if (string_bytes < STRING_LONG) {
        return PACE_USUAL;
    }
    size_t pace = STRING_WORK / string_bytes;
    return pace > 0 ? (int)pace : 1;
}

static void set_pace(struct budget *budget, int pace) {
    budget->pace = pace;
    lua_sethook(budget->lua, on_count, LUA_MASKCOUNT, pace);
}

static void note_string(struct budget *budget, size_t bytes) {
    budget->string_bytes = bytes;
    int pace = pace_for(bytes);
    if (budget->running && pace < budget->pace) {
        take_steps(budget, budget->pace);
        set_pace(budget, pace);
    }
}

static void hurry(struct budget *budget) {
    if (budget->spent != SPENT_NOTHING) {
        set_pace(budget, 1);
    }
}

/* --- memory --- */

static _Noreturn void out_of_memory(size_t bytes) {
    fprintf(stderr, "statute: out of memory allocating %zu bytes for Lua\n", bytes);
    abort();
}

static bool refuse(struct budget *budget, size_t new_bytes) {
    budget->refused_bytes = new_bytes;
    note_place(budget);
    look_at_clock(budget);
    hurry(budget);
    return false;
}

static void count_traffic(struct budget *budget, size_t growth) {
    if (growth > budget->traffic_left) {
        spend(budget, SPENT_TRAFFIC);
        growth = budget->traffic_left;
    }
    budget->traffic_left -= growth;
    budget->bytes_unclocked += growth;
    if (budget->bytes_unclocked >= CLOCK_BYTES) {
        look_at_clock(budget);
    }
    hurry(budget);
}

static bool grant(struct budget *budget, size_t growth, size_t new_bytes) {
    size_t free_bytes = budget->held_most_bytes > budget->held_bytes
                            ? budget->held_most_bytes - budget->held_bytes
                            : 0;
    if (growth > free_bytes) {
        return refuse(budget, new_bytes);
    }
    if (new_bytes == budget->refused_bytes) {
        budget->refused_bytes = 0;
    }
    count_traffic(budget, growth);
    return true;
}

static void *release(struct budget *budget, void *block, size_t old_bytes) {
    free(block);
    budget->held_bytes -= old_bytes;
    return NULL;
}

static void *resize(struct budget *budget, void *block, size_t old_bytes, size_t new_bytes) {
    void *moved = realloc(block, new_bytes);
    if (moved == NULL && new_bytes <= old_bytes) {
        moved = block;
    } else if (moved == NULL && !budget->running) {
        out_of_memory(new_bytes);
    }
    if (moved != NULL) {
        budget->held_bytes += new_bytes - old_bytes;
    }
    return moved;
}

void *budget_alloc(void *context, void *block, size_t old_bytes, size_t new_bytes) {
    struct budget *budget = context;
    size_t held = block != NULL ? old_bytes : 0; /* for a new block it is the kind of object */
    if (new_bytes == 0) {
        return release(budget, block, held);
    }
    if (budget->running && new_bytes > held && !grant(budget, new_bytes - held, new_bytes)) {
        return NULL;
    }
    bool longest = new_bytes >= STRING_LONG && new_bytes > budget->string_bytes;
    if (longest && block == NULL && old_bytes == LUA_TSTRING) {
        note_string(budget, new_bytes);
    }
    return resize(budget, block, held, new_bytes);
}

/* --- a call --- */

static size_t saturating_add(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t traffic_limit(const struct vm_limits *limits) {
    size_t most = SIZE_MAX / TRAFFIC_MULTIPLE;
    return limits->memory_bytes > most ? SIZE_MAX : limits->memory_bytes * TRAFFIC_MULTIPLE;
}

void budget_start(struct budget *budget, const struct vm_limits *limits) {
    budget->limits = *limits;
    budget->clock_started = false;
    budget->spent = SPENT_NOTHING;
    budget->place[0] = '\0';
    budget->steps_left = limits->instructions;
    budget->steps_unclocked = 0;
    budget->bytes_unclocked = 0;
    budget->refused_bytes = 0;
    budget->string_kept_bytes = budget->string_bytes;
    budget->held_before_bytes = budget->held_bytes;
    budget->held_most_bytes = saturating_add(budget->held_bytes, limits->memory_bytes);
    budget->traffic_left = traffic_limit(limits);
    set_pace(budget, pace_for(budget->string_bytes));
    budget->running = true;
}

void budget_end(struct budget *budget, int status) {
    if (status == LUA_ERRMEM || budget->refused_bytes != 0) {
        spend(budget, SPENT_MEMORY);
    } else if (budget->clock_started) {
        look_at_clock(budget);
    }
}

bool budget_stop(struct budget *budget) {
    budget->running = false;
    return budget->spent != SPENT_NOTHING || budget->string_bytes > budget->string_kept_bytes;
}

void budget_settle(struct budget *budget) {
    if (budget->held_bytes < budget->held_before_bytes + STRING_LONG) {
        budget->string_bytes = budget->string_kept_bytes;
    }
}

bool budget_is_tight(const struct budget *budget, size_t bytes) {
    size_t twice = saturating_add(bytes, bytes); /* a buffer, and the string that is made of it */
    return budget->running && bytes >= CLOCK_BYTES &&
           saturating_add(budget->held_bytes, twice) > budget->held_most_bytes;
}

bool budget_is_spent(const struct budget *budget) {
    return budget->spent != SPENT_NOTHING;
}

void budget_describe(const struct budget *budget, struct fault *fault) {
    char what[64] = "";
    const struct vm_limits *limits = &budget->limits;
    switch (budget->spent) {
    case SPENT_NOTHING:
        break;
    case SPENT_INSTRUCTIONS:
        snprintf(what, sizeof what, "more than %lld instructions", (long long)limits->instructions);
        break;
    case SPENT_TIME:
        snprintf(what, sizeof what, "ran longer than %lld ms", (long long)limits->wall_us / 1000);
        break;
    case SPENT_MEMORY:
        snprintf(what, sizeof what, "more than %zu KiB of memory", limits->memory_bytes >> 10);
        break;
    case SPENT_TRAFFIC:
        snprintf(what, sizeof what, "more than %zu KiB allocated in all",
                 traffic_limit(limits) >> 10);
        break;
    }
    fault_set(fault, FAULT_POLICY_ERROR, "%sover budget: %s", budget->place, what);
}
