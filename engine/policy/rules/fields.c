/* fields.c: one refusal function a type, in a table. */
#include "policy/rules/fields.h"

#include "base/problem.h"
#include "timezone/instant.h"

const struct text field_type_names[FIELD_TYPE_COUNT] = {
    [FIELD_ANY] = {"any", 3},         [FIELD_STRING] = {"string", 6},
    [FIELD_INTEGER] = {"integer", 7}, [FIELD_NUMBER] = {"number", 6},
    [FIELD_BOOLEAN] = {"boolean", 7}, [FIELD_DATETIME] = {"datetime", 8},
    [FIELD_DATE] = {"date", 4},       [FIELD_DURATION] = {"duration", 8},
    [FIELD_OBJECT] = {"object", 6},   [FIELD_ARRAY] = {"array", 5},
};

#define CHOICES_SHOWN_MOST 20
#define UNKNOWN_SHOWN_MOST 100 /* fields that are none, of one attempt */

/* --- types --- */

typedef struct text type_refusal(struct arena *arena, const struct js *value,
                                 const struct js **stored);

static struct text not_a(struct arena *arena, const char *wanted, const struct js *value) {
    return text_print(arena, "must be %s, not %s", wanted, js_type_name(value));
}

static struct text refuse_nothing(struct arena *arena, const struct js *value,
                                  const struct js **stored) {
    (void)arena, (void)value, (void)stored;
    return TEXT_NONE;
}

static struct text refuse_string(struct arena *arena, const struct js *value,
                                 const struct js **stored) {
    (void)stored;
    return js_is(value, JS_STRING) ? TEXT_NONE : not_a(arena, "a string", value);
}

static struct text refuse_integer(struct arena *arena, const struct js *value,
                                  const struct js **stored) {
    (void)stored;
    return js_is(value, JS_INTEGER) ? TEXT_NONE : not_a(arena, "an integer", value);
}

static struct text refuse_number(struct arena *arena, const struct js *value,
                                 const struct js **stored) {
    (void)stored;
    bool fits = js_is(value, JS_INTEGER) || js_is(value, JS_REAL);
    return fits ? TEXT_NONE : not_a(arena, "a number", value);
}

static struct text refuse_boolean(struct arena *arena, const struct js *value,
                                  const struct js **stored) {
    (void)stored;
    return js_is_bool(value) ? TEXT_NONE : not_a(arena, "true or false", value);
}

static struct text refuse_datetime(struct arena *arena, const struct js *value,
                                   const struct js **stored) {
    struct fault fault = FAULT_INIT;
    int64_t instant_us;
    int offset_minutes;
    if (!js_is(value, JS_STRING)) {
        return not_a(arena, "an RFC 3339 date and time", value);
    }
    if (!instant_parse(value->string, &instant_us, &offset_minutes, &fault)) {
        return text_print(arena, "must be an RFC 3339 date and time with an offset: %s",
                          fault.message);
    }
    char printed[INSTANT_TEXT];
    struct text utc = instant_print(instant_us, printed);
    if (!text_equal(utc, value->string)) {
        *stored = js_string(arena, text_copy(arena, utc));
    }
    return TEXT_NONE;
}

static int digits(const char *at, size_t count) {
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return -1;
        }
        number = number * 10 + (at[i] - '0');
    }
    return number;
}

static bool is_date(struct text text) {
    return text.length == 10 && text.bytes[4] == '-' && text.bytes[7] == '-' &&
           instant_is_date(digits(text.bytes, 4), digits(text.bytes + 5, 2),
                           digits(text.bytes + 8, 2));
}

static struct text refuse_date(struct arena *arena, const struct js *value,
                               const struct js **stored) {
    (void)stored;
    if (!js_is(value, JS_STRING)) {
        return not_a(arena, "a date YYYY-MM-DD", value);
    }
    return is_date(value->string) ? TEXT_NONE : TEXT("must be a date YYYY-MM-DD that exists");
}

static struct text refuse_duration(struct arena *arena, const struct js *value,
                                   const struct js **stored) {
    (void)stored;
    struct fault fault = FAULT_INIT;
    int64_t duration_us;
    if (!js_is(value, JS_STRING)) {
        return not_a(arena, "a duration such as '30m'", value);
    }
    if (!instant_parse_duration(value->string, &duration_us, &fault)) {
        return text_print(arena, "must be a duration such as '30m': %s", fault.message);
    }
    return TEXT_NONE;
}

static struct text refuse_object(struct arena *arena, const struct js *value,
                                 const struct js **stored) {
    (void)stored;
    return js_is(value, JS_OBJECT) ? TEXT_NONE : not_a(arena, "an object", value);
}

static struct text refuse_array(struct arena *arena, const struct js *value,
                                const struct js **stored) {
    (void)stored;
    return js_is(value, JS_ARRAY) ? TEXT_NONE : not_a(arena, "an array", value);
}

static type_refusal *const type_refusals[FIELD_TYPE_COUNT] = {
    [FIELD_ANY] = refuse_nothing,     [FIELD_STRING] = refuse_string,
    [FIELD_INTEGER] = refuse_integer, [FIELD_NUMBER] = refuse_number,
    [FIELD_BOOLEAN] = refuse_boolean, [FIELD_DATETIME] = refuse_datetime,
    [FIELD_DATE] = refuse_date,       [FIELD_DURATION] = refuse_duration,
    [FIELD_OBJECT] = refuse_object,   [FIELD_ARRAY] = refuse_array,
};

/* --- choices and bounds --- */

static struct text refuse_choice(struct arena *arena, const struct field *field,
                                 const struct js *value) {
    struct buffer buffer;
    if (field->choices == NULL) {
        return TEXT_NONE;
    }
    for (size_t i = 0; i < field->choices->array.count; i++) {
        if (js_equal(field->choices->array.items[i], value)) {
            return TEXT_NONE;
        }
    }
    buffer_init(&buffer, arena);
    buffer_add_text(&buffer, TEXT("must be one of "));
    for (size_t i = 0; i < field->choices->array.count; i++) {
        if (i == CHOICES_SHOWN_MOST) {
            buffer_print(&buffer, " and %zu more", field->choices->array.count - i);
            break;
        }
        const struct js *choice = field->choices->array.items[i];
        buffer_add_text(&buffer, i > 0 ? TEXT(", ") : TEXT(""));
        buffer_add_text(&buffer,
                        js_is(choice, JS_STRING) ? choice->string : js_print(arena, choice));
    }
    return buffer_view(&buffer);
}

static size_t count_characters(struct text text) {
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++) {
        count += ((unsigned char)text.bytes[i] & 0xC0) != 0x80;
    }
    return count;
}

/* What min and max measure: a number itself, a string's characters, an array's items. */
static bool measure(const struct js *value, struct js *out, const char **unit) {
    *out = (struct js){.type = JS_INTEGER};
    *unit = "";
    if (js_is(value, JS_STRING)) {
        *unit = " characters long";
        out->integer = (int64_t)count_characters(value->string);
    } else if (js_is(value, JS_ARRAY)) {
        *unit = " items long";
        out->integer = (int64_t)value->array.count;
    } else if (js_is(value, JS_INTEGER) || js_is(value, JS_REAL)) {
        *out = *value;
    } else {
        return false;
    }
    return true;
}

static bool is_less(const struct js *a, const struct js *b) {
    if (a->type == JS_INTEGER && b->type == JS_INTEGER) {
        return a->integer < b->integer;
    }
    long double left = a->type == JS_INTEGER ? (long double)a->integer : a->real;
    long double right = b->type == JS_INTEGER ? (long double)b->integer : b->real;
    return left < right;
}

static struct text refuse_bounds(struct arena *arena, const struct field *field,
                                 const struct js *value) {
    struct js size;
    const char *unit;
    if ((field->min == NULL && field->max == NULL) || !measure(value, &size, &unit)) {
        return TEXT_NONE;
    }
    if (field->min != NULL && is_less(&size, field->min)) {
        return text_print(arena, "must be at least %.*s%s", TEXT_ARGS(js_print(arena, field->min)),
                          unit);
    }
    if (field->max != NULL && is_less(field->max, &size)) {
        return text_print(arena, "must be at most %.*s%s", TEXT_ARGS(js_print(arena, field->max)),
                          unit);
    }
    return TEXT_NONE;
}

struct text field_refusal(struct arena *arena, const struct field *field, const struct js *value,
                          const struct js **stored) {
    *stored = value;
    struct text refusal = type_refusals[field->type](arena, value, stored);
    if (!text_given(refusal)) {
        refusal = refuse_choice(arena, field, *stored);
    }
    return text_given(refusal) ? refusal : refuse_bounds(arena, field, *stored);
}

/* --- the whole --- */

const struct js *fields_with_defaults(struct arena *arena, const struct machine *machine,
                                      const struct js *data) {
    for (size_t i = 0; i < machine->field_count; i++) {
        const struct field *field = &machine->fields[i];
        if (field->default_value != NULL && js_find(data, field->name) == NULL) {
            data = js_with(arena, data, field->name, field->default_value);
        }
    }
    return data;
}

/* What somebody wrote, though it be the same, is another value. */
const struct js *fields_without_defaults(struct arena *arena, const struct machine *machine,
                                         const struct js *data) {
    for (size_t i = 0; i < machine->field_count; i++) {
        const struct field *field = &machine->fields[i];
        if (field->default_value != NULL && js_find(data, field->name) == field->default_value) {
            struct js_member *gone = ARENA_NEW(arena, struct js_member);
            *gone = (struct js_member){field->name, &js_null};
            data = js_merge_patch(arena, data, js_object(arena, gone, 1));
        }
    }
    return data;
}

static const struct js *add_error(struct arena *arena, const struct js *errors, struct text name,
                                  struct text message) {
    return js_with(arena, errors, name, js_string(arena, message));
}

static bool is_field(const struct machine *machine, struct text name) {
    for (size_t i = 0; i < machine->field_count; i++) {
        if (text_equal(machine->fields[i].name, name)) {
            return true;
        }
    }
    return false;
}

static struct text unknown_field(struct arena *arena, const struct machine *machine,
                                 struct text name) {
    struct text *names = ARENA_ARRAY(arena, struct text, machine->field_count);
    for (size_t i = 0; i < machine->field_count; i++) {
        names[i] = machine->fields[i].name;
    }
    return text_print(arena, "is not a field of %.*s%.*s", TEXT_ARGS(machine->name),
                      TEXT_ARGS(problem_hint(arena, name, names, machine->field_count)));
}

static const struct js *check_unknown(struct arena *arena, const struct machine *machine,
                                      const struct js *data, const struct js *errors) {
    size_t shown = 0;
    for (size_t i = 0; machine->strict && i < data->object.count && shown < UNKNOWN_SHOWN_MOST;
         i++) {
        struct text name = data->object.members[i].key;
        if (!is_field(machine, name)) {
            shown++;
            errors = add_error(arena, errors, name, unknown_field(arena, machine, name));
        }
    }
    return errors;
}

const struct js *fields_check(struct arena *arena, const struct machine *machine,
                              const struct js *data, const struct js **errors) {
    const struct js *result = data;
    *errors = NULL;
    for (size_t i = 0; i < machine->field_count; i++) {
        const struct field *field = &machine->fields[i];
        const struct js *value = js_find(data, field->name), *stored = value;
        struct text refusal = value != NULL     ? field_refusal(arena, field, value, &stored)
                              : field->required ? TEXT("is required")
                                                : TEXT_NONE;
        if (text_given(refusal)) {
            *errors = add_error(arena, *errors, field->name, refusal);
        } else if (stored != value) {
            result = js_with(arena, result, field->name, stored);
        }
    }
    *errors = check_unknown(arena, machine, data, *errors);
    return result;
}

/* --- what a policy wrote --- */

static const struct js *settled(struct arena *arena, enum field_type type, const struct js *value) {
    if (type == FIELD_DATETIME && js_is(value, JS_INTEGER)) {
        char printed[INSTANT_TEXT];
        return js_string(arena, text_copy(arena, instant_print(value->integer, printed)));
    }
    if (type == FIELD_ARRAY && js_is(value, JS_OBJECT) && value->object.count == 0) {
        return &js_empty_array;
    }
    return value;
}

const struct js *fields_settle(struct arena *arena, const struct machine *machine,
                               const struct js *before, const struct js *after) {
    for (size_t i = 0; i < machine->field_count; i++) {
        const struct field *field = &machine->fields[i];
        const struct js *value = js_find(after, field->name);
        if (value == NULL) {
            continue;
        }
        const struct js *new_value = settled(arena, field->type, value);
        if (new_value != value && !js_equal(value, js_find(before, field->name))) {
            after = js_with(arena, after, field->name, new_value);
        }
    }
    return after;
}
