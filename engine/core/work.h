/* work.h: what a batch holds in memory while it decides: every entity it touched, as read and as it
 * is to be, and everything that will be written. A mark can be taken and gone back to, so that an
 * attempt that fails leaves no trace among its neighbours. Used by engine/core only. */
#ifndef STATUTE_WORK_H
#define STATUTE_WORK_H

#include "base/map.h"
#include "core/batch.h"
#include "store/table.h"

/* What an application's row says of an entity; all zeros without a table of its own. */
struct row_view {
    const struct app_table *table;
    bool looked; /* its row is not held */
    struct store_row row;
    bool noticed; /* it is not what the engine knew: the entity has followed */
    bool gone;    /* it was there, and is not any more */
};

/* One entity of the batch. */
struct slot {
    struct text key;        /* machine, NUL, id */
    struct entity original; /* as it is in the store */
    struct entity current;  /* after the attempts so far */
    bool body_changed;
    bool looked;                   /* not named by the batch: found, or followed */
    struct row_view view;          /* as read */
    bool renamed;                  /* when it was read, to what the rules call it */
    bool gone;                     /* its row was deleted: `current` is what was known of it last */
    bool row_due;                  /* the row is to be written */
    bool disarm;                   /* its deadlines in the store go */
    bool rearm;                    /* they are to be as `timers` says; those that fit stay */
    const struct restore *restore; /* its timers were restored in this batch */
    const struct timer *timers;    /* of the state that it is in, with `disarm` or `rearm` */
    size_t timer_count;
    int64_t chain; /* timers that fired one after the other until those were armed */
};

/* A growing array in the batch's arena; elements are copied in. */
struct list {
    void *items;
    size_t count, capacity;
};

/* What a batch turned out to want besides what its members name. One that loses a race is run again
 * with it, and holds it all from the start, so that it cannot lose the same race again. */
struct footprint {
    struct map keys;   /* -> struct store_reading: STORE_HOLD or STORE_SHARE */
    struct map guards; /* machines that it counted and wrote, if it counted any; -> the work */
};

struct work {
    struct core *core;
    const struct footprint *footprint; /* of the runs before this one */
    struct map counts;                 /* what was counted -> int64_t, as the store has it */
    struct map counted;                /* machines that were counted -> the work */
    struct map slots;                  /* key -> struct slot */
    struct list notes;   /* struct store_record: what was so before the first attempt */
    struct list records; /* struct store_record; after the notes */
    struct list outbox;  /* struct store_outbox */
    struct list fired;   /* struct store_deadline: that go, with done_us for good */
    struct list retried; /* struct store_deadline: that are tried again */
    struct list answers; /* struct store_answer */
    struct list undo;    /* struct undo: older states of slots, newest last */
    int64_t now_us;      /* wall clock of the whole batch: ctx.now */
    int64_t chain;       /* of the timers that the present member arms */
    bool in_order;       /* new entities are listed in the order of their attempts */
    size_t effects;      /* follow and create done for the current root attempt */
    size_t rearmed;      /* entities whose timers were others than they are to be */
    bool matching;       /* timers are matched with new rules; nothing else happens */
    bool careful;        /* ask an application's table about each row before it is written */
    int64_t retries;     /* how often the batch was run again */
};

struct undo {
    struct slot *slot;
    struct slot before;
};

struct mark {
    size_t records, outbox, undo;
};

/* The machine of an attempt; NULL when it is not loaded. */
const struct machine *core_machine(const struct core *core, const struct attempt *attempt);

/* The isolation in force: the attempt's own, else its machine's. */
enum isolation core_isolation(const struct core *core, const struct attempt *attempt);

/* How many attempts the members have in all. */
size_t core_attempts(struct member *const *members, size_t count);

void work_init(struct work *work, struct core *core, const struct footprint *footprint);

void footprint_init(struct footprint *footprint, struct core *core);
/* Adds what a run that failed wanted. */
void footprint_add(struct footprint *footprint, const struct work *work);

/* Adds a zeroed element of `size` bytes and returns it; valid until the next add. */
void *work_add(struct work *work, struct list *list, size_t size);

/* Reads these entities, in one call, in key order; a key may come twice. */
bool work_read_keys(struct work *work, const struct store_key *keys, size_t count,
                    struct fault *fault) MUST_CHECK;
/* The same of all that the members name and the footprint has; then guards the footprint's
 * machines. */
bool work_read(struct work *work, struct member *const *members, size_t count,
               struct fault *fault) MUST_CHECK;

/* The latest record becomes a note: it is about what was found, and stays when attempts are undone.
 */
void work_note(struct work *work);

/* The slot of an entity, looked at in the store if the batch has not touched it yet. */
bool work_slot(struct work *work, struct text machine, struct text id, struct slot **out,
               struct fault *fault) MUST_CHECK;

/* The entity as attempts and policies see it: not there when its row is gone. */
const struct entity *work_present(struct work *work, const struct slot *slot);

struct mark work_mark(const struct work *work);
void work_back(struct work *work, struct mark mark);

/* Keeps the slot's present state for work_back. Call before each change of a slot. */
void work_touch(struct work *work, struct slot *slot);

/* Whether the entity, as the batch has it now, is there and fits; `where` NULL fits all. */
bool work_fits(struct work *work, const struct slot *slot, const struct store_where *where);

/* Whether the batch writes the entity, or a record of it. */
bool work_is_written(const struct slot *slot);

/* Writes everything, in one store_write, and lowers core->earliest_deadline_us. */
bool work_write(struct work *work, struct fault *fault) MUST_CHECK;

/* ctx:find and ctx:count: the store, overlaid with what this batch has changed. */
struct policy_reads work_reads(struct work *work);

#endif
