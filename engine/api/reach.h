/* reach.h: what a key that is bound to machines may call. A call that says nothing here is refused
 * to such a key, so that a new one is closed until somebody has thought of it. */
#ifndef STATUTE_API_REACH_H
#define STATUTE_API_REACH_H

#include "api/route.h"
#include "store/bulk.h"

/* Before the handler, with parameters and body read. FAULT_PERMISSION_DENIED names the machines
 * that the caller's key is bound to. */
bool reach_check(struct call *call, struct fault *fault) MUST_CHECK;

/* Whether the caller reaches the machine of a bulk. */
bool reach_bulk(const struct call *call, const struct store_bulk *bulk);

/* The machine of a search: the one asked for (TEXT_NONE: none), or the only one that the caller
 * reaches. FAULT_BAD_REQUEST when it reaches several and names none. */
bool reach_search(const struct call *call, struct text *machine, struct fault *fault) MUST_CHECK;

#endif
