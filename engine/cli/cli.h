/* cli.h: the command line: one file a command, and one table of them (cli.c).
 * Room cli/: options, output, commands; it uses everything. To add a command: its file, and a line
 * in the table. Exit status: 0 fine, 1 the answer is no, 2 usage, 3 the environment failed. */
#ifndef STATUTE_CLI_H
#define STATUTE_CLI_H

#include "cli/options.h"

struct command;

/* One run of a command. */
struct invocation {
    const struct command *command;
    struct arena *arena; /* lives as long as the command */
    void *values;        /* the command's own struct, defaults and options in it */
    const struct text *arguments;
    size_t argument_count;
    bool answer_is_no; /* out: exit 1 though nothing failed */
};

/* Prints its answer to standard output. False with a fault: the message goes to standard error, and
 * its code decides the exit status. */
typedef bool command_run(struct invocation *invocation, struct fault *fault);

struct command {
    const char *name;      /* "serve", "token create" */
    const char *arguments; /* "[FILE|-]" in --help; "" */
    size_t arguments_least, arguments_most;
    const char *summary; /* one line */
    const char *details; /* more for --help, lines of at most 100; NULL */
    struct option_table options;
    size_t values_size;
    void (*defaults)(void *values); /* NULL: all zero */
    command_run *run;
};

int cli_main(int argc, char **argv);

extern const struct command command_serve, command_check, command_eval, command_graph;
extern const struct command command_token_create, command_token_list, command_token_revoke;
extern const struct command command_import, command_export;
extern const struct command command_audit_verify, command_audit_list, command_audit_export;
extern const struct command command_verify, command_version;
extern const struct command command_migrate_status, command_migrate_up;

#endif
