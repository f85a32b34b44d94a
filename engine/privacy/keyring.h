/* keyring.h: the secrets of hashed personal data, so that they can be changed: the first hashes,
 * the others are known from before. A file of them has a line `id secret` for each, and comments.
 */
#ifndef STATUTE_KEYRING_H
#define STATUTE_KEYRING_H

#include "base/problem.h"

#define KEYRING_MOST         100 /* keys in a file */
#define KEYRING_ID_MOST      64  /* bytes */
#define KEYRING_SECRET_LEAST 16  /* bytes */

struct hash_key {
    struct text id; /* TEXT_NONE: the hashes of this key bear no name */
    struct text secret;
};

struct keyring {
    const struct hash_key *keys; /* the current one first; at least one */
    size_t count;
};

/* --pii-key and --pii-keys, either of which may be empty: FAULT_USAGE when both are given, or the
 * key is too short to keep what it hashes. */
bool keyring_fits(struct text secret, struct text file, struct fault *fault) MUST_CHECK;

/* One key, without a name. */
struct keyring keyring_of_secret(struct arena *arena, struct text secret);

/* Reads a file into `arena`. What is wrong is reported with its line, and never quoted. */
void keyring_read(struct text path, struct arena *arena, struct keyring *out,
                  struct problem_list *problems);

bool keyring_equal(const struct keyring *a, const struct keyring *b);

/* HMAC-SHA-256 in hex, "id:" before it when the key has a name. */
struct text keyring_hash(const struct hash_key *key, struct arena *arena, struct text text);

/* Whether the text is a hash already: "id:" of a key of the ring and hex; with `again`, hex alone
 * if that is what the ring's hashes look like. */
bool keyring_has_made(const struct keyring *keyring, struct text text, bool again);

#endif
