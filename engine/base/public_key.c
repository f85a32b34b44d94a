/* public_key.c: libcrypto is given the numbers, checks them, and writes the key as PEM. */
#include "base/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/arena.h"

#define EXPONENT_MOST 8 /* bytes; OpenSSL takes no larger one for large moduli */

void public_key_forget_errors(void) {
    ERR_clear_error();
}

static bool write_pem(struct arena *arena, EVP_PKEY *key, struct text *pem) {
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes;
    long length = 0;
    if (memory != NULL && PEM_write_bio_PUBKEY(memory, key) == 1) {
        length = BIO_get_mem_data(memory, &bytes);
    }
    if (length > 0) {
        *pem = text_copy(arena, (struct text){bytes, (size_t)length});
    }
    BIO_free(memory);
    return length > 0;
}

static bool is_sound(EVP_PKEY *key) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool sound = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return sound;
}

/* False when libcrypto makes no key of the parameters, or none that is sound. */
static bool pem_of(struct arena *arena, const char *type, OSSL_PARAM *parameters,
                   struct text *pem) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    bool made = context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
                EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1 &&
                is_sound(key) && write_pem(arena, key, pem);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(context);
    public_key_forget_errors();
    return made;
}

static bool pem_of_numbers(struct arena *arena, const BIGNUM *n, const BIGNUM *e,
                           struct text *pem) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    if (builder != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        parameters = OSSL_PARAM_BLD_to_param(builder);
    }
    bool made = parameters != NULL && pem_of(arena, "RSA", parameters, pem);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    return made;
}

static BIGNUM *number_of(struct text bytes) {
    return BN_bin2bn((const unsigned char *)bytes.bytes, (int)bytes.length, NULL);
}

static bool check_size(const BIGNUM *n, struct fault *fault) {
    int bits = BN_num_bits(n);
    return (bits >= PUBLIC_KEY_RSA_LEAST && bits <= PUBLIC_KEY_RSA_MOST) ||
           fault_set(fault, FAULT_USAGE, "expected an RSA key of %d to %d bits, not of %d",
                     PUBLIC_KEY_RSA_LEAST, PUBLIC_KEY_RSA_MOST, bits);
}

static bool check_exponent(const BIGNUM *e, struct fault *fault) {
    return (BN_is_odd(e) && BN_num_bits(e) > 1 && BN_num_bytes(e) <= EXPONENT_MOST) ||
           fault_set(fault, FAULT_USAGE, "expected an odd RSA exponent from 3 to 64 bits");
}

static bool rsa_of_numbers(struct arena *arena, const BIGNUM *n, const BIGNUM *e, struct text *pem,
                           struct fault *fault) {
    return check_size(n, fault) && check_exponent(e, fault) &&
           (pem_of_numbers(arena, n, e, pem) ||
            fault_set(fault, FAULT_USAGE, "its numbers are not those of an RSA public key"));
}

bool public_key_rsa(struct arena *arena, struct text modulus, struct text exponent,
                    struct text *pem, struct fault *fault) {
    if (modulus.length > 2 * PUBLIC_KEY_RSA_MOST / 8 || exponent.length > 2 * EXPONENT_MOST) {
        return fault_set(fault, FAULT_USAGE,
                         "expected an RSA key of at most %d bits, with an exponent of at most 64",
                         PUBLIC_KEY_RSA_MOST);
    }
    BIGNUM *n = number_of(modulus), *e = number_of(exponent);
    bool made = n != NULL && e != NULL ? rsa_of_numbers(arena, n, e, pem, fault)
                                       : fault_set(fault, FAULT_ENVIRONMENT, "no memory for a key");
    BN_free(n);
    BN_free(e);
    return made;
}

bool public_key_p256(struct arena *arena, struct text x, struct text y, struct text *pem,
                     struct fault *fault) {
    unsigned char point[1 + 2 * PUBLIC_KEY_P256] = {4}; /* uncompressed: SEC 1 section 2.3.3 */
    char group[] = "prime256v1";
    if (x.length != PUBLIC_KEY_P256 || y.length != PUBLIC_KEY_P256) {
        return fault_set(fault, FAULT_USAGE,
                         "expected x and y of %d bytes each, not of %zu and %zu", PUBLIC_KEY_P256,
                         x.length, y.length);
    }
    memcpy(point + 1, x.bytes, PUBLIC_KEY_P256);
    memcpy(point + 1 + PUBLIC_KEY_P256, y.bytes, PUBLIC_KEY_P256);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    return pem_of(arena, "EC", parameters, pem) ||
           fault_set(fault, FAULT_USAGE, "x and y are no point on the curve P-256");
}

/* --- signatures --- */

static EVP_PKEY *read_pem(struct text pem) {
    BIO *memory = BIO_new_mem_buf(pem.bytes, (int)pem.length);
    EVP_PKEY *key = memory != NULL ? PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL) : NULL;
    BIO_free(memory);
    return key;
}

/* The two numbers as libcrypto wants them, in DER; NULL when there are not two. OPENSSL_free. */
static unsigned char *der_of(struct text signature, size_t *length) {
    const unsigned char *bytes = (const unsigned char *)signature.bytes;
    unsigned char *der = NULL;
    int written = -1;
    ECDSA_SIG *pair = signature.length == 2 * PUBLIC_KEY_P256 ? ECDSA_SIG_new() : NULL;
    BIGNUM *r = pair != NULL ? BN_bin2bn(bytes, PUBLIC_KEY_P256, NULL) : NULL;
    BIGNUM *s = pair != NULL ? BN_bin2bn(bytes + PUBLIC_KEY_P256, PUBLIC_KEY_P256, NULL) : NULL;
    if (r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        written = i2d_ECDSA_SIG(pair, &der);
        r = s = NULL;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    *length = written > 0 ? (size_t)written : 0;
    return der;
}

static bool is_right(EVP_PKEY *key, struct text bytes, const unsigned char *signature,
                     size_t length) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool right = context != NULL &&
                 EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                 EVP_DigestVerify(context, signature, length, (const unsigned char *)bytes.bytes,
                                  bytes.length) == 1;
    EVP_MD_CTX_free(context);
    return right;
}

bool public_key_signed(struct text pem, struct text bytes, struct text signature, bool is_ecdsa) {
    EVP_PKEY *key = read_pem(pem);
    size_t length = signature.length;
    unsigned char *der = is_ecdsa ? der_of(signature, &length) : NULL;
    const unsigned char *given = is_ecdsa ? der : (const unsigned char *)signature.bytes;
    bool is_kind = key != NULL && EVP_PKEY_is_a(key, is_ecdsa ? "EC" : "RSA") == 1;
    bool right = is_kind && given != NULL && is_right(key, bytes, given, length);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    public_key_forget_errors();
    return right;
}
