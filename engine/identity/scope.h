/* scope.h: what a caller may do here, by name. */
#ifndef STATUTE_SCOPE_H
#define STATUTE_SCOPE_H

#include "base/fault.h"

enum scope {
    SCOPE_READ = 1,
    SCOPE_TRANSITION = 2,
    SCOPE_ACT_AS = 4,
    SCOPE_SYSTEM = 8,
    SCOPE_AUDIT = 16,
    SCOPE_ADMIN = 32, /* implies no other scope */
    SCOPE_ALL = 63
};
struct text scope_name(enum scope scope);
unsigned scope_of_name(struct text name); /* 0 when there is none of that name */
/* "read,transition" -> bits; FAULT_USAGE names the unknown one and lists the known. */
bool scope_parse(struct text list, unsigned *scopes, struct fault *fault) MUST_CHECK;

#endif
