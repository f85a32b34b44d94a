/* js_write.c: values to text. */
#include "base/js.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- numbers --- */

/* A positive double as decimal digits: 0.DIGITS * 10^point, no trailing zeros. */
struct decimal {
    char digits[24];
    int count;
    int point;
};

/* "d.ddde-05" from printf to digits and point. */
static void decimal_of_printed(const char *printed, struct decimal *out) {
    out->count = 0;
    const char *at = printed;
    for (; *at != 'e'; at++) {
        if (*at != '.') {
            out->digits[out->count++] = *at;
        }
    }
    out->point = atoi(at + 1) + 1;
    while (out->count > 1 && out->digits[out->count - 1] == '0') {
        out->count--;
    }
}

static bool round_trips(const char *printed, double value) {
    return strtod(printed, NULL) == value;
}

/* Makes "d.ddde+XX" one unit in the last place larger; false when that would carry. */
static bool bump_last_digit(char *printed) {
    char *last = strchr(printed, 'e') - 1;
    if (*last == '9') {
        return false;
    }
    ++*last;
    return true;
}

/* At a power of two the doubles below lie closer than those above, so the nearest decimal of some
 * length may belong to the neighbour below while the next larger one still belongs to us. 2^-44 is
 * one: 5.684341886080802e-14, not ...801e-14. */
static bool is_power_of_two(double value) {
    int exponent;
    return frexp(value, &exponent) == 0.5;
}

static bool try_precision(double value, int digits, char printed[32]) {
    snprintf(printed, 32, "%.*e", digits - 1, value);
    return round_trips(printed, value) ||
           (is_power_of_two(value) && bump_last_digit(printed) && round_trips(printed, value));
}

/* ECMA-262, Number::toString: the fewest digits that read back as the same number. A decimal of
 * up to 15 digits survives the way through a normal double, so 15 digits, less trailing zeros, are
 * the shortest whenever 15 suffice. Subnormals are less precise and are tried from 1 digit up. The
 * loop ends, as 17 digits tell any two doubles apart. */
static void shortest_decimal(double value, struct decimal *out) {
    char printed[32];
    int digits = isnormal(value) ? 15 : 1;
    while (!try_precision(value, digits, printed)) {
        digits++;
    }
    decimal_of_printed(printed, out);
}

static void add_zeros(struct buffer *buffer, int count) {
    for (int i = 0; i < count; i++) {
        buffer_add_char(buffer, '0');
    }
}

static void add_digits(struct buffer *buffer, const char *digits, int count) {
    buffer_add(buffer, digits, (size_t)count);
}

static void write_exponential(struct buffer *buffer, const struct decimal *decimal) {
    int exponent = decimal->point - 1;
    buffer_add_char(buffer, decimal->digits[0]);
    if (decimal->count > 1) {
        buffer_add_char(buffer, '.');
        add_digits(buffer, decimal->digits + 1, decimal->count - 1);
    }
    buffer_print(buffer, "e%+d", exponent);
}

static void write_decimal(struct buffer *buffer, const struct decimal *decimal) {
    int count = decimal->count, point = decimal->point;
    if (point > 21 || point <= -6) {
        write_exponential(buffer, decimal);
    } else if (point >= count) {
        add_digits(buffer, decimal->digits, count);
        add_zeros(buffer, point - count);
    } else if (point > 0) {
        add_digits(buffer, decimal->digits, point);
        buffer_add_char(buffer, '.');
        add_digits(buffer, decimal->digits + point, count - point);
    } else {
        buffer_add_text(buffer, TEXT("0."));
        add_zeros(buffer, -point);
        add_digits(buffer, decimal->digits, count);
    }
}

static void write_integer(struct buffer *buffer, int64_t value) {
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--at = '-';
    }
    buffer_add(buffer, at, (size_t)(digits + sizeof digits - at));
}

static void write_real(struct buffer *buffer, double value) {
    bool small_whole = fabs(value) < 0x1p53 && value == trunc(value);
    if (small_whole) {
        write_integer(buffer, (int64_t)value);
        return;
    }
    struct decimal decimal;
    if (value < 0) {
        buffer_add_char(buffer, '-');
    }
    shortest_decimal(fabs(value), &decimal);
    write_decimal(buffer, &decimal);
}

/* --- strings --- */

static void write_escape(struct buffer *buffer, unsigned char byte) {
    static const char names[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
        ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
    };
    if (names[byte] != 0) {
        buffer_add_char(buffer, '\\');
        buffer_add_char(buffer, names[byte]);
    } else {
        buffer_print(buffer, "\\u%04x", byte);
    }
}

static bool needs_escape(unsigned char byte) {
    return byte < 0x20 || byte == '"' || byte == '\\';
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of a byte, if that byte of `word` is less than `limit`, which is at most 128; of one
 * behind it, perhaps, but never when there is none. */
static uint64_t less(uint64_t word, uint64_t limit) {
    return (word - EACH_BYTE(limit)) & ~word & EACH_BYTE(0x80);
}

static bool any_needs_escape(const char *bytes, size_t length) {
    uint64_t word = EACH_BYTE(' ');
    memcpy(&word, bytes, length);
    return (less(word, 0x20) | less(word ^ EACH_BYTE('"'), 1) | less(word ^ EACH_BYTE('\\'), 1)) !=
           0;
}

/* The last word overlaps the one before it. */
static bool is_plain(struct text text) {
    if (text.length < 8) {
        return !any_needs_escape(text.bytes, text.length);
    }
    size_t last = text.length - 8;
    for (size_t at = 0; at < last; at += 8) {
        if (any_needs_escape(text.bytes + at, 8)) {
            return false;
        }
    }
    return !any_needs_escape(text.bytes + last, 8);
}

/* How many bytes at the front need no escape. */
static size_t plain_length(const char *bytes, size_t length) {
    size_t at = 0;
    while (length - at >= 8 && !any_needs_escape(bytes + at, 8)) {
        at += 8;
    }
    while (at < length && !needs_escape((unsigned char)bytes[at])) {
        at++;
    }
    return at;
}

static void write_plain(struct buffer *buffer, struct text string) {
    char *room = buffer_extend(buffer, string.length + 2);
    room[0] = '"';
    memcpy(room + 1, string.bytes, string.length);
    room[string.length + 1] = '"';
}

static void write_escaped(struct buffer *buffer, struct text string) {
    buffer_add_char(buffer, '"');
    for (size_t at = 0; at < string.length; at++) {
        size_t plain = plain_length(string.bytes + at, string.length - at);
        buffer_add(buffer, string.bytes + at, plain);
        at += plain;
        if (at < string.length) {
            write_escape(buffer, (unsigned char)string.bytes[at]);
        }
    }
    buffer_add_char(buffer, '"');
}

void js_write_string(struct buffer *buffer, struct text string) {
    if (string.length > 0 && is_plain(string)) {
        write_plain(buffer, string);
    } else {
        write_escaped(buffer, string);
    }
}

/* --- values --- */

static void write_array(struct buffer *buffer, const struct js *array) {
    buffer_add_char(buffer, '[');
    for (size_t i = 0; i < array->array.count; i++) {
        if (i > 0) {
            buffer_add_char(buffer, ',');
        }
        js_write(buffer, array->array.items[i]);
    }
    buffer_add_char(buffer, ']');
}

static void write_object(struct buffer *buffer, const struct js *object) {
    buffer_add_char(buffer, '{');
    for (size_t i = 0; i < object->object.count; i++) {
        if (i > 0) {
            buffer_add_char(buffer, ',');
        }
        js_write_string(buffer, object->object.members[i].key);
        buffer_add_char(buffer, ':');
        js_write(buffer, object->object.members[i].value);
    }
    buffer_add_char(buffer, '}');
}

void js_write(struct buffer *buffer, const struct js *value) {
    switch (value != NULL ? value->type : JS_NULL) {
    case JS_NULL:
        buffer_add_text(buffer, TEXT("null"));
        break;
    case JS_FALSE:
        buffer_add_text(buffer, TEXT("false"));
        break;
    case JS_TRUE:
        buffer_add_text(buffer, TEXT("true"));
        break;
    case JS_INTEGER:
        write_integer(buffer, value->integer);
        break;
    case JS_REAL:
        write_real(buffer, value->real);
        break;
    case JS_STRING:
        js_write_string(buffer, value->string);
        break;
    case JS_ARRAY:
        write_array(buffer, value);
        break;
    case JS_OBJECT:
        write_object(buffer, value);
        break;
    }
}

struct text js_print(struct arena *arena, const struct js *value) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    js_write(&buffer, value);
    return buffer_view(&buffer);
}

/* --- the writer --- */

void js_writer_init(struct js_writer *writer, struct buffer *buffer) {
    *writer = (struct js_writer){.buffer = buffer};
}

/* Called before each key and each value; a value that follows its key finds no comma due. */
static void place_comma(struct js_writer *writer) {
    if (writer->needs_comma) {
        buffer_add_char(writer->buffer, ',');
    }
    writer->needs_comma = true;
}

void js_open(struct js_writer *writer, char bracket) {
    place_comma(writer);
    buffer_add_char(writer->buffer, bracket);
    writer->needs_comma = false;
}

void js_close(struct js_writer *writer, char bracket) {
    buffer_add_char(writer->buffer, bracket);
    writer->needs_comma = true;
}

void js_key(struct js_writer *writer, struct text key) {
    place_comma(writer);
    js_write_string(writer->buffer, key);
    buffer_add_char(writer->buffer, ':');
    writer->needs_comma = false;
}

void js_put(struct js_writer *writer, const struct js *value) {
    place_comma(writer);
    js_write(writer->buffer, value);
}

void js_put_text(struct js_writer *writer, struct text string) {
    place_comma(writer);
    if (text_given(string)) {
        js_write_string(writer->buffer, string);
    } else {
        buffer_add_text(writer->buffer, TEXT("null"));
    }
}

void js_put_integer(struct js_writer *writer, int64_t value) {
    place_comma(writer);
    write_integer(writer->buffer, value);
}

void js_put_real(struct js_writer *writer, double value) {
    place_comma(writer);
    if (isfinite(value)) {
        write_real(writer->buffer, value);
    } else {
        buffer_add_text(writer->buffer, TEXT("null"));
    }
}

void js_put_bool(struct js_writer *writer, bool value) {
    place_comma(writer);
    buffer_add_text(writer->buffer, value ? TEXT("true") : TEXT("false"));
}

void js_put_raw(struct js_writer *writer, struct text json) {
    place_comma(writer);
    buffer_add_text(writer->buffer, json);
}
