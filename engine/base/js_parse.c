/* js_parse.c: JSON text to values, in two passes.
 *
 * The scan looks for what jansson accepts and we refuse: deep nesting, and numbers that jansson
 * turns into 0 without a word. It knows only strings, brackets and numbers, and leaves all other
 * judgement to jansson, which checks the grammar. Then jansson's tree is copied into the arena, as
 * its hash tables neither keep an order nor can be shared between threads.
 *
 * A real of 2^63 or more is printed by RFC 8785 as whole digits, which jansson takes for an integer
 * that is too big. The scan finds those that are a real's own spelling, and ".0" is put behind
 * them.
 *
 * Every step is linear in the text, but for sorting; jansson seeds its hash at random. */
#include "base/js.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#define NESTING_MOST 64

/* Not below 1e-290 with fewer digits than this and no exponent, so no need to look closer. */
#define PLAIN_NUMBER_BYTES 290

/* Where a ".0" is missing, newest first. */
struct whole {
    const struct whole *older;
    size_t end;
};

struct scan {
    struct arena *arena;
    struct text text;
    size_t at;
    int nesting;
    size_t line_start;
    int line;
    const struct whole *wholes;
    size_t whole_count;
};

static bool scan_refuse(const struct scan *scan, struct fault *fault, const char *problem) {
    return fault_set(fault, FAULT_BAD_REQUEST, "not acceptable JSON, line %d, column %zu: %s",
                     scan->line, scan->at - scan->line_start + 1, problem);
}

/* From the opening quote to behind the closing one. */
static void scan_string(struct scan *scan) {
    for (scan->at++; scan->at < scan->text.length; scan->at++) {
        char character = scan->text.bytes[scan->at];
        if (character == '\\') {
            scan->at++;
        } else if (character == '"') {
            break;
        }
    }
    scan->at++;
}

static bool is_number_part(char character) {
    return isdigit((unsigned char)character) || character == '.' || character == '-' ||
           character == '+' || character == 'e' || character == 'E';
}

/* Whether the digits before any exponent are all 0. */
static bool is_written_as_zero(struct text number) {
    for (size_t i = 0; i < number.length; i++) {
        if (number.bytes[i] == 'e' || number.bytes[i] == 'E') {
            return true;
        }
        if (number.bytes[i] >= '1' && number.bytes[i] <= '9') {
            return false;
        }
    }
    return true;
}

static bool has_exponent(struct text number) {
    return memchr(number.bytes, 'e', number.length) != NULL ||
           memchr(number.bytes, 'E', number.length) != NULL;
}

static bool underflows(struct arena *arena, struct text number) {
    if (number.length < PLAIN_NUMBER_BYTES && !has_exponent(number)) {
        return false;
    }
    return strtod(text_cstring(arena, number), NULL) == 0 && !is_written_as_zero(number);
}

/* Beyond int64, and spelled as the real that it is would be printed. */
static bool is_whole_real(struct arena *arena, struct text number) {
    int64_t integer;
    if (number.length < 19 || number.length > 22 || has_exponent(number) ||
        memchr(number.bytes, '.', number.length) != NULL || text_to_integer(number, &integer)) {
        return false;
    }
    double real = strtod(text_cstring(arena, number), NULL);
    return text_equal(number, js_print(arena, js_real(arena, real)));
}

static void note_whole(struct scan *scan, size_t end) {
    struct whole *whole = ARENA_NEW(scan->arena, struct whole);
    *whole = (struct whole){scan->wholes, end};
    scan->wholes = whole;
    scan->whole_count++;
}

/* The text with a ".0" behind each of the whole reals. */
static struct text spell_out(const struct scan *scan) {
    size_t length = scan->text.length + 2 * scan->whole_count;
    char *bytes = arena_alloc(scan->arena, length);
    size_t from = scan->text.length, to = length;
    for (const struct whole *whole = scan->wholes; whole != NULL; whole = whole->older) {
        size_t tail = from - whole->end;
        to -= tail;
        memcpy(bytes + to, scan->text.bytes + whole->end, tail);
        bytes[--to] = '0';
        bytes[--to] = '.';
        from = whole->end;
    }
    memcpy(bytes, scan->text.bytes, from);
    return (struct text){bytes, length};
}

static bool scan_number(struct scan *scan, struct fault *fault) {
    size_t start = scan->at;
    size_t end = start;
    while (end < scan->text.length && is_number_part(scan->text.bytes[end])) {
        end++;
    }
    struct text number = {scan->text.bytes + start, end - start};
    if (underflows(scan->arena, number)) {
        return scan_refuse(scan, fault, "the number is too small to be told from 0");
    }
    if (is_whole_real(scan->arena, number)) {
        note_whole(scan, end);
    }
    scan->at = end;
    return true;
}

static bool scan_one(struct scan *scan, struct fault *fault) {
    char character = scan->text.bytes[scan->at];
    if (character == '"') {
        scan_string(scan);
        return true;
    }
    if (character == '-' || isdigit((unsigned char)character)) {
        return scan_number(scan, fault);
    }
    if (character == '[' || character == '{') {
        if (++scan->nesting > NESTING_MOST) {
            return scan_refuse(scan, fault, "nested over 64 levels deep");
        }
    } else if (character == ']' || character == '}') {
        scan->nesting--;
    }
    scan->at++;
    if (character == '\n') {
        scan->line++;
        scan->line_start = scan->at;
    }
    return true;
}

/* *text becomes what jansson is to read. */
static bool scan_text(struct arena *arena, struct text *text, struct fault *fault) {
    struct scan scan = {.arena = arena, .text = *text, .line = 1};
    while (scan.at < text->length) {
        if (!scan_one(&scan, fault)) {
            return false;
        }
    }
    if (scan.whole_count > 0) {
        *text = spell_out(&scan);
    }
    return true;
}

static const struct js *convert(struct arena *arena, json_t *from);

static const struct js *convert_string(struct arena *arena, const json_t *from) {
    struct text lent = {json_string_value(from), json_string_length(from)};
    return js_string(arena, text_copy(arena, lent));
}

static const struct js *convert_array(struct arena *arena, json_t *from) {
    size_t count = json_array_size(from);
    const struct js **items = ARENA_ARRAY(arena, const struct js *, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = convert(arena, json_array_get(from, i));
    }
    return js_array(arena, items, count);
}

static const struct js *convert_object(struct arena *arena, json_t *from) {
    struct js_member *members = ARENA_ARRAY(arena, struct js_member, json_object_size(from));
    size_t count = 0;
    for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
        struct text key = {json_object_iter_key(at), json_object_iter_key_len(at)};
        members[count].key = text_copy(arena, key);
        members[count].value = convert(arena, json_object_iter_value(at));
        count++;
    }
    return js_object(arena, members, count);
}

static const struct js *convert(struct arena *arena, json_t *from) {
    switch (json_typeof(from)) {
    case JSON_OBJECT:
        return convert_object(arena, from);
    case JSON_ARRAY:
        return convert_array(arena, from);
    case JSON_STRING:
        return convert_string(arena, from);
    case JSON_INTEGER:
        return js_integer(arena, json_integer_value(from));
    case JSON_REAL:
        return js_real(arena, json_real_value(from));
    case JSON_TRUE:
        return &js_true;
    case JSON_FALSE:
        return &js_false;
    case JSON_NULL:
        return &js_null;
    }
    return NULL;
}

/* jansson's words, but where they speak of its own flags. */
static const char *words_of(const json_error_t *error) {
    return json_error_code(error) == json_error_null_character ||
                   json_error_code(error) == json_error_null_byte_in_key
               ? "NUL characters are not allowed in strings"
               : error->text;
}

bool js_parse(struct arena *arena, struct text text, const struct js **out, struct fault *fault) {
    if (!scan_text(arena, &text, fault)) {
        return false;
    }
    json_error_t error;
    json_t *tree = json_loadb(text.length > 0 ? text.bytes : "", text.length,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (tree == NULL) {
        return fault_set(fault, FAULT_BAD_REQUEST, "not acceptable JSON, line %d, column %d: %s",
                         error.line, error.column, words_of(&error));
    }
    *out = convert(arena, tree);
    json_decref(tree);
    return true;
}
