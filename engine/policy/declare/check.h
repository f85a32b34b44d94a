/* check.h: reads the tables that policy files declare, and reports what is wrong with them. Used by
 * the declare_*.c files only.
 * Everything runs inside one vm_call a file, since any of it may raise when memory runs out. Tables
 * are read raw. Results live in the generation's arena; a value of a wrong type is reported once,
 * by check_keys, and then read as if it were not there. */
#ifndef STATUTE_POLICY_CHECK_H
#define STATUTE_POLICY_CHECK_H

#include "base/problem.h"
#include "policy/declare/lines.h"

#include <lua.h>

/* One declaration being checked. */
struct check {
    lua_State *lua;
    struct arena *arena;
    struct problem_list *problems;
    struct lines *lines;
    struct text file;
    struct text constructor; /* "machine" */
    struct text name;        /* TEXT_NONE: this kind has none */
    int line;
    size_t parts;       /* what this declaration has been read to hold, lists and all */
    size_t *parts_left; /* of the whole directory */
};

/* States, ways, fields, functions, permissions: tables can be shared in Lua, but their descriptions
 * are not, so they are counted. */
#define CHECK_PARTS_MOST     20000  /* in one declaration */
#define CHECK_PARTS_ALL_MOST 500000 /* in a policy directory */
#define CHECK_FUNCTIONS_MOST 100    /* in one list */

enum kind {
    KIND_TEXT = 1,
    KIND_BOOLEAN = 2,
    KIND_NUMBER = 4,
    KIND_INTEGER = 8,
    KIND_TABLE = 16,
    KIND_FUNCTION = 32,
    KIND_FUNCTIONS = 64, /* a list of them */
    KIND_ANY = 128,
};

struct key_rule {
    const char *name;
    unsigned kinds;       /* of enum kind, any of them */
    const char *expected; /* "a string" */
};

/* "machine 'task': states.DRAFT.to: ..." at the line of the last key of `at` that can be found. */
void check_problem(struct check *check, const struct key_path *at, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Reports keys that are in no rule, and values of wrong kinds. */
void check_keys(struct check *check, int table, const struct key_path *at,
                const struct key_rule *rules, size_t count);

/* The same of a table that has list items too. */
void check_keys_beside_items(struct check *check, int table, const struct key_path *at,
                             const struct key_rule *rules, size_t count);

/* Counts so many parts; false, and reported, when there are too many. */
bool check_afford(struct check *check, const struct key_path *at, size_t count) MUST_CHECK;

/* The string keys of a table in byte order, in *names; anything else is reported, saying that
 * `expected` (a phrase such as "STATE = {...}") belongs there. */
size_t check_names(struct check *check, int table, const struct key_path *at, const char *expected,
                   struct text **names);

/* stack: [-0, +1] */
int check_push(struct check *check, int table, struct text key); /* the value's Lua type */

/* stack: [-0, +0] for all below. `key` is a key of `table`. */
struct text check_text(struct check *check, int table, const char *key); /* TEXT_NONE: no string */
bool check_flag(struct check *check, int table, const char *key);
bool check_has(struct check *check, int table, const char *key);
/* A function, or a list with at least one; `at` is of the table. */
bool check_has_function(struct check *check, int table, const struct key_path *at, const char *key);

bool check_is_list(struct check *check, int index); /* a table without keys or gaps */

/* The string at `index` itself, copied; TEXT_NONE when it is none or not UTF-8. */
struct text check_text_at(struct check *check, int index);

/* A list of strings at `index` (a string alone is a list of one). Anything else in it is reported.
 */
size_t check_texts(struct check *check, int index, const struct key_path *at,
                   const struct text **out);

/* Reports what is no sensible permission in full. */
void check_permission(struct check *check, const struct key_path *at, struct text permission);

/* What a role grants: the list items of a table that may have other keys too; wildcards allowed. */
size_t check_grants(struct check *check, int index, const struct key_path *at,
                    const struct text **out);

/* What a role does not grant: a list (a string alone is a list of one); wildcards allowed. */
size_t check_excepted(struct check *check, int index, const struct key_path *at,
                      const struct text **out);

/* A duration string under `key`, in microseconds; `otherwise` when it is absent or was reported. */
int64_t check_duration(struct check *check, int table, const struct key_path *at, const char *key,
                       int64_t otherwise);

/* Reports `name` unless it is among `candidates`: "there is no state 'X'; did you mean 'Y'?". The
 * index, or -1. */
int64_t check_reference(struct check *check, const struct key_path *at, const char *what,
                        struct text name, const struct text *candidates, size_t count);

#endif
