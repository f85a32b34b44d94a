/* digest.c: OpenSSL behind four functions.
 * OpenSSL 3 looks an algorithm up by name on every EVP_sha256() use, which costs more than hashing
 * 500 bytes. So the algorithm is fetched once per process and each thread keeps a context; a
 * thread's end frees it. Failures in here mean that libcrypto is broken or memory is gone: no
 * caller could go on, so the process ends. */
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES 64

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key;
static EVP_MD *sha256; /* written once, under fetch_once */
static _Thread_local EVP_MD_CTX *thread_context;

static void require(bool fine, const char *what) {
    if (!fine) {
        fprintf(stderr, "statute: libcrypto failed: %s\n", what);
        abort();
    }
}

static void context_free(void *context) {
    EVP_MD_CTX_free(context);
}

static void fetch(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    require(sha256 != NULL, "there is no SHA-256");
    require(pthread_key_create(&context_key, context_free) == 0, "no thread key");
}

static EVP_MD_CTX *context_of_thread(void) {
    if (thread_context == NULL) {
        pthread_once(&fetch_once, fetch);
        thread_context = EVP_MD_CTX_new();
        require(thread_context != NULL, "no memory for a context");
        pthread_setspecific(context_key, thread_context);
    }
    return thread_context;
}

void digest_sha256_two(struct text first, struct text second, unsigned char out[DIGEST_BYTES]) {
    EVP_MD_CTX *context = context_of_thread();
    require(EVP_DigestInit_ex2(context, sha256, NULL) == 1 &&
                EVP_DigestUpdate(context, first.bytes, first.length) == 1 &&
                EVP_DigestUpdate(context, second.bytes, second.length) == 1 &&
                EVP_DigestFinal_ex(context, out, NULL) == 1,
            "SHA-256");
}

void digest_sha256(struct text input, unsigned char out[DIGEST_BYTES]) {
    digest_sha256_two(input, TEXT_NONE, out);
}

static struct text block_of(const unsigned char *bytes, size_t length) {
    return (struct text){(const char *)bytes, length};
}

/* RFC 2104: H(key ^ opad, H(key ^ ipad, input)). Over the context above this takes less than half
 * the time of libcrypto's HMAC(), which fetches its algorithms again on each call. */
void digest_hmac(struct text key, struct text input, unsigned char out[DIGEST_BYTES]) {
    unsigned char block[BLOCK_BYTES] = {0};
    unsigned char inner[DIGEST_BYTES];
    if (key.length > BLOCK_BYTES) {
        digest_sha256(key, block);
    } else if (key.length > 0) {
        memcpy(block, key.bytes, key.length);
    }
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36;
    }
    digest_sha256_two(block_of(block, BLOCK_BYTES), input, inner);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        block[i] ^= 0x36 ^ 0x5C;
    }
    digest_sha256_two(block_of(block, BLOCK_BYTES), block_of(inner, DIGEST_BYTES), out);
    OPENSSL_cleanse(block, sizeof block);
}

void digest_hex(const unsigned char *bytes, size_t length, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
}

static int hex_value(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

bool digest_of_hex(struct text hex, unsigned char *out, size_t length) {
    if (hex.length != 2 * length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        int high = hex_value(hex.bytes[2 * i]), low = hex_value(hex.bytes[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool digest_equal(struct text a, struct text b) {
    return a.length == b.length &&
           (a.length == 0 || CRYPTO_memcmp(a.bytes, b.bytes, a.length) == 0);
}

void digest_random(unsigned char *out, size_t length) {
    while (length > 0) {
        int step = length < 4096 ? (int)length : 4096;
        require(RAND_bytes(out, step) == 1, "no randomness");
        out += step;
        length -= (size_t)step;
    }
}

size_t digest_base64url(const unsigned char *bytes, size_t length, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t written = 0;
    uint32_t bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            out[written++] = digits[bits >> bit_count & 63];
        }
    }
    if (bit_count > 0) {
        out[written++] = digits[bits << (6 - bit_count) & 63];
    }
    return written;
}

static int base64url_value(char character) {
    if (character >= 'A' && character <= 'Z') {
        return character - 'A';
    }
    if (character >= 'a' && character <= 'z') {
        return character - 'a' + 26;
    }
    if (character >= '0' && character <= '9') {
        return character - '0' + 52;
    }
    return character == '-' ? 62 : character == '_' ? 63 : -1;
}

bool digest_of_base64url(struct text encoded, unsigned char *out, size_t *length) {
    uint32_t bits = 0;
    int bit_count = 0;
    *length = 0;
    for (size_t i = 0; i < encoded.length; i++) {
        int value = base64url_value(encoded.bytes[i]);
        if (value < 0) {
            return false;
        }
        bits = (bits << 6 | (uint32_t)value) & 0xFFFF;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[(*length)++] = (unsigned char)(bits >> bit_count);
        }
    }
    return encoded.length % 4 != 1 && (bits & ((1U << bit_count) - 1)) == 0;
}
