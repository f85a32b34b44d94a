/* verify_stream.h: proves all chains of a store, one after the other. Used by core/verify.c only.
 */
#ifndef STATUTE_VERIFY_STREAM_H
#define STATUTE_VERIFY_STREAM_H

#include "core/verify_chain.h"

/* Told of each chain when it is proven. */
typedef void verify_proven(void *context, struct store_key key, bool has_entity);

/* `store` is outside a transaction. *settled: records from before settled_us that the store has. */
bool verify_stream(struct verify *verify, verify_proven *proven, void *context, int64_t *settled,
                   struct fault *fault) MUST_CHECK;

#endif
