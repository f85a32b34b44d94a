/* jwt.h: JSON Web Tokens (JWT, RFC 7519), as callers send them: signed (JWS compact form, RFC
 * 7515) by a key of a JWK Set, with HS256, RS256 or ES256. What RFC 8725 recommends is done.
 * Exported names begin web_token_, for jwt_ is the library's. */
#ifndef STATUTE_WEB_TOKEN_H
#define STATUTE_WEB_TOKEN_H

#include "identity/caller.h"
#include "identity/jwk.h"

#define WEB_TOKEN_MOST 8192 /* bytes of a token */

struct web_token_rules {
    struct text issuer;   /* what `iss` has to be; empty: anything */
    struct text audience; /* what `aud` has to be or contain; empty: anything */
    int64_t leeway_us;    /* how far clocks may differ */
    struct text type;     /* a `typ` besides JWT that is taken, "at+jwt"; empty: none */
    /* Where roles and permissions stand: a claim's name, or a path into one such as
     * "realm_access.roles"; several with commas between them. Empty: `roles`, `permissions`. */
    struct text roles, permissions;
};

struct web_token_seen;

/* Whom the token speaks of. FAULT_INVALID_TOKEN says why it proves nobody: that is for the log, and
 * has nothing of the token in it but names of members and of types. `seen` may be NULL. The caller
 * lives in the arena. */
bool web_token_check(const struct jwk_set *keys, struct web_token_seen *seen,
                     const struct web_token_rules *rules, struct arena *arena, struct text token,
                     int64_t now_us, struct caller *out, struct fault *fault) MUST_CHECK;

#endif
