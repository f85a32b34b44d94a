/* filter.c: from the text in a query to the value in the data. */
#include "policy/rules/filter.h"

#include "base/problem.h"
#include "policy/rules/fields.h"

bool filter_is_scalar(enum field_type type) {
    return type != FIELD_ANY && type != FIELD_OBJECT && type != FIELD_ARRAY;
}

static const struct field *find(const struct machine *machine, struct text name) {
    for (size_t i = 0; i < machine->field_count; i++) {
        if (text_equal(machine->fields[i].name, name)) {
            return &machine->fields[i];
        }
    }
    return NULL;
}

static bool refuse_unknown(struct arena *arena, const struct machine *machine, struct text name,
                           struct fault *fault) {
    struct text *names = ARENA_ARRAY(arena, struct text, machine->field_count);
    for (size_t i = 0; i < machine->field_count; i++) {
        names[i] = machine->fields[i].name;
    }
    struct text hint = problem_hint(arena, name, names, machine->field_count);
    struct text shown = {name.bytes, name.length > 60 ? 60 : name.length};
    return fault_set(fault, FAULT_BAD_REQUEST,
                     "%.*s: unknown query parameter, and '%.*s' has no field of that name%.*s",
                     TEXT_ARGS(shown), TEXT_ARGS(machine->name), TEXT_ARGS(hint));
}

/* Numbers and booleans are written as in JSON, all else as it is. */
static const struct js *value_of(struct arena *arena, enum field_type type, struct text text) {
    bool is_json = type == FIELD_INTEGER || type == FIELD_NUMBER || type == FIELD_BOOLEAN;
    const struct js *value = NULL;
    struct fault fault = FAULT_INIT;
    bool read = is_json && js_parse(arena, text, &value, &fault);
    return read ? value : js_string(arena, text);
}

bool filter_value(struct arena *arena, const struct machine *machine, struct text name,
                  struct text text, const struct js **out, struct fault *fault) {
    const struct field *field = find(machine, name);
    if (field == NULL) {
        return refuse_unknown(arena, machine, name, fault);
    }
    if (!field->index) {
        return fault_set(fault, FAULT_BAD_REQUEST,
                         "%.*s: lists of '%.*s' cannot be filtered by this field; declare it with "
                         "index = true: %.*s = { type = \"%.*s\", index = true }",
                         TEXT_ARGS(name), TEXT_ARGS(machine->name), TEXT_ARGS(name),
                         TEXT_ARGS(field_type_names[field->type]));
    }
    struct text refusal = field_refusal(arena, field, value_of(arena, field->type, text), out);
    return !text_given(refusal) ||
           fault_set(fault, FAULT_BAD_REQUEST, "%.*s: %.*s", TEXT_ARGS(name), TEXT_ARGS(refusal));
}
