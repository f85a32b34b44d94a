/* access.c: `access` and `directory` declarations. */
#include "lua/value.h"
#include "policy/declare/declare.h"
#include "policy/declare/permission.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Room for one more in an array of the arena: twice what there was. */
static void *grown(struct arena *arena, const void *items, size_t count, size_t *capacity,
                   size_t size) {
    if (count < *capacity) {
        return (void *)(uintptr_t)items;
    }
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    void *larger = arena_alloc_array(arena, *capacity, size);
    if (count > 0) {
        memcpy(larger, items, count * size);
    }
    return larger;
}

/* --- access --- */

static const struct key_rule access_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    WITHIN_KEY,
    DENY_KEY,
    {"actions", KIND_TABLE, "a table of action = permission or function"},
};

static const struct key_rule action_keys[] = {PERMIT_KEY, DENY_KEY};

/* stack: [-0, +0]. The table on top: a list of permissions, perhaps with `deny`; or `permit` and
 * `deny`. */
static void read_action_table(struct check *check, const struct key_path *at,
                              struct permission_rule *out) {
    int table = lua_gettop(check->lua);
    if (check_has(check, table, "permit")) {
        check_keys(check, table, at, action_keys, COUNT(action_keys));
        declare_permission(check, table, at, out);
        return;
    }
    check_keys_beside_items(check, table, at, action_keys, COUNT(action_keys));
    declare_deny(check, table, at, out);
    declare_push_list(check->lua, table); // stack: action list
    if (lua_rawlen(check->lua, -1) == 0) {
        check_problem(check, at, "it names no permission; name at least one");
    } else {
        declare_permit(check, at, out);
    }
    lua_pop(check->lua, 1); // stack: action
}

/* stack: [-0, +0]. The action's value is on top. */
static void read_action(struct check *check, const struct key_path *at, struct access_action *out) {
    *out = (struct access_action){
        .name = at->name, .line = lines_find(check->lines, check->constructor, check->line, at)};
    if (lua_type(check->lua, -1) == LUA_TTABLE) {
        read_action_table(check, at, &out->permission);
    } else {
        declare_permit(check, at, &out->permission);
    }
}

static void read_actions(struct check *check, int table, struct access_type *out) {
    struct key_path at = {NULL, TEXT("actions"), 0};
    if (check_push(check, table, at.name) != LUA_TTABLE) { // stack: actions
        check_problem(check, NULL, "'actions' is missing: a table of action = permission");
        lua_pop(check->lua, 1); // stack:
        return;
    }
    struct text *names;
    size_t count = check_names(check, -1, &at, "action = permission or function", &names);
    struct access_action *actions = ARENA_ARRAY(check->arena, struct access_action, count);
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {&at, text_copy(check->arena, names[i]), 0};
        check_push(check, -1, names[i]); // stack: actions action
        read_action(check, &path, &actions[i]);
        lua_pop(check->lua, 1); // stack: actions
    }
    out->actions = actions;
    out->action_count = count;
    lua_pop(check->lua, 1); // stack:
}

void declare_check_access(struct check *check, struct access_rules *rules) {
    int table = lua_gettop(check->lua);
    rules->types = grown(check->arena, rules->types, rules->type_count, &rules->type_capacity,
                         sizeof *rules->types);
    struct access_type *type = &rules->types[rules->type_count++];
    check_keys(check, table, NULL, access_keys, COUNT(access_keys));
    *type = (struct access_type){.name = check->name, .file = check->file, .line = check->line};
    type->doc = check_text(check, table, "doc");
    if (check->name.length == 0) {
        check_problem(check, NULL, "a type of resources has a name");
    }
    declare_within(check, table, &type->within);
    declare_deny(check, table, NULL, &type->permission);
    read_actions(check, table, type);
}

/* --- directory --- */

static const struct key_rule directory_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"subjects", KIND_TABLE, "a table of type = { id = { properties } }"},
    {"resources", KIND_TABLE, "a table of type = { id = { properties } }"},
};

static void list(struct check *check, struct directory *directory, const struct listed *listed) {
    if (directory->count >= DIRECTORY_MOST) {
        check_problem(check, NULL, "a directory lists at most %d", DIRECTORY_MOST);
        return;
    }
    directory->items = grown(check->arena, directory->items, directory->count, &directory->capacity,
                             sizeof *directory->items);
    directory->items[directory->count++] = *listed;
}

/* stack: [-0, +0]. The properties are on top. */
static void read_entry(struct check *check, const struct key_path *at, struct text type,
                       struct directory *out) {
    struct fault fault = FAULT_INIT;
    const struct js *properties = NULL;
    if (lua_type(check->lua, -1) != LUA_TTABLE) {
        check_problem(check, at, "it must be a table of properties, which may be empty: {}");
    } else if (!value_read(check->lua, -1, check->arena, &properties, &fault)) {
        check_problem(check, at, "%s", fault.message);
    } else if (!js_is(properties, JS_OBJECT)) {
        check_problem(check, at, "properties have names: { status = 'active' }");
    } else if (check_afford(check, at, 1)) {
        struct listed listed = {text_copy(check->arena, type),
                                {text_copy(check->arena, at->name), properties},
                                check->file,
                                check->line};
        list(check, out, &listed);
    }
}

/* stack: [-0, +0]. The table of ids is on top. */
static void read_type(struct check *check, const struct key_path *at, struct directory *out) {
    struct text *ids;
    if (lua_type(check->lua, -1) != LUA_TTABLE) {
        check_problem(check, at, "it must be a table of id = { properties }");
        return;
    }
    size_t count = check_names(check, -1, at, "id = { properties }", &ids);
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, ids[i], 0};
        check_push(check, -1, ids[i]); // stack: ids properties
        read_entry(check, &path, at->name, out);
        lua_pop(check->lua, 1); // stack: ids
    }
}

static void read_side(struct check *check, int table, const char *key, struct directory *out) {
    struct key_path at = {NULL, text_of(key), 0};
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: types
        struct text *types;
        size_t count = check_names(check, -1, &at, "type = { id = { properties } }", &types);
        for (size_t i = 0; i < count; i++) {
            struct key_path path = {&at, types[i], 0};
            check_push(check, -1, types[i]); // stack: types ids
            read_type(check, &path, out);
            lua_pop(check->lua, 1); // stack: types
        }
    }
    lua_pop(check->lua, 1); // stack:
}

void declare_check_directory(struct check *check, struct access_rules *rules) {
    int table = lua_gettop(check->lua);
    check_keys(check, table, NULL, directory_keys, COUNT(directory_keys));
    read_side(check, table, "subjects", &rules->directories[DIRECTORY_SUBJECTS]);
    read_side(check, table, "resources", &rules->directories[DIRECTORY_RESOURCES]);
}
