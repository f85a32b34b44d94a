/* jwt.c: a token is header.claims.signature, each in base64url.
 *
 * The key says with which algorithm it is used; a header that names another one finds no key (RFC
 * 8725 section 3.1), so "none" and a public key used as an HMAC secret never reach a signature
 * check. Nothing in a header is followed: not jwk, jku, x5u nor x5c.
 *
 * Signatures of RS256 and ES256 are checked by libjwt. Debian 12 has 1.10.2, and what that version
 * would let pass is refused before it is asked:
 *   - it takes the algorithm from the header: ours has to be the key's
 *   - it does not look at `crit`, and takes the last of duplicate members: js_parse refuses these
 *   - it reads base64 of any form, and JSON only up to a NUL: every part is decoded strictly here
 *   - it copies parts of the token onto the stack: the token is bounded by WEB_TOKEN_MOST
 *   - it compared HMACs with strcmp (CVE-2024-25189, mended in 1.10.2-1+deb12u1): HMACs are
 * compared here, in constant time, whatever package is installed
 * It knows no `typ` but JWT, so a token of another type that --jwt-type allows, as the at+jwt of
 * RFC 9068, is checked by libcrypto itself (base/public_key.h).
 *
 * Claims are interpreted only after the signature was found right. */
#include "identity/jwt.h"

#include <jwt.h>

#include "base/digest.h"
#include "base/public_key.h"
#include "identity/jwt_claims.h"
#include "identity/jwt_seen.h"

struct token {
    struct text whole;
    struct text signed_part; /* header and claims, encoded, with the dot between them */
    struct text signature;   /* decoded */
    const struct js *header;
    const struct js *claims;
    const struct jwk *key;
};

static bool refuse(struct fault *fault, const char *why) {
    return fault_set(fault, FAULT_INVALID_TOKEN, "%s", why);
}

/* --- the three parts --- */

static bool decode(struct arena *arena, struct text part, struct text *out) {
    unsigned char *bytes = arena_alloc(arena, part.length + 1);
    size_t length;
    bool fine = digest_of_base64url(part, bytes, &length);
    *out = (struct text){(const char *)bytes, fine ? length : 0};
    return fine;
}

static bool read_object(struct arena *arena, struct text part, const struct js **out) {
    struct fault ignored = FAULT_INIT;
    struct text json;
    return decode(arena, part, &json) && js_parse(arena, json, out, &ignored) &&
           js_is(*out, JS_OBJECT);
}

/* Cuts the part before the next dot off; false when there is no dot. */
static bool next_part(struct text *rest, struct text *part) {
    const char *dot = rest->length > 0 ? memchr(rest->bytes, '.', rest->length) : NULL;
    if (dot == NULL) {
        return false;
    }
    *part = (struct text){rest->bytes, (size_t)(dot - rest->bytes)};
    *rest = (struct text){dot + 1, rest->length - part->length - 1};
    return true;
}

static bool split(struct arena *arena, struct token *token, struct fault *fault) {
    struct text rest = token->whole, header, claims;
    if (rest.length > WEB_TOKEN_MOST) {
        return fault_set(fault, FAULT_INVALID_TOKEN, "it is longer than %d bytes", WEB_TOKEN_MOST);
    }
    if (!next_part(&rest, &header) || !next_part(&rest, &claims)) {
        return refuse(fault, "it is neither an API key nor a JWT of three parts");
    }
    token->signed_part = (struct text){token->whole.bytes, header.length + 1 + claims.length};
    if (!read_object(arena, header, &token->header)) {
        return refuse(fault, "its header is not a JSON object in base64url");
    }
    if (!read_object(arena, claims, &token->claims)) {
        return refuse(fault, "its claims are not a JSON object in base64url");
    }
    return (rest.length > 0 && decode(arena, rest, &token->signature)) ||
           refuse(fault, "its signature is not base64url");
}

/* --- the header --- */

/* RFC 7515 section 4.1.9: "application/" may stand before it. */
static struct text type_of(const struct js *header) {
    struct text type = js_text(js_find(header, TEXT("typ"))), prefix = TEXT("application/");
    bool has_prefix = type.length > prefix.length &&
                      text_equal_ignore_case((struct text){type.bytes, prefix.length}, prefix);
    return has_prefix ? (struct text){type.bytes + prefix.length, type.length - prefix.length}
                      : type;
}

static bool is_plain_type(const struct js *header) {
    const struct js *type = js_find(header, TEXT("typ"));
    return type == NULL || text_equal_ignore_case(js_text(type), TEXT("JWT"));
}

static bool check_type(const struct js *header, struct text other, struct fault *fault) {
    struct text type = type_of(header);
    return is_plain_type(header) ||
           (other.length > 0 && text_given(type) && text_equal_ignore_case(type, other)) ||
           refuse(fault, other.length > 0 ? "its typ is neither JWT nor the --jwt-type"
                                          : "its typ is not JWT; --jwt-type can allow another");
}

static bool find_key(const struct jwk_set *keys, struct token *token, struct fault *fault) {
    const struct js *id = js_find(token->header, TEXT("kid"));
    enum jwk_algorithm algorithm;
    if (!jwk_algorithm_of(js_text(js_find(token->header, TEXT("alg"))), &algorithm)) {
        return refuse(fault, "its alg is none of HS256, RS256 and ES256");
    }
    if (id != NULL && !js_is(id, JS_STRING)) {
        return refuse(fault, "its kid is not a string");
    }
    token->key = jwk_set_find(keys, js_text(id), algorithm);
    return token->key != NULL ||
           refuse(fault, id != NULL ? "no key has its kid and its alg"
                                    : "it has no kid, and there is not exactly one key of its alg");
}

/* What a header's `crit` names has to be understood (RFC 7515 section 4.1.11); we know nothing that
 * could be named there. */
static bool check_header(const struct jwk_set *keys, const struct web_token_rules *rules,
                         struct token *token, struct fault *fault) {
    if (js_find(token->header, TEXT("crit")) != NULL) {
        return refuse(fault, "its header has crit");
    }
    return check_type(token->header, rules->type, fault) && find_key(keys, token, fault);
}

/* --- the signature --- */

static bool has_mac(const struct token *token) {
    unsigned char mac[DIGEST_BYTES];
    digest_hmac(token->key->material, token->signed_part, mac);
    return digest_equal(token->signature, (struct text){(const char *)mac, sizeof mac});
}

static bool is_signed(struct arena *arena, const struct token *token, jwt_alg_t algorithm) {
    struct text pem = token->key->material;
    if (!is_plain_type(token->header)) {
        return public_key_signed(pem, token->signed_part, token->signature,
                                 algorithm == JWT_ALG_ES256);
    }
    jwt_t *decoded = NULL;
    int status = jwt_decode(&decoded, text_cstring(arena, token->whole),
                            (const unsigned char *)pem.bytes, (int)pem.length);
    bool right = status == 0 && decoded != NULL && jwt_get_alg(decoded) == algorithm;
    jwt_free(decoded);
    public_key_forget_errors();
    return right;
}

static bool is_signed_or_seen(struct arena *arena, struct web_token_seen *seen,
                              const struct token *token, jwt_alg_t algorithm) {
    unsigned char hash[DIGEST_BYTES];
    digest_sha256(token->whole, hash);
    if (web_token_seen_has(seen, hash)) {
        return true;
    }
    bool right = is_signed(arena, token, algorithm);
    if (right) {
        web_token_seen_add(seen, hash);
    }
    return right;
}

static bool check_signature(struct arena *arena, struct web_token_seen *seen,
                            const struct token *token, struct fault *fault) {
    bool right = false;
    switch (token->key->algorithm) {
    case JWK_HS256:
        right = has_mac(token);
        break;
    case JWK_RS256:
        right = is_signed_or_seen(arena, seen, token, JWT_ALG_RS256);
        break;
    case JWK_ES256:
        right = is_signed_or_seen(arena, seen, token, JWT_ALG_ES256);
        break;
    }
    return right || refuse(fault, "its signature is wrong");
}

bool web_token_check(const struct jwk_set *keys, struct web_token_seen *seen,
                     const struct web_token_rules *rules, struct arena *arena, struct text token,
                     int64_t now_us, struct caller *out, struct fault *fault) {
    struct token parsed = {.whole = token};
    return split(arena, &parsed, fault) && check_header(keys, rules, &parsed, fault) &&
           check_signature(arena, seen, &parsed, fault) &&
           web_token_claims_read(arena, parsed.claims, rules, now_us, out, fault);
}
