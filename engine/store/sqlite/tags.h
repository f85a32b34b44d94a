/* tags.h: what rarer searches compare, of every audit record, packed 16 bytes each, beside the
 * facts (facts.h): hashes of the request's id, the batch, the transition and the error code. A
 * match is only a candidate: whoever finds it compares the record itself. Records that are older
 * than the table have none and match nothing. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_TAGS_H
#define STATUTE_STORE_SQLITE_TAGS_H

#include "store/sqlite/sql.h"
#include "store/store.h"

struct tags {
    uint64_t low;  /* hash of the request's id (32 bits), of the batch (32) */
    uint64_t high; /* hash of the transition (32), of the error code (31), 1 */
};

struct tags tags_of(const struct store_record *record);

/* Writes the tags of `count` records that stand from `position` on. */
bool tags_write(struct sql *sql, int64_t position, const struct tags *tags, size_t count,
                struct fault *fault) MUST_CHECK;

/* Looks at positions one after the other; the block at hand is kept. All zeros but `sql`. */
struct tags_scan {
    struct sql *sql;
    struct tags mask, value;
    int64_t block; /* number of the block at hand plus one; 0: none */
    bool is_there; /* that block exists */
    unsigned char bytes[250 * sizeof(struct tags)];
};

/* False when the search wants nothing that tags know. */
bool tags_want(struct tags_scan *scan, const struct store_search *search);
bool tags_match(struct tags_scan *scan, int64_t position, bool *matches,
                struct fault *fault) MUST_CHECK;

/* Whether the record's JSON has what the search wants of tags. */
bool tags_fit(struct arena *scratch, const struct store_search *search, struct text json);

#endif
