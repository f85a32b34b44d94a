#include "server/tables.h"

#include "store/table.h"

bool tables_are_named(const struct generation *generation) {
    bool found = false;
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        found = found || generation_machine_at(generation, i)->table != NULL;
    }
    return found;
}

bool tables_check(const struct generation *generation, struct store *store,
                  struct problem_list *problems, struct fault *fault) {
    size_t before = problems->count;
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        const struct machine *machine = generation_machine_at(generation, i);
        struct fault why = FAULT_INIT;
        if (machine->table == NULL || store_check_table(store, machine->table, &why)) {
            continue;
        }
        if (why.code != FAULT_POLICY_INVALID) {
            *fault = why;
            return false;
        }
        problem_add(problems, machine->file, machine->line,
                    text_print(problems->arena, "machine '%.*s': table: %s",
                               TEXT_ARGS(machine->name), why.message));
    }
    size_t count = problems->count - before;
    return count == 0 || fault_set(fault, FAULT_POLICY_INVALID, "%zu problem%s in the policies",
                                   count, count == 1 ? "" : "s");
}
