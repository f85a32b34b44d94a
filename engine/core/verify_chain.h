/* verify_chain.h: proves one entity's chain. Used by core/verify.c only. */
#ifndef STATUTE_VERIFY_CHAIN_H
#define STATUTE_VERIFY_CHAIN_H

#include "core/verify.h"

struct verify {
    struct store *store;
    const struct verify_options *options;
    struct verify_counts counts;
    int64_t settled_us;     /* what is older was committed long before the start */
    int64_t walked_settled; /* records from before that */
};

/* Where the walk of a chain has come to. */
struct chain {
    struct verify *verify;
    struct store_key key;
    int64_t sequence;                 /* of the record before; 0: none */
    unsigned char hash[DIGEST_BYTES]; /* of that record, as stored */
    int64_t version;                  /* of the entity, as that record says */
    struct arena arena;               /* of the texts below, which are those of the last record */
    struct text machine;              /* of the entity, as that record says; it may be renamed */
    struct text state;                /* of the entity, as that record says; TEXT_NONE: no entity */
    struct text data_hash;            /* of its data, as that record says; TEXT_NONE: no entity */
    struct arena scratch;             /* of one record */
};

/* One chain after another: from its first record to its last, then what has become of its entity,
 * of which `data` or data_json is looked at. The key is lent. */
void chain_init(struct chain *chain, struct verify *verify);
void chain_begin(struct chain *chain, struct store_key key);
void chain_check(struct chain *chain, const struct store_record *record);
void chain_end(struct chain *chain, const struct entity *entity);
void chain_deinit(struct chain *chain);

/* Inside a read transaction. `has_entity`: the chain belongs to an entity that is there. */
bool verify_chain(struct verify *verify, struct store_key key, bool *has_entity,
                  struct fault *fault) MUST_CHECK;

void verify_report(struct verify *verify, struct store_key key, int64_t sequence,
                   const char *format, ...) PRINTF_LIKE(4, 5);

#endif
