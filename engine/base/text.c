/* text.c: all functions are linear in their input, but for text_nearest, which is bounded by
 * looking only at words of up to NEAREST_LONGEST bytes. */
#include "base/text.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#define NEAREST_LONGEST 64
#define CUT_BACK_MOST   100 /* bytes */

struct text text_of(const char *string) {
    return string != NULL ? (struct text){string, strlen(string)} : TEXT_NONE;
}

int text_compare(struct text a, struct text b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

bool text_starts(struct text text, struct text prefix) {
    return text.length >= prefix.length &&
           text_equal((struct text){text.bytes, prefix.length}, prefix);
}

bool text_ends(struct text text, struct text suffix) {
    if (text.length < suffix.length || suffix.length == 0) {
        return suffix.length == 0;
    }
    const char *tail = text.bytes + (text.length - suffix.length);
    return memcmp(tail, suffix.bytes, suffix.length) == 0;
}

static unsigned char lower(char character) {
    unsigned char byte = (unsigned char)character;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + 32) : byte;
}

bool text_equal_ignore_case(struct text a, struct text b) {
    if (a.length != b.length) {
        return false;
    }
    for (size_t i = 0; i < a.length; i++) {
        if (lower(a.bytes[i]) != lower(b.bytes[i])) {
            return false;
        }
    }
    return true;
}

const char *text_cstring(struct arena *arena, struct text text) {
    char *copy = arena_alloc(arena, text.length + 1);
    if (text.length > 0) {
        memcpy(copy, text.bytes, text.length);
    }
    return copy;
}

struct text text_copy(struct arena *arena, struct text text) {
    if (!text_given(text)) {
        return TEXT_NONE;
    }
    return (struct text){text_cstring(arena, text), text.length};
}

bool text_has_control(struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        if (text_is_control(text.bytes[i])) {
            return true;
        }
    }
    return false;
}

void text_copy_line(struct text text, char *out) {
    for (size_t i = 0; i < text.length; i++) {
        out[i] = text_is_control(text.bytes[i]) ? ' ' : text.bytes[i];
    }
}

struct text text_print(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    size_t with_nul = length > 0 ? (size_t)length + 1 : 1;
    char *bytes = arena_alloc(arena, with_nul);
    vsnprintf(bytes, with_nul, format, again);
    va_end(again);
    va_end(args);
    return (struct text){bytes, with_nul - 1};
}

/* Counts down from zero, because the least integer has no positive counterpart. */
bool text_to_integer(struct text text, int64_t *out) {
    bool negative = text.length > 0 && text.bytes[0] == '-';
    size_t at = negative ? 1 : 0;
    if (at == text.length) {
        return false;
    }
    int64_t value = 0;
    for (; at < text.length; at++) {
        int digit = text.bytes[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) {
            return false;
        }
    }
    if (!negative && value == INT64_MIN) {
        return false;
    }
    *out = negative ? value : -value;
    return true;
}

/* RFC 3629 section 4: how many bytes follow each lead byte, and where the second one may lie. */
struct utf8_form {
    unsigned char lead_least, lead_most;
    unsigned char second_least, second_most;
    unsigned char length;
};
static const struct utf8_form utf8_forms[] = {
    {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

static const struct utf8_form *utf8_form_of(unsigned char lead) {
    for (size_t i = 0; i < sizeof utf8_forms / sizeof utf8_forms[0]; i++) {
        if (lead >= utf8_forms[i].lead_least && lead <= utf8_forms[i].lead_most) {
            return &utf8_forms[i];
        }
    }
    return NULL;
}

/* The length of the well-formed character at the start, 0 when there is none. */
static size_t utf8_character(const unsigned char *bytes, size_t length) {
    const struct utf8_form *form = utf8_form_of(bytes[0]);
    if (form == NULL || form->length > length) {
        return 0;
    }
    if (form->length > 1 && (bytes[1] < form->second_least || bytes[1] > form->second_most)) {
        return 0;
    }
    for (size_t i = 2; i < form->length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return form->length;
}

static size_t ascii_start(const unsigned char *bytes, size_t length) {
    size_t at = 0;
    uint64_t word;
    for (; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    return at;
}

bool text_is_utf8(struct text text) {
    const unsigned char *bytes = (const unsigned char *)text.bytes;
    size_t at = 0;
    while (at < text.length) {
        at += ascii_start(bytes + at, text.length - at);
        if (at < text.length) {
            size_t length = utf8_character(bytes + at, text.length - at);
            if (length == 0) {
                return false;
            }
            at += length;
        }
    }
    return true;
}

void text_mend_utf8(char *bytes, size_t length) {
    size_t at = 0;
    while (at < length) {
        size_t character = utf8_character((const unsigned char *)bytes + at, length - at);
        if (character == 0 || bytes[at] == '\0') {
            bytes[at] = '?';
            character = 1;
        }
        at += character;
    }
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Damerau-Levenshtein in its "optimal string alignment" form: insert, delete, replace, and swap of
 * neighbours cost 1 each. Only the last three rows of the table are kept. */
static int edit_distance(struct text a, struct text b) {
    int rows[3][NEAREST_LONGEST + 1];
    for (size_t j = 0; j <= b.length; j++) {
        rows[0][j] = (int)j;
    }
    for (size_t i = 1; i <= a.length; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b.length; j++) {
            bool same = a.bytes[i - 1] == b.bytes[j - 1];
            row[j] = least(above[j - 1] + !same, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.bytes[i - 1] == b.bytes[j - 2] &&
                a.bytes[i - 2] == b.bytes[j - 1]) {
                row[j] = least(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a.length % 3][b.length];
}

static bool is_blank(char c) {
    return (unsigned char)c <= ' ';
}

/* The end of the words before the one that `at` is in or behind. */
static size_t end_of_words_before(struct text text, size_t at) {
    while (at > 0 && !is_blank(text.bytes[at - 1])) {
        at--;
    }
    while (at > 0 && is_blank(text.bytes[at - 1])) {
        at--;
    }
    return at;
}

static bool ends_with_digits(struct text text, size_t end) {
    bool found = false;
    while (end > 0 && !is_blank(text.bytes[end - 1])) {
        end--;
        found |= text.bytes[end] >= '0' && text.bytes[end] <= '9';
    }
    return found;
}

struct text text_cut(struct text text, size_t most) {
    if (text.length <= most) {
        return text;
    }
    size_t least = most > CUT_BACK_MOST ? most - CUT_BACK_MOST : 0;
    size_t end = end_of_words_before(text, most);
    while (end > least && ends_with_digits(text, end)) {
        end = end_of_words_before(text, end);
    }
    if (end <= least) {
        end = most;
        while (end > 0 && ((unsigned char)text.bytes[end] & 0xC0) == 0x80) {
            end--;
        }
    }
    return (struct text){text.bytes, end};
}

struct text text_nearest(struct text word, const struct text *candidates, size_t count) {
    struct text nearest = TEXT_NONE;
    if (word.length > NEAREST_LONGEST) {
        return nearest;
    }
    int bound = word.length < 3 ? 1 : (int)(word.length / 3);
    for (size_t i = 0; i < count; i++) {
        int difference = (int)word.length - (int)candidates[i].length;
        bool comparable =
            candidates[i].length <= NEAREST_LONGEST && difference <= bound && -difference <= bound;
        int distance = comparable ? edit_distance(word, candidates[i]) : bound + 1;
        if (distance <= bound) {
            nearest = candidates[i];
            bound = distance - 1;
        }
    }
    return nearest;
}
