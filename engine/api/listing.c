/* listing.c: the query of a list of entities, and what it has in common with those of other lists.
 */
#include "api/listing.h"

#include "api/attempts.h"
#include "api/reading.h"
#include "policy/rules/filter.h"
#include "timezone/instant.h"

static const char *const own_names[] = {"state", "updated_since", "order", "count",
                                        "limit", "cursor",        NULL};

bool listing_order(struct call *call, bool *newest, struct fault *fault) {
    struct text value = TEXT_NONE;
    if (!call_query(call, "order", &value, fault) || !text_given(value)) {
        return fault->code == FAULT_NONE;
    }
    *newest = text_equal(value, TEXT("newest"));
    return *newest || text_equal(value, TEXT("oldest")) ||
           fault_set(fault, FAULT_BAD_REQUEST, "order: expected oldest or newest");
}

bool listing_instant(struct call *call, const char *name, int64_t *out, struct fault *fault) {
    struct text value = TEXT_NONE;
    int offset;
    if (!call_query(call, name, &value, fault) || !text_given(value)) {
        return fault->code == FAULT_NONE;
    }
    if (!instant_parse(value, out, &offset, fault)) {
        fault->code = FAULT_BAD_REQUEST;
        return fault_within(fault, "%s", name);
    }
    return true;
}

bool listing_bool(struct call *call, const char *name, bool *out, struct fault *fault) {
    struct text value = TEXT_NONE;
    if (!call_query(call, name, &value, fault) || !text_given(value)) {
        return fault->code == FAULT_NONE;
    }
    *out = text_equal(value, TEXT("true"));
    return *out || text_equal(value, TEXT("false")) ||
           fault_set(fault, FAULT_BAD_REQUEST, "%s: expected true or false", name);
}

static bool is_among(const char *const *names, struct text name) {
    for (size_t i = 0; names[i] != NULL; i++) {
        if (text_equal(name, text_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* Where there is no `read`, nobody asks who reads: then these are names of fields. */
static bool is_own(const struct listing *listing, struct text name) {
    return is_among(own_names, name) || (listing->is_restricted && is_among(reading_queries, name));
}

static bool read_field(struct call *call, const struct machine *machine, struct text name,
                       const struct js **data, struct fault *fault) {
    struct arena *arena = &call->exchange->arena;
    const struct js *value;
    struct text text = TEXT_NONE;
    return call_query(call, text_cstring(arena, name), &text, fault) &&
           filter_value(arena, machine, name, text_given(text) ? text : TEXT(""), &value, fault) &&
           (*data = js_with(arena, *data, name, value)) != NULL;
}

static bool read_fields(struct call *call, const struct machine *machine, struct listing *out,
                        struct fault *fault) {
    struct text query = call->exchange->query, name;
    while (call_query_name(call, &query, &name, fault)) {
        if (!is_own(out, name) && !read_field(call, machine, name, &out->where.data, fault)) {
            return false;
        }
    }
    return fault->code == FAULT_NONE;
}

static bool read_own(struct call *call, struct listing *out, struct fault *fault) {
    if (!call_query(call, "state", &out->state, fault) ||
        !call_query(call, "cursor", &out->page.cursor, fault)) {
        return false;
    }
    out->where.states = &out->state;
    out->where.state_count = text_given(out->state) ? 1 : 0;
    return listing_instant(call, "updated_since", &out->where.updated_since_us, fault) &&
           listing_order(call, &out->page.newest, fault) &&
           listing_bool(call, "count", &out->count, fault) &&
           call_query_integer(call, "limit", 1, 1000, 50, &out->page.limit, fault);
}

bool listing_read(struct call *call, const struct generation *generation, struct listing *out,
                  struct fault *fault) {
    const struct machine *machine;
    if (!call_machine(call, call->parameters[0], fault)) {
        return false;
    }
    machine = generation_machine(generation, call->parameters[0]);
    out->is_restricted = machine != NULL && machine->read.is_there;
    return (machine != NULL ||
            fault_set(fault, FAULT_UNKNOWN_MACHINE, "'%.*s' was loaded just now; try again",
                      TEXT_ARGS(call->parameters[0]))) &&
           (!out->is_restricted || reading_actor(call, &out->actor, fault)) &&
           read_own(call, out, fault) && read_fields(call, machine, out, fault);
}
