/* decision.h: what the policy says of an attempt. Pure data, in the arena of the batch. */
#ifndef STATUTE_DECISION_H
#define STATUTE_DECISION_H

#include "base/js.h"

struct timer {
    int64_t due_us; /* instant */
    struct text to;
    struct text reason;
    struct text comments; /* TEXT_NONE: none */
    bool asked;           /* its delay is a function */
};

struct decision {
    enum fault_code code; /* FAULT_NONE: allowed. Else why not, as an outcome. */
    struct text message;  /* one sentence, when refused */
    struct text from;
    struct text to; /* the state after, verbs resolved; TEXT_NONE if it could not be resolved */
    struct text transition; /* the verb, sent or of the transition taken; TEXT_NONE: it has none */
    bool changed; /* false: already there and idempotent, or a patch that changes nothing */
    const struct js
        *data; /* after patch, prepare, defaults, set and unset; canonical JSON object */
    const struct js *messages; /* guard_rejected: array of strings */
    const struct js *errors;   /* validation_failed: {field: message} */
    const struct js *warnings; /* array of strings, never NULL when allowed */
    const struct js *allowed;  /* invalid_transition: array of states reachable from `from` */
    const struct js *required_permissions; /* array of strings, or NULL */
    const struct js *missing_permissions;
    struct text denied_by;        /* permission_denied by a `deny`: where it stands in the machine's
                                     declaration ("states.DRAFT.to.DONE.deny"); TEXT_NONE: by none */
    const struct js *explanation; /* {rules, nearest} when asked for (policy/explain.h), or NULL */
    const struct js *emit;        /* array of {type, data}, or NULL */
    const struct js
        *follow; /* array of {machine, id, to | transition, comments?, metadata?, data?}, or NULL */
    const struct js *create;    /* array of {machine, id?, data?}, or NULL */
    const struct timer *timers; /* of the state that the entity is in afterwards */
    size_t timer_count;
    bool timers_changed; /* the state was entered or left: cancel old timers, arm these */
    bool timers_asked;   /* it stays in its state, but these may differ from those that are armed */
};

#endif
