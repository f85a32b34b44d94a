/* auth.h: who is calling, and what they may do here. Thread-safe.
 * Room identity/: keys, tokens (JWT), scopes, callers, limits; sole user of libjwt. It uses store/
 * for API keys. How to use: auth_open, auth_check for each request, auth_need for a scope. Modes:
 * "none" (every caller has every scope and is believed about the actor; allowed on a loopback
 * address only), "keys" (API keys, `Authorization: Bearer st_<id>_<secret>`), and a file (API keys,
 * and JWTs signed by a key of that JWK Set). Keys are held in memory, so a check never waits for
 * the store or a disk. They are read again every second, and API keys at once when this process
 * changed them: one that is revoked elsewhere stops working within a second or two. */
#ifndef STATUTE_AUTH_H
#define STATUTE_AUTH_H

#include "base/now.h"
#include "identity/caller.h"
#include "identity/keys.h"

struct auth;
struct store;

struct auth_options {
    struct text mode;      /* "none", "keys", or the path of a JWK Set */
    struct text listen;    /* the address that will be listened on */
    struct text store_url; /* where the API keys are */
    struct text issuer;    /* what a token's `iss` has to be; empty: anything */
    struct text audience;  /* what a token's `aud` has to name; empty: anything */
    struct text token_type, token_roles, token_permissions; /* see web_token_rules */
    int64_t leeway_us; /* how far the clock of who makes tokens may be off */
};

/* FAULT_USAGE: none on an address that is not loopback, or rules for tokens without a file.
 * FAULT_ENVIRONMENT: the file cannot be read, or is no JWK Set that can be used. The message says
 * what to do instead. The texts outlive the auth. */
bool auth_open(const struct auth_options *options, struct now now, struct auth **out,
               struct fault *fault) MUST_CHECK;
/* Starts and stops the thread that reads the keys again. */
bool auth_start(struct auth *auth, struct fault *fault) MUST_CHECK;
void auth_stop(struct auth *auth);
/* Reads the API keys now, on the caller's connection, which has no open transaction: what is
 * committed counts from here on. After a fault the known keys stay in force until the thread has
 * read them. */
bool auth_update(struct auth *auth, struct store *store, struct fault *fault) MUST_CHECK;
/* Has the thread read everything now; the log tells of the file even if it is the same. */
void auth_reload(struct auth *auth);
void auth_close(struct auth *auth);
size_t auth_key_count(struct auth *auth);    /* usable API keys; mode none: 0 */
bool auth_is_open(const struct auth *auth);  /* mode none */
bool auth_has_file(const struct auth *auth); /* tokens are taken */

/* `authorization` is the header's value. FAULT_UNAUTHENTICATED when no bearer is named in it,
 * FAULT_INVALID_TOKEN when one is that proves nobody: malformed, unknown, expired or revoked, all
 * with one message. Why a token was refused is in the log. The caller is copied into the arena. */
bool auth_check(struct auth *auth, struct arena *arena, struct text authorization,
                struct caller *out, struct fault *fault) MUST_CHECK;

/* FAULT_PERMISSION_DENIED naming the scope that is missing. */
bool auth_need(const struct caller *caller, enum scope scope, struct fault *fault) MUST_CHECK;
/* FAULT_PERMISSION_DENIED when the caller's key is bound to other machines. */
bool auth_need_machine(const struct caller *caller, struct text machine,
                       struct fault *fault) MUST_CHECK;

#endif
