/* published.h: the generation in force. Publishing is one pointer under a mutex and cannot fail;
 * who took a reference keeps its generation until it gives it back. Thread-safe. */
#ifndef STATUTE_PUBLISHED_H
#define STATUTE_PUBLISHED_H

#include "policy/policy.h"

struct published;

struct published *published_new(void);
void published_free(struct published *published);

/* Takes over the caller's reference; the old generation is let go. */
void published_set(struct published *published, struct generation *generation);

/* A new reference to the generation in force; NULL before the first publication. */
struct generation *published_take(struct published *published);

#endif
