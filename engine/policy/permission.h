/* permission.h: asks permission rules of an actor. Used by turn.h's users: decide, ways, access,
 * explain.
 * How to use, for each rule that an attempt meets:
 *   permission_known   what names alone decide; needs no VM. NO: refused, the demand says why
 *   permission_settle  the rest: functions that deny, then those of the permit; inside vm_call
 * The answer of the first is OPEN when the second has something to do. */
#ifndef STATUTE_PERMISSION_H
#define STATUTE_PERMISSION_H

#include "policy/bind.h"
#include "policy/turn.h"

/* What a rule guards, in words that are made only when it refuses, and what its functions see. */
struct deed {
    struct text (*phrase)(const struct turn *turn); /* "go from 'DRAFT' to 'DONE'" */
    struct text (*place)(const struct turn *turn);  /* "states.DRAFT.to.DONE" */
    void (*arguments)(struct turn *turn);           /* actor, data, ctx. stack: [-0, +3] */
};

/* One rule, asked of one actor. The answers lie in the arena of the turn. */
struct demand {
    struct turn *turn;
    const struct deed *deed;
    const struct permission_rule *rule;
    const struct permission_functions *functions; /* of the turn's VM */
    const struct actor *actor;                    /* NULL: nobody */
    bool skips_permit;                            /* skip_permissions: only what denies is asked */
    /* the answer */
    enum answer *verdicts;     /* of the permit's functions, by number; NULL: none was asked */
    const struct js *refusals; /* what functions of the permit that refused said; NULL: none did */
    struct text message;       /* when refused: one sentence */
    struct text denied_by;     /* when a `deny` refused: which; TEXT_NONE: none did */
};

void demand_init(struct demand *demand, struct turn *turn, const struct deed *deed,
                 const struct permission_rule *rule, const struct permission_functions *functions,
                 const struct actor *actor);

enum answer permission_known(struct demand *demand) MUST_CHECK;
/* Inside vm_call; raises what a function raises. False: refused. */
bool permission_settle(struct demand *demand) MUST_CHECK;

/* Of a refused demand: names that the rule holds, and those that its actor lacks where it lacks
 * them. Arrays. */
const struct js *permission_required(const struct demand *demand);
const struct js *permission_lacking(const struct demand *demand);

/* Makes the refused demand the decision of its turn. Returns false. */
bool permission_refuse(const struct demand *demand);

/* Whether names alone do not refuse the actor: functions are not asked. */
bool permission_may(struct turn *turn, const struct permission_rule *rule,
                    const struct actor *actor);

/* Whether the turn's actor holds the permission, in the turn's tenant. Inside vm_call, or it may
 * be open. */
enum answer permission_held(struct turn *turn, const struct actor *actor, struct text permission);
/* stack: [-0, +3]. The actor, the data as a permit of a machine sees them, ctx. */
void permission_push_arguments(struct turn *turn);

/* --- ways --- */
/* The demand of a way. */
void permission_of_way(struct demand *demand, struct turn *turn, const struct way *way,
                       const struct way_functions *functions, const struct actor *actor);

#endif
