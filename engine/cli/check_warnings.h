/* check_warnings.h: what a policy directory says that loads, and is likely to be meant otherwise.
 */
#ifndef STATUTE_CHECK_WARNINGS_H
#define STATUTE_CHECK_WARNINGS_H

#include "policy/policy.h"

/* Adds one for each machine that has permissions, and lets anybody change its data. */
void check_warnings(const struct generation *generation, struct problem_list *warnings);

#endif
