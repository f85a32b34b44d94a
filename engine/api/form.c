/* form.c: one reader a kind of value; every refusal goes through `expected`, so they read alike. */
#include "api/form.h"

#include "model/entity.h"
#include "model/grant.h"

static const struct js *member_of(const struct form *form, const char *key) {
    const struct js *value = js_find(form->object, text_of(key));
    return js_is(value, JS_NULL) ? NULL : value;
}

static const char *dot(const struct form *form) {
    return form->where[0] != '\0' ? "." : "";
}

static bool expected(const struct form *form, const char *key, const char *what,
                     const struct js *value) {
    return fault_set(form->fault, FAULT_BAD_REQUEST, "%s%s%s: expected %s, not %s", form->where,
                     dot(form), key, what, js_type_name(value));
}

static bool is_known(struct text key, const char *const *keys) {
    for (; *keys != NULL; keys++) {
        if (text_equal(key, text_of(*keys))) {
            return true;
        }
    }
    return false;
}

static bool unknown(const struct form *form, struct text key, const char *const *keys) {
    struct text candidates[32];
    size_t count = 0;
    for (; count < 32 && keys[count] != NULL; count++) {
        candidates[count] = text_of(keys[count]);
    }
    struct text near = text_nearest(key, candidates, count);
    int shown = key.length > 60 ? 60 : (int)key.length;
    if (text_given(near)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST, "%s%s%.*s: unknown; did you mean '%.*s'?",
                         form->where, dot(form), shown, key.bytes, TEXT_ARGS(near));
    }
    return fault_set(form->fault, FAULT_BAD_REQUEST, "%s%s%.*s: unknown", form->where, dot(form),
                     shown, key.bytes);
}

bool form_known(const struct form *form, const char *const *keys) {
    for (size_t i = 0; form->object != NULL && i < form->object->object.count; i++) {
        struct text key = form->object->object.members[i].key;
        if (!is_known(key, keys)) {
            return unknown(form, key, keys);
        }
    }
    return true;
}

bool form_text(const struct form *form, const char *key, size_t most_bytes, struct text *out) {
    const struct js *value = member_of(form, key);
    if (value == NULL) {
        return true;
    }
    if (!js_is(value, JS_STRING)) {
        return expected(form, key, "a string", value);
    }
    if (value->string.length > most_bytes) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "%s%s%s: %zu bytes are too many; at most %zu are allowed", form->where,
                         dot(form), key, value->string.length, most_bytes);
    }
    *out = value->string;
    return true;
}

bool form_integer(const struct form *form, const char *key, int64_t least, int64_t most,
                  int64_t *out) {
    const struct js *value = member_of(form, key);
    if (value == NULL) {
        return true;
    }
    if (!js_is(value, JS_INTEGER)) {
        return expected(form, key, "an integer", value);
    }
    if (value->integer < least || value->integer > most) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "%s%s%s: expected an integer from %lld to %lld, not %lld", form->where,
                         dot(form), key, (long long)least, (long long)most,
                         (long long)value->integer);
    }
    *out = value->integer;
    return true;
}

bool form_version(const struct form *form, const char *key, struct attempt *attempt) {
    int64_t version = 0;
    if (!form_integer(form, key, 1, INT64_MAX, &version)) {
        return false;
    }
    if (version != 0) {
        int64_t *only = ARENA_NEW(form->arena, int64_t);
        *only = version;
        attempt->if_versions = only;
        attempt->if_version_count = 1;
    }
    return true;
}

bool form_bool(const struct form *form, const char *key, bool *out) {
    const struct js *value = member_of(form, key);
    if (value == NULL) {
        return true;
    }
    if (!js_is_bool(value)) {
        return expected(form, key, "true or false", value);
    }
    *out = js_is(value, JS_TRUE);
    return true;
}

bool form_object(const struct form *form, const char *key, const struct js **out) {
    const struct js *value = member_of(form, key);
    if (value != NULL && !js_is(value, JS_OBJECT)) {
        return expected(form, key, "an object", value);
    }
    *out = value != NULL ? value : *out;
    return true;
}

bool form_texts(const struct form *form, const char *key, const struct js **out) {
    const struct js *value = member_of(form, key);
    if (value == NULL) {
        return true;
    }
    if (!js_is(value, JS_ARRAY)) {
        return expected(form, key, "an array of strings", value);
    }
    for (size_t i = 0; i < value->array.count; i++) {
        if (!js_is(value->array.items[i], JS_STRING)) {
            return expected(form, key, "an array of strings only", value->array.items[i]);
        }
    }
    *out = value;
    return true;
}

bool form_roles(const struct form *form, const char *key, const struct js **out) {
    const struct js *value = member_of(form, key);
    if (value == NULL) {
        return true;
    }
    if (!js_is(value, JS_ARRAY)) {
        return expected(form, key, "an array of roles", value);
    }
    for (size_t i = 0; i < value->array.count; i++) {
        struct text refusal = held_role_refusal(value->array.items[i]);
        if (text_given(refusal)) {
            return fault_set(form->fault, FAULT_BAD_REQUEST, "%s%s%s: each item %.*s", form->where,
                             dot(form), key, TEXT_ARGS(refusal));
        }
    }
    *out = value;
    return true;
}

static bool read_actor(const struct form *form, struct actor *actor) {
    static const char *const keys[] = {"id", "roles", "permissions", "attributes", NULL};
    return form_known(form, keys) && form_text(form, "id", ENTITY_ID_MOST, &actor->id) &&
           form_roles(form, "roles", &actor->roles) &&
           form_texts(form, "permissions", &actor->permissions) &&
           form_object(form, "attributes", &actor->attributes);
}

bool form_actor(const struct form *form, const char *key, const struct actor **out) {
    const struct js *object = NULL;
    if (!form_object(form, key, &object) || object == NULL) {
        return form->fault->code == FAULT_NONE;
    }
    struct form inner = {form->arena, object, key, form->fault};
    struct actor *actor = ARENA_NEW(form->arena, struct actor);
    if (!read_actor(&inner, actor)) {
        return false;
    }
    if (!text_given(actor->id) || !entity_is_id(actor->id)) {
        return fault_set(form->fault, FAULT_BAD_REQUEST,
                         "%s.id: expected a name of 1 to %d characters", key, ENTITY_ID_MOST);
    }
    *out = actor;
    return true;
}
