/* tables.h: whether the database has the tables that machines name (`table = {...}`). Whoever
 * publishes a generation asks, not whoever reads its files: then no store need be open. */
#ifndef STATUTE_TABLES_H
#define STATUTE_TABLES_H

#include "policy/policy.h"
#include "store/store.h"

/* Whether some machine names a table. */
bool tables_are_named(const struct generation *generation);

/* FAULT_POLICY_INVALID: `problems` says which tables the store has not, or not so. */
bool tables_check(const struct generation *generation, struct store *store,
                  struct problem_list *problems, struct fault *fault) MUST_CHECK;

#endif
