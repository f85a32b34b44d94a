/* declare.c: the constructors, `require`, and running one file.
 *
 *   machine "name" ──> a function that waits for the table ──> a declaration (userdata)
 *   roles {...}, pii {...}, directory {...} ──────────────────> a declaration
 *
 * A declaration is a userdata with two user values, its table and its name, so that no policy can
 * forge one. Whatever a file declares stands in `undelivered` until the file has returned it: a
 * declaration that is made and not returned is a mistake worth a word. */
#include "policy/declare/declare.h"

#include <lauxlib.h>

struct declared {
    enum declaration_kind kind;
    int line;
    bool is_returned;
};
#define DECLARATIONS_MOST 10000
#define VALUE_TABLE       1
#define VALUE_NAME        2

static const char declared_metatable = 0; /* its address is the registry key */
static const char failed_library = 0;     /* its address stands for a library that failed */

static const struct {
    const char *name;
    bool is_named;
} constructors[] = {
    [DECLARATION_MACHINE] = {"machine", true},    [DECLARATION_ROLES] = {"roles", false},
    [DECLARATION_PII] = {"pii", false},           [DECLARATION_ACCESS] = {"access", true},
    [DECLARATION_WEBHOOKS] = {"webhooks", false}, [DECLARATION_DIRECTORY] = {"directory", false},
};

const char *declaration_name(enum declaration_kind kind) {
    return constructors[kind].name;
}

static struct loader *loader_of(lua_State *lua) {
    return lua_touserdata(lua, lua_upvalueindex(1));
}

/* --- constructors: upvalues are the loader, the kind, and for `complete` the name and the line ---
 */

/* The line of the call in the file being run; of the nearest Lua function when that is a library.
 */
static int calling_line(lua_State *lua, const struct loader *loader) {
    lua_Debug frame;
    int nearest = 0;
    for (int level = 1; lua_getstack(lua, level, &frame) != 0; level++) {
        lua_getinfo(lua, "Sl", &frame);
        bool is_lua = frame.currentline > 0 && frame.source[0] == '@';
        if (is_lua && loader->current != NULL &&
            text_equal(text_of(frame.source + 1), loader->current->path)) {
            return frame.currentline;
        }
        nearest = nearest == 0 && is_lua ? frame.currentline : nearest;
    }
    return nearest;
}

/* stack: [-0, +1]. The table and the name are at these indices. */
static int make_declaration(lua_State *lua, enum declaration_kind kind, int line, int table,
                            int name) {
    struct loader *loader = loader_of(lua);
    struct declared *declared = lua_newuserdatauv(lua, sizeof *declared, 2); // stack: declaration
    *declared = (struct declared){kind, line, false};
    lua_pushvalue(lua, table);                                // stack: declaration table
    lua_setiuservalue(lua, -2, VALUE_TABLE);                  // stack: declaration
    lua_pushvalue(lua, name);                                 // stack: declaration name
    lua_setiuservalue(lua, -2, VALUE_NAME);                   // stack: declaration
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &declared_metatable); // stack: declaration metatable
    lua_setmetatable(lua, -2);                                // stack: declaration
    lua_rawgeti(lua, LUA_REGISTRYINDEX, loader->undelivered); // stack: declaration list
    if (lua_istable(lua, -1)) {
        lua_pushvalue(lua, -2); // stack: declaration list declaration
        lua_rawseti(lua, -2, (lua_Integer)lua_rawlen(lua, -2) + 1); // stack: declaration list
    }
    lua_pop(lua, 1); // stack: declaration
    return 1;
}

static int complete(lua_State *lua) {
    enum declaration_kind kind = (enum declaration_kind)lua_tointeger(lua, lua_upvalueindex(2));
    if (lua_gettop(lua) != 1 || !lua_istable(lua, 1)) {
        return luaL_error(lua, "%s '%s' must be followed by one table: %s \"%s\" { ... }",
                          constructors[kind].name, lua_tostring(lua, lua_upvalueindex(3)),
                          constructors[kind].name, lua_tostring(lua, lua_upvalueindex(3)));
    }
    return make_declaration(lua, kind, (int)lua_tointeger(lua, lua_upvalueindex(4)), 1,
                            lua_upvalueindex(3));
}

static int construct_named(lua_State *lua) {
    enum declaration_kind kind = (enum declaration_kind)lua_tointeger(lua, lua_upvalueindex(2));
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        return luaL_error(lua, "%s begins with its name: %s \"name\" { ... }",
                          constructors[kind].name, constructors[kind].name);
    }
    lua_pushvalue(lua, lua_upvalueindex(1));                 // stack: name loader
    lua_pushvalue(lua, lua_upvalueindex(2));                 // stack: name loader kind
    lua_pushvalue(lua, 1);                                   // stack: name loader kind name
    lua_pushinteger(lua, calling_line(lua, loader_of(lua))); // stack: name loader kind name line
    lua_pushcclosure(lua, complete, 4);                      // stack: name complete
    return 1;
}

static int construct_unnamed(lua_State *lua) {
    enum declaration_kind kind = (enum declaration_kind)lua_tointeger(lua, lua_upvalueindex(2));
    if (lua_gettop(lua) != 1 || !lua_istable(lua, 1)) {
        return luaL_error(lua, "%s takes one table: %s { ... }", constructors[kind].name,
                          constructors[kind].name);
    }
    lua_pushnil(lua); // stack: table nil
    return make_declaration(lua, kind, calling_line(lua, loader_of(lua)), 1, 2);
}

/* --- require --- */

#define LIBRARY_NAME_MOST 200

/* "lib.tools" as "lib/tools.lua", in `out`. */
static struct text library_path(struct text name, char out[LIBRARY_NAME_MOST + 5]) {
    for (size_t i = 0; i < name.length; i++) {
        out[i] = name.bytes[i] == '.' ? '/' : name.bytes[i];
    }
    memcpy(out + name.length, ".lua", 5);
    return (struct text){out, name.length + 4};
}

static struct text nearest_library(const struct loader *loader, struct text path) {
    struct text nearest = TEXT_NONE;
    for (size_t i = 0; i < loader->file_count && !text_given(nearest); i++) {
        const struct policy_file *file = &loader->files[i];
        nearest = file->is_library ? text_nearest(path, &file->path, 1) : nearest;
    }
    return nearest;
}

static int raise_no_library(lua_State *lua, const struct loader *loader, struct text path) {
    struct text nearest = nearest_library(loader, path);
    lua_pushlstring(lua, nearest.bytes, nearest.length); // stack: name nearest
    return luaL_error(
        lua, "require finds no '%s' under a folder named lib/ in the policy directory%s%s%s",
        path.bytes, text_given(nearest) ? "; did you mean '" : "", lua_tostring(lua, -1),
        text_given(nearest) ? "'?" : "");
}

/* stack: [-0, +1]. Compiles and runs the library; raises what it raises. */
static void run_library(lua_State *lua, struct loader *loader, const struct policy_file *file) {
    struct fault fault = FAULT_INIT;
    if (!vm_load(loader->vm, file->text, file->name, &fault)) {
        lua_pushstring(lua, fault.message); // stack: message
        lua_error(lua);
    }
    lua_call(lua, 0, 1); // stack: value
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);         // stack:
        lua_pushboolean(lua, 1); // stack: true
    }
}

/* stack: [-0, +0]. Libraries by path, and under the path itself what is to be remembered, on top.
 */
static void remember(lua_State *lua, struct loader *loader, struct text path) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, loader->libraries); // stack: value libraries
    lua_pushlstring(lua, path.bytes, path.length);          // stack: value libraries path
    lua_pushvalue(lua, -3);                                 // stack: value libraries path value
    lua_rawset(lua, -3);                                    // stack: value libraries
    lua_pop(lua, 1);                                        // stack: value
}

/* A protected call of its own, so that a library that fails is remembered as such. */
static int run_library_protected(lua_State *lua) {
    const struct policy_file *file = lua_touserdata(lua, 1);
    run_library(lua, loader_of(lua), file); // stack: file value
    return 1;
}

/* stack: [-0, +1]. `false` stands for a library that is being loaded. */
static void load_library(lua_State *lua, struct loader *loader, const struct policy_file *file) {
    lua_pushboolean(lua, 0); // stack: false
    remember(lua, loader, file->path);
    lua_pop(lua, 1);                                     // stack:
    lua_pushlightuserdata(lua, loader);                  // stack: loader
    lua_pushcclosure(lua, run_library_protected, 1);     // stack: function
    lua_pushlightuserdata(lua, (void *)(uintptr_t)file); // stack: function file
    if (lua_pcall(lua, 1, 1, 0) == LUA_OK) {             // stack: value
        remember(lua, loader, file->path);
        return;
    }
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&failed_library); // stack: error failed
    remember(lua, loader, file->path);
    lua_pop(lua, 1); // stack: error
    lua_error(lua);
}

/* stack: [-0, +1]. What is remembered of the library, nil at first; its type. */
static int push_library(lua_State *lua, const struct loader *loader,
                        const struct policy_file *file) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, loader->libraries);    // stack: libraries
    lua_pushlstring(lua, file->path.bytes, file->path.length); // stack: libraries path
    lua_rawget(lua, -2);                                       // stack: libraries value
    lua_remove(lua, -2);                                       // stack: value
    return lua_type(lua, -1);
}

static int require_file(lua_State *lua, struct loader *loader, const struct policy_file *file) {
    push_library(lua, loader, file); // stack: value
    if (lua_isboolean(lua, -1) && !lua_toboolean(lua, -1)) {
        return luaL_error(lua, "'%s' requires itself, directly or by others", file->name);
    }
    if (lua_touserdata(lua, -1) == &failed_library) {
        return luaL_error(lua, "the library '%s' could not be loaded", file->name);
    }
    if (lua_isnil(lua, -1)) {
        load_library(lua, loader, file); // stack: nil library
    }
    return 1;
}

static int require(lua_State *lua) {
    struct loader *loader = loader_of(lua);
    struct text name;
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        return luaL_error(lua, "require takes the name of a library: require \"lib.name\"");
    }
    name.bytes = lua_tolstring(lua, 1, &name.length);
    if (name.length > LIBRARY_NAME_MOST || memchr(name.bytes, '\0', name.length) != NULL) {
        return luaL_error(lua, "require takes the name of a library: require \"lib.name\"");
    }
    char bytes[LIBRARY_NAME_MOST + 5];
    struct text path = library_path(name, bytes);
    const struct policy_file *file = folder_find(loader->files, loader->file_count, path);
    return file != NULL && file->is_library ? require_file(lua, loader, file)
                                            : raise_no_library(lua, loader, path);
}

/* --- opening --- */

static void set_global(struct loader *loader, lua_CFunction function, lua_Integer kind,
                       const char *name) {
    lua_State *lua = vm_lua(loader->vm);
    lua_pushlightuserdata(lua, loader); // stack: loader
    lua_pushinteger(lua, kind);         // stack: loader kind
    lua_pushcclosure(lua, function, 2); // stack: function
    vm_set_global(loader->vm, name);    // stack:
}

void declare_open(struct loader *loader) {
    lua_State *lua = vm_lua(loader->vm);
    lua_newtable(lua);                                        // stack: metatable
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &declared_metatable); // stack:
    lua_newtable(lua);                                        // stack: libraries
    loader->libraries = luaL_ref(lua, LUA_REGISTRYINDEX);     // stack:
    loader->undelivered = LUA_REFNIL;
    for (size_t i = 0; i < sizeof constructors / sizeof constructors[0]; i++) {
        set_global(loader, constructors[i].is_named ? construct_named : construct_unnamed,
                   (lua_Integer)i, constructors[i].name);
    }
    set_global(loader, require, 0, "require");
}

/* --- what went wrong, and where --- */

/* The file that Lua calls `name` in a message: long names begin with "...". */
static const struct policy_file *file_called(const struct loader *loader, struct text name) {
    const struct policy_file *file = folder_find(loader->files, loader->file_count, name);
    if (file != NULL || !text_starts(name, TEXT("..."))) {
        return file;
    }
    struct text tail = {name.bytes + 3, name.length - 3};
    for (size_t i = 0; i < loader->file_count; i++) {
        if (text_ends(loader->files[i].path, tail)) {
            return &loader->files[i];
        }
    }
    return NULL;
}

/* Reads "file:line: message". */
static bool read_place(const struct loader *loader, struct text message, struct problem *out) {
    const char *colon = memchr(message.bytes, ':', message.length);
    if (colon == NULL) {
        return false;
    }
    struct text name = {message.bytes, (size_t)(colon - message.bytes)};
    const struct policy_file *file = file_called(loader, name);
    const char *end = message.bytes + message.length;
    const char *after = memchr(colon + 1, ':', (size_t)(end - colon - 1));
    int64_t line;
    if (file == NULL || after == NULL ||
        !text_to_integer((struct text){colon + 1, (size_t)(after - colon - 1)}, &line)) {
        return false;
    }
    after += end - after > 1 && after[1] == ' ' ? 2 : 1;
    *out = (struct problem){file->path, (int)line, {after, (size_t)(end - after)}};
    return true;
}

static void report_fault(struct loader *loader, const struct policy_file *file,
                         const struct fault *fault) {
    struct problem problem = {file->path, 0, text_of(fault->message)};
    read_place(loader, text_of(fault->message), &problem);
    problem_add(loader->problems, problem.file, problem.line, problem.message);
}

/* --- libraries --- */

/* One that has failed for another library has been reported already. */
static int prove_library(lua_State *lua) {
    struct loader *loader = loader_of(lua);
    const struct policy_file *file = lua_touserdata(lua, 1);
    if (push_library(lua, loader, file) == LUA_TNIL) { // stack: file value
        load_library(lua, loader, file);               // stack: file nil library
    }
    return 0;
}

void declare_libraries(struct loader *loader) {
    lua_State *lua = vm_lua(loader->vm);
    for (size_t i = 0; i < loader->file_count; i++) {
        const struct policy_file *file = &loader->files[i];
        struct fault fault = FAULT_INIT;
        if (!file->is_library) {
            continue;
        }
        loader->current = file;
        lua_pushlightuserdata(lua, loader);                  // stack: loader
        lua_pushcclosure(lua, prove_library, 1);             // stack: function
        lua_pushlightuserdata(lua, (void *)(uintptr_t)file); // stack: function file
        if (!vm_call(loader->vm, 1, 0, &fault)) {            // stack:
            report_fault(loader, file, &fault);
        }
    }
}

/* --- files --- */

static struct declared *declared_at(lua_State *lua, int index) {
    if (lua_type(lua, index) != LUA_TUSERDATA || !lua_getmetatable(lua, index)) {
        return NULL;
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &declared_metatable); // stack: metatable ours
    bool is_ours = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2); // stack:
    return is_ours ? lua_touserdata(lua, index) : NULL;
}

static struct text name_of(lua_State *lua, struct arena *arena, int declaration) {
    struct text name = TEXT_NONE;
    lua_getiuservalue(lua, declaration, VALUE_NAME); // stack: name
    if (lua_type(lua, -1) == LUA_TSTRING) {
        name.bytes = lua_tolstring(lua, -1, &name.length);
        char *bytes = (char *)(uintptr_t)text_copy(arena, name).bytes;
        text_mend_utf8(bytes, name.length);
        name.bytes = bytes;
    }
    lua_pop(lua, 1); // stack:
    return name;
}

static struct declaration *append(struct loader *loader) {
    if (loader->declaration_count == loader->declaration_capacity) {
        size_t capacity = loader->declaration_capacity == 0 ? 64 : loader->declaration_capacity * 2;
        struct declaration *grown = ARENA_ARRAY(loader->arena, struct declaration, capacity);
        if (loader->declaration_count > 0) {
            memcpy(grown, loader->declarations, loader->declaration_count * sizeof *grown);
        }
        loader->declarations = grown;
        loader->declaration_capacity = capacity;
    }
    return &loader->declarations[loader->declaration_count++];
}

/* stack: [-0, +0]. The declaration is on top. */
static void deliver(lua_State *lua, struct loader *loader, struct declared *declared) {
    int index = lua_gettop(lua);
    if (declared->is_returned) {
        problem_add(loader->problems, loader->current->path, declared->line,
                    TEXT("the same declaration is returned twice"));
        return;
    }
    declared->is_returned = true;
    if (loader->declaration_count >= DECLARATIONS_MOST) {
        problem_add(loader->problems, loader->current->path, 0,
                    TEXT("there are more than 10,000 declarations"));
        return;
    }
    struct text name = name_of(lua, loader->arena, index);
    lua_getiuservalue(lua, index, VALUE_TABLE);   // stack: declaration table
    int table = luaL_ref(lua, LUA_REGISTRYINDEX); // stack: declaration
    *append(loader) =
        (struct declaration){declared->kind, name, loader->current, declared->line, table};
}

/* Says that the value on top, given or returned by `subject`, is no declaration. The line is that
 * of the file as a whole: which `return` it was, Lua does not tell. */
static void report_no_declaration(lua_State *lua, struct loader *loader, struct text subject) {
    const char *type = lua_typename(lua, lua_type(lua, -1));
    struct text what = text_print(loader->problems->arena, "a %s", type);
    if (lua_isnil(lua, -1)) {
        what = TEXT("nothing");
    } else if (lua_isfunction(lua, -1)) {
        what = TEXT("a function; does a table follow after the name?");
    }
    problem_add(
        loader->problems, loader->current->path, 1,
        text_print(loader->problems->arena, "%.*s %.*s", TEXT_ARGS(subject), TEXT_ARGS(what)));
}

/* stack: [-0, +0]. The list is on top. */
static void deliver_list(lua_State *lua, struct loader *loader) {
    lua_Integer length = (lua_Integer)lua_rawlen(lua, -1);
    if (length == 0) {
        problem_add(loader->problems, loader->current->path, 1,
                    TEXT("the file returns a table that is not a list of declarations"));
    }
    for (lua_Integer i = 1; i <= length; i++) {
        lua_rawgeti(lua, -1, i); // stack: list item
        struct declared *declared = declared_at(lua, -1);
        if (declared != NULL) {
            deliver(lua, loader, declared);
        } else {
            report_no_declaration(lua, loader,
                                  text_print(loader->problems->arena,
                                             "the list must hold declarations, but item %lld is",
                                             (long long)i));
        }
        lua_pop(lua, 1); // stack: list
    }
}

/* stack: [-0, +0] */
static void report_undelivered(lua_State *lua, struct loader *loader) {
    struct arena *arena = loader->problems->arena;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, loader->undelivered); // stack: list
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(lua, -1); i++) {
        lua_rawgeti(lua, -1, i); // stack: list declaration
        const struct declared *declared = declared_at(lua, -1);
        if (!declared->is_returned) {
            struct text name = name_of(lua, arena, -1);
            problem_add(loader->problems, loader->current->path, declared->line,
                        text_print(arena,
                                   "%s '%.*s' is declared here but not returned; is a "
                                   "'return' missing?",
                                   constructors[declared->kind].name, TEXT_ARGS(name)));
        }
        lua_pop(lua, 1); // stack: list
    }
    lua_pop(lua, 1); // stack:
}

static size_t undelivered_count(lua_State *lua, const struct loader *loader) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, loader->undelivered); // stack: list
    size_t count = lua_rawlen(lua, -1);
    lua_pop(lua, 1); // stack:
    return count;
}

/* What a file returned is the one argument. */
static int collect(lua_State *lua) {
    struct loader *loader = loader_of(lua);
    struct declared *declared = declared_at(lua, 1);
    if (declared != NULL) {
        deliver(lua, loader, declared);
    } else if (lua_istable(lua, 1)) {
        deliver_list(lua, loader);
    } else if (!lua_isnil(lua, 1) || undelivered_count(lua, loader) == 0) {
        report_no_declaration(lua, loader,
                              TEXT("a policy file returns a declaration or a list of "
                                   "declarations, but this one returns"));
    }
    report_undelivered(lua, loader);
    return 0;
}

/* stack: [-0, +1 on true] */
static bool run_file(struct loader *loader, const struct policy_file *file, struct fault *fault) {
    return vm_load(loader->vm, file->text, file->name, fault) && // stack: chunk
           vm_call(loader->vm, 0, 1, fault);                     // stack: value
}

void declare_file(struct loader *loader, const struct policy_file *file) {
    lua_State *lua = vm_lua(loader->vm);
    struct fault fault = FAULT_INIT;
    loader->current = file;
    lua_newtable(lua);                                      // stack: list
    loader->undelivered = luaL_ref(lua, LUA_REGISTRYINDEX); // stack:
    if (run_file(loader, file, &fault)) {                   // stack: value
        lua_pushlightuserdata(lua, loader);                 // stack: value loader
        lua_pushcclosure(lua, collect, 1);                  // stack: value collect
        lua_insert(lua, -2);                                // stack: collect value
        if (!vm_call(loader->vm, 1, 0, &fault)) {           // stack:
            report_fault(loader, file, &fault);
        }
    } else {
        report_fault(loader, file, &fault);
    }
    luaL_unref(lua, LUA_REGISTRYINDEX, loader->undelivered);
    loader->undelivered = LUA_REFNIL;
}
