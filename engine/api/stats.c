/* stats.c: how many entities there are in each state, for how long, and what is overdue.
 *
 * Where the machine has `read`, only what the actor may read is counted:
 *   names alone decide        all of it, or nothing
 *   a function, or a tenant   one by one, for COUNT_US at the most; a part is no answer, so then it
 *                             is refused
 * A key or token with the scope `audit` that names no other actor has everything: it may read all
 * records anyway. */
#include "api/attempts.h"
#include "api/reading.h"
#include "base/map.h"
#include "core/follow.h"

#include "store/timers.h"
#include "timezone/instant.h"

#define COUNT_US   (500 * NOW_MILLISECOND)
#define COUNT_PAGE 1000

/* The counts of one machine. */
struct census {
    struct worker *worker;
    struct call *call;
    const struct machine *machine;
    const struct actor *actor;
    int64_t now_us;
    int64_t until_us; /* monotonic: counting one by one ends here */
    struct store_state_count *counts;
    size_t count;
};

static void put_state(struct js_writer *writer, const struct store_state_count *state) {
    char instant[INSTANT_TEXT];
    js_open(writer, '{');
    js_key(writer, TEXT("state"));
    js_put_text(writer, state->state);
    js_key(writer, TEXT("entities"));
    js_put_integer(writer, state->entities);
    js_key(writer, TEXT("oldest_at"));
    js_put_text(writer, state->entities > 0 ? instant_print(state->oldest_us, instant) : TEXT_NONE);
    js_key(writer, TEXT("overdue_timers"));
    js_put_integer(writer, state->overdue_timers);
    js_close(writer, '}');
}

static const struct store_state_count *count_of(const struct store_state_count *counts,
                                                size_t count, struct text state) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(counts[i].state, state)) {
            return &counts[i];
        }
    }
    return NULL;
}

/* The states of the machine in name order, then those that it has no more. */
static void put_states(struct js_writer *writer, const struct machine *machine,
                       const struct store_state_count *counts, size_t count) {
    js_open(writer, '[');
    for (size_t i = 0; i < machine->state_count; i++) {
        struct store_state_count none = {.state = machine->states[i].name};
        const struct store_state_count *found = count_of(counts, count, none.state);
        put_state(writer, found != NULL ? found : &none);
    }
    for (size_t i = 0; i < count; i++) {
        if (machine_state(machine, counts[i].state) == NULL) {
            put_state(writer, &counts[i]);
        }
    }
    js_close(writer, ']');
}

/* --- what may be read, one by one --- */

static struct store_state_count *tally_of(struct census *census, struct text state) {
    for (size_t i = 0; i < census->count; i++) {
        if (text_equal(census->counts[i].state, state)) {
            return &census->counts[i];
        }
    }
    struct arena *arena = &census->call->exchange->arena;
    struct store_state_count *grown =
        ARENA_ARRAY(arena, struct store_state_count, census->count + 1);
    if (census->count > 0) {
        memcpy(grown, census->counts, census->count * sizeof *grown);
    }
    census->counts = grown;
    grown[census->count] = (struct store_state_count){.state = text_copy(arena, state)};
    return &grown[census->count++];
}

static void tally(struct census *census, const struct entity *entity) {
    struct store_state_count *state = tally_of(census, entity->state);
    bool is_older = state->entities == 0 || entity->entered_us < state->oldest_us;
    state->oldest_us = is_older ? entity->entered_us : state->oldest_us;
    state->entities++;
}

/* A timer says what its entity's state was called when it was armed, so it is looked up. */
static bool tally_timers(struct census *census, struct arena *scratch, struct map *shown,
                         const struct store_key *keys, size_t count, struct fault *fault) {
    struct store_deadline *timers;
    size_t timer_count;
    if (!store_timers(census->worker->core.store, scratch, keys, count, &timers, &timer_count,
                      fault)) {
        return false;
    }
    for (size_t i = 0; i < timer_count; i++) {
        const struct entity *entity = map_find(shown, timers[i].entity_id);
        bool is_overdue = timers[i].done_us == 0 && timers[i].due_us <= census->now_us;
        if (is_overdue && entity != NULL) {
            tally_of(census, entity->state)->overdue_timers++;
        }
    }
    return true;
}

static bool is_in_time(const struct census *census, struct fault *fault) {
    return now_monotonic_us(&census->worker->core.now) <= census->until_us ||
           fault_set(fault, FAULT_PERMISSION_DENIED,
                     "`read` of '%.*s' is decided entity by entity, and these are too many to be "
                     "counted in %d ms; ask with a key that has the scope audit, which counts all",
                     TEXT_ARGS(census->machine->name), (int)(COUNT_US / NOW_MILLISECOND));
}

static bool is_shown(struct census *census, struct arena *scratch, const struct entity *entity,
                     bool *shows, struct fault *fault) {
    *shows = false;
    return !entity->exists ||
           (is_in_time(census, fault) &&
            reading_shows(census->worker, scratch, census->actor, entity, shows, fault));
}

static bool tally_shown(struct census *census, struct arena *scratch, struct entity *items,
                        size_t count, struct fault *fault) {
    struct store_key *keys = ARENA_ARRAY(scratch, struct store_key, count);
    struct map shown;
    size_t shown_count = 0;
    map_init(&shown, scratch);
    for (size_t i = 0; i < count; i++) {
        bool shows;
        if (!is_shown(census, scratch, &items[i], &shows, fault)) {
            return false;
        }
        if (shows) {
            tally(census, &items[i]);
            map_set(&shown, items[i].id, &items[i]);
            keys[shown_count++] = (struct store_key){items[i].machine, items[i].id};
        }
    }
    return shown_count == 0 || tally_timers(census, scratch, &shown, keys, shown_count, fault);
}

/* Each page in memory of its own. */
static bool tally_page(struct census *census, struct store_page *page, struct fault *fault) {
    struct core *core = &census->worker->core;
    struct arena scratch;
    struct store_where where = {0};
    struct entity *items;
    struct text next;
    size_t count;
    arena_init(&scratch, 0);
    follow_where(core, &scratch, census->machine->name, &where);
    bool done = store_list(core->store, &scratch, census->machine->name, &where, page, &items,
                           &count, &next, fault) &&
                core_refresh(core, &scratch, items, count, fault) &&
                tally_shown(census, &scratch, items, count, fault);
    if (done) {
        page->cursor = text_copy(&census->call->exchange->arena, next);
    }
    arena_deinit(&scratch);
    return done;
}

static bool count_one_by_one(struct census *census, struct fault *fault) {
    struct store_page page = {.limit = COUNT_PAGE};
    census->until_us = now_monotonic_us(&census->worker->core.now) + COUNT_US;
    do {
        if (!tally_page(census, &page, fault)) {
            return false;
        }
    } while (text_given(page.cursor));
    return true;
}

/* --- all of them --- */

static bool count_all(struct census *census, struct fault *fault) {
    return store_count_states(census->worker->core.store, &census->call->exchange->arena,
                              census->machine->name, census->now_us, &census->counts,
                              &census->count, fault);
}

/* --- which of both --- */

static bool names_another(struct call *call, bool *out, struct fault *fault) {
    *out = false;
    for (const char *const *name = reading_queries; *name != NULL; name++) {
        struct text value = TEXT_NONE;
        if (!call_query(call, *name, &value, fault)) {
            return false;
        }
        *out = *out || text_given(value);
    }
    return true;
}

/* Whether what the data are could not matter to `read`. */
static bool is_for_all_alike(const struct machine *machine) {
    return !permission_rule_has_function(&machine->read.permission) &&
           !machine->within.has_function && !text_given(machine->within.field);
}

static bool count_if_allowed(struct census *census, struct fault *fault) {
    const struct entity any = {.machine = census->machine->name,
                               .id = TEXT(""),
                               .state = census->machine->states[census->machine->initial].name,
                               .exists = true,
                               .data = &js_empty_object};
    bool shows;
    return reading_shows(census->worker, &census->call->exchange->arena, census->actor, &any,
                         &shows, fault) &&
           (!shows || count_all(census, fault));
}

static bool count_states(struct census *census, struct fault *fault) {
    const struct caller *caller = &census->call->caller;
    bool is_another;
    if (!reading_actor(census->call, &census->actor, fault) ||
        !names_another(census->call, &is_another, fault)) {
        return false;
    }
    bool has_all = !is_another && caller->self != NULL && (caller->scopes & SCOPE_AUDIT) != 0;
    if (!census->machine->read.is_there || has_all) {
        return count_all(census, fault);
    }
    return is_for_all_alike(census->machine) ? count_if_allowed(census, fault)
                                             : count_one_by_one(census, fault);
}

static bool read_counts(struct census *census, struct fault *fault) {
    struct store *store = census->worker->core.store;
    bool read = call_query_known(census->call, reading_queries, fault) &&
                store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                count_states(census, fault);
    store_rollback(store);
    return read;
}

/* --- the answer --- */

static struct text states_json(struct arena *arena, const struct machine *machine,
                               const struct store_state_count *counts, size_t count) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    js_key(&writer, TEXT("machine"));
    js_put_text(&writer, machine->name);
    js_key(&writer, TEXT("states"));
    put_states(&writer, machine, counts, count);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

static void run_states(struct job *job, struct worker *worker) {
    struct call *call = job->context;
    struct census census = {
        .worker = worker,
        .call = call,
        .machine = generation_machine(worker->core.policy.generation, call->parameters[0]),
        .now_us = now_wall_us(&worker->core.now)};
    struct fault fault = FAULT_INIT;
    if (census.machine == NULL) {
        fault_set(&fault, FAULT_UNKNOWN_MACHINE, "no machine '%.*s' is loaded",
                  TEXT_ARGS(call->parameters[0]));
    }
    if (census.machine == NULL || !read_counts(&census, &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_ok(call->exchange, 200,
            states_json(&call->exchange->arena, census.machine, census.counts, census.count));
}

void api_stats_states(struct call *call) {
    struct fault fault = FAULT_INIT;
    if (!call_machine(call, call->parameters[0], &fault)) {
        call_fail(call->exchange, &fault, TEXT_NONE);
        return;
    }
    call_decide(call, run_states);
}
