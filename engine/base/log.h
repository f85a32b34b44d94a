/* log.h: one line per happening, to standard error, as text or JSON. Thread-safe.
 * The logger is the one global of the program. Lines of one `event` are limited to 20 a second;
 * what was dropped is counted in the next line. */
#ifndef STATUTE_LOG_H
#define STATUTE_LOG_H

#include "base/text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_format format, enum log_level least);

/* `event` is a short stable name ("listening"); `format` makes one sentence for a person. */
void log_line(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same with another limit of lines a second; UINT_MAX: none. */
void log_line_most(enum log_level level, unsigned most, const char *event, const char *format, ...)
    PRINTF_LIKE(4, 5);

#endif
