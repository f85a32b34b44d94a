/* jwk.c: one function a type of key, chosen by a table.
 *
 * Private parts of RSA and EC keys are refused and not merely overlooked: whoever can read the file
 * could then sign as anybody, and a server that only verifies is the last place to need them. */
#include "identity/jwk.h"

#include "base/digest.h"
#include "base/public_key.h"

#define SECRET_LEAST 32  /* bytes: RFC 7518 section 3.2 */
#define SHOWN_MOST   40  /* bytes of a `kid` in messages */
#define LISTED_MOST  100 /* problems, or ignored keys */

/* The key that is being read. */
struct reading {
    struct arena *arena;
    const struct js *jwk;
    struct jwk *key;
    struct fault fault;
};

typedef bool material_reader(struct reading *reading);
static material_reader read_secret, read_rsa, read_p256;

struct family {
    struct text type; /* `kty` */
    struct text name; /* of the algorithm */
    enum jwk_algorithm algorithm;
    material_reader *read;
};
static const struct family families[] = {
    {{"oct", 3}, {"HS256", 5}, JWK_HS256, read_secret},
    {{"RSA", 3}, {"RS256", 5}, JWK_RS256, read_rsa},
    {{"EC", 2}, {"ES256", 5}, JWK_ES256, read_p256},
};
#define FAMILY_COUNT (sizeof families / sizeof families[0])

bool jwk_algorithm_of(struct text name, enum jwk_algorithm *out) {
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        if (text_equal(families[i].name, name)) {
            *out = families[i].algorithm;
            return true;
        }
    }
    return false;
}

/* --- members of a key --- */

static bool refuse(struct reading *reading, const char *member, const char *wanted) {
    const struct js *value = js_find(reading->jwk, text_of(member));
    return fault_set(&reading->fault, FAULT_USAGE, "%s: expected %s, not %s", member, wanted,
                     js_type_name(value));
}

/* A string, or nothing. */
static bool read_text(struct reading *reading, const char *member, struct text *out) {
    const struct js *value = js_find(reading->jwk, text_of(member));
    *out = js_text(value);
    return value == NULL || js_is(value, JS_STRING) || refuse(reading, member, "a string");
}

static bool read_bytes(struct reading *reading, const char *member, struct text *out) {
    struct text encoded;
    if (!read_text(reading, member, &encoded)) {
        return false;
    }
    if (encoded.length == 0) {
        return refuse(reading, member, "bytes in base64url");
    }
    unsigned char *bytes = arena_alloc(reading->arena, encoded.length);
    size_t length;
    if (!digest_of_base64url(encoded, bytes, &length)) {
        return fault_set(&reading->fault, FAULT_USAGE,
                         "%s: expected base64url without padding (RFC 7515 section 2)", member);
    }
    *out = (struct text){(const char *)bytes, length};
    return true;
}

/* RFC 7518 sections 6.2.2 and 6.3.2. */
static bool has_no_private_part(struct reading *reading) {
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (js_find(reading->jwk, text_of(members[i])) != NULL) {
            return fault_set(&reading->fault, FAULT_USAGE,
                             "%s: this is the private part of a key, which this server must not "
                             "have; expected the public part alone",
                             members[i]);
        }
    }
    return true;
}

static bool read_secret(struct reading *reading) {
    return read_bytes(reading, "k", &reading->key->material) &&
           (reading->key->material.length >= SECRET_LEAST ||
            fault_set(&reading->fault, FAULT_USAGE,
                      "k: expected a secret of at least %d bytes, not of %zu", SECRET_LEAST,
                      reading->key->material.length));
}

static bool read_rsa(struct reading *reading) {
    struct text n, e;
    return has_no_private_part(reading) && read_bytes(reading, "n", &n) &&
           read_bytes(reading, "e", &e) &&
           public_key_rsa(reading->arena, n, e, &reading->key->material, &reading->fault);
}

static bool read_p256(struct reading *reading) {
    struct text curve, x, y;
    if (!has_no_private_part(reading) || !read_text(reading, "crv", &curve)) {
        return false;
    }
    if (!text_equal(curve, TEXT("P-256"))) {
        return fault_set(&reading->fault, FAULT_USAGE, "crv: expected P-256, the curve of ES256");
    }
    return read_bytes(reading, "x", &x) && read_bytes(reading, "y", &y) &&
           public_key_p256(reading->arena, x, y, &reading->key->material, &reading->fault);
}

/* --- one key --- */

enum outcome { KEY_TAKEN, KEY_IGNORED, KEY_REFUSED };

static enum outcome ignore(struct reading *reading, const char *why) {
    fault_set(&reading->fault, FAULT_USAGE, "%s", why);
    return KEY_IGNORED;
}

static enum outcome outcome_of(bool fine) {
    return fine ? KEY_TAKEN : KEY_REFUSED;
}

static const struct family *family_of(struct text type) {
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        if (text_equal(families[i].type, type)) {
            return &families[i];
        }
    }
    return NULL;
}

/* `key_ops` (RFC 7517 section 4.3): absent, or an array that has "verify". */
static bool is_for_verifying(const struct js *operations) {
    bool found = operations == NULL;
    for (size_t i = 0; js_is(operations, JS_ARRAY) && i < operations->array.count; i++) {
        found = found || text_equal(js_text(operations->array.items[i]), TEXT("verify"));
    }
    return found;
}

static enum outcome read_of_type(struct reading *reading, struct text type, struct text algorithm) {
    const struct family *family = family_of(type);
    if (family == NULL) {
        return ignore(reading, "its kty is none of oct, RSA and EC");
    }
    if (text_given(algorithm) && !text_equal(algorithm, family->name)) {
        enum jwk_algorithm other;
        return jwk_algorithm_of(algorithm, &other)
                   ? outcome_of(fault_set(&reading->fault, FAULT_USAGE,
                                          "alg: expected %.*s, which is what a key of kty %.*s is "
                                          "for, not %.*s",
                                          TEXT_ARGS(family->name), TEXT_ARGS(type),
                                          TEXT_ARGS(algorithm)))
                   : ignore(reading, "its alg is none of HS256, RS256 and ES256");
    }
    reading->key->algorithm = family->algorithm;
    return outcome_of(family->read(reading));
}

static enum outcome read_key(struct reading *reading) {
    struct text use, type, algorithm;
    if (!js_is(reading->jwk, JS_OBJECT)) {
        return outcome_of(fault_set(&reading->fault, FAULT_USAGE, "expected an object, not %s",
                                    js_type_name(reading->jwk)));
    }
    if (!read_text(reading, "kid", &reading->key->id) || !read_text(reading, "use", &use) ||
        !read_text(reading, "kty", &type) || !read_text(reading, "alg", &algorithm)) {
        return KEY_REFUSED;
    }
    if (!text_given(type)) {
        return outcome_of(refuse(reading, "kty", "oct, RSA or EC"));
    }
    if (text_given(use) && !text_equal(use, TEXT("sig"))) {
        return ignore(reading, "its use is not sig");
    }
    if (!is_for_verifying(js_find(reading->jwk, TEXT("key_ops")))) {
        return ignore(reading, "its key_ops lack verify");
    }
    return read_of_type(reading, type, algorithm);
}

/* --- the set --- */

static bool is_same_id(const struct jwk *a, const struct jwk *b) {
    return text_given(a->id) && text_given(b->id) && text_equal(a->id, b->id) &&
           a->algorithm == b->algorithm;
}

/* Two keys of one id would leave it to chance which of them checks a token. */
static enum outcome check_id(const struct jwk_set *set, struct reading *reading) {
    for (size_t i = 0; i < set->count; i++) {
        if (is_same_id(&set->keys[i], reading->key)) {
            return outcome_of(fault_set(&reading->fault, FAULT_USAGE,
                                        "kid: expected one that no other key of its alg has"));
        }
    }
    return KEY_TAKEN;
}

static void list(struct buffer *buffer, size_t *count, size_t index, struct text id,
                 const char *what) {
    (*count)++;
    if (*count > LISTED_MOST) {
        return;
    }
    buffer_print(buffer, "%skey %zu", *count > 1 ? "; " : "", index + 1);
    if (text_given(id)) {
        buffer_print(buffer, " ('%.*s')", id.length < SHOWN_MOST ? (int)id.length : SHOWN_MOST,
                     id.bytes);
    }
    buffer_print(buffer, ": %s", what);
}

static void add_key(struct arena *arena, struct jwk_set *set, const struct js *jwk, size_t index) {
    struct jwk key = {0};
    struct reading reading = {arena, jwk, &key, FAULT_INIT};
    enum outcome outcome = read_key(&reading);
    outcome = outcome == KEY_TAKEN ? check_id(set, &reading) : outcome;
    switch (outcome) {
    case KEY_TAKEN:
        set->keys[set->count++] = key;
        break;
    case KEY_IGNORED:
        list(&set->ignored, &set->ignored_count, index, key.id, reading.fault.message);
        break;
    case KEY_REFUSED:
        list(&set->problems, &set->problem_count, index, key.id, reading.fault.message);
        break;
    }
}

static bool refuse_set(struct jwk_set *set, const char *why) {
    set->problem_count++;
    buffer_print(&set->problems, "%s", why);
    return false;
}

bool jwk_set_parse(struct arena *arena, struct text json, struct jwk_set *out) {
    struct fault fault = FAULT_INIT;
    const struct js *value;
    *out = (struct jwk_set){0};
    buffer_init(&out->problems, arena);
    buffer_init(&out->ignored, arena);
    if (!js_parse(arena, json, &value, &fault)) {
        return refuse_set(out, fault.message);
    }
    const struct js *keys = js_find(js_is(value, JS_OBJECT) ? value : NULL, TEXT("keys"));
    if (!js_is(keys, JS_ARRAY)) {
        return refuse_set(out, "expected a JWK Set, an object with an array `keys`");
    }
    if (keys->array.count > JWK_SET_MOST) {
        return refuse_set(out, "expected 256 keys at most");
    }
    out->keys = ARENA_ARRAY(arena, struct jwk, keys->array.count + 1);
    for (size_t i = 0; i < keys->array.count; i++) {
        add_key(arena, out, keys->array.items[i], i);
    }
    return out->problem_count == 0;
}

const struct jwk *jwk_set_find(const struct jwk_set *set, struct text id,
                               enum jwk_algorithm algorithm) {
    const struct jwk *found = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *key = &set->keys[i];
        if (key->algorithm != algorithm || (text_given(id) && !text_equal(key->id, id))) {
            continue;
        }
        if (found != NULL) {
            return NULL;
        }
        found = key;
    }
    return found;
}
