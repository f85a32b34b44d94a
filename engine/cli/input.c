/* input.c: characters are taken with getc_unlocked into a buffer that grows up to the limit and is
 * reused, so memory is bounded by the longest line. */
#include "cli/input.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"

#define CAPACITY_LEAST 4096

static int64_t size_of(FILE *stream) {
    struct stat status;
    return fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : 0;
}

bool input_open(struct input *input, const char *path, struct fault *fault) {
    bool is_input = strcmp(path, "-") == 0;
    *input = (struct input){.name = is_input ? TEXT("standard input") : text_of(path)};
    input->stream = is_input ? stdin : fopen(path, "re");
    if (input->stream == NULL) {
        return fault_set(fault, FAULT_ENVIRONMENT, "cannot read %s: %s", path, strerror(errno));
    }
    input->size_bytes = size_of(input->stream);
    return true;
}

void input_close(struct input *input) {
    if (input->stream != NULL && input->stream != stdin) {
        fclose(input->stream);
    }
    free(input->bytes);
    *input = (struct input){0};
}

static bool grow(struct input *input, struct fault *fault) {
    size_t capacity = input->capacity == 0 ? CAPACITY_LEAST : input->capacity * 2;
    char *bytes = capacity <= LINE_BYTES_MOST ? realloc(input->bytes, capacity) : NULL;
    if (bytes == NULL) {
        return fault_set(fault, FAULT_BAD_REQUEST, "%.*s:%lld: the line is over %d MiB",
                         TEXT_ARGS(input->name), (long long)input->number,
                         LINE_BYTES_MOST / 1024 / 1024);
    }
    input->bytes = bytes;
    input->capacity = capacity;
    return true;
}

static bool read_line(struct input *input, size_t *length, bool *found, struct fault *fault) {
    int character;
    *length = 0;
    input->number++;
    while ((character = getc_unlocked(input->stream)) != EOF) {
        input->read_bytes++;
        if (character == '\n') {
            break;
        }
        if (*length >= input->capacity && !grow(input, fault)) {
            return false;
        }
        input->bytes[(*length)++] = (char)character;
    }
    *found = character != EOF || *length > 0;
    return !ferror(input->stream) || fault_set(fault, FAULT_ENVIRONMENT, "cannot read %.*s: %s",
                                               TEXT_ARGS(input->name), strerror(errno));
}

static bool is_blank(struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] != ' ' && text.bytes[i] != '\t' && text.bytes[i] != '\r') {
            return false;
        }
    }
    return true;
}

bool input_next(struct input *input, struct text *line, bool *found, struct fault *fault) {
    do {
        size_t length;
        if (!read_line(input, &length, found, fault)) {
            return false;
        }
        *line = (struct text){input->bytes, length};
    } while (*found && is_blank(*line));
    return true;
}

double input_fraction(const struct input *input) {
    return input->size_bytes > 0 ? (double)input->read_bytes / (double)input->size_bytes : -1;
}

bool input_read_all(const char *path, struct arena *arena, struct text *out, struct fault *fault) {
    struct input input;
    if (!input_open(&input, path, fault)) {
        return false;
    }
    size_t length = 0;
    bool fits = true;
    while (!feof(input.stream) && !ferror(input.stream) && fits) {
        fits = length < input.capacity || grow(&input, fault);
        length += fits ? fread(input.bytes + length, 1, input.capacity - length, input.stream) : 0;
    }
    bool read = fits && !ferror(input.stream);
    if (!fits) {
        fault_set(fault, FAULT_BAD_REQUEST, "%s is over %d MiB", path,
                  LINE_BYTES_MOST / 1024 / 1024);
    } else if (!read) {
        fault_set(fault, FAULT_ENVIRONMENT, "cannot read %s: %s", path, strerror(errno));
    }
    *out = text_copy(arena, (struct text){input.bytes, length});
    input_close(&input);
    return read;
}
