/* table.c: an application's own table (model/app_table.h). Whether the database has it is
 * known only where a store is open: store_check_table. */
#include "policy/declare/declare.h"

static const struct key_rule table_keys[] = {
    {"name", KIND_TEXT, "the name of a table"},
    {"id", KIND_TEXT, "the name of a column"},
    {"state", KIND_TEXT, "the name of a column"},
    {"version", KIND_TEXT, "the name of a column"},
    {"fields", KIND_TABLE, "a table of field = 'column'"},
};

static bool is_identifier(struct text name) {
    bool fine = name.length > 0 && name.length <= APP_NAME_MOST;
    for (size_t i = 0; i < name.length; i++) {
        fine = fine && (unsigned char)name.bytes[i] >= ' ' && name.bytes[i] != '"';
    }
    return fine;
}

/* One name, or two with a dot between them. */
static bool is_table_name(struct text name) {
    const char *dot = memchr(name.bytes, '.', name.length);
    if (dot == NULL) {
        return is_identifier(name);
    }
    size_t length = (size_t)(dot - name.bytes);
    struct text rest = {dot + 1, name.length - length - 1};
    return is_identifier((struct text){name.bytes, length}) && is_identifier(rest) &&
           memchr(rest.bytes, '.', rest.length) == NULL;
}

static void check_identifier(struct check *check, const struct key_path *at, struct text name) {
    if (text_given(name) && !is_identifier(name)) {
        check_problem(
            check, at,
            "'%.*s' is not a column name: 1 to %d bytes, without '\"' and control characters",
            TEXT_ARGS(name), APP_NAME_MOST);
    }
}

static struct text read_column(struct check *check, int table, const struct key_path *at,
                               const char *key, bool needed) {
    struct key_path path = {at, text_of(key), 0};
    struct text name = check_text(check, table, key);
    if (needed && !check_has(check, table, key)) {
        check_problem(check, at, "'%s' is missing: the name of a column", key);
    }
    check_identifier(check, &path, name);
    return name;
}

static enum app_value value_of(const struct machine *machine, struct text field) {
    for (size_t i = 0; i < machine->field_count; i++) {
        if (text_equal(machine->fields[i].name, field)) {
            enum field_type type = machine->fields[i].type;
            return type == FIELD_BOOLEAN                         ? APP_BOOLEAN
                   : type == FIELD_OBJECT || type == FIELD_ARRAY ? APP_JSON
                                                                 : APP_PLAIN;
        }
    }
    return APP_PLAIN;
}

static void check_repeated(struct check *check, const struct key_path *at,
                           const struct app_table *out, size_t count) {
    struct text column = out->columns[count].column;
    bool repeated =
        text_given(column) && (text_equal(column, out->id) || text_equal(column, out->state) ||
                               (text_given(out->version) && text_equal(column, out->version)));
    for (size_t i = 0; i < count; i++) {
        repeated = repeated || (text_given(column) && text_equal(column, out->columns[i].column));
    }
    if (repeated) {
        check_problem(check, at, "the column '%.*s' is used twice", TEXT_ARGS(column));
    }
}

/* stack: [-0, +0]. The table of fields is on top. */
static void read_columns(struct check *check, const struct key_path *at,
                         const struct machine *machine, struct app_table *out) {
    struct text *names;
    size_t count = check_names(check, -1, at, "field = 'column'", &names);
    if (count > APP_COLUMNS_MOST) {
        check_problem(check, at, "there are %zu fields; a table may have %d", count,
                      APP_COLUMNS_MOST);
        return;
    }
    struct app_column *columns = ARENA_ARRAY(check->arena, struct app_column, count);
    out->columns = columns;
    for (size_t i = 0; i < count; i++) {
        struct key_path path = {at, names[i], 0};
        columns[i].field = names[i];
        columns[i].value = value_of(machine, names[i]);
        check_push(check, -1, names[i]); // stack: fields column
        columns[i].column = check_text_at(check, lua_gettop(check->lua));
        lua_pop(check->lua, 1); // stack: fields
        if (!text_given(columns[i].column)) {
            check_problem(check, &path, "it must be the name of a column");
        }
        check_identifier(check, &path, columns[i].column);
        check_repeated(check, &path, out, i);
    }
    out->column_count = count;
}

/* stack: [-0, +0]. The value of `table` is on top. */
static void read_table(struct check *check, const struct key_path *at,
                       const struct machine *machine, struct app_table *out) {
    int table = lua_gettop(check->lua);
    struct key_path name = {at, TEXT("name"), 0}, fields = {at, TEXT("fields"), 0};
    check_keys(check, table, at, table_keys, sizeof table_keys / sizeof table_keys[0]);
    out->name = check_text(check, table, "name");
    if (!check_has(check, table, "name")) {
        check_problem(check, at, "'name' is missing: the name of the table");
    } else if (text_given(out->name) && !is_table_name(out->name)) {
        check_problem(check, &name, "'%.*s' is not a table name: NAME or SCHEMA.NAME",
                      TEXT_ARGS(out->name));
    }
    out->id = read_column(check, table, at, "id", true);
    out->state = read_column(check, table, at, "state", true);
    out->version = read_column(check, table, at, "version", false);
    if (check_push(check, table, fields.name) == LUA_TTABLE) { // stack: fields
        read_columns(check, &fields, machine, out);
    }
    lua_pop(check->lua, 1); // stack:
}

void declare_check_table(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("table"), 0};
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: table
        struct app_table *read = ARENA_NEW(check->arena, struct app_table);
        read_table(check, &at, out, read);
        out->table = read;
    }
    lua_pop(check->lua, 1); // stack:
}
