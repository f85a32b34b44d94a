/* access.h: may this subject do this to that resource? What `access` and `directory` declarations
 * answer, in the terms of the OpenID AuthZEN Authorization API 1.0, sections 4 and 5.
 * How to use: access_at_once for what needs no VM (any thread); else access_decide, inside a read
 * transaction, with the thread's own VM. Resources that are entities of a machine, and whose type
 * no `access` declares, are not decided here but by policy_read or policy_decide, as a dry run.
 * Everything lives in the arena given or in the generation. */
#ifndef STATUTE_ACCESS_H
#define STATUTE_ACCESS_H

#include "policy/policy.h"
#include "policy/rules/access.h"

/* A subject or a resource. */
struct party {
    struct text type, id;
    const struct js *properties; /* an object, or NULL */
};

struct access_question {
    struct party subject, resource;
    struct text action;
    const struct js *action_properties; /* an object, or NULL */
    const struct js *context;           /* an object, or NULL */
    bool wants_rule; /* of a machine's transition: to be told which rule denies, which takes time */
};

struct access_answer {
    enum fault_code code;        /* FAULT_NONE: allowed. Else why not, as an outcome. */
    struct text reason;          /* one sentence, when denied */
    const struct js *required;   /* array of permissions, or NULL */
    const struct js *missing;    /* those of them that the subject lacks, or NULL */
    struct text denied_by;       /* where the `deny` that denied stands; TEXT_NONE: none did */
    struct text rule, rule_file; /* which rule denied; TEXT_NONE: there is none */
    int rule_line;
};

/* What the rules say of a question (TEXT_NONE stays), without patterns of personal data and without
 * what is under personal keys of the question, whose parties are as the rules saw them. */
struct text generation_clean_reason(const struct generation *generation, struct arena *arena,
                                    const struct access_question *question, struct text reason);

/* Whether some `access` declares the type, and (unless TEXT_NONE) that action of it, by name or by
 * "*". What a machine says of its own, its transitions, `read` and `update`, "*" does not take
 * over. */
bool access_declares(const struct generation *generation, struct text type, struct text action);

/* What an action on a machine's entity is to the machine. ACCESS_READ and ACCESS_UPDATE: `read` and
 * `update` of a machine that says who may, unless it has a state or a verb of that name. */
enum access_act { ACCESS_TRANSITION, ACCESS_READ, ACCESS_UPDATE };
enum access_act access_act_of(const struct machine *machine, struct text action);

/* Denies with what is known to be near: nobody says anything of this type. */
void access_unknown(const struct generation *generation, struct arena *arena,
                    const struct access_question *question, struct access_answer *out);

/* The names of the actions that `access` declares for a type, in byte order, without "*". */
size_t access_actions(const struct generation *generation, struct arena *arena, struct text type,
                      struct text **out);

/* True: decided. False: a function is to be asked, or the type is not declared. */
bool access_at_once(const struct generation *generation, struct arena *arena,
                    const struct access_question *question, struct access_answer *out) MUST_CHECK;

/* Decides about a declared type. False only when a read failed (the fault of `reads`); a function
 * that errs or is over budget is an answer with FAULT_POLICY_ERROR. */
bool access_decide(struct policy policy, struct arena *arena,
                   const struct access_question *question, int64_t now_us,
                   const struct policy_reads *reads, struct access_answer *out,
                   struct fault *fault) MUST_CHECK;

/* Who the subject is to permissions: its `roles` (or `role`) and `permissions` are those of its
 * properties, which are also its attributes, and of the groups that its `groups` names. */
const struct actor *access_actor(const struct generation *generation, struct arena *arena,
                                 const struct party *subject);

/* --- the directory --- */
/* The first entry of a type whose id is behind `after` (TEXT_NONE: the first of all), by bytes;
 * NULL: there is none. */
const struct directory_entry *directory_next(const struct generation *generation,
                                             enum directory_side side, struct text type,
                                             struct text after);
const struct directory_entry *directory_find(const struct generation *generation,
                                             enum directory_side side, struct text type,
                                             struct text id); /* NULL: not listed */
bool directory_has_type(const struct generation *generation, enum directory_side side,
                        struct text type);
bool directory_is_empty(const struct generation *generation, enum directory_side side);

/* The party with what the directory knows of it; what the party brings along counts first. */
struct party directory_complete(const struct generation *generation, struct arena *arena,
                                enum directory_side side, const struct party *party);

#endif
