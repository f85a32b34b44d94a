/* cli.c: finds the command, reads its options, runs it, and turns its fault into a message and an
 * exit status. A command of two words ("token create") is one row of the table. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lua/config.h"

static const struct command *const commands[] = {
    &command_serve,        &command_check,      &command_eval,           &command_graph,
    &command_token_create, &command_token_list, &command_token_revoke,   &command_import,
    &command_export,       &command_audit_list, &command_audit_export,   &command_audit_verify,
    &command_verify,       &command_version,    &command_migrate_status, &command_migrate_up,
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

enum { EXIT_NO = 1, EXIT_USAGE = 2 };

/* --- output --- */

/* Standard output may be a full disk: what was not written is a failure. */
static bool flush_output(struct fault *fault) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return true;
    }
    return fault_set(fault, FAULT_ENVIRONMENT, "cannot write to standard output: %s",
                     strerror(errno));
}

static int fail(const struct command *command, const struct fault *fault) {
    fflush(stdout);
    fprintf(stderr, "statute %s: %s\n", command->name, fault->message);
    if (fault->code == FAULT_USAGE) {
        fprintf(stderr, "See 'statute %s --help'.\n", command->name);
    }
    return fault_exit(fault->code);
}

static void list_commands(FILE *out, const char *group) {
    size_t length = strlen(group);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i]->name, group, length) == 0) {
            fprintf(out, "  %-14s  %s\n", commands[i]->name, commands[i]->summary);
        }
    }
}

static void overview(FILE *out) {
    fprintf(out,
            "statute %s: state machines with permissions and an audit trail, scripted in Lua.\n"
            "\nUsage: statute COMMAND [options]\n\nCommands:\n",
            STATUTE_VERSION);
    list_commands(out, "");
    fprintf(out, "\n"
                 "'statute COMMAND --help' describes each command. Exit status: 0 success, 1 the "
                 "answer is no,\n"
                 "2 wrong usage, 3 the environment failed.\n");
}

static int help(const struct command *command, struct arena *arena) {
    void *values = arena_alloc(arena, command->values_size + 1);
    struct buffer buffer;
    buffer_init(&buffer, arena);
    if (command->defaults != NULL) {
        command->defaults(values);
    }
    buffer_print(&buffer, "statute %s: %s.\n\nUsage: statute %s [options]%s%s\n\n", command->name,
                 command->summary, command->name, command->arguments[0] != '\0' ? " " : "",
                 command->arguments);
    if (command->details != NULL) {
        buffer_print(&buffer, "%s\n\n", command->details);
    }
    options_help(command->options, values, &buffer);
    fwrite(buffer.bytes, 1, buffer.length, stdout);
    return 0;
}

/* --- the configuration file --- */

static bool is_config_key(struct text key) {
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (options_find_key(commands[i]->options, key) != NULL) {
            return true;
        }
    }
    return false;
}

static size_t config_keys(struct arena *arena, struct text **out) {
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        count += commands[i]->options.count;
    }
    *out = ARENA_ARRAY(arena, struct text, count + 2);
    count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        for (size_t j = 0; j < commands[i]->options.count; j++) {
            if (commands[i]->options.items[j].type != OPTION_HEADING) {
                (*out)[count++] = options_key(arena, &commands[i]->options.items[j]);
            }
        }
    }
    return count;
}

static bool unknown_key(struct arena *arena, struct text path, struct text key,
                        struct fault *fault) {
    struct text *keys;
    size_t count = config_keys(arena, &keys);
    struct text nearest = text_nearest(key, keys, count);
    return fault_set(fault, FAULT_USAGE, "%.*s: no command has an option '%.*s'%s%.*s%s",
                     TEXT_ARGS(path), TEXT_ARGS(key), text_given(nearest) ? "; did you mean '" : "",
                     TEXT_ARGS(nearest), text_given(nearest) ? "'?" : "");
}

/* One file may serve all commands, so a key is wrong only when none of them has it. */
static bool read_config(struct arena *arena, struct text path, const struct js **out,
                        struct fault *fault) {
    *out = NULL;
    if (!text_given(path)) {
        return true;
    }
    if (!config_load(path, arena, out, fault)) {
        return false;
    }
    for (size_t i = 0; i < (*out)->object.count; i++) {
        if (!is_config_key((*out)->object.members[i].key)) {
            return unknown_key(arena, path, (*out)->object.members[i].key, fault);
        }
    }
    return true;
}

/* --- the environment --- */

#define VARIABLE "STATUTE_"

/* What Kubernetes sets beside a service that is called statute, and what our own tests use. */
static bool is_of_others(struct text name) {
    return text_starts(name, TEXT("STATUTE_TEST_")) ||
           text_starts(name, TEXT("STATUTE_SERVICE_")) ||
           text_starts(name, TEXT("STATUTE_PORT_")) || text_equal(name, TEXT("STATUTE_PORT"));
}

static struct text change_case(struct arena *arena, struct text text, char first, char shift) {
    char *bytes = arena_alloc(arena, text.length + 1);
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bytes[i] = (char)(c >= first && c <= first + 25 ? c + shift : c);
    }
    return (struct text){bytes, text.length};
}

static struct text variable_of(struct arena *arena, struct text key) {
    return change_case(arena, text_print(arena, VARIABLE "%.*s", TEXT_ARGS(key)), 'a', 'A' - 'a');
}

static bool unknown_variable(struct arena *arena, struct text name, struct text key,
                             struct fault *fault) {
    struct text *keys;
    size_t count = config_keys(arena, &keys);
    keys[count++] = TEXT("config");
    struct text nearest = text_nearest(key, keys, count);
    if (!text_given(nearest)) {
        return fault_set(fault, FAULT_USAGE,
                         "%.*s is set, but no command has such an option; unset it",
                         TEXT_ARGS(name));
    }
    return fault_set(fault, FAULT_USAGE,
                     "%.*s is set, but no command has such an option; did you mean %.*s?",
                     TEXT_ARGS(name), TEXT_ARGS(variable_of(arena, nearest)));
}

/* The environment serves all commands, as a file does. A value that would be overlooked is refused.
 */
static bool check_environment(struct arena *arena, struct fault *fault) {
    static const size_t prefix = sizeof VARIABLE - 1;
    for (char **entry = environ; *entry != NULL; entry++) {
        struct text name = {*entry, strcspn(*entry, "=")};
        if (!text_starts(name, TEXT(VARIABLE)) || is_of_others(name)) {
            continue;
        }
        struct text rest = {name.bytes + prefix, name.length - prefix};
        struct text key = change_case(arena, rest, 'A', 'a' - 'A');
        if (!text_equal(key, TEXT("config")) && !is_config_key(key)) {
            return unknown_variable(arena, name, key, fault);
        }
    }
    return true;
}

/* --- running --- */

static bool check_arguments(const struct command *command, const struct option_line *line,
                            struct fault *fault) {
    if (line->argument_count < command->arguments_least) {
        return fault_set(fault, FAULT_USAGE, "an argument is missing: %s", command->arguments);
    }
    if (line->argument_count > command->arguments_most) {
        return fault_set(fault, FAULT_USAGE, "'%.*s' is one argument too many",
                         TEXT_ARGS(line->arguments[command->arguments_most]));
    }
    return true;
}

static bool prepare(struct invocation *invocation, const struct option_line *line,
                    struct fault *fault) {
    const struct command *command = invocation->command;
    const struct js *config;
    invocation->values = arena_alloc(invocation->arena, command->values_size + 1);
    if (command->defaults != NULL) {
        command->defaults(invocation->values);
    }
    invocation->arguments = line->arguments;
    invocation->argument_count = line->argument_count;
    return check_arguments(command, line, fault) && check_environment(invocation->arena, fault) &&
           read_config(invocation->arena, line->config, &config, fault) &&
           options_apply(command->options, line, config, invocation->arena, invocation->values,
                         fault);
}

static int run_command(const struct command *command, char **words, size_t count,
                       struct arena *arena) {
    struct invocation invocation = {.command = command, .arena = arena};
    struct option_line line;
    struct fault fault = FAULT_INIT;
    if (!options_scan(command->options, words, count, arena, &line, &fault)) {
        return fail(command, &fault);
    }
    if (line.help) {
        return help(command, arena);
    }
    if (!prepare(&invocation, &line, &fault) || !command->run(&invocation, &fault) ||
        !flush_output(&fault)) {
        return fail(command, &fault);
    }
    return invocation.answer_is_no ? EXIT_NO : 0;
}

/* --- finding the command --- */

static const struct command *find(const char *name) {
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

/* The command of the first words, and how many words its name took; NULL: there is none. */
static const struct command *find_words(char **words, size_t count, size_t *used,
                                        struct arena *arena) {
    *used = 1;
    const struct command *command = find(words[0]);
    if (command == NULL && count > 1) {
        *used = 2;
        command = find(text_print(arena, "%s %s", words[0], words[1]).bytes);
    }
    return command;
}

static bool is_group(const char *word) {
    size_t length = strlen(word);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ') {
            return true;
        }
    }
    return false;
}

static bool asks_for_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* "statute token": one of a few words is missing or wrong. */
static int group(char **words, size_t count, struct arena *arena) {
    bool asked = count > 1 && asks_for_help(words[1]);
    FILE *out = asked ? stdout : stderr;
    if (count > 1 && !asked) {
        fprintf(out, "statute: there is no command '%s %s'\n\n", words[0], words[1]);
    }
    fprintf(out, "Usage: statute %s COMMAND [options]\n\nCommands:\n", words[0]);
    list_commands(out, text_print(arena, "%s ", words[0]).bytes);
    return asked ? 0 : EXIT_USAGE;
}

static int unknown_command(const char *word) {
    struct text names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = text_of(commands[i]->name);
        const char *space = strchr(commands[i]->name, ' ');
        names[i].length = space != NULL ? (size_t)(space - commands[i]->name) : names[i].length;
    }
    struct text nearest = text_nearest(text_of(word), names, COMMAND_COUNT);
    fprintf(stderr, "statute: there is no command '%s'", word);
    if (text_given(nearest)) {
        fprintf(stderr, "; did you mean '%.*s'?", TEXT_ARGS(nearest));
    }
    fprintf(stderr, "\n\nCommands:\n");
    list_commands(stderr, "");
    return EXIT_USAGE;
}

static int dispatch(char **words, size_t count, struct arena *arena) {
    size_t used;
    const struct command *command = find_words(words, count, &used, arena);
    if (command != NULL) {
        return run_command(command, words + used, count - used, arena);
    }
    return is_group(words[0]) ? group(words, count, arena) : unknown_command(words[0]);
}

static int cli_help(char **words, size_t count, struct arena *arena) {
    size_t used;
    if (count == 0) {
        overview(stdout);
        return 0;
    }
    const struct command *command = find_words(words, count, &used, arena);
    if (command != NULL) {
        return help(command, arena);
    }
    return is_group(words[0]) ? (list_commands(stdout, words[0]), 0) : unknown_command(words[0]);
}

int cli_main(int argc, char **argv) {
    struct arena arena;
    int status = EXIT_USAGE;
    arena_init(&arena, 0);
    if (argc < 2) {
        overview(stderr);
    } else if (asks_for_help(argv[1])) {
        status = cli_help(argv + 2, (size_t)argc - 2, &arena);
    } else if (strcmp(argv[1], "--version") == 0) {
        status = run_command(&command_version, argv + 2, (size_t)argc - 2, &arena);
    } else {
        status = dispatch(argv + 1, (size_t)argc - 1, &arena);
    }
    arena_deinit(&arena);
    return status;
}
