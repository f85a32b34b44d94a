/* fields.c: the fields of a machine, and whether what is said of one fits together. */
#include "policy/rules/fields.h"
#include "lua/value.h"
#include "policy/declare/declare.h"
#include "policy/declare/permission.h"
#include "policy/rules/filter.h"

#define FIELD_EXPECTED "field = 'type' or field = { type = 'type' }"

static const struct key_rule field_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"type", KIND_TEXT, "the name of a type"},
    {"required", KIND_BOOLEAN, "true or false"},
    {"enum", KIND_TABLE, "a list of values"},
    {"default", KIND_ANY, "a value"},
    {"min", KIND_NUMBER, "a number"},
    {"max", KIND_NUMBER, "a number"},
    {"immutable", KIND_BOOLEAN, "true or false"},
    PERMIT_KEY,
    {"editable_in", KIND_TABLE, "a list of states"},
    {"index", KIND_BOOLEAN, "true or false"},
};

static void read_type(struct check *check, const struct key_path *at, struct text name,
                      struct field *out) {
    if (!text_given(name)) {
        return;
    }
    int64_t index = check_reference(check, at, "type", name, field_type_names, FIELD_TYPE_COUNT);
    out->type = index >= 0 ? (enum field_type)index : FIELD_ANY;
}

/* The JSON value under `key`, NULL when there is none or JSON cannot hold it (which is reported).
 */
static const struct js *read_value(struct check *check, int table, const struct key_path *at,
                                   const char *key) {
    struct key_path path = {at, text_of(key), 0};
    struct fault fault = FAULT_INIT;
    const struct js *value = NULL;
    if (check_push(check, table, path.name) != LUA_TNIL && // stack: value
        !value_read(check->lua, -1, check->arena, &value, &fault)) {
        check_problem(check, &path, "%s", fault.message);
        value = NULL;
    }
    lua_pop(check->lua, 1); // stack:
    return value;
}

static void report_misfit(struct check *check, const struct key_path *at, const struct field *field,
                          const struct js *value) {
    const struct js *stored;
    struct text refusal = field_refusal(check->arena, field, value, &stored);
    if (text_given(refusal)) {
        check_problem(check, at, "it %.*s", TEXT_ARGS(refusal));
    }
}

static bool is_measured(enum field_type type) {
    return type == FIELD_INTEGER || type == FIELD_NUMBER || type == FIELD_STRING ||
           type == FIELD_ARRAY;
}

static const struct js *read_bound(struct check *check, int table, const struct key_path *at,
                                   const char *key, const struct field *field) {
    struct key_path path = {at, text_of(key), 0};
    const struct js *bound = read_value(check, table, at, key);
    if (!js_is(bound, JS_INTEGER) && !js_is(bound, JS_REAL)) {
        return NULL; /* absent, or reported already */
    }
    if (!is_measured(field->type)) {
        check_problem(check, &path,
                      "only integer, number, string (characters) and array (items) have bounds");
        return NULL;
    }
    return bound;
}

static double as_double(const struct js *number) {
    return number->type == JS_INTEGER ? (double)number->integer : number->real;
}

static void read_bounds(struct check *check, int table, const struct key_path *at,
                        struct field *out) {
    out->min = read_bound(check, table, at, "min", out);
    out->max = read_bound(check, table, at, "max", out);
    if (out->min != NULL && out->max != NULL && as_double(out->min) > as_double(out->max)) {
        struct key_path path = {at, TEXT("min"), 0};
        check_problem(check, &path, "min is greater than max");
    }
}

static void read_choices(struct check *check, int table, const struct key_path *at,
                         struct field *out) {
    struct key_path path = {at, TEXT("enum"), 0};
    const struct js *choices = read_value(check, table, at, "enum");
    if (choices == NULL) {
        return;
    }
    if (!js_is(choices, JS_ARRAY) || choices->array.count == 0) {
        check_problem(check, &path, "it must be a list of values, with at least one");
        return;
    }
    for (size_t i = 0; i < choices->array.count; i++) {
        struct key_path item = {&path, TEXT_NONE, i + 1};
        report_misfit(check, &item, out, choices->array.items[i]);
    }
    out->choices = choices;
}

static void read_default(struct check *check, int table, const struct key_path *at,
                         struct field *out) {
    struct key_path path = {at, TEXT("default"), 0};
    const struct js *value = read_value(check, table, at, "default");
    if (value != NULL) {
        struct machine alone = {.fields = out, .field_count = 1};
        const struct js *data = js_with(check->arena, NULL, out->name, value);
        value = js_find(fields_settle(check->arena, &alone, NULL, data), out->name);
        report_misfit(check, &path, out, value);
        out->default_value = value;
    }
}

static void read_editable_in(struct check *check, int table, const struct key_path *at,
                             struct field *out) {
    struct key_path path = {at, TEXT("editable_in"), 0};
    if (check_push(check, table, path.name) == LUA_TTABLE) { // stack: states
        out->has_editable_in = true;
        out->editable_count = check_texts(check, -1, &path, &out->editable_in);
    }
    lua_pop(check->lua, 1); // stack:
}

static void read_index(struct check *check, int table, const struct key_path *at,
                       struct field *out) {
    struct key_path path = {at, TEXT("index"), 0};
    out->index = check_flag(check, table, "index");
    if (out->index && !filter_is_scalar(out->type)) {
        check_problem(check, &path,
                      "only fields with one value have an index: string, integer, number, boolean, "
                      "datetime, date, duration");
    }
}

/* stack: [-0, +0]. The field's value is on top. */
static void read_field(struct check *check, const struct key_path *at, struct field *out) {
    int table = lua_gettop(check->lua);
    struct key_path type = {at, TEXT("type"), 0};
    if (lua_type(check->lua, table) == LUA_TSTRING) {
        read_type(check, at, check_text_at(check, table), out);
        return;
    }
    if (lua_type(check->lua, table) != LUA_TTABLE) {
        check_problem(check, at, "it must be " FIELD_EXPECTED);
        return;
    }
    check_keys(check, table, at, field_keys, sizeof field_keys / sizeof field_keys[0]);
    read_type(check, &type, check_text(check, table, "type"), out);
    out->doc = check_text(check, table, "doc");
    out->required = check_flag(check, table, "required");
    read_index(check, table, at, out);
    read_bounds(check, table, at, out);
    read_choices(check, table, at, out);
    read_default(check, table, at, out);
    out->immutable = check_flag(check, table, "immutable");
    read_editable_in(check, table, at, out);
    declare_permission(check, table, at, &out->permission);
    read_index(check, table, at, out);
}

static void read_fields(struct check *check, const struct key_path *at, struct machine *out) {
    struct text *names;
    size_t count = check_names(check, -1, at, FIELD_EXPECTED, &names);
    struct field *fields = ARENA_ARRAY(check->arena, struct field, count);
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, names[i], 0};
        fields[i].name = names[i];
        check_push(check, -1, names[i]); // stack: fields field
        read_field(check, &path, &fields[i]);
        lua_pop(check->lua, 1); // stack: fields
        out->has_field_rules =
            out->has_field_rules || fields[i].immutable || fields[i].has_editable_in;
        out->has_field_permits =
            out->has_field_permits || permission_rule_asks(&fields[i].permission);
    }
    out->fields = fields;
    out->field_count = count;
}

void declare_check_fields(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("fields"), 0};
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: fields
        read_fields(check, &at, out);
    }
    lua_pop(check->lua, 1); // stack:
}

static void check_editable_in(struct check *check, const struct field *field,
                              const struct text *states, size_t count) {
    struct key_path fields = {NULL, TEXT("fields"), 0}, at = {&fields, field->name, 0};
    struct key_path path = {&at, TEXT("editable_in"), 0};
    for (size_t i = 0; i < field->editable_count; i++) {
        struct key_path item = {&path, TEXT_NONE, i + 1};
        check_reference(check, &item, "state", field->editable_in[i], states, count);
    }
}

void declare_check_field_states(struct check *check, const struct machine *machine) {
    struct text *states = ARENA_ARRAY(check->problems->arena, struct text, machine->state_count);
    for (size_t i = 0; i < machine->state_count; i++) {
        states[i] = machine->states[i].name;
    }
    for (size_t i = 0; i < machine->field_count; i++) {
        check_editable_in(check, &machine->fields[i], states, machine->state_count);
    }
}
