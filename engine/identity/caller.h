/* caller.h: who is calling, once that is proved. */
#ifndef STATUTE_CALLER_H
#define STATUTE_CALLER_H

#include "identity/scope.h"
#include "model/attempt.h"

enum caller_kind {
    CALLER_ANYBODY, /* mode none: "anonymous" */
    CALLER_KEY,     /* an API key */
    CALLER_TOKEN,   /* whoever a JWT speaks of */
};

struct caller {
    enum caller_kind kind;
    struct text name;          /* of the key, or the token's `sub`; for messages, see below */
    struct text issuer;        /* the token's `iss`, if it has one */
    unsigned scopes;           /* enum scope bits */
    const struct js *machines; /* an array: those it may have to do with; NULL: all */
    const struct actor *self;  /* the caller as an actor: id = name, and what the key or the token
                                  grants it; NULL in mode none */
};

/* A key and a token can have the same name, and so can tokens of two issuers. This one no two
 * callers share; of a key it is the name. Allocated in the arena. */
struct text caller_identity(struct arena *arena, const struct caller *caller);

/* Whether the caller may have to do with the machine. */
bool caller_reaches(const struct caller *caller, struct text machine);

/* What stands before the name in a message: "the %s 'pump'" with "API key", say. */
const char *caller_noun(const struct caller *caller);

#endif
