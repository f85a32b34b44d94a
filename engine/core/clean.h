/* clean.h: what may be kept of an attempt and what its policy says. The rules of its machine hold,
 * and of every machine whose effect it is, since policies hand on what they were sent. */
#ifndef STATUTE_CLEAN_H
#define STATUTE_CLEAN_H

#include "core/work.h"

/* `how`: enum clean_how, besides what the attempt itself asks for. */
const struct js *clean_value(const struct work *work, const struct attempt *attempt,
                             const struct js *value, unsigned how);
struct text clean_text(const struct work *work, const struct attempt *attempt, struct text text);

#endif
