/* caller.c: names of keys have no control characters (token.c), nor have subjects and issuers
 * (jwt_claims.c). So no key's name begins like a token's identity, and the tab between its
 * parts stands where one of them ends. */
#include "identity/caller.h"

struct text caller_identity(struct arena *arena, const struct caller *caller) {
    if (caller->kind != CALLER_TOKEN) {
        return caller->name;
    }
    return text_print(arena, "token\t%.*s\t%.*s", TEXT_ARGS(caller->issuer),
                      TEXT_ARGS(caller->name));
}

bool caller_reaches(const struct caller *caller, struct text machine) {
    const struct js *machines = caller->machines;
    for (size_t i = 0; machines != NULL && i < machines->array.count; i++) {
        if (text_equal(js_text(machines->array.items[i]), machine)) {
            return true;
        }
    }
    return machines == NULL;
}

const char *caller_noun(const struct caller *caller) {
    switch (caller->kind) {
    case CALLER_ANYBODY:
        return "caller";
    case CALLER_KEY:
        return "API key";
    case CALLER_TOKEN:
        return "token of";
    }
    return "caller";
}
