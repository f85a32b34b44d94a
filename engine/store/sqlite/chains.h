/* chains.h: the walk through all chains, as store/chains.h has it. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_CHAINS_H
#define STATUTE_STORE_SQLITE_CHAINS_H

#include "store/sqlite/driver.h"

bool sqlite_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                        struct fault *fault) MUST_CHECK;

/* --- search.c --- */
/* Columns 1 to 13 as a search selects them, copied. */
struct store_record sqlite_record_of_row(struct arena *arena, sqlite3_stmt *row);
/* Position of the first milestone of a chain at or behind a sequence; the head's when there is
 * none. */
bool sqlite_find_start(struct sql *sql, int64_t entity, int64_t sequence, int64_t head_sequence,
                       int64_t head_position, int64_t *position, struct fault *fault) MUST_CHECK;

#endif
