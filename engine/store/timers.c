/* timers.c: passes on to the kind of store. */
#include "store/timers.h"

#include "store/driver.h"

bool store_due(struct store *store, struct arena *arena, const struct text *machines,
               size_t machine_count, int64_t now_us, int64_t limit, struct store_deadline **items,
               size_t *count, struct fault *fault) {
    return store->driver->timers->due(store, arena, machines, machine_count, now_us, limit, items,
                                      count, fault);
}

bool store_next_due(struct store *store, int64_t *due_us, struct fault *fault) {
    return store->driver->timers->next_due(store, due_us, fault);
}

bool store_timers(struct store *store, struct arena *arena, const struct store_key *keys,
                  size_t count, struct store_deadline **items, size_t *item_count,
                  struct fault *fault) {
    *item_count = 0;
    return count == 0 ||
           store->driver->timers->of(store, arena, keys, count, items, item_count, fault);
}

bool store_count_timers(struct store *store, struct arena *arena, int64_t now_us,
                        struct store_timer_count **items, size_t *count, struct fault *fault) {
    return store->driver->timers->count_timers(store, arena, now_us, items, count, fault);
}

bool store_count_states(struct store *store, struct arena *arena, struct text machine,
                        int64_t now_us, struct store_state_count **items, size_t *count,
                        struct fault *fault) {
    return store->driver->timers->count_states(store, arena, machine, now_us, items, count, fault);
}

bool store_slice(struct store *store, struct arena *arena, const struct store_slice *slice,
                 struct text **ids, size_t *count, int64_t *next, struct fault *fault) {
    return store->driver->timers->slice(store, arena, slice, ids, count, next, fault);
}

bool store_list_matches(struct store *store, struct arena *arena, struct store_match **items,
                        size_t *count, struct fault *fault) {
    return store->driver->timers->list_matches(store, arena, items, count, fault);
}

bool store_put_off(struct store *store, const struct text *machines, size_t machine_count,
                   int64_t before_us, int64_t until_us, int64_t most, struct fault *fault) {
    return store->driver->timers->put_off(store, machines, machine_count, before_us, until_us, most,
                                          fault);
}

bool store_forget_done(struct store *store, int64_t most, struct fault *fault) {
    return store->driver->timers->forget_done(store, most, fault);
}

bool store_lock_match(struct store *store, struct arena *arena, struct text machine, bool waits,
                      struct store_match *out, bool *found, struct fault *fault) {
    return store->driver->timers->lock_match(store, arena, machine, waits, out, found, fault);
}

bool store_save_match(struct store *store, const struct store_match *match, struct fault *fault) {
    return store->driver->timers->save_match(store, match, fault);
}
