/* form.h: reading a JSON body strictly. Each function reads one member of `object`; an absent one
 * leaves the output at its fallback. Faults are FAULT_BAD_REQUEST and name the place:
 * "options.max_retries: expected an integer from 0 to 10, not a string". `where` is the path of
 * the object itself ("" or "options"). */
#ifndef STATUTE_FORM_H
#define STATUTE_FORM_H

#include "base/js.h"
#include "model/attempt.h"

struct form {
    struct arena *arena;
    const struct js *object; /* NULL reads as empty */
    const char *where;
    struct fault *fault;
};

/* Fails when the object has a key that is not in the NULL-terminated list ("did you mean"). */
bool form_known(const struct form *form, const char *const *keys) MUST_CHECK;
bool form_text(const struct form *form, const char *key, size_t most_bytes,
               struct text *out) MUST_CHECK; /* null reads as absent */
bool form_integer(const struct form *form, const char *key, int64_t least, int64_t most,
                  int64_t *out) MUST_CHECK;
bool form_bool(const struct form *form, const char *key, bool *out) MUST_CHECK;
bool form_object(const struct form *form, const char *key, const struct js **out) MUST_CHECK;
/* An entity's version, the only one that the attempt may be made on. */
bool form_version(const struct form *form, const char *key, struct attempt *attempt) MUST_CHECK;
/* An array of strings. */
bool form_texts(const struct form *form, const char *key, const struct js **out) MUST_CHECK;
/* An array of roles: names, and {role, within}. */
bool form_roles(const struct form *form, const char *key, const struct js **out) MUST_CHECK;
/* {id, roles?, permissions?, attributes?}; NULL when absent or null. */
bool form_actor(const struct form *form, const char *key, const struct actor **out) MUST_CHECK;

#endif
