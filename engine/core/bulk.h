/* bulk.h: the long-running feature that users call a batch: one transition for many entities.
 * Its members are fixed when it is made; its position moves in the same transaction as the
 * transitions, so that after a crash it goes on where it was and does each entity exactly once. */
#ifndef STATUTE_BULK_H
#define STATUTE_BULK_H

#include "core/batch.h"
#include "store/bulk.h"

#define BULK_STEP_MOST    256   /* members of one transaction, sequential and parallel */
#define BULK_ATOMIC_MOST  10000 /* members of an atomic bulk: it is one transaction */
#define BULK_MEMBERS_MOST 1000000
#define BULK_ERRORS_SHOWN 1000

/* What is asked of every member; kept in the store as JSON. */
struct bulk_request {
    struct attempt attempt; /* without an id */
    struct text mode;       /* "atomic", "sequential", "parallel" */
    int64_t workers;
    bool selected;            /* by `where`; otherwise by ids */
    struct store_where where; /* what selected the members: looked at again when their turn comes */
};

/* Takes what is personal out of all that is kept of a request but its data, which is the entities':
 * its members' guards see comments, metadata and attributes as the audit will have them. */
void bulk_clean(struct arena *arena, const struct generation *generation,
                struct bulk_request *request);
struct text bulk_request_json(struct arena *arena, const struct bulk_request *request);
/* Reads back what bulk_request_json wrote. */
bool bulk_request_read(struct arena *arena, struct text json, struct bulk_request *out,
                       struct fault *fault) MUST_CHECK;
bool bulk_is_atomic(const struct bulk_request *request);

/* The attempts on `ids`, in their order. */
struct attempt *bulk_attempts(struct arena *arena, const struct bulk_request *request,
                              const struct text *ids, size_t count);

/* The ids that a `where` selects now, in id order. FAULT_BAD_REQUEST when there are more than
 * `most`. */
bool bulk_select(struct core *core, struct arena *arena, struct text machine,
                 const struct store_where *where, int64_t most, struct text **ids, size_t *count,
                 struct fault *fault) MUST_CHECK;

/* member_wanted of a step: whether the bulk still runs. Once a pause or cancellation is committed,
 * no step of it begins. */
bool bulk_is_wanted(struct core *core, struct text id, bool *wanted,
                    struct fault *fault) MUST_CHECK;

/* member_extra of a step: adds what the members' outcomes say to the stored bulk. `id` is
 * the bulk's. */
bool bulk_save_progress(struct member *member, struct core *core, struct text id, bool atomic,
                        struct fault *fault) MUST_CHECK;

struct text bulk_status_name(enum bulk_status status);

#endif
