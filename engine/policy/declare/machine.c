/* machine.c: a machine's own keys. States are in states.c, fields in
 * fields.c. */
#include "policy/declare/declare.h"
#include "policy/declare/permission.h"

#define RETRIES_MOST            100
#define LOCK_TIMEOUT_DEFAULT_MS 10000
#define LOCK_WAIT_DEFAULT_MS    5000
#define LOCK_MOST_MS            INT64_C(86400000) /* a day */
#define RETRIES_DEFAULT         3

static const struct key_rule machine_keys[] = {
    {"doc", KIND_TEXT, "a string"},
    {"initial", KIND_TEXT, "the name of a state"},
    {"fields", KIND_TABLE, "a table of field = type"},
    {"strict", KIND_BOOLEAN, "true or false"},
    {"states", KIND_TABLE, "a table of STATE = {...}"},
    {"prepare", KIND_FUNCTION, "a function (data, ctx) -> data"},
    {"validate", KIND_FUNCTION, "a function (data, ctx) -> { field = message }"},
    {"warn", KIND_FUNCTION, "a function (data, ctx) -> string or list of strings"},
    {"create", KIND_TABLE,
     "a table such as { permit = '...', guard = function (data, ctx) -> ok }"},
    {"update", KIND_TABLE,
     "a table such as { permit = '...', guard = function (data, ctx) -> ok }"},
    {"read", KIND_TABLE, "a table such as { permit = '...' }"},
    {"isolation", KIND_TEXT, "'read committed', 'repeatable read' or 'serializable'"},
    {"lock", KIND_TABLE, "a table such as { timeout = '10s', wait = '5s' }"},
    {"retries", KIND_INTEGER, "an integer"},
    WITHIN_KEY,
    {"renamed_from", KIND_TEXT, "the name that the machine had before"},
    {"table", KIND_TABLE, "a table such as { name = 'jobs', id = 'id', state = 'status' }"},
};

static const struct key_rule lock_keys[] = {
    {"timeout", KIND_TEXT, "a duration such as '10s'"},
    {"wait", KIND_TEXT, "a duration such as '5s'"},
};

static void read_isolation(struct check *check, int table, struct machine *out) {
    static const struct text names[] = {
        {"read committed", 14}, {"repeatable read", 15}, {"serializable", 12}};
    struct text name = check_text(check, table, "isolation");
    out->isolation = ISOLATION_READ_COMMITTED;
    if (!text_given(name)) {
        return;
    }
    out->isolation = isolation_of_name(name);
    if (out->isolation == ISOLATION_DEFAULT) {
        struct key_path at = {NULL, TEXT("isolation"), 0};
        check_problem(
            check, &at,
            "'%.*s' is not one of 'read committed', 'repeatable read', 'serializable'%.*s",
            TEXT_ARGS(name), TEXT_ARGS(problem_hint(check->problems->arena, name, names, 3)));
    }
}

static int64_t read_lock_time(struct check *check, int lock, const struct key_path *at,
                              const char *key, int64_t otherwise_ms, int64_t least_ms) {
    int64_t time_ms = check_duration(check, lock, at, key, otherwise_ms * 1000) / 1000;
    if (time_ms < least_ms || time_ms > LOCK_MOST_MS) {
        struct key_path path = {at, text_of(key), 0};
        check_problem(check, &path, "it must be between '%lldms' and '24h'", (long long)least_ms);
    }
    return time_ms;
}

static void read_lock(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("lock"), 0};
    out->lock_timeout_ms = LOCK_TIMEOUT_DEFAULT_MS;
    out->lock_wait_ms = LOCK_WAIT_DEFAULT_MS;
    if (check_push(check, table, at.name) == LUA_TTABLE) { // stack: lock
        int lock = lua_gettop(check->lua);
        check_keys(check, lock, &at, lock_keys, 2);
        out->lock_timeout_ms =
            read_lock_time(check, lock, &at, "timeout", LOCK_TIMEOUT_DEFAULT_MS, 1);
        out->lock_wait_ms = read_lock_time(check, lock, &at, "wait", LOCK_WAIT_DEFAULT_MS, 0);
    }
    lua_pop(check->lua, 1); // stack:
}

static void read_retries(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("retries"), 0};
    check_push(check, table, at.name); // stack: retries
    out->retries = lua_isinteger(check->lua, -1) ? lua_tointeger(check->lua, -1) : RETRIES_DEFAULT;
    lua_pop(check->lua, 1); // stack:
    if (out->retries < 0 || out->retries > RETRIES_MOST) {
        check_problem(check, &at, "it must be between 0 and %d", RETRIES_MOST);
    }
}

static void read_initial(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("initial"), 0};
    struct text *names = ARENA_ARRAY(check->problems->arena, struct text, out->state_count);
    for (size_t i = 0; i < out->state_count; i++) {
        names[i] = out->states[i].name;
    }
    struct text initial = check_text(check, table, "initial");
    if (text_given(initial) && out->state_count > 0) {
        int64_t index = check_reference(check, &at, "state", initial, names, out->state_count);
        out->initial = index >= 0 ? (size_t)index : 0;
    } else if (!check_has(check, table, "initial")) {
        check_problem(check, NULL, "'initial' is missing: the state that new entities begin in");
    }
}

/* The field that `within` names holds a string, or nothing is ever within anything. */
static void read_within(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("within"), 0};
    declare_within(check, table, &out->within);
    struct text name = out->within.field;
    struct text *names = ARENA_ARRAY(check->problems->arena, struct text, out->field_count);
    for (size_t i = 0; i < out->field_count; i++) {
        const struct field *field = &out->fields[i];
        names[i] = field->name;
        if (text_given(name) && text_equal(field->name, name)) {
            if (field->type != FIELD_STRING && field->type != FIELD_ANY) {
                check_problem(check, &at, "the field '%.*s' must be a string", TEXT_ARGS(name));
            }
            return;
        }
    }
    if (text_given(name) && out->strict) {
        check_reference(check, &at, "field", name, names, out->field_count);
    }
}

static void read_former_name(struct check *check, int table, struct machine *out) {
    struct key_path at = {NULL, TEXT("renamed_from"), 0};
    out->renamed_from = check_text(check, table, "renamed_from");
    if (text_given(out->renamed_from) && !entity_is_name(out->renamed_from)) {
        check_problem(check, &at, "'%.*s' is not a machine name", TEXT_ARGS(out->renamed_from));
    }
}

void declare_check_machine(struct check *check, struct machine *out) {
    int table = lua_gettop(check->lua);
    *out = (struct machine){.name = check->name, .file = check->file, .line = check->line};
    if (!entity_is_name(check->name)) {
        check_problem(check, NULL,
                      "a name begins with a letter or '_' and goes on with letters, "
                      "digits, '_', '-' and '.'; at most 100");
    }
    check_keys(check, table, NULL, machine_keys, sizeof machine_keys / sizeof machine_keys[0]);
    out->doc = check_text(check, table, "doc");
    out->strict = check_flag(check, table, "strict");
    out->has_prepare = check_has_function(check, table, NULL, "prepare");
    out->has_validate = check_has_function(check, table, NULL, "validate");
    out->has_warn = check_has_function(check, table, NULL, "warn");
    read_former_name(check, table, out);
    declare_check_act(check, table, NULL, "create", true, &out->create);
    declare_check_act(check, table, NULL, "update", true, &out->update);
    declare_check_act(check, table, NULL, "read", false, &out->read);
    read_isolation(check, table, out);
    read_lock(check, table, out);
    read_retries(check, table, out);
    declare_check_fields(check, table, out);
    read_within(check, table, out);
    declare_check_table(check, table, out);
    declare_check_states(check, table, out);
    declare_check_field_states(check, out);
    read_initial(check, table, out);
    out->permit_reads = check->reads;
    out->permit_read_count = check->read_count;
}
