/* public_key.h: public keys of RSA and of the curve P-256, from their numbers (big-endian, as JSON
 * Web Keys have them, RFC 7518 section 6) to PEM. */
#ifndef STATUTE_PUBLIC_KEY_H
#define STATUTE_PUBLIC_KEY_H

#include "base/fault.h"

#define PUBLIC_KEY_RSA_LEAST 2048 /* bits; RFC 7518 section 3.3 */
#define PUBLIC_KEY_RSA_MOST  8192 /* more only makes each check slow */
#define PUBLIC_KEY_P256      32   /* bytes of a coordinate */

/* FAULT_USAGE says what was expected: a modulus within the bounds above that is no prime and has no
 * small factor, and an odd exponent of 3 or more. *pem lives in the arena. */
bool public_key_rsa(struct arena *arena, struct text modulus, struct text exponent,
                    struct text *pem, struct fault *fault) MUST_CHECK;

/* FAULT_USAGE unless the coordinates are of a point on the curve. */
bool public_key_p256(struct arena *arena, struct text x, struct text y, struct text *pem,
                     struct fault *fault) MUST_CHECK;

/* Whether `signature` is the key's over `bytes`, with SHA-256: RSASSA-PKCS1-v1_5, or ECDSA as two
 * numbers of 32 bytes (RFC 7518 sections 3.3 and 3.4). */
bool public_key_signed(struct text pem, struct text bytes, struct text signature, bool is_ecdsa);

/* Empties the calling thread's queue of libcrypto's errors. Whoever lets another library check a
 * signature calls it: what a refusal leaves there would be taken for a failure of the thread's next
 * TLS connection. */
void public_key_forget_errors(void);

#endif
