/* jwk.h: JSON Web Keys (JWK, RFC 7517): the keys that tokens of callers are signed with. Pure
 * data, in an arena. */
#ifndef STATUTE_JWK_H
#define STATUTE_JWK_H

#include "base/js.h"

enum jwk_algorithm { JWK_HS256, JWK_RS256, JWK_ES256 };

/* False for any other name: they are compared to the letter (RFC 7515 section 4.1.1). */
bool jwk_algorithm_of(struct text name, enum jwk_algorithm *out) MUST_CHECK;

struct jwk {
    struct text id; /* `kid`; TEXT_NONE: it has none */
    enum jwk_algorithm algorithm;
    struct text material; /* HS256: the secret; else the public key as PEM */
};

struct jwk_set {
    struct jwk *keys;
    size_t count;
    struct buffer problems; /* "key 2 ('kid'): ...", joined by "; " */
    size_t problem_count;
    struct buffer ignored; /* keys for other uses, likewise */
    size_t ignored_count;
};

#define JWK_SET_MOST 256 /* keys */

/* Reads a JWK Set (section 5) into the arena; the text may be given back afterwards.
 *   refused   (problems): what is malformed or too weak, a private key, an id that comes twice
 *   ignored   keys of another `use`, type or algorithm than ours, as the section wants it
 * False when there is any problem; *out then says which. */
bool jwk_set_parse(struct arena *arena, struct text json, struct jwk_set *out) MUST_CHECK;

/* The key of that id and algorithm; with TEXT_NONE, the only key of that algorithm. NULL: none. */
const struct jwk *jwk_set_find(const struct jwk_set *set, struct text id,
                               enum jwk_algorithm algorithm);

#endif
