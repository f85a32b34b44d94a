/* permission.h: permission expressions: what `permit` and `deny` say, as plain data. Built while
 * loading, then read by any thread; functions stay in the VMs and show here by their number. */
#ifndef STATUTE_PERMISSION_RULES_H
#define STATUTE_PERMISSION_RULES_H

#include "base/js.h"

enum permission_kind {
    PERMISSION_NAME,
    PERMISSION_ALL, /* a list */
    PERMISSION_ANY, /* any { ... } */
    PERMISSION_FUNCTION,
};

/* One expression. */
struct permission {
    enum permission_kind kind;
    struct text name;               /* of a NAME */
    const struct permission *items; /* of ALL and ANY: at least one */
    size_t count;
    size_t function; /* of a FUNCTION: its number in the rule, in order of reading */
};

/* `permit` and `deny` of one table. All zero: everybody may, even a request without an actor. */
struct permission_rule {
    const struct permission *permit; /* NULL: nothing is needed */
    const struct text *names;        /* that the permit holds, in order, without doubles */
    size_t name_count;
    size_t function_count; /* of the permit */
    size_t deny_count;     /* functions that deny */
};

/* What roles that are held within a tenant are held against. All zero: they never count. */
struct within_rule {
    struct text field; /* of the data whose string is the tenant; TEXT_NONE: none */
    bool has_function; /* or a function says it */
};

/* OPEN: a function that has not been called yet decides. */
enum answer { ANSWER_OPEN, ANSWER_YES, ANSWER_NO };

/* What is known of the parts. */
struct permission_view {
    enum answer (*name)(const void *context, struct text name);
    const void *context;
    const enum answer *functions; /* by number; NULL: all are open */
};

/* What is known of the whole: an ALL is no when one part is, an ANY is yes when one part is. */
enum answer permission_answer(const struct permission *permission,
                              const struct permission_view *view);

/* The names that are refused in the parts that are refused, in order, without doubles: an array. */
const struct js *permission_missing(struct arena *arena, const struct permission *permission,
                                    const struct permission_view *view);

/* The names of what is missing, as a phrase: "'a', ('b' or 'c')"; empty when no name is. */
struct text permission_missing_phrase(struct arena *arena, const struct permission *permission,
                                      const struct permission_view *view);

/* The whole as a phrase: "a, (b or by a function)"; empty for NULL. */
struct text permission_phrase(struct arena *arena, const struct permission *permission);

/* As JSON: "name", {"all": [...]}, {"any": [...]}, {"function": true}; NULL for NULL. */
const struct js *permission_json(struct arena *arena, const struct permission *permission);

/* Whether the rule asks for anything at all. */
static inline bool permission_rule_asks(const struct permission_rule *rule) {
    return rule->permit != NULL || rule->deny_count > 0;
}

static inline bool permission_rule_has_function(const struct permission_rule *rule) {
    return rule->function_count > 0 || rule->deny_count > 0;
}

#endif
