/* token_maker.h: keys made on the spot, their JWK Set, and tokens signed with them. */
#ifndef STATUTE_TOKEN_MAKER_H
#define STATUTE_TOKEN_MAKER_H

#include "unit/base/check.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/arena.h"
#include "base/digest.h"
#include "identity/jwt.h"

#define MAKER_SECRET "a secret of thirty-two bytes, no less"

/* Indexed by enum jwk_algorithm; the secret of HS256 is a text. */
struct maker {
    EVP_PKEY *own[3];
    EVP_PKEY *foreign[3]; /* of nobody that the server knows */
};

static inline struct text maker_base64(struct arena *arena, struct text bytes) {
    char *out = arena_alloc(arena, bytes.length * 4 / 3 + 4);
    return (struct text){out,
                         digest_base64url((const unsigned char *)bytes.bytes, bytes.length, out)};
}

static inline void maker_init(struct maker *maker) {
    *maker = (struct maker){
        .own = {NULL, EVP_RSA_gen(2048), EVP_EC_gen("P-256")},
        .foreign = {NULL, EVP_RSA_gen(2048), EVP_EC_gen("P-256")},
    };
}

static inline void maker_deinit(struct maker *maker) {
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_free(maker->own[i]);
        EVP_PKEY_free(maker->foreign[i]);
    }
}

/* A number of the key, big-endian, in base64url; `width` 0: as long as it is. */
static inline struct text maker_number(struct arena *arena, EVP_PKEY *key, const char *name,
                                       size_t width) {
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    size_t length = width > 0 ? width : (size_t)BN_num_bytes(number);
    char *bytes = arena_alloc(arena, length);
    assert_int_equal(BN_bn2binpad(number, (unsigned char *)bytes, (int)length), (int)length);
    BN_free(number);
    return maker_base64(arena, (struct text){bytes, length});
}

static inline struct text maker_rsa_jwk(struct arena *arena, EVP_PKEY *key, const char *more) {
    struct text n = maker_number(arena, key, OSSL_PKEY_PARAM_RSA_N, 0);
    struct text e = maker_number(arena, key, OSSL_PKEY_PARAM_RSA_E, 0);
    return text_print(arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s}", TEXT_ARGS(n),
                      TEXT_ARGS(e), more);
}

static inline struct text maker_ec_jwk(struct arena *arena, EVP_PKEY *key, const char *more) {
    struct text x = maker_number(arena, key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    struct text y = maker_number(arena, key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    return text_print(arena, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}",
                      TEXT_ARGS(x), TEXT_ARGS(y), more);
}

static inline struct text maker_secret_jwk(struct arena *arena, struct text secret,
                                           const char *more) {
    return text_print(arena, "{\"kty\":\"oct\",\"k\":\"%.*s\"%s}",
                      TEXT_ARGS(maker_base64(arena, secret)), more);
}

/* The three own keys, with the ids "h", "r" and "e". */
static inline struct text maker_set(struct arena *arena, const struct maker *maker) {
    struct text secret = maker_secret_jwk(arena, TEXT(MAKER_SECRET), ",\"kid\":\"h\"");
    struct text rsa = maker_rsa_jwk(arena, maker->own[1], ",\"kid\":\"r\",\"use\":\"sig\"");
    struct text ec = maker_ec_jwk(arena, maker->own[2], ",\"kid\":\"e\",\"alg\":\"ES256\"");
    return text_print(arena, "{\"keys\":[%.*s,%.*s,%.*s]}", TEXT_ARGS(secret), TEXT_ARGS(rsa),
                      TEXT_ARGS(ec));
}

/* From DER to r and s of 32 bytes each (RFC 7518 section 3.4). */
static inline struct text maker_raw(struct arena *arena, struct text der) {
    const unsigned char *at = (const unsigned char *)der.bytes;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der.length);
    unsigned char *raw = arena_alloc(arena, 64);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32), 32);
    ECDSA_SIG_free(pair);
    return (struct text){(const char *)raw, 64};
}

/* As libcrypto has it: of EC, DER. */
static inline struct text maker_sign_plain(struct arena *arena, EVP_PKEY *key, struct text input) {
    unsigned char *bytes = arena_alloc(arena, 1024);
    size_t length = 1024;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, bytes, &length, (const unsigned char *)input.bytes, input.length),
        1);
    EVP_MD_CTX_free(context);
    return (struct text){(const char *)bytes, length};
}

static inline struct text maker_mac(struct arena *arena, struct text secret, struct text input) {
    unsigned char *mac = arena_alloc(arena, DIGEST_BYTES);
    digest_hmac(secret, input, mac);
    return (struct text){(const char *)mac, DIGEST_BYTES};
}

/* With the own key of that algorithm. */
static inline struct text maker_sign(struct arena *arena, EVP_PKEY *const *keys,
                                     enum jwk_algorithm algorithm, struct text input) {
    switch (algorithm) {
    case JWK_HS256:
        return maker_mac(arena, TEXT(MAKER_SECRET), input);
    case JWK_RS256:
        return maker_sign_plain(arena, keys[algorithm], input);
    case JWK_ES256:
        return maker_raw(arena, maker_sign_plain(arena, keys[algorithm], input));
    }
    return TEXT_NONE;
}

static inline struct text maker_join(struct arena *arena, struct text input,
                                     struct text signature) {
    return text_print(arena, "%.*s.%.*s", TEXT_ARGS(input),
                      TEXT_ARGS(maker_base64(arena, signature)));
}

static inline struct text maker_input(struct arena *arena, struct text header, struct text claims) {
    return text_print(arena, "%.*s.%.*s", TEXT_ARGS(maker_base64(arena, header)),
                      TEXT_ARGS(maker_base64(arena, claims)));
}

#endif
