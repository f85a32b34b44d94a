/* machine.h: what a loaded machine looks like, as plain data that any thread may read.
 * Room policy/rules/: machines, fields, roles, access: what policy files say, without Lua. It uses
 * base/, model/ and privacy/. Filled by policy/declare/, owned by a generation; functions stay in
 * the VMs and show here only as has_... flags. */
#ifndef STATUTE_MACHINE_H
#define STATUTE_MACHINE_H

#include "base/js.h"
#include "model/app_table.h"
#include "model/attempt.h"
#include "policy/rules/permission.h"
#include "policy/rules/timer.h"

enum field_type {
    FIELD_ANY,
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOLEAN,
    FIELD_DATETIME,
    FIELD_DATE,
    FIELD_DURATION,
    FIELD_OBJECT,
    FIELD_ARRAY
};

struct field {
    struct text name;
    struct text doc;
    enum field_type type;
    bool required;
    const struct js *choices;       /* enum: array, or NULL */
    const struct js *default_value; /* or NULL */
    bool index;                     /* lists and counts may be filtered by it */
    const struct js *min, *max;     /* numbers (for strings: length), or NULL */
    /* These bind what requests send (policy/decide_patch.c): */
    bool immutable;       /* set at creation only */
    bool has_editable_in; /* it may be changed in these states only */
    const struct text *editable_in;
    size_t editable_count;
    struct permission_rule permission; /* who may change it */
};

/* What `create`, `update` or `read` says: who may, and (but for `read`) when. */
struct act_rule {
    bool is_there;
    struct permission_rule permission;
    bool has_guard;
};

/* A transition out of a state. Several may lead to one state, each by a verb of its own. */
struct way {
    struct text to;
    size_t to_index;  /* into machine.states */
    struct text name; /* the verb; TEXT_NONE when it has none */
    struct text doc;
    size_t position;  /* in a list of transitions to one state: 1, 2, 3...; 0: there is no list */
    bool is_from_any; /* declared in the state ["*"] */
    bool internal;    /* taken by effects and timers, never by a request */
    bool has_accepts; /* a request's patch may have these fields only */
    const struct text *accepts;
    size_t accept_count;
    struct permission_rule permission;
    bool has_guard;
    bool has_effect;
};

struct state {
    struct text name;
    struct text
        renamed_from; /* what it was called before; TEXT_NONE: it has always been called so */
    struct text doc;
    bool final;
    bool has_require, has_on_enter, has_on_exit;
    struct act_rule update; /* in place of the machine's, when it is there */
    const struct way *ways; /* in name order of `to`, then by position; those of ["*"] too */
    size_t way_count;
    const struct text *choices; /* verbs of `choose`, in name order */
    size_t choice_count;
    size_t timer_count;
    const struct text *timer_to; /* one a timer, for the diagram */
    const struct timer_rule *timers;
};

struct machine {
    struct text name;
    struct text renamed_from; /* as of a state */
    struct text doc;
    struct text file; /* relative to the policy directory */
    int line;
    size_t initial;
    bool strict;
    const struct field *fields; /* in name order */
    size_t field_count;
    const struct state *states; /* in name order */
    size_t state_count;
    bool has_prepare, has_validate, has_warn;
    struct within_rule within;
    bool has_renamed_states;
    bool has_defaults; /* a field has one */
    struct act_rule create, update, read;
    const struct text *permit_reads; /* fields that its permissions read, as far as is known */
    size_t permit_read_count;
    bool has_field_rules;   /* some field is immutable, or editable_in some states only */
    bool has_field_permits; /* some field says who may change it */
    enum isolation isolation;
    int64_t lock_timeout_ms;       /* 10 s */
    int64_t lock_wait_ms;          /* 5 s */
    int64_t retries;               /* 3 */
    const struct app_table *table; /* an application's own; NULL: state and data are the store's */
    int64_t timer_rules;           /* machine_timer_rules */
};

const struct state *machine_state(const struct machine *machine, struct text name); /* NULL: none */
/* The state that was called so before; NULL: none. */
const struct state *machine_state_once(const struct machine *machine, struct text name);
/* Whether a transition leads there, by this verb; either may be TEXT_NONE: any. */
bool way_fits(const struct way *way, struct text to, struct text verb);
/* The first transition from `state` to a state, or by verb; NULL: none. */
const struct way *machine_way(const struct state *state, struct text to, struct text verb);
/* Whether `verb` is one of the state's `choose`. Its place among them in *index. */
bool state_chooses(const struct state *state, struct text verb, size_t *index);
/* Whether any state of the machine has a transition, or a choice, of this verb. */
bool machine_has_verb(const struct machine *machine, struct text verb);

/* Whether it, or any state of it, says who may change data, and when. */
bool machine_has_update(const struct machine *machine);

/* What holds for a change of data in this state (NULL: one that the machine has no more). */
const struct act_rule *machine_update(const struct machine *machine, const struct state *state);

/* The rule of a timer of this state; NULL: it has none such. */
const struct timer_rule *machine_timer(const struct state *state, struct text to,
                                       struct text reason);
/* Whether a timer of the state has a function as its delay. */
bool state_asks_delay(const struct state *state);
/* A number of all that is declared of the machine's timers, never 0: timers that rules of the same
 * number armed need not be looked at again. A delay that is a function may depend on every file, so
 * then the generation's name is in it. */
int64_t machine_timer_rules(const struct machine *machine, struct text generation);

/* "; did you mean 'DRAFT'?", or "". */
struct text machine_state_hint(struct arena *arena, const struct machine *machine,
                               struct text name);

/* Discovery: the machine as JSON, as GET /v1/machines/{m} shows it. */
const struct js *machine_json(struct arena *arena, const struct machine *machine);

#endif
