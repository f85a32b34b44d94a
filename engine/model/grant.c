#include "model/grant.h"

static struct text after(struct text text, size_t count) {
    return (struct text){text.bytes + count, text.length - count};
}

bool held_role_read(const struct js *item, struct held_role *out) {
    if (text_given(held_role_refusal(item))) {
        return false;
    }
    *out = (struct held_role){js_text(item), TEXT_NONE};
    if (js_is(item, JS_OBJECT)) {
        *out = (struct held_role){js_text(js_find(item, TEXT("role"))),
                                  js_text(js_find(item, TEXT("within")))};
    }
    return true;
}

/* One star, and that after a slash at the end of something. */
static bool is_scope(struct text within) {
    const char *star = memchr(within.bytes, '*', within.length);
    bool is_below = within.length > 2 && text_ends(within, TEXT("/*")) &&
                    star == within.bytes + within.length - 1;
    return within.length > 0 && within.length <= GRANT_WITHIN_MOST && (star == NULL || is_below);
}

struct text held_role_refusal(const struct js *item) {
    if (js_is(item, JS_STRING)) {
        return TEXT_NONE;
    }
    struct text role = js_text(js_find(item, TEXT("role")));
    struct text within = js_text(js_find(item, TEXT("within")));
    if (!js_is(item, JS_OBJECT) || !text_given(role) || !text_given(within) ||
        item->object.count != 2) {
        return TEXT("must be the name of a role, or {\"role\": NAME, \"within\": TENANT}");
    }
    if (!is_scope(within)) {
        return TEXT("must have a tenant as `within`, such as \"acme\", or all below one, "
                    "\"acme/*\"; a role that counts everywhere is its name alone");
    }
    return TEXT_NONE;
}

static const struct js *role_of_name(struct arena *arena, struct text name) {
    const char *at = memchr(name.bytes, '@', name.length);
    if (at == NULL) {
        return js_string(arena, name);
    }
    size_t length = (size_t)(at - name.bytes);
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 2);
    members[0] =
        (struct js_member){TEXT("role"), js_string(arena, (struct text){name.bytes, length})};
    members[1] = (struct js_member){TEXT("within"), js_string(arena, after(name, length + 1))};
    return js_object(arena, members, 2);
}

const struct js *held_roles_of_names(struct arena *arena, const struct js *names) {
    const struct js **roles = ARENA_ARRAY(arena, const struct js *, names->array.count);
    for (size_t i = 0; i < names->array.count; i++) {
        roles[i] = role_of_name(arena, js_text(names->array.items[i]));
    }
    return js_array(arena, roles, names->array.count);
}

bool grant_reaches(struct text scope, struct text place) {
    if (!text_given(scope) || !text_given(place)) {
        return !text_given(scope);
    }
    if (scope.bytes[scope.length - 1] != '*') {
        return text_equal(scope, place);
    }
    struct text above = {scope.bytes, scope.length - 1};
    return place.length > above.length && text_starts(place, above);
}

struct text grant_refused(struct text permission) {
    if (text_starts(permission, TEXT("!")) || text_starts(permission, TEXT("-"))) {
        return after(permission, 1);
    }
    return text_starts(permission, TEXT("deny:")) ? after(permission, 5) : TEXT_NONE;
}
