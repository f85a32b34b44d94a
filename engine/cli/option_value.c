/* option_value.c: all numbers are read as int64_t, compared with the option's limits, and only then
 * stored in the field's own type, so the limits of a row must fit its type. */
#include "cli/option_value.h"

#include "base/now.h"
#include "timezone/instant.h"

/* --- units --- */

struct unit {
    struct text name;
    int64_t factor;
};

/* Largest first, so that printing takes the first that divides. */
static const struct unit byte_units[] = {
    {{"GiB", 3}, INT64_C(1) << 30},
    {{"MiB", 3}, 1 << 20},
    {{"KiB", 3}, 1 << 10},
    {{"GB", 2}, 1000000000},
    {{"MB", 2}, 1000000},
    {{"kB", 2}, 1000},
    {{"B", 1}, 1},
};
#define BYTE_UNITS        (sizeof byte_units / sizeof byte_units[0])
#define BINARY_BYTE_UNITS 3

static const struct unit duration_units[] = {
    {{"d", 1}, 86400 * NOW_SECOND}, {{"h", 1}, 3600 * NOW_SECOND}, {{"m", 1}, 60 * NOW_SECOND},
    {{"s", 1}, NOW_SECOND},         {{"ms", 2}, NOW_MILLISECOND},
};
#define DURATION_UNITS (sizeof duration_units / sizeof duration_units[0])

static bool parse_bytes(struct text text, int64_t *out) {
    int64_t factor = 1;
    for (size_t i = 0; i < BYTE_UNITS; i++) {
        if (text_ends(text, byte_units[i].name)) {
            factor = byte_units[i].factor;
            text.length -= byte_units[i].name.length;
            break;
        }
    }
    return text_to_integer(text, out) && !__builtin_mul_overflow(*out, factor, out);
}

static void print_bytes(int64_t value, struct buffer *out) {
    for (size_t i = 0; i < BINARY_BYTE_UNITS; i++) {
        if (value >= byte_units[i].factor && value % byte_units[i].factor == 0) {
            buffer_print(out, "%lld%s", (long long)(value / byte_units[i].factor),
                         byte_units[i].name.bytes);
            return;
        }
    }
    buffer_print(out, "%lld", (long long)value);
}

static void print_duration(int64_t value_us, struct buffer *out) {
    size_t start = out->length;
    for (size_t i = 0; i < DURATION_UNITS; i++) {
        int64_t count = value_us / duration_units[i].factor;
        value_us %= duration_units[i].factor;
        if (count != 0) {
            buffer_print(out, "%lld%s", (long long)count, duration_units[i].name.bytes);
        }
    }
    if (out->length == start) {
        buffer_add_text(out, TEXT("0s"));
    }
}

static bool parse_duration(struct text text, int64_t *out) {
    struct fault ignored = FAULT_INIT;
    return instant_parse_duration(text, out, &ignored);
}

/* --- choices --- */

/* Cuts the next name off "text|json"; false at the end. */
static bool next_choice(const char **rest, struct text *choice) {
    if (**rest == '\0') {
        return false;
    }
    size_t length = strcspn(*rest, "|");
    *choice = (struct text){*rest, length};
    *rest += length + ((*rest)[length] == '|');
    return true;
}

static bool parse_choice(const char *choices, struct text value, unsigned *out) {
    struct text choice;
    for (*out = 0; next_choice(&choices, &choice); (*out)++) {
        if (text_equal(choice, value)) {
            return true;
        }
    }
    return false;
}

static struct text choice_at(const char *choices, unsigned index) {
    struct text choice = TEXT_NONE;
    for (unsigned i = 0; i <= index && next_choice(&choices, &choice); i++) {
    }
    return choice;
}

/* --- reading --- */

static bool parse_flag(struct text value, bool *out) {
    *out = text_equal(value, TEXT("true")) || text_equal(value, TEXT("1"));
    return *out || text_equal(value, TEXT("false")) || text_equal(value, TEXT("0"));
}

static bool parse_number(const struct option *option, struct text value, int64_t *out) {
    bool parsed = option->type == OPTION_BYTES      ? parse_bytes(value, out)
                  : option->type == OPTION_DURATION ? parse_duration(value, out)
                                                    : text_to_integer(value, out);
    return parsed && *out >= option->least && *out <= option->most;
}

static bool refuse(const struct option *option, struct text value, struct fault *fault) {
    static const char *const kinds[] = {
        [OPTION_HEADING] = "",
        [OPTION_TEXT] = "a text",
        [OPTION_SECRET] = "a text",
        [OPTION_FLAG] = "true or false",
        [OPTION_CHOICE] = "one of ",
        [OPTION_UNSIGNED] = "a number from ",
        [OPTION_INTEGER] = "a number from ",
        [OPTION_COUNT] = "a number from ",
        [OPTION_BYTES] = "a size from ",
        [OPTION_DURATION] = "a duration from ",
    };
    struct arena arena;
    struct buffer limits;
    arena_init(&arena, 0);
    buffer_init(&limits, &arena);
    option_print_limits(option, &limits);
    struct text shown = {value.bytes, value.length < 60 ? value.length : 60};
    fault_set(fault, FAULT_USAGE, "expected %s%.*s, not '%.*s'", kinds[option->type],
              TEXT_ARGS(buffer_view(&limits)), TEXT_ARGS(shown));
    arena_deinit(&arena);
    return false;
}

static void *field_of(const struct option *option, void *values) {
    return (char *)values + option->offset;
}

static const void *const_field_of(const struct option *option, const void *values) {
    return (const char *)values + option->offset;
}

static void store_number(const struct option *option, int64_t number, void *field) {
    if (option->type == OPTION_UNSIGNED) {
        *(unsigned *)field = (unsigned)number;
    } else if (option->type == OPTION_COUNT || option->type == OPTION_BYTES) {
        *(size_t *)field = (size_t)number;
    } else {
        *(int64_t *)field = number;
    }
}

static int64_t load_number(const struct option *option, const void *field) {
    if (option->type == OPTION_UNSIGNED) {
        return *(const unsigned *)field;
    }
    return option->type == OPTION_COUNT || option->type == OPTION_BYTES
               ? (int64_t) * (const size_t *)field
               : *(const int64_t *)field;
}

static bool set_number(const struct option *option, struct text value, void *field) {
    int64_t number;
    if (!parse_number(option, value, &number)) {
        return false;
    }
    store_number(option, number, field);
    return true;
}

bool option_set(const struct option *option, struct text value, void *values, struct fault *fault) {
    void *field = field_of(option, values);
    bool set = true;
    switch (option->type) {
    case OPTION_HEADING:
        break;
    case OPTION_TEXT:
    case OPTION_SECRET:
        *(struct text *)field = value;
        break;
    case OPTION_FLAG:
        set = parse_flag(value, field);
        break;
    case OPTION_CHOICE:
        set = parse_choice(option->value, value, field);
        break;
    case OPTION_UNSIGNED:
    case OPTION_INTEGER:
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        set = set_number(option, value, field);
        break;
    }
    return set || refuse(option, value, fault);
}

/* --- printing --- */

static void print_number(enum option_type type, int64_t number, struct buffer *out) {
    if (type == OPTION_BYTES) {
        print_bytes(number, out);
    } else if (type == OPTION_DURATION) {
        print_duration(number, out);
    } else {
        buffer_print(out, "%lld", (long long)number);
    }
}

void option_print(const struct option *option, const void *values, struct buffer *out) {
    const void *field = const_field_of(option, values);
    switch (option->type) {
    case OPTION_HEADING:
    case OPTION_SECRET:
    case OPTION_FLAG:
        break;
    case OPTION_TEXT:
        buffer_add_text(out, *(const struct text *)field);
        break;
    case OPTION_CHOICE:
        buffer_add_text(out, choice_at(option->value, *(const unsigned *)field));
        break;
    case OPTION_UNSIGNED:
    case OPTION_INTEGER:
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        print_number(option->type, load_number(option, field), out);
        break;
    }
}

void option_print_limits(const struct option *option, struct buffer *out) {
    switch (option->type) {
    case OPTION_HEADING:
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_FLAG:
        break;
    case OPTION_CHOICE:
        buffer_print(out, "%s", option->value);
        break;
    case OPTION_UNSIGNED:
    case OPTION_INTEGER:
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        print_number(option->type, option->least, out);
        buffer_add_text(out, TEXT(" to "));
        print_number(option->type, option->most, out);
        break;
    }
}
