/* terminal.c: the indentation of JSON works on its text, so members stay in the order in which they
 * were written. */
#include "cli/terminal.h"

#include <stdlib.h>
#include <unistd.h>

#define INDENT 2

bool terminal_is(FILE *stream) {
    return isatty(fileno(stream)) == 1;
}

static bool has_colour(FILE *stream) {
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return terminal_is(stream) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

const char *terminal_style(FILE *stream, enum style style) {
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\033[0m", [STYLE_BOLD] = "\033[1m",   [STYLE_DIM] = "\033[2m",
        [STYLE_RED] = "\033[31m",  [STYLE_GREEN] = "\033[32m",
    };
    return has_colour(stream) ? sequences[style] : "";
}

size_t terminal_columns(struct text text) {
    size_t columns = 0;
    for (size_t i = 0; i < text.length; i++) {
        columns += ((unsigned char)text.bytes[i] & 0xC0) != 0x80;
    }
    return columns;
}

struct indenter {
    FILE *stream;
    struct text json;
    size_t at;
    int depth;
};

static void new_line(const struct indenter *indenter) {
    fprintf(indenter->stream, "\n%*s", indenter->depth * INDENT, "");
}

static bool is_closed_next(const struct indenter *indenter) {
    char next =
        indenter->at + 1 < indenter->json.length ? indenter->json.bytes[indenter->at + 1] : '\0';
    return next == '}' || next == ']';
}

static void put_string(struct indenter *indenter) {
    size_t start = indenter->at++;
    while (indenter->at < indenter->json.length && indenter->json.bytes[indenter->at] != '"') {
        indenter->at += indenter->json.bytes[indenter->at] == '\\' ? 2 : 1;
    }
    fwrite(indenter->json.bytes + start, 1, indenter->at - start + 1, indenter->stream);
}

static void put_open(struct indenter *indenter, char bracket) {
    fputc(bracket, indenter->stream);
    if (is_closed_next(indenter)) {
        fputc(indenter->json.bytes[++indenter->at], indenter->stream);
    } else {
        indenter->depth++;
        new_line(indenter);
    }
}

static void put_token(struct indenter *indenter) {
    char character = indenter->json.bytes[indenter->at];
    if (character == '"') {
        put_string(indenter);
    } else if (character == '{' || character == '[') {
        put_open(indenter, character);
    } else if (character == '}' || character == ']') {
        indenter->depth--;
        new_line(indenter);
        fputc(character, indenter->stream);
    } else {
        fputc(character, indenter->stream);
        if (character == ',') {
            new_line(indenter);
        } else if (character == ':') {
            fputc(' ', indenter->stream);
        }
    }
}

void terminal_json(FILE *stream, struct text json) {
    if (terminal_is(stream)) {
        struct indenter indenter = {stream, json, 0, 0};
        for (; indenter.at < json.length; indenter.at++) {
            put_token(&indenter);
        }
    } else {
        fwrite(json.bytes, 1, json.length, stream);
    }
    fputc('\n', stream);
}
