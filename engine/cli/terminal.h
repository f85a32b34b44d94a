/* terminal.h: output for people when it goes to a terminal, for programs when it does not. */
#ifndef STATUTE_TERMINAL_H
#define STATUTE_TERMINAL_H

#include <stdio.h>

#include "base/text.h"

bool terminal_is(FILE *stream);

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN };

/* The escape sequence that begins a style (STYLE_PLAIN ends it); "" when the stream is no terminal,
 * or NO_COLOR is set (no-color.org), or TERM is "dumb". */
const char *terminal_style(FILE *stream, enum style style);

/* A JSON text and a newline; on a terminal indented, for reading. */
void terminal_json(FILE *stream, struct text json);

/* How many columns the text takes: one for each code point. */
size_t terminal_columns(struct text text);

#endif
