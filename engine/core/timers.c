/* timers.c: the rows of timers.
 *
 *   due ─ timers_look: is it still there? ─ the attempt ─ timers_end
 *     fired                       the row goes
 *     a policy failed             next_us: after a pause that grows up to an hour
 *     a rule refused it, `retry`  next_us: after that
 *     a rule refused it           the row goes, and is remembered as done; event timer.failed
 *
 * An entity that enters a state loses all its rows and gets those of the state. One that stays
 * keeps the rows that it is to have, with their attempts, loses the others and gets those that are
 * missing
 * (`rearm`); a timer that is done is not armed again. */
#include "core/timers.h"

#include "store/timers.h"

/* --- which are there --- */

static bool is_same(const struct store_deadline *a, const struct store_deadline *b) {
    return a->due_us == b->due_us && text_equal(a->to_state, b->to_state) &&
           text_equal(a->entity_id, b->entity_id) && text_equal(a->machine, b->machine);
}

int64_t timers_try_us(const struct store_deadline *timer) {
    return timer->next_us != 0 ? timer->next_us : timer->due_us;
}

static bool is_there(const struct work *work, const struct store_deadline *timer,
                     const struct store_deadline *stored, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (stored[i].done_us == 0 && is_same(timer, &stored[i])) {
            return timers_try_us(&stored[i]) <= work->now_us;
        }
    }
    return false;
}

static const struct state *state_of(const struct work *work, const struct entity *entity) {
    const struct machine *machine =
        generation_machine(work->core->policy.generation, entity->machine);
    return machine != NULL ? machine_state(machine, entity->state) : NULL;
}

/* A machine or state that these rules do not know: another node may, or the next generation. */
static bool is_unknown(struct work *work, const struct store_deadline *timer, struct fault *fault,
                       bool *unknown) {
    struct slot *slot;
    if (!work_slot(work, timer->machine, timer->entity_id, &slot, fault)) {
        return false;
    }
    *unknown = slot->current.exists && state_of(work, &slot->current) == NULL;
    return true;
}

static bool look_at(struct work *work, struct member *member, const struct store_deadline *stored,
                    size_t count, struct fault *fault) {
    bool unknown = false;
    member->unwanted = !is_there(work, member->fired, stored, count);
    if (!member->unwanted && !is_unknown(work, member->fired, fault, &unknown)) {
        return false;
    }
    if (unknown) {
        member->unwanted = true;
        timers_put_off(work, member->fired, member->fired->attempts,
                       work->now_us + TIMER_UNKNOWN_US);
    }
    return true;
}

bool timers_look(struct work *work, struct member *const *members, size_t count,
                 struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct store_key *keys = ARENA_ARRAY(arena, struct store_key, count);
    struct store_deadline *stored;
    size_t key_count = 0, stored_count;
    for (size_t i = 0; i < count; i++) {
        if (members[i]->fired != NULL) {
            keys[key_count++] =
                (struct store_key){members[i]->fired->machine, members[i]->fired->entity_id};
        }
    }
    if (!store_timers(work->core->store, arena, keys, key_count, &stored, &stored_count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count && key_count > 0; i++) {
        if (members[i]->fired != NULL && !look_at(work, members[i], stored, stored_count, fault)) {
            return false;
        }
    }
    return true;
}

static const struct slot *slot_of(struct work *work, const struct store_deadline *timer) {
    struct slot *slot = NULL;
    struct fault ignored = FAULT_INIT; /* it has been read */
    bool found = work_slot(work, timer->machine, timer->entity_id, &slot, &ignored);
    return found ? slot : NULL;
}

bool timers_is_cancelled(struct work *work, const struct member *member) {
    const struct slot *slot = member->fired != NULL ? slot_of(work, member->fired) : NULL;
    return slot != NULL && slot->disarm;
}

/* --- chains --- */

bool timers_is_endless(const struct member *member) {
    return member->fired != NULL && member->fired->chain >= TIMER_CHAIN_MOST;
}

const char *timers_endless_message(struct work *work, const struct member *member) {
    struct text message = text_print(
        &work->core->arena,
        "%d timers of %.*s '%.*s' fired one after the other without a pause; the chain "
        "is stopped here. Give one of the states a longer delay",
        TIMER_CHAIN_MOST, TEXT_ARGS(member->fired->machine), TEXT_ARGS(member->fired->entity_id));
    return text_cstring(&work->core->arena, message);
}

/* --- what becomes of one --- */

int64_t timers_pause_us(int64_t attempts) {
    int64_t pause_us = TIMER_RETRY_US;
    for (int64_t i = 1; i < attempts && pause_us < TIMER_RETRY_MOST_US; i++) {
        pause_us *= 2;
    }
    return pause_us < TIMER_RETRY_MOST_US ? pause_us : TIMER_RETRY_MOST_US;
}

void timers_put_off(struct work *work, const struct store_deadline *timer, int64_t attempts,
                    int64_t next_us) {
    struct store_deadline *row = work_add(work, &work->retried, sizeof *row);
    *row = *timer;
    row->attempts = attempts;
    row->next_us = next_us;
}

static void take_away(struct work *work, const struct store_deadline *timer, int64_t done_us) {
    struct store_deadline *row = work_add(work, &work->fired, sizeof *row);
    *row = *timer;
    row->done_us = done_us;
}

static void put_text(struct js_writer *writer, struct text key, struct text value) {
    js_key(writer, key);
    js_put_text(writer, value);
}

static struct text failure_json(struct work *work, const struct store_deadline *timer,
                                const struct outcome *outcome) {
    struct buffer buffer;
    struct js_writer writer;
    buffer_init(&buffer, &work->core->arena);
    js_writer_init(&writer, &buffer);
    js_open(&writer, '{');
    put_text(&writer, TEXT("machine"), timer->machine);
    put_text(&writer, TEXT("id"), timer->entity_id);
    put_text(&writer, TEXT("from"), outcome->from);
    put_text(&writer, TEXT("to"), timer->to_state);
    js_key(&writer, TEXT("version"));
    js_put_integer(&writer, outcome->version);
    put_text(&writer, TEXT("reason"), timer->reason);
    put_text(&writer, TEXT("code"), text_of(fault_name(outcome->code)));
    put_text(&writer, TEXT("message"), outcome->message);
    js_close(&writer, '}');
    return buffer_view(&buffer);
}

/* Its id goes by the record of the refusal. */
static void tell_failure(struct work *work, const struct store_deadline *timer,
                         const struct outcome *outcome) {
    struct store_outbox *row = work_add(work, &work->outbox, sizeof *row);
    row->id = text_print(&work->core->arena, "%s.1", outcome->audit_uuid);
    row->type = TEXT("timer.failed");
    row->machine = timer->machine;
    row->entity_id = timer->entity_id;
    row->timestamp_us = work->now_us;
    row->json = failure_json(work, timer, outcome);
}

static void fail(struct work *work, struct member *member, enum timer_end end) {
    take_away(work, member->fired, work->now_us);
    tell_failure(work, member->fired, &member->outcomes[0]);
    member->timer_end = end;
}

static void try_again(struct work *work, struct member *member, int64_t pause_us) {
    timers_put_off(work, member->fired, member->fired->attempts + 1, work->now_us + pause_us);
    member->timer_end = TIMER_AGAIN;
}

/* 0: it is not tried again. */
static int64_t retry_us(struct work *work, const struct store_deadline *timer) {
    const struct slot *slot = slot_of(work, timer);
    const struct state *state = slot != NULL ? state_of(work, &slot->current) : NULL;
    const struct timer_rule *rule =
        state != NULL ? machine_timer(state, timer->to_state, timer->reason) : NULL;
    return rule != NULL ? rule->retry_us : 0;
}

static void refused(struct work *work, struct member *member) {
    int64_t pause_us = retry_us(work, member->fired);
    if (pause_us > 0) {
        try_again(work, member, pause_us);
    } else {
        fail(work, member, TIMER_FAILED);
    }
}

void timers_end(struct work *work, struct member *member) {
    const struct store_deadline *timer = member->fired;
    if (timer == NULL) {
        return;
    }
    enum fault_code code = member->outcomes[0].code;
    if (code == FAULT_NONE) {
        take_away(work, timer, 0);
        member->timer_end = TIMER_FIRED;
    } else if (timers_is_endless(member)) {
        fail(work, member, TIMER_STOPPED);
    } else if (code == FAULT_POLICY_ERROR) {
        try_again(work, member, timers_pause_us(timer->attempts + 1));
    } else {
        refused(work, member);
    }
}

/* --- what is written --- */

static struct store_deadline row_of(const struct work *work, const struct slot *slot,
                                    const struct timer *timer) {
    const struct machine *machine =
        generation_machine(work->core->policy.generation, slot->current.machine);
    bool pauses = timer->due_us - work->now_us >= TIMER_PAUSE_US;
    return (struct store_deadline){.machine = slot->current.machine,
                                   .entity_id = slot->current.id,
                                   .due_us = timer->due_us,
                                   .to_state = timer->to,
                                   .reason = timer->reason,
                                   .comments = timer->comments,
                                   .entity_version = slot->current.version,
                                   .chain = pauses ? 0 : slot->chain,
                                   .rules = machine != NULL ? machine->timer_rules : 0};
}

static void arm(struct work *work, struct timer_writes *out, const struct store_deadline *row) {
    *(struct store_deadline *)work_add(work, &out->armed, sizeof *row) = *row;
}

static const struct store_deadline *find(const struct store_deadline *row,
                                         const struct store_deadline *stored, size_t count,
                                         bool done) {
    for (size_t i = 0; i < count; i++) {
        if ((stored[i].done_us != 0) == done && is_same(row, &stored[i])) {
            return &stored[i];
        }
    }
    return NULL;
}

static bool is_expected(const struct work *work, const struct slot *slot,
                        const struct store_deadline *stored) {
    for (size_t i = 0; i < slot->timer_count; i++) {
        struct store_deadline row = row_of(work, slot, &slot->timers[i]);
        if (is_same(&row, stored)) {
            return true;
        }
    }
    return false;
}

/* Done in this batch, or earlier while the entity was in its state. */
static bool is_done(const struct work *work, const struct slot *slot,
                    const struct store_deadline *row, const struct store_deadline *stored,
                    size_t count) {
    const struct store_deadline *done = find(row, stored, count, true);
    return find(row, work->fired.items, work->fired.count, true) != NULL ||
           (done != NULL && done->done_us >= slot->current.entered_us);
}

/* One that was only put off, for want of rules, is written anew: now there are some. */
static bool says_the_same(const struct store_deadline *row, const struct store_deadline *there) {
    bool is_put_off = there->next_us != 0 && there->attempts == 0;
    return row->rules == there->rules && !is_put_off && text_equal(row->reason, there->reason) &&
           text_equal(row->comments, there->comments);
}

/* Of the rows that the entity is to have: those that are missing, or say something else. */
static void arm_missing(struct work *work, struct slot *slot, const struct store_deadline *stored,
                        size_t count, struct timer_writes *out) {
    for (size_t i = 0; i < slot->timer_count; i++) {
        struct store_deadline row = row_of(work, slot, &slot->timers[i]);
        const struct store_deadline *there = find(&row, stored, count, false);
        if (there == NULL ? !is_done(work, slot, &row, stored, count)
                          : !says_the_same(&row, there)) {
            arm(work, out, &row);
        }
    }
}

/* A row of rules that are not known (another program's, or a restored one) keeps its time, for this
 * program may not know when the entity entered its state; unless the data are new, and the delay
 * goes by them. */
static void adopt_unknown(struct work *work, struct slot *slot, const struct store_deadline *stored,
                          size_t count) {
    struct timer *timers = ARENA_ARRAY(&work->core->arena, struct timer, slot->timer_count);
    for (size_t i = 0; i < slot->timer_count; i++) {
        timers[i] = slot->timers[i];
        for (size_t j = 0; j < count && (work->matching || !timers[i].asked); j++) {
            if (stored[j].done_us == 0 && stored[j].rules == 0 &&
                text_equal(stored[j].to_state, timers[i].to) &&
                text_equal(stored[j].reason, timers[i].reason)) {
                timers[i].due_us = stored[j].due_us;
            }
        }
    }
    slot->timers = timers;
}

static void rearm(struct work *work, struct slot *slot, const struct store_deadline *stored,
                  size_t count, struct timer_writes *out) {
    size_t before = work->fired.count + out->armed.count;
    adopt_unknown(work, slot, stored, count);
    for (size_t i = 0; i < count; i++) {
        if (stored[i].done_us == 0 && !is_expected(work, slot, &stored[i])) {
            take_away(work, &stored[i], 0);
        }
    }
    arm_missing(work, slot, stored, count, out);
    work->rearmed += work->fired.count + out->armed.count > before;
}

/* A restored entity has the timers that it had, those that are done with too. */
static void put_back(struct work *work, const struct slot *slot, struct timer_writes *out) {
    const struct restore *restore = slot->restore;
    for (size_t i = 0; restore != NULL && i < restore->timer_count; i++) {
        const struct restored_timer *timer = &restore->timers[i];
        struct list *list = timer->done_us != 0 ? &work->fired : &out->armed;
        struct store_deadline *deadline = work_add(work, list, sizeof *deadline);
        *deadline = (struct store_deadline){.machine = slot->current.machine,
                                            .entity_id = slot->current.id,
                                            .due_us = timer->due_us,
                                            .to_state = timer->to,
                                            .reason = timer->reason,
                                            .comments = timer->comments,
                                            .entity_version = slot->current.version,
                                            .attempts = timer->attempts,
                                            .next_us = timer->next_us,
                                            .chain = timer->chain,
                                            .rules = timer->rules,
                                            .done_us = timer->done_us};
    }
}

static void enter(struct work *work, struct slot *slot, struct timer_writes *out) {
    put_back(work, slot, out);
    if (slot->original.exists) {
        out->disarmed[out->disarmed_count++] =
            (struct store_key){slot->current.machine, slot->current.id};
    }
    for (size_t i = 0; i < slot->timer_count; i++) {
        struct store_deadline row = row_of(work, slot, &slot->timers[i]);
        arm(work, out, &row);
    }
}

static bool read_stored(struct work *work, struct store_deadline **stored, size_t *count,
                        struct fault *fault) {
    struct arena *arena = &work->core->arena;
    struct store_key *keys = ARENA_ARRAY(arena, struct store_key, work->slots.count);
    size_t key_count = 0;
    for (size_t i = 0; i < work->slots.count; i++) {
        const struct slot *slot = work->slots.entries[i].value;
        if (slot->rearm && slot->original.exists) {
            keys[key_count++] = (struct store_key){slot->current.machine, slot->current.id};
        }
    }
    return store_timers(work->core->store, arena, keys, key_count, stored, count, fault);
}

/* Those of one entity stand together. */
static const struct store_deadline *
part_of(const struct slot *slot, const struct store_deadline *stored, size_t count, size_t *part) {
    size_t first = 0;
    *part = 0;
    while (first < count && !(text_equal(stored[first].entity_id, slot->current.id) &&
                              text_equal(stored[first].machine, slot->current.machine))) {
        first++;
    }
    while (first + *part < count && text_equal(stored[first + *part].entity_id, slot->current.id) &&
           text_equal(stored[first + *part].machine, slot->current.machine)) {
        ++*part;
    }
    return stored + first;
}

/* A timer that is tried again, unless its entity has left the state, or is not to have it. */
static void arm_retried(struct work *work, struct timer_writes *out) {
    const struct store_deadline *retried = work->retried.items;
    for (size_t i = 0; i < work->retried.count; i++) {
        const struct slot *slot = slot_of(work, &retried[i]);
        if (slot != NULL && !slot->disarm &&
            (!slot->rearm || is_expected(work, slot, &retried[i]))) {
            arm(work, out, &retried[i]);
        }
    }
}

static void note_earliest(struct core *core, const struct list *deadlines) {
    const struct store_deadline *items = deadlines->items;
    for (size_t i = 0; i < deadlines->count; i++) {
        int64_t try_us = timers_try_us(&items[i]);
        if (try_us < core->earliest_deadline_us) {
            core->earliest_deadline_us = try_us;
        }
    }
}

bool timers_settle(struct work *work, struct timer_writes *out, struct fault *fault) {
    struct store_deadline *stored;
    size_t count, part;
    *out = (struct timer_writes){
        .disarmed = ARENA_ARRAY(&work->core->arena, struct store_key, work->slots.count + 1)};
    if (!read_stored(work, &stored, &count, fault)) {
        return false;
    }
    for (size_t i = 0; i < work->slots.count; i++) {
        struct slot *slot = work->slots.entries[i].value;
        if (slot->disarm) {
            enter(work, slot, out);
        } else if (slot->rearm) {
            const struct store_deadline *own = part_of(slot, stored, count, &part);
            rearm(work, slot, own, part, out);
        }
    }
    arm_retried(work, out);
    note_earliest(work->core, &out->armed);
    return true;
}
