/* proof.c: problems are printed as they are found, since a damaged store may have millions. */
#include "cli/proof.h"

#include <stdio.h>

#include "cli/progress.h"
#include "cli/terminal.h"
#include "store/inspect.h"

struct account {
    const struct proof *proof;
    struct progress progress;
    struct arena arena; /* of one problem */
    struct arena names; /* of machines */
    size_t shown;
    int64_t file_problems;
};

/* {"machine", "entity", "sequence", "message"} in one line. */
static void show_json(struct account *account, const struct verify_problem *problem) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &account->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("machine"));
    js_put_text(&writer, problem->machine);
    js_key(&writer, TEXT("entity"));
    js_put_text(&writer, problem->entity_id);
    if (problem->sequence != 0) {
        js_key(&writer, TEXT("sequence"));
        js_put_integer(&writer, problem->sequence);
    }
    js_key(&writer, TEXT("message"));
    js_put_text(&writer, problem->message);
    js_close(&writer, '}');
    printf("%.*s\n", TEXT_ARGS(buffer_view(&buffer)));
    arena_reset(&account->arena);
}

static void show_text(const struct verify_problem *problem) {
    if (!text_given(problem->machine)) {
        printf("%.*s\n", TEXT_ARGS(problem->message));
        return;
    }
    printf("%s%.*s '%.*s'", terminal_style(stdout, STYLE_BOLD), TEXT_ARGS(problem->machine),
           TEXT_ARGS(problem->entity_id));
    if (problem->sequence != 0) {
        printf(", record %lld", (long long)problem->sequence);
    }
    printf(":%s %.*s\n", terminal_style(stdout, STYLE_PLAIN), TEXT_ARGS(problem->message));
}

static void report(void *context, const struct verify_problem *problem) {
    struct account *account = context;
    if (account->shown++ >= account->proof->shown_most) {
        return;
    }
    progress_clear(&account->progress);
    if (account->proof->format == PROOF_JSON) {
        show_json(account, problem);
    } else {
        show_text(problem);
    }
}

static void advance(void *context, const struct verify_counts *counts) {
    progress_update(&((struct account *)context)->progress, counts->records, -1);
}

static void sum_up_json(struct account *account, const struct verify_counts *counts) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &account->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("ok"));
    js_put_bool(&writer, counts->problems == 0);
    js_key(&writer, TEXT("records"));
    js_put_integer(&writer, counts->records);
    js_key(&writer, TEXT("chains"));
    js_put_integer(&writer, counts->chains);
    js_key(&writer, TEXT("problems"));
    js_put_integer(&writer, counts->problems);
    js_close(&writer, '}');
    printf("%.*s\n", TEXT_ARGS(buffer_view(&buffer)));
}

static void sum_up_text(const struct account *account, const struct verify_counts *counts) {
    if (account->shown > account->proof->shown_most) {
        printf("... and %zu more\n", account->shown - account->proof->shown_most);
    }
    bool fine = counts->problems == 0;
    printf("%s%s%s: %lld records in %lld chains, %lld problem%s\n",
           terminal_style(stdout, fine ? STYLE_GREEN : STYLE_RED), fine ? "ok" : "not ok",
           terminal_style(stdout, STYLE_PLAIN), (long long)counts->records,
           (long long)counts->chains, (long long)counts->problems,
           counts->problems == 1 ? "" : "s");
}

/* --- the two halves --- */

static void report_of_file(void *context, struct text message) {
    struct account *account = context;
    account->file_problems++;
    report(account, &(struct verify_problem){.message = message});
}

static bool verify_file(struct account *account, struct fault *fault) {
    return !account->proof->whole_file ||
           inspect_file(account->proof->store, report_of_file, account, fault);
}

static bool verify_records(struct account *account, struct store *store,
                           struct verify_counts *counts, struct fault *fault) {
    struct text *machines = NULL;
    struct verify_options options = {
        .machine = account->proof->machine,
        .entity_id = account->proof->entity_id,
        .policies = account->proof->policies,
        .now = now_system(),
        .report = report,
        .advance = advance,
        .context = account,
    };
    if (text_given(options.machine)) {
        options.machines = &options.machine;
        options.machine_count = 1;
    } else if (inspect_machines(account->proof->store, &account->names, &machines,
                                &options.machine_count, fault)) {
        options.machines = machines;
    } else {
        return false;
    }
    bool verified = verify_audit(store, &options, counts, fault);
    progress_finish(&account->progress, "verified", counts->records);
    return verified;
}

static bool verify(struct account *account, struct verify_counts *counts, struct fault *fault) {
    struct store *store;
    if (!store_open(account->proof->store, STORE_READER, &store, fault)) {
        return false;
    }
    bool verified = verify_file(account, fault) && verify_records(account, store, counts, fault);
    counts->problems += account->file_problems;
    store_close(store);
    return verified;
}

bool proof_run(struct invocation *invocation, const struct proof *proof, struct fault *fault) {
    struct account account = {.proof = proof};
    struct verify_counts counts = {0};
    progress_init(&account.progress, "verifying", "records");
    arena_init(&account.arena, 0);
    arena_init(&account.names, 0);
    bool verified = verify(&account, &counts, fault);
    if (verified && proof->format == PROOF_JSON) {
        sum_up_json(&account, &counts);
    } else if (verified) {
        sum_up_text(&account, &counts);
    }
    invocation->answer_is_no = counts.problems > 0;
    arena_deinit(&account.names);
    arena_deinit(&account.arena);
    return verified;
}
