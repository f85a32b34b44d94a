/* index.h: the indexes of fields: index_field and index_value. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_INDEX_H
#define STATUTE_STORE_SQLITE_INDEX_H

#include "store/sqlite/driver.h"

/* Puts an entity's new data in place of what the index has of the row as it is now: to be called
 * before the row is updated, or, of a new one, after it was written. */
bool sqlite_index_update(struct sqlite_store *self, const struct entity *entity, int64_t number,
                         bool is_new, struct fault *fault) MUST_CHECK;

/* The entity becomes one of another machine: it leaves the indexes of the one, and is in those of
 * the other, which may have been built without it. */
bool sqlite_index_rename(struct sqlite_store *self, struct text from, struct text to,
                         int64_t number, struct fault *fault) MUST_CHECK;

/* The id of a field's index that knows all entities; 0: there is none. */
bool sqlite_index_find(struct sqlite_store *self, struct text machine, struct text field,
                       int64_t *id, struct fault *fault) MUST_CHECK;

bool sqlite_index_fields(struct store *store, struct text machine, const struct text *fields,
                         size_t count, int64_t most, bool *more, struct fault *fault) MUST_CHECK;

#endif
