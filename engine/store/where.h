/* where.h: whether an entity's data has the values that a store_where asks for. For drivers
 * whose data is canonical JSON text. */
#ifndef STATUTE_STORE_WHERE_H
#define STATUTE_STORE_WHERE_H

#include "base/js.h"

struct where_value {
    struct text path; /* dotted */
    const struct js *value;
    bool or_absent;    /* an entity without the field fits as well */
    struct text trace; /* bytes that must occur in the data; TEXT_NONE: cannot be told */
};

struct where {
    struct where_value *values;
    size_t count;
};

/* `data` is {path: value} or NULL, and is lent, as `defaults` is (data.h, store_where); anything
 * else is taken for NULL. */
struct where where_of(struct arena *arena, const struct js *data, const struct js *defaults);

/* *fits tells whether all values are there and equal. `json` is canonical. The scratch arena is
 * left dirty. FAULT_STORE_UNAVAILABLE: it is not JSON. */
bool where_fits(const struct where *where, struct arena *scratch, struct text json, bool *fits,
                struct fault *fault) MUST_CHECK;

#endif
