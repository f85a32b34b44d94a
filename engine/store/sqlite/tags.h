/* tags.h: what rarer searches compare, of every audit record, packed 16 bytes each, beside the
 * facts (facts.h): hashes of the request's id, the batch, the transition and the error code. A
 * match is only a candidate: whoever finds it compares the record itself. Records that are older
 * than the table have none and match nothing. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_TAGS_H
#define STATUTE_STORE_SQLITE_TAGS_H

#include "store/sqlite/sql/sql.h"
#include "store/store.h"

struct tags {
    uint64_t low;  /* hash of the request's id (32 bits), of the batch (32) */
    uint64_t high; /* hash of the transition (32), of the error code (31), 1 */
};

struct tags tags_of(const struct store_record *record);

#define TAGS_PER_BLOCK 250

/* What the writer remembers of the block that is not full yet: the tags of records `from` up to,
 * but not with, `next`. All zeros: nothing. */
struct tags_tail {
    int64_t from, next;
    struct tags slots[TAGS_PER_BLOCK];
};

/* Notes the tags of `count` records that were written from `position` on. A block is written when
 * it is full; whatever the tail does not remember of it, because the store was opened or a
 * transaction was rolled back since, is read from its records. `scratch` is reset. */
bool tags_write(struct sql *sql, struct arena *scratch, struct tags_tail *tail, int64_t position,
                const struct tags *tags, size_t count, struct fault *fault) MUST_CHECK;

/* Looks at positions one after the other; the block at hand is kept. All zeros but `sql`. */
struct tags_scan {
    struct sql *sql;
    struct tags mask, value;
    int64_t block; /* number of the block at hand plus one; 0: none */
    bool is_there; /* that block exists */
    bool is_tail;  /* it is not full yet, so each of its records is a candidate */
    unsigned char bytes[TAGS_PER_BLOCK * sizeof(struct tags)];
};

/* False when the search wants nothing that tags know. */
bool tags_want(struct tags_scan *scan, const struct store_search *search);
bool tags_match(struct tags_scan *scan, int64_t position, bool *matches,
                struct fault *fault) MUST_CHECK;

/* Whether the record's JSON has what the search wants of tags. */
bool tags_fit(struct arena *scratch, const struct store_search *search, struct text json);

#endif
