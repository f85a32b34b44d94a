/* declare.h: from the call of a constructor in a policy file to checked plain data.
 * Room policy/declare/: the folder's files, their declarations, and what is wrong with them, by
 * line. It uses policy/rules/, privacy/ and lua/.
 *   declare_open   puts machine, roles, pii, access, directory, webhooks, any and require into a VM
 *   declare_libraries, declare_file   run files; what they return lands in `declarations`
 *   declare_check_...   one a kind: reads the table into plain data, reports what is wrong
 * One loader a VM; it lives as long as the VM, for `require` looks into it. */
#ifndef STATUTE_DECLARE_H
#define STATUTE_DECLARE_H

#include "lua/vm.h"
#include "model/entity.h"
#include "policy/declare/check.h"
#include "policy/declare/folder.h"
#include "policy/rules/access.h"
#include "policy/rules/machine.h"
#include "policy/rules/roles.h"
#include "privacy/pii.h"

enum declaration_kind {
    DECLARATION_MACHINE,
    DECLARATION_ROLES,
    DECLARATION_PII,
    DECLARATION_ACCESS,
    DECLARATION_WEBHOOKS,
    DECLARATION_DIRECTORY
};

/* One constructor's call. Its table is in the registry of its VM. */
struct declaration {
    enum declaration_kind kind;
    struct text name;               /* of machine and access */
    const struct policy_file *file; /* that returned it */
    int line;
    int table; /* a reference: lua_rawgeti(lua, LUA_REGISTRYINDEX, table) */
};

struct loader {
    struct vm *vm;
    struct arena *arena;             /* of the generation */
    const struct policy_file *files; /* libraries too, by path */
    size_t file_count;
    const struct policy_file *current; /* being run */
    struct problem_list *problems;
    struct declaration *declarations; /* of all files so far, in the order of the files */
    size_t declaration_count, declaration_capacity;
    int libraries;   /* reference: what require gave, by path; false while it loads */
    int undelivered; /* reference: what the running file has declared but not returned yet */
};

const char *declaration_name(enum declaration_kind kind); /* "machine" */

void declare_open(struct loader *loader);
/* Runs every library, so that one that nobody requires is proven too. */
void declare_libraries(struct loader *loader);
void declare_file(struct loader *loader, const struct policy_file *file);

/* --- checks; the table is on top of check->lua's stack --- */
void declare_check_machine(struct check *check, struct machine *out);
void declare_check_states(struct check *check, int table, struct machine *out);
void declare_check_fields(struct check *check, int table, struct machine *out);
/* `key` (create, update, read) of the table at `table`, whose place is `at` (NULL: the machine's
 * own). stack: [-0, +0] */
void declare_check_act(struct check *check, int table, const struct key_path *at, const char *key,
                       bool takes_guard, struct act_rule *out);
/* The states that fields name; after states. */
void declare_check_field_states(struct check *check, const struct machine *machine);
void declare_check_table(struct check *check, int table, struct machine *out); /* after fields */
void declare_check_roles(struct check *check, struct roles *out);
void declare_check_pii(struct check *check, const struct text *machines, size_t machine_count,
                       struct pii_set *out);
void declare_check_access(struct check *check, struct access_rules *rules);
void declare_check_directory(struct check *check, struct access_rules *rules);
void declare_check_webhooks(struct check *check, const struct text *machines, size_t machine_count);

#endif
