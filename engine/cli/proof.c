/* proof.c: problems are printed as they are found, since a damaged store may have millions. The
 * file is looked at in a second thread, on a connection of its own, while the records are proven;
 * what it finds, which is not much, is printed after them. */
#include "cli/proof.h"

#include <pthread.h>
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
};

/* Written by its thread, read when that has ended. */
struct file_check {
    struct text store;
    struct arena arena;
    struct finding {
        struct finding *next;
        struct text message;
    } * first, **end;
    bool fine;
    struct fault fault;
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

static void keep_finding(void *context, struct text message) {
    struct file_check *check = context;
    struct finding *finding = ARENA_NEW(&check->arena, struct finding);
    finding->message = text_copy(&check->arena, message);
    *check->end = finding;
    check->end = &finding->next;
}

static void *check_file(void *argument) {
    struct file_check *check = argument;
    check->fine = inspect_file(check->store, keep_finding, check, &check->fault);
    return NULL;
}

static void report_file(struct account *account, const struct file_check *check,
                        struct verify_counts *counts) {
    for (const struct finding *finding = check->first; finding != NULL; finding = finding->next) {
        counts->problems++;
        report(account, &(struct verify_problem){.message = finding->message});
    }
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
    return verify_audit(store, &options, counts, fault);
}

/* Both halves at once; one after the other where there is no second thread to be had. */
static bool verify_both(struct account *account, struct store *store, struct verify_counts *counts,
                        struct fault *fault) {
    struct file_check check = {.store = account->proof->store, .fault = FAULT_INIT};
    pthread_t thread;
    check.end = &check.first;
    arena_init(&check.arena, 0);
    bool beside = pthread_create(&thread, NULL, check_file, &check) == 0;
    bool verified = verify_records(account, store, counts, fault);
    if (beside) {
        pthread_join(thread, NULL);
    } else {
        check_file(&check);
    }
    progress_finish(&account->progress, "verified", counts->records);
    report_file(account, &check, counts);
    if (verified && !check.fine) {
        *fault = check.fault;
    }
    arena_deinit(&check.arena);
    return verified && check.fine;
}

static bool verify(struct account *account, struct verify_counts *counts, struct fault *fault) {
    struct store *store;
    if (!store_open(account->proof->store, STORE_READER, &store, fault)) {
        return false;
    }
    bool verified;
    if (account->proof->whole_file) {
        verified = verify_both(account, store, counts, fault);
    } else {
        verified = verify_records(account, store, counts, fault);
        progress_finish(&account->progress, "verified", counts->records);
    }
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
