/* access.h: what `access` and `directory` declarations say, as plain data. Built while
 * loading, then read by any thread.  */
#ifndef STATUTE_ACCESS_RULES_H
#define STATUTE_ACCESS_RULES_H

#include "base/js.h"
#include "base/problem.h"
#include "policy/rules/permission.h"

/* Which of the two halves of a directory. */
enum directory_side { DIRECTORY_SUBJECTS, DIRECTORY_RESOURCES, DIRECTORY_SIDES };

struct directory_entry {
    struct text id;
    const struct js *properties; /* an object */
};

struct access_action {
    struct text name;
    struct permission_rule permission;
    int line;
};

/* One `access` declaration. */
struct access_type {
    struct text name, doc;
    struct text file;
    int line;
    struct within_rule within;           /* a property of the resource, or a function */
    struct permission_rule permission;   /* of all actions: `deny` only */
    const struct access_action *actions; /* by name */
    size_t action_count;
};

struct listed {
    struct text type;
    struct directory_entry entry;
    struct text file;
    int line;
};

struct directory {
    struct listed *items; /* by type, then id, once access_rules_sort has run */
    size_t count, capacity;
};

struct access_rules {
    struct access_type *types; /* by name */
    size_t type_count, type_capacity;
    struct directory directories[DIRECTORY_SIDES];
};

#define DIRECTORY_MOST 100000 /* entries in all */

/* Sorts, and reports what is declared twice. */
void access_rules_sort(struct access_rules *rules, struct problem_list *problems);

const struct access_type *access_type_of(const struct access_rules *rules, struct text name);

#endif
