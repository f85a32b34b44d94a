/* input.h: reads a file line by line, with a limit on how long one may be. */
#ifndef STATUTE_INPUT_H
#define STATUTE_INPUT_H

#include <stdio.h>

#include "base/fault.h"

#define LINE_BYTES_MOST (16 * 1024 * 1024)

struct input {
    FILE *stream;
    struct text name;   /* for messages: the path, or "standard input" */
    int64_t size_bytes; /* 0: not known */
    int64_t read_bytes;
    int64_t number; /* of the line read last: 1, 2, 3... */
    char *bytes;
    size_t capacity;
};

/* "-" is standard input. FAULT_ENVIRONMENT: there is no such file. */
bool input_open(struct input *input, const char *path, struct fault *fault) MUST_CHECK;
void input_close(struct input *input);

/* The next line that is not blank, without its end; *found false at the end of the file. The bytes
 * live until the next call. FAULT_BAD_REQUEST: a line over LINE_BYTES_MOST. */
bool input_next(struct input *input, struct text *line, bool *found,
                struct fault *fault) MUST_CHECK;

/* How much has been read, from 0 to 1; negative when the size is not known. */
double input_fraction(const struct input *input);

/* All of a file, up to LINE_BYTES_MOST, in the arena. */
struct arena;
bool input_read_all(const char *path, struct arena *arena, struct text *out,
                    struct fault *fault) MUST_CHECK;

#endif
