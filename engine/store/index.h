/* index.h: how the indexes of fields write a value. For the drivers. */
#ifndef STATUTE_STORE_INDEX_H
#define STATUTE_STORE_INDEX_H

#include "base/js.h"
#include "store/data.h"

/* The value of a field in an index: canonical JSON, or "#" and the SHA-256 in hex of what is longer
 * than 200 bytes. TEXT_NONE for what is not indexed: nothing, null, an object, an array. */
struct text index_value(struct arena *arena, const struct js *value);

/* Whether every value that equals this one is written alike: then an index finds them all. */
bool index_finds(const struct js *value);

/* Whether an index may answer this condition of `where`: not while some entities are still kept
 * under a former machine, or lack the field and have its default. */
bool index_serves(const struct store_where *where, const struct js_member *condition);

#endif
