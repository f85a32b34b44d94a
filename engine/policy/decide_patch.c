/* decide_patch.c: what a request may send. These rules bind the patch of a request, be it a
 * creation, a change of data or what comes with a transition; not what effects, `prepare` and
 * timers write, nor an import.
 *  1. A field that is sent with the value it has is not changed, so an app may send all it has.
 *     What a transition accepts is a matter of what is sent, changed or not.
 *  2. A creation counts as a change in the state that it begins in: what is not editable there no
 *     request brings along, but for the default. It is what `immutable` allows. */
#include "policy/rules/fields.h"
#include "policy/turn.h"

#define NAMED_MOST 100 /* fields that are not accepted, of one attempt */

/* Creating in another state than the first is importing. */
bool patch_is_import(const struct turn *turn) {
    const struct attempt *attempt = turn->attempt;
    bool is_first =
        !text_given(attempt->to) || turn->to == &turn->machine->states[turn->machine->initial];
    return attempt->is_import || (attempt->kind == ATTEMPT_CREATE && !is_first);
}

bool patch_is_bound(const struct turn *turn) {
    return js_is(turn->attempt->patch, JS_OBJECT) && !turn_is_engines(turn) &&
           !patch_is_import(turn);
}

/* --- what is changed --- */

static const struct js *value_before(const struct turn *turn, const struct field *field) {
    const struct js *value = js_find(turn->stored, field->name);
    return value == NULL && turn->attempt->kind == ATTEMPT_CREATE ? field->default_value : value;
}

/* The value as the field keeps it: a datetime in UTC. */
static const struct js *as_kept(struct turn *turn, const struct field *field,
                                const struct js *value) {
    const struct js *kept = value;
    if (value != NULL && text_given(field_refusal(turn->arena, field, value, &kept))) {
        return value;
    }
    return kept;
}

static bool is_same(const struct js *a, const struct js *b) {
    return a == b || (a != NULL && b != NULL && js_equal(a, b));
}

bool patch_changes(struct turn *turn, const struct field *field) {
    const struct js *sent = js_find(turn->attempt->patch, field->name);
    if (sent == NULL) {
        return false;
    }
    const struct js *before = value_before(turn, field);
    const struct js *merged =
        js_merge_patch(turn->arena, js_with(turn->arena, &js_empty_object, field->name, before),
                       js_with(turn->arena, &js_empty_object, field->name, sent));
    return !is_same(before, as_kept(turn, field, js_find(merged, field->name)));
}

/* --- rules --- */

static void add_error(struct turn *turn, struct text field, struct text message) {
    if (js_find(turn->errors, field) == NULL) {
        turn->errors = js_with(turn->arena, turn->errors, field, js_string(turn->arena, message));
    }
}

static bool is_among(const struct text *items, size_t count, struct text name) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(items[i], name)) {
            return true;
        }
    }
    return false;
}

static struct text list(struct arena *arena, const struct text *items, size_t count) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < count; i++) {
        buffer_print(&buffer, "%s'%.*s'", i > 0 ? ", " : "", TEXT_ARGS(items[i]));
    }
    return buffer_view(&buffer);
}

static struct text not_here(struct turn *turn, const struct field *field, struct text state) {
    if (field->editable_count == 0) {
        return TEXT("is set by effects, never by a request");
    }
    return text_print(turn->arena, "cannot be changed in '%.*s', only in %.*s", TEXT_ARGS(state),
                      TEXT_ARGS(list(turn->arena, field->editable_in, field->editable_count)));
}

static void check_field(struct turn *turn, const struct field *field) {
    bool is_creation = turn->attempt->kind == ATTEMPT_CREATE;
    struct text state = is_creation ? turn->to->name : turn->entity->state;
    bool is_fixed = field->immutable && !is_creation;
    bool is_closed =
        field->has_editable_in && !is_among(field->editable_in, field->editable_count, state);
    if ((!is_fixed && !is_closed) || !patch_changes(turn, field)) {
        return;
    }
    add_error(turn, field->name,
              is_fixed ? TEXT("is set at creation and cannot be changed")
                       : not_here(turn, field, state));
}

static void check_accepts(struct turn *turn, const struct way *way) {
    const struct js *patch = turn->attempt->patch;
    struct text accepted = list(turn->arena, way->accepts, way->accept_count);
    for (size_t i = 0, named = 0; i < patch->object.count && named < NAMED_MOST; i++) {
        struct text name = patch->object.members[i].key;
        if (!is_among(way->accepts, way->accept_count, name)) {
            named++;
            add_error(turn, name,
                      way->accept_count == 0
                          ? TEXT("is not accepted: this transition takes no data")
                          : text_print(turn->arena, "is not accepted: this transition takes %.*s",
                                       TEXT_ARGS(accepted)));
        }
    }
}

void patch_check(struct turn *turn) {
    bool has_accepts = turn->way != NULL && turn->way->has_accepts;
    if ((!has_accepts && !turn->machine->has_field_rules) || !patch_is_bound(turn)) {
        return;
    }
    for (size_t i = 0; turn->machine->has_field_rules && i < turn->machine->field_count; i++) {
        check_field(turn, &turn->machine->fields[i]);
    }
    if (has_accepts) {
        check_accepts(turn, turn->way);
    }
}
