/* version.c: `statute version`. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "http/http.h"
#include "lua/config.h"
#include "store/inspect.h"
#include "timezone/tz_cache.h"

/* How this program was compiled, from what the compiler says of itself. */
#if defined(__SANITIZE_ADDRESS__)
#define BUILD "address sanitizer"
#elif defined(__SANITIZE_THREAD__)
#define BUILD "thread sanitizer"
#elif defined(NDEBUG)
#define BUILD "release"
#elif defined(__OPTIMIZE__)
#define BUILD "optimized, with assertions"
#else
#define BUILD "debug"
#endif

enum format { FORMAT_TEXT, FORMAT_JSON };

struct version_values {
    struct text store;
    unsigned format;
};

static const struct option rows[] = {
    {"schema-of", OPTION_TEXT, offsetof(struct version_values, store), "URL", 0, 0,
     "also show the schema version of this store: sqlite:PATH or postgresql://..."},
    {"format", OPTION_CHOICE, offsetof(struct version_values, format), "text|json", 0, 0,
     "for people, or for programs"},
};

static void print_text(struct arena *arena, int64_t schema) {
    struct text libraries = inspect_libraries(arena);
    printf("statute %s (%s)\n", STATUTE_VERSION, BUILD);
    printf("%s, %.*s, %s\n", config_lua_version(), TEXT_ARGS(libraries), http_library());
    printf("tzdata %.*s\n", TEXT_ARGS(tz_cache_version(tz_cache_system())));
    if (schema > 0) {
        printf("schema %lld\n", (long long)schema);
    }
}

static void put(struct js_writer *writer, struct text key, const char *value) {
    js_key(writer, key);
    js_put_text(writer, text_of(value));
}

static void print_json(struct arena *arena, int64_t schema) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put(&writer, TEXT("name"), "statute");
    put(&writer, TEXT("version"), STATUTE_VERSION);
    put(&writer, TEXT("build"), BUILD);
    put(&writer, TEXT("lua"), config_lua_version());
    js_key(&writer, TEXT("store"));
    js_put_text(&writer, inspect_libraries(arena));
    put(&writer, TEXT("http"), http_library());
    js_key(&writer, TEXT("tzdata"));
    js_put_text(&writer, tz_cache_version(tz_cache_system()));
    if (schema > 0) {
        js_key(&writer, TEXT("schema"));
        js_put_integer(&writer, schema);
    }
    js_close(&writer, '}');
    terminal_json(stdout, buffer_view(&buffer));
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct version_values *values = invocation->values;
    int64_t schema = 0;
    if (text_given(values->store) && !inspect_schema(values->store, &schema, fault)) {
        return false;
    }
    if (values->format == FORMAT_JSON) {
        print_json(invocation->arena, schema);
    } else {
        print_text(invocation->arena, schema);
    }
    return true;
}

const struct command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "show the program's version",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct version_values),
    .run = run,
};
