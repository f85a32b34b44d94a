/* option_value.h: one value of an option, from text and back. Used by engine/cli/options*.c only.
 */
#ifndef STATUTE_OPTION_VALUE_H
#define STATUTE_OPTION_VALUE_H

#include "cli/options.h"

/* Sets the option's field. Texts are lent. FAULT_USAGE: "expected a number from 1 to 64, not 'x'".
 */
bool option_set(const struct option *option, struct text value, void *values,
                struct fault *fault) MUST_CHECK;

/* The field as option_set would read it; nothing when it is unset, secret or a flag. */
void option_print(const struct option *option, const void *values, struct buffer *out);

/* "1 to 64" in the option's unit; nothing for what has no limits. */
void option_print_limits(const struct option *option, struct buffer *out);

#endif
