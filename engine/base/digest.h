/* digest.h: hashes, keyed hashes and random bytes. With public_key.h the only user of
 * OpenSSL's libcrypto. */
#ifndef STATUTE_DIGEST_H
#define STATUTE_DIGEST_H

#include "base/text.h"

#define DIGEST_BYTES 32
#define DIGEST_HEX   64

/* SHA-256 (FIPS 180-4). `digest_sha256_two` hashes the concatenation of both. */
void digest_sha256(struct text input, unsigned char out[DIGEST_BYTES]);
void digest_sha256_two(struct text first, struct text second, unsigned char out[DIGEST_BYTES]);

/* HMAC-SHA-256 (RFC 2104). */
void digest_hmac(struct text key, struct text input, unsigned char out[DIGEST_BYTES]);

/* Lower-case hexadecimal, not terminated: `out` has room for 2 * length characters. */
void digest_hex(const unsigned char *bytes, size_t length, char *out);
bool digest_of_hex(struct text hex, unsigned char *out, size_t length) MUST_CHECK;

/* Takes the same time wherever the first difference is; lengths are not secret. */
bool digest_equal(struct text a, struct text b);

/* Cryptographically strong; ends the process when the system has no randomness. */
void digest_random(unsigned char *out, size_t length);

/* base64url without padding (RFC 4648 section 5). `out` has room for (length * 4 + 2) / 3. */
size_t digest_base64url(const unsigned char *bytes, size_t length, char *out);

/* The way back, for forms that digest_base64url writes and no others: no padding, no foreign
 * character, and bits left over are zero. `out` has room for encoded.length * 3 / 4. */
bool digest_of_base64url(struct text encoded, unsigned char *out, size_t *length) MUST_CHECK;

#endif
