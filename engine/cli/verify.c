/* verify.c: `statute verify`: the whole store, from its pages to the states of its entities. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/policies.h"
#include "cli/proof.h"
#include "server/service.h"

struct verify_values {
    struct text store;
    struct text policies;
    unsigned format; /* enum proof_format */
    size_t problems_most;
};

#define AT(field) offsetof(struct verify_values, field)

static const struct option rows[] = {
    {"store", OPTION_TEXT, AT(store), "URL", 0, 0,
     "the store to verify: sqlite:PATH or postgresql://..."},
    {"policies", OPTION_TEXT, AT(policies), "DIR", 0, 0,
     "the policies that must declare each entity's state; without it, states are not checked"},
    {"format", OPTION_CHOICE, AT(format), "text|json", 0, 0,
     "for people, or lines of JSON with the counts in the last line"},
    {"problems", OPTION_COUNT, AT(problems_most), "N", 1, 1000000,
     "how many to print; all are counted"},
};

static void defaults(void *values) {
    struct verify_values *verify = values;
    verify->store = service_options_default().store;
    verify->problems_most = 20;
}

static bool run(struct invocation *invocation, struct fault *fault) {
    const struct verify_values *verify = invocation->values;
    struct generation *generation = NULL;
    if (text_given(verify->policies) &&
        !policies_load_or_tell(verify->policies, invocation->arena, &generation, fault)) {
        return false;
    }
    struct proof proof = {
        .store = verify->store,
        .policies = generation,
        .format = (enum proof_format)verify->format,
        .shown_most = verify->problems_most,
        .whole_file = true,
    };
    bool proven = proof_run(invocation, &proof, fault);
    if (generation != NULL) {
        generation_unref(generation);
    }
    return proven;
}

const struct command command_verify = {
    .name = "verify",
    .arguments = "",
    .summary = "check that a store is sound",
    .details = "Checks the schema's version; then the file itself (on PostgreSQL, that its tables "
               "agree); then every hash\n"
               "chain and every entity, as 'statute audit verify' does; and with --policies, that "
               "the policies declare\n"
               "each entity's state. Exits with 1 if there is a problem.",
    .options = {rows, sizeof rows / sizeof rows[0]},
    .values_size = sizeof(struct verify_values),
    .defaults = defaults,
    .run = run,
};
