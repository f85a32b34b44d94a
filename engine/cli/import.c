/* import.c: `statute import`: entities from elsewhere, as lines of JSON. */
#include "core/import.h"

#include <stdio.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/policies.h"
#include "cli/progress.h"
#include "server/service.h"

enum on_error { STOP, CONTINUE };

struct import_values {
    struct text store;
    struct text policies;
    struct text actor;
    struct policies_keys keys;
    unsigned on_error;
    bool skip_existing;
    bool as_new;
};

#define AT(field) offsetof(struct import_values, field)

static const struct option rows[] = {
    {"store", OPTION_TEXT, AT(store), "URL", 0, 0,
     "where the entities go: sqlite:PATH or postgresql://..."},
    {"policies", OPTION_TEXT, AT(policies), "DIR", 0, 0,
     "the policy files; with --as-new, their rules validate and prepare"},
    {"pii-key", OPTION_SECRET, AT(keys.key), "SECRET", 0, 0,
     "as for 'statute serve': the key for hashes of personal data in the audit"},
    {"pii-keys", OPTION_TEXT, AT(keys.file), "FILE", 0, 0,
     "as for 'statute serve': a file of several such keys, instead of --pii-key"},
    {"on-error", OPTION_CHOICE, AT(on_error), "stop|continue", 0, 0,
     "what to do after a refused line"},
    {"skip-existing", OPTION_FLAG, AT(skip_existing), NULL, 0, 0,
     "skip entities that already exist, so that you can repeat an import"},
    {"as-new", OPTION_FLAG, AT(as_new), NULL, 0, 0,
     "create the entities instead of restoring them: prepared and validated, with effects and "
     "timers"},
    {"actor", OPTION_TEXT, AT(actor), "ID", 0, 0, "the actor that the audit names"},
};

static void defaults(void *values) {
    struct import_values *import = values;
    struct service_options options = service_options_default();
    import->store = options.store;
    import->policies = options.policies;
    import->actor = TEXT("import");
}

/* One run. */
struct intake {
    struct input input;
    struct import import;
    struct progress progress;
};

static void tell_refusal(void *context, int64_t line, enum fault_code code, struct text message) {
    struct intake *intake = context;
    progress_clear(&intake->progress);
    printf("%.*s:%lld: %s: %.*s\n", TEXT_ARGS(intake->input.name), (long long)line,
           fault_name(code), TEXT_ARGS(message));
}

static bool read_all(struct intake *intake, struct fault *fault) {
    struct text line;
    bool found = false;
    bool read = input_next(&intake->input, &line, &found, fault);
    while (read && found && !intake->import.stopped) {
        const struct import_counts *counts = &intake->import.counts;
        read = import_add(&intake->import, line, intake->input.number, fault);
        progress_update(&intake->progress, counts->imported + counts->skipped,
                        input_fraction(&intake->input));
        read = read && input_next(&intake->input, &line, &found, fault);
    }
    return read && (intake->import.stopped || import_flush(&intake->import, fault));
}

/* What was restored all the same, but needs a look. */
static void warn(const struct import *import) {
    for (size_t i = 0; i < import->strangers.count; i++) {
        const struct map_entry *entry = &import->strangers.entries[i];
        fprintf(stderr, "warning: %lld restored as %.*s, which no rule in --policies knows\n",
                (long long)*(const int64_t *)entry->value, TEXT_ARGS(entry->key));
    }
    if (import->counts.untimed > 0) {
        fprintf(stderr,
                "warning: %lld restored without timers into states that have some: their lines say "
                "nothing of timers, as those of older exports\n",
                (long long)import->counts.untimed);
    }
}

static bool sum_up(struct invocation *invocation, struct intake *intake, bool read) {
    const struct import_counts *counts = &intake->import.counts;
    progress_finish(&intake->progress, "imported", counts->imported);
    if (counts->skipped > 0) {
        fprintf(stderr, "%lld were there already\n", (long long)counts->skipped);
    }
    warn(&intake->import);
    if (counts->refused > 0) {
        fprintf(stderr, "%lld refused%s\n", (long long)counts->refused,
                intake->import.stopped ? "; nothing after that line was imported: fix it, and run "
                                         "again with --skip-existing"
                                       : "");
    }
    invocation->answer_is_no = counts->refused > 0;
    return read;
}

static bool run_import(struct invocation *invocation, struct core *core, struct fault *fault) {
    const struct import_values *values = invocation->values;
    struct actor actor = {.id = values->actor};
    struct intake intake;
    struct import_options options = {
        .actor = &actor,
        .as_new = values->as_new,
        .skip_existing = values->skip_existing,
        .stop = values->on_error == STOP,
        .refused = tell_refusal,
        .context = &intake,
    };
    const char *path = invocation->argument_count > 0 ? invocation->arguments[0].bytes : "-";
    if (!input_open(&intake.input, path, fault)) {
        return false;
    }
    progress_init(&intake.progress, "importing", "entities");
    import_init(&intake.import, core, &options);
    bool read = read_all(&intake, fault);
    sum_up(invocation, &intake, read);
    import_deinit(&intake.import);
    input_close(&intake.input);
    return read;
}

/* So that the records' rules can be read for ever, as those of a server can. */
static bool keep_policy(struct core *core, struct fault *fault) {
    const struct generation *generation = core->policy.generation;
    bool kept =
        store_begin(core->store, STORE_WRITE, ISOLATION_DEFAULT, fault) &&
        store_keep_policy(core->store, generation_name(generation),
                          generation_files_json(generation), now_wall_us(&core->now), fault) &&
        store_commit(core->store, fault);
    store_rollback(core->store);
    return kept;
}

static bool run_on_store(struct invocation *invocation, struct core *core, struct fault *fault) {
    const struct import_values *values = invocation->values;
    if (!store_open(values->store, STORE_WRITER, &core->store, fault)) {
        return false;
    }
    arena_init(&core->arena, 256 * 1024);
    bool ran = keep_policy(core, fault) && run_import(invocation, core, fault);
    arena_deinit(&core->arena);
    store_close(core->store);
    return ran;
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct import_values *values = invocation->values;
    struct core core = {.now = now_system(), .ids = id_system()};
    if (!policies_load_keyed(values->policies, &values->keys, invocation->arena,
                             &core.policy.generation, fault)) {
        return false;
    }
    bool ran = run_on_store(invocation, &core, fault);
    generation_unref(core.policy.generation);
    return ran;
}

const struct command command_import = {
    .name = "import",
    .arguments = "[FILE|-]",
    .arguments_most = 1,
    .summary = "restore entities from lines of JSON",
    .details = "Each line is {\"machine\", \"id\", \"state\"?, \"data\"?, \"version\"?, "
               "\"created_at\"?, \"updated_at\"?, \"timers\"?},\n"
               "as 'statute export' writes it. Each entity becomes exactly what its line says: "
               "state, data, version,\n"
               "times and due times. No rules are evaluated, no effects run, no events are sent. A "
               "line without a version\n"
               "does not come from an export: its machine, state and fields are checked, and "
               "missing parts get the\n"
               "values of a new entity. With --as-new, entities are created instead: each is "
               "prepared and validated, its\n"
               "effects run, and its version is 1. Either way each entity gets one audit record, "
               "with the reason\n"
               "\"migration\" and the content of the line. Refused lines are printed as FILE:LINE: "
               "code: message. Stop any\n"
               "server on a SQLite store first; on PostgreSQL the server may keep running.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct import_values),
    .defaults = defaults,
    .run = run,
};
