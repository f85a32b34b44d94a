/* attempt.h: an attempt to create an entity, change its data, or move it to a state.
 * Room model/: attempt, entity, decision, the audit record's chain: pure data that every room below
 * shares. It uses base/ and timezone/. Fill the fields yourself; everything that they point to
 * lives in the arena of whoever made it. */
#ifndef STATUTE_ATTEMPT_H
#define STATUTE_ATTEMPT_H

#include "base/js.h"

enum attempt_kind {
    ATTEMPT_CREATE,
    ATTEMPT_UPDATE,
    ATTEMPT_TRANSITION,
    ATTEMPT_NOTICE, /* nobody asked: what somebody else did to an application's row (core/rows.c) */
};

enum isolation {
    ISOLATION_DEFAULT,
    ISOLATION_READ_COMMITTED,
    ISOLATION_REPEATABLE_READ,
    ISOLATION_SERIALIZABLE
};

/* "read committed" and so on; ISOLATION_DEFAULT when the name is none of the three. */
enum isolation isolation_of_name(struct text name);
struct text isolation_name(enum isolation isolation); /* DEFAULT is "read committed" */

/* Who asks. Roles and permissions are arrays of strings, attributes an object; each may be NULL. */
struct actor {
    struct text id;
    const struct js *roles;
    const struct js *permissions;
    const struct js *attributes;
};

struct attempt {
    enum attempt_kind kind;
    struct text machine;
    struct text id;
    struct text
        to; /* the state wanted (TRANSITION), or the state to be created in (CREATE, imports) */
    struct text verb;          /* the transition's name, when sent in place of `to` */
    const struct actor *actor; /* NULL: nobody */
    struct text reason;        /* one of attempt_reasons */
    struct text comments;      /* TEXT_NONE: none */
    const struct js *metadata; /* an object, or NULL */
    const struct js *patch;    /* merge patch; for CREATE the data; an object, or NULL */
    bool cleaned;              /* metadata and attributes are without personal data already */
    int64_t created_us;        /* CREATE, imports: the entity's own times; 0: now */
    int64_t updated_us;
    const int64_t *if_versions; /* one of these, */
    size_t if_version_count;    /* or any when there are none */
    bool dry_run;
    bool idempotent; /* already in `to` is a success without a change */
    bool skip_permissions;
    bool by_engine; /* a timer, or what an effect asks for: set by the engine alone, never read from
                       a request */
    bool is_import; /* CREATE: an entity from elsewhere, which has what it has */
    bool explain;   /* the decision is to come with an explanation */
    bool lock;      /* false skips the distributed lock, never the row lock */
    int64_t lock_timeout_ms;     /* how long the lock is held at the most; 0: the machine's */
    int64_t blocking_timeout_ms; /* how long to wait for it; -1: the machine's */
    int64_t max_retries;         /* -1: the machine's */
    enum isolation isolation;
    struct text request_id;
    struct text batch;           /* id of the bulk whose member this is; TEXT_NONE: of none */
    const struct attempt *cause; /* whose effect this is; NULL: a request */
    struct text
        caused_by; /* audit uuid of the attempt whose effect this is; TEXT_NONE: a request */
};

/* The reasons of CONTRACT section 4: user_action, system_auto, batch, migration, api, timer,
 * webhook, admin_override. */
extern const struct text attempt_reasons[];
extern const size_t attempt_reason_count;
/* Whether the attempt may be made on an entity of this version. */
bool attempt_wants_version(const struct attempt *attempt, int64_t version);

bool attempt_is_reason(struct text reason);

#endif
