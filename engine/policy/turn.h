/* turn.h: one attempt while it is being decided. Used by turn.c, decide*.c, context.c, ways.c,
 * access.c, explain.c and clean_decision.c only. On the Lua side everything runs in one vm_call, at
 * the bottom of whose stack is the turn. Each function gets a data and a ctx of its own, so that
 * what one writes into them no other sees.
 */
#ifndef STATUTE_TURN_H
#define STATUTE_TURN_H

#include "policy/generation.h"

struct explanation;
struct demand;
struct turn;

/* Where the decision is; tells whose fault it is when Lua fails. */
enum stage { STAGE_START, STAGE_PREPARE, STAGE_CHOOSE, STAGE_VALIDATE, STAGE_LATER };

/* The tenant that the actor's roles are held against, worked out when a role is held within one. */
struct tenancy {
    const struct within_rule *rule; /* NULL: there is none */
    int function;
    void (*argument)(struct turn *turn); /* of the function. stack: [-0, +1] */
    const struct js *data;               /* where the field is; NULL: the turn's own data */
    struct text tenant;                  /* TEXT_NONE: none */
    bool is_known;                       /* that the function has said it */
};

struct turn {
    const struct generation *generation;
    struct seat *seat;
    lua_State *lua; /* NULL: outside of vm_call, no function may be called */
    struct arena *arena;
    const struct machine *machine;
    const struct machine_functions *functions;
    const struct attempt *attempt;
    const struct actor *actor; /* of an access, which has no attempt: see turn_actor */
    const struct entity *entity;
    int64_t now_us;
    int64_t entered_us; /* when it entered the state that it is in, or is entering */
    const struct policy_reads *reads;
    const struct state *from; /* NULL: a creation, or a state that the machine has no more */
    const struct state *to;
    const struct state_functions *from_functions, *to_functions; /* NULL as above */
    const struct way *way;                                       /* NULL unless a transition */
    const struct way_functions *way_functions;                   /* NULL: a timer's own way */
    bool is_choice;    /* a verb of `choose`, whose function is still to say where it leads */
    size_t choice;     /* into from.choices */
    bool is_ambiguous; /* several verbs lead to `to`: the first that is permitted is meant */
    bool is_prepared;  /* `prepare` has been asked already */
    const struct act_rule
        *act; /* of a creation, a change of data or a reading; NULL: there is none */
    const struct act_functions *act_functions;
    const struct field *field; /* whose permission is being asked */
    const struct js *stored;   /* the entity's data before the attempt, an object */
    const struct js *data;     /* as computed so far, an object */
    const struct js *guarded;  /* as the guards saw it */
    enum stage stage;
    const struct js *errors;         /* of fields, while validate runs */
    struct explanation *explanation; /* NULL: nobody asked for one */
    struct demand **open;            /* permissions in which functions have a word */
    size_t open_count;
    struct demand *demand; /* the permission that was refused; NULL: none */
    struct tenancy tenancy;
    struct decision *out;
    struct fault read_fault; /* of ctx:find or ctx:count; FAULT_NONE: none */
};

#define TURN_SELF 1

/* NULL: nobody. */
static inline const struct actor *turn_actor(const struct turn *turn) {
    return turn->attempt != NULL ? turn->attempt->actor : turn->actor;
}

/* A function, for messages: "on_enter of 'APPROVED'", "prepare". Printed only when something is
 * wrong. */
struct speaker {
    const char *what;
    struct text state; /* TEXT_NONE: none */
};
/* The verb that was sent, or else that of the transition taken; TEXT_NONE: it has none. */
struct text turn_verb(const struct turn *turn);
const char *speaker_print(const struct turn *turn, struct speaker speaker);

/* --- answers; all return false so that a step can end with them --- */
bool turn_refuse(struct turn *turn, enum fault_code code, struct text message);
bool turn_fail(struct turn *turn, const char *format, ...) PRINTF_LIKE(2, 3); /* policy_error */

/* Refusals of guards as one sentence. */
struct text turn_join(struct arena *arena, const struct js *messages);

/* --- calling; inside vm_call only --- */
/* stack: [-0, +results]. Calls function(data, ctx); raises what it raises. */
void turn_call(struct turn *turn, int function, int results);
/* stack: [-2, +0]. Reads (ok, message): only true allows. False: *message says why, in the policy's
 * words, or else says that the speaker refused. */
bool turn_verdict(struct turn *turn, struct speaker speaker, struct text *message) MUST_CHECK;
/* stack: [-0, +0]. A policy's words at `index`: well-formed, and not a novel. TEXT_NONE when there
 * is no string. */
struct text turn_words(struct turn *turn, int index);
/* stack: [-1, +0]. Reads what a function returned, NULL for nil. False: the turn has failed, naming
 * the speaker. */
bool turn_read(struct turn *turn, struct speaker speaker, const struct js **out) MUST_CHECK;

/* --- steps in other files; false: decided --- */
bool way_resolve(struct turn *turn);
/* What way_resolve could not know without Lua: is_choice, is_ambiguous. Inside vm_call. */
bool way_settle(struct turn *turn);
/* Whether the engine itself makes this attempt: an effect or a timer, not a request. */
bool turn_is_engines(const struct turn *turn);
bool effects_run(struct turn *turn);
/* Timers of the state that the entity is in afterwards, if they may be others than before. */
bool timers_arm(struct turn *turn);
/* Whether timers_arm calls a function. */
bool timers_ask(const struct turn *turn);
/* The permissions that the attempt needs (decide_permission.c): what names alone decide; then,
 * inside vm_call, what functions have to say. */
bool permission_check(struct turn *turn);
bool permission_ask(struct turn *turn);
/* Whether the transition's own permission allows the attempt's actor, inside vm_call. */
bool permission_allows(struct turn *turn);
bool guards_ask(struct turn *turn); /* guard_rejected */
/* The rules on what requests may send (immutable, editable_in, accepts): adds to turn.errors. */
void patch_check(struct turn *turn);
/* Whether these rules bind the attempt; whether its patch changes the field. */
bool patch_is_bound(const struct turn *turn);
bool patch_is_import(const struct turn *turn);
bool patch_changes(struct turn *turn, const struct field *field);
bool prepare_data(struct turn *turn); /* merges the patch and asks `prepare`, once */

/* Fills in what policy_decide and policy_ways have in common. `entity` may be one that does not
 * exist. */
void turn_init(struct turn *turn, struct policy policy, struct arena *arena,
               const struct machine *machine, const struct entity *entity);
/* Runs `body`, with the turn as its argument, in one vm_call. */
bool turn_run(struct turn *turn, lua_CFunction body, struct fault *fault) MUST_CHECK;

#endif
