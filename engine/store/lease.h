/* lease.h: rows that end by themselves, in the database of a store that several processes write:
 * what lock/store.c is made of. One struct lease_table is one connection, apart from the
 * store's, and belongs to one thread. Each call is one round trip and one transaction of its own,
 * with no state left in the session, so a pool between here and the server does no harm. Time is
 * the server's.
 * Claims are unique and sorted by key, on every node alike: rows are locked in that order.
 * Faults are FAULT_STORE_UNAVAILABLE, or FAULT_STORE_CONFLICT: nothing was done, ask again. After
 * the former it may have been done all the same, if the connection was lost. */
#ifndef STATUTE_LEASE_H
#define STATUTE_LEASE_H

#include "base/fault.h"

struct lease_claim {
    struct text key;
    int64_t ttl_us;
    uint64_t token; /* the caller's: proves the lease later */
    bool granted;   /* take sets it; renew and drop ask for those only */
};

struct lease_table;

/* Whether the store of this URL has leases: SQLite has none, and needs none. */
bool lease_possible(struct text url);

/* Connects to nothing yet. FAULT_USAGE: no such URL. */
bool lease_open(struct text url, struct lease_table **out, struct fault *fault) MUST_CHECK;
void lease_close(struct lease_table *table);

/* How long the server may say nothing, in the calls to come. */
void lease_patience(struct lease_table *table, int64_t silence_us);

/* Grants what nobody holds. `again`: the same claims were asked for before, and the answer lost;
 * what they may have got is dropped first. */
bool lease_take(struct lease_table *table, struct lease_claim *claims, size_t count, bool again,
                struct fault *fault) MUST_CHECK;
/* *kept: all of them are still there, and last for their ttl from now. */
bool lease_renew(struct lease_table *table, const struct lease_claim *claims, size_t count,
                 bool *kept, struct fault *fault) MUST_CHECK;
bool lease_drop(struct lease_table *table, const struct lease_claim *claims, size_t count,
                struct fault *fault) MUST_CHECK;
bool lease_ping(struct lease_table *table, struct fault *fault) MUST_CHECK;

/* Whether the connection outlived the latest call. */
bool lease_is_connected(struct lease_table *table);

/* Deletes some of the leases that ended long ago, of whomever, and waits for nothing. */
void lease_clean(struct lease_table *table);

#endif
