#include "cli/check_warnings.h"

#include "base/buffer.h"

static bool has_permission(const struct machine *machine) {
    for (size_t i = 0; i < machine->state_count; i++) {
        for (size_t j = 0; j < machine->states[i].way_count; j++) {
            if (permission_rule_asks(&machine->states[i].ways[j].permission)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_open(const struct machine *machine, const struct state *state) {
    return !machine_update(machine, state)->is_there;
}

static bool is_open_anywhere(const struct machine *machine) {
    bool open = false;
    for (size_t i = 0; i < machine->state_count; i++) {
        open = open || is_open(machine, &machine->states[i]);
    }
    return open;
}

static void add_names(struct buffer *buffer, const struct text *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffer_print(buffer, "%s'%.*s'", i > 0 ? ", " : "", TEXT_ARGS(names[i]));
    }
}

/* The states in which anybody may; nothing when that is all of them. */
static void add_states(struct buffer *buffer, const struct machine *machine) {
    struct text *names = ARENA_ARRAY(buffer->arena, struct text, machine->state_count);
    size_t count = 0;
    for (size_t i = 0; i < machine->state_count; i++) {
        if (is_open(machine, &machine->states[i])) {
            names[count++] = machine->states[i].name;
        }
    }
    if (count < machine->state_count) {
        buffer_add_text(buffer, TEXT(" in "));
        add_names(buffer, names, count);
    }
}

static struct text warning_of(struct arena *arena, const struct machine *machine) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    buffer_print(&buffer,
                 "machine '%.*s': it has permissions but no `update`, so PATCH changes its data "
                 "for every caller",
                 TEXT_ARGS(machine->name));
    add_states(&buffer, machine);
    if (machine->permit_read_count > 0) {
        buffer_add_text(&buffer, TEXT("; its permit functions rely on "));
        add_names(&buffer, machine->permit_reads, machine->permit_read_count);
    }
    return buffer_view(&buffer);
}

void check_warnings(const struct generation *generation, struct problem_list *warnings) {
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        const struct machine *machine = generation_machine_at(generation, i);
        if (has_permission(machine) && is_open_anywhere(machine)) {
            problem_add(warnings, machine->file, machine->line,
                        warning_of(warnings->arena, machine));
        }
    }
}
