/* scope.c: the one table of scopes. */
#include "identity/scope.h"

struct scope_row {
    enum scope scope;
    struct text name;
};
static const struct scope_row scope_rows[] = {
    {SCOPE_READ, {"read", 4}},     {SCOPE_TRANSITION, {"transition", 10}},
    {SCOPE_ACT_AS, {"act_as", 6}}, {SCOPE_SYSTEM, {"system", 6}},
    {SCOPE_AUDIT, {"audit", 5}},   {SCOPE_ADMIN, {"admin", 5}},
};
#define SCOPE_COUNT (sizeof scope_rows / sizeof scope_rows[0])

struct text scope_name(enum scope scope) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (scope_rows[i].scope == scope) {
            return scope_rows[i].name;
        }
    }
    return TEXT_NONE;
}

unsigned scope_of_name(struct text name) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (text_equal(scope_rows[i].name, name)) {
            return scope_rows[i].scope;
        }
    }
    return 0;
}

#define SCOPE_LIST "the scopes are read, transition, act_as, system, audit and admin"

static bool refuse_scope(struct text name, struct fault *fault) {
    struct text known[SCOPE_COUNT];
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        known[i] = scope_rows[i].name;
    }
    struct text nearest = text_nearest(name, known, SCOPE_COUNT);
    if (name.length == 0) {
        return fault_set(fault, FAULT_USAGE, "a scope is missing; " SCOPE_LIST);
    }
    return fault_set(fault, FAULT_USAGE, "there is no scope '%.*s'%s%.*s%s; " SCOPE_LIST,
                     TEXT_ARGS(name), text_given(nearest) ? " (did you mean '" : "",
                     TEXT_ARGS(nearest), text_given(nearest) ? "'?)" : "");
}

static struct text trim(struct text text) {
    while (text.length > 0 && text.bytes[0] == ' ') {
        text = (struct text){text.bytes + 1, text.length - 1};
    }
    while (text.length > 0 && text.bytes[text.length - 1] == ' ') {
        text.length--;
    }
    return text;
}

/* Cuts the part before the next comma off the list; the list is TEXT_NONE after the last part. */
static struct text next_part(struct text *list) {
    const char *comma = list->length > 0 ? memchr(list->bytes, ',', list->length) : NULL;
    struct text part = *list;
    if (comma == NULL) {
        *list = TEXT_NONE;
    } else {
        part.length = (size_t)(comma - list->bytes);
        *list = (struct text){comma + 1, list->length - part.length - 1};
    }
    return trim(part);
}

bool scope_parse(struct text list, unsigned *scopes, struct fault *fault) {
    *scopes = 0;
    while (text_given(list)) {
        struct text name = next_part(&list);
        unsigned scope = scope_of_name(name);
        if (scope == 0) {
            return refuse_scope(name, fault);
        }
        *scopes |= scope;
    }
    return *scopes != 0 || refuse_scope(TEXT(""), fault);
}
