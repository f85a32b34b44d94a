/* options.c: first the words are sorted into a line, since --config may stand anywhere and must be
 * read before a value can be chosen; then each row of the table takes the first value there is. */
#include "cli/options.h"

#include <stdlib.h>

#include "cli/option_value.h"

static bool is_option(const struct option *option) {
    return option->type != OPTION_HEADING;
}

/* --- the command line --- */

struct scan {
    struct option_table table;
    char *const *words;
    size_t count;
    size_t at;
    struct option_line *line;
    struct arena *arena;
    struct fault *fault;
};

static const struct option *find_name(struct option_table table, struct text name) {
    for (size_t i = 0; i < table.count; i++) {
        if (is_option(&table.items[i]) && text_equal(text_of(table.items[i].name), name)) {
            return table.items + i;
        }
    }
    return NULL;
}

static bool unknown_option(const struct scan *scan, struct text name) {
    struct text *names = ARENA_ARRAY(scan->arena, struct text, scan->table.count + 2);
    size_t count = 0;
    names[count++] = TEXT("config");
    names[count++] = TEXT("help");
    for (size_t i = 0; i < scan->table.count; i++) {
        if (is_option(&scan->table.items[i])) {
            names[count++] = text_of(scan->table.items[i].name);
        }
    }
    struct text nearest = text_nearest(name, names, count);
    if (text_given(nearest)) {
        return fault_set(scan->fault, FAULT_USAGE,
                         "there is no option --%.*s; did you mean --%.*s?", TEXT_ARGS(name),
                         TEXT_ARGS(nearest));
    }
    return fault_set(scan->fault, FAULT_USAGE, "there is no option --%.*s", TEXT_ARGS(name));
}

/* The value after the option: what follows '=', or the next word unless that is an option. */
static bool take_value(struct scan *scan, struct text name, struct text after, const char *hint,
                       struct text *out) {
    if (text_given(after)) {
        *out = after;
        return true;
    }
    if (scan->at + 1 >= scan->count || strncmp(scan->words[scan->at + 1], "--", 2) == 0) {
        return fault_set(scan->fault, FAULT_USAGE, "--%.*s needs a value: --%.*s=%s",
                         TEXT_ARGS(name), TEXT_ARGS(name), hint);
    }
    *out = text_of(scan->words[++scan->at]);
    return true;
}

static bool scan_option(struct scan *scan, struct text name, struct text after) {
    if (text_equal(name, TEXT("help"))) {
        scan->line->help = true;
        return true;
    }
    if (text_equal(name, TEXT("config"))) {
        return take_value(scan, name, after, "FILE.lua", &scan->line->config);
    }
    const struct option *option = find_name(scan->table, name);
    if (option == NULL) {
        return unknown_option(scan, name);
    }
    struct text *given = &scan->line->given[option - scan->table.items];
    if (option->type == OPTION_FLAG) {
        *given = text_given(after) ? after : TEXT("true");
        return true;
    }
    return take_value(scan, name, after, option->value, given);
}

static bool scan_word(struct scan *scan, struct text word, bool *options_ended) {
    if (*options_ended || !text_starts(word, TEXT("-")) || word.length == 1) {
        scan->line->arguments[scan->line->argument_count++] = word;
        return true;
    }
    if (text_equal(word, TEXT("--"))) {
        *options_ended = true;
        return true;
    }
    if (text_equal(word, TEXT("-h"))) {
        scan->line->help = true;
        return true;
    }
    if (!text_starts(word, TEXT("--"))) {
        return fault_set(scan->fault, FAULT_USAGE,
                         "%.*s: options begin with two dashes; after --, every word is an argument",
                         TEXT_ARGS(word));
    }
    struct text name = {word.bytes + 2, word.length - 2};
    const char *equals = memchr(name.bytes, '=', name.length);
    struct text after = equals != NULL ? text_of(equals + 1) : TEXT_NONE;
    name.length = equals != NULL ? (size_t)(equals - name.bytes) : name.length;
    return scan_option(scan, name, after);
}

/* An empty variable is one that is not set. */
static struct text variable(const char *name) {
    struct text value = text_of(getenv(name));
    return value.length > 0 ? value : TEXT_NONE;
}

bool options_scan(struct option_table table, char *const *words, size_t count, struct arena *arena,
                  struct option_line *out, struct fault *fault) {
    *out = (struct option_line){
        .given = ARENA_ARRAY(arena, struct text, table.count + 1),
        .arguments = ARENA_ARRAY(arena, struct text, count + 1),
    };
    struct scan scan = {table, words, count, 0, out, arena, fault};
    bool options_ended = false;
    for (; scan.at < count; scan.at++) {
        if (!scan_word(&scan, text_of(words[scan.at]), &options_ended)) {
            return false;
        }
    }
    if (!text_given(out->config)) {
        out->config = variable("STATUTE_CONFIG");
    }
    return true;
}

/* --- values --- */

static char key_character(char character) {
    return character == '-' ? '_' : character;
}

static char upper(char character) {
    return character >= 'a' && character <= 'z' ? (char)(character - 'a' + 'A') : character;
}

struct text options_key(struct arena *arena, const struct option *option) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (const char *at = option->name; *at != '\0'; at++) {
        buffer_add_char(&buffer, key_character(*at));
    }
    return buffer_view(&buffer);
}

static bool has_key(const struct option *option, struct text key) {
    bool same = strlen(option->name) == key.length;
    for (size_t i = 0; same && i < key.length; i++) {
        same = key_character(option->name[i]) == key.bytes[i];
    }
    return same;
}

const struct option *options_find_key(struct option_table table, struct text key) {
    for (size_t i = 0; i < table.count; i++) {
        if (is_option(&table.items[i]) && has_key(&table.items[i], key)) {
            return table.items + i;
        }
    }
    return NULL;
}

static const char *variable_name(struct arena *arena, const struct option *option) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_add_text(&buffer, TEXT("STATUTE_"));
    for (const char *at = option->name; *at != '\0'; at++) {
        buffer_add_char(&buffer, upper(key_character(*at)));
    }
    return text_cstring(arena, buffer_view(&buffer));
}

static struct text join(struct arena *arena, const struct js *array) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < array->array.count; i++) {
        buffer_add_text(&buffer, i > 0 ? TEXT(",") : TEXT(""));
        buffer_add_text(&buffer, js_text(array->array.items[i]));
    }
    return buffer_view(&buffer);
}

/* A value of the configuration file as the command line would have it. */
static struct text config_text(struct arena *arena, const struct js *value) {
    if (js_is(value, JS_STRING)) {
        return value->string;
    }
    return js_is(value, JS_ARRAY) ? join(arena, value) : js_print(arena, value);
}

struct choice {
    struct text value;
    const char *source; /* for messages */
};

static struct choice choose(const struct option *option, struct text given, const struct js *config,
                            struct arena *arena) {
    if (text_given(given)) {
        return (struct choice){given, text_print(arena, "--%s", option->name).bytes};
    }
    const char *name = variable_name(arena, option);
    struct text value = variable(name);
    if (text_given(value)) {
        return (struct choice){value, name};
    }
    struct text key = options_key(arena, option);
    const struct js *member = js_find(config, key);
    return (struct choice){member != NULL ? config_text(arena, member) : TEXT_NONE,
                           text_print(arena, "%.*s in the configuration", TEXT_ARGS(key)).bytes};
}

bool options_apply(struct option_table table, const struct option_line *line,
                   const struct js *config, struct arena *arena, void *values,
                   struct fault *fault) {
    for (size_t i = 0; i < table.count; i++) {
        const struct option *option = &table.items[i];
        if (!is_option(option)) {
            continue;
        }
        struct choice choice = choose(option, line->given[i], config, arena);
        if (text_given(choice.value) && !option_set(option, choice.value, values, fault)) {
            return fault_within(fault, "%s", choice.source);
        }
    }
    return true;
}
