/* verify_chain.h: proves one entity's chain. Used by core/verify.c only. */
#ifndef STATUTE_VERIFY_CHAIN_H
#define STATUTE_VERIFY_CHAIN_H

#include "core/verify.h"

struct verify {
    struct store *store;
    const struct verify_options *options;
    struct verify_counts counts;
    int64_t started_us; /* wall clock */
    int64_t settled_us; /* earlier: what is older was committed long before the start */
    int64_t walked;     /* records from before the start */
    int64_t walked_settled;
};

/* Inside a read transaction. `has_entity`: the chain belongs to an entity that is there. */
bool verify_chain(struct verify *verify, struct store_key key, bool *has_entity,
                  struct fault *fault) MUST_CHECK;

void verify_report(struct verify *verify, struct store_key key, int64_t sequence,
                   const char *format, ...) PRINTF_LIKE(4, 5);

#endif
