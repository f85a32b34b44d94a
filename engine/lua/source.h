/* source.h: what is refused of a policy file before Lua compiles it. Used by vm.c only. */
#ifndef STATUTE_SOURCE_H
#define STATUTE_SOURCE_H

#include "base/fault.h"

#define SOURCE_MOST_BYTES  ((size_t)1 << 20)
#define SOURCE_MOST_CHAIN  64  /* a.b.c has two links */
#define SOURCE_MOST_NESTED 200 /* as Lua's own limit */

/* FAULT_POLICY_ERROR with file and line: longer than 1 MiB, or indexing in chains so long that
 * Lua 5.4.4 would overflow the C stack when it names the variable in an error message. */
bool source_check(struct text source, const char *name, struct fault *fault) MUST_CHECK;

#endif
