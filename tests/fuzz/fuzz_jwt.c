/* fuzz_jwt.c: any bytes as a token, whose signature is then made right, so that the claims
 * are read too. Whoever is let in has a name and no scope that does not exist; and the same bytes
 * without the right signature let nobody in. */
#include <stdint.h>
#include <stdlib.h>

#include "base/digest.h"
#include "identity/jwt.h"
#include "model/entity.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define SET                                                                                        \
    TEXT("{\"keys\":[{\"kty\":\"oct\",\"k\":"                                                      \
         "\"YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgbm8gbGVzcw\"}]}")
#define SECRET TEXT("a secret of thirty-two bytes, no less")
#define NOW_US INT64_C(1764000000000000)

static bool check(struct arena *arena, struct text token, struct caller *caller) {
    struct web_token_rules rules = {.leeway_us = 60000000};
    struct jwk_set set;
    struct fault fault = FAULT_INIT;
    if (!jwk_set_parse(arena, SET, &set)) {
        abort();
    }
    bool valid = web_token_check(&set, NULL, &rules, arena, token, NOW_US, caller, &fault);
    if (valid == (fault.code == FAULT_INVALID_TOKEN)) {
        abort();
    }
    return valid;
}

static struct text with_signature(struct arena *arena, struct text input) {
    unsigned char mac[DIGEST_BYTES];
    char encoded[64];
    digest_hmac(SECRET, input, mac);
    size_t length = digest_base64url(mac, sizeof mac, encoded);
    return text_print(arena, "%.*s.%.*s", TEXT_ARGS(input), (int)length, encoded);
}

static void check_caller(const struct caller *caller) {
    if (caller->kind != CALLER_TOKEN || !entity_is_id(caller->name) ||
        (caller->scopes & ~(unsigned)SCOPE_ALL) != 0 || caller->self == NULL ||
        !js_is(caller->self->roles, JS_ARRAY) || !js_is(caller->self->permissions, JS_ARRAY)) {
        abort();
    }
}

/* The input is a whole token, of which the signature is replaced, or header and claims in JSON with
 * a line end between them. */
static struct text input_of(struct arena *arena, struct text text) {
    const char *line = text.length > 0 ? memchr(text.bytes, '\n', text.length) : NULL;
    const char *dot = text.length > 0 ? memrchr(text.bytes, '.', text.length) : NULL;
    if (line == NULL) {
        return (struct text){text.bytes, dot != NULL ? (size_t)(dot - text.bytes) : text.length};
    }
    size_t head = (size_t)(line - text.bytes), rest = text.length - head - 1;
    char *encoded = arena_alloc(arena, 2 * text.length + 8);
    size_t length = digest_base64url((const unsigned char *)text.bytes, head, encoded);
    encoded[length++] = '.';
    length += digest_base64url((const unsigned char *)line + 1, rest, encoded + length);
    return (struct text){encoded, length};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct arena arena;
    struct caller caller;
    struct text text = {(const char *)bytes, length};
    arena_init(&arena, 0);
    if (check(&arena, text, &caller)) {
        check_caller(&caller);
    }
    if (memchr(bytes, '\0', length) == NULL &&
        check(&arena, with_signature(&arena, input_of(&arena, text)), &caller)) {
        check_caller(&caller);
    }
    arena_deinit(&arena);
    return 0;
}
