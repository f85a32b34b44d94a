/* conflict.h: what two transactions can do to each other, in the words of every store. Private to
 * store/ and the drivers below it. */
#ifndef STATUTE_STORE_CONFLICT_H
#define STATUTE_STORE_CONFLICT_H

#include "base/fault.h"
#include "store/data.h"

/* Whether the record continues a chain that ends with this sequence and hash; if not,
 * FAULT_STORE_CONFLICT. */
bool conflict_unless_next(const struct store_record *record, int64_t sequence,
                          const unsigned char hash[DIGEST_BYTES], struct fault *fault) MUST_CHECK;

/* FAULT_STORE_CONFLICT: the entity is not what was read. Returns false. */
bool conflict_changed(struct text machine, struct text id, struct fault *fault);

#endif
