/* store_faulty.h: a store in front of another one that fails a chosen call, for tests that fail the
 * 1st, 2nd, 3rd... call until the whole succeeds:
 *   struct faulty plan = {.fail_at = n, .way = FAULTY_LOST};
 *   struct store *store = store_faulty_new(inner, &plan);
 *   ... plan.failed == NULL: n is past the last call
 * Every call counts but close and rollback, which cannot fail. */
#ifndef STATUTE_TEST_STORE_FAULTY_H
#define STATUTE_TEST_STORE_FAULTY_H

#include "store/store.h"

enum faulty_way {
    FAULTY_UNAVAILABLE, /* nothing is done: FAULT_STORE_UNAVAILABLE */
    FAULTY_CONFLICT,    /* nothing is done: FAULT_STORE_CONFLICT */
    FAULTY_LOST,        /* a commit is done, but FAULT_OUTCOME_UNKNOWN; other calls: unavailable */
    FAULTY_NEVER_SENT,  /* a commit is not done, and FAULT_OUTCOME_UNKNOWN; other calls: unavailable
                         */
};

struct faulty {
    long fail_at; /* in: the first call is 1; 0: none fails */
    enum faulty_way way;
    long calls;         /* out: so far */
    const char *failed; /* out: the call that failed; NULL: none yet */
    long misuses;       /* out: calls that store.h forbids: between a fault and its rollback, or
                         * a begin in an open transaction */
    bool open;          /* out: a transaction is open */
    bool broken;        /* out: and a call in it failed */
};

/* Owns `inner` and closes it; `plan` is lent, and may be changed at any time. */
struct store *store_faulty_new(struct store *inner, struct faulty *plan);

#endif
