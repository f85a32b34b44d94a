/* chains.h: the whole audit, one entity's chain after another's: what verification reads. */
#ifndef STATUTE_STORE_CHAINS_H
#define STATUTE_STORE_CHAINS_H

#include "base/fault.h"
#include "store/data.h"

struct store;

/* A record, and the entity whose chain it is in, as it was when the record was read. */
struct store_link {
    struct store_record record;
    struct entity entity; /* data_json as stored, not parsed, and only with the record that the
                             entity calls its newest; `data` is NULL */
};

/* False with a fault ends the walk. What it is given lives until it returns; the store is busy
 * meanwhile. */
typedef bool store_links(void *context, const struct store_link *links, size_t count,
                         struct fault *fault);

struct store_walk {
    struct text machine; /* TEXT_NONE: all */
    int64_t settled_us;
    store_links *each;
    void *context;
};

/* Gives the records of each chain in the order of their sequences, and the chains one after the
 * other. Outside a transaction: it goes on page by page, each of one moment, so that it holds up
 * nobody however long it takes. A chain that grows meanwhile is given up to a record that its
 * entity, as given with it, calls the newest. *settled is the number of records older than
 * settled_us that there are, also of those that were not given because nothing leads to them. */
bool store_walk_chains(struct store *store, const struct store_walk *walk, int64_t *settled,
                       struct fault *fault) MUST_CHECK;

#endif
