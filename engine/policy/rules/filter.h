/* filter.h: a field that lists and counts are filtered by, as a query writes it. Pure C, any
 * thread.
 */
#ifndef STATUTE_FILTER_H
#define STATUTE_FILTER_H

#include "policy/rules/machine.h"

/* The value that `text` stands for in the field `name`, as it is stored: "true" in a boolean field
 * is true, a datetime is in UTC. FAULT_BAD_REQUEST when the machine has no such field, when it is
 * not declared with `index = true`, or when it cannot have the value. */
bool filter_value(struct arena *arena, const struct machine *machine, struct text name,
                  struct text text, const struct js **out, struct fault *fault) MUST_CHECK;

/* Whether a field of this type can have `index = true`: scalars can. */
bool filter_is_scalar(enum field_type type);

#endif
