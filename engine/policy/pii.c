/* pii.c: one walk over the value. Whatever holds nothing personal is shared, not copied. */
#include "policy/pii.h"

#include "base/digest.h"

#define KEY_BYTES_MOST 256

static const enum pii_action pii_actions[] = {PII_DROP, PII_HASH, PII_MASK_LAST4, PII_MASK_DOMAIN};

void pii_init(struct pii *pii, struct arena *arena) {
    *pii = (struct pii){.hash_key = TEXT_NONE};
    map_init(&pii->actions, arena);
}

static struct text lower(struct text text, char *out) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return (struct text){out, text.length};
}

bool pii_add(struct pii *pii, struct text key, enum pii_action action) {
    struct text name = lower(key, arena_alloc(pii->actions.arena, key.length + 1));
    const enum pii_action *old = map_find(&pii->actions, name);
    if (old != NULL) {
        return *old == action;
    }
    map_set(&pii->actions, name, (void *)(uintptr_t)&pii_actions[action]);
    pii->longest_key = key.length > pii->longest_key ? key.length : pii->longest_key;
    return true;
}

void pii_use_defaults(struct pii *pii) {
    static const char *const keys[] = {"password", "token", "secret",
                                       "api_key",  "ssn",   "credit_card"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        (void)!pii_add(pii, text_of(keys[i]), PII_DROP);
    }
}

/* NULL: nothing is said of this key. */
static const enum pii_action *action_of(const struct pii *pii, struct text key) {
    char bytes[KEY_BYTES_MOST];
    if (key.length > pii->longest_key || key.length > sizeof bytes) {
        return NULL;
    }
    return map_find(&pii->actions, lower(key, bytes));
}

/* --- what becomes of a text --- */

/* Where the last `count` characters begin; 0 when there are no more than that. */
static size_t last_characters(struct text text, size_t count) {
    size_t at = text.length;
    while (at > 0 && count > 0) {
        at--;
        count -= ((unsigned char)text.bytes[at] & 0xC0) != 0x80;
    }
    return at;
}

static struct text mask_last4(struct arena *arena, struct text text) {
    size_t start = last_characters(text, 4);
    if (start == 0) {
        return TEXT("****");
    }
    return text_print(arena, "****%.*s", (int)(text.length - start), text.bytes + start);
}

static struct text mask_domain(struct arena *arena, struct text text) {
    const char *at = memrchr(text.bytes, '@', text.length);
    if (at == NULL) {
        return TEXT("***");
    }
    return text_print(arena, "***%.*s", (int)(text.bytes + text.length - at), at);
}

static struct text keyed_hash(const struct pii *pii, struct arena *arena, struct text text) {
    unsigned char digest[DIGEST_BYTES];
    char *hex = arena_alloc(arena, DIGEST_HEX);
    digest_hmac(pii->hash_key, text, digest);
    digest_hex(digest, sizeof digest, hex);
    return (struct text){hex, DIGEST_HEX};
}

static struct text hidden(const struct pii *pii, struct arena *arena, enum pii_action action,
                          struct text text) {
    switch (action) {
    case PII_HASH:
        return keyed_hash(pii, arena, text);
    case PII_MASK_LAST4:
        return mask_last4(arena, text);
    case PII_MASK_DOMAIN:
        return mask_domain(arena, text);
    case PII_DROP:
        break;
    }
    return TEXT("");
}

/* --- what becomes of a value under a masked or hashed key: NULL when it goes --- */

static const struct js *hide(const struct pii *pii, struct arena *arena, enum pii_action action,
                             const struct js *value);

static const struct js *hide_items(const struct pii *pii, struct arena *arena,
                                   enum pii_action action, const struct js *array) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, array->array.count);
    size_t count = 0;
    for (size_t i = 0; i < array->array.count; i++) {
        const struct js *item = hide(pii, arena, action, array->array.items[i]);
        if (item != NULL) {
            items[count++] = item;
        }
    }
    return js_array(arena, items, count);
}

static const struct js *hide(const struct pii *pii, struct arena *arena, enum pii_action action,
                             const struct js *value) {
    switch (value->type) {
    case JS_NULL:
        return value;
    case JS_STRING:
        return js_string(arena, hidden(pii, arena, action, value->string));
    case JS_FALSE:
    case JS_TRUE:
    case JS_INTEGER:
    case JS_REAL:
        return js_string(arena, hidden(pii, arena, action, js_print(arena, value)));
    case JS_ARRAY:
        return hide_items(pii, arena, action, value);
    case JS_OBJECT:
        return NULL;
    }
    return NULL;
}

/* --- the walk --- */

static const struct js *clean_string(const struct pii *pii, struct arena *arena,
                                     const struct js *value) {
    struct text text = redact(arena, value->string, pii->patterns);
    return text.bytes == value->string.bytes ? value : js_string(arena, text);
}

static const struct js *clean_array(const struct pii *pii, struct arena *arena,
                                    const struct js *array) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, array->array.count);
    bool same = true;
    for (size_t i = 0; i < array->array.count; i++) {
        items[i] = pii_clean(pii, arena, array->array.items[i]);
        same = same && items[i] == array->array.items[i];
    }
    return same ? array : js_array(arena, items, array->array.count);
}

/* NULL when the member goes. */
static const struct js *clean_member(const struct pii *pii, struct arena *arena,
                                     const struct js_member *member) {
    const enum pii_action *action = action_of(pii, member->key);
    if (action == NULL) {
        return pii_clean(pii, arena, member->value);
    }
    return *action == PII_DROP ? NULL : hide(pii, arena, *action, member->value);
}

static const struct js *clean_object(const struct pii *pii, struct arena *arena,
                                     const struct js *object) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, object->object.count);
    size_t count = 0;
    bool same = true;
    for (size_t i = 0; i < object->object.count; i++) {
        const struct js_member *member = &object->object.members[i];
        struct js_member clean = {redact(arena, member->key, pii->patterns),
                                  clean_member(pii, arena, member)};
        same = same && clean.value == member->value && clean.key.bytes == member->key.bytes;
        if (clean.value != NULL) {
            members[count++] = clean;
        }
    }
    return same ? object : js_object(arena, members, count);
}

const struct js *pii_clean(const struct pii *pii, struct arena *arena, const struct js *value) {
    if (js_is(value, JS_STRING)) {
        return clean_string(pii, arena, value);
    }
    if (js_is(value, JS_ARRAY)) {
        return clean_array(pii, arena, value);
    }
    return js_is(value, JS_OBJECT) ? clean_object(pii, arena, value) : value;
}
