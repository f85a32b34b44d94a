/* verify.h: proves the audit trail of a store: every hash, every link, no gap, nothing that says
 * otherwise than what was hashed, and every entity as its last record left it, data and all. An
 * entity whose row was deleted takes its records out of sight: store/inspect.h finds those.
 * A server may go on writing meanwhile: each chain is proven as it is at one moment. */
#ifndef STATUTE_VERIFY_H
#define STATUTE_VERIFY_H

#include "policy/policy.h"
#include "store/store.h"

/* Something that is not as it should be. */
struct verify_problem {
    struct text machine, entity_id;
    int64_t sequence; /* of the record; 0: the entity, or its chain as a whole */
    struct text message;
};

struct verify_counts {
    int64_t records; /* proven */
    int64_t chains;  /* one an entity, and one for each that was never created */
    int64_t problems;
};

struct verify_options {
    struct text machine;         /* TEXT_NONE: all */
    struct text entity_id;       /* TEXT_NONE: all; needs the machine */
    const struct text *machines; /* those that the store knows; all of them, or those asked for */
    size_t machine_count;
    const struct generation *policies; /* each entity's state must be in it; NULL: not looked at */
    struct now now;
    void (*report)(void *context, const struct verify_problem *problem);
    void (*advance)(void *context, const struct verify_counts *counts); /* now and then; cheap */
    void *context;
};

/* `store` is a reader, outside a transaction. False only when the store fails. */
bool verify_audit(struct store *store, const struct verify_options *options,
                  struct verify_counts *counts, struct fault *fault) MUST_CHECK;

#endif
