/* jwt_claims.h: from the claims of a JWT whose signature is right to a caller. */
#ifndef STATUTE_WEB_TOKEN_CLAIMS_H
#define STATUTE_WEB_TOKEN_CLAIMS_H

#include "identity/jwt.h"

/* `claims` is an object that lives as long as the arena. FAULT_INVALID_TOKEN: a claim is missing,
 * of a wrong type, or refused by the rules or the clock. */
bool web_token_claims_read(struct arena *arena, const struct js *claims,
                           const struct web_token_rules *rules, int64_t now_us, struct caller *out,
                           struct fault *fault) MUST_CHECK;

#endif
