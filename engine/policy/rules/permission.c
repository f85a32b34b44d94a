/* permission.c: an expression is a small tree, so each question is one walk. */
#include "policy/rules/permission.h"

/* --- asking --- */

static enum answer answer_of_items(const struct permission *permission,
                                   const struct permission_view *view) {
    enum answer settles = permission->kind == PERMISSION_ALL ? ANSWER_NO : ANSWER_YES;
    enum answer otherwise = permission->kind == PERMISSION_ALL ? ANSWER_YES : ANSWER_NO;
    bool is_open = false;
    for (size_t i = 0; i < permission->count; i++) {
        enum answer answer = permission_answer(&permission->items[i], view);
        if (answer == settles) {
            return settles;
        }
        is_open = is_open || answer == ANSWER_OPEN;
    }
    return is_open ? ANSWER_OPEN : otherwise;
}

enum answer permission_answer(const struct permission *permission,
                              const struct permission_view *view) {
    switch (permission->kind) {
    case PERMISSION_NAME:
        return view->name(view->context, permission->name);
    case PERMISSION_FUNCTION:
        return view->functions != NULL ? view->functions[permission->function] : ANSWER_OPEN;
    case PERMISSION_ALL:
    case PERMISSION_ANY:
        return answer_of_items(permission, view);
    }
    return ANSWER_NO;
}

/* --- what is missing --- */

static bool has_text(const struct js *array, struct text text) {
    for (size_t i = 0; i < array->array.count; i++) {
        if (text_equal(array->array.items[i]->string, text)) {
            return true;
        }
    }
    return false;
}

static const struct js *add_missing(struct arena *arena, const struct permission *permission,
                                    const struct permission_view *view, const struct js *missing) {
    if (permission_answer(permission, view) != ANSWER_NO) {
        return missing;
    }
    if (permission->kind == PERMISSION_NAME && !has_text(missing, permission->name)) {
        return js_append(arena, missing, js_string(arena, permission->name));
    }
    for (size_t i = 0; i < permission->count; i++) {
        missing = add_missing(arena, &permission->items[i], view, missing);
    }
    return missing;
}

const struct js *permission_missing(struct arena *arena, const struct permission *permission,
                                    const struct permission_view *view) {
    return permission == NULL ? &js_empty_array
                              : add_missing(arena, permission, view, &js_empty_array);
}

/* --- phrases --- */

/* How a phrase is made. */
struct phrasing {
    struct arena *arena;
    const struct permission_view *view; /* NULL: everything is said, else what is missing */
};

static struct text phrase_of(const struct phrasing *phrasing, const struct permission *permission,
                             bool is_nested);

static struct text phrase_of_items(const struct phrasing *phrasing,
                                   const struct permission *permission, bool is_nested) {
    struct buffer buffer;
    size_t said = 0;
    const char *between = permission->kind == PERMISSION_ANY ? " or " : is_nested ? " and " : ", ";
    buffer_init(&buffer, phrasing->arena);
    for (size_t i = 0; i < permission->count; i++) {
        bool is_alone = permission->count == 1 && !is_nested;
        struct text part = phrase_of(phrasing, &permission->items[i], !is_alone);
        if (part.length > 0) {
            buffer_print(&buffer, "%s%.*s", said > 0 ? between : "", TEXT_ARGS(part));
            said++;
        }
    }
    struct text list = buffer_view(&buffer);
    return is_nested && said > 1 ? text_print(phrasing->arena, "(%.*s)", TEXT_ARGS(list)) : list;
}

static struct text phrase_of(const struct phrasing *phrasing, const struct permission *permission,
                             bool is_nested) {
    bool is_whole = phrasing->view == NULL;
    if (!is_whole && permission_answer(permission, phrasing->view) != ANSWER_NO) {
        return TEXT("");
    }
    switch (permission->kind) {
    case PERMISSION_NAME:
        return is_whole ? permission->name
                        : text_print(phrasing->arena, "'%.*s'", TEXT_ARGS(permission->name));
    case PERMISSION_FUNCTION:
        return is_whole ? TEXT("by function") : TEXT("");
    case PERMISSION_ALL:
    case PERMISSION_ANY:
        return phrase_of_items(phrasing, permission, is_nested);
    }
    return TEXT("");
}

struct text permission_missing_phrase(struct arena *arena, const struct permission *permission,
                                      const struct permission_view *view) {
    const struct phrasing phrasing = {arena, view};
    return permission != NULL ? phrase_of(&phrasing, permission, false) : TEXT("");
}

struct text permission_phrase(struct arena *arena, const struct permission *permission) {
    const struct phrasing phrasing = {arena, NULL};
    return permission != NULL ? phrase_of(&phrasing, permission, false) : TEXT("");
}

/* --- JSON --- */

static const struct js *pair(struct arena *arena, struct text key, const struct js *value) {
    struct js_member *member = ARENA_NEW(arena, struct js_member);
    *member = (struct js_member){key, value};
    return js_object(arena, member, 1);
}

static const struct js *items_json(struct arena *arena, const struct permission *permission) {
    const struct js **items = ARENA_ARRAY(arena, const struct js *, permission->count);
    for (size_t i = 0; i < permission->count; i++) {
        items[i] = permission_json(arena, &permission->items[i]);
    }
    return js_array(arena, items, permission->count);
}

const struct js *permission_json(struct arena *arena, const struct permission *permission) {
    if (permission == NULL) {
        return NULL;
    }
    switch (permission->kind) {
    case PERMISSION_NAME:
        return js_string(arena, permission->name);
    case PERMISSION_FUNCTION:
        return pair(arena, TEXT("function"), &js_true);
    case PERMISSION_ALL:
        return pair(arena, TEXT("all"), items_json(arena, permission));
    case PERMISSION_ANY:
        return pair(arena, TEXT("any"), items_json(arena, permission));
    }
    return NULL;
}
