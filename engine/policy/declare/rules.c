/* rules.c: what is declared beside machines and access: roles, pii and webhooks. The last
 * are checked for their shape; nothing acts on them yet. */
#include "policy/declare/declare.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- roles --- */

static const struct key_rule role_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"except", KIND_TEXT | KIND_TABLE,
     "a permission or a list of permissions, as 'helpdesk.delete'"},
    {"inherits", KIND_TEXT | KIND_TABLE, "the name of a role or a list of names"},
};

static void read_except(struct check *check, int table, const struct key_path *at,
                        struct text_list *out) {
    struct key_path path = {at, TEXT("except"), 0};
    int type = check_push(check, table, path.name); // stack: except
    if (type == LUA_TSTRING || type == LUA_TTABLE) {
        out->count = check_excepted(check, -1, &path, &out->items);
    }
    lua_pop(check->lua, 1); // stack:
}

/* stack: [-0, +0]. The role is on top. */
static void read_role(struct check *check, const struct key_path *at, struct roles *out) {
    int table = lua_gettop(check->lua);
    struct key_path inherits = {at, TEXT("inherits"), 0};
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        check_problem(check, at, "it must be a list of permissions");
        return;
    }
    check_keys_beside_items(check, table, at, role_keys, COUNT(role_keys));
    struct role role = {.name = at->name, .file = check->file};
    role.own.count = check_grants(check, table, at, &role.own.items);
    read_except(check, table, at, &role.own_except);
    int type = check_push(check, table, inherits.name); // stack: role inherits
    if (type == LUA_TSTRING || type == LUA_TTABLE) {
        role.inherit_count = check_texts(check, -1, &inherits, &role.inherits);
    }
    lua_pop(check->lua, 1); // stack: role
    role.line = lines_find(check->lines, check->constructor, check->line,
                           role.inherit_count > 0 ? &inherits : at);
    roles_add(out, check->arena, &role, check->problems);
}

void declare_check_roles(struct check *check, struct roles *out) {
    struct text *names;
    size_t count =
        check_names(check, -1, NULL, "role = { 'permission', inherits = 'role' }", &names);
    if (out->count + count > ROLES_MOST) {
        check_problem(check, NULL, "there are more than %d roles", ROLES_MOST);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct key_path at = {NULL, names[i], 0};
        check_push(check, -1, names[i]); // stack: roles role
        read_role(check, &at, out);
        lua_pop(check->lua, 1); // stack: roles
    }
}

/* --- pii --- */

static const struct key_rule pii_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"machines", KIND_TABLE, "a list of machines"},
    {"drop", KIND_TABLE, "a list of keys and paths"},
    {"mask", KIND_TABLE, "a table of key = 'last4' or key = 'domain'"},
    {"hash", KIND_TABLE, "a list of keys and paths"},
    {"redact", KIND_TABLE, "a list of 'email', 'card', 'ssn', 'phone', 'iban'"},
};

/* What a declaration's rules are added to. */
struct pii_targets {
    struct pii_set *set;
    struct pii **rules; /* of all machines, or of those it names */
    size_t count;
};

static void add_key(struct check *check, const struct key_path *at, struct text key,
                    enum pii_action action, const struct pii_targets *targets) {
    const char *wrong = pii_wrong(targets->set, key);
    bool agrees = true;
    for (size_t i = 0; i < targets->count && wrong == NULL && agrees; i++) {
        agrees = pii_add(targets->set, targets->rules[i], key, action);
        wrong = i + 1 < targets->count ? pii_wrong(targets->set, key) : NULL;
    }
    if (wrong != NULL) {
        check_problem(check, at, "'%.*s': %s", TEXT_ARGS(key), wrong);
    } else if (!agrees) {
        check_problem(check, at,
                      "'%.*s' already has another treatment; choose one of drop, mask and hash",
                      TEXT_ARGS(key));
    }
}

/* Each rule is kept once for each machine. */
static bool can_afford(struct check *check, const struct key_path *at, size_t count,
                       const struct pii_targets *targets) {
    return targets->count < 2 || check_afford(check, at, count * (targets->count - 1));
}

static void read_keys(struct check *check, int table, const char *name, enum pii_action action,
                      const struct pii_targets *targets) {
    struct key_path at = {NULL, text_of(name), 0};
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: list
        const struct text *keys;
        size_t count = check_texts(check, -1, &at, &keys);
        for (size_t i = 0; i < count && can_afford(check, &at, 1, targets); i++) {
            struct key_path item = {&at, TEXT_NONE, i + 1};
            add_key(check, &item, keys[i], action, targets);
        }
    }
    lua_pop(check->lua, 1); // stack:
}

static void read_mask(struct check *check, const struct key_path *at, struct text key,
                      const struct pii_targets *targets) {
    static const struct text styles[] = {{"last4", 5}, {"domain", 6}};
    struct text style = check_text_at(check, -1);
    if (!text_given(style)) {
        check_problem(check, at, "it must be 'last4' or 'domain'");
        return;
    }
    int64_t index = check_reference(check, at, "mask", style, styles, COUNT(styles));
    if (index >= 0) {
        add_key(check, at, key, index == 0 ? PII_MASK_LAST4 : PII_MASK_DOMAIN, targets);
    }
}

static void read_masks(struct check *check, int table, const struct pii_targets *targets) {
    struct key_path at = {NULL, TEXT("mask"), 0};
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: mask
        struct text *names;
        size_t count = check_names(check, -1, &at, "key = 'last4' or key = 'domain'", &names);
        for (size_t i = 0; i < count && can_afford(check, &at, 1, targets); i++) {
            struct key_path path = {&at, names[i], 0};
            check_push(check, -1, names[i]); // stack: mask style
            read_mask(check, &path, names[i], targets);
            lua_pop(check->lua, 1); // stack: mask
        }
    }
    lua_pop(check->lua, 1); // stack:
}

static void add_pattern(const struct pii_targets *targets, int64_t index) {
    for (size_t i = 0; i < targets->count && index >= 0; i++) {
        targets->rules[i]->patterns |= 1U << index;
    }
}

static void read_patterns(struct check *check, int table, const struct pii_targets *targets) {
    struct key_path at = {NULL, TEXT("redact"), 0};
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: redact
        const struct text *names;
        size_t count = check_texts(check, -1, &at, &names);
        for (size_t i = 0; i < count; i++) {
            struct key_path item = {&at, TEXT_NONE, i + 1};
            add_pattern(targets, check_reference(check, &item, "pattern", names[i], redact_names,
                                                 REDACT_PATTERN_COUNT));
        }
    }
    lua_pop(check->lua, 1); // stack:
}

static bool is_target(const struct pii_targets *targets, const struct pii *rules) {
    for (size_t i = 0; i < targets->count; i++) {
        if (targets->rules[i] == rules) {
            return true;
        }
    }
    return false;
}

/* stack: [-0, +0]. The list of machines is on top. */
static void read_targets(struct check *check, const struct text *machines, size_t machine_count,
                         struct pii_targets *targets) {
    struct key_path at = {NULL, TEXT("machines"), 0};
    const struct text *names;
    size_t count = check_texts(check, -1, &at, &names);
    if (count == 0) {
        check_problem(check, &at, "it names no machine; leave it out to mean all");
    }
    targets->rules = ARENA_ARRAY(check->arena, struct pii *, count);
    for (size_t i = 0; i < count; i++) {
        struct key_path item = {&at, TEXT_NONE, i + 1};
        if (check_reference(check, &item, "machine", names[i], machines, machine_count) >= 0) {
            struct pii *rules = pii_of_machine(targets->set, names[i]);
            if (!is_target(targets, rules)) {
                targets->rules[targets->count++] = rules;
            }
        }
    }
}

void declare_check_pii(struct check *check, const struct text *machines, size_t machine_count,
                       struct pii_set *out) {
    int table = lua_gettop(check->lua);
    struct pii *all[] = {&out->all};
    struct pii_targets targets = {out, all, 1};
    check_keys(check, table, NULL, pii_keys, COUNT(pii_keys));
    if (check_push(check, table, TEXT("machines")) == LUA_TTABLE) { // stack: machines
        targets = (struct pii_targets){out, NULL, 0};
        read_targets(check, machines, machine_count, &targets);
    }
    lua_pop(check->lua, 1); // stack:
    read_keys(check, table, "drop", PII_DROP, &targets);
    read_keys(check, table, "hash", PII_HASH, &targets);
    read_masks(check, table, &targets);
    read_patterns(check, table, &targets);
}

/* --- webhooks --- */

static const struct key_rule hook_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"url", KIND_TEXT, "a string"},
    {"machines", KIND_TABLE, "a list of machines"},
    {"events", KIND_TABLE, "a list of event types"},
    {"secret", KIND_TEXT, "the name of an environment variable"},
    {"when", KIND_FUNCTION, "a function (event) -> boolean"},
};

static void check_hook_lists(struct check *check, int table, const struct key_path *at,
                             const struct text *machines, size_t machine_count) {
    const struct text *names;
    struct key_path of_machines = {at, TEXT("machines"), 0}, of_events = {at, TEXT("events"), 0};
    if (check_push(check, table, of_machines.name) == LUA_TTABLE) { // stack: hook machines
        size_t count = check_texts(check, -1, &of_machines, &names);
        for (size_t i = 0; i < count; i++) {
            struct key_path item = {&of_machines, TEXT_NONE, i + 1};
            check_reference(check, &item, "machine", names[i], machines, machine_count);
        }
    }
    if (check_push(check, table, of_events.name) == LUA_TTABLE) { // stack: hook machines events
        check_texts(check, -1, &of_events, &names);
    }
    lua_pop(check->lua, 2); // stack: hook
}

static void check_hook(struct check *check, const struct key_path *at, const struct text *machines,
                       size_t machine_count) {
    int table = lua_gettop(check->lua);
    struct key_path url_path = {at, TEXT("url"), 0};
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        check_problem(check, at, "it must be a table { url = 'https://...' }");
        return;
    }
    check_keys(check, table, at, hook_keys, COUNT(hook_keys));
    struct text url = check_text(check, table, "url");
    if (!check_has(check, table, "url")) {
        check_problem(check, at, "'url' is missing: where the events go");
    } else if (text_given(url) && !text_starts(url, TEXT("https://")) &&
               !text_starts(url, TEXT("http://"))) {
        check_problem(check, &url_path, "it must begin with 'https://' or 'http://'");
    }
    check_hook_lists(check, table, at, machines, machine_count);
}

static const struct js *list_json(struct check *check, int table, const char *key) {
    struct key_path at = {NULL, text_of(key), 0};
    const struct text *names = NULL;
    size_t count = 0;
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: list
        count = check_texts(check, -1, &at, &names);
    }
    lua_pop(check->lua, 1); // stack:
    return texts_json(check->arena, names, count);
}

static const struct js *text_json(struct check *check, int table, const char *key) {
    struct text text = check_text(check, table, key);
    return text_given(text) ? js_string(check->arena, text) : &js_null;
}

/* stack: [-0, +0]. What is on top, as `statute check` shows it. */
static const struct js *hook_json(struct check *check) {
    int table = lua_gettop(check->lua);
    struct js_member members[] = {
        {TEXT("url"), text_json(check, table, "url")},
        {TEXT("doc"), text_json(check, table, "doc")},
        {TEXT("secret"), text_json(check, table, "secret")},
        {TEXT("machines"), list_json(check, table, "machines")},
        {TEXT("events"), list_json(check, table, "events")},
        {TEXT("when"), check_has(check, table, "when") ? &js_true : &js_false},
        {TEXT("file"), js_string(check->arena, check->file)},
        {TEXT("line"), js_integer(check->arena, check->line)},
    };
    struct js_member *kept = ARENA_ARRAY(check->arena, struct js_member, COUNT(members));
    memcpy(kept, members, sizeof members);
    return js_object(check->arena, kept, COUNT(members));
}

void declare_check_webhooks(struct check *check, const struct text *machines, size_t machine_count,
                            const struct js **out) {
    size_t count = lua_rawlen(check->lua, -1);
    if (!check_is_list(check, -1)) {
        check_problem(check, NULL, "it must be a list: webhooks { { url = '...' } }");
        return;
    }
    for (size_t i = 1; i <= count; i++) {
        struct key_path at = {NULL, TEXT_NONE, i};
        lua_rawgeti(check->lua, -1, (lua_Integer)i); // stack: hooks hook
        check_hook(check, &at, machines, machine_count);
        if (lua_type(check->lua, -1) == LUA_TTABLE) {
            *out = js_append(check->arena, *out, hook_json(check));
        }
        lua_pop(check->lua, 1); // stack: hooks
    }
}
