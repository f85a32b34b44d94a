/* data.h: what goes into a store and comes out of it. Pure data; texts and pointers are lent
 * by the caller on the way in, and live in the caller's arena on the way out. Included by store.h.
 */
#ifndef STATUTE_STORE_DATA_H
#define STATUTE_STORE_DATA_H

#include "base/digest.h"
#include "model/attempt.h"
#include "model/entity.h"

/* How a writing transaction holds what it reads, until it ends. */
enum store_hold {
    STORE_HOLD,  /* nobody else changes it, nor holds it */
    STORE_SHARE, /* nobody else changes it */
    STORE_LOOK,  /* not at all: store_write sees whether it is still so */
    STORE_TRY    /* of rows of an application's table: held, unless somebody else holds it */
};

struct store_key {
    struct text machine;
    struct text id;
};

struct store_reading {
    struct store_key key;
    enum store_hold hold; /* of all that are read in one call STORE_LOOK, or of none */
};

/* --- what a batch writes --- */
struct store_entity_write {
    const struct entity
        *entity;          /* as it is to be, audit head included; skipped if exists is false */
    int64_t version_read; /* 0: it was absent, insert */
    bool body_changed;    /* false: only the audit head moved */
};

struct store_record {
    struct text machine, entity_id, from_state, to_state, actor_id, reason; /* TEXT_NONE is NULL */
    struct text transition, request_id, batch, error_code; /* of what is written only */
    char uuid[36];
    int64_t sequence;
    int64_t timestamp_us;
    bool success;
    struct text json; /* canonical, without hashes (model/chain.h) */
    unsigned char previous_hash[DIGEST_BYTES];
    unsigned char hash[DIGEST_BYTES];
};

struct store_outbox {
    struct text id;   /* uuid */
    struct text type; /* CloudEvents type: "transition.succeeded", or what the policy emitted */
    struct text machine, entity_id;
    int64_t timestamp_us;
    struct text json; /* the event's data */
};

struct store_deadline {
    struct text machine, entity_id;
    struct text state; /* read only: that the entity is in */
    int64_t due_us;
    struct text to_state, reason, comments;
    int64_t entity_version; /* that armed it: it fires only if the entity has not left the state */
    int64_t attempts;       /* that neither fired it nor were its last */
    int64_t next_us;        /* when to try it again; 0: when it is due */
    int64_t chain;          /* timers of the entity that fired before it without a pause */
    int64_t rules;          /* that armed it (policy/rules/machine.h); 0: not known */
    int64_t done_us;        /* when a rule refused it for good; 0: it is pending */
};

struct store_answer_key {
    struct text scope, key;
};

/* The first answer to a request with an idempotency key. */
struct store_answer {
    struct text scope; /* caller, method and target */
    struct text key;
    unsigned char body_hash[DIGEST_BYTES];
    int status;
    struct text headers; /* JSON object */
    struct text body;
    int64_t created_us;
};

struct store_batch {
    const struct store_entity_write *entities;
    size_t entity_count;
    const struct store_record
        *records; /* written in this order; each continues its entity's chain */
    size_t record_count;
    const struct store_outbox *outbox;
    size_t outbox_count;
    const struct store_key
        *disarmed; /* entities whose deadlines go, before `deadlines` are added */
    size_t disarmed_count;
    const struct store_deadline *fired; /* single ones that go: same entity, due_us and to_state;
                                           with done_us they are remembered as done */
    size_t fired_count;
    const struct store_deadline *deadlines; /* of one entity, to one state, at one instant: one */
    size_t deadline_count;
    const struct store_answer *answers; /* an older one of the same scope and key is replaced */
    size_t answer_count;
    bool in_order; /* new entities are listed in the order of `entities`, as a restore needs it */
};

/* --- what queries ask for --- */
#define STORE_PAGE_BYTES                                                                           \
    (1024 * 1024) /* of data: a page of entities or records ends there, after one at least */

struct store_page {
    int64_t limit;      /* 1..1000, or FAULT_BAD_REQUEST */
    struct text cursor; /* what an earlier page gave as next; TEXT_NONE: from the start. Opaque and
                         * URL-safe; FAULT_BAD_REQUEST if it is none of ours, or of a page in the
                         * other order */
    bool newest;        /* the newest first */
    int64_t look_most;  /* entities to look at: a page may then be short; 0: all that it takes */
};

struct store_where {
    const struct text *states; /* any of these; none: all */
    size_t state_count;
    const struct js *data; /* {field: value}: all there and equal (js_equal); NULL: all. Fields are
                            * paths: every dot goes one object inward */
    int64_t updated_before_us;  /* exclusive; 0: any */
    int64_t updated_since_us;   /* inclusive; 0: any */
    struct text former_machine; /* entities that are still kept under this name count too, and are
                                   given as the machine's; TEXT_NONE: none */
    const struct js *defaults;  /* {field: value}: what a field is that `data` asks for and an
                                   entity does not have; NULL: nothing */
};

struct store_search {
    struct text machine, entity_id, from_state, to_state, actor_id, reason; /* TEXT_NONE: any */
    struct text transition, request_id, batch, error_code;                  /* TEXT_NONE: any */
    int success;                                                            /* 1, 0, or -1: any */
    int64_t since_us;                                                       /* inclusive; 0: any */
    int64_t until_us;                                                       /* exclusive; 0: any */
};

/* --- API keys (identity/auth.c says what they mean) --- */
struct store_api_key {
    struct text id; /* public part */
    struct text name;
    unsigned char hash[DIGEST_BYTES];           /* of the secret part */
    struct text scopes, roles, permissions;     /* JSON arrays */
    int64_t created_us, expires_us, revoked_us; /* 0: never */
};

#endif
