/* jwt_seen.h: tokens whose signature was found right, so that it is not computed again with
 * each call. Bounded; belongs to one set of keys, and goes with it. Thread-safe. */
#ifndef STATUTE_WEB_TOKEN_SEEN_H
#define STATUTE_WEB_TOKEN_SEEN_H

#include "base/digest.h"

struct web_token_seen;

struct web_token_seen *web_token_seen_new(void);
void web_token_seen_free(struct web_token_seen *seen);

/* `hash` is the SHA-256 of the whole token. With `seen` NULL nothing is known nor kept. */
bool web_token_seen_has(struct web_token_seen *seen, const unsigned char hash[DIGEST_BYTES]);
void web_token_seen_add(struct web_token_seen *seen, const unsigned char hash[DIGEST_BYTES]);

#endif
