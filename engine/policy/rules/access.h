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

/* The type of subjects that are groups: what a subject names in its `groups`. */
#define DIRECTORY_GROUP TEXT("group")

#define DIRECTORY_MOST  100000 /* entries in all */

/* Sorts, and reports what is declared twice. */
void access_rules_sort(struct access_rules *rules, struct problem_list *problems);

/* Reports what subjects that are listed hold and cannot: roles and permissions of a wrong form, and
 * groups that are not listed. After access_rules_sort. */
void access_rules_check_subjects(const struct access_rules *rules, struct problem_list *problems);

/* The first entry that is not before (type, id). */
size_t directory_from(const struct directory *directory, struct text type, struct text id);
/* Whether anything of the type is listed. */
bool directory_has(const struct directory *directory, struct text type);
/* NULL: not listed. */
const struct listed *directory_listed(const struct directory *directory, struct text type,
                                      struct text id);

/* The type of this very name; "*" is the one of all types without their own. */
const struct access_type *access_type_of(const struct access_rules *rules, struct text name);

#endif
