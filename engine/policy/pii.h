/* pii.h: the rules of a `pii` declaration. Built while loading, then read by any thread. Used by
 * engine/policy only. */
#ifndef STATUTE_PII_H
#define STATUTE_PII_H

#include "base/js.h"
#include "base/map.h"
#include "policy/redact.h"

enum pii_action { PII_DROP, PII_HASH, PII_MASK_LAST4, PII_MASK_DOMAIN };

struct pii {
    struct map actions; /* lower-case key -> one of pii_actions */
    size_t longest_key;
    unsigned patterns; /* of enum redact_pattern */
    struct text hash_key;
};

void pii_init(struct pii *pii, struct arena *arena);
/* False when the key has another action already. */
bool pii_add(struct pii *pii, struct text key, enum pii_action action) MUST_CHECK;
/* What holds when no file declares anything. */
void pii_use_defaults(struct pii *pii);

const struct js *pii_clean(const struct pii *pii, struct arena *arena, const struct js *value);

#endif
