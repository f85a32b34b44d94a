/* policies.h: loads a policy directory for a command, and shows what is wrong with it. */
#ifndef STATUTE_POLICIES_H
#define STATUTE_POLICIES_H

#include <stdio.h>

#include "policy/policy.h"

/* One VM, default limits. On FAULT_POLICY_INVALID the fault says "3 problems in 2 files". */
bool policies_load(struct text directory, struct arena *arena, struct generation **out,
                   struct problem_list *problems, struct fault *fault) MUST_CHECK;

/* As policies_load, and prints the problems to standard error. */
bool policies_load_or_tell(struct text directory, struct arena *arena, struct generation **out,
                           struct fault *fault) MUST_CHECK;

/* The secrets that personal data is hashed with: one, or a file of them; empty: not given. */
struct policies_keys {
    struct text key, file;
};
/* As policies_load_or_tell, for who writes audit records. FAULT_USAGE: both are given. */
bool policies_load_keyed(struct text directory, const struct policies_keys *keys,
                         struct arena *arena, struct generation **out,
                         struct fault *fault) MUST_CHECK;

/* The machine of that name. FAULT_UNKNOWN_MACHINE lists those that are there. */
bool policies_machine(const struct generation *generation, struct arena *arena, struct text name,
                      const struct machine **out, struct fault *fault) MUST_CHECK;

/* One "file:line: message" a line. */
void policies_tell(const struct problem_list *problems, FILE *stream);
/* {"problems": [{file, line, message}]} */
struct text policies_json(const struct problem_list *problems, struct arena *arena);
/* Sets FAULT_POLICY_INVALID "3 problems in 2 files"; returns false. */
bool policies_fault(const struct problem_list *problems, struct fault *fault);

#endif
