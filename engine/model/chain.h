/* chain.h: the audit record and the hash chain over the records of one entity.
 * hash = SHA-256(previous_hash as 64 lower-case hex digits || canonical JSON (RFC 8785, but
 * integers beyond 2^53 are written exactly) of the record without `hash` and `previous_hash`). The
 * first record of an entity has sequence 1 and 64 zeros as previous_hash; each next record has
 * sequence + 1. */
#ifndef STATUTE_CHAIN_H
#define STATUTE_CHAIN_H

#include "base/digest.h"
#include "base/id.h"
#include "base/js.h"
#include "model/attempt.h"

/* Everything here is already free of personal data. */
struct record {
    char uuid[ID_LENGTH];
    int64_t sequence; /* in the entity's own chain: 1, 2, 3... */
    struct text machine;
    struct text entity_id;
    struct text from_state; /* TEXT_NONE: there was no entity */
    struct text to_state;   /* wanted, if refused */
    const struct actor *actor;
    struct text action;     /* "create", "update", "transition", "restore", "rename", "notice" */
    struct text transition; /* the verb; TEXT_NONE: it has none, or this is no transition */
    struct text batch;      /* id of the bulk whose member this is; TEXT_NONE: of none */
    struct text reason;
    struct text comments;
    const struct js *metadata;
    const struct js *patch;   /* what the request sent */
    const struct js *changes; /* merge patch from the data before to the data after; never NULL */
    int64_t version;          /* of the entity after the attempt; 0: no entity */
    struct text data_hash;    /* of its data then: chain_data_hash; TEXT_NONE: no entity */
    int64_t timestamp_us;
    bool success;
    const char *error_code; /* NULL when it succeeded */
    struct text error_message;
    int64_t execution_us;
    int64_t lock_us;
    struct text isolation;
    int64_t retries;
    struct text policy; /* the generation that decided */
    struct text request_id;
    struct text caused_by; /* uuid of the record whose effect this is */
};

/* SHA-256, in lower-case hex, of the canonical JSON of an entity's data: it ties the
 * data to the record without copying what may be personal into the audit. */
struct text chain_data_hash(struct arena *arena, struct text data_json);

/* Canonical JSON of the record, without `hash` and `previous_hash`. */
struct text chain_record(struct arena *arena, const struct record *record);

void chain_hash(const unsigned char previous[DIGEST_BYTES], struct text record_json,
                unsigned char out[DIGEST_BYTES]);

/* The record as the API shows it: the stored JSON with `previous_hash` and `hash` put in. */
void chain_show(struct buffer *buffer, struct text record_json,
                const unsigned char previous[DIGEST_BYTES], const unsigned char hash[DIGEST_BYTES]);

#endif
