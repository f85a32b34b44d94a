/* proof.h: runs core/verify.h for a command, with progress and a readable account. Used by the
 * commands `audit verify` and `verify`. */
#ifndef STATUTE_PROOF_H
#define STATUTE_PROOF_H

#include "cli/cli.h"
#include "core/verify.h"

enum proof_format { PROOF_TEXT, PROOF_JSON };

struct proof {
    struct text store;                 /* URL */
    struct text machine;               /* TEXT_NONE: all */
    struct text entity_id;             /* TEXT_NONE: all */
    const struct generation *policies; /* NULL: none */
    enum proof_format format;
    size_t shown_most; /* problems that are printed; the rest is counted */
    bool whole_file;   /* also what inspect.h can find */
};

/* Prints the account to standard output; the answer is no when there is a problem. */
bool proof_run(struct invocation *invocation, const struct proof *proof,
               struct fault *fault) MUST_CHECK;

#endif
