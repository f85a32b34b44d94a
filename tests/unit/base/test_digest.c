#include "unit/base/check.h"

#include "base/digest.h"

#include <pthread.h>

static void check_hex(const unsigned char *bytes, size_t length, const char *expected) {
    char hex[2 * DIGEST_BYTES];
    digest_hex(bytes, length, hex);
    struct text actual = {hex, 2 * length};
    check_text(actual, expected);
}

static void check_sha256(struct text input, const char *expected) {
    unsigned char out[DIGEST_BYTES];
    digest_sha256(input, out);
    check_hex(out, sizeof out, expected);
}

static void sha256_gives_the_published_values(void **state) {
    (void)state;
    check_sha256(TEXT(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256(TEXT_NONE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256(TEXT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256(TEXT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    size_t million = 1000000;
    char *bytes = malloc(million);
    memset(bytes, 'a', million);
    check_sha256((struct text){bytes, million},
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(bytes);
}

static void hashing_two_texts_equals_hashing_them_joined(void **state) {
    (void)state;
    struct text whole = TEXT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01");
    unsigned char expected[DIGEST_BYTES], actual[DIGEST_BYTES];
    digest_sha256(whole, expected);
    for (size_t cut = 0; cut <= whole.length; cut++) {
        digest_sha256_two((struct text){whole.bytes, cut},
                          (struct text){whole.bytes + cut, whole.length - cut}, actual);
        assert_memory_equal(actual, expected, sizeof expected);
    }
}

static void *hash_in_thread(void *context) {
    for (int i = 0; i < 1000; i++) {
        digest_sha256(TEXT("abc"), context);
    }
    return NULL;
}

static void threads_hash_side_by_side(void **state) {
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    unsigned char outs[THREADS][DIGEST_BYTES];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, hash_in_thread, outs[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        check_hex(outs[i], DIGEST_BYTES,
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

/* The key or input of RFC 4231 that repeats one byte. */
static struct text repeated(char *bytes, int byte, size_t length) {
    memset(bytes, byte, length);
    return (struct text){bytes, length};
}

static void check_hmac(struct text key, struct text input, const char *expected) {
    unsigned char out[DIGEST_BYTES];
    digest_hmac(key, input, out);
    check_hex(out, strlen(expected) / 2, expected);
}

static void hmac_gives_the_values_of_rfc_4231(void **state) {
    (void)state;
    char key[131], data[50], counting[25];
    for (size_t i = 0; i < sizeof counting; i++) {
        counting[i] = (char)(i + 1);
    }
    check_hmac(repeated(key, 0x0b, 20), TEXT("Hi There"),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac(TEXT("Jefe"), TEXT("what do ya want for nothing?"),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    check_hmac(repeated(key, 0xaa, 20), repeated(data, 0xdd, 50),
               "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    check_hmac((struct text){counting, 25}, repeated(data, 0xcd, 50),
               "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    check_hmac(repeated(key, 0x0c, 20), TEXT("Test With Truncation"),
               "a3b6167473100ee06e0c796c2955552b");
    check_hmac(repeated(key, 0xaa, 131),
               TEXT("Test Using Larger Than Block-Size Key - Hash Key First"),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_hmac(repeated(key, 0xaa, 131),
               TEXT("This is a test using a larger than block-size key and a larger than block-size"
                    " data. The key needs to be hashed before being used by the HMAC algorithm."),
               "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

static void hmac_accepts_empty_key_and_input(void **state) {
    (void)state;
    check_hmac(TEXT_NONE, TEXT_NONE,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hexadecimal_is_read_back(void **state) {
    (void)state;
    unsigned char bytes[4];
    assert_true(digest_of_hex(TEXT("00fFaB7e"), bytes, sizeof bytes));
    check_hex(bytes, sizeof bytes, "00ffab7e");
    assert_true(digest_of_hex(TEXT(""), bytes, 0));
}

static void what_is_not_hexadecimal_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {"",         "00ffab7",  "00ffab7e0",
                                        "00ffab7g", "0x00ffab", " 0ffab7e"};
    unsigned char bytes[4];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(digest_of_hex(text_of(cases[i]), bytes, sizeof bytes));
    }
}

static void equality_looks_at_every_byte_and_the_length(void **state) {
    (void)state;
    assert_true(digest_equal(TEXT("secret"), TEXT("secret")));
    assert_true(digest_equal(TEXT(""), TEXT_NONE));
    assert_false(digest_equal(TEXT("secret"), TEXT("secreT")));
    assert_false(digest_equal(TEXT("secret"), TEXT("Secret")));
    assert_false(digest_equal(TEXT("secret"), TEXT("secret ")));
}

static void random_bytes_differ_each_time(void **state) {
    (void)state;
    static unsigned char first[10000], second[10000];
    digest_random(first, sizeof first);
    digest_random(second, sizeof second);
    assert_memory_not_equal(first, second, 16);
    assert_memory_not_equal(first + 9984, second + 9984, 16);
    digest_random(first, 0);
}

static void base64url_gives_the_values_of_rfc_4648_without_padding(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t length = strlen(cases[i][0]);
        char out[16];
        size_t written = digest_base64url((const unsigned char *)cases[i][0], length, out);
        assert_true(written <= (length * 4 + 2) / 3);
        struct text actual = {out, written};
        check_text(actual, cases[i][1]);
    }
}

static void base64url_is_read_back_whatever_the_length(void **state) {
    (void)state;
    unsigned char bytes[70], back[80];
    char encoded[100];
    digest_random(bytes, sizeof bytes);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        size_t written = digest_base64url(bytes, length, encoded), read;
        assert_true(digest_of_base64url((struct text){encoded, written}, back, &read));
        assert_int_equal(read, length);
        assert_memory_equal(back, bytes, length);
    }
}

static void what_base64url_does_not_write_is_not_read(void **state) {
    (void)state;
    static const char *const wrong[] = {"Zg==",   "Zm8=", "Zg=",   "Zh",    "Zn",
                                        "Zm9",    "Z",    "Zm9vY", "Zm+v",  "Zm/v",
                                        "Zm9v\n", " Zg",  "Z g",   "Zm9v.", "Z\xc3\xa4"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        unsigned char out[16];
        size_t length;
        assert_false(digest_of_base64url(text_of(wrong[i]), out, &length));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(hashing_two_texts_equals_hashing_them_joined),
        cmocka_unit_test(threads_hash_side_by_side),
        cmocka_unit_test(hmac_gives_the_values_of_rfc_4231),
        cmocka_unit_test(hmac_accepts_empty_key_and_input),
        cmocka_unit_test(hexadecimal_is_read_back),
        cmocka_unit_test(what_is_not_hexadecimal_is_refused),
        cmocka_unit_test(equality_looks_at_every_byte_and_the_length),
        cmocka_unit_test(random_bytes_differ_each_time),
        cmocka_unit_test(base64url_gives_the_values_of_rfc_4648_without_padding),
        cmocka_unit_test(base64url_is_read_back_whatever_the_length),
        cmocka_unit_test(what_base64url_does_not_write_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
