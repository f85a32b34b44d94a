/* entity.h: one instance of a machine. Pure data. */
#ifndef STATUTE_ENTITY_H
#define STATUTE_ENTITY_H

#include "base/digest.h"
#include "base/js.h"

struct entity {
    struct text machine;
    struct text id;
    bool exists; /* false: only the end of its audit chain is known */
    struct text state;
    int64_t version; /* 1 at creation, +1 a change */
    const struct js *data;
    struct text data_json;                  /* `data`, canonical; TEXT_NONE: not printed yet */
    int64_t fence;                          /* the largest fencing token that wrote it */
    int64_t audit_sequence;                 /* of its newest audit record; 0: none yet */
    unsigned char audit_hash[DIGEST_BYTES]; /* of that record; zeros when there is none */
    int64_t created_us;
    int64_t updated_us;
    int64_t entered_us; /* when it entered its state. A transaction that only reads does not know:
                           0, or what updated_us says */
};

/* Identifiers are 1..200 bytes of UTF-8 without control characters; not "." or "..", which clients
 * resolve in paths. */
#define ENTITY_ID_MOST 200
bool entity_is_id(struct text id);

/* Machine names and verbs: a letter or '_', then letters, digits, '_', '-', '.'; at most 100. */
bool entity_is_name(struct text name);

/* States are called what people call them ("Awaiting User Info"): 1..100 bytes of UTF-8 without
 * control characters, and without a space at either end. */
bool entity_is_state(struct text name);

/* The canonical text of its data (RFC 8785): `data_json`, or printed into the arena. */
struct text entity_data_json(struct arena *arena, const struct entity *entity);

#endif
