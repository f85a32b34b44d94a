/* show.c: what the declarations beside the machines say, as JSON: for `statute check`, so that what
 * it shows is all that will happen. */
#include "policy/generation.h"

struct shown {
    struct arena *arena;
    const struct js *object;
};

static void put(struct shown *shown, const char *key, const struct js *value) {
    shown->object =
        js_with(shown->arena, shown->object, text_of(key), value != NULL ? value : &js_null);
}

static void put_text(struct shown *shown, const char *key, struct text text) {
    put(shown, key, text_given(text) ? js_string(shown->arena, text) : NULL);
}

static void put_place(struct shown *shown, struct text file, int line) {
    put_text(shown, "file", file);
    put(shown, "line", js_integer(shown->arena, line));
}

/* --- access --- */

static const struct js *action_json(struct arena *arena, const struct access_action *action) {
    struct shown shown = {arena, &js_empty_object};
    put_text(&shown, "name", action->name);
    put(&shown, "required_permissions",
        texts_json(arena, action->permission.names, action->permission.name_count));
    put(&shown, "permit_function",
        permission_rule_has_function(&action->permission) ? &js_true : &js_false);
    return shown.object;
}

static const struct js *type_json(struct arena *arena, const struct access_type *type) {
    struct shown shown = {arena, &js_empty_object};
    const struct js **actions = ARENA_ARRAY(arena, const struct js *, type->action_count);
    for (size_t i = 0; i < type->action_count; i++) {
        actions[i] = action_json(arena, &type->actions[i]);
    }
    put_text(&shown, "type", type->name);
    put_text(&shown, "doc", type->doc);
    put(&shown, "actions", js_array(arena, actions, type->action_count));
    put_place(&shown, type->file, type->line);
    return shown.object;
}

const struct js *generation_access(const struct generation *generation, struct arena *arena) {
    const struct access_rules *access = &generation->access;
    const struct js **types = ARENA_ARRAY(arena, const struct js *, access->type_count);
    for (size_t i = 0; i < access->type_count; i++) {
        types[i] = type_json(arena, &access->types[i]);
    }
    return js_array(arena, types, access->type_count);
}

/* --- the directory: how many there are of each type, which are sorted by it --- */

static const struct js *side_json(struct arena *arena, const struct directory *directory) {
    const struct js *counts = &js_empty_object;
    for (size_t i = 0, next; i < directory->count; i = next) {
        struct text type = directory->items[i].type;
        for (next = i + 1; next < directory->count; next++) {
            if (!text_equal(directory->items[next].type, type)) {
                break;
            }
        }
        counts = js_with(arena, counts, type, js_integer(arena, (int64_t)(next - i)));
    }
    return counts;
}

const struct js *generation_directory(const struct generation *generation, struct arena *arena) {
    const struct directory *sides = generation->access.directories;
    struct shown shown = {arena, &js_empty_object};
    put(&shown, "subjects", side_json(arena, &sides[DIRECTORY_SUBJECTS]));
    put(&shown, "resources", side_json(arena, &sides[DIRECTORY_RESOURCES]));
    return shown.object;
}

/* --- personal data --- */

const struct js *generation_pii(const struct generation *generation, struct arena *arena) {
    const struct pii_set *set = &generation->pii;
    const struct js *list = js_append(arena, NULL, pii_json(arena, TEXT_NONE, &set->all));
    for (size_t i = 0; i < set->of_machines.count; i++) {
        const struct map_entry *entry = &set->of_machines.entries[i];
        list = js_append(arena, list, pii_json(arena, entry->key, entry->value));
    }
    return list;
}

const struct js *generation_webhooks(const struct generation *generation) {
    return generation->webhooks != NULL ? generation->webhooks : &js_empty_array;
}
