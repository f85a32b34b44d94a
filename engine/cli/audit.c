/* audit.c: `statute audit verify | list | export`. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/proof.h"
#include "core/pages.h"
#include "model/chain.h"
#include "server/service.h"
#include "timezone/instant.h"

struct audit_values {
    struct text store;
    struct text machine, entity, from_state, to_state, actor, reason;
    unsigned success; /* position in "any|true|false" */
    struct text since, until;
    int64_t limit;
    struct text output;
    unsigned format; /* enum proof_format */
    size_t problems_most;
};

#define AT(field) offsetof(struct audit_values, field)

#define STORE_ROW                                                                                  \
    {                                                                                              \
        "store", OPTION_TEXT, AT(store), "URL", 0, 0,                                              \
            "where the audit is: sqlite:PATH or postgresql://..."                                  \
    }
#define PLACE_ROWS                                                                                 \
    {"machine", OPTION_TEXT, AT(machine), "NAME", 0, 0, "only this machine"}, {                    \
        "entity", OPTION_TEXT, AT(entity), "ID", 0, 0, "only this entity"                          \
    }
#define FILTER_ROWS                                                                                \
    PLACE_ROWS, {"from-state", OPTION_TEXT, AT(from_state), "STATE", 0, 0, "from this state"},     \
        {"to-state", OPTION_TEXT, AT(to_state), "STATE", 0, 0, "to this state"},                   \
        {"actor", OPTION_TEXT, AT(actor), "ID", 0, 0, "by this actor"},                            \
        {"reason", OPTION_TEXT, AT(reason), "REASON", 0, 0, "with this reason"},                   \
        {"success", OPTION_CHOICE, AT(success), "any|true|false", 0, 0, "with this outcome"},      \
        {"since",                                                                                  \
         OPTION_TEXT,                                                                              \
         AT(since),                                                                                \
         "TIME",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         "at or after an RFC 3339 datetime, or a duration ago (24h)"},                             \
    {                                                                                              \
        "until", OPTION_TEXT, AT(until), "TIME", 0, 0, "before then"                               \
    }

static const struct option verify_rows[] = {
    STORE_ROW,
    PLACE_ROWS,
    {"format", OPTION_CHOICE, AT(format), "text|json", 0, 0,
     "for people, or lines of JSON with the counts in the last line"},
    {"problems", OPTION_COUNT, AT(problems_most), "N", 1, 1000000,
     "how many to print; all are counted"},
};
static const struct option list_rows[] = {
    STORE_ROW,
    FILTER_ROWS,
    {"limit", OPTION_INTEGER, AT(limit), "N", 1, 1000000000, "the most records to show"},
};
static const struct option export_rows[] = {
    STORE_ROW,
    FILTER_ROWS,
    {"output", OPTION_TEXT, AT(output), "FILE", 0, 0, "where to write, instead of standard output"},
};

static void defaults(void *values) {
    struct audit_values *audit = values;
    audit->store = service_options_default().store;
    audit->limit = 50;
    audit->problems_most = 20;
}

/* --- what is asked for --- */

/* "2026-01-31T00:00:00Z", or "24h": that long before now. */
static bool read_time(const char *name, struct text text, int64_t *out, struct fault *fault) {
    int offset;
    int64_t ago_us;
    struct fault ignored = FAULT_INIT;
    if (!text_given(text) || instant_parse(text, out, &offset, &ignored)) {
        return true;
    }
    if (instant_parse_duration(text, &ago_us, &ignored) && ago_us > 0) {
        struct now now = now_system();
        *out = now_wall_us(&now) - ago_us;
        return true;
    }
    return fault_set(fault, FAULT_USAGE,
                     "--%s: expected a datetime such as 2026-01-31T00:00:00Z, or a duration such "
                     "as 24h, not '%.*s'",
                     name, TEXT_ARGS(text));
}

static bool read_search(const struct audit_values *audit, struct store_search *out,
                        struct fault *fault) {
    static const int outcomes[] = {-1, 1, 0};
    *out = (struct store_search){
        .machine = audit->machine,
        .entity_id = audit->entity,
        .from_state = audit->from_state,
        .to_state = audit->to_state,
        .actor_id = audit->actor,
        .reason = audit->reason,
        .success = outcomes[audit->success],
    };
    return read_time("since", audit->since, &out->since_us, fault) &&
           read_time("until", audit->until, &out->until_us, fault);
}

/* --- list and export --- */

struct outlet {
    FILE *stream;
    struct arena arena;        /* of one line */
    struct progress *progress; /* NULL: none is shown */
    int64_t written;
};

static bool write_record(void *context, const struct store_record *record, struct fault *fault) {
    struct outlet *outlet = context;
    struct buffer buffer;
    buffer_init(&buffer, &outlet->arena);
    chain_show(&buffer, record->json, record->previous_hash, record->hash);
    buffer_add_char(&buffer, '\n');
    bool written = fwrite(buffer.bytes, 1, buffer.length, outlet->stream) == buffer.length;
    arena_reset(&outlet->arena);
    outlet->written++;
    if (outlet->progress != NULL) {
        progress_update(outlet->progress, outlet->written, -1);
    }
    return written || fault_set(fault, FAULT_ENVIRONMENT, "the output cannot be written");
}

static bool write_records(const struct audit_values *audit, struct outlet *outlet, int64_t most,
                          struct fault *fault) {
    struct store_search search;
    struct store *store;
    if (!read_search(audit, &search, fault) ||
        !store_open(audit->store, STORE_READER, &store, fault)) {
        return false;
    }
    arena_init(&outlet->arena, 16 * 1024);
    bool written = pages_records(store, PAGES_OWN, &search, most, write_record, outlet, fault);
    arena_deinit(&outlet->arena);
    store_close(store);
    return written;
}

static bool run_list(struct invocation *invocation, struct fault *fault) {
    const struct audit_values *audit = invocation->values;
    struct outlet outlet = {.stream = stdout};
    return write_records(audit, &outlet, audit->limit, fault);
}

static bool run_export(struct invocation *invocation, struct fault *fault) {
    const struct audit_values *audit = invocation->values;
    struct progress progress;
    struct outlet outlet = {.progress = &progress};
    if (!output_open(audit->output, &outlet.stream, fault)) {
        return false;
    }
    progress_init(&progress, "exporting", "records");
    bool written = write_records(audit, &outlet, 0, fault);
    progress_finish(&progress, "exported", outlet.written);
    struct fault closing = FAULT_INIT;
    bool closed = output_close(audit->output, outlet.stream, &closing);
    *fault = written ? closing : *fault;
    return written && closed;
}

/* --- verify --- */

static bool run_verify(struct invocation *invocation, struct fault *fault) {
    const struct audit_values *audit = invocation->values;
    struct proof proof = {
        .store = audit->store,
        .machine = audit->machine,
        .entity_id = audit->entity,
        .format = (enum proof_format)audit->format,
        .shown_most = audit->problems_most,
        .whole_file = !text_given(audit->machine), /* where rows that are gone show */
    };
    if (text_given(audit->entity) && !text_given(audit->machine)) {
        return fault_set(fault, FAULT_USAGE, "--entity needs --machine");
    }
    return proof_run(invocation, &proof, fault);
}

const struct command command_audit_verify = {
    .name = "audit verify",
    .arguments = "",
    .summary = "recompute every hash chain",
    .details = "Finds records that were changed, removed or inserted, and columns that differ from "
               "their record. Also\n"
               "finds entities that are gone, have no record, or whose data, state or version "
               "differ from their newest\n"
               "record. Works beside a running server. Looks for deleted rows only without "
               "--machine. On PostgreSQL,\n"
               "where row numbers have gaps anyway, it cannot notice an entity that was deleted "
               "with all its records.\n"
               "Exits with 1 if there is a problem.",
    .options = {verify_rows, sizeof verify_rows / sizeof verify_rows[0]},
    .values_size = sizeof(struct audit_values),
    .defaults = defaults,
    .run = run_verify,
};

const struct command command_audit_list = {
    .name = "audit list",
    .arguments = "",
    .summary = "show audit records, oldest first, a line of JSON each",
    .options = {list_rows, sizeof list_rows / sizeof list_rows[0]},
    .values_size = sizeof(struct audit_values),
    .defaults = defaults,
    .run = run_list,
};

const struct command command_audit_export = {
    .name = "audit export",
    .arguments = "",
    .summary = "write audit records, oldest first, a line of JSON each",
    .options = {export_rows, sizeof export_rows / sizeof export_rows[0]},
    .values_size = sizeof(struct audit_values),
    .defaults = defaults,
    .run = run_export,
};
