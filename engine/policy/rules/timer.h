/* timer.h: the timers of a state, as its file declares them (`after`). */
#ifndef STATUTE_TIMER_RULE_H
#define STATUTE_TIMER_RULE_H

#include "base/text.h"

/* What entering a state arms. A timer is a transition by itself, open to the engine only (see
 * decide.c).
 */
struct timer_rule {
    bool has_delay_function;
    struct text delay; /* as written, "30d"; TEXT_NONE with a function */
    int64_t delay_us;
    struct text to;
    size_t to_index;      /* into machine.states */
    struct text reason;   /* "system_auto" unless the policy says otherwise */
    struct text comments; /* TEXT_NONE: none */
    struct text retry;    /* as written; TEXT_NONE: none */
    int64_t retry_us;     /* tried again so long after a rule refused it; 0: then it is done */
};

#endif
