/* names.c: a cache in front of two small tables. It needs no limit: machines and
 * states come from policies, and kinds are at most 65535. */
#include "store/sqlite/names.h"

static const char FIND_MACHINE[] = "SELECT id FROM machine WHERE name = ?1";
static const char MAKE_MACHINE[] = "INSERT INTO machine (name) VALUES (?1)";
static const char FIND_KIND[] = "SELECT id FROM kind WHERE machine = ?1 AND state = ?2";
static const char MAKE_KIND[] = "INSERT INTO kind (machine, state) VALUES (?1, ?2)";
static const char FIND_STATE[] = "SELECT state FROM kind WHERE id = ?1";

void names_init(struct names *names, struct sql *sql) {
    *names = (struct names){.sql = sql};
    arena_init(&names->arena, 0);
    map_init(&names->machines, &names->arena);
}

void names_deinit(struct names *names) {
    arena_deinit(&names->arena);
}

void names_roll_back(struct names *names) {
    if (names->unsaved) {
        struct sql *sql = names->sql;
        names_deinit(names);
        names_init(names, sql);
    }
}

/* --- machines --- */

static struct machine_name *keep_machine(struct names *names, struct text name, int64_t id) {
    struct machine_name *machine = ARENA_NEW(&names->arena, struct machine_name);
    machine->id = id;
    machine->name = text_copy(&names->arena, name);
    map_init(&machine->kinds, &names->arena);
    map_set(&names->machines, machine->name, machine);
    return machine;
}

bool names_find_machine(struct names *names, struct text name, struct machine_name **out,
                        struct fault *fault) {
    *out = map_find(&names->machines, name);
    if (*out != NULL) {
        return true;
    }
    int64_t id;
    sqlite3_stmt *statement = sql_use(names->sql, FIND_MACHINE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, name);
    if (!sql_ask(names->sql, statement, 0, &id, fault)) {
        return false;
    }
    *out = id != 0 ? keep_machine(names, name, id) : NULL;
    return true;
}

bool names_machine(struct names *names, struct text name, struct machine_name **out,
                   struct fault *fault) {
    if (!names_find_machine(names, name, out, fault) || *out != NULL) {
        return *out != NULL;
    }
    sqlite3_stmt *statement = sql_use(names->sql, MAKE_MACHINE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_text(statement, 1, name);
    if (!sql_run(names->sql, statement, fault)) {
        return false;
    }
    names->unsaved = true;
    *out = keep_machine(names, name, sqlite3_last_insert_rowid(names->sql->database));
    return true;
}

/* --- kinds --- */

static void keep_kind(struct names *names, struct machine_name *machine, struct text state,
                      int64_t kind) {
    int64_t *number = ARENA_NEW(&names->arena, int64_t);
    *number = kind;
    map_set(&machine->kinds, text_copy(&names->arena, state), number);
}

static bool make_kind(struct names *names, const struct machine_name *machine, struct text state,
                      int64_t *kind, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(names->sql, MAKE_KIND, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, machine->id);
    sql_put_text(statement, 2, state);
    if (!sql_run(names->sql, statement, fault)) {
        return false;
    }
    names->unsaved = true;
    *kind = sqlite3_last_insert_rowid(names->sql->database);
    return true;
}

static bool find_kind(struct names *names, const struct machine_name *machine, struct text state,
                      int64_t *kind, struct fault *fault) {
    sqlite3_stmt *statement = sql_use(names->sql, FIND_KIND, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, machine->id);
    sql_put_text(statement, 2, state);
    return sql_ask(names->sql, statement, 0, kind, fault);
}

bool names_kind(struct names *names, struct machine_name *machine, struct text state, int64_t *kind,
                struct fault *fault) {
    const int64_t *known = map_find(&machine->kinds, state);
    if (known != NULL) {
        *kind = *known;
        return true;
    }
    if (!find_kind(names, machine, state, kind, fault) ||
        (*kind == 0 && !make_kind(names, machine, state, kind, fault))) {
        return false;
    }
    keep_kind(names, machine, state, *kind);
    return true;
}

/* --- states --- */

static void make_room(struct names *names, size_t kind) {
    size_t capacity = names->state_capacity == 0 ? 64 : names->state_capacity;
    while (capacity <= kind) {
        capacity *= 2;
    }
    struct text *states = ARENA_ARRAY(&names->arena, struct text, capacity);
    if (names->state_capacity > 0) {
        memcpy(states, names->states, names->state_capacity * sizeof *states);
    }
    names->states = states;
    names->state_capacity = capacity;
}

static bool read_state(struct names *names, int64_t kind, struct text *state, struct fault *fault) {
    bool row;
    sqlite3_stmt *statement = sql_use(names->sql, FIND_STATE, fault);
    if (statement == NULL) {
        return false;
    }
    sql_put_integer(statement, 1, kind);
    if (!sql_next(names->sql, statement, &row, fault)) {
        return false;
    }
    if (!row) {
        return fault_set(fault, FAULT_STORE_UNAVAILABLE, "the store %s is damaged: no kind %lld",
                         names->sql->path, (long long)kind);
    }
    *state = sql_text(&names->arena, statement, 0);
    sql_stop(statement);
    return true;
}

bool names_state(struct names *names, int64_t kind, struct text *state, struct fault *fault) {
    size_t at = kind > 0 && kind <= KIND_MOST ? (size_t)kind : 0;
    if (at >= names->state_capacity) {
        make_room(names, at);
    }
    if (!text_given(names->states[at]) && !read_state(names, kind, &names->states[at], fault)) {
        return false;
    }
    *state = names->states[at];
    return true;
}
