/* match.c: the row of a machine in timer_match.
 *
 *   claim ─ no row, other rules ─> position 0, all entities
 *         ─ these rules, done   ─> position 0, entities that changed since they began
 *         ─ these rules, not so ─> again: the same, after this pass
 *   step  ─ the row (skipped when another node has it) ─ slice ─ match ─ position ─ commit
 *         ─ the last slice ─ again? ─> position 0, entities that changed since ─ else finished */
#include "core/match.h"

#include "core/timers.h"
#include "core/work.h"
#include "store/timers.h"

/* --- claims --- */

static bool has_timers(const struct machine *machine) {
    for (size_t i = 0; i < machine->state_count; i++) {
        if (machine->states[i].timer_count > 0) {
            return true;
        }
    }
    return false;
}

/* Whether this node may have armed timers by other rules until now. */
static bool is_news(const struct machine *machine, const struct generation *before, bool shared,
                    const struct store_match *row, int64_t now_us) {
    if (before == NULL) {
        return shared && now_us - row->started_us < MATCH_DAY_US;
    }
    const struct machine *old = generation_machine(before, machine->name);
    return old == NULL || old->timer_rules != machine->timer_rules;
}

static void begin_again(struct store_match *row) {
    row->since_us = row->started_us;
    row->position = 0;
    row->again = false;
    row->finished_us = 0;
}

static bool claim(struct core *core, const struct machine *machine, const struct generation *before,
                  bool shared, struct fault *fault) {
    int64_t now_us = now_wall_us(&core->now);
    struct store_match row;
    bool found;
    if (!store_lock_match(core->store, &core->arena, machine->name, true, &row, &found, fault)) {
        return false;
    }
    if (!found || row.rules != machine->timer_rules) {
        row = (struct store_match){
            .machine = machine->name, .rules = machine->timer_rules, .started_us = now_us};
    } else if (!is_news(machine, before, shared, &row, now_us)) {
        return true;
    } else if (row.finished_us != 0) {
        begin_again(&row);
    } else {
        row.again = true;
    }
    return store_save_match(core->store, &row, fault);
}

static const struct store_match *row_of(const struct store_match *rows, size_t count,
                                        struct text machine) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(rows[i].machine, machine)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* A machine that has no timers and never had is left alone. */
static bool claim_all(struct core *core, const struct generation *before, bool shared,
                      struct fault *fault) {
    const struct generation *generation = core->policy.generation;
    struct store_match *rows;
    size_t count;
    if (!store_list_matches(core->store, &core->arena, &rows, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < generation_machine_count(generation); i++) {
        const struct machine *machine = generation_machine_at(generation, i);
        bool concerned = has_timers(machine) || row_of(rows, count, machine->name) != NULL;
        if (concerned && !claim(core, machine, before, shared, fault)) {
            return false;
        }
    }
    return true;
}

bool match_claim(struct core *core, const struct generation *before, bool shared,
                 struct fault *fault) {
    bool claimed = store_begin(core->store, STORE_WRITE, ISOLATION_DEFAULT, fault) &&
                   claim_all(core, before, shared, fault) && store_commit(core->store, fault);
    store_rollback(core->store);
    return claimed;
}

/* --- entities --- */

static bool is_stored(const struct slot *slot, const struct store_deadline *timer) {
    return text_equal(slot->current.machine, timer->machine) &&
           text_equal(slot->current.id, timer->entity_id);
}

/* The rules have no answer for this entity: what is due of it is looked at again later. */
static bool wait_with(struct work *work, const struct slot *slot, bool failed,
                      struct fault *fault) {
    struct store_key key = {slot->current.machine, slot->current.id};
    struct store_deadline *timers;
    size_t count;
    if (!store_timers(work->core->store, &work->core->arena, &key, 1, &timers, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t attempts = timers[i].attempts + failed;
        int64_t pause_us = failed ? timers_pause_us(attempts) : TIMER_UNKNOWN_US;
        if (is_stored(slot, &timers[i]) && timers[i].done_us == 0 &&
            timers_try_us(&timers[i]) <= work->now_us) {
            timers_put_off(work, &timers[i], attempts, work->now_us + pause_us);
        }
    }
    return true;
}

static bool match_slot(struct work *work, struct slot *slot, struct match_result *out,
                       struct fault *fault) {
    struct policy_reads reads = work_reads(work);
    struct decision *decision = ARENA_NEW(&work->core->arena, struct decision);
    if (!slot->current.exists || slot->gone) {
        return true;
    }
    out->seen++;
    if (!policy_timers(work->core->policy, &work->core->arena, &slot->current, &reads, decision,
                       fault)) {
        return false;
    }
    if (decision->code != FAULT_NONE) {
        bool failed = decision->code == FAULT_POLICY_ERROR;
        out->message = failed && out->failed == 0 ? decision->message : out->message;
        out->failed += failed;
        return wait_with(work, slot, failed, fault);
    }
    slot->rearm = true;
    slot->timers = decision->timers;
    slot->timer_count = decision->timer_count;
    return true;
}

/* Inside the open transaction. */
static bool match_keys(struct work *work, const struct store_key *keys, size_t count,
                       struct match_result *out, struct fault *fault) {
    work->matching = true;
    if (!work_read_keys(work, keys, count, fault)) {
        return false;
    }
    size_t read = work->slots.count; /* ctx:find may add some */
    for (size_t i = 0; i < read; i++) {
        if (!match_slot(work, work->slots.entries[i].value, out, fault)) {
            return false;
        }
    }
    if (!work_write(work, fault)) {
        return false;
    }
    out->changed += (int64_t)work->rearmed;
    return true;
}

bool match_entities(struct core *core, const struct store_key *keys, size_t count,
                    struct match_result *out, struct fault *fault) {
    struct work work;
    *out = (struct match_result){.machine = TEXT_NONE};
    if (!store_begin(core->store, STORE_WRITE, ISOLATION_DEFAULT, fault)) {
        return false;
    }
    work_init(&work, core, NULL);
    bool matched = match_keys(&work, keys, count, out, fault) && store_commit(core->store, fault);
    store_rollback(core->store);
    return matched;
}

/* --- slices --- */

static size_t states_with_timers(const struct machine *machine, struct text *states) {
    size_t count = 0;
    for (size_t i = 0; i < machine->state_count; i++) {
        if (machine->states[i].timer_count > 0) {
            states[count++] = machine->states[i].name;
        }
    }
    return count;
}

static bool read_slice(struct core *core, const struct machine *machine,
                       const struct store_match *row, struct text **ids, size_t *count,
                       int64_t *next, struct fault *fault) {
    struct text *states = ARENA_ARRAY(&core->arena, struct text, machine->state_count + 1);
    struct store_slice slice = {.machine = machine->name,
                                .states = states,
                                .state_count = states_with_timers(machine, states),
                                .since_us = row->since_us,
                                .after = row->position,
                                .limit = MATCH_MOST};
    return store_slice(core->store, &core->arena, &slice, ids, count, next, fault);
}

static void advance(struct store_match *row, int64_t next, int64_t now_us) {
    if (next >= 0) {
        row->position = next;
    } else if (row->again) {
        begin_again(row);
    } else {
        row->finished_us = now_us;
    }
}

static bool match_slice(struct core *core, const struct machine *machine, struct store_match *row,
                        struct match_result *out, struct fault *fault) {
    struct work work;
    struct text *ids;
    size_t count;
    int64_t next;
    out->began = row->position == 0 && row->since_us == 0 && row->seen == 0;
    if (!read_slice(core, machine, row, &ids, &count, &next, fault)) {
        return false;
    }
    struct store_key *keys = ARENA_ARRAY(&core->arena, struct store_key, count);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct store_key){machine->name, ids[i]};
    }
    work_init(&work, core, NULL);
    if (count > 0 && !match_keys(&work, keys, count, out, fault)) {
        return false;
    }
    row->seen += out->seen;
    row->changed += out->changed;
    advance(row, next, work.now_us);
    out->finished = row->finished_us != 0;
    out->machine = machine->name;
    out->slice_seen = out->seen;
    out->slice_changed = out->changed;
    out->seen = row->seen;
    out->changed = row->changed;
    return store_save_match(core->store, row, fault);
}

static bool is_open(const struct core *core, const struct store_match *row,
                    const struct machine **machine) {
    *machine = generation_machine(core->policy.generation, row->machine);
    return *machine != NULL && row->finished_us == 0 && row->rules == (*machine)->timer_rules;
}

/* Locks the row: another node may have gone on since it was read, or have it. */
static bool step(struct core *core, struct text name, struct match_result *out,
                 struct fault *fault) {
    struct store_match row;
    const struct machine *machine;
    bool found;
    if (!store_begin(core->store, STORE_WRITE, ISOLATION_DEFAULT, fault) ||
        !store_lock_match(core->store, &core->arena, name, false, &row, &found, fault)) {
        return false;
    }
    if (!found || !is_open(core, &row, &machine)) {
        return true;
    }
    return match_slice(core, machine, &row, out, fault) && store_commit(core->store, fault);
}

bool match_step(struct core *core, struct match_result *out, struct fault *fault) {
    struct store_match *rows;
    const struct machine *machine;
    size_t count, open = 0;
    *out = (struct match_result){.machine = TEXT_NONE};
    bool read = store_begin(core->store, STORE_READ, ISOLATION_DEFAULT, fault) &&
                store_list_matches(core->store, &core->arena, &rows, &count, fault);
    store_rollback(core->store);
    if (!read) {
        return false;
    }
    while (open < count && !is_open(core, &rows[open], &machine)) {
        open++;
    }
    if (open == count) {
        return true;
    }
    bool stepped = step(core, rows[open].machine, out, fault);
    store_rollback(core->store);
    return stepped;
}
