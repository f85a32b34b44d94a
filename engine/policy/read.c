/* read.c: who may read an entity. The rule's functions see the data as they are stored. */
#include "policy/permission.h"
#include "policy/turn.h"

static int ask_protected(lua_State *lua) {
    struct turn *turn = lua_touserdata(lua, TURN_SELF);
    turn->lua = lua;
    (void)permission_ask(turn);
    turn->lua = NULL;
    return 0;
}

static void ask(struct turn *turn) {
    struct fault fault = FAULT_INIT;
    if (permission_check(turn) && turn->open_count > 0 && !turn_run(turn, ask_protected, &fault)) {
        turn_fail(turn, "%s", fault.message);
    }
}

bool policy_read(struct policy policy, struct arena *arena, const struct entity *entity,
                 const struct actor *actor, int64_t now_us, const struct policy_reads *reads,
                 struct decision *out, struct fault *fault) {
    const struct machine *machine = generation_machine(policy.generation, entity->machine);
    const struct attempt attempt = {.kind = ATTEMPT_UPDATE,
                                    .machine = entity->machine,
                                    .id = entity->id,
                                    .actor = actor,
                                    .dry_run = true};
    struct turn turn;
    *out = (struct decision){.from = entity->state, .to = entity->state};
    if (machine == NULL || !machine->read.is_there) {
        return true;
    }
    turn_init(&turn, policy, arena, machine, entity);
    turn.attempt = &attempt;
    turn.now_us = now_us;
    turn.reads = reads;
    turn.act = &machine->read;
    turn.act_functions = &turn.functions->read;
    turn.out = out;
    ask(&turn);
    if (turn.read_fault.code != FAULT_NONE) {
        *fault = turn.read_fault;
        return false;
    }
    generation_clean_decision(policy.generation, arena, &attempt, entity, out);
    return true;
}
