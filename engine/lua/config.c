/* config.c: one throw-away VM a file. */
#include "lua/config.h"

#include <errno.h>
#include <stdio.h>

#include "lua/value.h"

#define FILE_BYTES_MOST (1024 * 1024)

static bool read_stream(FILE *stream, struct arena *arena, struct text *out) {
    char *bytes = arena_alloc(arena, FILE_BYTES_MOST + 1);
    size_t length = fread(bytes, 1, FILE_BYTES_MOST + 1, stream);
    *out = (struct text){bytes, length};
    return ferror(stream) == 0;
}

static bool read_file(struct text path, struct arena *arena, struct text *out,
                      struct fault *fault) {
    FILE *stream = fopen(text_cstring(arena, path), "re");
    bool read = stream != NULL && read_stream(stream, arena, out);
    int error = errno;
    if (stream != NULL) {
        fclose(stream);
    }
    if (!read) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot read %.*s: %s", TEXT_ARGS(path),
                         strerror(error));
    }
    return out->length <= FILE_BYTES_MOST ||
           fault_set(fault, FAULT_USAGE, "%.*s is not a configuration: it is over 1 MiB",
                     TEXT_ARGS(path));
}

static bool run(struct vm *vm, struct text source, struct text path, struct arena *arena,
                const struct js **out, struct fault *fault) {
    lua_State *lua = vm_lua(vm);
    if (!vm_load(vm, source, text_cstring(arena, path), fault) || // stack: +1
        !vm_call(vm, 0, 1, fault)) {                              // stack: -1 +1
        return false;
    }
    bool read = value_read(lua, -1, arena, out, fault);
    lua_pop(lua, 1); // stack: -1
    if (!read) {
        return fault_within(fault, "%.*s", TEXT_ARGS(path));
    }
    return js_is(*out, JS_OBJECT) ||
           fault_set(
               fault, FAULT_USAGE,
               "%.*s: expected a table such as return { listen = \"127.0.0.1:9000\" }, not %s",
               TEXT_ARGS(path), js_type_name(*out));
}

bool config_load(struct text path, struct arena *arena, const struct js **out,
                 struct fault *fault) {
    struct text source = TEXT_NONE;
    if (!read_file(path, arena, &source, fault)) {
        return false;
    }
    struct vm_limits limits = vm_limits_default();
    struct vm *vm = vm_new(&limits, now_system());
    bool loaded = run(vm, source, path, arena, out, fault);
    vm_free(vm);
    if (!loaded) {
        fault->code = FAULT_USAGE;
    }
    return loaded;
}

const char *config_lua_version(void) {
    return LUA_RELEASE;
}
