/* roles.c: inheritance is worked out once, at load: then a question is a walk over short lists. */
#include "policy/rules/roles.h"

#include "model/grant.h"

#include <stdlib.h>

#define PERMISSION_MOST 200 /* bytes, as declare/check.c has it */

bool policy_grants(struct text granted, struct text permission) {
    if (granted.length == 0 || granted.bytes[granted.length - 1] != '*') {
        return text_equal(granted, permission);
    }
    struct text prefix = {granted.bytes, granted.length - 1};
    bool is_prefix = prefix.length == 0 || prefix.bytes[prefix.length - 1] == '.';
    return is_prefix && permission.length > prefix.length && text_starts(permission, prefix);
}

const struct js *texts_json(struct arena *arena, const struct text *items, size_t count) {
    const struct js **strings = ARENA_ARRAY(arena, const struct js *, count);
    for (size_t i = 0; i < count; i++) {
        strings[i] = js_string(arena, items[i]);
    }
    return js_array(arena, strings, count);
}

/* --- lists in byte order --- */

static bool list_has_item(struct text_list list, struct text item) {
    size_t low = 0, high = list.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(list.items[middle], item);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

/* Whether "a.b.c" is in a list, as itself or by "a.b.*", "a.*" or "*". */
static bool list_has(struct text_list list, struct text permission) {
    char wildcard[PERMISSION_MOST + 2];
    if (list.count == 0 || permission.length == 0 || permission.length > PERMISSION_MOST) {
        return false;
    }
    if (list_has_item(list, permission)) {
        return true;
    }
    for (size_t i = 0; i < permission.length; i++) {
        wildcard[i] = permission.bytes[i];
        bool is_prefix = permission.bytes[i] == '.' && i + 1 < permission.length;
        wildcard[i + 1] = '*';
        if (is_prefix && list_has_item(list, (struct text){wildcard, i + 2})) {
            return true;
        }
    }
    return list_has_item(list, TEXT("*"));
}

/* --- building --- */

void roles_add(struct roles *roles, struct arena *arena, const struct role *role,
               struct problem_list *problems) {
    for (size_t i = 0; i < roles->count; i++) {
        const struct role *old = &roles->items[i];
        if (text_equal(old->name, role->name)) {
            problem_add(problems, role->file, role->line,
                        text_print(problems->arena,
                                   "the role '%.*s' is declared twice: here and at %.*s:%d",
                                   TEXT_ARGS(role->name), TEXT_ARGS(old->file), old->line));
            return;
        }
    }
    if (roles->count == roles->capacity) {
        roles->capacity = roles->capacity == 0 ? 16 : roles->capacity * 2;
        struct role *items = ARENA_ARRAY(arena, struct role, roles->capacity);
        if (roles->count > 0) {
            memcpy(items, roles->items, roles->count * sizeof *items);
        }
        roles->items = items;
    }
    roles->items[roles->count++] = *role;
}

static int by_name(const void *a, const void *b) {
    return text_compare(((const struct role *)a)->name, ((const struct role *)b)->name);
}

static int by_bytes(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static struct role *role_of(const struct roles *roles, struct text name) {
    size_t low = 0, high = roles->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(roles->items[middle].name, name);
        if (order == 0) {
            return &roles->items[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

/* --- expansion: a depth-first walk; a role met again while it is being walked closes a circle ---
 */

enum mark { UNSEEN, WALKING, DONE };

struct expansion {
    struct roles *roles;
    struct arena *arena;
    struct problem_list *problems;
    enum mark *marks; /* by role */
};

static void report_unknown(struct expansion *expansion, const struct role *role,
                           struct text parent) {
    struct arena *arena = expansion->problems->arena;
    struct text *names = ARENA_ARRAY(arena, struct text, expansion->roles->count);
    for (size_t i = 0; i < expansion->roles->count; i++) {
        names[i] = expansion->roles->items[i].name;
    }
    struct text hint = problem_hint(arena, parent, names, expansion->roles->count);
    problem_add(expansion->problems, role->file, role->line,
                text_print(arena, "roles: %.*s.inherits: there is no role '%.*s'%.*s",
                           TEXT_ARGS(role->name), TEXT_ARGS(parent), TEXT_ARGS(hint)));
}

static void report_circle(struct expansion *expansion, const struct role *role,
                          struct text parent) {
    problem_add(expansion->problems, role->file, role->line,
                text_print(expansion->problems->arena,
                           "roles: %.*s.inherits: '%.*s' goes round in a circle",
                           TEXT_ARGS(role->name), TEXT_ARGS(parent)));
}

static size_t without_doubles(struct text *items, size_t count) {
    size_t kept = 0;
    if (count > 1) {
        qsort(items, count, sizeof *items, by_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !text_equal(items[kept - 1], items[i])) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

static size_t append(struct text *to, size_t count, const struct text *from, size_t from_count) {
    if (from_count > 0) {
        memcpy(to + count, from, from_count * sizeof *to);
    }
    return count + from_count;
}

/* Which of a role's lists. */
typedef const struct text_list *list_of_role(const struct role *role);

static const struct text_list *granted_of(const struct role *role) {
    return &role->granted;
}

static const struct text_list *except_of(const struct role *role) {
    return &role->except;
}

/* `own` and what the roles above have in the same list; false when that is too much. */
static bool gather(const struct expansion *expansion, const struct role *role, struct text_list own,
                   list_of_role *list, struct text_list *out) {
    size_t most = own.count;
    for (size_t i = 0; i < role->inherit_count; i++) {
        const struct role *parent = role_of(expansion->roles, role->inherits[i]);
        most += parent != NULL ? list(parent)->count : 0;
    }
    if (most > ROLE_GRANTS_MOST) {
        return false;
    }
    struct text *items = ARENA_ARRAY(expansion->arena, struct text, most);
    size_t count = append(items, 0, own.items, own.count);
    for (size_t i = 0; i < role->inherit_count; i++) {
        const struct role *parent = role_of(expansion->roles, role->inherits[i]);
        if (parent != NULL) {
            count = append(items, count, list(parent)->items, list(parent)->count);
        }
    }
    *out = (struct text_list){items, without_doubles(items, count)};
    return true;
}

/* A role that lists what it does not grant is a contradiction, and somebody relies on either half.
 */
static void report_contradictions(struct expansion *expansion, const struct role *role) {
    for (size_t i = 0; i < role->own.count; i++) {
        struct text own = role->own.items[i];
        bool is_name = memchr(own.bytes, '*', own.length) == NULL;
        if (is_name && list_has(role->except, own)) {
            problem_add(expansion->problems, role->file, role->line,
                        text_print(expansion->problems->arena,
                                   "roles: %.*s: it lists '%.*s', but `except`, its own or that of "
                                   "a role it inherits, takes it away; grant it by another role",
                                   TEXT_ARGS(role->name), TEXT_ARGS(own)));
        }
    }
}

static void gather_all(struct expansion *expansion, struct role *role) {
    if (gather(expansion, role, role->own, granted_of, &role->granted) &&
        gather(expansion, role, role->own_except, except_of, &role->except)) {
        report_contradictions(expansion, role);
        return;
    }
    problem_add(expansion->problems, role->file, role->line,
                text_print(expansion->problems->arena,
                           "roles: %.*s: there are more than %d permissions, with what it "
                           "inherits",
                           TEXT_ARGS(role->name), ROLE_GRANTS_MOST));
}

static void expand(struct expansion *expansion, struct role *role) {
    enum mark *mark = &expansion->marks[role - expansion->roles->items];
    *mark = WALKING;
    for (size_t i = 0; i < role->inherit_count; i++) {
        struct role *parent = role_of(expansion->roles, role->inherits[i]);
        if (parent == NULL) {
            report_unknown(expansion, role, role->inherits[i]);
            continue;
        }
        enum mark parents_mark = expansion->marks[parent - expansion->roles->items];
        if (parents_mark == WALKING) {
            report_circle(expansion, role, role->inherits[i]);
        } else if (parents_mark == UNSEEN) {
            expand(expansion, parent);
        }
    }
    gather_all(expansion, role);
    *mark = DONE;
}

void roles_expand(struct roles *roles, struct arena *arena, struct problem_list *problems) {
    struct expansion expansion = {roles, arena, problems,
                                  ARENA_ARRAY(arena, enum mark, roles->count)};
    if (roles->count > 1) {
        qsort(roles->items, roles->count, sizeof *roles->items, by_name);
    }
    for (size_t i = 0; i < roles->count; i++) {
        if (expansion.marks[i] == UNSEEN) {
            expand(&expansion, &roles->items[i]);
        }
    }
}

/* --- asking --- */

static bool list_grants(const struct js *permissions, struct text permission) {
    for (size_t i = 0; js_is(permissions, JS_ARRAY) && i < permissions->array.count; i++) {
        struct text granted = js_text(permissions->array.items[i]);
        if (text_given(granted) && policy_grants(granted, permission)) {
            return true;
        }
    }
    return false;
}

bool role_permits(const struct role *role, struct text permission) {
    return list_has(role->granted, permission) && !list_has(role->except, permission);
}

static bool role_named_permits(const struct roles *roles, struct text name,
                               struct text permission) {
    const struct role *role = role_of(roles, name);
    return role != NULL && role_permits(role, permission);
}

bool roles_permit(const struct roles *roles, const struct actor *actor, struct text within,
                  struct text permission) {
    if (actor == NULL) {
        return false;
    }
    if (list_grants(actor->permissions, permission)) {
        return true;
    }
    for (size_t i = 0; js_is(actor->roles, JS_ARRAY) && i < actor->roles->array.count; i++) {
        struct held_role held;
        if (held_role_read(actor->roles->array.items[i], &held) &&
            grant_reaches(held.within, within) &&
            role_named_permits(roles, held.name, permission)) {
            return true;
        }
    }
    return false;
}

static const struct js *role_json(struct arena *arena, const struct role *role) {
    const struct js *granted = texts_json(arena, role->granted.items, role->granted.count);
    if (role->except.count == 0) {
        return granted;
    }
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, 2);
    members[0] = (struct js_member){TEXT("except"),
                                    texts_json(arena, role->except.items, role->except.count)};
    members[1] = (struct js_member){TEXT("grants"), granted};
    return js_object(arena, members, 2);
}

const struct js *roles_json(const struct roles *roles, struct arena *arena) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, roles->count);
    for (size_t i = 0; i < roles->count; i++) {
        members[i].key = roles->items[i].name;
        members[i].value = role_json(arena, &roles->items[i]);
    }
    return js_object(arena, members, roles->count);
}
