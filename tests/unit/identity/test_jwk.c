/* JWK Sets: which keys are taken, which are ignored, and what is said of those that are refused. */
#include "unit/identity/token_maker.h"

struct fixture {
    struct arena arena;
    struct jwk_set set;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    arena_init(&fixture->arena, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

/* A set with a good key before the one in question, which is "key 2" then. */
static bool parse(struct fixture *fixture, struct text key) {
    struct text first = maker_secret_jwk(&fixture->arena, TEXT(MAKER_SECRET), ",\"kid\":\"first\"");
    return jwk_set_parse(
        &fixture->arena,
        text_print(&fixture->arena, "{\"keys\":[%.*s,%.*s]}", TEXT_ARGS(first), TEXT_ARGS(key)),
        &fixture->set);
}

static const char *problems(struct fixture *fixture) {
    return text_cstring(&fixture->arena, buffer_view(&fixture->set.problems));
}

static void check_problem(struct fixture *fixture, struct text key, const char *expected) {
    assert_false(parse(fixture, key));
    assert_int_equal(fixture->set.problem_count, 1);
    assert_string_equal(problems(fixture), expected);
}

static void keys_of_the_three_algorithms_are_taken(void **state) {
    struct fixture *fixture = *state;
    struct maker maker;
    maker_init(&maker);
    assert_true(jwk_set_parse(&fixture->arena, maker_set(&fixture->arena, &maker), &fixture->set));
    assert_int_equal(fixture->set.count, 3);
    for (enum jwk_algorithm algorithm = 0; algorithm < 3; algorithm++) {
        const struct jwk *key = jwk_set_find(&fixture->set, TEXT_NONE, algorithm);
        assert_non_null(key);
        assert_int_equal(key->algorithm, algorithm);
        assert_ptr_equal(jwk_set_find(&fixture->set, key->id, algorithm), key);
        assert_null(jwk_set_find(&fixture->set, TEXT("x"), algorithm));
    }
    maker_deinit(&maker);
}

static void weak_secrets_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct text secret = {MAKER_SECRET, 31};
    check_problem(fixture, maker_secret_jwk(&fixture->arena, secret, ",\"kid\":\"weak\""),
                  "key 2 ('weak'): k: expected a secret of at least 32 bytes, not of 31");
    secret.length = 32;
    assert_true(parse(fixture, maker_secret_jwk(&fixture->arena, secret, "")));
    assert_int_equal(fixture->set.count, 2);
}

static void rsa_keys_are_of_2048_bits_at_least(void **state) {
    struct fixture *fixture = *state;
    static const unsigned sizes[] = {1024, 2040};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        EVP_PKEY *key = EVP_RSA_gen(sizes[i]);
        assert_false(parse(fixture, maker_rsa_jwk(&fixture->arena, key, ",\"kid\":\"small\"")));
        check_contains(problems(fixture),
                       "key 2 ('small'): expected an RSA key of 2048 to 8192 bits, not of ");
        EVP_PKEY_free(key);
    }
}

static void numbers_that_are_no_rsa_key_are_refused(void **state) {
    struct fixture *fixture = *state;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct text n = maker_number(&fixture->arena, key, OSSL_PKEY_PARAM_RSA_N, 0);
    char *even = arena_alloc(&fixture->arena, n.length);
    static const char *const exponents[] = {"AQ", "AA", "Ag", "AQAA", "AQABAQABAQABAQAB"};
    for (size_t i = 0; i < COUNT_OF(exponents); i++) {
        assert_false(parse(fixture, text_print(&fixture->arena,
                                               "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%s\"}",
                                               TEXT_ARGS(n), exponents[i])));
        check_contains(problems(fixture), "key 2: expected an odd RSA exponent from 3 to 64 bits");
    }
    memcpy(even, n.bytes, n.length);
    even[n.length - 1] = 'A';
    check_problem(fixture,
                  text_print(&fixture->arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"AQAB\"}",
                             (int)n.length, even),
                  "key 2: its numbers are not those of an RSA public key");
    EVP_PKEY_free(key);
}

static void ec_keys_are_points_on_p_256(void **state) {
    struct fixture *fixture = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    struct text x = maker_number(&fixture->arena, key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    struct text y = maker_number(&fixture->arena, other, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    check_problem(fixture,
                  text_print(&fixture->arena,
                             "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
                             TEXT_ARGS(x), TEXT_ARGS(y)),
                  "key 2: x and y are no point on the curve P-256");
    check_problem(fixture,
                  text_print(&fixture->arena,
                             "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%.*s\",\"y\":\"AQAB\"}",
                             TEXT_ARGS(x)),
                  "key 2: expected x and y of 32 bytes each, not of 32 and 3");
    check_problem(fixture, TEXT("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}"),
                  "key 2: crv: expected P-256, the curve of ES256");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void private_parts_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct maker maker;
    maker_init(&maker);
    assert_true(parse(fixture, maker_rsa_jwk(&fixture->arena, maker.own[1], "")));
    static const char *const parts[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    for (size_t i = 0; i < 2 * COUNT_OF(parts); i++) {
        const char *more = text_print(&fixture->arena, ",\"%s\":\"AQAB\"", parts[i / 2]).bytes;
        struct text key = i % 2 == 0 ? maker_rsa_jwk(&fixture->arena, maker.own[1], more)
                                     : maker_ec_jwk(&fixture->arena, maker.own[2], more);
        assert_false(parse(fixture, key));
        check_contains(problems(fixture), "the private part of a key");
    }
    maker_deinit(&maker);
}

static void keys_for_other_uses_are_ignored_and_named(void **state) {
    struct fixture *fixture = *state;
    static const char *const keys[][2] = {
        {"{\"kty\":\"oct\",\"k\":\"AA\",\"use\":\"enc\",\"kid\":\"x\"}",
         "key 2 ('x'): its use is not sig"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
         "key 2: its kty is none of oct, RSA and EC"},
        {"{\"kty\":\"RSA\",\"alg\":\"RS512\",\"n\":\"AA\",\"e\":\"AQAB\"}",
         "key 2: its alg is none of HS256, RS256 and ES256"},
        {"{\"kty\":\"EC\",\"alg\":\"ES384\",\"crv\":\"P-384\"}",
         "key 2: its alg is none of HS256, RS256 and ES256"},
        {"{\"kty\":\"oct\",\"k\":\"AA\",\"key_ops\":[\"sign\"]}", "key 2: its key_ops lack verify"},
        {"{\"kty\":\"oct\",\"k\":\"AA\",\"key_ops\":\"verify\"}", "key 2: its key_ops lack verify"},
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_true(parse(fixture, text_of(keys[i][0])));
        assert_int_equal(fixture->set.count, 1);
        assert_int_equal(fixture->set.ignored_count, 1);
        check_text(buffer_view(&fixture->set.ignored), keys[i][1]);
    }
    assert_true(parse(fixture, maker_secret_jwk(&fixture->arena, TEXT(MAKER_SECRET "."),
                                                ",\"key_ops\":[\"sign\",\"verify\"]")));
    assert_int_equal(fixture->set.count, 2);
}

static void malformed_keys_are_refused_by_name(void **state) {
    struct fixture *fixture = *state;
    static const char *const keys[][2] = {
        {"1", "key 2: expected an object, not an integer"},
        {"{}", "key 2: kty: expected oct, RSA or EC, not nothing"},
        {"{\"kty\":1}", "key 2: kty: expected a string, not an integer"},
        {"{\"kty\":\"oct\"}", "key 2: k: expected bytes in base64url, not nothing"},
        {"{\"kty\":\"oct\",\"kid\":null}", "key 2: kid: expected a string, not null"},
        {"{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AA==\"}",
         "key 2 ('a'): k: expected base64url without padding (RFC 7515 section 2)"},
        {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "key 2: n: expected bytes in base64url, not nothing"},
        {"{\"kty\":\"RSA\",\"alg\":\"HS256\",\"n\":\"AA\",\"e\":\"AQAB\"}",
         "key 2: alg: expected RS256, which is what a key of kty RSA is for, not HS256"},
        {"{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"AA\"}",
         "key 2: alg: expected HS256, which is what a key of kty oct is for, not RS256"},
        {"{\"kty\":\"oct\",\"kid\":\"first\",\"k\":"
         "\"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgbm8gbGVzcw\"}",
         "key 2 ('first'): kid: expected one that no other key of its alg has"},
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        check_problem(fixture, text_of(keys[i][0]), keys[i][1]);
    }
}

static void every_problem_is_told(void **state) {
    struct fixture *fixture = *state;
    assert_false(parse(fixture, TEXT("{\"kty\":\"oct\",\"k\":\"AA\"},{},3")));
    assert_int_equal(fixture->set.problem_count, 3);
    check_contains(problems(fixture), "key 2: k:");
    check_contains(problems(fixture), "; key 3: kty:");
    check_contains(problems(fixture), "; key 4: expected an object");
}

static void what_is_no_set_is_refused(void **state) {
    struct fixture *fixture = *state;
    static const char *const wrong[] = {"",
                                        "x",
                                        "[]",
                                        "{}",
                                        "{\"keys\":{}}",
                                        "{\"keys\":null}",
                                        "{\"keys\":[],\"keys\":[]}",
                                        "{\"kty\":\"oct\"}",
                                        "-----BEGIN PUBLIC KEY-----"};
    assert_true(jwk_set_parse(&fixture->arena, TEXT("{\"keys\":[],\"x\":1}"), &fixture->set));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(jwk_set_parse(&fixture->arena, text_of(wrong[i]), &fixture->set));
        assert_true(fixture->set.problem_count == 1 && strlen(problems(fixture)) > 0);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(keys_of_the_three_algorithms_are_taken),
        CASE(weak_secrets_are_refused),
        CASE(rsa_keys_are_of_2048_bits_at_least),
        CASE(numbers_that_are_no_rsa_key_are_refused),
        CASE(ec_keys_are_points_on_p_256),
        CASE(private_parts_are_refused),
        CASE(keys_for_other_uses_are_ignored_and_named),
        CASE(malformed_keys_are_refused_by_name),
        CASE(every_problem_is_told),
        CASE(what_is_no_set_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
