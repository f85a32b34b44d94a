/* js_diff.c: the merge patch that leads from one value to another. Both lists of members are
 * sorted, so one walk over the two finds what differs; what is shared is not looked into. */
#include "base/js.h"

static const struct js *diff(struct arena *arena, const struct js *before, const struct js *after);

/* A null member counts as absent: a merge patch cannot tell the two apart. */
static const struct js *present(const struct js *value) {
    return js_is(value, JS_NULL) ? NULL : value;
}

/* Equal, and of equal bytes: beyond 2^53 an integer and the real that it equals are spelled apart.
 */
static bool is_same(struct arena *arena, const struct js *before, const struct js *after) {
    return before != NULL && before->type == after->type && js_equal(before, after) &&
           (after->type != JS_ARRAY || text_equal(js_print(arena, before), js_print(arena, after)));
}

/* What the patch says of one key; NULL: nothing, since both are alike. */
static const struct js *change(struct arena *arena, const struct js *before,
                               const struct js *after) {
    before = present(before);
    after = present(after);
    if (before == after) {
        return NULL;
    }
    if (after == NULL) {
        return &js_null;
    }
    if (!js_is(after, JS_OBJECT)) {
        return is_same(arena, before, after) ? NULL : after;
    }
    const struct js *inner = diff(arena, before, after);
    return js_is(before, JS_OBJECT) && inner->object.count == 0 ? NULL : inner;
}

static const struct js_member *member_at(const struct js *object, size_t at) {
    return js_is(object, JS_OBJECT) && at < object->object.count ? &object->object.members[at]
                                                                 : NULL;
}

static int order_of(const struct js_member *left, const struct js_member *right) {
    if (left == NULL || right == NULL) {
        return left == NULL ? 1 : -1;
    }
    return js_key_order(left->key, right->key);
}

/* `after` is an object; anything but an object before it is replaced. */
static const struct js *diff(struct arena *arena, const struct js *before, const struct js *after) {
    size_t most = after->object.count + (js_is(before, JS_OBJECT) ? before->object.count : 0);
    struct js_member *members = NULL;
    size_t count = 0, left = 0, right = 0;
    while (left + right < most) {
        const struct js_member *old = member_at(before, left), *new = member_at(after, right);
        int order = order_of(old, new);
        const struct js *value =
            change(arena, order <= 0 ? old->value : NULL, order >= 0 ? new->value : NULL);
        if (value != NULL) {
            members = members != NULL ? members : ARENA_ARRAY(arena, struct js_member, most);
            members[count++] = (struct js_member){order <= 0 ? old->key : new->key, value};
        }
        left += order <= 0;
        right += order >= 0;
    }
    return count > 0 ? js_object(arena, members, count) : &js_empty_object;
}

const struct js *js_diff(struct arena *arena, const struct js *before, const struct js *after) {
    after = js_is(after, JS_OBJECT) ? after : &js_empty_object;
    return before == after ? &js_empty_object : diff(arena, before, after);
}
