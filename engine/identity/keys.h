/* keys.h: API keys (`st_<id>_<secret>`). They live in the store, hashed, and are held here in
 * memory, so that a check never waits for the store. Thread-safe. */
#ifndef STATUTE_KEYS_H
#define STATUTE_KEYS_H

#include "base/digest.h"
#include "identity/caller.h"

struct keys;
struct store;

struct keys *keys_new(void); /* knows no key before the first read */
void keys_free(struct keys *keys);

/* Reads the keys on the caller's connection, which has no open transaction: what is committed
 * counts from here on. After a fault the known keys stay in force. */
bool keys_read(struct keys *keys, struct store *store, struct fault *fault) MUST_CHECK;

/* Whether the text begins like an API key, whatever it is worth. */
bool keys_is_one(struct text token);

/* False when the token is malformed, unknown, expired or revoked. The caller is copied into the
 * arena. */
bool keys_check(struct keys *keys, struct arena *arena, struct text token, int64_t now_us,
                struct caller *out) MUST_CHECK;

size_t keys_count(struct keys *keys, int64_t now_us); /* usable ones */

/* A new key: fills `token` (shown once) and what is to be stored. */
#define AUTH_TOKEN_MOST 96
void keys_make(char token[AUTH_TOKEN_MOST], char id[17], unsigned char hash[DIGEST_BYTES]);
/* The scopes of a key as the store keeps them: an array of names; of a key that is bound to
 * machines, {machines, scopes}. An older program, which knows no such keys, finds no array, and so
 * a key without any scope. *machines NULL: it is not bound. */
const struct js *keys_scopes(struct arena *arena, struct text json, const struct js **machines);

#endif
