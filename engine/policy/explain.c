/* explain.c: rules that are functions are noted while they are asked, with the place of the
 * function itself, which may be in a library. Rules that are plain data (permissions, fields, ways)
 * are found afterwards, from the decision, and their line from the text of the file.
 *
 * What a guard misses is found by watching which keys it reads that are not there: an absent key is
 * nil with or without being watched, so explaining never changes a decision. */
#include "policy/explain.h"

#include "policy/permission.h"

#include <lauxlib.h>
#include <stdlib.h>

#define ABSENT_MOST     32  /* names */
#define ABSENT_KEY_MOST 100 /* bytes of one */
#define ROLES_SHOWN     5

/* --- objects that are built member by member; a member whose value is NULL is left out --- */

struct members {
    struct js_member items[8];
    size_t count;
};

static void add(struct members *members, struct text key, const struct js *value) {
    if (value != NULL) {
        members->items[members->count++] = (struct js_member){key, value};
    }
}

static void add_text(struct turn *turn, struct members *members, struct text key,
                     struct text value) {
    add(members, key, text_given(value) ? js_string(turn->arena, value) : NULL);
}

static const struct js *object_of(struct turn *turn, const struct members *members) {
    struct js_member *copy = ARENA_ARRAY(turn->arena, struct js_member, members->count);
    memcpy(copy, members->items, members->count * sizeof *copy);
    return js_object(turn->arena, copy, members->count);
}

static const struct js *unless_empty(const struct js *array) {
    return array->array.count > 0 ? array : NULL;
}

/* --- watching --- */

static bool has_text(const struct js *array, struct text text) {
    for (size_t i = 0; i < array->array.count; i++) {
        if (text_equal(array->array.items[i]->string, text)) {
            return true;
        }
    }
    return false;
}

static void note_absent(struct turn *turn, const char *prefix, struct text key) {
    struct explanation *explanation = turn->explanation;
    if (explanation == NULL || key.length > ABSENT_KEY_MOST ||
        explanation->absent->array.count >= ABSENT_MOST) {
        return;
    }
    struct text name = text_print(turn->arena, "%s%.*s", prefix, TEXT_ARGS(key));
    if (!has_text(explanation->absent, name)) {
        explanation->absent =
            js_append(turn->arena, explanation->absent, js_string(turn->arena, name));
    }
}

/* __index(table, key); upvalues: the seat, the prefix, and the table's own __index or nil. */
static int look_up(lua_State *lua) {
    const struct seat *seat = lua_touserdata(lua, lua_upvalueindex(1));
    struct text key;
    if (lua_istable(lua, lua_upvalueindex(3))) {
        lua_pushvalue(lua, 2); // stack: table key key
        if (lua_rawget(lua, lua_upvalueindex(3)) != LUA_TNIL) {
            return 1;
        }
    }
    if (seat->turn != NULL && lua_type(lua, 2) == LUA_TSTRING) {
        key.bytes = lua_tolstring(lua, 2, &key.length);
        note_absent(seat->turn, lua_tostring(lua, lua_upvalueindex(2)), key);
    }
    lua_pushnil(lua); // stack: table key ... nil
    return 1;
}

void explain_watch(struct turn *turn, const char *prefix) {
    lua_State *lua = turn->lua;
    lua_createtable(lua, 0, 1);             // stack: table metatable
    lua_pushlightuserdata(lua, turn->seat); // stack: table metatable seat
    lua_pushstring(lua, prefix);            // stack: table metatable seat prefix
    if (luaL_getmetafield(lua, -4, "__index") == LUA_TNIL) {
        lua_pushnil(lua); // stack: table metatable seat prefix old
    }
    lua_pushcclosure(lua, look_up, 3); // stack: table metatable look_up
    lua_setfield(lua, -2, "__index");  // stack: table metatable
    lua_setmetatable(lua, -2);         // stack: table
}

/* --- rules --- */

struct place {
    struct text file;
    int line; /* 0: unknown */
};

static struct place place_of_function(struct turn *turn, int function) {
    struct place place = {TEXT_NONE, 0};
    lua_Debug about;
    lua_rawgeti(turn->lua, LUA_REGISTRYINDEX, function); // stack: function
    lua_getinfo(turn->lua, ">S", &about);                // stack:
    if (about.source[0] == '@') {
        place.file = text_copy(turn->arena, text_of(about.source + 1));
        place.line = about.linedefined;
    }
    return place;
}

static void note(struct turn *turn, struct text rule, struct place place, bool allowed,
                 struct text message, const struct js *absent) {
    struct members members = {.count = 0};
    add_text(turn, &members, TEXT("rule"), rule);
    add_text(turn, &members, TEXT("file"), place.file);
    add(&members, TEXT("line"), place.line > 0 ? js_integer(turn->arena, place.line) : NULL);
    add_text(turn, &members, TEXT("outcome"), allowed ? TEXT("allowed") : TEXT("refused"));
    add_text(turn, &members, TEXT("message"), message);
    add(&members, TEXT("absent"), absent);
    turn->explanation->rules =
        js_append(turn->arena, turn->explanation->rules, object_of(turn, &members));
}

void explain_function(struct turn *turn, struct speaker speaker, int function, bool allowed,
                      struct text message) {
    if (turn->explanation == NULL) {
        return;
    }
    note(turn, text_of(speaker_print(turn, speaker)), place_of_function(turn, function), allowed,
         message, allowed ? NULL : unless_empty(turn->explanation->absent));
    turn->explanation->absent = &js_empty_array;
}

/* Where a key of the machine's declaration stands. */
static struct place place_of_key(struct turn *turn, const struct key_path *path) {
    const struct machine *machine = turn->machine;
    const struct policy_file *file =
        folder_find(turn->generation->files, turn->generation->file_count, machine->file);
    struct lines lines;
    if (file == NULL) {
        return (struct place){machine->file, machine->line};
    }
    lines_init(&lines, turn->arena, file->text);
    return (struct place){machine->file, lines_find(&lines, TEXT("machine"), machine->line, path)};
}

static struct place place_of_ways_permit(struct turn *turn) {
    const struct way *way = turn->way;
    struct key_path states = {NULL, TEXT("states"), 0};
    struct key_path from = {&states, way->is_from_any ? TEXT("*") : turn->from->name, 0};
    struct key_path ways = {&from, TEXT("to"), 0};
    struct key_path to = {&ways, way->to, 0}, item = {&to, TEXT_NONE, way->position};
    struct key_path permit = {way->position > 0 ? &item : &to, TEXT("permit"), 0};
    return place_of_key(turn, &permit);
}

static struct place place_of_permit(struct turn *turn) {
    bool is_field = turn->field != NULL;
    struct key_path states = {NULL, TEXT("states"), 0}, fields = {NULL, TEXT("fields"), 0};
    struct key_path from = {&states, turn->from != NULL ? turn->from->name : TEXT(""), 0};
    struct key_path field = {&fields, is_field ? turn->field->name : TEXT_NONE, 0};
    if (!is_field && turn->act == NULL) {
        return place_of_ways_permit(turn);
    }
    bool is_states_own = turn->from != NULL && turn->act == &turn->from->update;
    struct text name = turn->attempt->kind == ATTEMPT_CREATE ? TEXT("create") : TEXT("update");
    struct key_path act = {is_states_own ? &from : NULL, name, 0};
    struct key_path permit = {is_field ? &field : &act, TEXT("permit"), 0};
    return place_of_key(turn, &permit);
}

static struct text name_of_permit(struct turn *turn) {
    if (turn->field != NULL) {
        return text_print(turn->arena, "the permit of the field '%.*s'",
                          TEXT_ARGS(turn->field->name));
    }
    if (turn->act != NULL) {
        return turn->attempt->kind == ATTEMPT_CREATE ? TEXT("the permit of create")
                                                     : TEXT("the permit of update");
    }
    return text_print(turn->arena, "the permit of '%.*s' to '%.*s'", TEXT_ARGS(turn->from->name),
                      TEXT_ARGS(turn->way->to));
}

static struct place place_of_ways(struct turn *turn) {
    struct key_path states = {NULL, TEXT("states"), 0};
    struct key_path from = {&states, turn->from->name, 0};
    struct key_path ways = {&from, TEXT("to"), 0};
    return place_of_key(turn, &ways);
}

static bool is_field(const struct machine *machine, struct text name) {
    for (size_t i = 0; i < machine->field_count; i++) {
        if (text_equal(machine->fields[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void note_fields(struct turn *turn) {
    const struct js *errors = turn->out->errors;
    struct key_path fields = {NULL, TEXT("fields"), 0};
    for (size_t i = 0; i < errors->object.count; i++) {
        const struct js_member *error = &errors->object.members[i];
        struct key_path field = {&fields, error->key, 0};
        if (is_field(turn->machine, error->key)) {
            note(turn, text_print(turn->arena, "the field '%.*s'", TEXT_ARGS(error->key)),
                 place_of_key(turn, &field), false, js_text(error->value), NULL);
        }
    }
}

/* Rules that are data: what the decision says of them. */
static void note_data(struct turn *turn) {
    const struct decision *out = turn->out;
    if (out->code == FAULT_PERMISSION_DENIED && js_is(out->missing_permissions, JS_ARRAY) &&
        out->missing_permissions->array.count > 0) {
        note(turn, name_of_permit(turn), place_of_permit(turn), false, out->message, NULL);
    } else if (out->code == FAULT_INVALID_TRANSITION && turn->from != NULL) {
        note(turn,
             text_print(turn->arena, "the transitions from '%.*s'", TEXT_ARGS(turn->from->name)),
             place_of_ways(turn), false, out->message, NULL);
    } else if (out->code == FAULT_VALIDATION_FAILED && out->errors != NULL) {
        note_fields(turn);
    }
}

/* --- what is nearest --- */

/* Whether an actor who has the role too would be permitted, as far as is known. */
static bool role_would(const struct turn *turn, const struct role *role) {
    const struct actor *actor = turn->attempt->actor;
    struct demand would = *turn->demand;
    struct actor with = actor != NULL ? *actor : (struct actor){.id = TEXT_NONE};
    const struct js *held = js_is(with.roles, JS_ARRAY) ? with.roles : &js_empty_array;
    with.roles = js_append(turn->arena, held, js_string(turn->arena, role->name));
    would.actor = &with;
    return permission_lacking(&would)->array.count == 0;
}

/* How much a role grants, for comparison: "*" is more than any "prefix.*", which is more than any
 * list. */
static size_t weight(const struct role *role) {
    size_t sum = role->granted.count;
    for (size_t i = 0; i < role->granted.count; i++) {
        sum += text_equal(role->granted.items[i], TEXT("*"))   ? (size_t)1 << 40
               : text_ends(role->granted.items[i], TEXT(".*")) ? (size_t)1 << 20
                                                               : 0;
    }
    return sum;
}

static int by_weight(const void *a, const void *b) {
    const struct role *left = *(const struct role *const *)a,
                      *right = *(const struct role *const *)b;
    size_t light = weight(left), heavy = weight(right);
    return light != heavy ? (light < heavy ? -1 : 1) : text_compare(left->name, right->name);
}

/* The roles that would do, those that grant least first. */
static const struct js *roles_that_would(struct turn *turn) {
    const struct roles *roles = &turn->generation->roles;
    const struct role **would = ARENA_ARRAY(turn->arena, const struct role *, roles->count + 1);
    const struct js *names = &js_empty_array;
    size_t count = 0;
    for (size_t i = 0; i < roles->count; i++) {
        if (role_would(turn, &roles->items[i])) {
            would[count++] = &roles->items[i];
        }
    }
    qsort(would, count, sizeof *would, by_weight);
    for (size_t i = 0; i < count && i < ROLES_SHOWN; i++) {
        names = js_append(turn->arena, names, js_string(turn->arena, would[i]->name));
    }
    return unless_empty(names);
}

/* Other states that the actor's permissions lead to; guards are not asked. */
static const struct js *other_states(struct turn *turn) {
    const struct js *names = &js_empty_array;
    for (size_t i = 0; turn->from != NULL && i < turn->from->way_count; i++) {
        const struct way *way = &turn->from->ways[i];
        bool is_open = !way->internal && way != turn->way &&
                       permission_may(turn, &way->permission, turn->attempt->actor);
        if (is_open && !has_text(names, way->to)) {
            names = js_append(turn->arena, names, js_string(turn->arena, way->to));
        }
    }
    return unless_empty(names);
}

/* Breadth first from the entity's state; previous[i] is the state before i, plus one. */
static bool search_path(const struct machine *machine, size_t from, size_t to, size_t *previous,
                        size_t *queue) {
    size_t first = 0, count = 0;
    queue[count++] = from;
    previous[from] = from + 1;
    while (first < count && previous[to] == 0) {
        size_t at = queue[first++];
        for (size_t i = 0; i < machine->states[at].way_count; i++) {
            size_t next = machine->states[at].ways[i].to_index;
            if (previous[next] == 0 && !machine->states[at].ways[i].internal) {
                previous[next] = at + 1;
                queue[count++] = next;
            }
        }
    }
    return previous[to] != 0;
}

/* The shortest way to the state that was asked for, without the state the entity is in. */
static const struct js *path_to(struct turn *turn, struct text name) {
    const struct machine *machine = turn->machine;
    const struct state *to = machine_state(machine, name);
    size_t *previous = ARENA_ARRAY(turn->arena, size_t, machine->state_count);
    size_t *queue = ARENA_ARRAY(turn->arena, size_t, machine->state_count + 1);
    const struct js **items = ARENA_ARRAY(turn->arena, const struct js *, machine->state_count);
    size_t count = 0;
    if (to == NULL || turn->from == NULL || to == turn->from ||
        !search_path(machine, (size_t)(turn->from - machine->states),
                     (size_t)(to - machine->states), previous, queue)) {
        return NULL;
    }
    for (size_t at = (size_t)(to - machine->states); &machine->states[at] != turn->from;
         at = previous[at] - 1) {
        items[count++] = js_string(turn->arena, machine->states[at].name);
    }
    const struct js *path = &js_empty_array;
    while (count > 0) {
        path = js_append(turn->arena, path, items[--count]);
    }
    return path;
}

/* Everything that the refusing guards looked for in vain. */
static const struct js *all_absent(struct turn *turn) {
    const struct js *rules = turn->explanation->rules, *names = &js_empty_array;
    for (size_t i = 0; i < rules->array.count; i++) {
        const struct js *absent = js_find(rules->array.items[i], TEXT("absent"));
        for (size_t j = 0; absent != NULL && j < absent->array.count; j++) {
            if (!has_text(names, absent->array.items[j]->string)) {
                names = js_append(turn->arena, names, absent->array.items[j]);
            }
        }
    }
    return unless_empty(names);
}

static const struct js *error_names(struct turn *turn) {
    size_t count = turn->out->errors->object.count;
    struct text *names = ARENA_ARRAY(turn->arena, struct text, count);
    for (size_t i = 0; i < count; i++) {
        names[i] = turn->out->errors->object.members[i].key;
    }
    return unless_empty(texts_json(turn->arena, names, count));
}

static const struct js *nearest(struct turn *turn) {
    const struct decision *out = turn->out;
    struct members members = {.count = 0};
    if (js_is(out->missing_permissions, JS_ARRAY) && out->missing_permissions->array.count > 0) {
        add(&members, TEXT("permissions"), out->missing_permissions);
        add(&members, TEXT("roles"), roles_that_would(turn));
    }
    add(&members, TEXT("fields"),
        out->code == FAULT_VALIDATION_FAILED && out->errors != NULL ? error_names(turn)
                                                                    : all_absent(turn));
    add(&members, TEXT("states"), other_states(turn));
    if (out->code == FAULT_INVALID_TRANSITION) {
        add(&members, TEXT("path"), path_to(turn, turn->attempt->to));
    }
    return object_of(turn, &members);
}

const struct js *explain(struct turn *turn) {
    struct members members = {.count = 0};
    if (turn->out->code != FAULT_NONE) {
        note_data(turn);
        add(&members, TEXT("nearest"), nearest(turn));
    }
    add(&members, TEXT("rules"), turn->explanation->rules);
    return object_of(turn, &members);
}
