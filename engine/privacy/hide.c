/* hide.c: what becomes of a text under a masked or hashed key. */
#include "privacy/pii.h"

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

struct text pii_hide(const struct keyring *keyring, struct arena *arena, enum pii_action action,
                     struct text text, bool again) {
    switch (action) {
    case PII_HASH:
        return keyring_has_made(keyring, text, again)
                   ? text
                   : keyring_hash(&keyring->keys[0], arena, text);
    case PII_MASK_LAST4:
        return mask_last4(arena, text);
    case PII_MASK_DOMAIN:
        return mask_domain(arena, text);
    case PII_DROP:
    case PII_NONE:
        break;
    }
    return TEXT("");
}
