/* verify_stream.h: proves all chains of a store that has them in order. Used by core/verify.c only.
 */
#ifndef STATUTE_VERIFY_STREAM_H
#define STATUTE_VERIFY_STREAM_H

#include "core/verify_chain.h"

/* Told of each chain when it is proven. */
typedef void verify_proven(void *context, struct store_key key, bool has_entity);

/* `store` is outside a transaction. */
bool verify_stream(struct verify *verify, verify_proven *proven, void *context,
                   struct fault *fault) MUST_CHECK;

#endif
