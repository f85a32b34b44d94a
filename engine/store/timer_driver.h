/* timer_driver.h: what a kind of store implements of timers.h; as driver.h, of which it is a part.
 * Every slot does what the function of timers.h that bears its name says; `of` is store_timers. */
#ifndef STATUTE_STORE_TIMER_DRIVER_H
#define STATUTE_STORE_TIMER_DRIVER_H

#include "store/timers.h"

struct store_timer_driver {
    bool (*due)(struct store *store, struct arena *arena, const struct text *machines,
                size_t machine_count, int64_t now_us, int64_t limit, struct store_deadline **items,
                size_t *count, struct fault *fault) MUST_CHECK;
    bool (*next_due)(struct store *store, int64_t *due_us, struct fault *fault) MUST_CHECK;
    bool (*of)(struct store *store, struct arena *arena, const struct store_key *keys, size_t count,
               struct store_deadline **items, size_t *item_count, struct fault *fault) MUST_CHECK;
    bool (*count_timers)(struct store *store, struct arena *arena, int64_t now_us,
                         struct store_timer_count **items, size_t *count,
                         struct fault *fault) MUST_CHECK;
    bool (*count_states)(struct store *store, struct arena *arena, struct text machine,
                         int64_t now_us, struct store_state_count **items, size_t *count,
                         struct fault *fault) MUST_CHECK;
    bool (*slice)(struct store *store, struct arena *arena, const struct store_slice *slice,
                  struct text **ids, size_t *count, int64_t *next, struct fault *fault) MUST_CHECK;
    bool (*list_matches)(struct store *store, struct arena *arena, struct store_match **items,
                         size_t *count, struct fault *fault) MUST_CHECK;
    bool (*put_off)(struct store *store, const struct text *machines, size_t machine_count,
                    int64_t before_us, int64_t until_us, int64_t most,
                    struct fault *fault) MUST_CHECK;
    bool (*forget_done)(struct store *store, int64_t most, struct fault *fault) MUST_CHECK;
    bool (*lock_match)(struct store *store, struct arena *arena, struct text machine, bool waits,
                       struct store_match *out, bool *found, struct fault *fault) MUST_CHECK;
    bool (*save_match)(struct store *store, const struct store_match *match,
                       struct fault *fault) MUST_CHECK;
};

#endif
