/* where.c: most data that does not fit is ruled out without being parsed: canonical JSON that
 * has a member has its bytes, "key":value, somewhere. That is so for strings, booleans and whole
 * numbers that only one spelling has; for all else the data is parsed and compared. */
#include "store/where.h"

#define EXACT_MOST                                                                                 \
    (INT64_C(1) << 53) /* beyond, a real may equal an integer and be spelled otherwise */

static bool has_one_spelling(const struct js *value) {
    return js_is(value, JS_STRING) || js_is_bool(value) ||
           (js_is(value, JS_INTEGER) && value->integer <= EXACT_MOST &&
            value->integer >= -EXACT_MOST);
}

static struct text last_key(struct text path) {
    const char *dot = memrchr(path.bytes, '.', path.length);
    if (dot == NULL) {
        return path;
    }
    return (struct text){dot + 1, (size_t)(path.bytes + path.length - dot) - 1};
}

static struct text trace_of(struct arena *arena, const struct js_member *member) {
    if (!has_one_spelling(member->value)) {
        return TEXT_NONE;
    }
    struct buffer buffer;
    buffer_init(&buffer, arena);
    js_write_string(&buffer, last_key(member->key));
    buffer_add_char(&buffer, ':');
    js_write(&buffer, member->value);
    struct text trace = buffer_view(&buffer);
    bool is_path = memchr(member->key.bytes, '.', member->key.length) != NULL;
    size_t cut = is_path ? 1 : 0; /* without its opening quote it is in "a.b":1 as well */
    return (struct text){trace.bytes + cut, trace.length - cut};
}

static struct where_value value_of(struct arena *arena, const struct js_member *member,
                                   const struct js *defaults) {
    const struct js *otherwise = js_find(defaults, member->key);
    bool or_absent = otherwise != NULL && js_equal(otherwise, member->value);
    return (struct where_value){.path = member->key,
                                .value = member->value,
                                .or_absent = or_absent,
                                .trace = or_absent ? TEXT_NONE : trace_of(arena, member)};
}

struct where where_of(struct arena *arena, const struct js *data, const struct js *defaults) {
    struct where where = {.count = js_is(data, JS_OBJECT) ? data->object.count : 0};
    where.values = ARENA_ARRAY(arena, struct where_value, where.count);
    for (size_t i = 0; i < where.count; i++) {
        where.values[i] = value_of(arena, &data->object.members[i], defaults);
    }
    return where;
}

static bool has_traces(const struct where *where, struct text json) {
    for (size_t i = 0; i < where->count; i++) {
        struct text trace = where->values[i].trace;
        if (text_given(trace) &&
            memmem(json.bytes, json.length, trace.bytes, trace.length) == NULL) {
            return false;
        }
    }
    return true;
}

static bool has_values(const struct where *where, const struct js *data) {
    for (size_t i = 0; i < where->count; i++) {
        const struct js *value = js_find_path(data, where->values[i].path);
        bool fits =
            value == NULL ? where->values[i].or_absent : js_equal(value, where->values[i].value);
        if (!fits) {
            return false;
        }
    }
    return true;
}

bool where_fits(const struct where *where, struct arena *scratch, struct text json, bool *fits,
                struct fault *fault) {
    *fits = has_traces(where, json);
    if (!*fits || where->count == 0) {
        return true;
    }
    const struct js *data;
    if (!js_parse(scratch, json, &data, fault)) {
        fault->code = FAULT_STORE_UNAVAILABLE;
        return fault_within(fault, "the stored data of an entity");
    }
    *fits = has_values(where, data);
    return true;
}
