/* auth.h: who is calling, and what they may do here.
 * Two modes: "none" (every caller has every scope and is believed about the actor; allowed on a
 * loopback address only) and "keys" (API keys, `Authorization: Bearer st_<id>_<secret>`). Keys live
 * in the store, hashed; they are held in memory, so a check never waits for the store. They are
 * read again every second, and at once when this process changed them: a key that another process
 * revoked stops working within a second. Thread-safe. */
#ifndef STATUTE_AUTH_H
#define STATUTE_AUTH_H

#include "base/digest.h"
#include "base/js.h"
#include "base/now.h"
#include "model/attempt.h"

enum scope {
    SCOPE_READ = 1,
    SCOPE_TRANSITION = 2,
    SCOPE_ACT_AS = 4,
    SCOPE_SYSTEM = 8,
    SCOPE_AUDIT = 16,
    SCOPE_ADMIN = 32, /* implies no other scope */
    SCOPE_ALL = 63
};
struct text scope_name(enum scope scope);
/* "read,transition" -> bits; FAULT_USAGE names the unknown one and lists the known. */
bool scope_parse(struct text list, unsigned *scopes, struct fault *fault) MUST_CHECK;

struct caller {
    struct text name; /* of the key; "anonymous" in mode none */
    unsigned scopes;  /* enum scope bits */
    const struct actor
        *self; /* the key as an actor: id = name, its roles and permissions; NULL in mode none */
};

struct auth;
struct store;

/* `mode` is "none" or "keys"; `store_url` is where the keys are. FAULT_USAGE: unknown mode, or none
 * on an address that is not loopback (the message says what to do instead). */
bool auth_open(struct text mode, struct text listen, struct text store_url, struct now now,
               struct auth **out, struct fault *fault) MUST_CHECK;
/* Starts and stops the thread that reads the keys again. */
bool auth_start(struct auth *auth, struct fault *fault) MUST_CHECK;
void auth_stop(struct auth *auth);
/* Reads the keys now, on the caller's connection, which has no open transaction: what is committed
 * counts from here on. After a fault the known keys stay in force until the thread has read them.
 */
bool auth_update(struct auth *auth, struct store *store, struct fault *fault) MUST_CHECK;
void auth_close(struct auth *auth);
size_t auth_key_count(struct auth *auth);   /* usable keys; mode none: 0 */
bool auth_is_open(const struct auth *auth); /* mode none */

/* `authorization` is the header's value. FAULT_UNAUTHENTICATED when it is missing, malformed,
 * unknown, expired or revoked (one message for all of the last four). The caller is copied into the
 * arena. */
bool auth_check(struct auth *auth, struct arena *arena, struct text authorization,
                struct caller *out, struct fault *fault) MUST_CHECK;

/* FAULT_PERMISSION_DENIED naming the scope that is missing. */
bool auth_need(const struct caller *caller, enum scope scope, struct fault *fault) MUST_CHECK;

/* A new key: fills `token` (shown once) and what is to be stored. */
#define AUTH_TOKEN_MOST 96
struct store_api_key;
void auth_new_key(char token[AUTH_TOKEN_MOST], char id[17], unsigned char hash[DIGEST_BYTES]);

#endif
