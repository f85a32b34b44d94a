/* options.h: the options of a command, as one table that is parsed and shown in --help alike.
 * A value comes from the first of: the command line (--http-threads 2 or --http-threads=2), the
 * environment (STATUTE_HTTP_THREADS), the --config file (http_threads = 2), the command's defaults.
 * How to use: fill a struct of the command with its defaults, options_scan the words,
 * options_apply. Every command also has --config FILE and --help, which are not in the tables. */
#ifndef STATUTE_OPTIONS_H
#define STATUTE_OPTIONS_H

#include "base/js.h"

enum option_type {
    OPTION_HEADING,  /* no option: `help` stands between those before and after */
    OPTION_TEXT,     /* struct text */
    OPTION_SECRET,   /* struct text that --help and messages never show */
    OPTION_FLAG,     /* bool; alone on the command line it is true */
    OPTION_CHOICE,   /* unsigned: the position in `value`, "text|json" */
    OPTION_UNSIGNED, /* unsigned */
    OPTION_INTEGER,  /* int64_t */
    OPTION_COUNT,    /* size_t, a number of things */
    OPTION_BYTES,    /* size_t; "1MiB", "64KiB", "1000" */
    OPTION_DURATION, /* int64_t microseconds; "10s", "50ms" */
};

struct option {
    const char *name; /* "http-threads" */
    enum option_type type;
    size_t offset;       /* of the field in the command's struct */
    const char *value;   /* what --help calls it: "DIR"; the choices of OPTION_CHOICE */
    int64_t least, most; /* of numbers, in the field's unit */
    const char *help;
};

struct option_table {
    const struct option *items;
    size_t count;
};

/* What the command line said. */
struct option_line {
    struct text *given; /* one for each row of the table; TEXT_NONE: not there */
    struct text config; /* --config, else STATUTE_CONFIG, else TEXT_NONE */
    bool help;
    struct text *arguments; /* the words that are no options */
    size_t argument_count;
};

/* Sorts the words; the words must outlive the line. FAULT_USAGE: an unknown option, with "did you
 * mean", or one without its value. */
bool options_scan(struct option_table table, char *const *words, size_t count, struct arena *arena,
                  struct option_line *out, struct fault *fault) MUST_CHECK;

/* Sets the fields in `values`. `config` is the file's object, or NULL. FAULT_USAGE names where a
 * value that is none came from. */
bool options_apply(struct option_table table, const struct option_line *line,
                   const struct js *config, struct arena *arena, void *values,
                   struct fault *fault) MUST_CHECK;

/* The option with this key of a configuration file ("http_threads"); NULL: none. */
const struct option *options_find_key(struct option_table table, struct text key);
struct text options_key(struct arena *arena, const struct option *option); /* "http_threads" */

/* The lines of --help, with the limits of each and the defaults that are in `values`. */
void options_help(struct option_table table, const void *values, struct buffer *out);

#endif
