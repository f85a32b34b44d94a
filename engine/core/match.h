/* match.h: timers of entities that are in a state already, matched with new rules.
 *
 * A publication that changes a machine's timers (machine_timer_rules) makes a row of timer_match;
 * whichever node has those rules in force goes through the machine's entities in slices, each one
 * transaction with the row's position, so a crash loses nothing and nothing is done twice. What an
 * entity is to have follows from its state, its data and its times alone (policy_timers), so
 * matching it again changes nothing. Entities that change meanwhile get their timers from the rules
 * of the node that changes them; a node that takes rules into force which others are done with
 * makes them look again at all that has changed since they began. */
#ifndef STATUTE_MATCH_H
#define STATUTE_MATCH_H

#include "core/batch.h"

#define MATCH_MOST 200 /* entities of one slice */
#define MATCH_DAY_US                                                                               \
    (24 * 3600 * NOW_SECOND) /* a node that starts later knows of no other rules                   \
                              */

/* What came of a slice, or of some entities. */
struct match_result {
    struct text machine;   /* TEXT_NONE: there is nothing to match */
    bool began, finished;  /* this was the first slice, the last one */
    int64_t seen, changed; /* entities of all slices so far */
    int64_t slice_seen, slice_changed;
    size_t failed;       /* entities here whose delay function failed */
    struct text message; /* of the first of these */
};

/* The generation in core->policy is in force on this node from now on; `before` was until now
 * (NULL: the node starts). `shared`: other nodes may use the store. One transaction. */
bool match_claim(struct core *core, const struct generation *before, bool shared,
                 struct fault *fault) MUST_CHECK;

/* Matches the next slice of the first machine that needs it; one transaction. */
bool match_step(struct core *core, struct match_result *out, struct fault *fault) MUST_CHECK;

/* Matches these entities, of machines that are loaded, whose timers other rules armed; one
 * transaction. Those whose delay function fails are tried again after a pause. */
bool match_entities(struct core *core, const struct store_key *keys, size_t count,
                    struct match_result *out, struct fault *fault) MUST_CHECK;

#endif
