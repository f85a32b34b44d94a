/* index.h: the indexes of fields, which functions of schema/postgres_005.sql keep. Private to
 * store/postgres/ */
#ifndef STATUTE_STORE_POSTGRES_INDEX_H
#define STATUTE_STORE_POSTGRES_INDEX_H

#include "store/postgres/driver.h"

/* The id of a field's index that knows all entities; 0: there is none. */
bool postgres_index_find(struct postgres_store *self, struct text machine, struct text field,
                         int64_t *id, struct fault *fault) MUST_CHECK;

bool postgres_index_fields(struct store *store, struct text machine, const struct text *fields,
                           size_t count, int64_t most, bool *more, struct fault *fault) MUST_CHECK;

#endif
