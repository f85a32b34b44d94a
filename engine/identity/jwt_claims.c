/* jwt_claims.c: types are strict, and null is a wrong one: a claim that is there but cannot
 * be read might have been meant to narrow what the token grants. */
#include "identity/jwt_claims.h"

#include "base/now.h"
#include "model/entity.h"
#include "model/grant.h"

#define ISSUER_MOST   1000                  /* bytes */
#define SECONDS_MOST  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define SCOPE_DEFAULT (SCOPE_READ | SCOPE_TRANSITION)

struct reading {
    const struct js *claims;
    struct fault *fault;
};

static bool refuse(const struct reading *reading, const char *name, const char *wanted) {
    const struct js *value = js_find(reading->claims, text_of(name));
    return fault_set(reading->fault, FAULT_INVALID_TOKEN, "%s: expected %s, not %s", name, wanted,
                     js_type_name(value));
}

static bool refuse_token(const struct reading *reading, const char *why) {
    return fault_set(reading->fault, FAULT_INVALID_TOKEN, "%s", why);
}

/* --- times (RFC 7519 section 4.1.4 to 4.1.6) --- */

/* A NumericDate, which may have a fraction; *us stays what it is when the claim is absent. */
static bool read_time(const struct reading *reading, const char *name, int64_t *us) {
    const struct js *value = js_find(reading->claims, text_of(name));
    if (value == NULL) {
        return true;
    }
    if (js_is(value, JS_INTEGER) && value->integer >= 0 && value->integer <= SECONDS_MOST) {
        *us = value->integer * NOW_SECOND;
        return true;
    }
    if (js_is(value, JS_REAL) && value->real >= 0 && value->real <= (double)SECONDS_MOST) {
        *us = (int64_t)(value->real * (double)NOW_SECOND);
        return true;
    }
    return refuse(reading, name, "seconds since 1970, until the year 9999");
}

static bool check_times(const struct reading *reading, int64_t leeway_us, int64_t now_us) {
    int64_t expires_us = -1, begins_us = 0, issued_us = 0;
    if (!read_time(reading, "exp", &expires_us) || !read_time(reading, "nbf", &begins_us) ||
        !read_time(reading, "iat", &issued_us)) {
        return false;
    }
    if (expires_us < 0) {
        return refuse(reading, "exp", "seconds since 1970");
    }
    if (now_us - leeway_us >= expires_us) {
        return refuse_token(reading, "it has expired");
    }
    if (now_us + leeway_us < begins_us) {
        return refuse_token(reading, "it is not valid yet (nbf)");
    }
    return now_us + leeway_us >= issued_us ||
           refuse_token(reading, "it was issued in the future (iat)");
}

/* --- who, by whom, for whom --- */

/* As strict as with subjects, since the issuer is part of who the caller is (caller.c). */
static bool is_issuer(struct text issuer) {
    return issuer.length > 0 && issuer.length <= ISSUER_MOST && !text_has_control(issuer);
}

static bool check_issuer(const struct reading *reading, struct text wanted, struct text *out) {
    const struct js *value = js_find(reading->claims, TEXT("iss"));
    *out = js_text(value);
    if (value != NULL && !is_issuer(*out)) {
        return refuse(reading, "iss", "a string of 1 to 1000 bytes without control characters");
    }
    return wanted.length == 0 || text_equal(wanted, *out) ||
           refuse_token(reading, "its iss is not the --jwt-issuer");
}

static bool are_strings(const struct js *array) {
    bool all = js_is(array, JS_ARRAY);
    for (size_t i = 0; all && i < array->array.count; i++) {
        all = js_is(array->array.items[i], JS_STRING);
    }
    return all;
}

static bool contains(const struct js *strings, struct text wanted) {
    for (size_t i = 0; i < strings->array.count; i++) {
        if (text_equal(js_text(strings->array.items[i]), wanted)) {
            return true;
        }
    }
    return false;
}

/* RFC 7519 section 4.1.3: a string, or an array of them. */
static bool check_audience(const struct reading *reading, struct text wanted) {
    const struct js *value = js_find(reading->claims, TEXT("aud"));
    if (value != NULL && !js_is(value, JS_STRING) && !are_strings(value)) {
        return refuse(reading, "aud", "a string or an array of strings");
    }
    bool named =
        wanted.length == 0 || (js_is(value, JS_STRING) ? text_equal(value->string, wanted)
                                                       : value != NULL && contains(value, wanted));
    return named || refuse_token(reading, "the --jwt-audience is not in its aud");
}

static bool read_subject(const struct reading *reading, struct text *out) {
    *out = js_text(js_find(reading->claims, TEXT("sub")));
    return entity_is_id(*out) ||
           refuse(reading, "sub",
                  "a name of bytes without control characters, as the id of an actor is");
}

/* --- what it grants --- */

static bool are_roles(const struct js *array) {
    bool all = js_is(array, JS_ARRAY);
    for (size_t i = 0; all && i < array->array.count; i++) {
        all = !text_given(held_role_refusal(array->array.items[i]));
    }
    return all;
}

/* What a claim, or a path into one, lists. */
struct grants {
    bool (*fits)(const struct js *array);
    const char *expected;
};

static bool add_grants(const struct reading *reading, struct arena *arena, struct text path,
                       const struct grants *grants, const struct js **out) {
    const struct js *value = js_find_path(reading->claims, path);
    if (value == NULL) {
        return true;
    }
    if (!grants->fits(value)) {
        return fault_set(reading->fault, FAULT_INVALID_TOKEN, "%.*s: expected %s", TEXT_ARGS(path),
                         grants->expected);
    }
    for (size_t i = 0; i < value->array.count; i++) {
        *out = js_append(arena, *out, value->array.items[i]);
    }
    return true;
}

/* All that the paths of a list find; a claim that is not there grants nothing. */
static bool read_grants(const struct reading *reading, struct arena *arena, struct text paths,
                        const struct grants *grants, const struct js **out) {
    bool fine = true;
    *out = &js_empty_array;
    while (fine && paths.length > 0) {
        const char *comma = memchr(paths.bytes, ',', paths.length);
        size_t length = comma != NULL ? (size_t)(comma - paths.bytes) : paths.length;
        fine = add_grants(reading, arena, (struct text){paths.bytes, length}, grants, out);
        length += comma != NULL;
        paths = (struct text){paths.bytes + length, paths.length - length};
    }
    return fine;
}

static bool read_actor(const struct reading *reading, struct arena *arena,
                       const struct web_token_rules *rules, struct actor *self) {
    static const struct grants roles = {
        are_roles, "an array of roles: strings, or {role, within} with a tenant"};
    static const struct grants permissions = {are_strings, "an array of strings"};
    struct text role_paths = rules->roles.length > 0 ? rules->roles : TEXT("roles");
    struct text permission_paths =
        rules->permissions.length > 0 ? rules->permissions : TEXT("permissions");
    return read_grants(reading, arena, role_paths, &roles, &self->roles) &&
           read_grants(reading, arena, permission_paths, &permissions, &self->permissions);
}

static bool read_attributes(const struct reading *reading, const struct js **out) {
    *out = js_find(reading->claims, TEXT("attributes"));
    return *out == NULL || js_is(*out, JS_OBJECT) || refuse(reading, "attributes", "an object");
}

/* "read transition" (RFC 8693 section 4.2). Names that are none of ours are for other programs. */
static unsigned scopes_of_words(struct text words) {
    unsigned scopes = 0;
    while (words.length > 0) {
        const char *space = memchr(words.bytes, ' ', words.length);
        size_t length = space != NULL ? (size_t)(space - words.bytes) : words.length;
        size_t used = space != NULL ? length + 1 : length;
        scopes |= scope_of_name((struct text){words.bytes, length});
        words = (struct text){words.bytes + used, words.length - used};
    }
    return scopes;
}

static unsigned scopes_of_strings(const struct js *strings) {
    unsigned scopes = 0;
    for (size_t i = 0; i < strings->array.count; i++) {
        scopes |= scope_of_name(js_text(strings->array.items[i]));
    }
    return scopes;
}

/* Without either claim the token grants what every user of an application needs. With one, however
 * empty, it grants what is named there and nothing else. */
static bool read_scopes(const struct reading *reading, unsigned *out) {
    const struct js *scope = js_find(reading->claims, TEXT("scope"));
    const struct js *scopes = js_find(reading->claims, TEXT("scopes"));
    *out = scope == NULL && scopes == NULL ? SCOPE_DEFAULT : 0;
    if (scope != NULL && !js_is(scope, JS_STRING) && !are_strings(scope)) {
        return refuse(reading, "scope", "a string or an array of strings");
    }
    if (scopes != NULL && !are_strings(scopes)) {
        return refuse(reading, "scopes", "an array of strings");
    }
    if (scope != NULL) {
        *out |= js_is(scope, JS_STRING) ? scopes_of_words(scope->string) : scopes_of_strings(scope);
    }
    *out |= scopes != NULL ? scopes_of_strings(scopes) : 0;
    return true;
}

bool web_token_claims_read(struct arena *arena, const struct js *claims,
                           const struct web_token_rules *rules, int64_t now_us, struct caller *out,
                           struct fault *fault) {
    struct reading reading = {claims, fault};
    struct actor *self = ARENA_NEW(arena, struct actor);
    *out = (struct caller){.kind = CALLER_TOKEN, .self = self};
    if (!check_times(&reading, rules->leeway_us, now_us) ||
        !check_issuer(&reading, rules->issuer, &out->issuer) ||
        !check_audience(&reading, rules->audience) || !read_subject(&reading, &self->id) ||
        !read_actor(&reading, arena, rules, self) ||
        !read_attributes(&reading, &self->attributes) || !read_scopes(&reading, &out->scopes)) {
        return false;
    }
    out->name = self->id;
    return true;
}
