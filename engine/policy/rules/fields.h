/* fields.h: whether data fits the fields that a machine declares. Pure C, any thread. Used by
 * engine/policy, and by imports of what no rule was asked about. */
#ifndef STATUTE_FIELDS_H
#define STATUTE_FIELDS_H

#include "policy/rules/machine.h"

#define FIELD_TYPE_COUNT 10
extern const struct text field_type_names[FIELD_TYPE_COUNT]; /* by enum field_type */

/* Why `value` does not fit the field, as the rest of a sentence ("must be an integer, not a
 * string"); TEXT_NONE when it does, and then *stored is the value as kept: datetimes in UTC. */
struct text field_refusal(struct arena *arena, const struct field *field, const struct js *value,
                          const struct js **stored);

/* Puts in the defaults of fields that are not there. */
const struct js *fields_with_defaults(struct arena *arena, const struct machine *machine,
                                      const struct js *data);

/* Takes out again what fields_with_defaults put in, and nobody has written since: a default that
 * only holds is not stored, so that it is the rules' word and not the entity's. */
const struct js *fields_without_defaults(struct arena *arena, const struct machine *machine,
                                         const struct js *data);

/* Checks everything: types, required fields, unknown ones when strict. The data as it is to be
 * stored
 * (`data` itself when nothing had to be normalised); *errors {field: message}, NULL when there are
 * none. */
const struct js *fields_check(struct arena *arena, const struct machine *machine,
                              const struct js *data, const struct js **errors);

/* What a policy wrote, in the field's own terms: an instant in a datetime field becomes its RFC
 * 3339 text, a whole float in an integer field an integer, an empty table in an array field an
 * empty array. Only values that differ from those in `before` (NULL: all differ); what a client
 * sent is never coerced. */
const struct js *fields_settle(struct arena *arena, const struct machine *machine,
                               const struct js *before, const struct js *after);

#endif
