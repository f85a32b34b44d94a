/* JWTs: what a good token gives, and that no forged one is good for anything. Every forgery is made
 * from a token that is accepted in the same test. */
#include "unit/identity/token_maker.h"

#include <jwt.h>
#include <time.h>

#include "base/now.h"
#include "identity/jwt_seen.h"

#define NOW_S  INT64_C(1764000000)
#define CLAIMS "{\"sub\":\"ann\",\"exp\":1764000600"

struct fixture {
    struct arena arena;
    struct maker maker;
    struct jwk_set set;
    struct web_token_rules rules;
    int64_t now_us;
    struct caller caller;
    struct fault fault;
    unsigned refused;
};

static const char *const names[] = {"HS256", "RS256", "ES256"};
static const char *const ids[] = {"h", "r", "e"};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    arena_init(&fixture->arena, 0);
    maker_init(&fixture->maker);
    fixture->rules.leeway_us = 60 * NOW_SECOND;
    fixture->now_us = NOW_S * NOW_SECOND;
    if (!jwk_set_parse(&fixture->arena, maker_set(&fixture->arena, &fixture->maker),
                       &fixture->set)) {
        fail_msg("%.*s", TEXT_ARGS(buffer_view(&fixture->set.problems)));
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    maker_deinit(&fixture->maker);
    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

/* --- making and checking --- */

static bool check(struct fixture *fixture, struct text token) {
    fixture->fault = FAULT_INIT;
    return web_token_check(&fixture->set, NULL, &fixture->rules, &fixture->arena, token,
                           fixture->now_us, &fixture->caller, &fixture->fault);
}

static void accept(struct fixture *fixture, struct text token) {
    if (!check(fixture, token)) {
        fail_msg("%s: %.*s", fixture->fault.message, TEXT_ARGS(token));
    }
}

static void refuse(struct fixture *fixture, struct text token) {
    if (check(fixture, token)) {
        fail_msg("accepted: %.*s", TEXT_ARGS(token));
    }
    assert_int_equal(fixture->fault.code, FAULT_INVALID_TOKEN);
    assert_true(strlen(fixture->fault.message) > 0);
    fixture->refused++;
}

static struct text header_of(struct fixture *fixture, enum jwk_algorithm algorithm) {
    return text_print(&fixture->arena, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
                      names[algorithm], ids[algorithm]);
}

static struct text make(struct fixture *fixture, enum jwk_algorithm algorithm, struct text header,
                        struct text claims) {
    struct arena *arena = &fixture->arena;
    struct text input = maker_input(arena, header, claims);
    return maker_join(arena, input, maker_sign(arena, fixture->maker.own, algorithm, input));
}

/* CLAIMS and `more`, signed with HS256. */
static struct text with(struct fixture *fixture, const char *more) {
    struct text claims = text_print(&fixture->arena, CLAIMS "%s}", more);
    return make(fixture, JWK_HS256, header_of(fixture, JWK_HS256), claims);
}

/* These claims and no others. */
static struct text of(struct fixture *fixture, const char *claims) {
    return make(fixture, JWK_HS256, header_of(fixture, JWK_HS256), text_of(claims));
}

/* HS256 with this header. */
static struct text under(struct fixture *fixture, const char *header) {
    return make(fixture, JWK_HS256, text_of(header), TEXT(CLAIMS "}"));
}

static struct text good(struct fixture *fixture, enum jwk_algorithm algorithm) {
    return make(fixture, algorithm, header_of(fixture, algorithm), TEXT(CLAIMS "}"));
}

struct parts {
    struct text header, claims, signature;
};

static struct parts parts_of(struct text token) {
    const char *first = memchr(token.bytes, '.', token.length);
    const char *second = memchr(first + 1, '.', (size_t)(token.bytes + token.length - first - 1));
    const char *end = token.bytes + token.length;
    return (struct parts){{token.bytes, (size_t)(first - token.bytes)},
                          {first + 1, (size_t)(second - first - 1)},
                          {second + 1, (size_t)(end - second - 1)}};
}

static struct text join(struct fixture *fixture, struct text a, struct text b, struct text c) {
    return text_print(&fixture->arena, "%.*s.%.*s.%.*s", TEXT_ARGS(a), TEXT_ARGS(b), TEXT_ARGS(c));
}

/* --- what a good token gives --- */

static void each_algorithm_is_accepted_with_and_without_an_id(void **state) {
    struct fixture *fixture = *state;
    for (enum jwk_algorithm algorithm = 0; algorithm < 3; algorithm++) {
        struct text bare = text_print(&fixture->arena, "{\"alg\":\"%s\"}", names[algorithm]);
        accept(fixture, good(fixture, algorithm));
        accept(fixture, make(fixture, algorithm, bare, TEXT(CLAIMS "}")));
        assert_int_equal(fixture->caller.kind, CALLER_TOKEN);
        check_text(fixture->caller.name, "ann");
        check_text(fixture->caller.self->id, "ann");
    }
}

static void its_claims_make_the_actor(void **state) {
    struct fixture *fixture = *state;
    accept(fixture, with(fixture, ",\"iss\":\"https://id.example\",\"roles\":[\"porter\"],"
                                  "\"permissions\":[\"door.open\"],\"attributes\":{\"site\":7}"));
    const struct actor *self = fixture->caller.self;
    check_text(fixture->caller.issuer, "https://id.example");
    check_text(js_print(&fixture->arena, self->roles), "[\"porter\"]");
    check_text(js_print(&fixture->arena, self->permissions), "[\"door.open\"]");
    check_text(js_print(&fixture->arena, self->attributes), "{\"site\":7}");
    accept(fixture, with(fixture, ""));
    self = fixture->caller.self;
    check_text(js_print(&fixture->arena, self->roles), "[]");
    check_text(js_print(&fixture->arena, self->permissions), "[]");
    assert_null(self->attributes);
    assert_false(text_given(fixture->caller.issuer));
}

static void scopes_are_those_that_are_named(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *claims;
        unsigned scopes;
    } cases[] = {
        {"", SCOPE_READ | SCOPE_TRANSITION},
        {",\"scope\":\"read\"", SCOPE_READ},
        {",\"scope\":\"read  act_as \"", SCOPE_READ | SCOPE_ACT_AS},
        {",\"scope\":\"openid profile\"", 0},
        {",\"scope\":\"openid audit\"", SCOPE_AUDIT},
        {",\"scope\":\"\"", 0},
        {",\"scope\":\"read,transition\"", 0},
        {",\"scope\":\"READ Admin\"", 0},
        {",\"scope\":[\"read\",\"admin\"]", SCOPE_READ | SCOPE_ADMIN},
        {",\"scope\":[\"read admin\"]", 0},
        {",\"scope\":[]", 0},
        {",\"scopes\":[\"system\",\"other\"]", SCOPE_SYSTEM},
        {",\"scopes\":[]", 0},
        {",\"scope\":\"read\",\"scopes\":[\"audit\"]", SCOPE_READ | SCOPE_AUDIT},
        {",\"scp\":\"admin\"", SCOPE_READ | SCOPE_TRANSITION},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        accept(fixture, with(fixture, cases[i].claims));
        assert_int_equal(fixture->caller.scopes, cases[i].scopes);
    }
}

static void clocks_may_differ_by_the_leeway_and_no_more(void **state) {
    struct fixture *fixture = *state;
    struct text token = with(fixture, ",\"nbf\":1764000000,\"iat\":1764000000.5");
    int64_t begins_us = NOW_S * NOW_SECOND, expires_us = begins_us + 600 * NOW_SECOND;
    int64_t leeway_us = fixture->rules.leeway_us;
    fixture->now_us = expires_us + leeway_us - 1;
    accept(fixture, token);
    fixture->now_us = expires_us + leeway_us;
    refuse(fixture, token);
    check_contains(fixture->fault.message, "expired");
    fixture->now_us = begins_us + NOW_SECOND / 2 - leeway_us;
    accept(fixture, token);
    fixture->now_us--;
    refuse(fixture, token);
    check_contains(fixture->fault.message, "iat");
    fixture->now_us = begins_us - leeway_us - 1;
    refuse(fixture, token);
    check_contains(fixture->fault.message, "nbf");
}

static void issuer_and_audience_are_held_against_the_rules(void **state) {
    struct fixture *fixture = *state;
    fixture->rules.issuer = TEXT("https://id.example");
    fixture->rules.audience = TEXT("statute");
    accept(fixture, with(fixture, ",\"iss\":\"https://id.example\",\"aud\":\"statute\""));
    accept(fixture, with(fixture, ",\"iss\":\"https://id.example\",\"aud\":[\"x\",\"statute\"]"));
    static const char *const wrong[] = {
        "",
        ",\"aud\":\"statute\"",
        ",\"iss\":\"https://id.example\"",
        ",\"iss\":\"https://id.example/\",\"aud\":\"statute\"",
        ",\"iss\":\"https://ID.example\",\"aud\":\"statute\"",
        ",\"iss\":\"https://id.example\",\"aud\":\"statut\"",
        ",\"iss\":\"https://id.example\",\"aud\":\"statute \"",
        ",\"iss\":\"https://id.example\",\"aud\":[]",
        ",\"iss\":\"https://id.example\",\"aud\":[\"Statute\",\"x\"]",
        ",\"iss\":\"https://id.example\",\"aud\":[\"statute\",1]",
        ",\"iss\":\"https://id.example\",\"aud\":{\"statute\":\"statute\"}",
        ",\"iss\":[\"https://id.example\"],\"aud\":\"statute\"",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        refuse(fixture, with(fixture, wrong[i]));
    }
}

static void libjwt_signs_what_is_accepted(void **state) {
    struct fixture *fixture = *state;
    jwt_t *made = NULL;
    assert_int_equal(jwt_new(&made), 0);
    assert_int_equal(jwt_add_grant(made, "sub", "ann"), 0);
    assert_int_equal(jwt_add_grant_int(made, "exp", NOW_S + 60), 0);
    assert_int_equal(jwt_set_alg(made, JWT_ALG_HS256, (const unsigned char *)MAKER_SECRET,
                                 (int)strlen(MAKER_SECRET)),
                     0);
    char *token = jwt_encode_str(made);
    accept(fixture, text_of(token));
    free(token);
    jwt_free(made);
}

static void no_two_callers_share_an_identity(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->arena;
    struct caller callers[] = {
        {.kind = CALLER_KEY, .name = TEXT("ann")},
        {.kind = CALLER_KEY, .name = TEXT("token ann")},
        {.kind = CALLER_TOKEN, .name = TEXT("ann")},
        {.kind = CALLER_TOKEN, .name = TEXT("ann"), .issuer = TEXT("a")},
        {.kind = CALLER_TOKEN, .name = TEXT("ann"), .issuer = TEXT("b")},
        {.kind = CALLER_TOKEN, .name = TEXT("b ann"), .issuer = TEXT("a")},
    };
    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_false(text_equal(caller_identity(arena, &callers[i]),
                                    caller_identity(arena, &callers[k])));
        }
    }
    check_text(caller_identity(arena, &callers[0]), "ann");
}

/* --- forgeries --- */

static void forge_bytes(struct fixture *fixture, struct text token) {
    for (size_t i = 0; i < token.length; i += 3) {
        char *changed = arena_alloc(&fixture->arena, token.length);
        memcpy(changed, token.bytes, token.length);
        changed[i] = token.bytes[i] == 'A' ? 'B' : 'A';
        refuse(fixture, (struct text){changed, token.length});
    }
    for (size_t length = 0; length < token.length; length += 5) {
        refuse(fixture, (struct text){token.bytes, length});
    }
    refuse(fixture, (struct text){token.bytes, token.length - 1});
    refuse(fixture, (struct text){token.bytes + 1, token.length - 1});
}

static void forge_shape(struct fixture *fixture, struct text token) {
    static const char *const frames[][2] = {
        {"", "A"}, {"", "AA"}, {"", "="},  {"", "=="}, {"", "."}, {"", ".A"},  {".", ""},
        {" ", ""}, {"", " "},  {"", "\n"}, {"\t", ""}, {"A", ""}, {"st_", ""}, {"", "+"},
    };
    struct parts parts = parts_of(token);
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        refuse(fixture, text_print(&fixture->arena, "%s%.*s%s", frames[i][0], TEXT_ARGS(token),
                                   frames[i][1]));
    }
    refuse(fixture, join(fixture, parts.claims, parts.header, parts.signature));
    refuse(fixture, join(fixture, parts.header, parts.signature, parts.claims));
    refuse(fixture, join(fixture, parts.signature, parts.claims, parts.header));
    refuse(fixture, join(fixture, parts.header, parts.claims, TEXT("")));
    refuse(fixture, join(fixture, parts.header, TEXT(""), parts.signature));
    refuse(fixture, join(fixture, TEXT(""), parts.claims, parts.signature));
    refuse(fixture, text_print(&fixture->arena, "%.*s.%.*s", TEXT_ARGS(parts.header),
                               TEXT_ARGS(parts.claims)));
}

/* The last character of each part carries bits that mean nothing: they have to be zero. */
static void forge_trailing_bits(struct fixture *fixture, struct text token) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct parts parts = parts_of(token);
    struct text *const all[] = {&parts.header, &parts.claims, &parts.signature};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (all[i]->length % 4 != 0) {
            size_t last = (size_t)(all[i]->bytes - token.bytes) + all[i]->length - 1;
            char *changed = arena_alloc(&fixture->arena, token.length);
            memcpy(changed, token.bytes, token.length);
            changed[last] = digits[(strchr(digits, changed[last]) - digits) | 1];
            refuse(fixture, (struct text){changed, token.length});
        }
    }
}

static void bytes_parts_and_forms_cannot_be_changed(void **state) {
    struct fixture *fixture = *state;
    for (enum jwk_algorithm algorithm = 0; algorithm < 3; algorithm++) {
        struct text token = good(fixture, algorithm);
        accept(fixture, token);
        forge_bytes(fixture, token);
        forge_shape(fixture, token);
        forge_trailing_bits(fixture, token);
        accept(fixture, token);
    }
    print_message("%u forged tokens refused\n", fixture->refused);
    assert_true(fixture->refused >= 200);
}

static void parts_of_two_good_tokens_make_no_third(void **state) {
    struct fixture *fixture = *state;
    for (enum jwk_algorithm algorithm = 0; algorithm < 3; algorithm++) {
        struct text header = header_of(fixture, algorithm);
        struct text first = make(fixture, algorithm, header, TEXT(CLAIMS "}"));
        struct text second = make(fixture, algorithm, header, TEXT(CLAIMS ",\"scope\":\"admin\"}"));
        struct parts a = parts_of(first), b = parts_of(second);
        accept(fixture, first);
        accept(fixture, second);
        refuse(fixture, join(fixture, a.header, b.claims, a.signature));
        refuse(fixture, join(fixture, a.header, a.claims, b.signature));
        for (enum jwk_algorithm other = 0; other < 3; other++) {
            struct parts c = parts_of(good(fixture, other));
            if (other != algorithm) {
                refuse(fixture, join(fixture, c.header, a.claims, a.signature));
                refuse(fixture, join(fixture, a.header, a.claims, c.signature));
            }
        }
    }
}

/* Every algorithm but the key's own, in the header of a token that the key signed all the same,
 * and of one without a signature. */
static void the_header_does_not_choose_the_algorithm(void **state) {
    struct fixture *fixture = *state;
    static const char *const algorithms[] = {
        "\"none\"",  "\"None\"",  "\"NONE\"",   "\"nOnE\"",   "\"noNe\"",    "\"\"",
        "\"hs256\"", "\"Hs256\"", "\"HS256 \"", "\"HS384\"",  "\"HS512\"",   "\"RS384\"",
        "\"RS512\"", "\"PS256\"", "\"ES384\"",  "\"ES256K\"", "\"EdDSA\"",   "\"rs256\"",
        "\"es256\"", "null",      "256",        "true",       "[\"HS256\"]", "{\"alg\":\"HS256\"}",
    };
    for (enum jwk_algorithm signer = 0; signer < 3; signer++) {
        accept(fixture, good(fixture, signer));
        for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
            struct text header = text_print(&fixture->arena, "{\"alg\":%s,\"kid\":\"%s\"}",
                                            algorithms[i], ids[signer]);
            struct text token = make(fixture, signer, header, TEXT(CLAIMS "}"));
            struct parts parts = parts_of(token);
            refuse(fixture, token);
            refuse(fixture, join(fixture, parts.header, parts.claims, TEXT("")));
        }
        refuse(fixture, make(fixture, signer, TEXT("{\"typ\":\"JWT\"}"), TEXT(CLAIMS "}")));
        for (enum jwk_algorithm other = 0; other < 3; other++) {
            if (other != signer) {
                refuse(fixture, make(fixture, signer, header_of(fixture, other), TEXT(CLAIMS "}")));
                refuse(fixture, make(fixture, signer,
                                     text_print(&fixture->arena, "{\"alg\":\"%s\",\"kid\":\"%s\"}",
                                                names[other], ids[signer]),
                                     TEXT(CLAIMS "}")));
            }
        }
    }
    print_message("%u forged tokens refused\n", fixture->refused);
}

/* What everybody knows of a public key, used as the secret of an HMAC. */
static void a_public_key_is_no_secret(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->arena;
    static const char *const headers[] = {
        "{\"alg\":\"HS256\",\"kid\":\"r\"}", "{\"alg\":\"HS256\",\"kid\":\"e\"}",
        "{\"alg\":\"HS256\",\"kid\":\"h\"}", "{\"alg\":\"HS256\"}"};
    accept(fixture, good(fixture, JWK_RS256));
    for (size_t key = 0; key < fixture->set.count; key++) {
        struct text pem = fixture->set.keys[key].material;
        struct text secrets[] = {
            pem, {pem.bytes, pem.length - 1}, maker_base64(arena, pem), TEXT(""), TEXT("\0")};
        for (size_t i = 0; i < COUNT_OF(headers) * COUNT_OF(secrets); i++) {
            struct text input =
                maker_input(arena, text_of(headers[i % COUNT_OF(headers)]), TEXT(CLAIMS "}"));
            struct text secret = secrets[i / COUNT_OF(headers)];
            if (fixture->set.keys[key].algorithm != JWK_HS256 || secret.bytes != pem.bytes) {
                refuse(fixture, maker_join(arena, input, maker_mac(arena, secret, input)));
            }
        }
    }
}

static void keys_of_others_sign_nothing(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->arena;
    for (enum jwk_algorithm algorithm = JWK_RS256; algorithm < 3; algorithm++) {
        EVP_PKEY *foreign = fixture->maker.foreign[algorithm];
        struct text jwk = algorithm == JWK_RS256 ? maker_rsa_jwk(arena, foreign, "")
                                                 : maker_ec_jwk(arena, foreign, "");
        static const char *const forms[] = {
            "", ",\"jwk\":%.*s", ",\"jku\":\"https://evil.example\"",
            ",\"x5u\":\"https://evil.example\"", ",\"x5c\":[\"MIIB\"]"};
        for (size_t i = 0; i < 2 * COUNT_OF(forms); i++) {
            const char *form = forms[i / 2];
            struct text more = strstr(form, "jwk") != NULL
                                   ? text_print(arena, ",\"jwk\":%.*s", TEXT_ARGS(jwk))
                                   : text_of(form);
            struct text header =
                text_print(arena, "{\"alg\":\"%s\"%s%s%s%.*s}", names[algorithm],
                           i % 2 == 0 ? ",\"kid\":\"" : "", i % 2 == 0 ? ids[algorithm] : "",
                           i % 2 == 0 ? "\"" : "", TEXT_ARGS(more));
            struct text input = maker_input(arena, header, TEXT(CLAIMS "}"));
            accept(fixture, make(fixture, algorithm, header, TEXT(CLAIMS "}")));
            refuse(fixture,
                   maker_join(arena, input,
                              maker_sign(arena, fixture->maker.foreign, algorithm, input)));
        }
    }
    struct text input = maker_input(arena, header_of(fixture, JWK_HS256), TEXT(CLAIMS "}"));
    refuse(fixture, maker_join(arena, input, maker_mac(arena, TEXT("another secret"), input)));
}

static void headers_are_taken_to_the_letter(void **state) {
    struct fixture *fixture = *state;
    static const char *const fine[] = {
        "{\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"typ\":\"jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"h\",\"cty\":\"x\",\"jku\":\"https://evil.example\"}"};
    static const char *const wrong[] = {
        "{\"alg\":\"HS256\",\"kid\":\"H\"}",
        "{\"alg\":\"HS256\",\"kid\":\"\"}",
        "{\"alg\":\"HS256\",\"kid\":\"h \"}",
        "{\"alg\":\"HS256\",\"kid\":\"../../h\"}",
        "{\"alg\":\"HS256\",\"kid\":\"h\\u0000\"}",
        "{\"alg\":\"HS256\",\"kid\":null}",
        "{\"alg\":\"HS256\",\"kid\":0}",
        "{\"alg\":\"HS256\",\"kid\":[\"h\"]}",
        "{\"alg\":\"HS256\",\"kid\":{\"kid\":\"h\"}}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"crit\":null}",
        "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
        "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":1}",
        "{\"alg\":\"HS256\",\"typ\":null}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"kid\":\"h\",\"kid\":\"h\"}",
        "{\"ALG\":\"HS256\"}",
        "{\"alg\":\"HS256\"}}",
        "{\"alg\":\"HS256\",}",
        "{alg:\"HS256\"}",
        "[\"HS256\"]",
        "\"HS256\"",
        "null",
        "{}",
        "\xef\xbb\xbf{\"alg\":\"HS256\"}",
    };
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        accept(fixture, under(fixture, fine[i]));
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        refuse(fixture, under(fixture, wrong[i]));
    }
}

static void without_an_id_there_may_be_one_key_only(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->arena;
    struct text token = under(fixture, "{\"alg\":\"HS256\"}");
    struct text first = maker_secret_jwk(arena, TEXT(MAKER_SECRET), ",\"kid\":\"h\"");
    struct text second = maker_secret_jwk(arena, TEXT(MAKER_SECRET "."), ",\"kid\":\"i\"");
    struct text json =
        text_print(arena, "{\"keys\":[%.*s,%.*s]}", TEXT_ARGS(first), TEXT_ARGS(second));
    accept(fixture, token);
    assert_true(jwk_set_parse(arena, json, &fixture->set));
    refuse(fixture, token);
    accept(fixture, good(fixture, JWK_HS256));
    assert_true(jwk_set_parse(arena, TEXT("{\"keys\":[]}"), &fixture->set));
    refuse(fixture, good(fixture, JWK_HS256));
    refuse(fixture, token);
}

static void claims_are_taken_to_the_letter(void **state) {
    struct fixture *fixture = *state;
    static const char *const wrong_sub[] = {
        "",      "null",   "1",         "true",      "[\"ann\"]",     "{}",          "\"\"",
        "\".\"", "\"..\"", "\"a\\nb\"", "\"a\\tb\"", "\"a\\u0000b\"", "\"\\u007f\"", "\"\\ud800\""};
    static const char *const wrong_exp[] = {"",
                                            "null",
                                            "\"1764000600\"",
                                            "true",
                                            "[1764000600]",
                                            "{}",
                                            "-1",
                                            "0",
                                            "1763999940",
                                            "1763999939.5",
                                            "1e300",
                                            "9223372036854775807",
                                            "9223372036854775808",
                                            "253402300800",
                                            "1764000600000",
                                            "-1764000600",
                                            "1e-400",
                                            "NaN",
                                            "Infinity",
                                            "0x69244df8",
                                            "01764000600"};
    accept(fixture, of(fixture, "{\"sub\":\"ann\",\"exp\":1764000600.25}"));
    accept(fixture, of(fixture, "{\"sub\":\"ann\",\"exp\":1763999941}"));
    for (size_t i = 0; i < COUNT_OF(wrong_sub); i++) {
        refuse(fixture,
               of(fixture, text_cstring(&fixture->arena,
                                        text_print(&fixture->arena, "{\"exp\":1764000600%s%s}",
                                                   i > 0 ? ",\"sub\":" : "", wrong_sub[i]))));
    }
    for (size_t i = 0; i < COUNT_OF(wrong_exp); i++) {
        refuse(fixture,
               of(fixture, text_cstring(&fixture->arena,
                                        text_print(&fixture->arena, "{\"sub\":\"ann\"%s%s}",
                                                   i > 0 ? ",\"exp\":" : "", wrong_exp[i]))));
    }
}

static void optional_claims_are_right_or_absent(void **state) {
    struct fixture *fixture = *state;
    static const char *const wrong[] = {
        "nbf\":null",
        "nbf\":\"0\"",
        "nbf\":-1",
        "nbf\":1764000061",
        "nbf\":1764000060.5",
        "nbf\":[0]",
        "nbf\":true",
        "nbf\":1e15",
        "iat\":null",
        "iat\":\"0\"",
        "iat\":-1",
        "iat\":1764000061",
        "iat\":{}",
        "iat\":false",
        "iss\":null",
        "iss\":1",
        "iss\":\"\"",
        "iss\":[\"x\"]",
        "iss\":\"a\\tb\"",
        "iss\":\"a\\nb\"",
        "aud\":null",
        "aud\":1",
        "aud\":[1]",
        "aud\":{}",
        "aud\":[[\"x\"]]",
        "aud\":[null]",
        "aud\":true",
        "roles\":null",
        "roles\":\"porter\"",
        "roles\":{}",
        "roles\":[1]",
        "roles\":[\"a\",null]",
        "roles\":[[\"a\"]]",
        "roles\":true",
        "permissions\":null",
        "permissions\":\"*\"",
        "permissions\":{}",
        "permissions\":[1]",
        "permissions\":[\"a\",{}]",
        "permissions\":0",
        "attributes\":null",
        "attributes\":[]",
        "attributes\":\"x\"",
        "attributes\":1",
        "attributes\":true",
        "scope\":null",
        "scope\":1",
        "scope\":{}",
        "scope\":[1]",
        "scope\":[\"read\",null]",
        "scope\":true",
        "scopes\":null",
        "scopes\":\"read\"",
        "scopes\":{}",
        "scopes\":[1]",
        "scopes\":[[\"read\"]]",
        "scopes\":1",
        "sub\":\"ann\"",
        "sub\":\"root\"",
        "exp\":1764000600",
        "roles\":[],\"roles\":[\"x\"]",
        "attributes\":{\"a\":1,\"a\":2}",
        "scope\":\"read\",\"scope\":\"admin\"",
        "x\":1e999",
        "x\":\"\xff\"",
        "x\":\"\\ud800\"",
        "x\":01",
    };
    accept(fixture,
           with(fixture, ",\"nbf\":1764000060,\"iat\":1764000060,\"iss\":\"x\",\"aud\":\"x\","
                         "\"roles\":[],\"permissions\":[],\"attributes\":{},\"scope\":\"\","
                         "\"scopes\":[],\"x\":1"));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        refuse(fixture,
               with(fixture,
                    text_cstring(&fixture->arena, text_print(&fixture->arena, ",\"%s", wrong[i]))));
    }
    print_message("%u forged tokens refused\n", fixture->refused);
}

static struct text nested(struct fixture *fixture, size_t depth) {
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena);
    buffer_add_text(&buffer, TEXT(",\"attributes\":{\"a\":"));
    for (size_t i = 0; i < 2 * depth; i++) {
        buffer_add_char(&buffer, i < depth ? '[' : ']');
    }
    buffer_add_text(&buffer, TEXT("}"));
    buffer_add_char(&buffer, '\0');
    return buffer_view(&buffer);
}

static void size_and_depth_are_bounded(void **state) {
    struct fixture *fixture = *state;
    struct text token = with(fixture, nested(fixture, 40).bytes);
    accept(fixture, token);
    refuse(fixture, with(fixture, nested(fixture, 70).bytes));
    refuse(fixture, with(fixture, nested(fixture, 2500).bytes));
    for (size_t length = 5000; length <= 1000000; length *= 14) {
        char *name = arena_alloc(&fixture->arena, length + 20);
        snprintf(name, length + 20, ",\"x\":\"%0*d\"", (int)length, 0);
        token = with(fixture, name);
        token.length <= WEB_TOKEN_MOST ? accept(fixture, token) : refuse(fixture, token);
    }
    assert_int_equal(fixture->refused, 4);
}

static void bytes_after_the_claims_are_no_claims(void **state) {
    struct fixture *fixture = *state;
    accept(fixture, of(fixture, CLAIMS "}"));
    static const struct text wrong[] = {
        {CLAIMS "}\0{\"x\":1}", sizeof CLAIMS "}\0{\"x\":1}" - 1},
        {CLAIMS "}\0", sizeof CLAIMS "}\0" - 1},
        {CLAIMS "}x", sizeof CLAIMS "}x" - 1},
        {CLAIMS, sizeof CLAIMS - 1},
        {"[" CLAIMS "}]", sizeof "[" CLAIMS "}]" - 1},
        {"null", 4},
        {"\"ann\"", 5},
        {"{}", 2},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        refuse(fixture, make(fixture, JWK_HS256, header_of(fixture, JWK_HS256), wrong[i]));
    }
}

/* r and s of 32 bytes each, within 1 to the order of the curve less 1. */
static void signatures_of_es256_have_one_form(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->arena;
    static const unsigned char order[32] = {0xFF, 0xFF, 0xFF, 0xFF, 0,    0,    0,    0,
                                            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                            0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84,
                                            0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};
    struct text input = maker_input(arena, header_of(fixture, JWK_ES256), TEXT(CLAIMS "}"));
    struct text der = maker_sign_plain(arena, fixture->maker.own[JWK_ES256], input);
    struct text raw = maker_raw(arena, der);
    unsigned char *forms = arena_alloc(arena, 8 * 80);
    accept(fixture, maker_join(arena, input, raw));
    for (size_t i = 0; i < 6; i++) {
        memcpy(forms + 80 * i, raw.bytes, 64);
    }
    memset(forms, 0, 32);
    memset(forms + 80 + 32, 0, 32);
    memset(forms + 160, 0, 64);
    memcpy(forms + 240, order, 32);
    memcpy(forms + 320 + 32, order, 32);
    memcpy(forms + 400, raw.bytes + 32, 32);
    memcpy(forms + 400 + 32, raw.bytes, 32);
    memset(forms + 480, 0xFF, 64);
    for (size_t i = 0; i < 7; i++) {
        refuse(fixture, maker_join(arena, input, (struct text){(char *)forms + 80 * i, 64}));
    }
    memcpy(forms + 1, raw.bytes, 64);
    forms[0] = forms[65] = 0;
    refuse(fixture, maker_join(arena, input, der));
    refuse(fixture, maker_join(arena, input, (struct text){(char *)forms, 65}));
    refuse(fixture, maker_join(arena, input, (struct text){(char *)forms + 1, 65}));
    refuse(fixture, maker_join(arena, input, (struct text){raw.bytes, 63}));
    refuse(fixture, maker_join(arena, input, (struct text){raw.bytes, 32}));
    refuse(fixture, maker_join(arena, input, (struct text){raw.bytes, 1}));
}

static void signatures_of_rs256_are_as_long_as_the_key(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = &fixture->arena;
    struct text input = maker_input(arena, header_of(fixture, JWK_RS256), TEXT(CLAIMS "}"));
    struct text signature = maker_sign_plain(arena, fixture->maker.own[JWK_RS256], input);
    char *longer = arena_alloc(arena, signature.length + 2);
    memcpy(longer + 1, signature.bytes, signature.length);
    accept(fixture, maker_join(arena, input, signature));
    refuse(fixture, maker_join(arena, input, (struct text){longer, signature.length + 1}));
    refuse(fixture, maker_join(arena, input, (struct text){longer + 1, signature.length + 1}));
    refuse(fixture, maker_join(arena, input, (struct text){signature.bytes, signature.length - 1}));
    memset(longer, 0, signature.length);
    refuse(fixture, maker_join(arena, input, (struct text){longer, signature.length}));
    longer[signature.length - 1] = 1;
    refuse(fixture, maker_join(arena, input, (struct text){longer, signature.length}));
    memset(longer, 0xFF, signature.length);
    refuse(fixture, maker_join(arena, input, (struct text){longer, signature.length}));
}

/* --- tokens seen --- */

static bool check_seen(struct fixture *fixture, struct web_token_seen *seen, struct text token) {
    fixture->fault = FAULT_INIT;
    return web_token_check(&fixture->set, seen, &fixture->rules, &fixture->arena, token,
                           fixture->now_us, &fixture->caller, &fixture->fault);
}

static void a_token_that_was_seen_expires_all_the_same(void **state) {
    struct fixture *fixture = *state;
    struct web_token_seen *seen = web_token_seen_new();
    struct text token = good(fixture, JWK_ES256);
    unsigned char hash[DIGEST_BYTES];
    digest_sha256(token, hash);
    assert_false(web_token_seen_has(seen, hash));
    assert_true(check_seen(fixture, seen, token));
    assert_true(web_token_seen_has(seen, hash));
    assert_true(check_seen(fixture, seen, token));
    check_text(fixture->caller.name, "ann");
    fixture->now_us += 660 * NOW_SECOND;
    assert_false(check_seen(fixture, seen, token));
    check_contains(fixture->fault.message, "expired");
    web_token_seen_free(seen);
}

static void only_what_is_signed_right_is_remembered(void **state) {
    struct fixture *fixture = *state;
    struct web_token_seen *seen = web_token_seen_new();
    struct text token = good(fixture, JWK_ES256);
    struct parts parts = parts_of(token);
    struct text other = maker_base64(&fixture->arena, TEXT(CLAIMS ",\"scope\":\"admin\"}"));
    struct text forged = join(fixture, parts.header, other, parts.signature);
    assert_true(check_seen(fixture, seen, token));
    for (int i = 0; i < 3; i++) {
        assert_false(check_seen(fixture, seen, forged));
    }
    web_token_seen_free(seen);
}

/* Not asserted, since other programs share the machine. */
static void what_a_check_costs_is_printed(void **state) {
    struct fixture *fixture = *state;
    struct web_token_seen *seen = web_token_seen_new();
    for (int i = 0; i < 6; i++) {
        struct text token = good(fixture, (enum jwk_algorithm)(i / 2));
        struct timespec begun, ended;
        struct arena kept = fixture->arena;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        for (int turn = 0; turn < 500; turn++) {
            arena_init(&fixture->arena, 0);
            assert_true(check_seen(fixture, i % 2 == 0 ? NULL : seen, token));
            arena_deinit(&fixture->arena);
        }
        clock_gettime(CLOCK_MONOTONIC, &ended);
        fixture->arena = kept;
        print_message("%s, %s: %.1f us\n", names[i / 2], i % 2 == 0 ? "each time" : "seen before",
                      ((double)(ended.tv_sec - begun.tv_sec) * 1e9 +
                       (double)(ended.tv_nsec - begun.tv_nsec)) /
                          500e3);
    }
    web_token_seen_free(seen);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_algorithm_is_accepted_with_and_without_an_id),
        CASE(its_claims_make_the_actor),
        CASE(scopes_are_those_that_are_named),
        CASE(clocks_may_differ_by_the_leeway_and_no_more),
        CASE(issuer_and_audience_are_held_against_the_rules),
        CASE(libjwt_signs_what_is_accepted),
        CASE(no_two_callers_share_an_identity),
        CASE(bytes_parts_and_forms_cannot_be_changed),
        CASE(parts_of_two_good_tokens_make_no_third),
        CASE(the_header_does_not_choose_the_algorithm),
        CASE(a_public_key_is_no_secret),
        CASE(keys_of_others_sign_nothing),
        CASE(headers_are_taken_to_the_letter),
        CASE(without_an_id_there_may_be_one_key_only),
        CASE(claims_are_taken_to_the_letter),
        CASE(optional_claims_are_right_or_absent),
        CASE(size_and_depth_are_bounded),
        CASE(bytes_after_the_claims_are_no_claims),
        CASE(signatures_of_es256_have_one_form),
        CASE(signatures_of_rs256_are_as_long_as_the_key),
        CASE(a_token_that_was_seen_expires_all_the_same),
        CASE(only_what_is_signed_right_is_remembered),
        CASE(what_a_check_costs_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
