/* facts.h: what searches compare, of every audit record, packed 16 bytes each, so that
 * a search of any kind scans memory and not records. Facts hold hashes of names, so a match is only
 * a candidate: whoever finds it compares the record itself. Private to store/sqlite/ */
#ifndef STATUTE_STORE_SQLITE_FACTS_H
#define STATUTE_STORE_SQLITE_FACTS_H

#include "store/sqlite/sql/sql.h"
#include "store/store.h"

struct facts {
    uint64_t low;  /* entity's number (32 bits), hash of the actor (32) */
    uint64_t high; /* machine's number, hashes of from and to (16 each), of the reason (8), outcome
                      (8) */
};

/* Bits that must be as in `value`. Of nothing: all records match. */
struct facts_pattern {
    struct facts mask;
    struct facts value;
};

struct facts facts_of(const struct store_record *record, int64_t entity, int64_t machine);

void facts_want_entity(struct facts_pattern *pattern, int64_t entity);
void facts_want_machine(struct facts_pattern *pattern, int64_t machine);
/* What is given in the search but machine and entity. */
void facts_want_search(struct facts_pattern *pattern, const struct store_search *search);

/* Writes the facts and times of `count` records that stand from `position` on. */
bool facts_write(struct sql *sql, int64_t position, const struct facts *facts,
                 const struct store_record *records, size_t count, struct fault *fault) MUST_CHECK;

/* The record at `position` is now of this machine. */
bool facts_set_machine(struct sql *sql, int64_t position, int64_t machine,
                       struct fault *fault) MUST_CHECK;

/* A scan of the records behind a position, or before it when `newest`, that match any of the
 * patterns. */
struct facts_scan {
    struct sql *sql;
    const struct facts_pattern *patterns;
    size_t pattern_count;
    int64_t until_us; /* blocks without a record before this are skipped; 0: none are */
    int64_t since_us; /* newest: the scan ends where all are older; 0: at the first */
    bool newest;
    sqlite3_stmt *blocks;
    int64_t position;           /* the last one looked at */
    const unsigned char *bytes; /* of its block, lent by `blocks`; NULL: read the next */
};
bool facts_start(struct facts_scan *scan, int64_t after, struct fault *fault) MUST_CHECK;
/* *position is 0 after the last match. Until then facts_stop must follow. */
bool facts_next(struct facts_scan *scan, int64_t *position, struct fault *fault) MUST_CHECK;
void facts_stop(struct facts_scan *scan);

/* A position before the first record that is not older than `since_us`, and near it. */
bool facts_before(struct sql *sql, int64_t since_us, int64_t *position,
                  struct fault *fault) MUST_CHECK;

#endif
