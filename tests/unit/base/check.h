/* check.h: cmocka, and what the unit tests of the lower layers check with it. */
#ifndef STATUTE_CHECK_H
#define STATUTE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

static inline void check_text_at(struct text actual, const char *expected, const char *file,
                                 int line) {
    char *copy = malloc(actual.length + 1);
    memcpy(copy, text_given(actual) ? actual.bytes : "", actual.length);
    copy[actual.length] = '\0';
    bool same = strcmp(copy, expected) == 0;
    if (!same) {
        print_error("\"%s\" instead of \"%s\"\n", copy, expected);
    }
    free(copy);
    _assert_true(same, "same text", file, line);
}

#define check_text(actual, expected) check_text_at((actual), (expected), __FILE__, __LINE__)
#define check_contains(string, part) assert_non_null(strstr((string), (part)))
#define COUNT_OF(array)              (sizeof(array) / sizeof((array)[0]))

#endif
