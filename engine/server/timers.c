/* timers.c: on a worker's thread.
 *
 *   fire   due timers of machines that are loaded ─ armed by other rules? match them first ─ one
 *          member each ─ batch_run ─ tell of those that failed
 *   match  another generation is in force? claim ─ one slice
 *   count  pending, overdue, and those of machines that are not loaded here
 *
 * A timer of a machine that this node does not know is not touched: another node may know it, or
 * the next generation. When there are many, they are put off for a minute, a thousand at a time, so
 * that looking past them stays cheap. */
#include "server/timers.h"

#include "base/log.h"
#include "core/match.h"
#include "server/metrics.h"
#include "store/timers.h"
#include "timezone/instant.h"

#define CROWD          1000
#define PUT_OFF_US     (60 * NOW_SECOND)
#define TELL_EVERY_US  (60 * NOW_SECOND)
#define TELL_FAILED_US (100 * NOW_MILLISECOND) /* ten lines a second */

void timers_deinit(struct timers *timers) {
    if (timers->claimed != NULL) {
        generation_unref(timers->claimed);
    }
}

/* --- which are due --- */

static size_t machine_names(struct worker *worker, struct text **names) {
    const struct generation *generation = worker->core.policy.generation;
    size_t count = generation_machine_count(generation);
    *names = ARENA_ARRAY(&worker->core.arena, struct text, count + 1);
    for (size_t i = 0; i < count; i++) {
        (*names)[i] = generation_machine_at(generation, i)->name;
    }
    return count;
}

static bool read_due(struct worker *worker, int64_t until_us, struct store_deadline **items,
                     size_t *count, struct fault *fault) {
    struct store *store = worker->core.store;
    struct text *names;
    size_t name_count = machine_names(worker, &names);
    bool read = store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                store_due(store, &worker->core.arena, names, name_count, until_us, TIMERS_MOST,
                          items, count, fault);
    store_rollback(store);
    return read;
}

static int64_t try_us(const struct store_deadline *timer) {
    return timer->next_us != 0 ? timer->next_us : timer->due_us;
}

/* Those of the next second are read, too, since the first of them says when to fire next. */
static size_t count_due(const struct store_deadline *items, size_t count, int64_t now_us,
                        int64_t *next_us) {
    size_t due = 0;
    while (due < count && try_us(&items[due]) <= now_us) {
        due++;
    }
    *next_us = due < count ? try_us(&items[due]) : INT64_MAX;
    return due;
}

/* --- those that other rules armed --- */

static bool is_stale(const struct worker *worker, const struct store_deadline *timer) {
    const struct machine *machine =
        generation_machine(worker->core.policy.generation, timer->machine);
    return machine == NULL || machine->timer_rules != timer->rules;
}

static void tell_unmatched(struct text machine, const struct match_result *result) {
    if (result->failed > 0) {
        log_line(LOG_WARNING, "timers_unmatched",
                 "timers of %zu entities%s%.*s stay as they are, and are tried again: %.*s",
                 result->failed, text_given(machine) ? " of " : "", TEXT_ARGS(machine),
                 TEXT_ARGS(result->message));
    }
}

/* *matched: there were some, and what is due has to be read again. */
static bool match_stale(struct worker *worker, const struct store_deadline *due, size_t count,
                        bool *matched, struct fault *fault) {
    struct store_key *keys = ARENA_ARRAY(&worker->core.arena, struct store_key, count + 1);
    struct match_result result;
    size_t key_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_stale(worker, &due[i])) {
            keys[key_count++] = (struct store_key){due[i].machine, due[i].entity_id};
        }
    }
    *matched = key_count > 0;
    if (*matched && !match_entities(&worker->core, keys, key_count, &result, fault)) {
        return false;
    }
    if (*matched) {
        tell_unmatched(TEXT_NONE, &result);
    }
    return true;
}

/* What may fire now, in *items; rules that changed have been applied to it. */
static bool read_fresh(struct worker *worker, int64_t now_us, struct store_deadline **items,
                       size_t *due, int64_t *next_us, struct fault *fault) {
    size_t count;
    bool matched;
    if (!read_due(worker, now_us + TIMERS_AHEAD_US, items, &count, fault)) {
        return false;
    }
    *due = count_due(*items, count, now_us, next_us);
    if (!match_stale(worker, *items, *due, &matched, fault)) {
        return false;
    }
    if (!matched) {
        return true;
    }
    if (!read_due(worker, now_us + TIMERS_AHEAD_US, items, &count, fault)) {
        return false;
    }
    *due = count_due(*items, count, now_us, next_us);
    return true;
}

/* --- firing --- */

static struct attempt attempt_of(const struct store_deadline *timer) {
    return (struct attempt){
        .kind = ATTEMPT_TRANSITION,
        .machine = timer->machine,
        .id = timer->entity_id,
        .to = timer->to_state,
        .reason = text_given(timer->reason) ? timer->reason : TEXT("timer"),
        .comments = timer->comments,
        .skip_permissions = true,
        .by_engine = true,
        .lock = true,
        .blocking_timeout_ms = 1000, /* blocked, not refused: tried again */
        .max_retries = 0,
    };
}

static bool is_tried(const struct member *member) {
    return member->fault == FAULT_NONE && !member->blocked && !member->unwanted;
}

static void tell_failed(struct timers *timers, struct worker *worker, const struct member *member) {
    int64_t now_us = now_monotonic_us(&worker->core.now);
    const struct store_deadline *timer = member->fired;
    bool stopped = member->timer_end == TIMER_STOPPED;
    if (member->timer_end == TIMER_FIRED || (!stopped && timers->failed_told_us != 0 &&
                                             now_us - timers->failed_told_us < TELL_FAILED_US)) {
        return;
    }
    timers->failed_told_us = now_us;
    log_line(stopped ? LOG_ERROR : LOG_WARNING, stopped ? "timer_chain_stopped" : "timer_failed",
             "the timer of %.*s '%.*s' to %.*s %s: %s: %.*s", TEXT_ARGS(timer->machine),
             TEXT_ARGS(timer->entity_id), TEXT_ARGS(timer->to_state),
             member->timer_end == TIMER_AGAIN ? "is tried again" : "is done",
             fault_name(member->outcomes[0].code), TEXT_ARGS(member->outcomes[0].message));
}

static size_t settle(struct timers *timers, struct worker *worker, const struct member *members,
                     size_t count) {
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_tried(&members[i])) {
            metrics_attempt(worker->options->metrics, members[i].outcomes[0].code);
            metrics_timer(worker->options->metrics, members[i].timer_end);
            tell_failed(timers, worker, &members[i]);
            done++;
        }
    }
    return done;
}

/* One member a timer, so that one refusal is its own and each fires in its own right. Returns how
 * many are done with. */
static size_t run_due(struct timers *timers, struct worker *worker, struct store_deadline *due,
                      size_t count) {
    struct arena *arena = &worker->core.arena;
    struct attempt *attempts = ARENA_ARRAY(arena, struct attempt, count + 1);
    struct member *members = ARENA_ARRAY(arena, struct member, count + 1);
    struct member **pointers = ARENA_ARRAY(arena, struct member *, count + 1);
    size_t fresh = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_stale(worker, &due[i])) {
            attempts[fresh] = attempt_of(&due[i]);
            members[fresh] =
                (struct member){.attempts = &attempts[fresh], .attempt_count = 1, .fired = &due[i]};
            pointers[fresh] = &members[fresh];
            fresh++;
        }
    }
    if (fresh > 0) {
        batch_run(&worker->core, pointers, fresh);
    }
    return settle(timers, worker, members, fresh);
}

static bool put_off(struct timers *timers, struct worker *worker, int64_t now_us,
                    struct fault *fault) {
    struct store *store = worker->core.store;
    struct text *names;
    if (!timers->crowded) {
        return true;
    }
    size_t count = machine_names(worker, &names);
    bool fine = store_begin(store, STORE_WRITE, ISOLATION_DEFAULT, fault) &&
                store_put_off(store, names, count, now_us - PUT_OFF_US, now_us + PUT_OFF_US, CROWD,
                              fault) &&
                store_commit(store, fault);
    store_rollback(store);
    return fine;
}

bool timers_fire(struct timers *timers, struct worker *worker, int64_t *next_us,
                 struct fault *fault) {
    int64_t now_us = now_wall_us(&worker->core.now);
    struct store_deadline *items;
    size_t due;
    if (!put_off(timers, worker, now_us, fault) ||
        !read_fresh(worker, now_us, &items, &due, next_us, fault)) {
        return false;
    }
    size_t done = due > 0 ? run_due(timers, worker, items, due) : 0;
    if (done > 0 && (done < due || due == TIMERS_MOST)) {
        *next_us = now_us; /* there may be more, and it moves */
    }
    return true;
}

/* --- matching --- */

/* Another generation than before is in force on this node. */
static bool claim(struct timers *timers, struct worker *worker, struct fault *fault) {
    struct generation *generation = worker->core.policy.generation;
    if (timers->claimed == generation) {
        return true;
    }
    if (!match_claim(&worker->core, timers->claimed, timers->shared, fault)) {
        return false;
    }
    timers_deinit(timers);
    timers->claimed = generation_ref(generation);
    return true;
}

static void tell_match(const struct match_result *result) {
    if (result->began && !result->finished) {
        log_line(LOG_INFO, "timers_matching",
                 "the timers of %.*s are matched with its new rules, in the background",
                 TEXT_ARGS(result->machine));
    }
    if (result->finished && result->seen > 0) {
        log_line(LOG_INFO, "timers_matched",
                 "the timers of %.*s are as its rules say: %lld entities, of which %lld changed",
                 TEXT_ARGS(result->machine), (long long)result->seen, (long long)result->changed);
    }
    tell_unmatched(result->machine, result);
}

bool timers_match(struct timers *timers, struct worker *worker, bool *more, struct fault *fault) {
    struct match_result result;
    *more = false;
    if (!claim(timers, worker, fault) || !match_step(&worker->core, &result, fault)) {
        return false;
    }
    *more = text_given(result.machine);
    if (*more) {
        metrics_matched(worker->options->metrics, result.slice_seen, result.slice_changed);
        tell_match(&result);
    }
    return true;
}

/* --- counts --- */

/* Once a minute, whatever the number of machines. */
static bool is_time_to_tell(const struct timers *timers, int64_t now_us) {
    return timers->told_us == 0 || now_us - timers->told_us >= TELL_EVERY_US;
}

static void tell_stranded(const struct store_timer_count *count) {
    char since[INSTANT_TEXT];
    log_line(
        LOG_WARNING, "timers_wait",
        "%lld timers of the machine '%.*s', which is not loaded here, are due, the first since "
        "%.*s; they fire when it is loaded again",
        (long long)count->overdue, TEXT_ARGS(count->machine),
        TEXT_ARGS(instant_print(count->oldest_due_us, since)));
}

static void add(struct metrics_timers *sum, const struct store_timer_count *count, bool stranded) {
    int64_t *oldest = stranded ? &sum->stranded_since_us : &sum->oldest_due_us;
    sum->pending += count->pending;
    sum->overdue += count->overdue;
    sum->stranded += stranded ? count->overdue : 0;
    if (count->oldest_due_us != 0 && (*oldest == 0 || count->oldest_due_us < *oldest)) {
        *oldest = count->oldest_due_us;
    }
}

static void sum_up(struct timers *timers, struct worker *worker,
                   const struct store_timer_count *counts, size_t count) {
    int64_t now_us = now_monotonic_us(&worker->core.now);
    bool tells = is_time_to_tell(timers, now_us);
    struct metrics_timers sum = {0};
    for (size_t i = 0; i < count; i++) {
        const struct generation *generation = worker->core.policy.generation;
        bool stranded = generation_machine(generation, counts[i].machine) == NULL;
        add(&sum, &counts[i], stranded);
        if (tells && stranded && counts[i].overdue > 0) {
            tell_stranded(&counts[i]);
            timers->told_us = now_us;
        }
    }
    if (sum.stranded_since_us != 0 &&
        (sum.oldest_due_us == 0 || sum.stranded_since_us < sum.oldest_due_us)) {
        sum.oldest_due_us = sum.stranded_since_us;
    }
    timers->crowded = sum.stranded > CROWD;
    metrics_timers(worker->options->metrics, &sum);
}

bool timers_count(struct timers *timers, struct worker *worker, struct fault *fault) {
    struct store *store = worker->core.store;
    struct store_timer_count *counts;
    size_t count;
    bool read = store_begin(store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                store_count_timers(store, &worker->core.arena, now_wall_us(&worker->core.now),
                                   &counts, &count, fault);
    store_rollback(store);
    if (read) {
        sum_up(timers, worker, counts, count);
    }
    return read;
}
