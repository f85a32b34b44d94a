/* options_help.c: --help is made of the same rows that are parsed, so it cannot be wrong about
 * them. */
#include "cli/option_value.h"

#define HELP_COLUMN 32
#define LINE_MOST   100

static void pad_to(struct buffer *out, size_t line_start, size_t column) {
    while (out->length - line_start < column) {
        buffer_add_char(out, ' ');
    }
}

/* Adds the words of `text`, broken at LINE_MOST and indented to HELP_COLUMN. */
static void wrap(struct buffer *out, size_t line_start, struct text text) {
    while (text.length > 0) {
        const char *space = memchr(text.bytes, ' ', text.length);
        size_t length = space != NULL ? (size_t)(space - text.bytes) : text.length;
        size_t used = out->length - line_start;
        if (used > HELP_COLUMN && used + 1 + length > LINE_MOST) {
            buffer_add_char(out, '\n');
            line_start = out->length;
        } else if (used > HELP_COLUMN) {
            buffer_add_char(out, ' ');
        }
        pad_to(out, line_start, HELP_COLUMN);
        buffer_add(out, text.bytes, length);
        length += space != NULL;
        text = (struct text){text.bytes + length, text.length - length};
    }
    buffer_add_char(out, '\n');
}

/* "(default 10s; 1s to 1h)" */
static struct text figures(const struct option *option, const void *values, struct arena *arena) {
    struct buffer fallback, limits, all;
    buffer_init(&fallback, arena);
    buffer_init(&limits, arena);
    buffer_init(&all, arena);
    option_print(option, values, &fallback);
    if (option->type != OPTION_CHOICE) {
        option_print_limits(option, &limits);
    }
    if (fallback.length > 0 || limits.length > 0) {
        buffer_print(&all, " (%s%.*s%s%.*s)", fallback.length > 0 ? "default " : "",
                     TEXT_ARGS(buffer_view(&fallback)),
                     fallback.length > 0 && limits.length > 0 ? "; " : "",
                     TEXT_ARGS(buffer_view(&limits)));
    }
    return buffer_view(&all);
}

static void add_row(struct buffer *out, const char *name, const char *value, struct text help) {
    size_t line_start = out->length;
    buffer_print(out, "  --%s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    if (out->length - line_start >= HELP_COLUMN) {
        buffer_add_char(out, '\n');
        line_start = out->length;
    }
    pad_to(out, line_start, HELP_COLUMN);
    wrap(out, line_start, help);
}

static void add_option(struct buffer *out, const struct option *option, const void *values) {
    struct text numbers = figures(option, values, out->arena);
    add_row(out, option->name, option->type == OPTION_FLAG ? NULL : option->value,
            text_print(out->arena, "%s%.*s", option->help, TEXT_ARGS(numbers)));
}

void options_help(struct option_table table, const void *values, struct buffer *out) {
    if (table.count == 0 || table.items[0].type != OPTION_HEADING) {
        buffer_add_text(out, TEXT("Options:\n"));
    }
    for (size_t i = 0; i < table.count; i++) {
        const struct option *option = &table.items[i];
        if (option->type == OPTION_HEADING) {
            buffer_print(out, "%s%s:\n", i > 0 ? "\n" : "", option->help);
        } else {
            add_option(out, option, values);
        }
    }
    buffer_add_text(out, TEXT("\nCommon options:\n"));
    add_row(out, "config", "FILE.lua", TEXT("a Lua file that returns a table of options"));
    add_row(out, "help", NULL, TEXT("show this text"));
    buffer_add_text(out, TEXT("\n"
                              "You can also set each option in the environment (--config is "
                              "STATUTE_CONFIG), or in the table that\n"
                              "--config returns, with '_' for '-'. The command line overrides the "
                              "environment, and the environment\noverrides the table.\n"));
}
