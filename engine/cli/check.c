/* check.c: `statute check`: what is wrong with a policy directory, or what is in it. */
#include <stdio.h>

#include "cli/check_warnings.h"
#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "server/service.h"

enum format { FORMAT_TEXT, FORMAT_JSON };

struct check_values {
    struct text policies;
    unsigned format;
    bool strict;
};

static const struct option rows[] = {
    {"policies", OPTION_TEXT, offsetof(struct check_values, policies), "DIR", 0, 0,
     "the policy files"},
    {"format", OPTION_CHOICE, offsetof(struct check_values, format), "text|json", 0, 0,
     "for people, or for programs"},
    {"strict", OPTION_FLAG, offsetof(struct check_values, strict), "", 0, 0,
     "warnings count as failures"},
};

static void defaults(void *values) {
    ((struct check_values *)values)->policies = service_options_default().policies;
}

/* --- text --- */

static size_t count_ways(const struct machine *machine) {
    size_t count = 0;
    for (size_t i = 0; i < machine->state_count; i++) {
        count += machine->states[i].way_count;
    }
    return count;
}

static struct text state_label(struct arena *arena, const struct machine *machine, size_t index) {
    const struct state *state = &machine->states[index];
    return text_print(arena, "%.*s%s%s", TEXT_ARGS(state->name),
                      index == machine->initial ? " (initial)" : "",
                      state->final ? " (final)" : "");
}

static struct text permissions_of(struct arena *arena, const struct way *way) {
    struct text permit = permission_phrase(arena, way->permission.permit);
    return way->permission.deny_count == 0
               ? permit
               : text_print(arena, "%.*s%sunless denied", TEXT_ARGS(permit),
                            permit.length > 0 ? ", " : "");
}

static void add_note(struct buffer *buffer, bool holds, const char *note) {
    if (holds) {
        buffer_print(buffer, "%s%s", buffer->length > 0 ? ", " : "", note);
    }
}

/* What else stands in the way, or happens on it. */
static struct text notes_of(struct arena *arena, const struct machine *machine,
                            const struct way *way) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    add_note(&buffer, way->has_guard || machine->states[way->to_index].has_require, "guarded");
    add_note(&buffer, way->has_effect, "has effects");
    add_note(&buffer, way->internal, "internal");
    add_note(&buffer, way->is_from_any, "from every state");
    return buffer_view(&buffer);
}

static void add_choices(struct table *table, const struct state *state) {
    for (size_t i = 0; i < state->choice_count; i++) {
        table_add(table, TEXT(""));
        table_add(table, TEXT("one of these"));
        table_add(table, state->choices[i]);
        table_add(table, TEXT(""));
        table_add(table, TEXT("decided by a function"));
    }
}

static void add_state(struct table *table, const struct machine *machine, size_t index) {
    const struct state *state = &machine->states[index];
    struct text label = state_label(table->arena, machine, index);
    for (size_t i = 0; i < state->way_count || i == 0; i++) {
        const struct way *way = i < state->way_count ? &state->ways[i] : NULL;
        table_add(table, i == 0 ? label : TEXT(""));
        table_add(table, way != NULL ? way->to : TEXT(""));
        table_add(table, way != NULL ? way->name : TEXT(""));
        table_add(table, way != NULL ? permissions_of(table->arena, way) : TEXT(""));
        table_add(table, way != NULL ? notes_of(table->arena, machine, way) : TEXT(""));
    }
    add_choices(table, state);
}

static void print_rule(const char *what, struct text name, struct arena *arena,
                       const struct permission_rule *rule, const char *more) {
    struct text permit = permission_phrase(arena, rule->permit);
    printf("  %s%s%.*s: %.*s%s%s%s\n", what, text_given(name) ? " " : "", TEXT_ARGS(name),
           TEXT_ARGS(permit), permit.length > 0 && more[0] != '\0' ? ", " : "", more,
           rule->deny_count > 0 ? " (a function may deny)" : "");
}

static void print_act(const char *what, struct text state, struct arena *arena,
                      const struct act_rule *act) {
    if (act->is_there) {
        print_rule(what, state, arena, &act->permission, act->has_guard ? "guarded" : "");
    }
}

static void print_field(const struct field *field, struct arena *arena) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    add_note(&buffer, field->immutable, "set at creation only");
    add_note(&buffer, field->has_editable_in && field->editable_count == 0, "set by effects only");
    for (size_t i = 0; i < field->editable_count; i++) {
        buffer_print(&buffer, "%s%.*s",
                     i > 0               ? ", "
                     : buffer.length > 0 ? "; in "
                                         : "in ",
                     TEXT_ARGS(field->editable_in[i]));
    }
    if (buffer.length > 0 || permission_rule_asks(&field->permission)) {
        print_rule("field", field->name, arena, &field->permission,
                   text_cstring(arena, buffer_view(&buffer)));
    }
}

/* Who may do what is no transition. */
static void print_acts(const struct machine *machine, struct arena *arena) {
    print_act("create", TEXT_NONE, arena, &machine->create);
    print_act("update", TEXT_NONE, arena, &machine->update);
    for (size_t i = 0; i < machine->state_count; i++) {
        print_act("update in", machine->states[i].name, arena, &machine->states[i].update);
    }
    print_act("read", TEXT_NONE, arena, &machine->read);
    for (size_t i = 0; i < machine->field_count; i++) {
        print_field(&machine->fields[i], arena);
    }
}

static void add_timer(struct table *table, const struct state *state,
                      const struct timer_rule *timer) {
    table_add(table, state->name);
    table_add(table, timer->has_delay_function ? TEXT("decided by a function") : timer->delay);
    table_add(table, timer->to);
    table_add(table, timer->reason);
    table_add(table, timer->comments);
}

static void print_timers(const struct machine *machine, struct arena *arena) {
    static const char *const headings[] = {"TIMER IN", "AFTER", "TO", "REASON", "COMMENTS", NULL};
    struct table table;
    size_t count = 0;
    table_init(&table, arena, "  ", headings);
    for (size_t i = 0; i < machine->state_count; i++) {
        const struct state *state = &machine->states[i];
        for (size_t j = 0; state->timers != NULL && j < state->timer_count; j++, count++) {
            add_timer(&table, state, &state->timers[j]);
        }
    }
    if (count > 0) {
        table_write(&table, stdout);
    }
}

static void print_machine(const struct machine *machine, struct arena *arena) {
    static const char *const headings[] = {"STATE", "TO", "VERB", "PERMISSIONS", "", NULL};
    struct table table;
    printf("%s%.*s%s  %.*s:%d", terminal_style(stdout, STYLE_BOLD), TEXT_ARGS(machine->name),
           terminal_style(stdout, STYLE_PLAIN), TEXT_ARGS(machine->file), machine->line);
    printf("  %.*s\n", TEXT_ARGS(machine->doc));
    table_init(&table, arena, "  ", headings);
    for (size_t i = 0; i < machine->state_count; i++) {
        add_state(&table, machine, i);
    }
    table_write(&table, stdout);
    print_acts(machine, arena);
    print_timers(machine, arena);
    putchar('\n');
}

static bool is_among(const struct js *granted, struct text permission) {
    for (size_t i = 0; js_is(granted, JS_ARRAY) && i < granted->array.count; i++) {
        if (policy_grants(js_text(granted->array.items[i]), permission)) {
            return true;
        }
    }
    return false;
}

/* `role` is as roles_json has it: a list, or {grants, except}. */
static bool role_grants(const struct js *role, struct text permission) {
    return js_is(role, JS_ARRAY) ? is_among(role, permission)
                                 : is_among(js_find(role, TEXT("grants")), permission) &&
                                       !is_among(js_find(role, TEXT("except")), permission);
}

/* The roles that grant the permission, by a wildcard or by name. */
static struct text roles_with(struct arena *arena, const struct js *roles, struct text permission) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; i < roles->object.count; i++) {
        const struct js_member *role = &roles->object.members[i];
        if (role_grants(role->value, permission)) {
            buffer_add_text(&buffer, buffer.length > 0 ? TEXT(", ") : TEXT(""));
            buffer_add_text(&buffer, role->key);
        }
    }
    return buffer.length > 0 ? buffer_view(&buffer) : TEXT("no role");
}

static void print_permissions(const struct generation *generation, struct arena *arena) {
    static const char *const headings[] = {"PERMISSION", "ROLES", NULL};
    const struct js *permissions = generation_permissions(generation, arena);
    const struct js *roles = generation_roles(generation, arena);
    struct table table;
    if (permissions->array.count == 0) {
        return;
    }
    table_init(&table, arena, "", headings);
    for (size_t i = 0; i < permissions->array.count; i++) {
        struct text permission = js_text(permissions->array.items[i]);
        table_add(&table, permission);
        table_add(&table, roles_with(arena, roles, permission));
    }
    table_write(&table, stdout);
    putchar('\n');
}

/* --- the other declarations --- */

static struct text member(const struct js *object, const char *key) {
    return js_text(js_find(object, text_of(key)));
}

/* The strings of an array, or the keys of an object with their values. */
static struct text joined(struct arena *arena, const struct js *value) {
    struct buffer buffer;
    buffer_init(&buffer, arena);
    for (size_t i = 0; js_is(value, JS_ARRAY) && i < value->array.count; i++) {
        buffer_print(&buffer, "%s%.*s", i > 0 ? ", " : "",
                     TEXT_ARGS(js_text(value->array.items[i])));
    }
    for (size_t i = 0; js_is(value, JS_OBJECT) && i < value->object.count; i++) {
        struct text shown = js_is(value->object.members[i].value, JS_STRING)
                                ? value->object.members[i].value->string
                                : js_print(arena, value->object.members[i].value);
        buffer_print(&buffer, "%s%.*s: %.*s", i > 0 ? ", " : "",
                     TEXT_ARGS(value->object.members[i].key), TEXT_ARGS(shown));
    }
    return buffer_view(&buffer);
}

static struct text needs(struct arena *arena, const struct js *action) {
    struct text names = joined(arena, js_find(action, TEXT("required_permissions")));
    bool asks = js_is(js_find(action, TEXT("permit_function")), JS_TRUE);
    return text_print(arena, "%.*s%s%s", TEXT_ARGS(names), names.length > 0 && asks ? ", " : "",
                      asks ? "decided by a function" : "");
}

static void print_access(const struct generation *generation, struct arena *arena) {
    static const char *const headings[] = {"ACCESS TO", "ACTION", "PERMISSIONS", "", NULL};
    const struct js *types = generation_access(generation, arena);
    struct table table;
    table_init(&table, arena, "", headings);
    for (size_t i = 0; i < types->array.count; i++) {
        const struct js *type = types->array.items[i];
        const struct js *actions = js_find(type, TEXT("actions"));
        for (size_t j = 0; j < actions->array.count; j++) {
            const struct js *line = js_find(type, TEXT("line"));
            table_add(&table, j == 0 ? member(type, "type") : TEXT(""));
            table_add(&table, member(actions->array.items[j], "name"));
            table_add(&table, needs(arena, actions->array.items[j]));
            table_add(&table, j > 0
                                  ? TEXT("")
                                  : text_print(arena, "%.*s:%lld", TEXT_ARGS(member(type, "file")),
                                               (long long)line->integer));
        }
    }
    if (types->array.count > 0) {
        table_write(&table, stdout);
        putchar('\n');
    }
}

static void print_directory(const struct generation *generation, struct arena *arena) {
    static const char *const sides[] = {"subjects", "resources"};
    const struct js *directory = generation_directory(generation, arena);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct text listed = joined(arena, js_find(directory, text_of(sides[i])));
        if (listed.length > 0) {
            printf("Directory of %s: %.*s\n%s", sides[i], TEXT_ARGS(listed), i == 1 ? "\n" : "");
        }
    }
}

static void print_pii(const struct generation *generation, struct arena *arena) {
    static const char *const headings[] = {"PERSONAL DATA OF", "DROP", "HASH", "MASK",
                                           "REDACT",           NULL};
    static const char *const keys[] = {"drop", "hash", "mask", "redact"};
    const struct js *rules = generation_pii(generation, arena);
    struct table table;
    table_init(&table, arena, "", headings);
    for (size_t i = 0; i < rules->array.count; i++) {
        struct text machine = member(rules->array.items[i], "machine");
        table_add(&table, text_given(machine) ? machine : TEXT("all machines"));
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++) {
            table_add(&table, joined(arena, js_find(rules->array.items[i], text_of(keys[j]))));
        }
    }
    table_write(&table, stdout);
    putchar('\n');
}

static void print_webhooks(const struct generation *generation, struct arena *arena) {
    static const char *const headings[] = {"WEBHOOK", "MACHINES", "EVENTS", "SECRET", NULL};
    const struct js *hooks = generation_webhooks(generation);
    struct table table;
    table_init(&table, arena, "", headings);
    for (size_t i = 0; i < hooks->array.count; i++) {
        const struct js *hook = hooks->array.items[i];
        struct text machines = joined(arena, js_find(hook, TEXT("machines")));
        struct text events = joined(arena, js_find(hook, TEXT("events")));
        table_add(&table, member(hook, "url"));
        table_add(&table, machines.length > 0 ? machines : TEXT("all"));
        table_add(&table, events.length > 0 ? events : TEXT("all"));
        table_add(&table, member(hook, "secret"));
    }
    if (hooks->array.count > 0) {
        table_write(&table, stdout);
        putchar('\n');
    }
}

static void print_summary(const struct generation *generation) {
    size_t states = 0, ways = 0, machines = generation_machine_count(generation);
    for (size_t i = 0; i < machines; i++) {
        const struct machine *machine = generation_machine_at(generation, i);
        states += machine->state_count;
        ways += count_ways(machine);
    }
    struct text name = generation_name(generation);
    printf("%sok%s: %zu machine%s, %zu state%s, %zu transition%s; generation %.12s\n",
           terminal_style(stdout, STYLE_GREEN), terminal_style(stdout, STYLE_PLAIN), machines,
           machines == 1 ? "" : "s", states, states == 1 ? "" : "s", ways, ways == 1 ? "" : "s",
           name.length >= 12 ? name.bytes : "");
}

static void print_warnings(const struct problem_list *warnings) {
    for (size_t i = 0; i < warnings->count; i++) {
        const struct problem *warning = &warnings->items[i];
        printf("%.*s:%d: warning: %.*s\n", TEXT_ARGS(warning->file), warning->line,
               TEXT_ARGS(warning->message));
    }
}

static void print_text(const struct generation *generation, struct arena *arena,
                       const struct problem_list *warnings) {
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        print_machine(generation_machine_at(generation, i), arena);
    }
    print_permissions(generation, arena);
    print_access(generation, arena);
    print_directory(generation, arena);
    print_pii(generation, arena);
    print_webhooks(generation, arena);
    print_warnings(warnings);
    print_summary(generation);
}

/* --- json --- */

static void print_json(const struct generation *generation, struct arena *arena,
                       const struct problem_list *warnings) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("generation"));
    js_put_text(&writer, generation_name(generation));
    js_key(&writer, TEXT("problems"));
    js_put(&writer, &js_empty_array);
    js_key(&writer, TEXT("warnings"));
    problem_put(&writer, warnings);
    js_key(&writer, TEXT("machines"));
    js_open(&writer, '[');
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        js_put(&writer, machine_json(arena, generation_machine_at(generation, i)));
    }
    js_close(&writer, ']');
    js_key(&writer, TEXT("permissions"));
    js_put(&writer, generation_permissions(generation, arena));
    js_key(&writer, TEXT("roles"));
    js_put(&writer, generation_roles(generation, arena));
    js_key(&writer, TEXT("access"));
    js_put(&writer, generation_access(generation, arena));
    js_key(&writer, TEXT("directory"));
    js_put(&writer, generation_directory(generation, arena));
    js_key(&writer, TEXT("pii"));
    js_put(&writer, generation_pii(generation, arena));
    js_key(&writer, TEXT("webhooks"));
    js_put(&writer, generation_webhooks(generation));
    js_close(&writer, '}');
    terminal_json(stdout, buffer_view(&buffer));
}

/* --- the command --- */

/* The problems are the answer, so they go to standard output. */
static void tell_problems(struct invocation *invocation, const struct problem_list *problems,
                          const struct fault *fault) {
    const struct check_values *check = invocation->values;
    invocation->answer_is_no = true;
    if (check->format == FORMAT_JSON) {
        terminal_json(stdout, policies_json(problems, invocation->arena));
        return;
    }
    policies_tell(problems, stdout);
    printf("%s%s%s\n", terminal_style(stdout, STYLE_RED), fault->message,
           terminal_style(stdout, STYLE_PLAIN));
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct check_values *check = invocation->values;
    struct generation *generation;
    struct problem_list problems;
    if (!policies_load(check->policies, invocation->arena, &generation, &problems, fault)) {
        if (fault->code != FAULT_POLICY_INVALID) {
            return false;
        }
        tell_problems(invocation, &problems, fault);
        return true;
    }
    struct problem_list warnings = {.arena = invocation->arena};
    check_warnings(generation, &warnings);
    (check->format == FORMAT_JSON ? print_json : print_text)(generation, invocation->arena,
                                                             &warnings);
    invocation->answer_is_no = check->strict && warnings.count > 0;
    generation_unref(generation);
    return true;
}

const struct command command_check = {
    .name = "check",
    .arguments = "",
    .summary = "check policy files, and show what they say",
    .details = "If there are problems, prints each as file:line: message and exits with 1. "
               "Otherwise prints a table of\nwhat the files declare. Warnings are about "
               "declarations that load but are probably mistakes.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct check_values),
    .defaults = defaults,
    .run = run,
};
