/* host.h: names that a browser may know this machine by, and which nobody else can be known by. */
#ifndef STATUTE_HOST_H
#define STATUTE_HOST_H

#include "base/text.h"

/* Whether a Host header (RFC 9110 section 7.2) has no name that somebody could register and point
 * at this machine: it is an address, a name without a dot, or one that is reserved (RFC 6761, RFC
 * 6762, RFC 8375). */
bool host_is_unowned(struct text host);

#endif
